"""Some processes run pipelines and others collect, on one store, for what they take for months; some are killed."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from pipeglot.client.verify import verify
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.references import uses
from pipeglot.core.lineage.view import read_run
from pipeglot.core.store import open_store
from tests.e2e.conftest import ENVIRONMENT
from tests.faults.mutations import ROOT

SECONDS = 24.0
CROWD = ("write", "write", "write", "collect", "collect")


class Crowd:
    """The processes, and what they say."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.began = time.time()
        self.draw = random.Random(7)
        self.spawned = 0

    def spawn(self, role: str, seconds: float) -> subprocess.Popen[bytes]:
        self.spawned += 1
        words = [role, str(self.folder / "store"), str(seconds), str(self.spawned), str(self.began)]
        command = [sys.executable, "-m", "tests.e2e.keepers", *words]
        with (self.folder / f"{role}-{self.spawned}.log").open("wb") as log:
            return subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stdout=log, stderr=log)

    def go(self) -> int:
        """Until the time is over; kills one now and then, and has another take its place. Returns how many."""
        until, killed = time.monotonic() + SECONDS, 0
        crowd = [(role, self.spawn(role, SECONDS)) for role in CROWD]
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.4 + self.draw.random()))
            at = self.draw.randrange(len(crowd))
            role, process = crowd[at]
            process.kill()
            process.wait()
            killed += 1
            crowd[at] = role, self.spawn(role, max(0.0, until - time.monotonic()))
        for _, process in crowd:
            process.wait(timeout=60)
        return killed

    def said(self) -> str:
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.log")))


def test_nothing_is_lost_while_others_collect(tmp_path: Path) -> None:
    crowd = Crowd(tmp_path)
    killed = crowd.go()
    for _ in range(2):
        if not re.search(r"freed [1-9]", crowd.said()):  # on a machine that is so busy that passes take a day
            killed += crowd.go()
    said = crowd.said()
    count = Counter(re.findall(r"^(\w+)", said, re.MULTILINE))
    pruned, freed = (sum(map(int, re.findall(rf"{word} (\d+)", said))) for word in ("pruned", "freed"))
    hits = sum(map(int, re.findall(r"cached (\d)", said)))
    told = f"{killed} killed, {dict(count)}, {pruned} runs pruned, {freed} blobs freed, {hits} hits\n"
    print(told)
    assert "Traceback" not in said, said[-3000:]
    assert min(killed, count["ran"], count["resumed"], pruned, freed, hits) > 0, told + said[-2000:]
    strange = [line for line in said.splitlines() if line.startswith("Corrupt")]
    assert strange == [], told
    store = open_store(tmp_path / "store")
    found = verify(store, quick=False, progress=lambda _: None)
    assert found.troubles == []
    ledger, artifacts = Ledger(store), Artifacts(store)
    assert set(ledger.listed().gone) >= {key.split("/")[1] for key in store.list(keys.RUNS) if key.endswith("/gone")}
    for run in ledger.runs():
        if ledger.started(run) is None:
            continue
        read_run(ledger, artifacts, run)
        for verdict in ledger.verdicts(run):
            assert all(artifacts.exists(use.ref) for use in uses(verdict))
