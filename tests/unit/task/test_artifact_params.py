"""Parameters that name artifacts, in a run that an engine starts: its first task finds them, once for all."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from pipeglot.core.errors import ParamError
from pipeglot.core.ir import ArtifactType, Param, ParamRef, Pipeline
from pipeglot.core.task.joining import RESERVED, EngineRun
from pipeglot.core.task.task import TaskRun
from tests.unit.runtime_local.conftest import NONE, work
from tests.unit.task.conftest import Engine, digested


def scored(engine: Engine, run: str, model: str, **wishes: Any) -> TaskRun:
    """A task of another pipeline, which adds to what it is given."""
    nodes, closures = digested((work("add", inputs={"x": ParamRef(name="model")}, given={"y": 2}),))
    params = (Param(name="model", type=ArtifactType()),)
    pipeline = Pipeline(name="score", params=params, nodes=nodes, closures=closures)
    deployed = structs.replace(engine.deployed, pipeline="score", ir=engine.ledger.put_ir(pipeline))
    return TaskRun(deployed, EngineRun(id=run, params={"model": model, **({RESERVED: wishes} if wishes else {})}))


def succeed(engine: Engine, run: str) -> str:
    """A run of the first pipeline, which nobody has looked at since. Returns its id."""
    engine.run = structs.replace(engine.run, id=run)
    assert engine.step("one").status == "succeeded"
    return engine.task().start.run


def test_the_first_task_finds_what_a_parameter_names(engine: Engine) -> None:
    engine.deploy(work("one"))
    first = succeed(engine, "manual__1")
    before = scored(engine, "manual__7", "p/one.output@latest")
    assert before.start.params["model"] == f"{first}/one/output"
    second = succeed(engine, "manual__2")
    later = scored(engine, "manual__7", "p/one.output@latest")
    assert later.start == before.start, "once for all tasks of a run"
    assert later.start.artifacts["model"].value
    assert later.step("add").status == "succeeded"
    assert later.cells.verdict("add", ()) is not None
    assert scored(engine, "manual__8", "p/one@latest").start.params["model"] == f"{second}/one/output"
    assert scored(engine, "manual__9", f"{first}/one/output").start.params["model"] == f"{first}/one/output"


def test_a_run_that_goes_on_from_another_has_its_artifacts(engine: Engine) -> None:
    engine.deploy(work("one"))
    first = succeed(engine, "manual__1")
    before = scored(engine, "manual__7", "p/one@latest")
    succeed(engine, "manual__2")
    resumed = scored(engine, "manual__8", before.start.params["model"], resumes=before.start.run)
    assert resumed.start.params["model"] == f"{first}/one/output"
    assert resumed.start.artifacts == before.start.artifacts


def test_a_parameter_that_names_nothing(engine: Engine) -> None:
    engine.deploy(work("one"), work("fail", returns=NONE))
    engine.step("one")
    engine.step("fail")
    with pytest.raises(ParamError) as caught:
        scored(engine, "manual__7", "q/one@latest")
    assert "parameter `model`: the store" in caught.value.message
    assert "has no run of a pipeline `q`" in caught.value.message
    with pytest.raises(ParamError, match="pipeline `p` has never succeeded"):
        scored(engine, "manual__7", "p/one@latest")
