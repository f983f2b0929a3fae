"""Stores in buckets, as a user has them: on a real S3 server, on Azure's emulator, on GCS as it is documented."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import ENVIRONMENT, Project, Result
from tests.servers import azurite as azure_names
from tests.servers import gcs as gcs_names
from tests.servers import seaweed as s3_names
from tests.servers.azurite import Azurite
from tests.servers.gcs import Gcs
from tests.servers.proxy import Proxy, Request
from tests.servers.seaweed import Seaweed


class Bucketed:
    """A project whose store is in a bucket. `name` is the store's prefix there."""

    def __init__(self, project: Project, uri: str, environment: dict[str, str]) -> None:
        self.project = project
        self.uri = uri
        self.environment = environment
        project.write("pipeglot.yaml", f"stacks:\n  local: {{backend: local, store: '{uri}', trusted: true}}\n")

    def __call__(self, *words: str, code: int = 0) -> str:
        return self.result(*words, code=code).out

    def err(self, *words: str, code: int = 0) -> str:
        return self.result(*words, code=code).err

    def json(self, *words: str) -> Any:
        return self.result(*words, "--json").json

    def result(self, *words: str, code: int = 0) -> Result:
        call: Any = self.project
        found: Result = call(*words, code=code, **self.environment)
        return found


@pytest.fixture
def gcs() -> Iterator[Gcs]:
    with Gcs() as server:
        yield server


@pytest.fixture(params=["s3", "azure", "gcs"])
def bucketed(request: pytest.FixtureRequest, flow: Project) -> Bucketed:
    name = os.urandom(6).hex()
    if request.param == "gcs":
        server: Gcs = request.getfixturevalue("gcs")
        return Bucketed(flow, f"gs://{gcs_names.BUCKET}/{name}", {"STORAGE_EMULATOR_HOST": server.endpoint})
    if request.param == "s3":
        seaweed: Seaweed = request.getfixturevalue("seaweed")
        return Bucketed(flow, f"s3://{s3_names.BUCKET}/{name}", seaweed.environment())
    azurite: Azurite = request.getfixturevalue("azurite")
    return Bucketed(flow, f"az://{azure_names.CONTAINER}/{name}", azurite.environment())


@pytest.fixture
def proxy(seaweed: Seaweed) -> Iterator[Proxy]:
    with Proxy(seaweed.endpoint) as found:
        yield found


@pytest.fixture
def s3(seaweed: Seaweed, proxy: Proxy, project: Project) -> Bucketed:
    """Behind a proxy that counts."""
    uri = f"s3://{s3_names.BUCKET}/{os.urandom(6).hex()}"
    return Bucketed(project, uri, seaweed.environment(endpoint=proxy.endpoint))


# --- all commands -----------------------------------------------------------------------------------------------------


def test_everything_works(bucketed: Bucketed) -> None:
    project = bucketed.project
    first = bucketed.json("run", "flow.py")
    assert first["status"] == "succeeded"
    again = bucketed.json("run", "flow.py")
    assert all(step["cached"] for step in again["steps"] if step["status"] == "succeeded")
    assert again["lineage_digest"] == first["lineage_digest"]
    assert bucketed("artifact", "get", "latest/total/output") == "6\n"
    assert "counting to 3" in bucketed("runs", "logs", first["run_id"], "numbers")
    assert bucketed("runs", "list").count("succeeded") == 2
    assert f"in `{bucketed.uri}`\nall is there, and whole\n" in bucketed("store", "verify")
    assert "indexed 2 runs" in bucketed("store", "reindex")
    assert "nothing would run" in bucketed("plan", "flow.py")
    assert "1 output equal to what it gave then" in bucketed("replay", "latest", "total") + bucketed.err(
        "replay", "latest", "total"
    )
    project.replace("helper.py", "FACTOR = 2", "FACTOR = 4")
    other = bucketed.json("run", "flow.py")
    assert other["lineage_digest"] != first["lineage_digest"]
    assert "total" in bucketed("runs", "diff", first["run_id"], "latest", code=1)
    assert "FACTOR" in bucketed("cache", "explain", "latest", "double", "--index", "0")


def test_the_digest_is_that_of_a_folder(bucketed: Bucketed) -> None:
    there = bucketed.json("run", "flow.py")
    bucketed.project.write("pipeglot.yaml", "stacks:\n  local: {backend: local, store: here}\n")
    here = bucketed.project("run", "flow.py", "--json").json
    assert there["lineage_digest"] == here["lineage_digest"]


def test_another_machine_reads_it(bucketed: Bucketed, tmp_path: Path) -> None:
    """With nothing but the project and the bucket."""
    run = bucketed.json("run", "flow.py")["run_id"]
    other = Project(tmp_path / "other")
    there = Bucketed(other, bucketed.uri, bucketed.environment)
    assert '"6 is small"' in there("artifact", "get", f"{run}/tell/output")


BIG = """\
import os

from pipeglot import pipeline, step


@step
def make() -> bytes:
    return bytes(range(256)) * (90_000_000 // 256)


@step
def count(data: bytes) -> int:
    return len(data)


@pipeline
def big() -> None:
    count(make())
"""


def test_a_value_is_stored_once_and_read_from_its_copy(s3: Bucketed, proxy: Proxy) -> None:
    s3.project.write("big.py", BIG)
    s3("run", "big.py")
    blobs = [one for one in proxy.requests if "/blobs/" in one.path]
    assert Counter(one.method for one in blobs) == {"HEAD": 1, "POST": 2, "PUT": 18}, (
        "once there, in parts; not once back"
    )
    copies = s3.project.root / ".pipeglot/copies"
    assert sum(path.stat().st_size for path in copies.rglob("*") if path.is_file()) == 89_999_872
    assert not list(copies.rglob("put-*"))


def test_without_trust_nothing_is_unpickled(bucketed: Bucketed) -> None:
    project = bucketed.project
    project.write("pipeglot.yaml", (project.root / "pipeglot.yaml").read_text().replace(", trusted: true", ""))
    project.write(
        "odd.py",
        "from pipeglot import pipeline, step\n\n\n@step\ndef make() -> object:\n    return range(3).__reduce__\n\n\n"
        "@step\ndef use(it: object) -> int:\n    return 1\n\n\n@pipeline\ndef odd() -> None:\n    use(make())\n",
    )
    told = bucketed.err("run", "odd.py", code=1)
    assert f"the store `{bucketed.uri}` is not trusted: whoever can write to it could run code here" in told


# --- what it costs ----------------------------------------------------------------------------------------------------

CHAIN = """\
from pipeglot import each, pipeline, step


@step
def one() -> int:
    return 1


@step
def more(n: int) -> int:
    return n + 1


@step
def many(n: int) -> list[int]:
    return list(range(1000, 1000 + {items}))


@step
def total(ns: list[int]) -> int:
    return sum(ns)


@pipeline
def chain() -> None:
    n = one()
    for _ in range({steps}):
        n = more(n)
    total(more.with_options(name="item").map(each(many(n))))
"""


def test_requests_of_a_step(s3: Bucketed, proxy: Proxy) -> None:
    """Two puts and one get for each that runs; in the whole run, few more."""
    steps, items = 10, 20
    s3.project.write("chain.py", CHAIN.format(steps=steps, items=items))
    s3("run", "chain.py")
    cells = steps + items + 3
    asked = Counter((one.method, one.path.split("/")[3]) for one in proxy.requests if "list-type" not in one.query)
    assert asked["PUT", "cache"] == cells
    assert asked["GET", "cache"] == cells
    assert asked["PUT", "runs"] == cells + 2, "each verdict, the start and the end"
    assert asked["GET", "runs"] == 0
    assert asked["PUT", "ir"] == asked["PUT", "journal"] == asked["HEAD", "ir"] == 1
    assert not any(place == "blobs" for _, place in asked)
    assert sum("list-type" in one.query for one in proxy.requests) == 1, "only a new store is looked into"


@pytest.mark.parametrize(("cached", "most"), [(True, 2.2), (False, 1.2)])
def test_puts_of_a_map(s3: Bucketed, proxy: Proxy, cached: bool, most: float) -> None:
    """Two an item, or one with the cache off; the rest of the run is a few. 1,000 items take 2,013, or 1,010."""
    items = 120
    text = CHAIN.format(steps=0, items=items)
    s3.project.write("chain.py", text if cached else text.replace("@step\n", "@step(cache=False)\n"))
    s3("run", "chain.py")
    assert proxy.count("PUT") <= most * items
    assert proxy.count("PUT", "/v/item/") == items


def test_requests_of_a_cached_step(s3: Bucketed, proxy: Proxy) -> None:
    steps, items = 10, 20
    s3.project.write("chain.py", CHAIN.format(steps=steps, items=items))
    s3("run", "chain.py")
    proxy.requests.clear()
    s3("run", "chain.py")
    cells = steps + items + 3
    asked = Counter((one.method, one.path.split("/")[3]) for one in proxy.requests)
    assert asked["GET", "cache"] == cells
    assert asked["PUT", "runs"] == cells + 2
    assert asked["PUT", "cache"] == 0
    assert sum(asked.values()) - asked["HEAD", "runs"] <= 2 * cells + 8


# --- what goes wrong --------------------------------------------------------------------------------------------------


def test_a_run_on_a_bad_network(s3: Bucketed, proxy: Proxy) -> None:
    """Each object's first write is done and its answer lost, each first read refused: the run is as any other."""
    s3.project.write("chain.py", CHAIN.format(steps=3, items=4))
    proxy.fault = lambda one: {"PUT": "lose", "GET": "503"}.get(one.method, "") if one.number == 1 else ""
    run = s3.json("run", "chain.py")
    proxy.fault = lambda _: ""
    assert run["status"] == "succeeded"
    assert all(step["status"] == "succeeded" and not step["cached"] for step in run["steps"])
    assert "all is there, and whole" in s3("store", "verify")
    again = s3.json("run", "chain.py")
    assert all(step["cached"] for step in again["steps"])


def test_the_bucket_goes_away_in_the_middle(s3: Bucketed, proxy: Proxy) -> None:
    """What was finished before is there for the next run."""
    s3.project.write("chain.py", CHAIN.format(steps=6, items=2))
    proxy.fault = lambda one: "400" if "/v/more_4/" in one.path else ""
    told = s3.err("run", "chain.py", code=1)
    assert "error: step `more_4` could not be recorded: cannot write `" in told
    assert "[store]" in told
    proxy.fault = lambda _: ""
    run = s3.json("run", "chain.py")
    assert run["status"] == "succeeded"
    cached = {step["id"] for step in run["steps"] if step["cached"]}
    assert {"one", "more", "more_2", "more_3"} <= cached


def test_a_killed_run_goes_on(s3: Bucketed) -> None:
    s3.project.write(
        "slow.py",
        "import pathlib, time\nfrom pipeglot import pipeline, step\n\n\n@step\ndef quick() -> int:\n    return 1\n\n\n"
        "@step\ndef slow(n: int) -> int:\n    if not pathlib.Path('go').exists():\n"
        "        pathlib.Path('waiting').touch()\n        time.sleep(600)\n    return n + 1\n\n\n"
        "@pipeline\ndef slowly() -> None:\n    slow(quick())\n",
    )
    process = subprocess.Popen(
        s3.project.command("run", "slow.py"),
        cwd=s3.project.root,
        env={**ENVIRONMENT, **s3.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not (s3.project.root / "waiting").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    s3.project.write("go", "")
    done = s3.result("run", "slow.py")
    assert "was killed: it is now recorded as lost" in done.err
    assert "quick: cached" in done.err
    assert "all is there, and whole" in s3("store", "verify")


@pytest.mark.parametrize("command", [["run", "flow.py"], ["runs", "list"], ["plan", "flow.py"], ["store", "verify"]])
def test_no_network(flow: Project, seaweed: Seaweed, command: list[str]) -> None:
    bucketed = Bucketed(flow, "s3://tests/x", seaweed.environment(endpoint="http://127.0.0.1:1"))
    assert bucketed.err(*command, code=1) == (
        "error: cannot open the store `s3://tests/x`: `127.0.0.1:1` cannot be reached  [store]\n\n"
        "hint: is the network up, and is the endpoint right? A proxy is read from `HTTPS_PROXY`\n"
    )


# --- nothing answers --------------------------------------------------------------------------------------------------

STEADY = """\
import pathlib
import time

from pipeglot import pipeline, step


@step
def quick() -> int:
    return 1


@step
def slow(n: int) -> int:
    pathlib.Path("waiting").touch()
    time.sleep(600)
    return n + 1


@pipeline
def slowly() -> None:
    slow(quick())
"""

SOON = 15.0
"""Seconds: on a busy machine, all that a process does takes a while. One request alone may take 20."""


def interrupted(s3: Bucketed, words: list[str], ready: Callable[[], object]) -> tuple[int, str]:
    """Start a command, send it Ctrl-C when it is time to; its exit code, and what it printed."""
    process = subprocess.Popen(
        s3.project.command(*words),
        cwd=s3.project.root,
        env={**ENVIRONMENT, **s3.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not ready():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=SOON)
    finally:
        process.kill()
        process.wait()
    return process.returncode, out


@pytest.mark.parametrize("command", [["runs", "list"], ["run", "slow.py"], ["store", "verify"]])
def test_ctrl_c_while_the_store_does_not_answer(s3: Bucketed, proxy: Proxy, command: list[str]) -> None:
    s3.project.write("slow.py", STEADY)
    proxy.patience, proxy.fault = 60.0, lambda _: "hang"
    code, out = interrupted(s3, command, lambda: proxy.requests)
    assert (code, out) == (130, "")


def test_ctrl_c_in_a_run_whose_store_does_not_answer_any_more(s3: Bucketed, proxy: Proxy) -> None:
    """What had finished is there for the next run."""
    s3.project.write("slow.py", STEADY)

    def ready() -> bool:
        if (s3.project.root / "waiting").exists():
            proxy.patience, proxy.fault = 60.0, lambda _: "hang"
        return bool(proxy.patience)

    code, out = interrupted(s3, ["run", "slow.py"], ready)
    assert code != 0
    assert "the store `" in out
    assert "does not answer" in out
    proxy.fault = lambda _: ""
    s3.project.replace("slow.py", "time.sleep(600)", "")
    done = s3.result("run", "slow.py")
    assert "quick: cached" in done.err
    assert "all is there, and whole" in s3("store", "verify")


def test_who_waits_is_told_why(s3: Bucketed, proxy: Proxy) -> None:
    s3.project.write("chain.py", CHAIN.format(steps=1, items=2))
    s3("run", "chain.py")
    failed: list[str] = []

    def fault(request: Request) -> str:
        if "/cache/" not in request.path or len(failed) == 6:  # more than a second, however short the pauses are drawn
            return ""
        failed.append(request.path)
        return "503"

    proxy.fault = fault
    told = s3.err("run", "chain.py")
    assert f"waiting for the store `{s3.uri}`: the server answered 503" in told
    assert re.search(r"; try \d of 10\n", told)


def test_ctrl_c_while_the_cache_does_not_answer(s3: Bucketed, proxy: Proxy) -> None:
    """There, many are asked at a time."""
    s3.project.write("chain.py", CHAIN.format(steps=1, items=20))
    proxy.patience, proxy.fault = 60.0, lambda one: "hang" if "/cache/" in one.path else ""
    code, out = interrupted(s3, ["run", "chain.py"], lambda: proxy.count("GET", "/cache/"))
    assert code == 130
    assert out == (f"note: the store `{s3.uri}` does not answer, and is not waited for: what was finished is kept\n")
