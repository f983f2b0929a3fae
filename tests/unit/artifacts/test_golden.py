"""Value hashes as they were first computed: no version of a library, and no edit of ours, changes one in silence.

They are what lineage and cache keys are made of. Only with a new codec version may one of them change.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, OrderedDict, deque
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from pipeglot.core.artifacts import Artifacts
from tests.unit.artifacts.common import save
from tests.unit.artifacts.shapes import Access, Color, Frozen, Item, Model, Pair, Point

BERLIN = ZoneInfo("Europe/Berlin")
NOON = dt.datetime(2013, 1, 1, 12, tzinfo=BERLIN)


def _in(value: Any, unit: str) -> Any:
    """pandas 3 has other units than pandas 2 for the same text: the unit is part of the value."""
    return value.as_unit(unit) if hasattr(value, "as_unit") else value


def _objects(*texts: str) -> pd.Index[Any]:
    """pandas 3 has a type of its own for texts that pandas 2 has as objects: the type is part of the value."""
    return pd.Index(texts, dtype=object)


STRUCT = pa.struct([("a", pa.int8()), ("b", pa.list_(pa.string()))])

VALUES: dict[str, Any] = {
    "plain": {"a": [1, 2.5, None, True, "ü"], 3: (b"x", {1, "y"}), "t": NOON, "d": Decimal("1.50")},
    "collections": [OrderedDict(b=1, a=2), Counter("aab"), deque([1], 3), range(5)],
    "pandas scalars": [
        _in(pd.Timestamp(10**9, unit="us", tz=BERLIN), "ns"),
        _in(pd.Timedelta(5, unit="s"), "ns"),
        pd.NaT,
        pd.NA,
    ],
    "numpy scalars": [np.float32(0.5), np.int8(1), np.datetime64("2013-01-01", "s"), np.bytes_(b"x")],
    "objects": [
        Point(1, Color.RED),
        Frozen(name="a"),
        Pair(1),
        Item(2),
        Model.model_validate({"rate": 1, "more": 2}),
        Access.READ,
    ],
    "object with array": Point(np.arange(3), {"k": np.array([0.5, float("nan")])}),
    "array": np.arange(6, dtype="<i4").reshape(2, 3),
    "list of arrays": [np.arange(2), "x"],
    "frame": pd.DataFrame(
        {
            "n": np.array([1, 2], "int64"),
            "c": pd.Categorical(_objects("x", "y"), categories=_objects("x", "y")),
            "t": pd.Series(["a", None], dtype=object),
        }
    ).set_axis(_objects("n", "c", "t"), axis=1),
    "arrow table": pa.table(
        {"s": pa.array([{"a": 1, "b": ["x", None]}, None], STRUCT), "d": pa.array(["x", "x"]).dictionary_encode()}
    ),
    "arrow array": pa.array([1, None, 3], pa.int16()),
    "polars": pl.DataFrame(
        {
            "c": pl.Series(["b", None], dtype=pl.Categorical),
            "e": pl.Series(["y", "x"], dtype=pl.Enum(["x", "y"])),
            "l": [[1.5], [float("nan"), None]],
            "t": pl.Series([NOON, None], dtype=pl.Datetime("ms", "Europe/Berlin")),
        }
    ),
}
VALUES["polars, wide integers"] = pl.DataFrame({"i": pl.Series([2**100, 1], dtype=pl.Int128)})
if hasattr(pd.Timestamp, "as_unit"):  # before pandas 2 all were in nanoseconds
    VALUES["pandas scalars in other units"] = [
        _in(pd.Timestamp(10**9, unit="us", tz=BERLIN), "us"),
        _in(pd.Timedelta(5, unit="s"), "s"),
    ]

GOLDEN: dict[str, str] = {
    "plain": "70f6e1a9b74927c2b51afcd55285aa591763af992466cb663e8d194f21da773e",
    "collections": "8310fe857e78fea8f30342c233869749003e431b767bf5c8d7978835c8a21a65",
    "pandas scalars": "4e62d67af5b3114a393ab04e90b73269e5076d846cd1910dad3b851671961792",
    "numpy scalars": "da97c271a93c652852acc74f24cd8d6e453daa285f733318b739282cc9db7548",
    "objects": "fa83ec151cc7fc062a971ee9903bef808df809c6737a5a9ac2e5fc9ccc722d5e",
    "object with array": "feb1c371a5f3ca8b353f8d416afb2d99a3f6bf1a005316fc6d64ffa3fbc2a93b",
    "array": "13c3cd0866e72d1598ffe111222ab361cfdb9f90686c6b33dec4297fd5449290",
    "list of arrays": "96a4aa3b8c09ce5b1c1c1027a187ee5f8f8d3d5dc25c1e3530329b2c4d5ed67a",
    "frame": "5ff9d205eb843d65040eae83aa3e9ad7f9f844dd5e1fd114193fbed00a74ebb7",
    "arrow table": "37c3c7d450be7acc98efa89382b86bdd0283f0d3c282298c5b2b3c4a62c14305",
    "arrow array": "60436080c25874ea675346717f8877095a724c95a29a0c4c76c8f062165848f9",
    "polars": "9c1b4d5ab701b797da54395e8ca26b5bdeddc619223d9e8fb30a615dd46fc5a1",
    "pandas scalars in other units": "c754ad688798c52112eb811b8c1628dcf202226e0b65504ee266de85425b611f",
    "polars, wide integers": "a19ff295f41fba886103fb6f7b5601bc9956ddb30305edc6dd54241aaa049c6e",
}


@pytest.mark.parametrize("name", VALUES)
def test_the_hash_is_what_it_was(artifacts: Artifacts, name: str) -> None:
    ref = save(artifacts, VALUES[name])
    assert not ref.opaque
    assert ref.value == GOLDEN[name]
