"""`store gc` and `store size`, as a user has them: on a folder, on a real S3 server, on Azure's emulator."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeglot.client.verify import verify
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.gc import passes
from pipeglot.core.lineage.gc.passes import Collected, Pass
from pipeglot.core.lineage.gc.retention import Retention
from pipeglot.core.lineage.gc.survey import store_time
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.store import open_store
from pipeglot.core.store.base import Store
from tests.e2e.conftest import Project, Result
from tests.servers import azurite as azure_names
from tests.servers import seaweed as s3_names
from tests.servers.azurite import Azurite
from tests.servers.seaweed import RIGHTS, Seaweed
from tests.unit.lineage.build import out, pipeline, step
from tests.unit.lineage.index.ledgers import done

DAY = 86_400.0

BIG = """\
from pipeglot import pipeline, step


@step
def large(n: int) -> bytes:
    return bytes([n]) * 50_000


@step
def total(data: bytes) -> int:
    return len(data)


@pipeline
def big(n: int = 1) -> None:
    total(large(n))
"""


@pytest.fixture
def aged(project: Project) -> Project:
    """Three runs, two of them and all that they left as if of a hundred days ago."""
    project.write("big.py", BIG)
    project.write("pipeglot.yaml", "stacks:\n  local: {backend: local, store: .pipeglot/store}\n")
    for n in (1, 2):
        project("run", "big.py", "-p", f"n={n}")
    age(project.root / ".pipeglot/store", 100)
    project("run", "big.py", "-p", "n=3")
    return project


def age(folder: Path, days: float) -> None:
    at = time.time() - days * DAY
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, (at, at))


def ids(project: Project) -> list[str]:
    return [one["run_id"] for one in project("runs", "list", "--json").json]


# --- a folder ---------------------------------------------------------------------------------------------------------


def test_without_yes_it_only_says_what_it_would_do(aged: Project) -> None:
    before = set((aged.root / ".pipeglot/store").rglob("*"))
    said = aged("store", "gc", "--older-than", "90d").out
    assert said.startswith("2 runs would be pruned, 1 kept:\n")
    assert "big       2     " in said
    assert "100.0 kB\n" in said
    assert "4 cached results would be removed: of no kept run\n" in said
    assert "0 blobs (0 B) would be removed\n" in said
    assert said.endswith("nothing was changed; to do it: `pipeglot store gc --older-than 90d --yes`\n")
    assert set((aged.root / ".pipeglot/store").rglob("*")) == before
    assert aged("store", "gc", "--older-than", "90d", "--dry-run").out == said


def test_the_command_that_it_names_does_it(aged: Project) -> None:
    words = ["--older-than", "90d", "--keep-tag", "keep=this one", "--pipeline", "big"]
    last = aged("store", "gc", *words).out.splitlines()[-1]
    said = aged(*shlex.split(last.partition("`")[2].rstrip("`"))[1:]).out
    assert said.startswith("2 runs were pruned, 1 kept:\n")
    assert "2 blobs (100.0 kB) were left to later passes: nothing needs them any more\n" in said
    found = aged("store", "gc", "--yes", "--json").json
    assert (found["runs"], found["kept"], found["waiting_blobs"], found["dry_run"]) == (0, 1, 2, False)
    assert "all is there, and whole" in aged("store", "verify").out


def test_every_command_says_that_a_run_was_pruned(aged: Project) -> None:
    newest, second, first = ids(aged)
    aged("store", "gc", "--keep-last", "1", "--older-than", "90d", "--yes")
    assert ids(aged) == [newest]
    for words in (
        ["runs", "show", first],
        ["runs", "show", second[:8]],
        ["runs", "logs", first],
        ["runs", "resume", first],
        ["runs", "cancel", first],
        ["runs", "diff", first, newest],
        ["replay", first, "large"],
        ["lineage", first],
        ["lineage", f"{first}/large/output"],
        ["artifact", "list", first],
        ["artifact", "get", f"{first}/large/output"],
        ["cache", "explain", first, "large"],
    ):
        told = aged(*words, code=2).err
        assert "of pipeline `big` (begun " in told, words
        assert "was pruned on " in told
        assert "[pruned]" in told
    told = aged("runs", "show", first, "--json", code=2).json
    assert told["error"]["code"] == "pruned"
    assert aged("run", "big.py", "-p", "n=1", "--json").json["steps"][0]["cached"] is False


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--older-than", "soon"], "`--older-than soon` is no length of time"),
        (["--older-than", "3h"], "`--older-than 3h` is less than a day"),
        (["--keep-last", "-1", "--yes"], "`--keep-last -1` is fewer than no runs"),
        (["--keep-tag", "a=b"], "`--keep-tag` alone prunes nothing"),
        (["--pipeline", "p"], "`--pipeline` alone prunes nothing"),
        (["--keep-last", "1", "--keep-tag", "=b"], "`--keep-tag =b` names no tag"),
        (["--yes", "--dry-run"], "`--yes` and `--dry-run` say the opposite"),
    ],
)
def test_what_means_nothing_is_refused(project: Project, words: list[str], told: str) -> None:
    assert told in project("store", "gc", *words, code=2).err


def test_where_there_is_no_store(project: Project) -> None:
    for command in (["store", "gc"], ["store", "size"]):
        assert "there is no store at" in project(*command, code=2).err
    assert not (project.root / ".pipeglot/store").exists()


def test_what_cannot_be_read_stops_it(aged: Project) -> None:
    folder = aged.root / ".pipeglot/store"
    path = folder / keys.verdict(ids(aged)[0], "large", ())
    path.chmod(0o600)
    path.write_bytes(b"torn")
    before = set(folder.rglob("*"))
    done = aged("store", "gc", "--older-than", "90d", code=1)
    assert "nothing can be pruned or removed, for 1 object cannot be read, and may refer to anything:" in done.err
    assert done.out == "no run would be pruned, 3 kept\nnothing was changed\n"
    done = aged("store", "gc", "--older-than", "90d", "--yes", code=1)
    assert "nothing was removed, for 1 object cannot be read, and may refer to anything:" in done.err
    assert "is no record of pipeglot's" in done.err
    assert "`--despite-damage` takes it that they refer to nothing" in done.err
    assert done.out == "no run was pruned, 3 kept\n"
    assert set(folder.rglob("*")) == before
    assert aged("store", "gc", "--older-than", "90d", "--yes", "--despite-damage").out.startswith("1 run was pruned")


def test_a_later_format_stops_it(aged: Project) -> None:
    path = aged.root / ".pipeglot/store" / keys.verdict(ids(aged)[0], "large", ())
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b"pipeglot 1", b"pipeglot 9"))
    before = set((aged.root / ".pipeglot/store").rglob("*"))
    done = aged("store", "gc", "--keep-last", "1", "--yes", code=1)
    assert "has format 9; this pipeglot reads up to 1" in done.err
    assert set((aged.root / ".pipeglot/store").rglob("*")) == before


SCORE = """\
from pipeglot import Artifact, artifact, pipeline, step

from big import big


@step
def report(data: bytes) -> int:
    return len(data)


@pipeline
def score(data: Artifact[bytes] = artifact("big/large@latest"), day: Artifact[bytes] = artifact("big/large:day=1")):
    report(data)
    report(day)
"""


def test_what_a_name_means_today_it_means_after_it(project: Project) -> None:
    """Four runs: the last one was cut, and another pipeline asks for what the first one was tagged with."""
    project.write("big.py", BIG)
    project.write("score.py", SCORE)
    project("run", "big.py", "-p", "n=1", "--tag", "day=1")
    project("run", "big.py", "-p", "n=2")
    project("run", "big.py", "-p", "n=3")
    project("run", "big.py", "-p", "n=4", "--until", "large")
    cut, whole, second, tagged = ids(project)
    project("run", "score.py")
    age(project.root / ".pipeglot/store", 100)
    project("run", "score.py")
    assert project("store", "gc", "--older-than", "90d", "--yes", "--json").json["runs"] == 2
    assert set(ids(project)[1:]) == {cut, whole, tagged}
    assert second not in ids(project)
    total = project("artifact", "show", "big/total@latest", "--json").json
    assert total["run_id"] == whole
    assert project("artifact", "show", "big/large:day=1", "--json").json["run_id"] == tagged
    project("run", "score.py")
    assert "all is there, and whole" in project("store", "verify").out


def test_size(aged: Project) -> None:
    said = aged("store", "size").out
    assert "pipeline  step   runs  values  bytes     stored    shared" in said
    assert "big              3     3       150.0 kB  150.0 kB  0 B" in said
    assert "          large        3       150.0 kB  150.0 kB" in said
    assert f"50.0 kB  bytes/1  {ids(aged)[0][:10]}/large/output  big" in said
    found = aged("store", "size", "--json", "--pipeline", "big").json
    assert found["pipelines"][0]["stored"] == 150_000
    assert "has no run of a pipeline `bog`" in aged("store", "size", "--pipeline", "bog", code=2).err


def test_verify_repairs(aged: Project) -> None:
    (aged.root / ".pipeglot/store/cache" / ("a" * 64)).write_bytes(b"torn")
    assert "damaged: `cache/aaaa" in aged("store", "verify", code=1).out
    said = aged("store", "verify", "--repair").out
    assert "repaired: `cache/aaaa" in said
    assert said.endswith("all is there, and whole\n")


# --- buckets ----------------------------------------------------------------------------------------------------------

FLOW = pipeline(step("a"), step("b", x=out("a")))


@pytest.fixture(params=["s3", "azure"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    name = os.urandom(6).hex()
    server: Seaweed | Azurite = request.getfixturevalue("seaweed" if request.param == "s3" else "azurite")
    for variable, value in server.environment().items():
        monkeypatch.setenv(variable, value)
    where = f"s3://{s3_names.BUCKET}" if request.param == "s3" else f"az://{azure_names.CONTAINER}"
    return f"{where}/{name}"


@pytest.fixture
def collect(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], tuple[Collected, Store]]:
    """A pass over a bucket whose clock goes so many days before ours: all runs but the last two of a pipeline."""

    def collected(days: float) -> tuple[Collected, Store]:
        def later(store: Store, nonce: str) -> float:
            return store_time(store, nonce) + days * DAY

        monkeypatch.setattr(passes, "store_time", later)
        store = open_store(place, trusted=True, copies=tmp_path / "copies")
        made = Pass(Ledger(store), Artifacts(store), Retention(keep_last=2), dry_run=False, now=time.time)
        return made.run(), store

    return collected


def test_a_bucket_is_kept_in_order(
    place: str, collect: Callable[[float], tuple[Collected, Store]], tmp_path: Path
) -> None:
    ledger = Ledger(open_store(place, trusted=True, copies=tmp_path / "copies"))
    runs = [done(ledger, FLOW, lambda name, _: f"{name} {len(ledger.runs())} " * 2000).run for _ in range(5)]
    found, store = collect(0)
    assert (found.runs, found.kept_blobs) == (0, 10), "they are of today"
    found, _ = collect(100)
    assert (found.runs, found.waiting_blobs, found.kept_blobs) == (3, 6, 4)
    listed = ledger.listed()
    assert (listed.runs, set(listed.gone)) == (runs[3:], set(runs[:3]))
    found, _ = collect(101)
    assert found.freed_blobs == 0
    found, store = collect(103)
    assert (found.freed_blobs, found.kept_blobs, len(list(store.list("blobs/")))) == (6, 4, 4)
    assert len(list(store.list("runs/"))) == 3 * 2 + 2 * 4
    assert [key for key in store.list("gc/") if keys.is_mark(key)] == []
    assert verify(store, quick=False, progress=lambda _: None).troubles == []


def _as_others(flow: Project, seaweed: Seaweed, uri: str) -> Callable[..., Result]:
    """A call with somebody's credentials, after a run into a bucket with those of who may do all."""
    flow.write("pipeglot.yaml", f"stacks:\n  local: {{backend: local, store: '{uri}', trusted: true}}\n")

    def call(who: str, *words: str, code: int = 0) -> Result:
        given: Any = {"code": code, **seaweed.environment(who)}
        found: Result = flow(*words, **given)
        return found

    call("all", "run", "flow.py")
    return call


def test_who_may_not_list_or_write_is_told_what_it_needs(flow: Project, seaweed: Seaweed) -> None:
    uri = f"s3://{s3_names.BUCKET}/{os.urandom(6).hex()}"
    call = _as_others(flow, seaweed, uri)
    said = call("nolist", "store", "gc", "--yes", code=1).err
    assert f"`store gc` needs to list, write and delete in `{uri}`, and these credentials may not" in said
    assert "allow `s3:ListBucket`" in said
    assert "`store gc` needs to list, write and delete" in call("reader", "store", "gc", "--yes", code=1).err
    assert "no run would be pruned, 1 kept" in call("reader", "store", "gc").out
    assert "flow" in call("reader", "store", "size").out
    assert call("all", "store", "gc", "--yes", "--json").json["kept"] == 1
    assert "all is there, and whole" in call("all", "store", "verify").out


def test_who_may_remove_in_one_place_only_is_told_so_first(flow: Project, seaweed: Seaweed) -> None:
    """Credentials that may write what passes leave, and nothing else."""
    uri = f"s3://{s3_names.BUCKET}/{RIGHTS}"
    call = _as_others(flow, seaweed, uri)
    before = call("all", "store", "size", "--json").json["parts"]
    said = call("keeper", "store", "gc", "--yes", code=1).err
    assert (
        f"`store gc` needs to list, write and delete in `{uri}`, and these credentials may not: cannot delete" in said
    )
    assert "allow `s3:GetObject, s3:PutObject, s3:DeleteObject`" in said
    assert call("all", "store", "size", "--json").json["parts"] == before
    assert call("all", "store", "gc", "--yes", "--json").json["kept"] == 1
