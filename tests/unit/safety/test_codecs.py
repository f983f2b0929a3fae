"""Bytes that no codec of ours wrote, under a hash that is right: refused, without an end of the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.e2e.conftest import ENVIRONMENT

MUTATE = """\
import base64, contextlib, datetime as dt, faulthandler, hashlib, io, os, random, sys, tempfile
from pathlib import Path

import msgspec, numpy, pandas, polars, pyarrow
from msgspec import structs

from pipeglot.core import plain
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.artifacts.blobs import this_week
from pipeglot.core.errors import PipeglotError
from pipeglot.core.store.folder import FolderStore

faulthandler.enable()
folder = Path(tempfile.mkdtemp())
(folder / "dir/sub").mkdir(parents=True)
(folder / "dir/sub/a").write_text("a" * 10)
(folder / "dir/link").symlink_to("sub/a")
days = pandas.date_range("2020", periods=3, tz="Europe/Berlin")
index = pandas.MultiIndex.from_tuples([(1, "a"), (1, "b"), (2, "c")])
values = {
    "array": numpy.zeros((3, 4)),
    "structured": numpy.zeros(3, [("a", "i4"), ("b", "f8")]),
    "plain": {"a": [1, (2, 3), {4, 5}, dt.date(2020, 1, 1)], "b": numpy.float64(3), "c": range(4)},
    "items": [numpy.zeros(3), {"a": 1}, "x"],
    "tree": {"a": numpy.zeros(3), "b": [1]},
    "folder": folder / "dir",
    "frame": pandas.DataFrame(
        {"a": [1, 2, 3], "s": ["x", None, "z"], "o": [1, "a", None], "c": pandas.Categorical([*"aba"]), "t": days},
        index=index,
    ),
    "arrow": pyarrow.table({"l": [[1], [2, 3], None], "d": pyarrow.array([*"aba"]).dictionary_encode()}),
    "polars": polars.DataFrame({"a": [1, 2, None], "s": ["x", "yy", None], "l": [[1], [], None]}),
}
kind, count = sys.argv[1], int(sys.argv[2])
store = FolderStore(folder / "store")
ref = Artifacts(store).save(values[kind], name="v", opaque_id=str)
if ref.inline is msgspec.UNSET:
    raw = store.get(f"blobs/{ref.week}/{ref.blob}")
else:
    raw = plain.dumps_ordered(ref.inline) if ref.codec == "json/1" else base64.b64decode(ref.inline)
wary = Artifacts(FolderStore(store.root, trusted=False))
chance = random.Random(7)


def mutated():
    data = bytearray(raw)
    for _ in range(chance.choice([1, 1, 2, 4, 16])):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(6):
            case 0 | 1 if at < len(data):
                data[at] = chance.choice([0, 1, 127, 128, 255, chance.randrange(256)])
            case 2:
                del data[at:]
            case 3:
                data[at:at] = chance.randbytes(chance.randrange(9))
            case 4:
                data[at : at + 8] = chance.choice([2**31, 2**40, 2**63 - 1, 2**64 - 1]).to_bytes(8, "little")
            case 5:
                del data[at : at + chance.randrange(9)]
    return bytes(data)


loaded = refused = 0
for number in range(count):
    data = mutated()
    sha = hashlib.sha256(data).hexdigest()
    store.put(f"blobs/{this_week()}/{sha}", data)
    bad = structs.replace(ref, inline=msgspec.UNSET, week=this_week(), blob=sha, size=len(data))
    try:
        wary.load(bad, name="v", scratch=folder / "scratch")
        loaded += 1
    except PipeglotError as error:
        assert "`v`" in str(error) or "`v" in str(error) or "~" in str(error), str(error)
        refused += 1
assert refused > count // 10
print(kind, loaded, refused)
"""


@pytest.mark.parametrize(
    "kind", ["array", "structured", "plain", "items", "tree", "folder", "frame", "arrow", "polars"]
)
def test_bytes_that_no_codec_wrote(kind: str) -> None:
    """In a process of its own: a reader in C may fall where one in Python raises."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MUTATE, kind, "60"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.startswith(kind)
