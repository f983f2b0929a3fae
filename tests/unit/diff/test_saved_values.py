"""Saved values: equal hashes are not read, pickles are told by class, and what cannot be read is told."""

from __future__ import annotations

import importlib
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest

from pipeglot.client.diff import values
from pipeglot.client.diff.files import pickled_class
from pipeglot.client.diff.model import (
    ArrayDiff,
    FileChange,
    FilesDiff,
    ItemsDiff,
    KindDiff,
    PlainDiff,
    TextDiff,
    Tolerance,
    Uncompared,
)
from pipeglot.client.diff.values import Comparer
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.lineage.arguments import Gathered, Given, Saved
from pipeglot.core.lineage.records import Ref
from pipeglot.core.store import open_store


class Model(pydantic.BaseModel):
    model_config = {"extra": "allow"}
    a: int = 1
    b: float = 2.0


class Thing:
    def __init__(self, n: int) -> None:
        self.n = n


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(open_store(tmp_path / "store", trusted=True))


@pytest.fixture
def compare(artifacts: Artifacts) -> Comparer:
    return Comparer(artifacts, artifacts, Tolerance())


def save(artifacts: Artifacts, value: Any, origin: str = "o") -> Ref:
    return artifacts.save(value, name="value", opaque_id=lambda: origin)


def test_equal_hashes_are_equal_without_reading(artifacts: Artifacts, compare: Comparer, tmp_path: Path) -> None:
    refs = [save(artifacts, np.arange(10_000)) for _ in range(2)]
    for blob in (tmp_path / "store" / "blobs").rglob("*"):
        if blob.is_file():
            blob.unlink()
    assert compare.refs(*refs) is None


def test_a_missing_blob_is_told_and_does_not_end_the_comparison(
    artifacts: Artifacts, compare: Comparer, tmp_path: Path
) -> None:
    old, new = save(artifacts, np.arange(10_000)), save(artifacts, np.arange(1, 10_001))
    (tmp_path / "store" / "blobs" / old.week / old.blob).unlink()
    found = compare.refs(old, new)
    assert isinstance(found, Uncompared)
    assert found.why.startswith("`value` is gone: the store")


def test_a_damaged_blob_is_told(artifacts: Artifacts, compare: Comparer, tmp_path: Path) -> None:
    old, new = save(artifacts, np.arange(10_000)), save(artifacts, np.arange(1, 10_001))
    blob = tmp_path / "store" / "blobs" / old.week / old.blob
    blob.chmod(0o600)
    blob.write_bytes(blob.read_bytes()[:-1] + b"\1")
    fresh = Artifacts(open_store(tmp_path / "store", trusted=True))
    found = Comparer(fresh, fresh, Tolerance()).refs(old, new)
    assert isinstance(found, Uncompared)
    assert "is damaged" in found.why


def test_pickles_are_not_loaded(artifacts: Artifacts, compare: Comparer, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = save(artifacts, Thing(1)), save(artifacts, Thing(2))
    monkeypatch.setattr(pickle, "load", lambda _: pytest.fail("a pickle was loaded"))
    found = compare.refs(old, new)
    assert isinstance(found, Uncompared)
    assert found.what == "the bytes of a pickled `Thing` differ"
    assert "code and inputs are equal, so the step does not give the same bytes each time" in found.why


def test_a_pickle_of_another_origin(artifacts: Artifacts, compare: Comparer) -> None:
    assert compare.refs(save(artifacts, Thing(1), "a"), save(artifacts, Thing(1), "b")) is None
    found = compare.refs(save(artifacts, Thing(1), "a"), save(artifacts, Thing(2), "b"))
    assert isinstance(found, Uncompared)
    assert found.why == "pickles are not compared"
    other = compare.refs(save(artifacts, Thing(1)), save(artifacts, {"a": Thing(1)}))
    assert other == KindDiff(before="a pickled `Thing`", after="a pickled `dict`")


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_the_class_of_a_pickle(protocol: int) -> None:
    assert pickled_class(pickle.dumps(Path("x"), protocol)).startswith("pathlib")
    assert pickled_class(b"garbage") == "object"
    assert pickled_class(b"") == "object"


def test_texts_and_binary_files(artifacts: Artifacts, compare: Comparer, tmp_path: Path) -> None:
    def file(name: str, data: bytes) -> Ref:
        path = tmp_path / name
        path.write_bytes(data)
        return save(artifacts, path)

    text = compare.refs(file("a.txt", b"one\ntwo\n"), file("b.txt", b"one\n2\n"))
    assert isinstance(text, TextDiff)
    assert text.lines[-2:] == ("-two", "+2")
    binary = compare.refs(file("a.bin", b"\0\1"), file("b.bin", b"\0\1\2"))
    assert binary == FilesDiff(changes=(FileChange(path="", before=2, after=3),), count=1)
    suffix = compare.refs(file("a.csv", b"x"), file("a.txt", b"x"))
    assert suffix == FilesDiff(changes=(FileChange(path="", before=1, after=1, note="`.csv` → `.txt`"),), count=1)


def test_folders(artifacts: Artifacts, compare: Comparer, tmp_path: Path) -> None:
    for name, files in (("old", {"a": "1", "b": "22", "c": "3"}), ("new", {"a": "1", "b": "222", "d": "4"})):
        (tmp_path / name).mkdir()
        for file, text in files.items():
            (tmp_path / name / file).write_text(text)
    found = compare.refs(save(artifacts, tmp_path / "old"), save(artifacts, tmp_path / "new"))
    assert isinstance(found, FilesDiff)
    assert [(one.path, one.before, one.after) for one in found.changes] == [("b", 2, 3), ("c", 1, None), ("d", None, 1)]


def test_lists_of_values_item_by_item(artifacts: Artifacts, compare: Comparer) -> None:
    old = save(artifacts, [np.zeros(3), np.ones(3)])
    found = compare.refs(old, save(artifacts, [np.zeros(3), np.zeros(3), np.ones(1)]))
    assert isinstance(found, ItemsDiff)
    assert (found.before, found.after, found.count, [one.index for one in found.items]) == (2, 3, 1, [1])


def test_what_is_too_large_is_not_read(
    artifacts: Artifacts, compare: Comparer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "LARGEST", 1000)
    found = compare.refs(save(artifacts, np.zeros(500)), save(artifacts, np.ones(500)))
    assert isinstance(found, Uncompared)
    assert found.why == "more than 1,000 bytes are not read"


def test_arguments_of_all_kinds(artifacts: Artifacts, compare: Comparer) -> None:
    one, two = Saved(save(artifacts, 1)), Saved(save(artifacts, 2))
    assert compare.args(one, Given(1)) is None
    assert compare.args(Given(1), Given(2)) is not None
    found = compare.args(Gathered((one, one)), Gathered((one, two)))
    assert isinstance(found, ItemsDiff)
    assert [item.index for item in found.items] == [1]
    assert compare.args(Gathered((one, two)), Given([1, 2])) is None


def test_a_store_that_is_not_trusted_is_read_as_well(artifacts: Artifacts, tmp_path: Path) -> None:
    old, new = save(artifacts, Thing(1)), save(artifacts, Thing(2))
    wary = Artifacts(open_store(tmp_path / "store", trusted=False))
    found = Comparer(wary, wary, Tolerance()).refs(old, new)
    assert isinstance(found, Uncompared)
    assert found.what == "the bytes of a pickled `Thing` differ"


OBJECTS = """
import dataclasses, enum, numpy, typing

class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"

class Span(typing.NamedTuple):
    low: int
    high: int

@dataclasses.dataclass
class Made:
    rate: float
    colour: Colour
    span: Span
    weights: typing.Any = None
    inner: typing.Any = None

@dataclasses.dataclass
class Other:
    rate: float
"""


def test_objects_are_compared_by_field_where_their_classes_are_not(
    artifacts: Artifacts, compare: Comparer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "classes_of_a_project.py").write_text(OBJECTS)
    monkeypatch.syspath_prepend(tmp_path)
    made = importlib.import_module("classes_of_a_project")
    monkeypatch.setitem(sys.modules, made.__name__, made)
    one = made.Made(0.5, made.Colour.RED, made.Span(1, 2), inner=[made.Other(1.0)])
    other = made.Made(0.25, made.Colour.BLUE, made.Span(1, 3), inner=[made.Other(2.0)])
    large = [made.Made(0.5, made.Colour.RED, made.Span(1, 2), np.arange(n) % 7) for n in (1000, 1001)]
    same = made.Made(0.75, made.Colour.RED, made.Span(1, 2), np.arange(1000) % 7)
    saved = {id(value): save(artifacts, value) for value in (one, other, *large, same, made.Other(1.0))}
    refs = list(saved.values())
    sys.modules.pop(made.__name__)
    (tmp_path / "classes_of_a_project.py").unlink()
    found = compare.refs(refs[0], refs[1])
    assert isinstance(found, PlainDiff)
    assert [(one.path, one.before, one.after) for one in found.changes] == [
        ("rate", 0.5, 0.25),
        ("colour", "red", "blue"),
        ("span.high", 2, 3),
        ("inner[0].rate", 1.0, 2.0),
    ]
    parts = compare.refs(refs[2], refs[3])
    assert isinstance(parts, ItemsDiff)
    assert (parts.of, [one.name for one in parts.items], type(parts.items[0].diff)) == (
        "parts",
        [".weights"],
        ArrayDiff,
    )
    rest = compare.refs(refs[2], refs[4])
    assert isinstance(rest, PlainDiff), "equal arrays are equal, though nothing can ask them"
    assert [one.path for one in rest.changes] == ["rate"]
    mixed = compare.refs(refs[3], refs[4])
    assert isinstance(mixed, ItemsDiff)
    assert [one.name for one in mixed.items] == [".weights", "all else"]
    assert compare.refs(refs[0], refs[5]) == KindDiff(before="Made", after="Other")
    assert isinstance(compare.refs(refs[0], refs[2]), PlainDiff), "what is apart in one of them only"


@pytest.mark.parametrize(
    ("old", "new", "paths"),
    [
        (Model(a=1), Model(a=2), ["a"]),
        (Model.model_validate({"more": [1, 2]}), Model.model_validate({"more": [1, 3]}), ["more[1]"]),
        (Model(a=1), Model(a=1, b=2.0), ["model_fields_set", "model_fields_set[1]"]),
        ({"m": [Model(b=1.0)]}, {"m": [Model(b=1.5)]}, ["m[0].b"]),
    ],
)
def test_models(artifacts: Artifacts, compare: Comparer, old: Any, new: Any, paths: list[str]) -> None:
    found = compare.refs(save(artifacts, old), save(artifacts, new))
    assert isinstance(found, PlainDiff)
    assert [change.path for change in found.changes] == paths
