"""Arrow and polars: everything comes back, and the hash sees the value and not how it lies in memory."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.errors import ValueRefused
from pipeglot.core.store.folder import FolderStore
from tests.unit.artifacts.common import save
from tests.unit.artifacts.test_processes import run

BERLIN = "Europe/Berlin"
LISTS = st.none() | st.lists(st.none() | st.integers(-9, 9), max_size=3)
STRUCTS = st.none() | st.fixed_dictionaries({"a": st.none() | st.integers(0, 9), "b": st.none() | st.text(max_size=3)})
INSTANTS = st.none() | st.datetimes(dt.datetime.fromisoformat("1990-01-01"), dt.datetime.fromisoformat("2050-01-01"))
COLUMNS: list[tuple[Any, Any, st.SearchStrategy[Any]]] = [
    (pa.int8(), pl.Int8, st.none() | st.integers(-128, 127)),
    (pa.uint64(), pl.UInt64, st.none() | st.integers(0, 2**64 - 1)),
    (pa.float64(), pl.Float64, st.none() | st.floats(allow_nan=False)),
    (pa.bool_(), pl.Boolean, st.none() | st.booleans()),
    (pa.string(), pl.String, st.none() | st.text(max_size=5)),
    (pa.large_binary(), pl.Binary, st.none() | st.binary(max_size=5)),
    (pa.dictionary(pa.int32(), pa.string()), pl.Categorical, st.none() | st.sampled_from(["x", "y", "z"])),
    (pa.dictionary(pa.int8(), pa.string(), ordered=True), pl.Enum(["x", "y", "z"]), st.none() | st.sampled_from("xyz")),
    (pa.list_(pa.int64()), pl.List(pl.Int64), LISTS),
    (pa.list_(pa.int16(), 2), pl.Array(pl.Int16, 2), st.none() | st.lists(st.integers(0, 9), min_size=2, max_size=2)),
    (pa.struct([("a", pa.int64()), ("b", pa.string())]), pl.Struct({"a": pl.Int64, "b": pl.String}), STRUCTS),
    (pa.map_(pa.string(), pa.int64()), pl.Int64, st.none()),
    (pa.decimal128(20, 3), pl.Decimal(20, 3), st.none() | st.decimals(-99, 99, places=3)),
    (pa.timestamp("us", BERLIN), pl.Datetime("us", BERLIN), INSTANTS.map(lambda at: at and at.replace(tzinfo=dt.UTC))),
    (pa.timestamp("us"), pl.Datetime("us"), INSTANTS),
    (pa.duration("us"), pl.Duration("us"), st.none() | st.timedeltas(dt.timedelta(-99), dt.timedelta(99))),
    (pa.time64("us"), pl.Time, st.none() | st.times()),
    (pa.date32(), pl.Date, st.none() | st.dates()),
    (pa.null(), pl.Null, st.none()),
]
VIEWS = [pa.string_view()] if hasattr(pa, "string_view") else []  # since pyarrow 16
WIDE = [pl.Series("a", [2**100 + i], dtype=pl.Int128) for i in (0, 1)]
COLUMNS += [(kind, pl.String, st.none() | st.text(max_size=20)) for kind in VIEWS]
COLUMNS += [(pa.int64(), pl.Int128, st.none() | st.integers(-(2**40), 2**40))]


class Halves(pa.ExtensionType):  # type: ignore[misc]  # pyarrow ships no types
    """A type of somebody's own."""

    def __init__(self) -> None:
        super().__init__(pa.int64(), "tests.halves")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""


@st.composite
def columns(draw: st.DrawFn) -> list[tuple[Any, Any, list[Any]]]:
    count = draw(st.integers(0, 6))
    chosen = draw(st.lists(st.sampled_from(range(len(COLUMNS))), max_size=4))
    return [(*COLUMNS[one][:2], draw(st.lists(COLUMNS[one][2], min_size=count, max_size=count))) for one in chosen]


FIXTURES = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)


@FIXTURES
@given(columns(), st.integers(0, 6))
def test_arrow(artifacts: Artifacts, found: list[Any], cut: int) -> None:
    arrays = [pa.array(values, kind) for kind, _, values in found]
    table = pa.table(arrays, names=[f"c{i}" for i in range(len(arrays))])
    chunked = pa.concat_tables([table.slice(0, cut), table.slice(cut)])
    values = [table, chunked, *arrays, *table.columns, *table.to_batches()]
    for was in values:
        ref = save(artifacts, was)
        back: Any = artifacts.load(ref)
        assert type(back) is type(was)
        assert back.equals(was)
        assert (ref.codec, save(artifacts, back).value) == ("arrow/1", ref.value)
    assert save(artifacts, chunked).value == save(artifacts, table).value
    for array, column in zip(arrays, chunked.columns, strict=True):
        assert save(artifacts, column).value == save(artifacts, pa.chunked_array([array])).value


@FIXTURES
@given(columns(), st.integers(0, 6))
def test_polars(artifacts: Artifacts, found: list[Any], cut: int) -> None:
    series = [pl.Series(f"c{i}", values, dtype=kind) for i, (_, kind, values) in enumerate(found)]
    frame = pl.DataFrame(series)
    chunked = pl.concat([frame[:cut], frame[cut:]], rechunk=False) if series else frame
    was: Any
    for was in (frame, chunked, *series):
        ref = save(artifacts, was)
        back: Any = artifacts.load(ref)
        assert type(back) is type(was)
        assert back.equals(was, null_equal=True)
        assert (back.schema == was.schema) if was is frame else True
        assert (ref.codec, save(artifacts, back).value) == ("polars/1", ref.value)
    assert save(artifacts, chunked).value == save(artifacts, frame).value


@pytest.mark.parametrize("trusted", [True, False])
def test_large_ones(artifacts: Artifacts, store: FolderStore, trusted: bool) -> None:
    reader = Artifacts(FolderStore(store.root, trusted=trusted))
    table = pa.table({"n": range(100_000), "t": ["text"] * 100_000})
    assert reader.load(save(artifacts, table)).equals(table)  # type: ignore[attr-defined]
    frame = pl.DataFrame({"n": range(100_000), "t": ["text"] * 100_000})
    assert reader.load(save(artifacts, frame)).equals(frame)  # type: ignore[attr-defined]


def test_different_values_differ(artifacts: Artifacts) -> None:
    array, empty = pa.array([1, 2]), pa.array([], pa.int64())
    values: list[Any] = [
        array, pa.array([1, None]), pa.array([1.0, 2.0]), pa.array([1, 2], pa.int8()), pa.chunked_array([array]),
        pa.table({"a": array}), pa.table({"b": array}), pa.RecordBatch.from_arrays([array], ["a"]),
        pa.table({"a": array}, metadata={"k": "v"}),
        pa.table({"a": array}, schema=pa.schema([pa.field("a", pa.int64(), nullable=False)])),
        pa.array(["x", "y"]), pa.array(["x", "y"]).dictionary_encode(), pa.array([b"x", b"y"]), empty, pa.nulls(0),
        pa.array([], pa.list_(pa.struct([("a", pa.int8())]))), pa.array([], pa.list_(pa.struct([("a", pa.int16())]))),
        pa.array([0, 1], pa.timestamp("s")), pa.array([0, 1], pa.timestamp("s", BERLIN)),
        pa.array([0, 1], pa.duration("s")),
        pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
        pa.array([[("k", 2)]], pa.map_(pa.string(), pa.int64())),
        pl.DataFrame({"a": [1, 2]}), pl.Series("a", [1, 2]), pl.Series("b", [1, 2]),
        pl.Series("a", [1, 2], dtype=pl.Int8),
        pl.Series("a", ["x"]), pl.Series("a", ["x"], dtype=pl.Categorical), pl.Series("a", ["x"], dtype=pl.Enum(["x"])),
        pl.Series("a", ["x"], dtype=pl.Enum(["x", "y"])), pl.DataFrame(),
        pl.Series("a", [Decimal("1.5")], dtype=pl.Decimal(9, 1)), pl.Series("a", [1.5]), *WIDE,
    ]  # fmt: skip
    assert len({save(artifacts, value).value for value in values}) == len(values)


def test_what_the_hash_does_not_see(artifacts: Artifacts) -> None:
    """Widths of offsets, offsets, dictionaries' order, and what pandas notes of versions."""
    texts = ["x", None, "zz"]
    values = {save(artifacts, pa.array(texts, kind)).value for kind in (pa.string(), pa.large_string(), *VIEWS)}
    assert len(values) == 1
    assert save(artifacts, pa.array([9, 1, 2]).slice(1)).value == save(artifacts, pa.array([1, 2])).value
    one, two = (pa.array(part).dictionary_encode() for part in (["b", "a"], ["a", "c"]))
    other = pa.DictionaryArray.from_arrays(pa.array([1, 0, 0, 2], pa.int32()), ["a", "b", "c"])
    parts = pa.chunked_array([one, two])
    assert save(artifacts, parts).value == save(artifacts, pa.chunked_array([other])).value
    notes = [f'{{"pandas_version": "{version}", "creator": {{}}, "columns": []}}' for version in ("2.0", "3.0")]
    tables = [pa.table({"a": [1]}, metadata={"pandas": note}) for note in notes]
    assert save(artifacts, tables[0]).value == save(artifacts, tables[1]).value


# --- refused by name --------------------------------------------------------------------------------------------------

OBJECTS = pl.Series("o", [object()], dtype=pl.Object)
UNION = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])
CAST = "hint: change it with `.cast(…)`, or leave the column out"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (pl.DataFrame({"n": [1], "o": OBJECTS}), f"column `o` has the polars type `Object`\n\n{CAST}"),
        (OBJECTS, f"it has the polars type `Object`\n\n{CAST}"),
        (
            pa.table({"r": UNION}),
            "column `r` has the Arrow type `sparse_union<",
        ),
        (
            pa.table({"l": pa.array([[1]], pa.list_(pa.dictionary(pa.int8(), pa.int64())))}),
            "column `l` has the Arrow type",
        ),
        (pa.ExtensionArray.from_storage(Halves(), pa.array([1], pa.int64())), "it has the Arrow type `extens"),
        (
            UNION,
            "it has the Arrow type `sparse_union<0: int64=0>`, which is not covered\n\nhint: cast it to a plainer",
        ),
    ],
    ids=range(6),
)
def test_refused(artifacts: Artifacts, value: Any, message: str) -> None:
    with pytest.raises(ValueRefused) as caught:
        save(artifacts, value)
    assert str(caught.value).startswith(f"output `x` of step `y` cannot be stored: {message}")


def test_a_lazy_frame(artifacts: Artifacts) -> None:
    for value in (pl.DataFrame({"a": [1]}).lazy(), {"inside": pl.DataFrame({"a": [1]}).lazy()}):
        with pytest.raises(ValueRefused) as caught:
            save(artifacts, value)
        assert re.search(
            r"is a polars `LazyFrame`, which is a plan and not its result\n\nhint: return `.collect\(\)` of it$",
            str(caught.value),
        )


def test_no_map_over_tables(artifacts: Artifacts) -> None:
    for value, kind in ((pa.table({"a": [1]}), "Arrow table"), (pl.DataFrame({"a": [1]}), "polars frame")):
        with pytest.raises(ValueRefused, match=f"^a {kind} cannot be stepped through by map"):
            artifacts.item(save(artifacts, value), 0)


@pytest.mark.parametrize("missing", ["polars", "pyarrow"])
def test_without_the_library(
    artifacts: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    ref = save(artifacts, pl.DataFrame({"a": [1]}) if missing == "polars" else pa.table({"a": [1]}))
    monkeypatch.setitem(__import__("sys").modules, missing, None)
    with pytest.raises(ValueRefused, match=f"{missing}.* not installed here"):
        artifacts.load(ref)


# --- the same everywhere ----------------------------------------------------------------------------------------------

CATEGORIES = """
    import json, sys
    import polars as pl, pyarrow as pa
    from pipeglot.core.artifacts import Artifacts
    from pipeglot.core.store import open_store
    artifacts = Artifacts(open_store(sys.argv[1]))
    seen = pl.Series(sys.argv[2].split(), dtype=pl.Categorical)  # polars numbers categories as it meets them
    frame = pl.DataFrame({"c": pl.Series(["a", "b"], dtype=pl.Categorical), "l": [["x"], None]})
    values = [frame, pa.table({"s": ["x", None]})]
    print(json.dumps([artifacts.save(value, name="x", opaque_id=str).value for value in values]))
"""


def test_equal_in_every_process(tmp_path: Path) -> None:
    found = [
        run(CATEGORIES, tmp_path / str(n), seen, PYTHONHASHSEED=str(n)) for n, seen in enumerate(["b a", "a", "c b"])
    ]
    assert found[0] == found[1] == found[2]
