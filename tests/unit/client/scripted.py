"""An orchestrator that answers by a script, and a recorded run of its own, with no engine in sight."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import structs

from pipeglot.client.following import Follower
from pipeglot.client.records import Records
from pipeglot.compilers.base import File, Source
from pipeglot.compilers.remote import Away, Check, EngineTask
from pipeglot.core.errors import Problem
from pipeglot.core.ir import Pipeline, Retry
from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.ledger import now
from pipeglot.core.lineage.records import Failure, Start
from pipeglot.core.lineage.view import RunView
from pipeglot.core.store import open_store
from pipeglot.core.task.joining import EngineRun
from pipeglot.runtime_local.listener import Silent
from pipeglot.stacks.workspace import bare_workspace
from tests.unit.lineage.build import RUN, item, mapped, out, pipeline, step, verdict

NUMBERS = structs.replace(step("numbers"), retry=Retry(attempts=2))
MADE = pipeline(NUMBERS, mapped("m", out("numbers"), step("double", x=item("m"))), step("total", xs=out("double")))
AWAY = Away("the Airflow of stack `prod` cannot be reached")


class Scripted:
    """An orchestrator that answers by a script; a callable in it does something to the ledger first."""

    def __init__(self, *script: Any, tasks: Collection[EngineTask] = (), log: str = "") -> None:
        self.script = list(script)
        self.found = tasks
        self.text = log
        self.cancelled = 0

    def status(self, pipeline: str, run: str) -> Any:
        assert (pipeline, run) == ("p", "theirs")
        one = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if callable(one):
            one = one()
        if isinstance(one, Exception):
            raise one
        return one

    def tasks(self, pipeline: str, run: str, states: Collection[str] = ()) -> Iterator[EngineTask]:
        return iter([task for task in self.found if not states or task.state in states])

    def log(self, pipeline: str, run: str, task: EngineTask) -> str:
        return f"{self.text} of {task.step}"

    def cancel(self, pipeline: str, run: str) -> None:
        self.cancelled += 1

    def url(self, pipeline: str, run: str) -> str:
        return "http://there"

    wakes = True

    def register(self, source: Source, files: Collection[File]) -> None:
        pass

    def is_live(self, pipeline: str, version: str) -> bool:
        return True

    def is_paused(self, pipeline: str) -> bool:
        return False

    def uncarried(self, pipeline: Pipeline, params: Mapping[str, Any]) -> Collection[str]:
        return ()

    def start(self, pipeline: str, run: str, params: Mapping[str, Any]) -> EngineRun:
        return EngineRun(id=run)

    def checks(self, deployed: Collection[Pipeline]) -> Iterator[Check]:
        return iter(())

    def problems(self, source: Source) -> Iterator[Problem]:
        return iter(())


class Heard(Silent):
    """What a listener was told, in words."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def running(self, cell: Cell, attempt: int) -> None:
        self.words.append(f"{cell[0]}{list(cell[1])} runs, attempt {attempt}")

    def retrying(self, cell: Cell, attempt: int, failure: Failure, delay: float) -> None:
        self.words.append(f"{cell[0]}{list(cell[1])} failed ({failure.message}), attempt {attempt} is next")

    def settled(self, cell: Cell, entry: Any) -> None:
        self.words.append(f"{cell[0]}{list(cell[1])} {entry.status}")

    def waiting(self, told: str) -> None:
        self.words.append(f"waiting: {told}")

    def warned(self, text: str) -> None:
        self.words.append(f"warned: {text}")

    def cancelling(self, grace: float) -> None:
        self.words.append("cancelling")


class Run:
    """A recorded run, and its follower."""

    def __init__(self, folder: Path, created: str = "") -> None:
        self.records = Records(bare_workspace(folder), open_store(folder / "store"))
        ledger = self.records.ledger
        start = Start(
            run=RUN,
            pipeline="p",
            stack="prod",
            backend="airflow",
            ir=ledger.put_ir(MADE),
            params={},
            created=created or now().isoformat(),
            logical_date=now().isoformat(),
            engine={"run": "theirs", "dag": "p"},
        )
        self.start = ledger.start(start)
        self.heard = Heard()

    def done(self, cell: Cell, value: Any = None) -> None:
        self.records.ledger.commit(verdict(cell, value))

    def all_done(self) -> str:
        self.done(("numbers", ()), [1])
        self.done(("double", (0,)), 2)
        self.done(("total", ()), 2)
        return "succeeded"

    def follow(self, remote: Scripted) -> RunView:
        return Follower(self.records, self.start, remote, self.heard).until_over()
