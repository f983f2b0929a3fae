"""Parameters that are the logical date or an artifact, in the IR and in the pipeline function."""

from __future__ import annotations

import pytest

from pipeglot.core import ir, wire
from pipeglot.core.ir import ItemRef, ParamRef
from pipeglot.core.validate import validate
from tests.unit.authoring.conftest import Flow

MODEL = ir.ArtifactType(type="Model")


def traced(flow: Flow, body: str, params: str, before: str = "") -> ir.Pipeline:
    found = flow.trace(body, params, before).pipeline
    assert not validate(found)
    for dump in (wire.dump_json, wire.dump_yaml, wire.compact):
        assert wire.load(dump(found), source="it") == found
    return found


def test_the_logical_date(flow: Flow) -> None:
    before = """
    @step
    def on(day: dt.date) -> None: ...

    @pipeline
    def sub(day: dt.date = LogicalDate()) -> None:
        on(day)
    """
    found = traced(flow, "on(day)\nsub(day)\nsub(dt.date(2024, 1, 31))", "day: dt.date = LogicalDate()", before)
    assert found.params == (ir.Param(name="day", type=ir.ScalarType(name="date"), logical_date=True),)
    sources = [node.inputs["day"] for node in found.nodes if isinstance(node, ir.Step)]
    assert sources == [ParamRef(name="day"), ParamRef(name="day"), ir.Constant(value={"~d": "2024-01-31"})]


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        ("Artifact[Model]", MODEL),
        ("Annotated[Model, Artifact]", MODEL),
        ("Artifact[Model] | None", ir.OptionalType(of=MODEL)),
        ("Artifact[list[Model]]", ir.ArtifactType(type="list[Model]")),
    ],
)
def test_artifacts(flow: Flow, annotation: str, kind: ir.ParamType) -> None:
    found = traced(flow, "show(m)", f"m: {annotation}")
    assert found.params == (ir.Param(name="m", type=kind),)
    assert found.nodes[0].inputs == {"value": ParamRef(name="m")}  # type: ignore[union-attr]  # it is a step


def test_an_artifact_has_its_type_inside(flow: Flow) -> None:
    traced(flow, "register(m)", "m: Artifact[Model]")
    found = traced(flow, "register.map(each(ms))", "ms: Artifact[list[Model]]").nodes[0]
    assert isinstance(found, ir.Map)
    assert found.over == {"model": ParamRef(name="ms")}
    (step,) = found.body
    assert isinstance(step, ir.Step)
    assert step.inputs == {"model": ItemRef(map="register", name="model")}


@pytest.mark.parametrize("default", ["'flights/best.model@latest'", "artifact('flights/best.model@latest')"])
def test_a_default_names_an_artifact(flow: Flow, default: str) -> None:
    (param,) = traced(flow, "register(m)", f"m: Artifact[Model] = {default}").params
    assert param.default == "flights/best.model@latest"


def test_an_optional_artifact_and_a_branch(flow: Flow) -> None:
    found = traced(flow, "with when(not_(is_none(m))):\n    register(m)", "m: Artifact[Model] | None = None")
    branch = found.nodes[0]
    assert isinstance(branch, ir.Branch)
    assert branch.when == ir.Not(term=ir.IsNone(value=ParamRef(name="m")))
    assert found.params[0].default is None
