"""What counts across processes: equal hashes, races, and the cost of an import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeglot.core.artifacts import Artifacts, blobs
from pipeglot.core.store import open_store
from tests.unit.artifacts.common import OPAQUE


def run(code: str, *args: object, **env: str) -> Any:
    """The JSON that a fresh process prints."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, args)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **env})
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


SAVES = """
    import datetime as dt, json, sys
    from pathlib import Path
    import numpy as np, pandas as pd, msgspec
    from pipeglot.core.artifacts import Artifacts
    from pipeglot.core.store import open_store
    artifacts = Artifacts(open_store(sys.argv[1]))
    frame = pd.DataFrame({"n": [1, 2, 3], "f": [0.5, float("nan"), 2], "c": pd.Categorical(["x", "y", "x"])})
    frame["t"] = pd.Series(["a", None, "b"], dtype=object)
    frame["d"] = pd.to_datetime(["2013-01-01"] * 3)
    values = [
        {"s": {"a", "b", ("c", 1)}, dt.date(2013, 1, 1): frozenset(range(9))},
        "x" * 5000, b"y" * 5000, np.arange(3000.0), frame, frame.set_index(["t", "n"]), frame["c"],
        [frame, {"k"}, np.arange(3)], Path(sys.argv[2]), Path(sys.argv[2]).parent,
    ]
    refs = [artifacts.save(value, name="x", opaque_id=lambda: "0") for value in values]
    print(json.dumps([msgspec.json.encode(ref).decode() for ref in refs]))
"""


def test_references_do_not_depend_on_the_process(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    file = tmp_path / "data" / "a.csv"
    file.write_bytes(b"a,b\n" * 3000)
    found = [run(SAVES, tmp_path / f"store{seed}", file, PYTHONHASHSEED=seed) for seed in ("0", "1", "77")]
    assert found[0] == found[1] == found[2]


def test_loading_imports_only_what_it_needs(tmp_path: Path) -> None:
    """And importing us, nothing of it."""
    store = tmp_path / "store"
    refs = run(SAVES, store, __file__)
    code = """
        import json, sys
        from pipeglot.core.artifacts import Artifacts
        from pipeglot.core.lineage.records import Ref
        from pipeglot.core.store.folder import FolderStore
        heavy = "numpy pandas pyarrow cloudpickle pickle tempfile shutil random pathlib urllib".split()
        seen = [[name for name in heavy if name in sys.modules]]
        import msgspec
        artifacts = Artifacts(FolderStore(sys.argv[1]))
        for i in (0, 1, 2, 3):
            artifacts.load(msgspec.json.decode(json.loads(sys.argv[2])[i], type=Ref))
            seen.append([name for name in ("numpy", "pandas", "pyarrow", "pickle") if name in sys.modules])
        artifacts.save({"a": [1.5, "x" * 9000]}, name="x", opaque_id=str)
        print(json.dumps(seen[:4]))
    """
    assert run(code, store, json.dumps(refs)) == [[], [], [], []]


def save_all(root: str, barrier: threading.Barrier) -> list[Any]:
    artifacts = Artifacts(open_store(root))
    barrier.wait()
    return [artifacts.save(np.full(1000, i), name="x", opaque_id=lambda: OPAQUE) for i in range(50)]


def test_eight_writers_of_the_same_values(tmp_path: Path) -> None:
    root = str(tmp_path / "store")
    barrier = threading.Barrier(8)
    with ThreadPool(8) as pool:
        found = pool.map(lambda _: save_all(root, barrier), range(8), chunksize=1)
    assert all(refs == found[0] for refs in found)
    store = open_store(root)
    assert len(list(store.list("blobs/"))) == 50
    blobs._verified.clear()
    for i, ref in enumerate(found[0]):
        assert (Artifacts(store).load(ref) == i).all()  # type: ignore[attr-defined]
    assert set(os.listdir(f"{root}/tmp")) == {"swept"}


def test_one_artifacts_for_many_threads(tmp_path: Path) -> None:
    artifacts = Artifacts(open_store(tmp_path / "store"))
    lists = [artifacts.save(list(range(n, 3000)), name="x", opaque_id=str) for n in range(8)]

    def read(number: int) -> bool:
        n = number % 8
        return artifacts.load(artifacts.item(lists[n], 5)) == n + 5

    with ThreadPool(8) as pool:
        assert all(pool.map(read, range(400)))


@pytest.mark.parametrize("moment", ["link", "unlink"])
def test_killed_while_saving(tmp_path: Path, moment: str) -> None:
    code = f"""
        import os, signal, sys
        from pipeglot.core.artifacts import Artifacts
        from pipeglot.core.store import open_store
        store = open_store(sys.argv[1])
        store.put("a", b"")
        os.{moment} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        Artifacts(store).save(b"x" * 10_000, name="x", opaque_id=str)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "store")]
    assert subprocess.run(command, check=False).returncode == -9
    store = open_store(tmp_path / "store")
    assert len(list(store.list("blobs/"))) == (moment == "unlink")
    assert len(set(os.listdir(tmp_path / "store" / "tmp")) - {"swept"}) == 1
    ref = Artifacts(store).save(b"x" * 10_000, name="x", opaque_id=str)
    assert Artifacts(store).load(ref) == b"x" * 10_000
