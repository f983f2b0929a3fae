"""Buckets that are not there, or let nobody in: a clear error on one screen, the right exit code, nothing lost."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.conftest import Project, Result
from tests.e2e.test_bad_input import clear
from tests.servers.seaweed import BUCKET, Seaweed

FLOW = """\
from pipeglot import pipeline, step


@step
def one() -> int:
    return 1


@step
def large(n: int) -> bytes:
    return bytes(10_000 * n)


@pipeline
def flow() -> None:
    large(one())
"""


class Shared:
    """A project with a run in a bucket, and commands by whoever asks."""

    def __init__(self, project: Project, seaweed: Seaweed) -> None:
        self.project = project
        self.seaweed = seaweed
        self.prefix = os.urandom(6).hex()
        project.write("flow.py", FLOW)
        self.at(f"s3://{BUCKET}/{self.prefix}")

    def at(self, uri: str) -> None:
        self.uri = uri
        self.project.write("pipeglot.yaml", f"stacks:\n  local: {{backend: local, store: '{uri}'}}\n")

    def __call__(self, *words: str, who: str = "all", **env: str) -> Result:
        call: Any = self.project
        found: Result = call(*words, code=None, **{**self.seaweed.environment(who), **env})
        return found


@pytest.fixture
def shared(project: Project, seaweed: Seaweed) -> Shared:
    found = Shared(project, seaweed)
    assert found("run", "flow.py").code == 0
    return found


READERS = (("runs", "list"), ("runs", "show", "latest"), ("store", "verify"), ("artifact", "get", "latest/one/output"))


def whole(shared: Shared, runs: int) -> None:
    assert shared("store", "verify").code == 0
    assert [run["status"] for run in shared("runs", "list", "--json").json] == ["succeeded"] * runs


def test_who_may_not_list(shared: Shared) -> None:
    """Steps need no list, so a run goes on; what looks for runs says what it takes."""
    done = shared("run", "flow.py", "--no-cache", who="nolist")
    assert done.code == 0, done.err
    for words in READERS:
        told = shared(*words, who="nolist")
        clear(told, "store", f"cannot list `{shared.uri}/", "AccessDenied", "allow `s3:ListBucket`")
    whole(shared, 2)


def test_who_may_only_read(shared: Shared) -> None:
    clear(shared("run", "flow.py", "--no-cache", who="reader"), "store", f"cannot write `{shared.uri}/", "s3:PutObject")
    for words in READERS:
        assert shared(*words, who="reader").code == 0
    whole(shared, 1)


@pytest.mark.parametrize("words", [("run", "flow.py"), *READERS])
def test_credentials_that_nobody_knows(shared: Shared, words: tuple[str, ...]) -> None:
    told = shared(*words, who="somebody")
    clear(told, "store", f"cannot open the store `{shared.uri}`", "InvalidAccessKeyId", "log in again")
    assert shared.seaweed.environment("somebody")["AWS_SECRET_ACCESS_KEY"] not in told.err


def test_a_wrong_key(shared: Shared) -> None:
    told = shared("runs", "list", AWS_SECRET_ACCESS_KEY="wrong-wrong-wrong")
    clear(told, "store", f"cannot open the store `{shared.uri}`", "SignatureDoesNotMatch", "AWS_ACCESS_KEY_ID")
    assert "wrong-wrong" not in told.err
    whole(shared, 1)


@pytest.mark.parametrize("words", [("run", "flow.py"), *READERS])
def test_a_bucket_that_does_not_exist(shared: Shared, words: tuple[str, ...]) -> None:
    before = shared.uri
    shared.at("s3://not-there/x")
    clear(shared(*words), "store", "there is no bucket `s3://not-there`", "`aws s3 mb s3://not-there` makes it")
    shared.at(before)
    whole(shared, 1)


@pytest.fixture
def objects(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], tuple[bytes, Callable[[bytes], object]]]:
    """An object as it is, and how to put another in its place, which pipeglot never does."""
    import obstore

    from pipeglot.core.store.clouds import connect, parse_place

    for name, value in shared.seaweed.environment().items():
        monkeypatch.setenv(name, value)
    client = connect(parse_place(shared.uri), tries=1, timeout="60s")

    def at(key: str) -> tuple[bytes, Callable[[bytes], object]]:
        place = f"{shared.prefix}/{key}"
        return bytes(obstore.get(client, place).bytes()), lambda data: obstore.put(client, place, data)

    return at


def test_a_store_of_a_newer_version(shared: Shared, objects: Any) -> None:
    before, put = objects("store.json")
    put(b'{"format": 2, "needs": "pipeglot>=9"}')
    for words in (("run", "flow.py"), *READERS):
        clear(shared(*words), "newer-format", "has format 2", "hint: install `pipeglot>=9`")
    put(before)
    whole(shared, 1)


def test_forged_records(shared: Shared, objects: Any) -> None:
    """Cut, or so large that it would fill the memory: named, and no hindrance."""
    run = shared("runs", "list", "--json").json[0]["run_id"]
    key = f"runs/{run}/start"
    before, put = objects(key)
    for forged in (b"", before[:-9], b"x" * ((64 << 20) + 2)):
        put(forged)
        clear(shared("runs", "show", run), "corrupt", f"`{key}`")
    assert shared("run", "flow.py").code == 0
    assert shared("store", "reindex").code == 0
    listed = shared("runs", "list", "--json")
    assert run not in {one["run_id"] for one in listed.json}
    assert f"`{key}` has more than 64 MB" in listed.err
    put(before)
    whole(shared, 2)


def test_a_pickle_from_a_bucket(shared: Shared) -> None:
    """A bucket is trusted only if the stack says so."""
    shared.project.write("flow.py", FLOW.replace("-> bytes", "-> object").replace("bytes(10_000 * n)", "Thing()"))
    shared.project.replace("flow.py", "@step\ndef one", "class Thing:\n    x = 1\n\n\n@step\ndef one")
    assert shared("run", "flow.py").code == 0
    told = shared("artifact", "get", "latest/large/output", "-o", "thing.pkl")
    clear(told, "untrusted", "is stored as a pickle", shared.uri, "say `trusted: true` in the stack")
    told = shared("runs", "resume", "latest")
    assert told.code == 0, "it has succeeded: there is nothing to do"
