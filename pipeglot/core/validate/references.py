"""The rules of who may use whose values: nodes refer to earlier ones, out of maps as lists, out of arms by `one_of`.

A scope is the way from the top of a pipeline to a node: the maps and arms that it stands in, outermost first.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple, TypeAlias

from pipeglot.core import params
from pipeglot.core.errors import ParamError
from pipeglot.core.ir import (
    AllOf,
    AnyNode,
    AnyOf,
    ArtifactType,
    Compare,
    Condition,
    Constant,
    IsIn,
    ItemRef,
    ListOf,
    ListType,
    Map,
    Not,
    OneOf,
    OutputRef,
    Param,
    ParamRef,
    Pipeline,
    ScalarType,
    Source,
    Step,
    TupleType,
)
from pipeglot.core.params.describing import ticked
from pipeglot.core.suggest import close
from pipeglot.core.validate.nodes import who_is
from pipeglot.core.validate.params import check_type
from pipeglot.core.validate.report import Report

_DEEPEST = 20
_ANY = ScalarType(name="any")


class Level(NamedTuple):
    """A map, or one arm (`then`, `otherwise`) of a branch."""

    id: str
    arm: str = ""


Scope: TypeAlias = tuple[Level, ...]


class Placed(NamedTuple):
    """A step and where it stands."""

    step: Step
    scope: Scope


def check_references(report: Report, pipeline: Pipeline) -> None:
    """Walk through the nodes in order, knowing what came before."""
    walk = _Walk(report, {param.name: param for param in pipeline.params})
    walk.note_all(pipeline.nodes)
    walk.nodes(pipeline.nodes, ())
    for hook in (*pipeline.on_failure, *pipeline.on_success):
        walk.hook(hook)


class _Walk:
    def __init__(self, report: Report, params: dict[str, Param]) -> None:
        self.report = report
        self.params = params
        self.earlier: dict[str, Placed] = {}
        self.steps: set[str] = set()
        self.others: dict[str, str] = {}
        self.maps: dict[str, Map] = {}

    def note_all(self, nodes: tuple[AnyNode, ...]) -> None:
        """Which ids there are at all, so that a later one is told from one that does not exist."""
        for node in nodes:
            if isinstance(node, Step):
                self.steps.add(node.id)
                continue
            self.others[node.id] = type(node).__name__.lower()
            self.note_all(node.body if isinstance(node, Map) else node.then + node.otherwise)

    def nodes(self, nodes: tuple[AnyNode, ...], scope: Scope) -> None:
        for node in nodes:
            who = who_is(node)
            if isinstance(node, Step):
                self.step(node, who, scope)
                self.earlier.setdefault(node.id, Placed(node, scope))
            elif isinstance(node, Map):
                for name, source in node.over.items():
                    self.source(source, who, scope)
                    self.steppable(source, who, name)
                self.maps[node.id] = node
                self.nodes(node.body, (*scope, Level(node.id)))
            else:
                self.condition(node.when, who, scope, 0)
                self.nodes(node.then, (*scope, Level(node.id, "then")))
                self.nodes(node.otherwise, (*scope, Level(node.id, "otherwise")))

    def step(self, step: Step, who: str, scope: Scope) -> None:
        for name, source in step.inputs.items():
            self.source(source, who, scope, name)
            if step.trigger == "all_done" and not _is_static(source):
                told = f"its input {ticked(name)} is a step's output, but a clean-up step runs even where there is none"
                self.report.add("all-done", who, told, "give it constants and parameters only, and order it by `after`")
        for before in step.after:
            self.after(before, step, who, scope)

    def hook(self, hook: Step) -> None:
        who = who_is(hook)
        for name, source in hook.inputs.items():
            if _is_static(source):
                self.source(source, who, (), name)
            else:
                told = f"it is a hook, and its input {ticked(name)} is a step's output, which the run may not have"
                self.report.add("hook", who, told, "give it constants and parameters only")

    def after(self, before: str, step: Step, who: str, scope: Scope) -> None:
        if before not in self.earlier:
            self.missing("after", before, who, f"`after` names {ticked(before)}")
        elif step.trigger == "all_success" and _exclude_each_other(scope, self.earlier[before].scope):
            told = f"`after` names {ticked(before)}, which stands in the other arm, so only one of them ever runs"
            self.report.add("after", who, told)

    # --- sources

    def source(self, source: Source, who: str, scope: Scope, name: str = "", depth: int = 0) -> None:
        match source:
            case Constant():
                self.constant(source, who, name)
            case ParamRef() if source.name not in self.params:
                told = f"there is no parameter {ticked(source.name)}"
                self.report.add("ref-param", who, told, _did_you_mean(source.name, list(self.params)))
            case OutputRef():
                placed = self.output(source, who)
                if placed is not None:
                    self.reachable(placed, who, scope)
            case ItemRef():
                self.item(source, who, scope)
            case OneOf():
                self.one_of(source, who, scope)
            case ListOf() if depth >= _DEEPEST:
                self.report.add("nesting", who, f"a list is nested more than {_DEEPEST} levels deep")
            case ListOf():
                for item in source.items:
                    self.source(item, who, scope, name, depth + 1)

    def constant(self, constant: Constant, who: str, name: str) -> None:
        if constant.type is not None and not check_type(self.report, who, constant.type):
            return
        try:
            params.check(constant.type or _ANY, constant.value, name=name or "constant", portable=False)
        except ParamError as error:
            self.report.add("value", who, error.message, error.hint)

    def output(self, ref: OutputRef, who: str) -> Placed | None:
        """The step that a reference names, if it may give a value at all."""
        placed = self.earlier.get(ref.step)
        if placed is None:
            self.missing("ref-step", ref.step, who, f"it uses an output of {ticked(ref.step)}")
            return None
        if placed.step.trigger == "all_done":
            told = f"it uses an output of {ticked(ref.step)}, which cleans up and gives no values"
            self.report.add("all-done", who, told)
        names = [output.name for output in placed.step.returns.outputs]
        if not names:
            told = f"it uses the output of {ticked(ref.step)}, which returns nothing"
            self.report.add("ref-output", who, told, "to run after it, name it in `after`")
        elif ref.output is not None and ref.output not in names:
            told = f"{ticked(ref.step)} has no output {ticked(ref.output)}, but {', '.join(map(ticked, names))}"
            self.report.add("ref-output", who, told, _did_you_mean(ref.output, names))
        return placed

    def missing(self, code: str, step: str, who: str, uses: str) -> None:
        if who == f"step {ticked(step)}":
            self.report.add(code, who, f"{uses}, which is this step itself")
        elif step in self.steps:
            self.report.add(
                code, who, f"{uses}, which comes later", "put it behind that step; nothing runs in a circle"
            )
        elif step in self.others:
            self.report.add(code, who, f"{uses}, which is a {self.others[step]}", "name a step in it")
        else:
            self.report.add(code, who, f"{uses}, but no step has that id", _did_you_mean(step, list(self.steps)))

    def reachable(self, placed: Placed, who: str, scope: Scope) -> None:
        arms = [level for level in _beyond(scope, placed.scope) if level.arm]
        if not arms:
            return
        told = f"it uses an output of {ticked(placed.step.id)}, which stands in an arm of branch {ticked(arms[0].id)}"
        if _exclude_each_other(scope, placed.scope):
            self.report.add("arm", who, f"{told}, and this step in the other: only one of them ever runs")
        else:
            hint = "where that arm was not taken there is no value; choose with `one_of` between the arms"
            self.report.add("arm", who, told, hint)

    def item(self, ref: ItemRef, who: str, scope: Scope) -> None:
        here = Level(ref.map) in scope
        if not ref.map:
            told = f"it uses the item {ticked(ref.name)}, but stands in no map that steps through one"
            self.report.add("ref-item", who, told, f"step through it in a map: `over: {{{ref.name}: …}}`")
        elif not here:
            self.report.add("ref-item", who, f"it uses an item of map {ticked(ref.map)}, but stands outside of it")
        elif ref.name not in self.maps[ref.map].over:
            names = list(self.maps[ref.map].over)
            told = f"map {ticked(ref.map)} steps through no {ticked(ref.name)}, but {', '.join(map(ticked, names))}"
            self.report.add("ref-item", who, told, _did_you_mean(ref.name, names))

    def one_of(self, source: OneOf, who: str, scope: Scope) -> None:
        found = [placed for option in source.options if (placed := self.output(option, who)) is not None]
        if len(source.options) < 2:
            self.report.add("one-of", who, "`one_of` needs two steps or more to choose between")
        for placed in found:
            self.option(placed, who, scope)
        for one, other in itertools.combinations(found, 2):
            if not _exclude_each_other(one.scope, other.scope):
                told = f"`one_of` gets {ticked(one.step.id)} and {ticked(other.step.id)}, but both may run"
                self.report.add("one-of", who, told, "give it steps of different arms of one branch")

    def option(self, placed: Placed, who: str, scope: Scope) -> None:
        beyond = _beyond(scope, placed.scope)
        step = ticked(placed.step.id)
        if _exclude_each_other(scope, placed.scope):
            self.report.add("one-of", who, f"`one_of` gets {step}, which never runs where this step does")
        elif beyond and not beyond[0].arm and any(level.arm for level in beyond):
            told = (
                f"`one_of` gets {step}, of a branch inside map {ticked(beyond[0].id)}, where each item goes its own way"
            )
            self.report.add("one-of", who, told, "choose inside the map, in a step that takes the `one_of`")

    def steppable(self, source: Source, who: str, name: str) -> None:
        what = ""
        if isinstance(source, ParamRef) and source.name in self.params:
            kind = self.params[source.name].type
            if not isinstance(kind, ListType | TupleType | ArtifactType) and kind != _ANY:
                what = f"parameter {ticked(source.name)}, which is `{params.describe(kind)}`"
        elif isinstance(source, Constant) and not isinstance(source.value, list) and not _is_tuple(source.value):
            what = "a constant that is no list"
        if what:
            self.report.add("map", who, f"for {ticked(name)} it steps through {what}", "give it a list")

    # --- conditions

    def condition(self, condition: Condition, who: str, scope: Scope, depth: int) -> None:
        if depth >= _DEEPEST:
            self.report.add("nesting", who, f"its condition is nested more than {_DEEPEST} levels deep")
            return
        match condition:
            case AllOf() | AnyOf():
                if not condition.terms:
                    self.report.add("condition", who, "its `all_of` or `any_of` has no terms")
                for term in condition.terms:
                    self.condition(term, who, scope, depth + 1)
            case Not():
                self.condition(condition.term, who, scope, depth + 1)
            case Compare():
                self.operands(who, scope, condition.left, condition.right)
                if any(isinstance(side, Constant) and side.value is None for side in (condition.left, condition.right)):
                    self.report.add("condition", who, "it compares with null", "ask `is_none`")
            case IsIn():
                self.operands(who, scope, condition.value, condition.among)
            case _:
                self.operands(who, scope, condition.value)

    def operands(self, who: str, scope: Scope, *sources: Source) -> None:
        for source in sources:
            self.source(source, who, scope)
            self.comparable(source, who)

    def comparable(self, source: Source, who: str) -> None:
        """What a step with several outputs returned has no one value."""
        if isinstance(source, ListOf | OneOf):
            for one in source.items if isinstance(source, ListOf) else source.options:
                self.comparable(one, who)
        elif isinstance(source, OutputRef) and source.output is None and source.step in self.earlier:
            names = [output.name for output in self.earlier[source.step].step.returns.outputs]
            if len(names) > 1:
                told = f"its condition looks at all outputs of {ticked(source.step)} together"
                listed = ", ".join(ticked(f"{source.step}.{name}") for name in names[:5])
                self.report.add("condition", who, told, f"look at one of them: {listed}")


def _beyond(scope: Scope, other: Scope) -> Scope:
    """What `other` stands in and `scope` does not."""
    common = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(scope, other, strict=False))
    return other[len(list(common)) :]


def _exclude_each_other(one: Scope, other: Scope) -> bool:
    """Whether they stand in different arms of one branch, of the same items of all maps around it."""
    ours, theirs = _beyond(other, one), _beyond(one, other)
    return bool(ours and theirs) and ours[0].arm != theirs[0].arm and ours[0].id == theirs[0].id


def _is_static(source: Source) -> bool:
    if isinstance(source, ListOf):
        return all(_is_static(item) for item in source.items)
    return isinstance(source, Constant | ParamRef)


def _is_tuple(value: object) -> bool:
    return isinstance(value, dict) and list(value) == ["~t"]


def _did_you_mean(name: str, known: list[str]) -> str:
    found = close(name, known)
    return f"did you mean {ticked(found)}?" if found else ""
