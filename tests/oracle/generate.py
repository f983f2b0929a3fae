"""Pipelines out of nothing: chains, diamonds, maps in maps, branches, and what can go wrong in them."""

from __future__ import annotations

import itertools
from typing import Any, Literal, NamedTuple

from hypothesis import strategies as st

from pipeglot.core import plain
from pipeglot.core.ir import (
    AllOf,
    AnyNode,
    AnyOf,
    Branch,
    Cache,
    CodeRef,
    Compare,
    Condition,
    Constant,
    IsIn,
    IsNone,
    ItemRef,
    ListOf,
    Map,
    Not,
    OneOf,
    Output,
    OutputRef,
    Param,
    ParamRef,
    Pipeline,
    Retry,
    Returns,
    ScalarType,
    Source,
    Step,
    Truth,
)
from tests.oracle.behaviours import GIVES, TEXT, Kind

MODULE = "tests.oracle.steps"
NUMBER = Kind("int", 0)
PAIR = Returns(form="tuple", outputs=(Output(name="left"), Output(name="right")))
NOTHING = Returns(form="none", outputs=())
DEEPEST = 3


class Level(NamedTuple):
    """One level of what a node stands in; `arm` tells the side of a branch."""

    id: str
    arm: str = ""


Path = tuple[Level, ...]


class Made(NamedTuple):
    """An output that exists, what kind of value it is, and where its step stands."""

    ref: OutputRef
    kind: Kind
    path: Path


class Item(NamedTuple):
    """An item of a map that is open."""

    ref: ItemRef
    kind: Kind


@st.composite
def pipelines(draw: st.DrawFn, *, size: int = 12) -> Pipeline:
    """A pipeline of at most so many steps, with one parameter `n` (an int)."""
    return _Writer(draw, size).pipeline()


class _Writer:
    """Writes one pipeline, knowing at each place what a node there may use."""

    def __init__(self, draw: st.DrawFn, size: int) -> None:
        self.draw = draw
        self.left = size
        self.count = itertools.count(1)
        self.made: list[Made] = []
        self.steps: list[tuple[str, Path]] = []
        self.items: list[Item] = []

    def pipeline(self) -> Pipeline:
        nodes = self.block((), self.draw(st.integers(1, self.left)))
        return Pipeline(
            name="p",
            params=(Param(name="n", type=ScalarType(name="int")),),
            nodes=nodes,
            on_failure=self.hooks(),
            on_success=self.hooks(),
        )

    def block(self, path: Path, most: int) -> tuple[AnyNode, ...]:
        found: list[AnyNode] = [self.node(path)]
        while len(found) < most and self.left > 0:
            found.append(self.node(path))
        return tuple(found)

    def node(self, path: Path) -> AnyNode:
        forms = ["step"] * 4
        if len(path) < DEEPEST and self.left > 1:
            forms += ["map", "map", "branch"]
        match self.draw(st.sampled_from(forms)):
            case "map":
                return self.map(path)
            case "branch":
                return self.branch(path)
            case _:
                return self.step(path)

    def name(self, kind: str) -> str:
        return f"{kind}_{next(self.count)}"

    # --- nodes --------------------------------------------------------------------------------------------------------

    def step(self, path: Path) -> Step:
        self.left -= 1
        does = self.draw(st.sampled_from(_DEEDS))
        if does == "cleanup":
            return self.cleanup(path)
        inputs: dict[str, Source] = {"seed": _constant(self.draw(st.integers(0, 99)))}
        for letter in "abc"[: self.draw(st.integers(0, 3))]:
            inputs[letter] = self.source(path)
        found = Step(
            id=self.name(does),
            code=_code(does),
            inputs=inputs,
            returns={"pair": PAIR, "nothing": NOTHING}.get(does, Returns()),
            after=self.after(path),
            retry=self.draw(_RETRIES),
            cache=self.draw(_CACHES),
        )
        self.note(found, does, path)
        return found

    def cleanup(self, path: Path) -> Step:
        """Runs whatever became of what it comes after; gives nothing that anyone may use."""
        does = self.draw(st.sampled_from(["nothing", "sometimes"]))
        inputs: dict[str, Source] = {"seed": _constant(self.draw(st.integers(0, 99))), "n": ParamRef(name="n")}
        before = [one for one, _ in self.steps]
        after = self.draw(st.lists(st.sampled_from(before), max_size=3, unique=True)) if before else []
        returns = NOTHING if does == "nothing" else Returns()
        name = self.name("cleanup")
        return Step(id=name, code=_code(does), inputs=inputs, returns=returns, after=tuple(after), trigger="all_done")

    def hooks(self) -> tuple[Step, ...]:
        """They take parameters and constants only, and what they return goes nowhere."""
        return tuple(self.hook() for _ in range(self.draw(st.sampled_from([0, 0, 1, 2]))))

    def hook(self) -> Step:
        does = self.draw(st.sampled_from(["number", "nothing", "fails", "flaky", "sometimes", "permanent"]))
        inputs: dict[str, Source] = {"seed": _constant(self.draw(st.integers(0, 99))), "n": ParamRef(name="n")}
        returns = NOTHING if does == "nothing" else Returns()
        retry, cache = self.draw(_RETRIES), self.draw(_CACHES)
        return Step(id=self.name("hook"), code=_code(does), inputs=inputs, returns=returns, retry=retry, cache=cache)

    def note(self, step: Step, does: str, path: Path) -> None:
        self.steps.append((step.id, path))
        if does == "pair":
            self.made.append(Made(OutputRef(step=step.id, output="left"), Kind("int", 0), path))
            self.made.append(Made(OutputRef(step=step.id, output="right"), Kind("int", 1), path))
            self.made.append(Made(OutputRef(step=step.id), Kind("pair", 0), path))
        elif does != "nothing":
            self.made.append(Made(OutputRef(step=step.id), GIVES[does], path))

    def map(self, path: Path) -> AnyNode:
        lists = [(source, kind) for source, kind in self.values(path) if kind.depth > 0]
        lists.append((_constant(self.draw(_NUMBERS)), Kind("int", 1)))
        wrong = [one for one in self.values(path) if isinstance(one[0], OutputRef)]
        odd = self.draw(_RARELY)
        if wrong and odd:
            lists = wrong
        chosen = self.draw(st.sampled_from(lists))
        node, over = self.name("map"), {"x": chosen}
        if self.draw(_RARELY):
            over["y"] = self.draw(st.sampled_from([chosen, *lists]))
        before = len(self.items)
        for name, (_, kind) in over.items():
            self.items.append(Item(ItemRef(map=node, name=name), Kind(kind.base, max(0, kind.depth - 1))))
        body = self.block((*path, Level(node)), self.draw(st.integers(1, 3)))
        del self.items[before:]
        return Map(id=node, over={name: source for name, (source, _) in over.items()}, body=body)

    def branch(self, path: Path) -> Branch:
        node, when = self.name("branch"), self.condition(path, 0)
        then = self.block((*path, Level(node, "then")), self.draw(st.integers(1, 3)))
        otherwise: tuple[AnyNode, ...] = ()
        if self.left > 0 and self.draw(st.booleans()):
            otherwise = self.block((*path, Level(node, "otherwise")), self.draw(st.integers(1, 3)))
        return Branch(id=node, when=when, then=then, otherwise=otherwise)

    def after(self, path: Path) -> tuple[str, ...]:
        allowed = [step for step, other in self.steps if not _exclude_each_other(path, other)]
        return tuple(self.draw(st.lists(st.sampled_from(allowed), max_size=2, unique=True))) if allowed else ()

    # --- sources ------------------------------------------------------------------------------------------------------

    def values(self, path: Path) -> list[tuple[Source, Kind]]:
        """Everything that a node at `path` may take, and what kind of value it is there."""
        found: list[tuple[Source, Kind]] = [(ParamRef(name="n"), NUMBER)]
        found += [(one.ref, one.kind) for one in self.items]
        for one in self.made:
            beyond = _beyond(path, one.path)
            if not any(level.arm for level in beyond):
                found.append((one.ref, Kind(one.kind.base, one.kind.depth + len(beyond))))
        return found + self.choices(path)

    def choices(self, path: Path) -> list[tuple[Source, Kind]]:
        """`one_of` between the arms of branches that are closed."""
        closed = [one for one in self.made if (beyond := _beyond(path, one.path)) and beyond[0].arm]
        closed = [one for one in closed if not _exclude_each_other(path, one.path)]
        found: list[tuple[Source, Kind]] = []
        for one, other in itertools.combinations(closed, 2):
            kinds = [_seen(path, each) for each in (one, other)]
            if _exclude_each_other(one.path, other.path) and kinds[0] == kinds[1]:
                found.append((OneOf(options=(one.ref, other.ref)), kinds[0]))
        return found

    def source(self, path: Path) -> Source:
        known = [source for source, _ in self.values(path)]
        source = self.draw(st.sampled_from(known))
        if not self.draw(_RARELY):
            return source
        return ListOf(items=(source, self.draw(st.sampled_from(known)), _constant(1)))

    # --- conditions ---------------------------------------------------------------------------------------------------

    def condition(self, path: Path, depth: int) -> Condition:
        forms = ["compare", "compare", "is_in", "is_none", "truth"] + ["all_of", "any_of", "not"] * (depth < 2)
        form = self.draw(st.sampled_from(forms))
        if form in ("all_of", "any_of"):
            terms = tuple(self.condition(path, depth + 1) for _ in range(self.draw(st.integers(1, 3))))
            return AllOf(terms=terms) if form == "all_of" else AnyOf(terms=terms)
        if form == "not":
            return Not(term=self.condition(path, depth + 1))
        scalars = [(source, kind) for source, kind in self.values(path) if kind in (NUMBER, Kind("text", 0))]
        source, kind = self.draw(st.sampled_from(scalars))
        if form == "is_none":
            return IsNone(value=source)
        if form == "truth":
            return Truth(value=source)
        if form == "is_in":
            return IsIn(value=source, among=self.among(path, kind.base, scalars))
        right = self.draw(st.sampled_from(_SOME[kind.base] + ([None, 0.5, "a"] if self.draw(_RARELY) else [])))
        if right is None:  # a literal None is refused; an output may still be one
            right = True
        return Compare(op=self.draw(_OPERATORS), left=source, right=_constant(right))

    def among(self, path: Path, base: str, scalars: list[tuple[Source, Kind]]) -> Source:
        """Written down, or a list that steps gave; of texts it may be too large for the records."""
        lists: list[Source] = [_constant(_SOME[base])]
        if base == "int":
            lists += [one for one, kind in self.values(path) if kind == Kind("int", 1) and isinstance(one, OutputRef)]
            lists.append(ListOf(items=tuple(one for one, kind in scalars if kind == NUMBER)[:3]))
        return self.draw(st.sampled_from(lists))


_DEEDS = [*["number", "numbers", "lists"] * 3, *["text", "texts", "pair", "flaky"] * 2]
_DEEDS += ["sometimes", "sometimes", "fails", "permanent", "nothing", "cleanup"]
_SOME: dict[str, list[Any]] = {"int": [0, 3, 333, 600], "text": ["a", "b", "b" * TEXT]}
_OPERATORS: st.SearchStrategy[Literal["==", "!=", "<", "<=", ">", ">="]] = st.sampled_from(
    ["==", "!=", "<", "<=", ">", ">="]
)
_NUMBERS = st.lists(st.integers(0, 9), max_size=3)
_RARELY = st.integers(0, 9).map(lambda number: number == 9)
_RETRIES = st.sampled_from(
    [None, Retry(attempts=3), Retry(attempts=2), Retry(attempts=3, on=("ConnectionError",)), Retry(attempts=1)]
)
_CACHES = st.sampled_from([Cache(), Cache(), Cache(enabled=False), Cache(expires=1e-9), Cache(version="2")])


def _code(does: str) -> CodeRef:
    return CodeRef(module=MODULE, qualname=does, digest=plain.digest(does))


def _constant(value: Any) -> Constant:
    return Constant(value=plain.encode(value))


def _seen(path: Path, made: Made) -> Kind:
    """A value as it is seen from `path`: one list for each map between."""
    return Kind(made.kind.base, made.kind.depth + sum(not level.arm for level in _beyond(path, made.path)))


def _beyond(path: Path, other: Path) -> Path:
    """What `other` stands in and `path` does not."""
    common = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(path, other, strict=False)))
    return other[common:]


def _exclude_each_other(one: Path, other: Path) -> bool:
    ours, theirs = _beyond(other, one), _beyond(one, other)
    return bool(ours and theirs) and ours[0].id == theirs[0].id and ours[0].arm != theirs[0].arm
