"""`@serializer`: users' own ways to store a class, and everything that can go wrong with one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest

from pipeglot import DefinitionError, serializer
from pipeglot.core import serializers
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.artifacts.custom import outdated
from pipeglot.core.errors import Untrusted, ValueRefused
from pipeglot.core.lineage.records import Ref
from pipeglot.core.store.folder import FolderStore
from tests.unit.artifacts.common import OPAQUE, save
from tests.unit.artifacts.test_processes import run

HERE = __name__


class Model:
    def __init__(self, weights: list[float]) -> None:
        self.weights = weights


class Wide(Model): ...


class Files:
    """As a file."""

    def dump(self, value: Model, path: Path) -> None:
        path.write_text(json.dumps(value.weights))

    def load(self, path: Path) -> Model:
        return Model(json.loads(path.read_text()))


class Hashed(Files):
    def digest(self, value: Model) -> Any:
        return repr(sorted(value.weights))


class Folders:
    """As a folder."""

    def dump(self, value: Model, path: Path) -> None:
        path.mkdir()
        for number, weight in enumerate(value.weights):
            (path / f"{number}.bin").write_bytes(b"%d" % weight * 5000)

    def load(self, path: Path) -> Model:
        return Model([float(file.read_bytes()[:1]) for file in sorted(path.iterdir())])


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serializers, "_by_type", {})
    monkeypatch.setattr(serializers, "_by_id", {})


def register(cls: Any, *types: type, id: str = "acme.model", version: int = 1) -> None:  # noqa: A002
    serializer(*(types or (Model,)), id=id, version=version)(cls)


def test_a_file_without_a_digest_is_opaque(artifacts: Artifacts) -> None:
    register(Files)
    ref = save(artifacts, Model([1.0, 2.0]))
    assert (ref.codec, ref.opaque, ref.value, ref.key_hash) == ("custom/1", True, OPAQUE, ref.blob)
    assert ref.meta == {"id": "acme.model", "version": 1, "serializer": f"{HERE}:Files", "stored": "file/1"}
    assert artifacts.load(ref).weights == [1.0, 2.0]  # type: ignore[attr-defined]


def test_a_digest_is_the_value(artifacts: Artifacts) -> None:
    register(Hashed)
    ref = save(artifacts, Model([1.0, 2.0]))
    assert not ref.opaque
    assert ref.value == save(artifacts, Model([2.0, 1.0])).value != save(artifacts, Model([2.0])).value
    register(Hashed, version=2)
    assert save(artifacts, Model([1.0, 2.0])).value != ref.value


def test_a_folder(artifacts: Artifacts, store: FolderStore) -> None:
    register(Folders)
    ref = save(artifacts, Model([3, 4]))
    assert artifacts.load(ref).weights == [3, 4]  # type: ignore[attr-defined]
    assert sorted(artifacts.keys(ref)) == list(store.list("blobs/"))
    store.delete(next(iter(store.list("blobs/"))))
    assert not artifacts.exists(ref)


def test_inside_other_values(artifacts: Artifacts) -> None:
    register(Hashed)
    ref = save(artifacts, {"best": Model([1.0]), "auc": 0.5})
    assert (ref.codec, ref.opaque) == ("tree/1", False)
    assert artifacts.load(ref)["best"].weights == [1.0]  # type: ignore[index]
    ref = save(artifacts, [Model([1.0])])
    assert (ref.codec, ref.length) == ("items/1", 1)
    assert artifacts.load(ref)[0].weights == [1.0]  # type: ignore[index]


def test_subclasses_may_hold_more(artifacts: Artifacts) -> None:
    register(Files)
    assert save(artifacts, Wide([1.0])).codec == "pickle/1"
    register(Files, Model, Wide)
    assert save(artifacts, Wide([1.0])).codec == "custom/1"


# --- what goes wrong --------------------------------------------------------------------------------------------------


class Raises(Files):
    def dump(self, value: Model, path: Path) -> None:
        raise ZeroDivisionError("no weights")


class Nothing(Files):
    def dump(self, value: Model, path: Path) -> None: ...


class Unreadable(Files):
    def load(self, path: Path) -> Model:
        raise OSError("what is this?")


class Numbers(Files):
    def digest(self, value: Model) -> Any:
        return 7


class Empty(Files):
    def digest(self, value: Model) -> Any:
        return b""


class Needy(Files):
    def __init__(self, needed: int) -> None: ...


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (Raises, f"`{HERE}:Raises.dump` has raised ZeroDivisionError: no weights"),
        (
            Nothing,
            f"`{HERE}:Nothing.dump` has written nothing to the path that it was given\n\nhint: write a file there,",
        ),
        (Numbers, f"`{HERE}:Numbers.digest` has returned a `int`\n\nhint: return `str` or `bytes`"),
        (Empty, f"`{HERE}:Empty.digest` has returned a `bytes` that is empty"),
        (Needy, f"`{HERE}:Needy()` has raised TypeError: "),
    ],
)
def test_while_storing(artifacts: Artifacts, cls: Any, message: str) -> None:
    register(cls)
    with pytest.raises(ValueRefused) as caught:
        save(artifacts, Model([]))
    assert str(caught.value).startswith(f"output `x` of step `y` cannot be stored: {message}")


def test_while_loading(artifacts: Artifacts) -> None:
    register(Unreadable)
    with pytest.raises(ValueRefused) as caught:
        artifacts.load(save(artifacts, Model([])), name="model")
    assert str(caught.value) == f"`model` cannot be loaded: `{HERE}:Unreadable.load` has raised OSError: what is this?"
    assert isinstance(caught.value.__cause__, OSError)


def test_another_version(artifacts: Artifacts) -> None:
    register(Files)
    ref = save(artifacts, Model([1.0]))
    assert outdated(ref.meta) == ""
    register(Files, version=2)
    with pytest.raises(ValueRefused) as caught:
        artifacts.load(ref, name="model")
    assert str(caught.value) == (
        f"`model` was stored by version 1 of the serializer `acme.model`, and `{HERE}:Files` is version 2\n\n"
        "hint: run the step that made it again: `pipeglot run TARGET --no-cache`"
    )
    assert outdated(ref.meta) == "made by version 1 of the serializer `acme.model`, and here is version 2"


def test_a_serializer_that_is_gone(artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch) -> None:
    register(Files)
    ref = save(artifacts, Model([1.0]))
    monkeypatch.setattr(serializers, "_by_id", {})
    with pytest.raises(ValueRefused) as caught:
        artifacts.load(ref, name="model")
    assert str(caught.value) == (
        f"`model` was stored by the serializer `acme.model` (`{HERE}:Files`), which is not there\n\n"
        'hint: keep one with `id="acme.model"`, or run the step that made it again'
    )


# --- definitions ------------------------------------------------------------------------------------------------------


class OnlyDump:
    def dump(self, value: Model, path: Path) -> None: ...


@pytest.mark.parametrize(
    ("cls", "types", "settings", "message"),
    [
        (
            Folders,
            (Wide,),
            {},
            f"serializer `{HERE}:Folders` has the id `acme.model`, which `{HERE}:Files` has already",
        ),
        (Folders, (Model,), {"id": "b"}, f"is for `{HERE}.Model`, which `{HERE}:Files` is for already"),
        (Files, (pd.DataFrame,), {"id": "b"}, "which pipeglot stores itself"),
        (Files, (dict,), {"id": "b"}, "is for `builtins.dict`, which pipeglot stores itself"),
        (OnlyDump, (Model,), {"id": "b"}, "has no `load`\n  hint: write `dump(self, value, path)` and"),
        (Files, (), {}, "names no type that it is for"),
        (Files, (Model,), {"id": "a b"}, "has the id 'a b'"),
        (Files, (Model,), {"id": ""}, "has the id ''"),
        (Files, (Model,), {"version": 0}, "has the version 0\n  hint: count from 1"),
        (Files, (Model,), {"version": "1"}, "has the version '1'"),
    ],
    ids=range(10),
)
def test_mistakes(cls: Any, types: tuple[type, ...], settings: dict[str, Any], message: str) -> None:
    register(Files)
    with pytest.raises(DefinitionError, match=re.escape(message)):
        serializer(*types, **{"id": "acme.model", "version": 1, **settings})(cls)


def test_loading_a_module_again_replaces() -> None:
    register(Files, Model, Wide)
    register(Files, Model, version=2)
    found = serializers.serializer_of(Model)
    assert found is not None
    assert found.version == 2
    assert serializers.serializer_of(Wide) is None


# --- in another process -----------------------------------------------------------------------------------------------

PROJECT = """
from pipeglot import serializer

class Net:
    def __init__(self, n): self.n = n

@serializer(Net, id="acme.net", version=1)
class NetFiles:
    def dump(self, value, path): path.write_text(str(value.n))
    def load(self, path): return Net(int(path.read_text()))
"""


def test_found_by_its_place_if_the_store_is_trusted(store: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "acme_net.py").write_text(PROJECT)
    saves = """
        import json, sys
        sys.path.insert(0, sys.argv[2])
        import acme_net, msgspec
        from pipeglot.core.artifacts import Artifacts
        from pipeglot.core.store.folder import FolderStore
        ref = Artifacts(FolderStore(sys.argv[1])).save(acme_net.Net(7), name="x", opaque_id=str)
        print(json.dumps(msgspec.to_builtins(ref)))
    """
    loads = """
        import json, sys
        sys.path.insert(0, sys.argv[2])
        import msgspec
        from pipeglot.core.artifacts import Artifacts
        from pipeglot.core.lineage.records import Ref
        from pipeglot.core.store.folder import FolderStore
        artifacts = Artifacts(FolderStore(sys.argv[1], trusted=sys.argv[4] == "True"))
        try:
            found = artifacts.load(msgspec.convert(json.loads(sys.argv[3]), Ref)).n
        except Exception as error:
            found = type(error).__name__
        print(json.dumps([found, "acme_net" in sys.modules]))
    """
    ref = run(saves, store.root, tmp_path)
    assert run(loads, store.root, tmp_path, json.dumps(ref), True) == [7, True]
    assert run(loads, store.root, tmp_path, json.dumps(ref), False) == ["Untrusted", False]
    with pytest.raises(Untrusted, match="names the module `acme_net`"):
        Artifacts(FolderStore(store.root, trusted=False)).load(msgspec.convert(ref, Ref))
