"""A store and a runner on it, for pipelines written as IR."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from pipeglot.core import plain
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.ir import AnyNode, ArtifactType, CodeRef, Param, Pipeline, Returns, ScalarType, Step
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.records import Ref
from pipeglot.core.lineage.view import RunView, StepView, read_run
from pipeglot.core.store import open_store
from pipeglot.core.workers.pool import Pool
from pipeglot.runtime_local.inline import InlinePool
from pipeglot.runtime_local.listener import Listener, Silent
from pipeglot.runtime_local.runner import LocalRun, Origins, Settings
from tests.unit.lineage.build import const

ROOT = Path(__file__).parents[3]
NONE = Returns(form="none", outputs=())


def work(
    name: str,
    function: str = "",
    *,
    returns: Returns | None = None,
    given: Any = None,
    module: str = "work",
    **options: Any,
) -> Step:
    """A step that calls a function of `work.py`, or of another module here; `given` holds its constant arguments."""
    function = function or name
    code = CodeRef(module=f"tests.unit.runtime_local.{module}", qualname=function, digest=plain.digest(function))
    inputs = {key: const(value) for key, value in (given or {}).items()} | options.pop("inputs", {})
    return Step(id=name, code=code, inputs=inputs, returns=returns or Returns(), **options)


class Bench:
    """Runs pipelines on one store, and reads what came of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = open_store(str(folder / "store"))
        self.ledger = Ledger(self.store)
        self.artifacts = Artifacts(self.store)

    def run(
        self,
        *nodes: AnyNode,
        n: int = 0,
        listener: Listener | None = None,
        named: dict[str, tuple[str, Ref]] | None = None,
        origins: Origins = Origins(),  # noqa: B008  # it is frozen
        inline: bool = False,
        **settings: Any,
    ) -> RunView:
        """`named` gives each artifact parameter its id and its reference."""
        named = named or {}
        made = Pipeline(
            name="p",
            params=(
                Param(name="n", type=ScalarType(name="int")),
                *(Param(name=name, type=ArtifactType()) for name in named),
            ),
            nodes=nodes,
            on_failure=settings.pop("on_failure", ()),
            on_success=settings.pop("on_success", ()),
            max_parallel=settings.pop("pipeline_limit", None),
        )
        given = {"n": n, **{name: text for name, (text, _) in named.items()}}
        refs = {name: ref for name, (_, ref) in named.items()}
        known: dict[str, Any] = {"stack": "local", "root": str(ROOT), "roots": (str(ROOT),), "max_parallel": 2}
        chosen = Settings(work=str(self.folder / "work"), **(known | settings))
        pool = InlinePool() if inline else Pool()
        try:
            origins = structs.replace(origins, artifacts={**origins.artifacts, **refs})
            return LocalRun(made, given, self.store, chosen, pool, listener or Silent(), origins).execute()
        finally:
            pool.close()

    def value(self, view: RunView, step: str, *index: int, output: str = "output") -> Any:
        """The value of an output of a run."""
        _, state = read_run(self.ledger, self.artifacts, view.run_id)
        verdict = state.entries[step, index].verdict
        assert verdict is not None
        return self.artifacts.load(verdict.observed.refs[output], name=output)

    def log(self, view: RunView, step: str, *index: int) -> str:
        """What a step printed."""
        log = self.step(view, step, *index).log
        if log is None:
            return ""
        scratch = self.folder / "scratch"
        scratch.mkdir(exist_ok=True)
        found = self.artifacts.load(log, name="log", scratch=scratch)
        assert isinstance(found, Path)
        return found.read_text()

    @staticmethod
    def step(view: RunView, step: str, *index: int) -> StepView:
        return next(one for one in view.steps if (one.id, one.index) == (step, index))

    @staticmethod
    def states(view: RunView) -> dict[str, str]:
        return {one.id + "".join(f"[{i}]" for i in one.index): one.status for one in view.steps}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    """A folder in which steps leave marks."""
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder
