"""What must hold after a fault: nothing lost, nothing wrong, and the next run goes on."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from pipeglot.cli.errors import describe
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.lineage.closing import close
from pipeglot.core.lineage.digest import lineage_digest
from pipeglot.core.lineage.index.queries import totals
from pipeglot.core.lineage.index.sqlite import FileConnection
from pipeglot.core.lineage.lease import lease_of
from pipeglot.core.lineage.ledger import Ledger, pack
from pipeglot.core.lineage.records import End, Verdict
from pipeglot.core.lineage.view import read_run, view
from pipeglot.core.store import open_store
from pipeglot.core.store.base import Store
from tests.faults.points import Injected
from tests.faults.reader import Reader
from tests.faults.workloads import PARAMS, Place, Workload, index, run
from tests.oracle.held import compare_in

SCREEN = 24
"""Lines of a screen: no message is longer."""


class Told:
    """What a process was told is kept: every verdict and every end of a run that the ledger has acknowledged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def listen(self) -> None:
        """From now on, for the rest of this process and of those that it forks."""
        _wrap("commit", lambda ledger, record: self._note(ledger, record))
        _wrap("end", lambda ledger, record: self._note(ledger, record))

    def failed(self, error: BaseException) -> None:
        """What a user would see of an error, and the exit code."""
        if isinstance(error, Exception):
            text, code = describe(error)
            self._write({"error": text, "code": code, "type": type(error).__name__})

    def _note(self, _: Ledger, record: Verdict | End) -> None:
        sha = hashlib.sha256(pack(record)).hexdigest()
        if isinstance(record, End):
            self._write({"run": record.run, "end": record.number, "sha": sha})
        else:
            known = {"run": record.run, "step": record.step, "index": record.index, "status": record.status}
            self._write({**known, "sha": sha})

    def _write(self, line: dict[str, Any]) -> None:
        _WRITE(self._fd, json.dumps(line).encode() + b"\n")

    @staticmethod
    def read(path: Path) -> list[dict[str, Any]]:
        return [json.loads(line) for line in path.read_bytes().splitlines()]


_WRITE = os.write


def _wrap(name: str, then: Callable[[Ledger, Any], object]) -> None:
    inner = getattr(Ledger, name)

    def outer(ledger: Ledger, record: Any) -> Any:
        found = inner(ledger, record)
        then(ledger, found)
        return found

    setattr(Ledger, name, outer)


def after(workload: Workload, place: Place, told: list[dict[str, Any]], kind: str) -> list[str]:
    """All that is wrong after a fault. The process that it came to is gone."""
    found = _messages(told, kind)
    store = open_store(place.store)
    reader = Reader(workload, place.store, place.database)
    found += reader.look()
    found += _kept(store, told)
    found += _runs_are_closed(store)
    found += _goes_on(workload, store, place, told, kind)
    found += _index_is_right(store, place)
    return found + reader.look()


def _messages(told: list[dict[str, Any]], kind: str) -> list[str]:
    """An error that a user sees is short and says what it is; only what nobody can foresee is called a bug."""
    found = []
    for line in told:
        if "error" not in line or kind == "exception" or line["type"] == Injected.__name__:
            continue
        text = line["error"]
        if line["code"] != 1 or text.count("\n") > SCREEN or "Traceback" in text or "a bug" in text:
            found.append(f"the message of {line['type']} (exit code {line['code']}): {text}")
        elif not text.startswith("error: ") or "]" not in text.partition("\n")[0]:
            found.append(f"a message without its code: {text}")
    return found


def _kept(store: Store, told: list[dict[str, Any]]) -> list[str]:
    """Whatever was acknowledged is there, as it was."""
    ledger = Ledger(store)
    found = []
    for line in told:
        if "sha" not in line:
            continue
        record: Verdict | End | None
        if "end" in line:
            record = ledger.ended(line["run"])
        else:
            record = ledger.verdict(line["run"], line["step"], tuple(line["index"]))
        if record is None or hashlib.sha256(pack(record)).hexdigest() != line["sha"]:
            found.append(f"lost, or another now: {line}")
    return found


def _runs_are_closed(store: Store) -> list[str]:
    """A run whose process is gone is not told as running."""
    ledger, artifacts = Ledger(store), Artifacts(store)
    found = []
    for name in ledger.runs():
        if ledger.started(name) is None:
            continue
        start, state = read_run(ledger, artifacts, name)
        status = view(start, state, lease_of(ledger, start, state)).status
        if status not in ("succeeded", "failed", "lost", "cancelled"):
            found.append(f"run {name} is told as {status}")
    return found


def _goes_on(workload: Workload, store: Store, place: Place, told: list[dict[str, Any]], kind: str) -> list[str]:
    """The run that the fault came to is resumed, and a new one gets all that can be reused from the cache."""
    workload = workload._replace(workers=False)
    found: list[str] = []
    before = _first_broken(store)
    if before:
        ended = close(Ledger(store), Artifacts(store), before)
        again = run(workload, lambda: store, place, resumes=before)
        digest = held(workload, store, again.run_id)
        if ended.status == "succeeded" and digest != ended.digest:
            found.append(f"the resumed run has digest {digest}, and the one before {ended.digest}")
        if kind != "truncated body":  # which is told from a damaged one by nobody, so that is made anew
            found += _taken_over(workload, store, before, again.run_id, told)
    held(workload, store, run(workload, lambda: store, place).run_id)
    held(workload, store, run(workload, lambda: store, place).run_id, again=True)
    return found


def _first_broken(store: Store) -> str:
    """The first run that did not come to its end, else the first one; empty if there is none."""
    ledger = Ledger(store)
    names = [name for name in ledger.runs() if ledger.started(name) is not None]
    ends = {name: ledger.ended(name) for name in names}
    broken = [name for name, end in ends.items() if end is None or end.status in ("lost", "cancelled")]
    return next(iter([*broken, *names]), "")


def held(workload: Workload, store: Store, name: str, *, again: bool = False) -> str | None:
    """Hold a run against the interpreter, and its end against what is derived from its records."""
    digest = compare_in(store, workload.pipeline, PARAMS, name, again=again)
    ended = Ledger(store).ended(name)
    assert ended is not None, "a run that is over has an end"
    assert ended.digest == digest, "an end tells the digest"
    _, state = read_run(Ledger(store), Artifacts(store), name)
    assert lineage_digest(state) == digest
    return digest


def _taken_over(workload: Workload, store: Store, before: str, name: str, told: list[dict[str, Any]]) -> list[str]:
    """What the process had been told is finished is not computed again."""
    ledger = Ledger(store)
    steps = {cell[0]: step for cell, step in _steps(workload, store, name).items()}
    hooks = {step.id for step in (*workload.pipeline.on_failure, *workload.pipeline.on_success)}
    found = []
    for line in told:
        if line.get("run") != before or line.get("status") != "succeeded":
            continue
        step, position = line["step"], tuple(line["index"])
        if step in hooks or steps[step] == "all_done":
            continue
        verdict = ledger.verdict(name, step, position)
        if verdict is not None and verdict.status == "succeeded" and verdict.observed.cached is None:
            found.append(f"{step} {position} had finished, and was computed again: {verdict.observed.why}")
    return found


def _steps(workload: Workload, store: Store, name: str) -> dict[tuple[str, tuple[int, ...]], str]:
    _, state = read_run(Ledger(store), Artifacts(store), name)
    return {cell: state.plan.step(cell[0]).trigger for cell in state.entries if cell[0] in state.plan.places}


def _index_is_right(store: Store, place: Place) -> list[str]:
    """The index that lived through the fault says what a new one says."""
    left_out = index(store, place.database)
    new = place.database.with_name("new.sqlite")
    index(store, new)
    one, other = _totals(place.database), _totals(new)
    found = [f"the index leaves out {left_out}"] if left_out else []
    if one != other:
        found.append(f"the index holds {one}, and a new one {other}")
    return found


def _totals(path: Path) -> Any:
    with closing(sqlite3.connect(path, factory=FileConnection)) as connection:
        runs = connection.execute("SELECT run, status, final, records FROM runs ORDER BY run").fetchall()
        return totals(connection), runs


def after_power_cut(lost: Path) -> None:
    """Take from the disk what it did not have for certain."""
    if not lost.exists():
        return
    for line in lost.read_text().splitlines():
        what, path = line.split("\t")
        if what == "bytes" and os.path.isfile(path):
            os.chmod(path, 0o600)
            os.truncate(path, os.path.getsize(path) // 2)
        elif what == "names" and os.path.isdir(path):
            shutil.rmtree(path)
        elif what == "names" and os.path.exists(path):
            os.unlink(path)
