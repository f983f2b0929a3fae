"""A step outside of pipelines: the plain function, with a name, a signature and a place that tools find."""

from __future__ import annotations

import asyncio
import concurrent.futures
import copy
import inspect
import multiprocessing
import pickle
import typing
from pathlib import Path

import pytest

import pipeglot
from pipeglot import Permanent, Retry, Step, all_of, each, one_of, otherwise, pipeline, step, unzip, when
from pipeglot.core.errors import DefinitionError, UsageError
from tests.unit.authoring.conftest import Flow


@step
def double(n: int = 1, *, times: int = 2) -> int:
    """Twice n."""
    return n * times


@step(name="quad", retry=Retry(2))
def fourfold(n: int) -> int:
    return double(double(n))


@step
async def later(n: int) -> int:
    await asyncio.sleep(0)
    return n


@step
def test_model() -> None:
    """pytest takes this for no test of its own."""
    raise AssertionError


class Box:
    @staticmethod
    @step
    def inside(n: int) -> int:
        return n


@pipeline
def flow_of_one(n: int = 1) -> None:
    double(n)


variant = double.with_options(name="other", timeout="1h")


def test_a_call_is_the_plain_function() -> None:
    assert double(3) == 6
    assert double(n=3, times=4) == 12
    assert fourfold(1) == 4
    assert Box.inside(7) == 7
    assert double.with_options(name="x")(2) == 4


def test_it_looks_like_its_function() -> None:
    assert (double.__name__, double.__doc__, double.__module__) == ("double", "Twice n.", __name__)
    assert str(inspect.signature(double)) == "(n: 'int' = 1, *, times: 'int' = 2) -> 'int'"
    assert inspect.getsource(double).startswith("@step\ndef double")
    assert typing.get_type_hints(double)["return"] is int
    assert (double.name, fourfold.name, variant.name) == ("double", "quad", "other")
    assert repr(double) == f"<step double: {__name__}.double>"
    assert repr(flow_of_one) == f"<pipeline flow_of_one: {__name__}.flow_of_one>"
    assert double.fn(2) == 4
    assert isinstance(double, Step)


def test_an_async_step_is_run() -> None:
    assert later(3) == 3


def test_an_async_step_in_a_running_loop() -> None:
    async def main() -> None:
        assert await later.fn(3) == 3
        with pytest.raises(UsageError, match="an event loop is running here") as caught:
            later(3)
        assert caught.value.hint == "`await later.fn(…)`"

    asyncio.run(main())


@pytest.mark.parametrize("found", [double, Box.inside, flow_of_one, variant])
def test_it_is_pickled_by_reference(found: object) -> None:
    again = pickle.loads(pickle.dumps(found))
    assert again is found or (found is variant and again.name == "other" and again(3) == 6)
    assert copy.deepcopy(found) is found or found is variant


def test_in_another_process() -> None:
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        assert pool.submit(double, 4).result() == 8


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: double.map(each([1])), "each"),
        (lambda: double.map(n=[1]), "double.map"),
        (lambda: double.partial().map(n=[1]), "double.partial(…).map"),
        (lambda: double.after(1), "double.after"),
        (lambda: flow_of_one.map(n=[1]), "flow_of_one.map"),
        (lambda: flow_of_one.partial().map(n=[1]), "flow_of_one.partial(…).map"),
        (lambda: unzip([(1, 2)]), "unzip"),
        (lambda: when(True), "when"),
        (lambda: otherwise(), "otherwise"),
        (lambda: one_of(1, 2), "one_of"),
        (lambda: all_of(True), "all_of"),
        (lambda: pipeglot.any_of(True), "any_of"),
        (lambda: pipeglot.not_(True), "not_"),
        (lambda: pipeglot.is_in(1, [1]), "is_in"),
        (lambda: pipeglot.is_none(1), "is_none"),
    ],
)
def test_what_is_only_for_pipelines(call: typing.Callable[[], object], name: str) -> None:
    with pytest.raises(UsageError) as caught:
        call()
    assert caught.value.message == f"`{name}` was called outside a pipeline function"


def test_calling_a_pipeline_runs_nothing() -> None:
    with pytest.raises(UsageError) as caught:
        flow_of_one(3)
    assert str(caught.value) == (
        "`flow_of_one` is a pipeline: calling it runs nothing\n\n"
        "hint: `flow_of_one.run(…)` runs it, as does `pipeglot run FILE.py:flow_of_one`;"
        " in another pipeline, a call adds its steps"
    )


def test_a_symbolic_value_that_got_out(flow: Flow) -> None:
    module = flow.module("keep = []\n@pipeline\ndef flow() -> None:\n    keep.append(load(1))\n")
    module.flow.trace()
    with pytest.raises(DefinitionError, match="is called with a symbolic value, outside of the pipeline function"):
        module.validate(module.keep[0])
    with pytest.raises(DefinitionError, match="depends on the result of step `load`"):
        f"{module.keep[0]}"
    assert repr(module.keep[0]) == "<the result of step `load`, known only when the pipeline runs>"


def decorated() -> list[tuple[str, str]]:
    text = (Path(__file__).parent / "decorated.txt").read_text()
    return [tuple(case.strip().split("\n---\n")) for case in text.split("\n===\n")[1:]]  # type: ignore[misc]


@pytest.mark.parametrize(("text", "told"), decorated())
def test_what_cannot_be_decorated_is_refused_at_once(flow: Flow, text: str, told: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        flow.module(text)
    found = str(caught.value).replace(str(flow.folder) + "/", "")
    assert flow.readable(found) == told


def test_nested_pipelines_may_be_defined_in_functions() -> None:
    def made(start: int) -> pipeglot.Pipeline[[], None]:
        @pipeline(name=f"from_{start}")
        def inner() -> None:
            double(start)

        return inner

    assert [made(n).trace().pipeline.name for n in (1, 2)] == ["from_1", "from_2"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("async def flow() -> None:\n    load(1)", "pipeline `flow` is `async`: it only says what runs after what"),
        ("def flow():\n    yield load(1)", "pipeline `flow` is a generator"),
        ("async def flow():\n    yield load(1)", "pipeline `flow` is a generator"),
        ("flow = pipeline(lambda: load(1))", "a lambda cannot be a pipeline: it has no name"),
    ],
)
def test_functions_that_can_be_no_pipeline(flow: Flow, text: str, told: str) -> None:
    module = flow.module(text if "lambda" in text else f"@pipeline\n{text}\n")
    with pytest.raises(DefinitionError) as caught:
        module.flow.trace()
    assert caught.value.problems[-1].message.startswith(told)


def test_permanent_is_the_error_of_the_tree() -> None:
    from pipeglot.core import errors

    assert Permanent is errors.Permanent
