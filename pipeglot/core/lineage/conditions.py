"""Conditions of branches: Python's own comparison, of plain values, strict about what cannot be compared.

No engine's expression language ever sees one. What one reader of a run decides, all decide: the operands are outputs of
immutable verdicts, and whatever Python might answer by accident (`None == 1`, a NaN, `"10" < 9`) is an error for all.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from pipeglot.core.errors import StepError
from pipeglot.core.imports import Unimported
from pipeglot.core.ir import AllOf, AnyOf, Compare, Condition, IsIn, IsNone, Not, Source

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


_FAMILIES: dict[type, tuple[type, ...]] = {float: (int, float), str: (str,)}


def evaluate(condition: Condition, value_of: Callable[[Source], Any]) -> bool:
    """The answer of a condition, left to right, asking no further than needed. Raises `StepError` if it has none."""
    match condition:
        case Compare():
            return _compare(condition.op, value_of(condition.left), value_of(condition.right))
        case AllOf():
            return all(evaluate(term, value_of) for term in condition.terms)
        case AnyOf():
            return any(evaluate(term, value_of) for term in condition.terms)
        case Not():
            return not evaluate(condition.term, value_of)
        case IsIn():
            return _is_in(value_of(condition.value), value_of(condition.among))
        case IsNone():
            return value_of(condition.value) is None
        case _:
            return bool(value_of(condition.value))


def _compare(op: str, left: Any, right: Any) -> bool:
    left, right = _plain(left), _plain(right)
    if isinstance(left, Unimported) and isinstance(right, Unimported) and left.ref == right.ref and op in ("==", "!="):
        return (left == right) is (op == "==")
    left, right = (_plain(side.load()) if isinstance(side, Unimported) else side for side in (left, right))
    for side in (left, right):
        if side is None:
            raise StepError(
                "the condition compares `None`", hint="ask first: `when(not_(is_none(x)))`, or use `is_none(x)`"
            )
        if side != side:
            raise StepError("the condition compares a NaN, which is neither more nor less than anything")
    if _family(left) is not _family(right):
        raise StepError(
            f"the condition compares {_show(left)} with {_show(right)}",
            hint="return values of one type from the steps, or convert in a step",
        )
    try:
        return bool(_OPERATORS[op](left, right))
    except TypeError as error:
        raise StepError(f"the condition cannot compare {_show(left)} with {_show(right)}: {error}") from error


def _is_in(value: Any, among: Any) -> bool:
    if not isinstance(among, list | tuple | set | frozenset | dict):
        raise StepError(
            f"the condition asks whether {_show(value)} is in {_show(among)}, which is no list",
            hint="give the values in a list; what is in a text is for a step to say",
        )
    return any(_compare("==", value, item) for item in among if item is not None)


def _plain(value: Any) -> Any:
    """NumPy scalars compare as the numbers that they are."""
    return value.item() if type(value).__module__ == "numpy" and hasattr(value, "item") else value


def _family(value: Any) -> type:
    """Numbers compare with numbers, text with text (members of a `StrEnum` are text), all else with its own type."""
    if isinstance(value, bool):
        return bool
    return next((base for base, like in _FAMILIES.items() if isinstance(value, like)), type(value))


def _show(value: Any) -> str:
    text = repr(value)
    return f"`{text if len(text) <= 40 else text[:37] + '…'}` ({type(value).__name__})"
