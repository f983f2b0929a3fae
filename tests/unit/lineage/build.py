"""Short words to write pipelines and verdicts in the tests of the ledger."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeglot.core import plain
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.ir import (
    AnyNode,
    CodeRef,
    Compare,
    Constant,
    ItemRef,
    Map,
    OneOf,
    OutputRef,
    Pipeline,
    Source,
    Step,
)
from pipeglot.core.lineage.keys import Cell, Index, run_id
from pipeglot.core.lineage.records import Failure, Observed, Portable, Ref, Verdict
from pipeglot.core.lineage.state import RunState
from pipeglot.core.store import open_store

RUN = run_id("test", "p", "1")


def out(step: str, output: str | None = None) -> OutputRef:
    return OutputRef(step=step, output=output)


def const(value: Any) -> Constant:
    return Constant(value=plain.encode(value))


def item(map_id: str, name: str = "x") -> ItemRef:
    return ItemRef(map=map_id, name=name)


def one_of(*steps: str) -> OneOf:
    return OneOf(options=tuple(out(step) for step in steps))


def step(name: str, *, after: tuple[str, ...] = (), trigger: Any = "all_success", **inputs: Source) -> Step:
    code = CodeRef(module="m", qualname=name, digest=plain.digest(name))
    return Step(id=name, code=code, inputs=inputs, after=after, trigger=trigger)


def mapped(name: str, over: Source, *body: AnyNode) -> Map:
    return Map(id=name, over={"x": over}, body=body or (step(name, x=item(name)),))


def above(step_id: str, bar: float) -> Compare:
    return Compare(op=">=", left=out(step_id), right=const(bar))


def pipeline(*nodes: AnyNode) -> Pipeline:
    return Pipeline(name="p", nodes=nodes)


_SAVED = Artifacts(open_store("/nonexistent/store"))


def ref(value: Any) -> Ref:
    """A reference to an inline value: small ones need no store."""
    return _SAVED.save(value, name="value", opaque_id=str)


def verdict(cell: Cell, value: Any = None, status: Any = "succeeded") -> Verdict:
    refs = {"output": ref(value)} if status == "succeeded" else {}
    failure = Failure(cause="raised", type="ValueError", message="no") if status == "failed" else None
    return Verdict(
        run=RUN,
        step=cell[0],
        index=cell[1],
        status=status,
        portable=Portable(code="c", outputs={name: one.value for name, one in refs.items()}),
        observed=Observed(backend="local", refs=refs, failure=failure),
    )


class Failed:
    """What an answer gives for a cell that fails."""


def drive(state: RunState, answer: Callable[[str, Index], Any], order: Callable[[list[Cell]], Cell]) -> list[Verdict]:
    """Run a state to its end; `answer` gives each cell's value, `order` picks the next of the ready ones."""
    ready = state.take_ready()
    given: list[Verdict] = []
    while ready:
        cell = order(ready)
        ready.remove(cell)
        value = answer(*cell)
        made = verdict(cell, status="failed") if value is Failed else verdict(cell, value)
        given.append(made)
        state.apply(made)
        ready += state.take_ready()
    return given
