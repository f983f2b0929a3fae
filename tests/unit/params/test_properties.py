"""What holds of every type and every value: nothing is lost on the way, and nothing but `ParamError` is raised."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeglot.core import params, plain
from pipeglot.core.errors import ParamError
from pipeglot.core.ir import DictType, ListType, OptionalType, ParamType, ScalarType, TupleType
from tests.unit.params.strategies import ANYTHING, JSON, TEXT, TYPES, typed_values

RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
Typed = tuple[ParamType, Any]


def same(one: Any, other: Any) -> bool:
    """Equal, where 1, 1.0 and True are three things."""
    return plain.dumps(one) == plain.dumps(other)


@RELAXED
@given(typed_values())
def test_what_is_decoded_is_normalised_to_the_same_again(typed: Typed) -> None:
    kind, value = typed
    wire = params.normalise(kind, value, name="x")
    assert same(params.normalise(kind, params.decode(kind, wire), name="x"), wire)
    params.check(kind, wire, name="x")


@RELAXED
@given(typed_values())
def test_the_wire_form_is_json_that_comes_back(typed: Typed) -> None:
    kind, value = typed
    wire = params.normalise(kind, value, name="x")
    assert same(json.loads(plain.dumps(wire)), wire)


@RELAXED
@given(typed_values())
def test_what_an_engine_passes_as_json_is_the_same_value(typed: Typed) -> None:
    kind, value = typed
    wire = params.normalise(kind, value, name="x")
    passed = json.loads(json.dumps(params.to_json(kind, wire)))
    assert same(params.normalise(kind, passed, name="x"), wire)


@RELAXED
@given(typed_values())
def test_an_engine_without_ints_passes_the_same_value(typed: Typed) -> None:
    kind, value = typed
    wire = params.normalise(kind, value, name="x")
    if _has_any(kind):
        return  # without a type, 1 and 1.0 are two values
    passed = _doubles(params.to_json(kind, wire))
    assert same(params.normalise(kind, passed, name="x"), wire)


@RELAXED
@given(typed_values())
def test_what_is_shown_is_parsed_to_the_same_value(typed: Typed) -> None:
    kind, value = typed
    wire = params.normalise(kind, value, name="x")
    text = params.show(kind, wire)
    if isinstance(kind, OptionalType) and kind.of == ScalarType(name="str") and text.lower() in ("none", "null"):
        return  # the one text that a command line cannot say, which `parse` documents
    assert same(params.parse(kind, text, name="x"), wire)


@RELAXED
@given(TYPES, ANYTHING)
def test_a_value_of_any_kind_is_taken_or_refused(kind: ParamType, value: Any) -> None:
    _fine(lambda: params.decode(kind, params.normalise(kind, value, name="x")))


@RELAXED
@given(TYPES, TEXT | st.text("[]{},:\"'0123456789.-+eE_ntrufalsPTZW~d\\", max_size=20) | JSON.map(json.dumps))
def test_a_text_of_any_kind_is_taken_or_refused(kind: ParamType, text: str) -> None:
    _fine(lambda: params.decode(kind, params.parse(kind, text, name="x")))


@RELAXED
@given(
    TYPES, JSON | st.dictionaries(st.sampled_from(["~d", "~t", "~m", "~f", "~dt", "~td", "~n", "~z"]), JSON, max_size=1)
)
def test_a_written_value_of_any_kind_is_taken_or_refused(kind: ParamType, wire: Any) -> None:
    _fine(lambda: params.decode(kind, wire))
    _fine(lambda: params.check(kind, wire, name="x"))
    _fine(lambda: params.to_json(kind, wire))


def _fine(do: Callable[[], object]) -> None:
    told = ""
    try:
        do()
    except ParamError as error:
        told = str(error)
    assert len(told.encode()) < 3000


def _has_any(kind: ParamType) -> bool:
    match kind:
        case OptionalType() | ListType() | DictType():
            return _has_any(kind.of)
        case TupleType():
            return any(_has_any(one) for one in kind.of)
        case _:
            return kind == ScalarType(name="any")


def _doubles(value: Any) -> Any:
    if type(value) is int and abs(value) < 2**53:
        return float(value)
    if isinstance(value, list):
        return [_doubles(item) for item in value]
    return {key: _doubles(item) for key, item in value.items()} if isinstance(value, dict) else value
