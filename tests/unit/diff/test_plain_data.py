"""Nested plain data: which places differ, by path, and what a tolerance makes of numbers."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeglot.client.diff.model import Change, PlainDiff, TextDiff, Tolerance
from pipeglot.client.diff.scalars import compare_plain

EXACT = Tolerance()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


def changes(before: Any, after: Any, tolerance: Tolerance = EXACT) -> tuple[Change, ...]:
    found = compare_plain(before, after, tolerance)
    assert isinstance(found, PlainDiff)
    return found.changes


@given(VALUES)
def test_a_value_does_not_differ_from_itself(value: Any) -> None:
    import copy

    assert compare_plain(value, copy.deepcopy(value), EXACT) is None


@given(VALUES, VALUES)
def test_both_directions_find_a_difference_or_none_does(one: Any, other: Any) -> None:
    assert (compare_plain(one, other, EXACT) is None) == (compare_plain(other, one, EXACT) is None)


def test_a_number_tells_how_far_it_moved() -> None:
    (found,) = changes({"metrics": {"auc": 0.5, "n": 3}}, {"metrics": {"auc": 0.75, "n": 3}})
    assert found == Change(path="metrics.auc", before=0.5, after=0.75, absolute=0.25, relative=0.5)


@pytest.mark.parametrize(
    ("before", "after"),
    [(0.0, -0.0), (1, 1.0), (1, True), (math.nan, 1.0), (math.inf, -math.inf), ("1", 1), (None, 0), ((1,), [1])],
)
def test_what_is_not_the_same(before: Any, after: Any) -> None:
    assert compare_plain(before, after, EXACT) is not None


@pytest.mark.parametrize(
    ("before", "after", "tolerance", "equal"),
    [
        (1.0, 1.001, Tolerance(relative=0.01), True),
        (1.0, 1.1, Tolerance(relative=0.01), False),
        (0.0, 1e-9, Tolerance(absolute=1e-6), True),
        (0.0, 1e-9, Tolerance(relative=1e-6), False),
        (1, 1.0, Tolerance(absolute=1e-9), True),
        (math.nan, math.nan, Tolerance(absolute=1), True),
        (math.nan, 1.0, Tolerance(absolute=1e300), False),
        (math.inf, 1.0, Tolerance(relative=1), False),
        (10**400, 10**400 + 1, Tolerance(relative=0.1), False),
        (Decimal("1.0"), Decimal("1.01"), Tolerance(relative=0.1), True),
        (1 + 1j, 1 + 1.001j, Tolerance(relative=0.01), True),
        ("a", "b", Tolerance(absolute=1e9), False),
    ],
)
def test_tolerance(before: Any, after: Any, tolerance: Tolerance, equal: bool) -> None:
    assert (compare_plain(before, after, tolerance) is None) == equal


def test_a_change_of_type_is_told() -> None:
    assert changes(1, 1.0)[0].note == "`int` → `float`"
    assert changes([1], (1,))[0].note == "`list` → `tuple`"


def test_keys_come_and_go() -> None:
    found = changes({"a": 1, "odd key": 2}, {"a": 1, "b": 3})
    assert [(one.path, one.before, one.after, one.note) for one in found] == [
        ("['odd key']", 2, None, "it is gone"),
        ("b", None, 3, "it is new"),
    ]


def test_a_list_that_lost_an_item_does_not_differ_in_all_after_it() -> None:
    found = changes(["a", "b", "c", "d"], ["a", "c", "d"])
    assert [(one.path, one.before, one.after, one.note) for one in found] == [
        ("", 4, 3, "length"),
        ("[1]", "b", None, "it is gone"),
    ]


def test_sets() -> None:
    found = changes({1, 2}, {2, 3})
    assert [(one.before, one.after, one.note) for one in found] == [(1, None, "it is gone"), (None, 3, "it is new")]


def test_long_texts_are_compared_by_line() -> None:
    found = compare_plain("a\nb\nc\n", "a\nB\nc\n", EXACT)
    assert found == TextDiff(lines=("@@ -1,3 +1,3 @@", " a", "-b", "+B", " c"))


def test_what_is_kept_and_counted_has_a_bound() -> None:
    found = compare_plain(list(range(1000)), list(range(1, 1001)), EXACT)
    assert isinstance(found, PlainDiff)
    assert (len(found.changes), found.count, found.more) == (100, 1000, False)
    huge = compare_plain([0] * 20_000, [1] * 20_000, EXACT)
    assert isinstance(huge, PlainDiff)
    assert (huge.count, huge.more) == (10_000, True)


def test_a_large_part_is_told_by_what_it_is() -> None:
    (found,) = changes({"a": list(range(10_000))}, {})
    assert found.before == "list of 10000"
