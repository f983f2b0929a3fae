"""Dataclasses as parameters."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from pipeglot.core import params
from pipeglot.core.errors import ParamError
from tests.unit.params import kinds

DAY = dt.date(2024, 1, 31)
WIRE_DAY = {"~d": "2024-01-31"}


def wire(annotation: Any, value: object) -> Any:
    return params.normalise(params.type_of(annotation, owner="it"), value, name="config")


def refusal(annotation: Any, value: object) -> str:
    with pytest.raises(ParamError) as caught:
        wire(annotation, value)
    return caught.value.message


def test_an_instance_and_a_dict_are_the_same_value() -> None:
    expected = {"rate": 1.0, "mode": "FAST", "window": None, "tags": []}
    for given in (kinds.Config(rate=1), {"rate": 1}, {"tags": [], "rate": 1.0, "mode": "f"}):
        found = wire(kinds.Config, given)
        assert found == expected
        assert list(found) == list(expected)  # in the order of the fields


def test_records_nest() -> None:
    window = kinds.Window(DAY, 3)
    found = wire(kinds.Config, kinds.Config(rate=0.5, window=window))
    assert found["window"] == {"first": WIRE_DAY, "days": 3}
    assert wire(kinds.Config, {"rate": 0.5, "window": {"first": "2024-01-31", "days": 3.0}}) == found
    assert wire(kinds.Config, {"rate": 0.5, "window": window}) == found
    kind = params.type_of(kinds.Config, owner="it")
    assert params.decode(kind, found) == kinds.Config(rate=0.5, window=window)


def test_computed_fields_are_computed_again() -> None:
    found = wire(kinds.Counted, kinds.Counted((1, 2)))
    assert found == {"items": {"~t": [1, 2]}}
    assert params.decode(params.type_of(kinds.Counted, owner="it"), found) == kinds.Counted((1, 2))


def test_what_a_class_makes_of_its_fields_counts() -> None:
    assert wire(kinds.Lowered, {"name": "ABC"}) == wire(kinds.Lowered, kinds.Lowered("Abc")) == {"name": "abc"}


def test_what_is_refused() -> None:
    assert refusal(kinds.Window, {"first": DAY, "dayz": 1, "\n": 2}) == (
        r"parameter `config`: `Window` has no field `dayz`, `\n` (its fields: `first`, `days`)"
    )
    assert refusal(kinds.Window, {}) == "parameter `config`: `Window` needs `first` (its fields: `first`, `days`)"
    assert refusal(kinds.Window, {"day": 1}) == (
        "parameter `config`: `Window` has no field `day` and needs `first` (its fields: `first`, `days`)"
    )
    assert refusal(kinds.Config, {"rate": 1, "window": {"first": "soon"}}) == (
        "parameter `config.window.first` must be date, not 'soon'"
    )
    assert refusal(kinds.Window, [1]) == (
        "parameter `config` must be Window, not [1]: pass a `Window`, or a dict of its fields"
    )
    assert refusal(kinds.Window, kinds.Derived(DAY)).endswith("pass a `Window`, or a dict of its fields")
    assert refusal(kinds.Window, kinds.Window).endswith("pass a `Window`, or a dict of its fields")


def test_what_a_class_itself_refuses() -> None:
    assert refusal(kinds.Positive, {"number": 0}) == (
        "parameter `config` is no valid `Positive`: the number must be positive (ValueError)"
    )
    with pytest.raises(ParamError, match="is no valid `Positive`"):
        params.decode(params.type_of(kinds.Positive, owner="it"), {"number": -1})


def test_what_is_not_the_same_again_is_refused() -> None:
    kind = params.type_of(kinds.Doubled, owner="it")
    with pytest.raises(ParamError) as caught:
        params.normalise(kind, {"number": 1}, name="config")
    assert caught.value.message == "parameter `config`: a `Doubled` made of its own fields is not the same again"
    assert caught.value.hint == "let its `__post_init__` change nothing that it has changed already"
    assert params.normalise(kind, {"number": 0}, name="config") == {"number": 0}


def test_a_written_default_may_leave_fields_out() -> None:
    kind = params.type_of(kinds.Window, owner="it")
    params.check(kind, {"first": "2024-01-31"}, name="config")
    assert params.decode(kind, {"first": WIRE_DAY}) == kinds.Window(DAY)
