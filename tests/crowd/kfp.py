"""A real engine among the crowd: runs on KFP's sandbox, whose processes are killed, too."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.crowd.crowd import Storm, Told
from tests.servers.kfp import Kfp

RUNS = 4
"""So many at once."""

EVERY = 12.0
"""Seconds between two kills, at most."""


class Engine:
    """The sandbox, as long as the `with` block lasts. Its runs are started and followed by `pipeglot run`."""

    def __init__(self, storm: Storm) -> None:
        self.storm = storm
        self.home = storm.folder / "kfp"
        self.server = Kfp(self.home, "-o", f"max_runs={RUNS}")
        self.pids = [part["pid"] for part in self.server.view["services"]]
        storm.stacks["kfp"] = json.loads(json.dumps(self._stack()))
        storm.write()

    def _stack(self) -> dict[str, object]:
        auth = {"token_file": self.server.view["password_file"]}
        stack = {"backend": "kfp", "api_url": self.server.view["url"], "auth": auth, "image": "python"}
        return {**stack, "store": self.storm.uri, "trusted": True}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.server.command("down", "kfp", "--purge")

    def work(self, until: float) -> Callable[[], None]:
        """What is done with it meanwhile."""

        def work() -> None:
            hands = [threading.Thread(target=self.storm._guarded, args=(self._hand, n, until)) for n in range(RUNS)]
            for hand in hands:
                hand.start()
            draw = random.Random(self.storm.seed)
            while any(hand.is_alive() for hand in hands):
                time.sleep(draw.random() * EVERY)
                if time.monotonic() < until:
                    self.storm.faults.below(draw.choice(self.pids), "KFP")

        return work

    def _hand(self, number: int, until: float) -> None:
        draw = random.Random(f"{self.storm.seed} kfp {number}")
        while time.monotonic() < until:
            asked = self.storm.asked(draw, next(self.storm._numbers))
            command = self.storm.command("run", "flow.py", "--stack", "kfp", *asked.words, "--json")
            process = self.storm._start([*command, "-C", str(self.storm.folder / asked.checkout)])
            out, err = process.communicate()
            self.storm.done["runs on KFP"] += 1
            if "Traceback" in err or "this is a bug" in err or process.returncode not in (0, 1):
                self.storm.wrong.append(f"on KFP: exit {process.returncode}: {err[-2000:]}{out[-500:]}")
            elif process.returncode == 0:
                self._note(json.loads(out))

    def _note(self, found: dict[str, object]) -> None:
        """All steps of a run that KFP and the ledger say has succeeded."""
        if found["status"] != "succeeded":
            self.storm.wrong.append(f"on KFP: exit 0: {found}")
        self.storm.done["runs on KFP that succeeded"] += 1
        steps: list[dict[str, object]] = found["steps"]  # type: ignore[assignment]
        now = time.time()
        self.storm.told += [
            Told(str(found["run_id"]), str(one["id"]), tuple(one["index"]), now)  # type: ignore[arg-type]
            for one in steps
        ]
