"""All flights of 2013 by the laptop and by each engine: all compute the same, and then all share one cache.

At first each has an empty store of its own. Then all have one store on S3, and one index in PostgreSQL. An engine comes
up when its turn is, and goes before the next one: all at once would need more memory than a laptop has.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.events import portable
from tests.e2e.conftest import Project, Result
from tests.servers.airflow import Airflow
from tests.servers.kfp import Kfp
from tests.servers.metaflow import Metaflow
from tests.servers.postgres import Postgres
from tests.servers.prefect import Prefect
from tests.servers.sandbox import PATIENCE, ROOT
from tests.servers.seaweed import BUCKET, Seaweed

pytestmark = pytest.mark.whole

PLACES: Mapping[str, Callable[[Path], Any] | None] = {
    "laptop": None,
    "airflow3": lambda home: Airflow("3", home),
    "airflow2": lambda home: Airflow("2", home),
    "prefect": Prefect,
    "kfp": Kfp,
    "metaflow": Metaflow,
}
"""What brings each engine up, in the order in which they take their turns."""


class Flights:
    """The example, in a project of its own, and what came of each run."""

    def __init__(self, folder: Path, uri: str, env: dict[str, Any]) -> None:
        self.folder = folder
        self.uri = uri
        self.env = env
        self.project = Project(folder / "flights")
        self.project.patience = PATIENCE
        ignored = shutil.ignore_patterns(".pipeglot", "__pycache__", "unpacked")
        shutil.copytree(ROOT / "examples/flights", self.project.root, ignore=ignored)

    def run(self, place: str, words: str) -> dict[str, Any]:
        self.project.write("pipeglot.yaml", f"stacks:\n  {place}: {{{words}}}\n")
        self.project("stack", "set", place)
        self("run", "flights.py")
        found: dict[str, Any] = self("runs", "show", "latest", "--json").json
        assert (found["status"], found["stack"]) == ("succeeded", place)
        return found

    def __call__(self, *words: str) -> Result:
        return self.project(*words, **self.env)

    def apart(self, place: str, server: Any) -> dict[str, Any]:
        """On an empty store of its own."""
        return self.run(place, _words(server, str(self.folder / f"store-{place}")))

    def events(self, place: str) -> list[str]:
        """What OpenLineage's catalogs are told of the latest run of a store of its own."""
        told = self("lineage", "export", "latest", "--openlineage").out.replace(f"store-{place}", "store")
        return portable([json.loads(line) for line in told.splitlines()])

    def together(self, place: str, server: Any) -> dict[str, Any]:
        """On the store of all."""
        return self.run(place, f"{_words(server, self.uri)}, metadata: '${{PIPEGLOT_METADATA}}'")


def _words(server: Any, store: str) -> str:
    """Of a stack. Airflow's own packages are of other versions, so there steps run in the environment of the laptop."""
    if server is None:
        return f"backend: local, store: '{store}', trusted: true"
    own = f", python: '{sys.executable}'" if isinstance(server, Airflow) else ""
    return f"{server.stack(store)}{own}"


@contextmanager
def up(place: str, folder: Path) -> Iterator[Any]:
    make = PLACES[place]
    if make is None:
        yield None
        return
    server = make(folder / f"engine-{place}")
    try:
        yield server
    finally:
        server.command("down", server.engine, "--purge")


@pytest.fixture
def flights(tmp_path: Path, seaweed: Seaweed, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Flights:
    """An engine's tasks find the bucket by what it was started with."""
    bucket = seaweed.environment()
    for name, value in bucket.items():
        monkeypatch.setenv(name, value)
    return Flights(
        tmp_path, f"s3://{BUCKET}/flights", {**bucket, "PIPEGLOT_METADATA": postgres.uri(postgres.database())}
    )


def test_six_places_compute_the_same_and_then_share_it(flights: Flights, tmp_path: Path) -> None:
    apart, together, events = {}, {}, {}
    for place in PLACES:
        with up(place, tmp_path) as server:
            apart[place] = flights.apart(place, server)
            events[place] = flights.events(place)
            together[place] = flights.together(place, server)
    assert not any(step["cached"] for run in apart.values() for step in run["steps"])
    every = {run["lineage_digest"] for run in (*apart.values(), *together.values())}
    assert len(every) == 1
    assert every != {None}
    assert all(told == events["laptop"] for told in events.values())
    ran = [step for step in apart["laptop"]["steps"] if step["status"] != "skipped"]
    assert len(events["laptop"]) == 2 * (1 + len(ran)), "a begin and an end of the run, and of each step that ran"

    first, *others = together.values()
    assert not any(step["cached"] for step in first["steps"])
    for run in others:
        computed = {step["id"] for step in run["steps"] if step["status"] == "succeeded" and not step["cached"]}
        assert computed == {"clean_up"}, "what cleans up runs every time"
        assert {step["origin"]["run"] for step in run["steps"] if step["cached"]} == {first["run_id"]}

    listed = flights("runs", "list", "--json").json
    assert [run["stack"] for run in reversed(listed)] == [*PLACES]
    assert {run["lineage_digest"] for run in listed} == every
    for run in others:
        flights("runs", "diff", first["run_id"], run["run_id"])  # its exit code is 0
    flights("store", "verify")
