"""Objects of users' classes: they come back as their class, or the message says what is in the way."""

from __future__ import annotations

import collections
import dataclasses
import enum
import json
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID

import cloudpickle
import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeglot.core import plain
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.artifacts.blobs import this_week
from pipeglot.core.errors import Corrupt, Untrusted, ValueRefused
from pipeglot.core.lineage.view import readable
from pipeglot.core.placeholders import Instance
from pipeglot.core.store.folder import FolderStore
from tests.unit.artifacts import shapes
from tests.unit.artifacts.common import save
from tests.unit.artifacts.shapes import (
    Access,
    Box,
    Child,
    Color,
    Frozen,
    Item,
    Level,
    Login,
    Model,
    Noted,
    Pair,
    Point,
    Weights,
    Word,
)
from tests.unit.artifacts.test_processes import run

simple = st.none() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary() | st.sampled_from(Color)
objects: st.SearchStrategy[Any] = st.recursive(
    simple,
    lambda inner: (
        st.builds(lambda x, y: Point(x, y), inner, inner)
        | st.builds(lambda name, scale: Frozen(name=name, scale=scale), st.text(), st.integers(0, 9))
        | st.builds(lambda x, z: Child(x, z=z), inner, st.lists(st.integers()))
        | st.builds(lambda x: Box(x), inner)
        | st.builds(lambda x: Pair(x), inner)
        | st.builds(lambda n, x: Item(n, x), st.integers(), inner)
        | st.builds(
            lambda rate, x: Model.model_validate({"rate": rate, "inner": x, "other": x}),
            st.floats(allow_nan=False),
            inner,
        )
        | st.builds(collections.OrderedDict, st.dictionaries(st.text(), inner))
        | st.builds(collections.deque, st.lists(inner), st.none() | st.integers(0, 3))
        | st.lists(inner)
        | st.dictionaries(st.sampled_from([*Color, *Word, *Level]), inner)
    ),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(objects)
def test_round_trip(artifacts: Artifacts, value: Any) -> None:
    ref = save(artifacts, value)
    assert not ref.opaque
    back = artifacts.load(ref)
    assert type(back) is type(value)
    assert back == value
    assert save(artifacts, back).value == ref.value


@pytest.mark.parametrize(
    "value",
    [Color.BLUE, Level.LOW, Word.YES, Access.READ | Access.WRITE, Access(0), Frozen(name="a", scale=4), Pair(1)],
    ids=str,
)
def test_is_the_very_same(artifacts: Artifacts, value: Any) -> None:
    ref = save(artifacts, value)
    assert (ref.codec, ref.opaque, ref.length) == ("json/1", False, None)
    back = artifacts.load(ref)
    assert type(back) is type(value)
    assert back == value
    assert not isinstance(value, enum.Enum) or back is value


def test_no_code_of_the_class_runs(artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch) -> None:
    was = [Point(1), Model(inner=2), Frozen(name="x"), Item(1)]
    ref = save(artifacts, was)

    def fail(*_: object, **__: object) -> None:
        raise AssertionError

    for cls in (Point, Model, Frozen, Item):
        monkeypatch.setattr(cls, "__init__", fail)
    assert artifacts.load(ref) == was


def test_what_pydantic_keeps_beside_the_fields(artifacts: Artifacts) -> None:
    model = Model.model_validate({"rate": 1, "later": [1, Color.RED]})
    model._seen = 3
    back: Any = artifacts.load(save(artifacts, model))
    assert (back.model_fields_set, back.model_extra, back._seen) == ({"rate", "later"}, {"later": [1, Color.RED]}, 3)
    assert back == model
    assert save(artifacts, Model()).value != save(artifacts, Model(rate=0.5)).value


def test_a_cached_property_and_a_type_argument_are_no_content(artifacts: Artifacts) -> None:
    child, other = Child(1, z=[2]), Child(1, z=[2])
    assert child.total == 2
    assert save(artifacts, child).value == save(artifacts, other).value
    assert save(artifacts, Box[int](1)).value == save(artifacts, Box(1)).value


def test_different_values_differ(artifacts: Artifacts) -> None:
    values = [
        Point(1), Point(None, 1), Point("1"), Child(1), Box(1), Pair(1), Pair(1, 1), (1, 2), Item(1), Model(inner=1),
        Color.RED, Level.LOW, Word.YES, Access.READ, 1, "yes", {"x": 1, "y": None}, [Point(1)], (Point(1),),
        {"x": np.arange(2)}, {"x": np.arange(3)}, {"y": np.arange(2)}, Point(np.arange(2)), Pair(np.arange(2)),
    ]  # fmt: skip
    assert len({save(artifacts, value).value for value in values}) == len(values)


# --- what is in them --------------------------------------------------------------------------------------------------


def test_arrays_frames_and_files_in_objects(artifacts: Artifacts, store: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("a,b")
    frame = pd.DataFrame({"a": [1, 2]})
    was: dict[str, Any] = {
        "p": Point(np.arange(2000.0), {"deep": [frame]}),
        "m": Model(inner=np.arange(3)),
        "f": tmp_path / "f.csv",
    }
    ref = save(artifacts, was)
    assert (ref.codec, ref.opaque) == ("tree/1", False)
    assert sorted(artifacts.keys(ref)) == list(store.list("blobs/"))
    back: Any = artifacts.load(ref, name="all", scratch=tmp_path / "s")
    assert back["p"].x.tolist() == was["p"].x.tolist()
    assert back["p"].y["deep"][0].equals(frame)
    assert back["m"].inner.tolist() == [0, 1, 2]
    assert back["f"].read_text() == "a,b"
    assert back["f"].parent == tmp_path / "s"
    assert save(artifacts, back).value == ref.value
    store.delete(next(artifacts.keys(ref)))
    assert not artifacts.exists(ref)


def test_objects_with_arrays_in_lists(artifacts: Artifacts) -> None:
    ref = save(artifacts, [Point(np.arange(3)), Color.RED])
    assert (ref.codec, ref.length) == ("items/1", 2)
    assert artifacts.load(artifacts.item(ref, 0)).x.tolist() == [0, 1, 2]  # type: ignore[attr-defined]
    assert artifacts.load(artifacts.item(ref, 1)) is Color.RED


def test_items_of_plain_lists_of_objects(artifacts: Artifacts) -> None:
    ref = save(artifacts, [Point(1), [Color.RED, Point("x" * 5000)]])
    assert (ref.codec, ref.length) == ("json/1", 2)
    assert artifacts.item(ref, 0).value == save(artifacts, Point(1)).value
    assert artifacts.load(artifacts.item(artifacts.item(ref, 1), 1)) == Point("x" * 5000)
    with pytest.raises(ValueRefused, match=r"^a `Point` cannot be stepped through by map"):
        artifacts.item(artifacts.item(ref, 0), 0)


def test_a_part_that_cannot_be_stored(artifacts: Artifacts) -> None:
    with pytest.raises(ValueRefused) as caught:
        save(artifacts, Point(1, {"f": Path("/nope")}))
    assert caught.value.message == (
        "`y['f']` of output `x` of step `y` is the path `/nope`, which cannot be read: No such file or directory"
    )


def test_secrets(artifacts: Artifacts) -> None:
    with pytest.raises(ValueRefused) as caught:
        save(artifacts, {"logins": [Login(token="s3cret")]})  # type: ignore[arg-type]
    assert str(caught.value) == (
        "`['logins'][0].token` of output `x` of step `y` is a `SecretStr`, and secrets are not stored\n\n"
        "hint: read it in each step that needs it: `@step(secrets=[…])` and `secret(…)`"
    )


# --- what is pickled instead ------------------------------------------------------------------------------------------


def test_what_has_more_than_fields_is_pickled(artifacts: Artifacts) -> None:
    """Nothing is lost in silence: a local class, one with other attributes, one with something unknown in it."""

    @dataclasses.dataclass
    class Local:
        a: int

    more = Point(1)
    more.extra = 2  # type: ignore[attr-defined]
    unset = Point.__new__(Point)
    unset.x = 1
    for value in (Noted(1), more, Point(Weights([1])), {"w": Weights([1])}):
        ref = save(artifacts, value)
        assert (ref.codec, ref.opaque) == ("pickle/1", True)
        assert artifacts.load(ref) == value
    assert vars(artifacts.load(save(artifacts, more))) == {"x": 1, "y": None, "extra": 2}
    assert save(artifacts, unset).opaque is False  # its class gives the default
    if cloudpickle.__version__.startswith("2."):
        with pytest.raises(ValueRefused, match="comes back without its fields"):
            save(artifacts, Local(1))
    else:
        assert dataclasses.asdict(artifacts.load(save(artifacts, Local(1)))) == {"a": 1}  # type: ignore[call-overload]


def test_classes_of_a_script_or_notebook(tmp_path: Path) -> None:
    """They have no name that another process could import: pickled with the class, so opaque."""
    code = """
        import json, sys, msgspec
        from pipeglot.core.artifacts import Artifacts
        from pipeglot.core.store import open_store
        artifacts = Artifacts(open_store(sys.argv[1]))
        class Cell:
            def __init__(self, a):
                self.a = a
        ref = artifacts.save(Cell(1), name="x", opaque_id=lambda: "0" * 64)
        assert type(artifacts.load(ref)) is Cell
        print(json.dumps(msgspec.to_builtins(ref)))
    """
    ref = run(code, tmp_path / "store")
    assert (ref["codec"], ref["opaque"]) == ("pickle/1", True)
    from pipeglot.core.lineage.records import Ref

    back: Any = Artifacts(FolderStore(tmp_path / "store")).load(msgspec.convert(ref, Ref))
    assert back.a == 1


# --- classes that have changed ----------------------------------------------------------------------------------------


def replaced(monkeypatch: pytest.MonkeyPatch, name: str, new: Any) -> None:
    if new is not None:
        new.__module__, new.__qualname__ = shapes.__name__, name
    monkeypatch.setattr(shapes, name, new)


def test_a_class_with_other_fields(artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = save(artifacts, Point(1))
    replaced(monkeypatch, "Point", dataclasses.make_dataclass("Point", ["x", "rate"]))
    with pytest.raises(ValueRefused) as caught:
        artifacts.load(ref, name="config")
    assert str(caught.value) == (
        "`config` holds a `tests.unit.artifacts.shapes:Point`, which has no field `y` here and has the new field `rate`"
        " (it was saved with `x`, `y`)\n\n"
        "hint: the class was changed after the value was saved: run the step that made it again"
    )


def test_a_class_of_another_kind_or_gone(artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = save(artifacts, Point(1))
    replaced(monkeypatch, "Point", enum.Enum("Point", ["x"]))
    with pytest.raises(ValueRefused, match="which is no dataclass here"):
        artifacts.load(ref)
    monkeypatch.delattr(shapes, "Point")
    with pytest.raises(ValueRefused, match="has no `Point` here"):
        artifacts.load(ref)


def test_an_enum_that_has_changed(artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch) -> None:
    red, blue = save(artifacts, Color.RED), save(artifacts, Color.BLUE)
    replaced(monkeypatch, "Color", enum.Enum("Color", {"RED": 7}))
    with pytest.raises(ValueRefused, match=r"`tests.unit.artifacts.shapes:Color.RED` is 7 here, and was 1"):
        artifacts.load(red)
    with pytest.raises(ValueRefused, match="has no member `BLUE` here"):
        artifacts.load(blue)


# --- trust ------------------------------------------------------------------------------------------------------------


def test_no_module_is_imported_for_an_untrusted_store(artifacts: Artifacts, store: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("import dataclasses\n@dataclasses.dataclass\nclass P:\n    a: int\n")
    code = """
        import json, sys
        sys.path.insert(0, sys.argv[2])
        import msgspec
        from pipeglot.core.artifacts import Artifacts
        from pipeglot.core.errors import Untrusted
        from pipeglot.core.lineage.records import Ref
        from pipeglot.core.store.folder import FolderStore
        said = ""
        if sys.argv[3] == "save":
            import other
            ref = Artifacts(FolderStore(sys.argv[1])).save([other.P(1)], name="x", opaque_id=str)
            print(json.dumps(msgspec.json.encode(ref).decode()))
            sys.exit()
        artifacts = Artifacts(FolderStore(sys.argv[1], trusted=False))
        ref = msgspec.json.decode(sys.argv[3], type=Ref)
        item = artifacts.item(ref, 0)
        try:
            artifacts.load(ref, name="config")
        except Untrusted as error:
            said = str(error)
        before = "other" in sys.modules
        import other
        print(json.dumps([said, before, artifacts.load(ref) == [other.P(1)], artifacts.load(item) == other.P(1)]))
    """
    ref = run(code, store.root, tmp_path, "save")
    message = (
        "`config` names the module `other`, and the store is not trusted: to import it could run code here\n\n"
        "hint: import the module first, or, if only people you trust write there, `trusted: true` in the stack"
    )
    assert run(code, store.root, tmp_path, ref) == [
        message,
        False,
        True,
        True,
    ]


def test_only_such_classes_are_built(artifacts: Artifacts) -> None:
    """A forged record names no function and no other class."""
    for kind, ref in [("dataclass", "subprocess:Popen"), ("nonsense", "os:system"), ("pydantic", "builtins:dict")]:
        forged = save(artifacts, Instance(kind, ref, {"args": "true"}))
        with pytest.raises(ValueRefused, match="here"):
            artifacts.load(forged)


def test_what_is_no_tree(artifacts: Artifacts) -> None:
    for data in (b"", b"{}", b'{"tree":{"~v":0},"paths":[],"items":[]}', b'{"tree":1,"paths":["a"],"items":[]}'):
        forged = msgspec.structs.replace(save(artifacts, data), codec="tree/1", week=this_week())
        with pytest.raises(Corrupt, match="its bytes are no `tree/1`"):
            artifacts.load(forged)


# --- without their classes --------------------------------------------------------------------------------------------


def test_seen_without_their_classes(artifacts: Artifacts) -> None:
    """As the command line shows them, and as items of a map are told apart: no class is needed."""
    was = {"p": Point(1, (Color.RED,)), "m": Model(rate=2), "s": {Word.YES, 1}}
    ref = save(artifacts, was)
    inert = plain.decode(ref.inline)
    assert type(inert["p"]) is Instance
    assert plain.digest(inert) == ref.value
    assert readable(artifacts.tree(ref)) == {
        "p": {"x": 1, "y": [1]},
        "m": {"rate": 2.0, "inner": None},
        "s": [1, "yes"],
    }


ORDERS = """
    import json, sys
    from tests.unit.artifacts.shapes import *
    from pipeglot.core.artifacts import Artifacts
    from pipeglot.core.store import open_store
    artifacts = Artifacts(open_store(sys.argv[1]))
    import numpy as np
    values = [{Word.YES, "a", "b", Pair(1, "c")}, Model(inner={"x", "y", "z"}, a=1, b=2)]
    values.append({"k": np.arange(3), "s": {"p", "q"}})
    print(json.dumps([artifacts.save(value, name="x", opaque_id=str).value for value in values]))
"""


def test_equal_in_every_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[3])
    found = [run(ORDERS, tmp_path / seed, PYTHONHASHSEED=seed, PYTHONPATH=".") for seed in ("0", "1", "77")]
    assert found[0] == found[1] == found[2]


def test_plain_values_import_nothing(tmp_path: Path) -> None:
    """Nor do objects: pydantic, polars and Arrow are there only if the project has imported them."""
    code = """
        import dataclasses, json, sys
        from pipeglot.core.artifacts import Artifacts
        from pipeglot.core.store.folder import FolderStore
        artifacts = Artifacts(FolderStore(sys.argv[1]))
        artifacts.load(artifacts.save({"a": [1, (2, 3)]}, name="x", opaque_id=str))
        heavy = ["polars", "pyarrow", "pydantic", "numpy", "pandas", "attrs", "cloudpickle", "fractions"]
        print(json.dumps([name for name in heavy if name in sys.modules]))
    """
    assert run(code, tmp_path / "store") == []


def test_more_plain_types_in_one_value(artifacts: Artifacts) -> None:
    was = {"f": Fraction(1, 3), "u": UUID(int=7), "p": PurePosixPath("a/b"), "r": range(3), "b": bytearray(b"x")}
    back: Any = artifacts.load(save(artifacts, was))
    assert back == was
    assert [type(item) for item in back.values()] == [type(item) for item in was.values()]
    assert json.loads(json.dumps(readable(plain.encode(was)))) == {
        "f": "1/3",
        "u": "00000000-0000-0000-0000-000000000007",
        "p": "a/b",
        "r": [0, 1, 2],
        "b": "78",
    }


def test_untrusted_tells_of_modules(artifacts: Artifacts, store: FolderStore) -> None:
    ref = save(artifacts, Instance("dataclass", "no_such_module_at_all:P", {}))
    with pytest.raises(Untrusted, match="names the module `no_such_module_at_all`"):
        Artifacts(FolderStore(store.root, trusted=False)).load(ref)
    with pytest.raises(ValueRefused, match="which cannot be imported here: ModuleNotFoundError"):
        artifacts.load(ref)
