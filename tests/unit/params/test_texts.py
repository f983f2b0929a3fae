"""Values of a command line: `-p KEY=VALUE`."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

import pytest

from pipeglot.core import params, plain
from pipeglot.core.errors import ParamError
from tests.unit.params import kinds

_MIXED = Literal[1, "1", True, None]  # noqa: PYI061  # all in one


def parsed(annotation: Any, text: str) -> Any:
    kind = params.type_of(annotation, owner="it")
    return params.decode(kind, params.parse(kind, text, name="x"))


def refusal(annotation: Any, text: str) -> ParamError:
    with pytest.raises(ParamError) as caught:
        parsed(annotation, text)
    return caught.value


@pytest.mark.parametrize(
    ("annotation", "text", "expected"),
    [
        *((bool, text, True) for text in ("true", "True", "YES", "on", "1", " true ")),
        *((bool, text, False) for text in ("false", "No", "off", "0")),
        (int, "1_000", 1000),
        (int, "-7", -7),
        (int, str(2**70), 2**70),
        (float, "1", 1.0),
        (float, "1e-3", 0.001),
        (str, " as it is\n", " as it is\n"),
        (str, "null", "null"),
        (dt.date, "2024-02-29", dt.date(2024, 2, 29)),
        (dt.datetime, "2024-07-01T12:00:00Z", dt.datetime(2024, 7, 1, 12, tzinfo=dt.UTC)),
        (dt.timedelta, "1h30m", dt.timedelta(minutes=90)),
        (dt.timedelta, "-90", dt.timedelta(seconds=-90)),
        (kinds.Mode, "SLOW", kinds.Mode.SLOW),
        (kinds.Mode, "f", kinds.Mode.FAST),
        (kinds.Level, "2", kinds.Level.HIGH),
        (Literal["fast", "slow"], "slow", "slow"),
        (_MIXED, "1", 1),
        (_MIXED, '"1"', "1"),
        (_MIXED, "true", True),
        (_MIXED, "none", None),
        (int | None, "None", None),
        (int | None, "null", None),
        (int | None, "3", 3),
        (str | None, "none", None),
        (str | None, "nothing", "nothing"),
        (str | None, "", ""),
        (list[int], "", []),
        (list[int], "1, 2,3", [1, 2, 3]),
        (list[int], " [1, 2.0]", [1, 2]),
        (list[str], "a, b", ["a", "b"]),
        (list[str], '["a,b"]', ["a,b"]),
        (list[int | None], "1,none", [1, None]),
        (list[dt.date], "2024-01-01,2024-01-02", [dt.date(2024, 1, 1), dt.date(2024, 1, 2)]),
        (list[kinds.Mode], "FAST,s", [kinds.Mode.FAST, kinds.Mode.SLOW]),
        (tuple[int, str], "1,a", (1, "a")),
        (tuple[int, ...], "", ()),
        (dict[str, int], '{"a": 1}', {"a": 1}),
        (kinds.Window, '{"first": "2024-01-31"}', kinds.Window(dt.date(2024, 1, 31))),
        (Any, "hello", "hello"),
        (Any, "12", 12),
        (Any, '"12"', "12"),
        (Any, "null", None),
        (Any, "NaN", "NaN"),
        (Any, '[1, {"a": []}]', [1, {"a": []}]),
        (Any, '"\\ud800"', "\ud800"),
    ],
)
def test_what_is_taken(annotation: Any, text: str, expected: object) -> None:
    found = parsed(annotation, text)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("annotation", "text", "message", "hint"),
    [
        (bool, "maybe", "bool, not 'maybe'", "write `true` or `false`"),
        (int, "3.0", "int, not '3.0'", ""),
        (int, "٣", "int, not '٣'", ""),
        (int, "", "int, not ''", ""),
        (int, "9" * 5000, f"int, not '{'9' * 80}…'", ""),
        (float, "one", "float, not 'one'", ""),
        (float, "1e999", "float, not '1e999': it is too large", ""),
        (float, "nan", "a finite number, not nan", "not every engine can pass others; use `float | None`"),
        (dt.date, "soon", "date, not 'soon'", "write it as `2013-01-31`"),
        (
            dt.datetime,
            "2024-07-01T12:00:00",
            "datetime, not '2024-07-01T12:00:00': it has no UTC offset",
            "add one, as in `2013-01-31T06:00:00+01:00`, or `Z` for UTC",
        ),
        (kinds.Mode, "fast", "Mode (FAST | SLOW), not 'fast'", ""),
        (Literal["fast", "slow"], "Fast", "'fast' | 'slow', not 'Fast'", ""),
        (int | None, "", "int, not ''", ""),
        (list[list[int]], "1,2", "list[list[int]], not '1,2'", "write it as JSON, as `[[1, 2], [3]]`"),
        (tuple[int, int], "1,2,3", "tuple[int, int], not '1,2,3': it has 3 of 2 places", ""),
        (
            list[int],
            "[1,",
            "list[int], not '[1,': it is no JSON: Expecting value at line 1, column 4",
            'write it as `["a", "b"]`',
        ),
        (
            dict[str, int],
            "a=1",
            "dict[str, int], not 'a=1': it is no JSON: Expecting value at line 1, column 1",
            'write it as `{"key": …}`',
        ),
        (dict[str, int], '{"a": 1, "a": 2}', 'dict[str, int], not \'{"a": 1, "a": 2}\': it has the key `a` twice', ""),
        (
            dict[str, float],
            '{"a": NaN}',
            "dict[str, float], not '{\"a\": NaN}': it is no JSON: `NaN` is no JSON at line 1, column 1",
            'write it as `{"key": …}`',
        ),
        (dict[str, int], "[" * 100_000, f"dict[str, int], not '{'[' * 80}…': it is nested too deeply", ""),
        (
            dict[str, int],
            f'{{"a": {"9" * 5000}}}',
            f"dict[str, int], not '{{\"a\": {'9' * 74}…': it has a number of too many digits",
            "",
        ),
        (
            kinds.Window,
            "{",
            "Window, not '{': it is no JSON: Expecting property name enclosed in double quotes at line 1, column 2",
            'write it as `{"first": …}`',
        ),
    ],
)
def test_what_is_refused(annotation: Any, text: str, message: str, hint: str) -> None:
    error = refusal(annotation, text)
    assert error.message == f"parameter `x` must be {message}"
    assert error.hint == hint


def test_items_are_named_by_their_place() -> None:
    assert refusal(list[int], "1,,2").message == "parameter `x[1]` must be int, not ''"
    assert refusal(list[int], '[1, "2"]').message == "parameter `x[1]` must be int, not '2'"


def test_json_that_readers_understand_differently_is_refused_without_a_type_too() -> None:
    assert refusal(Any, '{"a":1,"a":2}').message == """parameter `x` has the key `a` twice, in '{"a":1,"a":2}'"""
    assert refusal(Any, "[" * 100_000).message.startswith("parameter `x` is nested too deeply, in '[[[")
    assert refusal(Any, "9" * 5000).message.startswith("parameter `x` has a number of too many digits, in '999")
    assert "levels deep" in refusal(Any, "[" * 150 + "]" * 150).message


@pytest.mark.parametrize(
    ("annotation", "value", "shown"),
    [
        (bool, True, "true"),
        (int, 3, "3"),
        (float, 1, "1.0"),
        (str, "a b", "a b"),
        (dt.date, dt.date(2024, 1, 31), "2024-01-31"),
        (dt.datetime, dt.datetime(2024, 1, 31, tzinfo=dt.UTC), "2024-01-31T00:00:00+00:00"),
        (dt.timedelta, dt.timedelta(hours=25), "1d1h"),
        (kinds.Mode, kinds.Mode.SLOW, "SLOW"),
        (int | None, None, "null"),
        (list[dt.date], [dt.date(2024, 1, 31)], '["2024-01-31"]'),
        (kinds.Window, {"first": "2024-01-31"}, '{"first": "2024-01-31", "days": 7}'),
        (Literal[1, "1"], "1", '"1"'),
        (Any, "text", "text"),
        (Any, "12", '"12"'),
        (Any, '{"a":1,"a":2}', r'"{\"a\":1,\"a\":2}"'),
        (str, "é\n", "é\n"),
    ],
)
def test_show(annotation: Any, value: object, shown: str) -> None:
    kind = params.type_of(annotation, owner="it")
    wire = params.normalise(kind, value, name="x")
    assert params.show(kind, wire) == shown
    assert plain.dumps(params.parse(kind, shown, name="x")) == plain.dumps(wire)


def test_ten_megabytes_are_no_problem() -> None:
    text = "x" * 10**7
    assert parsed(str, text) == text
    assert parsed(Any, text) == text
    assert len(parsed(list[str], text)[0]) == 10**7
    for annotation in (int, float, bool, dt.date, dt.datetime, dt.timedelta, kinds.Mode, dict[str, int]):
        assert len(str(refusal(annotation, text))) < 500
