"""A sample of the faults, with a fixed seed, and whether the harness notices what it is there to notice.

`python -m tests.faults 10000` injects more; `python -m tests.faults.mutations` breaks the code instead.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.view import read_run
from pipeglot.core.store import open_store
from pipeglot.core.store.base import Store
from tests.faults.check import Told, after, after_power_cut
from tests.faults.harness import Ground, witnessed
from tests.faults.mutations import MUTATIONS, ROOT, Mutation
from tests.faults.points import KINDS, ON_REQUEST, Point, kinds_at
from tests.faults.reader import Reader
from tests.faults.workloads import Place, Workload, by_hand, run
from tests.servers.seaweed import Seaweed

SAMPLE, ON_S3, SEED = 75, 12, 7


def test_a_sample_of_all_kinds() -> None:
    """With a reader beside each run that a fault comes to."""
    command = [sys.executable, "-m", "tests.faults", str(SAMPLE), str(SEED), "--every", "50"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    table = done.stdout.partition("faults by kind:")[2].partition("\n\n")[0]
    assert {line.split(maxsplit=1)[1] for line in table.strip().splitlines()} == set(KINDS)
    assert re.search(rf"{SAMPLE} faults in .*; 0 did not come;\n.*; 0 went wrong\n", done.stdout)


def on_s3(seaweed: Seaweed, *words: str) -> str:
    """What the harness prints: a process of its own, for one that has used a bucket cannot be forked."""
    uri = f"s3://tests/{os.urandom(6).hex()}"
    command = [sys.executable, "-m", "tests.faults", *words, "--store", uri, "--workloads", "2"]
    there = {**os.environ, **seaweed.environment()}
    done = subprocess.run(command, cwd=ROOT, env=there, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_sample_on_s3(seaweed: Seaweed) -> None:
    """Of requests, of verbs, and of what lies beside the bucket."""
    told = on_s3(seaweed, str(ON_S3), str(SEED), "--every", "200")
    assert re.search(rf"{ON_S3} faults in .*; 0 did not come;\n.*; 0 went wrong\n", told)
    assert re.search(r"\d request ", told)


def test_a_bucket_is_given_every_kind_at_every_verb(seaweed: Seaweed) -> None:
    """All that a run asks of a store and of its client, with all that can become of it, even in a small sample."""
    chosen = [line.split("\t") for line in on_s3(seaweed, "400", str(SEED), "--list").splitlines()]
    verbs = [name for name in vars(Store) if not name.startswith("_") and name not in _NO_REQUEST]
    for layer, calls in {"request": ON_REQUEST, "verb": verbs}.items():
        for call in calls:
            wanted = set(kinds_at(Point(1, layer, call, ""), durable=False))
            assert {kind for *where, kind in chosen if where == [layer, call]} == wanted, f"{layer} {call}"


_NO_REQUEST = {"uri", "trusted", "at_once", "get_all", "forget_copy", "entries", "delete_all"}
"""`get_all` is so many times `get`. Only gc asks for `entries`, and deletes many at once: it has tests of its own."""


def test_a_reader_between_the_points_of_a_run_that_goes_well() -> None:
    looks, wrong = witnessed(Workload("by hand", by_hand()), Ground(), every=3)
    assert looks > 200
    assert wrong == []


# --- what the harness notices -----------------------------------------------------------------------------------------


class Bench:
    """A run that has gone well, and what was told of it."""

    def __init__(self, folder: Path) -> None:
        self.place: Place = Ground().place(folder)
        self.workload = Workload("by hand", by_hand())
        self.store = open_store(self.place.store)
        self.run = run(self.workload, lambda: self.store, self.place).run_id
        _, state = read_run(Ledger(self.store), Artifacts(self.store), self.run)
        self.refs = {cell: entry.verdict.observed.refs for cell, entry in state.entries.items() if entry.verdict}

    def look(self) -> list[str]:
        return Reader(self.workload, self.place.store, None).look()

    def file(self, key: str) -> Path:
        path = Path(self.place.store, key)
        path.chmod(0o600)
        return path


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_whole_store_is_right(bench: Bench) -> None:
    assert bench.look() == []
    assert after(bench.workload, bench.place, [], "") == []


def test_a_torn_blob_is_noticed(bench: Bench) -> None:
    ref = bench.refs["large", (0,)]["output"]
    path = bench.file(f"blobs/{ref.week}/{ref.blob}")
    path.write_bytes(path.read_bytes()[:-1])
    assert any("is damaged" in one for one in bench.look())


def test_a_torn_record_is_noticed(bench: Bench) -> None:
    path = bench.file(keys.verdict(bench.run, "kept", ()))
    path.write_bytes(path.read_bytes()[:-1])
    assert any("does not match its checksum" in one for one in bench.look())


def test_a_wrong_value_is_noticed(bench: Bench) -> None:
    other = bench.workload._replace(pipeline=by_hand(seed=1))
    assert any("and should have" in one for one in Reader(other, bench.place.store, None).look())


def test_a_verdict_that_is_lost_is_noticed(bench: Bench) -> None:
    line = {"run": bench.run, "step": "kept", "index": [], "status": "succeeded", "sha": ""}
    assert [one[:10] for one in after(bench.workload, bench.place, [line], "")] == ["lost, or a"]


def test_a_message_that_says_nothing_is_noticed(bench: Bench, tmp_path: Path) -> None:
    told = Told(tmp_path / "told")
    told.failed(KeyError("what"))
    lines = Told.read(tmp_path / "told")
    assert [one.partition(":")[0] for one in after(bench.workload, bench.place, lines, "")] == [
        "the message of KeyError (exit code 1)"
    ]


def test_a_power_cut_takes_names_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"1234")
    (tmp_path / "name").write_text("")
    (tmp_path / "lost").write_text(f"bytes\t{tmp_path}/file\nnames\t{tmp_path}/name\n")
    after_power_cut(tmp_path / "lost")
    assert (tmp_path / "file").read_bytes() == b"12"
    assert not (tmp_path / "name").exists()


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.name.replace(" ", "-"))
def test_there_is_something_to_be_broken(mutation: Mutation) -> None:
    compile(mutation.broken(ROOT), mutation.file, "exec")
