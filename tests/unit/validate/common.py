"""Pipelines of a few words, and all that is said of them."""

from __future__ import annotations

from typing import Any

from pipeglot.core.errors import Problem
from pipeglot.core.ir import (
    AnyNode,
    Branch,
    CodeRef,
    Condition,
    Constant,
    ItemRef,
    Map,
    OneOf,
    OutputRef,
    Pipeline,
    ScalarType,
    Source,
    Step,
    Truth,
)
from pipeglot.core.validate import validate

ANY = ScalarType(name="any")
INT = ScalarType(name="int")
CODE = CodeRef(module="work", qualname="f")
AT_TOP = "define it with `def` at the top of a module"


def step(id: str, **fields: Any) -> Step:  # noqa: A002  # as the IR names it
    inputs = fields.pop("inputs", {})
    return Step(id=id, code=fields.pop("code", CODE), inputs=inputs, **fields)


def takes(id: str, *sources: Source, **fields: Any) -> Step:  # noqa: A002
    return step(id, inputs={f"x{i}": source for i, source in enumerate(sources)}, **fields)


def out(step: str, output: str | None = None) -> OutputRef:
    return OutputRef(step=step, output=output)


def one_of(*steps: str) -> OneOf:
    return OneOf(options=tuple(map(out, steps)))


def told(*nodes: AnyNode, **fields: Any) -> list[tuple[str, str, str]]:
    """Code, message and hint of each problem."""
    return shown(validate(Pipeline(name="p", nodes=nodes, **fields)))


def shown(problems: list[Problem]) -> list[tuple[str, str, str]]:
    return [(problem.code, problem.message, problem.hint) for problem in problems]


def branch(*then: AnyNode, otherwise: tuple[AnyNode, ...] = (), when: Condition | None = None) -> Branch:
    return Branch(id="b", when=when or Truth(value=Constant(value=True)), then=then, otherwise=otherwise)


def mapped(*body: AnyNode, id: str = "m", over: Source | None = None) -> Map:  # noqa: A002
    return Map(id=id, over={"item": over or Constant(value=[1])}, body=body)


ITEM = ItemRef(map="m", name="item")
