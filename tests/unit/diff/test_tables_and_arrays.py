"""Tables of every library and arrays: what differs, by how much, and where first."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from pipeglot.client.diff.model import ArrayDiff, KindDiff, TableDiff, Tolerance
from pipeglot.client.diff.values import compare_values

EXACT = Tolerance()


def table(before: Any, after: Any, tolerance: Tolerance = EXACT) -> TableDiff:
    found = compare_values(before, after, tolerance)
    assert isinstance(found, TableDiff)
    return found


MAKERS = [pd.DataFrame, pl.DataFrame, pa.table]


@pytest.mark.parametrize("make", MAKERS)
def test_a_cell_in_every_library(make: Any) -> None:
    before = make({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    found = table(before, make({"a": [1, 5, 3], "b": ["x", "y", "z"]}))
    assert (found.before, found.after, found.by, found.rows) == ((3, 2), (3, 2), "position", 1)
    (column,) = found.columns
    assert (column.name, column.cells, column.absolute, column.relative) == ("a", 1, 3.0, 1.5)
    assert [(one.row, one.column, one.before, one.after) for one in found.examples] == [("1", "a", "2", "5")]
    assert compare_values(before, make({"a": [1, 2, 3], "b": ["x", "y", "z"]}), EXACT) is None


@pytest.mark.parametrize("make", MAKERS)
def test_missing_values(make: Any) -> None:
    found = table(make({"a": ["x", None, None]}), make({"a": [None, None, "z"]}))
    assert (found.rows, found.columns[0].cells) == (2, 2)
    assert found.columns[0].note == "missing only before: 1, missing only now: 1"
    assert found.examples[0].after == "missing"


def test_columns_come_and_go_and_change_their_type() -> None:
    before = pd.DataFrame({"a": [1, 2], "gone": [0, 0], "same": [1, 1]})
    after = pd.DataFrame({"same": [1, 1], "a": [1.0, 2.0], "new": [0, 0]})
    found = table(before, after)
    assert (found.added, found.removed, found.reordered) == (("new",), ("gone",), True)
    assert [(one.name, one.before, one.after, one.cells) for one in found.columns] == [("a", "int64", "float64", 0)]
    assert found.rows == 0


def test_rows_with_labels_are_matched_by_them() -> None:
    before = pd.DataFrame({"a": [1, 2, 3]}, index=["x", "y", "z"])
    after = pd.DataFrame({"a": [3, 2, 9]}, index=["z", "y", "w"])
    found = table(before, after)
    assert (found.by, found.compared, found.rows, found.only_before, found.only_after) == ("index", 2, 0, 1, 1)
    changed = table(before, pd.DataFrame({"a": [3, 7, 1]}, index=["z", "y", "x"]))
    assert [(one.row, one.before, one.after) for one in changed.examples] == [("y", "2", "7")]


def test_rows_without_labels_are_matched_by_position() -> None:
    found = table(pd.DataFrame({"a": [1, 2, 3]}), pd.DataFrame({"a": [1, 9]}))
    assert (found.by, found.compared, found.rows, found.only_before, found.only_after) == ("position", 2, 1, 1, 0)


def arrow_times(*days: str, zone: str | None = None) -> pd.Series:
    """A column of times held by pyarrow, built there: pandas 1.5 cannot convert its own times with a zone."""
    times = pa.array([datetime.fromisoformat(day) for day in days], pa.timestamp("ns", zone))
    return pd.Series(pd.arrays.ArrowExtensionArray(times))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (pd.Series([1, None], dtype="Int64"), pd.Series([1, 2], dtype="Int64")),
        (pd.Series(pd.to_datetime(["2024-01-01", "NaT"])), pd.Series(pd.to_datetime(["2024-01-01", "2024-01-02"]))),
        (
            pd.Series(pd.to_datetime(["2024-01-01", "2024-01-01"], utc=True)),
            pd.Series(pd.to_datetime(["2024-01-01", "2024-01-02"], utc=True)),
        ),
        (arrow_times("2024-01-01", "2024-01-01"), arrow_times("2024-01-01", "2024-01-02")),
        (arrow_times("2024-01-01", "2024-01-01", zone="UTC"), arrow_times("2024-01-01", "2024-01-02", zone="UTC")),
        (pd.Series(["a", "b"], dtype="category"), pd.Series(["a", "c"], dtype="category")),
        (pd.Series([[1], [2]]), pd.Series([[1], [3]])),
        (pd.Series([True, False]), pd.Series([True, True])),
        (pd.Series([1, "x"], dtype=object), pd.Series([1, True], dtype=object)),
    ],
)
def test_one_cell_of_every_type(before: Any, after: Any) -> None:
    assert table(before, after).rows == 1
    assert compare_values(before, before.copy(), EXACT) is None


def test_a_tolerance_counts_cells() -> None:
    before, after = pd.DataFrame({"a": [1.0, 2.0, np.nan]}), pd.DataFrame({"a": [1.0000001, 3.0, np.nan]})
    assert table(before, after).rows == 2
    assert table(before, after, Tolerance(relative=1e-3)).rows == 1
    assert compare_values(before, after, Tolerance(absolute=2)) is None
    assert compare_values(pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1.0]}), Tolerance(absolute=1e-9)) is None


def test_two_columns_of_one_name() -> None:
    before = pd.DataFrame([[1, 2]], columns=["a", "a"])
    found = table(before, pd.DataFrame([[1, 3]], columns=["a", "a"]))
    assert [one.name for one in found.columns] == ["a (2)"]


def test_an_index_of_another_name_is_a_difference() -> None:
    before = pd.DataFrame({"a": [1]}, index=pd.Index(["x"], name="k"))
    assert table(before, before.rename_axis("key")).notes == ("index named ['k'] → index named ['key']",)


@pytest.mark.parametrize("tolerance", [EXACT, Tolerance(1e-9)])
@pytest.mark.parametrize(
    ("before", "after", "note"),
    [
        (["x", "y", "z"], ["x", "y", "y"], "1 row label differs"),
        (["x", "x", "z"], ["x", "y", "y"], "2 row labels differ"),
        ([0, 1, 2], [1, 2, 2], "2 row labels differ"),
        (pd.RangeIndex(3), [5, 6, 7], "3 row labels differ"),
        ([[1, 1, 1], [1, 2, 3]], [[1, 1, 1], [1, 3, 3]], "1 row label differs"),
    ],
)
def test_other_labels_of_equal_rows_are_a_difference(before: Any, after: Any, note: str, tolerance: Tolerance) -> None:
    old, new = (pd.DataFrame({"a": [7, 7, 7]}, index=index) for index in (before, after))
    found = table(old, new, tolerance)
    assert (found.rows, found.columns, found.notes) == (0, (), (note,))


@pytest.mark.parametrize("tolerance", [EXACT, Tolerance(1e-9)])
def test_rows_in_another_order_are_a_difference(tolerance: Tolerance) -> None:
    before = pd.DataFrame({"a": [1, 2, 3]}, index=["x", "y", "z"])
    found = table(before, before.iloc[[0, 2, 1]], tolerance)
    assert (found.by, found.rows, found.notes) == ("index", 0, ("rows are in another order",))
    assert table(before, before.iloc[[0, 2]]).notes == ()


def test_labels_that_are_numbers_have_the_tolerance_too() -> None:
    before, near, far = (pd.DataFrame({"a": [1, 2]}, index=[0.5 + by, 1.0 + by]) for by in (0, 1e-7, 0.1))
    assert compare_values(before, near, Tolerance(1e-3)) is None
    assert table(before, far, Tolerance(1e-3)).notes == ("2 row labels differ",)


def test_empty_tables() -> None:
    found = table(pd.DataFrame({"a": []}), pd.DataFrame({"a": [1.0]}))
    assert (found.compared, found.only_after) == (0, 1)
    assert compare_values(pd.DataFrame(), pd.DataFrame(), EXACT) is None


def test_arrays() -> None:
    before = np.zeros((2, 3))
    after = before.copy()
    after[1, 2] = 4
    found = compare_values(before, after, EXACT)
    assert isinstance(found, ArrayDiff)
    assert (found.before, found.size, found.differing, found.absolute) == ("float64 2×3", 6, 1, 4.0)
    assert [(one.path, one.before, one.after) for one in found.examples] == [("[1, 2]", 0.0, 4.0)]
    assert compare_values(before, after, Tolerance(absolute=5)) is None
    assert compare_values(before, before + 0, EXACT) is None


@pytest.mark.parametrize(
    ("before", "after", "differing"),
    [
        (np.array([0.0]), np.array([-0.0]), 1),
        (np.array([np.nan, np.inf]), np.array([np.nan, -np.inf]), 1),
        (np.array([1, 2]), np.array([1.0, 2.0]), 0),
        (np.array(["a", "b"]), np.array(["a", "c"]), 1),
        (np.array(["2024-01-01", "NaT"], "M8[D]"), np.array(["2024-01-02", "NaT"], "M8[D]"), 1),
        (np.array([complex(np.nan)]), np.array([complex(np.nan)]), None),
        (np.array([True]), np.array([False]), 1),
    ],
)
def test_arrays_of_every_type(before: Any, after: Any, differing: int | None) -> None:
    found = compare_values(before, after, EXACT)
    assert (found.differing if isinstance(found, ArrayDiff) else None) == differing


def test_complex_arrays_with_a_tolerance() -> None:
    before, after = np.array([1 + 1j, np.nan, 3]), np.array([1 + 1.0000001j, np.nan, 4])
    found = compare_values(before, after, Tolerance(1e-3))
    assert isinstance(found, ArrayDiff)
    assert (found.differing, found.absolute) == (1, 1.0)
    assert compare_values(before[:2], after[:2], Tolerance(1e-3)) is None
    assert compare_values(before[:2], after[:2], EXACT) is not None
    assert compare_values(np.array([1.0, 2.0]), np.array([1 + 0j, 2 + 1e-9j]), Tolerance(1e-6)) is None


def test_arrays_of_unlike_shapes_are_not_compared() -> None:
    assert compare_values(np.zeros(2), np.zeros((2, 1)), EXACT) == ArrayDiff(before="float64 2", after="float64 2×1")


def test_an_array_longer_than_a_part_of_it_that_is_held_at_once() -> None:
    before = np.zeros(3_000_000, "i1")
    after = before.copy()
    after[[5, 2_999_999]] = 1
    found = compare_values(before, after, EXACT)
    assert isinstance(found, ArrayDiff)
    assert [one.path for one in found.examples] == ["[5]", "[2999999]"]


def test_values_of_two_kinds() -> None:
    assert compare_values(np.zeros(1), [0.0], EXACT) == KindDiff(before="numpy.ndarray", after="list")
    one = compare_values(pd.DataFrame({"a": [1]}), pl.DataFrame({"a": [1]}), EXACT)
    assert one == KindDiff(before="pandas.DataFrame", after="polars.DataFrame")
