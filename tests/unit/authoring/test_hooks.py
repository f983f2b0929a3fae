"""Hooks in the IR: steps beside the nodes, filled from the pipeline's parameters, and what cannot be one."""

from __future__ import annotations

import pytest

from pipeglot.core import ir, wire
from pipeglot.core.errors import DefinitionError
from pipeglot.core.features import Feature, needs
from pipeglot.core.ir import Constant, ParamRef
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.validate import validate
from tests.unit.authoring.conftest import Flow

STEPS = """
@step
def notify(channel: str, year: int = 0) -> str: ...

@step(secrets=["TOKEN"], retry=Retry(2))
def tidy(bar: float = 1.0, modes: list[Mode] = []) -> None: ...
"""


def traced(flow: Flow, options: str, body: str = "load(year)", params: str = "year: int = 2013") -> ir.Pipeline:
    from pipeglot.core.code import Project

    module = flow.module(f"{STEPS}\n@pipeline({options})\ndef flow({params}) -> None:\n    {body}\n")
    found: ir.Pipeline = module.flow.trace(Project([flow.folder])).pipeline
    assert not validate(found)
    for dump in (wire.dump_json, wire.dump_yaml, wire.compact):
        assert wire.load(dump(found), source="it") == found
    return found


def problems(
    flow: Flow, options: str, body: str = "load(year)", params: str = "year: int = 2013", more: str = ""
) -> str:
    module = flow.module(f"{STEPS}{more}\n@pipeline({options})\ndef flow({params}) -> None:\n    {body}\n")
    with pytest.raises(DefinitionError) as caught:
        module.flow.trace()
    return flow.readable(str(caught.value).replace(f"{flow.folder}/", ""))


def test_arguments_are_fixed_ones_then_parameters_then_defaults(flow: Flow) -> None:
    found = traced(
        flow, 'on_failure=notify.partial(channel="#ml"), on_success=[tidy, notify.partial(channel="a", year=7)]'
    )
    (failed,) = found.on_failure
    tidy, succeeded = found.on_success
    assert failed.inputs == {"channel": Constant(value="#ml"), "year": ParamRef(name="year")}
    assert succeeded.inputs == {"channel": Constant(value="a"), "year": Constant(value=7)}
    assert tidy.inputs == {}
    assert (tidy.secrets, tidy.retry) == (("TOKEN",), ir.Retry(attempts=2))
    assert [failed.id, tidy.id, succeeded.id] == ["notify", "tidy", "notify_2"]


def test_one_hook_or_many(flow: Flow) -> None:
    one = traced(flow, "on_failure=tidy, on_success=None")
    many = traced(flow, "on_failure=(tidy,), on_success=[]")
    assert [hook.id for hook in one.on_failure] == [hook.id for hook in many.on_failure] == ["tidy"]
    assert one.on_success == many.on_success == ()


def test_ids_are_unique_in_the_whole_pipeline(flow: Flow) -> None:
    found = traced(flow, "on_failure=tidy.with_options(name='load'), on_success=tidy", body="tidy()\n    tidy()")
    assert [node.id for node in found.nodes] == ["tidy", "tidy_2"]
    assert ([hook.id for hook in found.on_failure], [hook.id for hook in found.on_success]) == (["load"], ["tidy_3"])
    assert list(Plan(found).places) == ["tidy", "tidy_2", "load", "tidy_3"]


def test_code_place_and_needs(flow: Flow) -> None:
    from pipeglot.core.code import Project

    module = flow.module(f"{STEPS}\n@pipeline(\n    on_failure=tidy,\n)\ndef flow() -> None:\n    load(1)\n")
    found = module.flow.trace(Project([flow.folder]))
    (hook,) = found.pipeline.on_failure
    assert found.pipeline.closures[hook.code.digest]
    assert flow.readable(f"{flow.file.name}:{found.locations['tidy'].line}") == "-3"
    uses = needs(found.pipeline)
    assert uses[Feature.HOOKS] == uses[Feature.SECRETS] == uses[Feature.RETRY] == ["tidy"]
    assert uses[Feature.CACHE] == ["load"]


def test_rich_values_and_parameters(flow: Flow) -> None:
    options = "on_failure=tidy.partial(modes=[Mode.SLOW])"
    (hook,) = traced(flow, options, params="bar: float, year: int = 1").on_failure
    modes = hook.inputs["modes"]
    assert isinstance(modes, Constant)
    assert (modes.value, hook.inputs["bar"]) == (["SLOW"], ParamRef(name="bar"))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            "on_failure=notify",
            (
                "-1: `on_failure`: step `notify` takes `channel`, and the pipeline has no parameter of that name\n"
                "  hint: write `on_failure=notify.partial(channel=…)`, or give `channel` a default"
            ),
        ),
        (
            "on_success=[tidy, notify.partial(chanel='x', channel='y')]",
            (
                "-1: `notify` has no parameter `chanel`\n"
                "  hint: did you mean `channel`? its signature is `notify(channel: str, year: int = 0) -> str`"
            ),
        ),
        (
            "on_success=notify.partial(channel=5)",
            (
                "-1: argument `channel` of `notify` is `str` (@notify), which `5` is not\n"
                "  hint: pass a value of that type"
            ),
        ),
        (
            "on_success=tidy.partial(bar=Table())",
            (
                "-1: argument `bar` of `tidy` is `float` (@tidy), which `<module.Table object> …` is not\n"
                "  hint: pass a value of that type"
            ),
        ),
        (
            "on_failure=notify.partial(channel=notify)",
            (
                "-1: argument `channel` of `notify` is the step `notify` itself, not its result\n"
                "  hint: call it: `notify(…)`"
            ),
        ),
    ],
)
def test_what_a_hook_cannot_be_given(flow: Flow, options: str, told: str) -> None:
    import re

    found = problems(flow, options)
    assert re.sub(r"object a…?[^`]*", "object> …", found) == told


def test_parameters_of_another_type(flow: Flow) -> None:
    assert problems(flow, "on_failure=notify.partial(channel='x')", params="year: str", body="show(year)") == (
        "-1: argument `year` of `notify` is `int` (@notify), and parameter `year` is `str`\n"
        "  hint: change one of the annotations, or put a step between them"
    )


def test_a_hook_alone_is_no_pipeline(flow: Flow) -> None:
    assert problems(flow, "on_failure=tidy", body="pass").startswith("@flow: pipeline `flow` calls no step")


def test_hooks_of_a_nested_pipeline_are_hooks_of_the_outer_one(flow: Flow) -> None:
    more = "\n@pipeline(on_failure=[tidy, notify.partial(channel='in')])\ndef sub(n: int) -> None:\n    load(n)\n"
    for call in ("sub(1)", "sub.map(n=[1])"):
        assert problems(flow, "on_failure=tidy, on_success=notify.partial(channel='x')", call, more=more) == (
            "+1: pipeline `sub` has `on_failure=notify`, which does not run where it is a part of `flow`: "
            "the hooks of a run are those of the pipeline that is run\n"
            "  hint: say `on_failure=notify` of `flow` too"
        )
    text = (
        f"{STEPS}{more}\n@pipeline(on_failure=[notify.partial(channel='out'), tidy])\ndef flow() -> None:\n    sub(1)\n"
    )
    found = flow.module(text).flow.trace().pipeline
    assert [hook.id for hook in found.on_failure] == ["notify", "tidy"]


def test_two_functions_of_one_name(flow: Flow) -> None:
    more = "\nfirst = tidy\n\n@step\ndef tidy() -> None: ...\n"
    assert "two different steps are named `tidy`" in problems(flow, "on_failure=first", body="tidy()", more=more)
