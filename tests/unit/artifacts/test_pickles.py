"""The last resort: visible, never from a store that is not trusted, and clear about what it needs."""

from __future__ import annotations

import collections
import io
import sqlite3
import subprocess
import sys
import threading
import types
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import pytest
from msgspec import structs
from sklearn.linear_model import LinearRegression

from pipeglot.core.artifacts import Artifacts, pickles
from pipeglot.core.errors import Untrusted, ValueRefused
from pipeglot.core.store.folder import FolderStore
from tests.unit.artifacts.common import OPAQUE, save

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


class Point:
    """A class of which we know nothing."""

    def __init__(self, x: Any) -> None:
        self.x = x

    def __eq__(self, other: object) -> bool:
        return type(other) is Point and other.x == self.x

    __hash__ = None  # type: ignore[assignment]


class Frame(pd.DataFrame): ...


@pytest.mark.parametrize(
    "value",
    [Point(1), {"frame": Point(2)}, {Point: 1}, Point, print, slice(1, 2)],
    ids=range(6),
)
def test_comes_back(artifacts: Artifacts, value: Any) -> None:
    ref = save(artifacts, value)
    assert (ref.codec, ref.opaque, ref.value, ref.length) == ("pickle/1", True, OPAQUE, None)
    assert ref.key_hash == ref.blob
    assert ref.needs["python"] == PYTHON
    back = artifacts.load(ref)
    assert type(back) is type(value)
    assert back == value


def test_containers_of_frames_and_of_what_is_pickled(artifacts: Artifacts) -> None:
    """In one pickle: objects in it may share others."""
    frame = pd.DataFrame({"a": [1]})
    ref = save(artifacts, {"f": frame, "p": Point(1)})
    assert ref.codec == "pickle/1"
    assert artifacts.load(ref)["f"].equals(frame)  # type: ignore[index]
    assert set(ref.needs) >= {"python", "pandas", "numpy"}


def test_subclasses_are_no_frames(artifacts: Artifacts) -> None:
    assert save(artifacts, Frame({"a": [1]})).codec == "pickle/1"


def test_functions_defined_on_the_spot(artifacts: Artifacts) -> None:
    offset = 3
    ref = save(artifacts, lambda x: np.abs(x) + offset)
    assert artifacts.load(ref)(-1) == 4  # type: ignore[operator]
    assert ref.needs["numpy"] == np.__version__


def test_large_pickles_stream(artifacts: Artifacts) -> None:
    was = {"a": np.arange(1_000_000.0), "p": Point([1] * 100_000)}
    ref = save(artifacts, was)
    assert ref.size > 8_000_000
    back: Any = artifacts.load(ref)
    assert (back["a"] == was["a"]).all()
    assert back["p"] == was["p"]


def test_large_arrays_lie_apart_and_are_mapped(artifacts: Artifacts) -> None:
    """Each reader may change them, and changes nobody else's."""
    large, frozen = np.arange(500_000.0), np.arange(400_000.0)
    frozen.flags.writeable = False
    was = Point([large, large, np.asfortranarray(np.ones((700, 300))), np.arange(600_000.0)[::2], frozen, np.arange(5)])
    ref = save(artifacts, was)
    places = ref.meta["buffers"]
    assert [size for _, size in places] == [4_000_000, 1_680_000, 3_200_000]  # but the one with gaps
    assert all(at % 64 == 0 for at, _ in places)
    first, second = (artifacts.load(ref).x for _ in range(2))  # type: ignore[attr-defined]
    assert first[0] is first[1]
    for mine, theirs in zip(was.x, first, strict=True):
        assert (mine == theirs).all()
        assert mine.flags.writeable == theirs.flags.writeable
    first[0][:] = 7
    assert second[0][3] == 3
    assert artifacts.load(ref).x[0][3] == 3  # type: ignore[attr-defined]
    assert "buffers" not in save(artifacts, Point(np.arange(1000))).meta


def test_as_many_arrays_as_one_likes(artifacts: Artifacts) -> None:
    was = [np.full(140_000, float(n)) for n in range(70)]
    ref = save(artifacts, Point(was))
    assert len(ref.meta["buffers"]) == 64
    back: Any = artifacts.load(ref)
    assert all((mine == theirs).all() for mine, theirs in zip(was, back.x, strict=True))


# --- what it needs ----------------------------------------------------------------------------------------------------


def test_needs_name_distributions(artifacts: Artifacts) -> None:
    import sklearn

    needs = save(artifacts, LinearRegression().fit([[1], [2]], [1, 2])).needs
    assert needs == {"python": PYTHON, "scikit-learn": sklearn.__version__, "numpy": np.__version__}


def test_modules_of_the_project_and_of_python_are_not_needed(artifacts: Artifacts) -> None:
    assert save(artifacts, Point(collections.OrderedDict(a=1))).needs == {"python": PYTHON}


def test_a_module_that_no_distribution_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = types.ModuleType("odd_module")
    odd.__file__ = "/usr/lib/python3/site-packages/odd_module/__init__.py"
    monkeypatch.setitem(sys.modules, "odd_module", odd)
    monkeypatch.setattr(pickles, "_distributions", {})
    assert pickles.versions({"odd_module", "json", "missing"}) == {"odd_module": "unknown"}
    odd.__version__ = "1.2"  # type: ignore[attr-defined]
    monkeypatch.setattr(pickles, "_distributions", {})
    assert pickles.versions({"odd_module"}) == {"odd_module": "1.2"}


def test_versions_are_looked_up_once(artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch) -> None:
    save(artifacts, Point(np.arange(3)))

    def fail(_: str) -> NoReturn:
        raise AssertionError

    monkeypatch.setattr("importlib.metadata.version", fail)
    assert save(artifacts, Point(np.arange(3))).needs["numpy"] == np.__version__


# --- trust ------------------------------------------------------------------------------------------------------------


def test_nothing_is_unpickled_from_a_store_that_is_not_trusted(artifacts: Artifacts, store: FolderStore) -> None:
    for value in (Point(1), Point("x" * 10_000), np.array([None])):
        ref = save(artifacts, value)
        distrusted = Artifacts(FolderStore(store.root, trusted=False))
        with pytest.raises(Untrusted) as caught:
            distrusted.load(ref, name="model")
        assert str(caught.value) == (
            f"`model` is stored as a pickle, and the store `{store.uri}` is not trusted:"
            " whoever can write to it could run code here\n\n"
            "hint: if only you and people you trust can write to it, say `trusted: true` in the stack"
        )
        in_a_list = save(artifacts, [np.arange(3), value])
        with pytest.raises(Untrusted):
            distrusted.load(in_a_list)
        assert distrusted.load(distrusted.item(in_a_list, 0)).tolist() == [0, 1, 2]  # type: ignore[attr-defined]


def test_only_pickles_are_unpickled(artifacts: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values: list[Any] = [1, b"x", np.arange(3), pd.DataFrame({"a": [1]}), [np.arange(3)], tmp_path]
    refs = [save(artifacts, value) for value in values]

    def fail(*_: object) -> NoReturn:
        raise AssertionError

    monkeypatch.setattr("pickle.load", fail)
    monkeypatch.setattr("pickle.loads", fail)
    for ref in refs:
        artifacts.load(ref, scratch=tmp_path / "s")


# --- what goes wrong --------------------------------------------------------------------------------------------------


def test_what_cannot_be_pickled(artifacts: Artifacts) -> None:
    with pytest.raises(ValueRefused) as caught:
        save(artifacts, sqlite3.connect(":memory:"))
    assert str(caught.value) == (
        "output `x` of step `y` (a `sqlite3.Connection`) cannot be stored:"
        " it is no plain data, and it cannot be pickled: TypeError: cannot pickle 'sqlite3.Connection' object\n\n"
        "hint: return what it is made of (plain data, arrays, frames), or a `Path` to a file that you wrote"
    )


class Odd:
    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def __reduce__(self) -> NoReturn:
        raise self.error("odd")


def test_open_files(artifacts: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Left to itself, cloudpickle makes a copy in memory of a text file. What a function may print to is no matter."""
    path = tmp_path / "x.txt"
    path.write_text("x")
    with path.open() as text, path.open("rb") as binary, path.open("r+b", buffering=0) as raw:
        for value in (text, {"a": [binary]}, Point(raw)):
            with pytest.raises(ValueRefused, match="an open file is of the process that opened it"):
                save(artifacts, value)
    with path.open("w") as stream:  # as a step has it; that of pytest is of a class of its own
        monkeypatch.setattr(sys, "stderr", stream)
        assert artifacts.load(save(artifacts, lambda: stream))() is stream  # type: ignore[operator]
    assert artifacts.load(save(artifacts, io.StringIO("x"))).read() == "x"  # type: ignore[attr-defined]


def test_other_reasons(artifacts: Artifacts) -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    for value, reason in [
        ({"lock": threading.Lock()}, "TypeError: cannot pickle '_thread.lock' object"),
        ((i for i in range(3)), "TypeError: cannot pickle 'generator' object"),
        (Odd(ZeroDivisionError), "ZeroDivisionError: odd"),
        (deep, "Could not pickle object as excessively deep recursion required"),
    ]:
        with pytest.raises(ValueRefused) as caught:
            save(artifacts, value)
        assert reason in str(caught.value)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_what_is_not_the_value_s_fault(artifacts: Artifacts, error: type[BaseException]) -> None:
    with pytest.raises(error):
        save(artifacts, Odd(error))


def explode() -> NoReturn:
    raise ZeroDivisionError("no")


class Exploding:
    def __reduce__(self) -> tuple[Any, tuple[()]]:
        return explode, ()


def test_what_cannot_be_unpickled(artifacts: Artifacts) -> None:
    ref = structs.replace(save(artifacts, Exploding()), needs={"python": "3.9", "scikit-learn": "1.0"})
    with pytest.raises(ValueRefused) as caught:
        artifacts.load(ref, name="model")
    assert str(caught.value) == (
        "`model` cannot be unpickled here: ZeroDivisionError: no\n\n"
        f"hint: it was made with python 3.9, scikit-learn 1.0; this is python {PYTHON}"
    )
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_in_a_process_without_the_module(artifacts: Artifacts, store: FolderStore) -> None:
    ref = save(artifacts, Point(1))
    code = (
        "import sys; from pipeglot.core.artifacts import Artifacts; from pipeglot.core.lineage.records import Ref\n"
        "from pipeglot.core.store import open_store; import msgspec\n"
        "sys.modules['tests.unit.artifacts'] = None\n"
        "try: Artifacts(open_store(sys.argv[1])).load(msgspec.json.decode(sys.argv[2], type=Ref), name='p')\n"
        "except Exception as error: print(error)"
    )
    import msgspec

    command = [sys.executable, "-c", code, store.root, msgspec.json.encode(ref).decode()]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert found.startswith("`p` cannot be unpickled here: ModuleNotFoundError: ")
