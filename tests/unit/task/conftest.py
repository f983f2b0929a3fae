"""An engine's run of a pipeline on a store, task by task, each attempt in a real process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.code import Project
from pipeglot.core.ir import AnyNode, Branch, Param, Pipeline, Retry, ScalarType, Step
from pipeglot.core.lineage.lease import Schedule
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.records import Start
from pipeglot.core.lineage.state import RunState
from pipeglot.core.lineage.view import RunView, read_run, read_view
from pipeglot.core.store import open_store
from pipeglot.core.task.deployed import Deployed
from pipeglot.core.task.joining import EngineRun
from pipeglot.core.task.task import Outcome, TaskRun

ROOT = Path(__file__).parents[3]
PROJECT = Project([ROOT])
THREE = Retry(attempts=3)


class Engine:
    """`run` is the engine's own id of the run that tasks are of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = open_store(str(folder / "store"))
        self.ledger = Ledger(self.store)
        self.artifacts = Artifacts(self.store)
        self.run = EngineRun(id="manual__1", params={"n": 7})
        self.schedule = Schedule()

    def deploy(self, *nodes: AnyNode, secrets: dict[str, str] | None = None, **more: Any) -> None:
        nodes, closures = digested(nodes)
        for kind in ("on_failure", "on_success"):
            more[kind], found = digested(more.get(kind, ()))
            closures |= found
        params = (Param(name="n", type=ScalarType(name="int")),)
        pipeline = Pipeline(name="p", params=params, nodes=nodes, closures=closures, **more)
        self.deployed = Deployed(
            pipeline="p",
            ir=self.ledger.put_ir(pipeline),
            stack="far",
            backend="engine",
            store=str(self.folder / "store"),
            secrets=secrets or {},
        )

    def task(self, **changed: Any) -> TaskRun:
        return TaskRun(structs.replace(self.deployed, **changed), self.run, schedule=self.schedule)

    def step(self, step: str, *index: int, attempt: int | None = 1) -> Outcome:
        return self.task().step(step, index, attempt=attempt)

    def value(self, step: str, *index: int, output: str = "output") -> Any:
        verdict = self.state.entries[step, index].verdict
        assert verdict is not None
        return self.artifacts.load(verdict.observed.refs[output], name=output)

    @property
    def read(self) -> tuple[Start, RunState]:
        return read_run(self.ledger, self.artifacts, self.task().start.run)

    @property
    def state(self) -> RunState:
        return self.read[1]

    @property
    def view(self) -> RunView:
        return read_view(self.ledger, self.artifacts, self.task().start.run)

    @property
    def states(self) -> dict[str, str]:
        return {one.id + "".join(f"[{i}]" for i in one.index): one.status for one in self.view.steps}


def digested(nodes: tuple[AnyNode, ...]) -> tuple[tuple[AnyNode, ...], dict[str, dict[str, str]]]:
    """With the digests of the steps' code, which is installed as far as these tasks can tell, and their closures."""
    closures: dict[str, dict[str, str]] = {}

    def inside(node: AnyNode) -> AnyNode:
        if isinstance(node, Step):
            if not node.code.module.startswith("tests."):  # in a bundle
                return node
            found = PROJECT.closure(node.code.module, node.code.qualname)
            closures[found.digest] = found.members
            return structs.replace(node, code=structs.replace(node.code, digest=found.digest))
        if isinstance(node, Branch):
            then, otherwise = (tuple(map(inside, arm)) for arm in (node.then, node.otherwise))
            return structs.replace(node, then=then, otherwise=otherwise)
        return structs.replace(node, body=tuple(map(inside, node.body)))

    return tuple(map(inside, nodes)), closures


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setenv("PIPEGLOT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(ROOT)
    return Engine(tmp_path)


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    """A folder in which steps leave marks."""
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder
