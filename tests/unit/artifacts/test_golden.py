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
STRUCT = pa.struct([("a", pa.int8()), ("b", pa.list_(pa.string()))])

VALUES: dict[str, Any] = {
    "plain": {"a": [1, 2.5, None, True, "ü"], 3: (b"x", {1, "y"}), "t": NOON, "d": Decimal("1.50")},
    "collections": [OrderedDict(b=1, a=2), Counter("aab"), deque([1], 3), range(5)],
    "pandas scalars": [pd.Timestamp(10**9, unit="us", tz=BERLIN), pd.Timedelta(5, unit="s"), pd.NaT, pd.NA],
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
    "frame": pd.DataFrame({"n": [1, 2], "c": pd.Categorical(["x", "y"]), "t": pd.Series(["a", None], dtype=object)}),
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
            "i": pl.Series([2**100, 1], dtype=pl.Int128),
        }
    ),
}

GOLDEN: dict[str, str] = {
    "plain": "70f6e1a9b74927c2b51afcd55285aa591763af992466cb663e8d194f21da773e",
    "collections": "8310fe857e78fea8f30342c233869749003e431b767bf5c8d7978835c8a21a65",
    "pandas scalars": "775002379520bd0d91f8ac2c71f00624701e96b41001f104be655dfb8e65d50d",
    "numpy scalars": "da97c271a93c652852acc74f24cd8d6e453daa285f733318b739282cc9db7548",
    "objects": "fa83ec151cc7fc062a971ee9903bef808df809c6737a5a9ac2e5fc9ccc722d5e",
    "object with array": "feb1c371a5f3ca8b353f8d416afb2d99a3f6bf1a005316fc6d64ffa3fbc2a93b",
    "array": "13c3cd0866e72d1598ffe111222ab361cfdb9f90686c6b33dec4297fd5449290",
    "list of arrays": "96a4aa3b8c09ce5b1c1c1027a187ee5f8f8d3d5dc25c1e3530329b2c4d5ed67a",
    "frame": "3064ffc6eddb5a675dc21487b9332eea22333b70a6c3c0b6355c922564991982",
    "arrow table": "37c3c7d450be7acc98efa89382b86bdd0283f0d3c282298c5b2b3c4a62c14305",
    "arrow array": "60436080c25874ea675346717f8877095a724c95a29a0c4c76c8f062165848f9",
    "polars": "78a875807478eb6b467b82c7b96ebdbbcfdbe08657ab0329182c37c61bc9aa2d",
}


@pytest.mark.parametrize("name", VALUES)
def test_the_hash_is_what_it_was(artifacts: Artifacts, name: str) -> None:
    ref = save(artifacts, VALUES[name])
    assert not ref.opaque
    assert ref.value == GOLDEN[name]
