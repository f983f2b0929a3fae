"""Symbolic values: what a pipeline function gets instead of data, while it is traced.

They stand for what a step will return. Whatever would need the value itself is recorded as a mistake and answered with
poison, which swallows all that follows from it, so that one tracing finds the mistakes of the whole function.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn, TypeGuard

from pipeglot.core.authoring.positions import Position, here, is_users

if TYPE_CHECKING:
    from pipeglot.core.authoring.trace import Trace


CONTAINERS = frozenset({list, tuple, dict, set, frozenset})


class SymbolicUse(TypeError):
    """Ends an operation that can be given no answer, such as `int(x)`; the mistake is recorded already."""


def is_symbolic(value: object) -> TypeGuard[SymbolicValue]:
    """`isinstance` would ask the value for its `__class__`, which is a mistake when users do it."""
    return issubclass(type(value), SymbolicValue)


def holds_symbols(value: object) -> bool:
    """Whether a list, tuple, dict or set has a symbolic value somewhere in it. It may contain itself."""
    seen = set[int]()
    left = [value]
    while left:
        one: Any = left.pop()
        if is_symbolic(one):
            return True
        if type(one) in CONTAINERS and id(one) not in seen:
            seen.add(id(one))
            left += one
            if type(one) is dict:
                left += one.values()
    return False


def _operator(shown: str) -> Any:
    def method(self: SymbolicValue, *_: object) -> Poison:
        return self._misuse("arithmetic", shown)

    return method


def _number(shown: str) -> Any:
    def method(self: SymbolicValue, *_: object) -> NoReturn:
        self._misuse("number", shown)
        raise SymbolicUse(f"`{shown}` of a symbolic value")

    return method


class SymbolicValue:
    """Every operation that Python knows, each of them a mistake unless a subclass says otherwise."""

    __slots__ = ("_trace",)
    __array_ufunc__ = None  # NumPy then leaves comparisons and arithmetic to us

    def __init__(self, trace: Trace) -> None:
        object.__setattr__(self, "_trace", trace)

    def _label(self) -> str:
        """What this is, in messages."""
        return "a symbolic value"

    def _misuse(self, use: str, detail: str = "") -> Poison:
        from pipeglot.core.authoring.advice import explain

        at = here()
        message, hint = explain(use, detail, self._label(), at)
        self._trace.note_use(use, message, hint, at)
        return Poison(self._trace)

    # --- what asks for the value itself -------------------------------------------------------------------------------

    def __bool__(self) -> bool:
        at, answers = here(), self._trace.answers
        self._trace.use()
        if at not in answers:
            self._misuse("truth")
            self._trace.told.append(self)
            answers[at] = _is_asserted(at)
        answers[at] = not answers[at]  # a loop ends, whichever answer it waits for
        return not answers[at]

    def __iter__(self) -> Iterator[Any]:
        count = unpacked(sys._getframe(1))
        if count is not None:
            return self._unpack(count)
        self._misuse("iteration")
        return iter([Poison(self._trace)])

    def _unpack(self, count: int) -> Iterator[Any]:
        self._misuse("unpack", str(count))
        return iter([Poison(self._trace) for _ in range(count)])

    def __reversed__(self) -> Iterator[Any]:
        self._misuse("iteration", "reversed")
        return iter([Poison(self._trace)])

    def __len__(self) -> int:
        self._misuse("length")
        return 0

    def __contains__(self, item: object) -> bool:
        self._misuse("contains")
        return False

    def __str__(self) -> str:
        self._misuse("text")
        return repr(self)

    def __format__(self, spec: str) -> str:
        self._misuse("text", "f-string")
        return repr(self)

    def __repr__(self) -> str:
        return f"<{self._label()}, known only when the pipeline runs>"

    __int__, __float__, __complex__, __index__ = _number("int"), _number("float"), _number("complex"), _number("index")
    __bytes__, __fspath__, __array__ = _number("bytes"), _number("path"), _number("array")

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("__", "_repr_", "_ipython_")):
            raise AttributeError(name)
        return self._misuse("attribute", name)

    def __getitem__(self, key: object) -> Any:
        return self._misuse("item", repr(key))

    def __setattr__(self, name: str, value: object) -> None:
        self._misuse("change", f".{name}")

    def __delattr__(self, name: str) -> None:
        self._misuse("change", f".{name}")

    def __setitem__(self, key: object, value: object) -> None:
        self._misuse("change", f"[{key!r}]")

    def __delitem__(self, key: object) -> None:
        self._misuse("change", f"[{key!r}]")

    def __call__(self, *_: object, **__: object) -> Any:
        return self._misuse("call")

    def __enter__(self) -> Any:
        return self._misuse("with")

    def __exit__(self, *exc: object) -> None: ...

    @property  # type: ignore[misc]  # `isinstance` looks here, and nothing else tells us of it
    def __class__(self) -> Any:
        if is_users(sys._getframe(1).f_code.co_filename):
            self._misuse("isinstance")
        return type(self)

    def __copy__(self) -> SymbolicValue:
        return self

    def __deepcopy__(self, memo: object) -> SymbolicValue:
        return self

    __reduce_ex__ = _number("pickle")

    # --- arithmetic and comparison ------------------------------------------------------------------------------------

    __add__, __sub__, __mul__, __matmul__ = _operator("+"), _operator("-"), _operator("*"), _operator("@")
    __truediv__, __floordiv__, __mod__, __pow__ = _operator("/"), _operator("//"), _operator("%"), _operator("**")
    __radd__, __rsub__, __rmul__, __rmatmul__ = __add__, __sub__, __mul__, __matmul__
    __rtruediv__, __rfloordiv__, __rmod__, __rpow__ = __truediv__, __floordiv__, __mod__, __pow__
    __lshift__, __rshift__, __divmod__ = _operator("<<"), _operator(">>"), _operator("divmod")
    __rlshift__, __rrshift__, __rdivmod__ = __lshift__, __rshift__, __divmod__
    __and__, __or__, __xor__, __invert__ = _operator("&"), _operator("|"), _operator("^"), _operator("~")
    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__
    __neg__, __pos__, __abs__, __round__ = _operator("-"), _operator("+"), _operator("abs"), _operator("round")
    __trunc__, __floor__, __ceil__ = _operator("trunc"), _operator("floor"), _operator("ceil")

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> Any:
        return self._compare("==", other)

    def __ne__(self, other: object) -> Any:
        return self._compare("!=", other)

    def __lt__(self, other: object) -> Any:
        return self._compare("<", other)

    def __le__(self, other: object) -> Any:
        return self._compare("<=", other)

    def __gt__(self, other: object) -> Any:
        return self._compare(">", other)

    def __ge__(self, other: object) -> Any:
        return self._compare(">=", other)

    def _compare(self, op: Any, _other: object) -> SymbolicValue:
        return self._misuse("comparison", op)


class Poison(SymbolicValue):
    """What is left after a mistake. It keeps quiet, for whatever goes wrong with it is not the user's next mistake."""

    __slots__ = ()

    def _misuse(self, _use: str, _detail: str = "") -> Poison:
        self._trace.use()
        return self

    def _label(self) -> str:
        return "what a mistake left"


def _is_asserted(at: Position | None) -> bool:
    """Whether the truth is asked for by an `assert`, where the other answer would end the function."""
    from pipeglot.core.authoring.advice import outermost_test
    from pipeglot.core.authoring.sources import enclosing

    return outermost_test(enclosing(at)) == "assert"


_unpack_sequence: int | None = None


def unpacked(frame: Any) -> int | None:
    """How many names the instruction under way unpacks into (`a, b = x`); None if it is not an unpacking."""
    global _unpack_sequence
    if _unpack_sequence is None:
        from opcode import opmap

        _unpack_sequence = opmap["UNPACK_SEQUENCE"]
    code, offset = frame.f_code.co_code, frame.f_lasti
    return code[offset + 1] if code[offset] == _unpack_sequence else None
