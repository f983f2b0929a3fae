"""A pipeline called in another one: its steps become part of that one, or with `map` the body of a map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeglot.core import ir
from pipeglot.core.authoring.annotations import MISSING, list_of
from pipeglot.core.authoring.arguments import Slot, bind, list_source, source_of
from pipeglot.core.authoring.functions import function_of
from pipeglot.core.authoring.hooks import check_inlined
from pipeglot.core.authoring.logical_date import LogicalDateDefault
from pipeglot.core.authoring.positions import here
from pipeglot.core.authoring.recording import check_lengths
from pipeglot.core.authoring.symbols import CONTAINERS, Poison, is_symbolic
from pipeglot.core.authoring.trace import InMap, Trace, nodes
from pipeglot.core.authoring.values import Rows, Value

if TYPE_CHECKING:
    from pipeglot.core.authoring.functions import Function, Parameter
    from pipeglot.core.authoring.pipelines import Pipeline
    from pipeglot.core.authoring.trace import Entry, Places


def inline(trace: Trace, called: Pipeline[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run the function of a nested pipeline, whose steps get ids that start with its own."""
    function = called._function
    if _is_recursive(trace, called):
        return Poison(trace)
    bound = bind(trace, function, args, kwargs)
    if not enter(trace, function):
        trace.functions.pop()
        return Poison(trace)
    check_inlined(trace, called)
    arguments = {name: _argument(trace, function, one, bound) for name, one in function.parameters.items()}
    return _run(trace, function, arguments, trace.take_id(called.name, function))


def map_over(trace: Trace, called: Pipeline[Any, Any], bound: dict[str, object], lists: set[str]) -> Any:
    """The same, once for each item of the arguments named in `lists`: a map, with the pipeline's nodes as its body."""
    function = called._function
    if _is_recursive(trace, called):
        return Poison(trace)
    if not enter(trace, function):
        trace.functions.pop()
        return Poison(trace)
    check_inlined(trace, called)
    id_ = trace.take_id(called.name, function)
    at = here()
    if at is not None:
        trace.positions[id_] = at
    block, arms = trace.block, trace.arms
    level = InMap(id_)
    inner: Places = (*arms, level)
    over, arguments = _lists(trace, function, bound, lists, level)
    body: list[Entry] = []
    trace.block, trace.arms = body, inner
    try:
        returned = _run(trace, function, arguments, id_)
    finally:
        trace.block, trace.arms = block, arms
    if not body:
        message = f"`{called.name}.map`: pipeline `{called.name}` calls no step"
        trace.note("empty", message, "call functions with `@step` in it")
        return Poison(trace)
    check_lengths(trace, id_, over)
    block.append(ir.Map(id=id_, over=over, body=nodes(body)))
    return _Results(trace, called, id_, inner).of(returned)


def enter(trace: Trace, function: Function) -> bool:
    """Look at a pipeline function before it runs. False if it is not even worth running."""
    trace.functions.append(function)
    if function not in trace.checked:
        trace.checked.add(function)
        for code, message, hint in function.mistakes():
            trace.note(code, message, hint, function.at)
        from pipeglot.core.authoring.scan import scan

        scan(trace, function)
    return not function.is_unusable


def _is_recursive(trace: Trace, called: Pipeline[Any, Any]) -> bool:
    function = called._function
    if function not in trace.functions:
        return False
    chain = " → ".join(f"`{one.name}`" for one in (*trace.functions, function))
    message = f"pipeline `{called.name}` calls itself: {chain}"
    trace.note("recursion", message, "a pipeline is finite: loop inside a step")
    return True


def _run(trace: Trace, function: Function, arguments: dict[str, object], id: str) -> Any:  # noqa: A002  # as in the IR
    outer = trace.prefix
    trace.prefix = f"{id}."
    try:
        return function.fn(**arguments)
    finally:
        trace.prefix = outer
        trace.functions.pop()


# --- what goes in -----------------------------------------------------------------------------------------------------


def _argument(trace: Trace, function: Function, parameter: Parameter, bound: dict[str, object]) -> object:
    """What a nested pipeline gets. Plain values become symbolic, as parameters are at the top."""
    given = bound.get(parameter.name, parameter.default)
    if given is MISSING:
        return Poison(trace)
    if parameter.name not in bound and type(given) is LogicalDateDefault:
        trace.note(
            "logical-date",
            f"`{function.name}` is called without `{parameter.name}`, which is the logical date only where"
            f" `{function.name}` is run by itself",
            f"pass it on: `{parameter.name}: date = LogicalDate()` in this pipeline, and `{parameter.name}` here",
        )
        return Poison(trace)
    source = source_of(Slot(trace, parameter.name, parameter.hint, function), given)
    if source is None:
        return Poison(trace)
    if type(given) is Value:
        return given
    return Value(trace, source, parameter.hint, name=parameter.name, arms=trace.arms)


def _lists(
    trace: Trace, function: Function, bound: dict[str, object], lists: set[str], inner: InMap
) -> tuple[dict[str, ir.Source], dict[str, object]]:
    """What a map steps through, and the arguments of the function: an item of each list, and the rest as they are."""
    over: dict[str, ir.Source] = {}
    arguments: dict[str, object] = {}
    for name, parameter in function.parameters.items():
        if name not in lists or name not in bound:
            arguments[name] = _argument(trace, function, parameter, bound)
            continue
        source = list_source(Slot(trace, name, parameter.hint, function), bound[name])
        if source is None:
            arguments[name] = Poison(trace)
            continue
        over[name] = source
        arguments[name] = Value(
            trace, ir.ItemRef(map=inner.map, name=name), parameter.hint, name=name, arms=(*trace.arms, inner)
        )
    return over, arguments


# --- what comes out ---------------------------------------------------------------------------------------------------


class _Results:
    """From what a mapped pipeline returns for one item to what that is outside: the list of all items'."""

    def __init__(self, trace: Trace, called: Pipeline[Any, Any], id: str, inner: Places) -> None:  # noqa: A002
        self.trace = trace
        self.name = called.name
        self.id = id
        self.inner = inner

    def of(self, returned: object) -> Any:
        if returned is None or type(returned) is Poison:
            return returned
        if type(returned) is Value:
            return self.listed(returned, f"what `{self.name}` returns")
        if isinstance(returned, tuple) and not is_symbolic(returned):
            return self.rows(returned)
        return self.refuse(returned, f"what `{self.name}` returns")

    def rows(self, returned: Any) -> Any:
        """A tuple of results for each item: outside, a list of each of them, for `unzip`."""
        fields = getattr(returned, "_fields", range(len(returned)))
        lists = []
        for name, one in zip(fields, returned, strict=True):
            where = (
                f"`{name}` of what `{self.name}` returns"
                if isinstance(name, str)
                else (f"place {name} of the tuple that `{self.name}` returns")
            )
            if type(one) is Poison:
                lists.append(one)
            else:
                lists.append(self.listed(one, where) if type(one) is Value else self.refuse(one, where))
        if not lists:
            return self.refuse(returned, f"what `{self.name}` returns")
        made = type(returned)._make(lists) if hasattr(returned, "_fields") else tuple(lists)
        return Rows(self.trace, self.id, made)

    def listed(self, value: Value, where: str) -> Any:
        source = value._source
        if type(source) is ir.OutputRef and value._arms == self.inner:
            producers = tuple(producer._replace(mapped=True) for producer in value._producers)
            return Value(self.trace, source, list_of(value._hint), arms=self.trace.arms, producers=producers)
        return self.refuse(value, where)

    def refuse(self, value: object, where: str) -> Poison:
        message, hint = self.explain(value)
        self.trace.note("map-result", f"`{self.name}.map`: {where} is {message}", hint)
        return Poison(self.trace)

    def explain(self, value: object) -> tuple[str, str]:
        put = "make a step in it that takes this and returns it"
        if type(value) is Value:
            if type(value._source) is ir.OneOf:
                return "what `one_of` gives, which is of another step for each item", put
            if value._arms[: len(self.inner)] != self.inner or type(value._source) is not ir.OutputRef:
                return f"{value._label()}, which no step in it has made", "leave it out: it is known outside"
            return f"{value._label()}, which not every item has: it is made in an arm of a branch", (
                "join both arms with `one_of(…)`, and return the result of a step that takes that"
            )
        if type(value) is Rows:
            return f"{value._label()}, with several results in each item", "take it apart with `unzip` first"
        if is_symbolic(value):
            return "no result of a step", "return the result of a step"
        function = function_of(value)
        if function is not None:
            return f"the {function.kind} `{function.name}` itself", f"call it: `{function.name}(…)`"
        kind = type(value)
        if kind in CONTAINERS or isinstance(value, tuple):
            return f"a {kind.__name__}, where outside there is a list of what one step returns", (
                "return one result, or a tuple or `NamedTuple` of results, and take it apart outside by `unzip`"
            )
        return f"`{value!r:.40}`, which no step in it has made", "leave it out: it is known outside"
