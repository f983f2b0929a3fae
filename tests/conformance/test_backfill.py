"""`pipeglot backfill` on real engines: the runs of a span that lack, and which of them the engine makes by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.backends import EACH, ENGINES
from tests.conformance.live import OnEngine
from tests.conformance.suite import STACK
from tests.servers.sandbox import held

SPAN = ("--from", "2024-03-30", "--to", "2024-04-01")
DAYS = ["2024-03-30", "2024-03-31", "2024-04-01"]


@pytest.fixture(scope="module", params=EACH)
def live(
    request: pytest.FixtureRequest, engines: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OnEngine]:
    name, folder = request.param, tmp_path_factory.mktemp(f"backfill-{request.param}")
    server = request.getfixturevalue(name)
    with held(engines, name):
        found = OnEngine(ENGINES[name], server, folder)
        here = f"local: {{backend: local, store: '{found.store}', trusted: true}}"
        found.project.write("pipeglot.yaml", f"stacks:\n  {here}\n  {STACK}: {{{server.stack(found.store)}}}\n")
        yield found


def filled(live: OnEngine, pipeline: str, *words: str, code: int = 0) -> dict[str, Any]:
    words = ("backfill", f"flows_live.py:{pipeline}", *SPAN, "--stack", STACK, "--json", *words)
    found: dict[str, Any] = live.project(*words, code=code).json
    return found


def test_the_days_that_lack_are_run_there(live: OnEngine) -> None:
    folder = live.marks("dated")
    (folder / "missing-2024-03-31").touch()
    words = ["--every", "1d", "-p", f"folder={folder}"]
    first = filled(live, "dated", *words, code=1)
    assert {one["logical_date"][:10]: one["status"] for one in first["runs"]} == {
        "2024-03-30": "succeeded",
        "2024-03-31": "failed",
        "2024-04-01": "succeeded",
    }
    (why,) = [one["message"] for one in first["runs"] if one["message"]]
    assert why == "of_that_day: ValueError: nothing for 2024-03-31"
    (folder / "missing-2024-03-31").unlink()
    again = filled(live, "dated", *words)
    assert [(one["logical_date"][:10], one["status"]) for one in again["runs"]] == [("2024-03-31", "succeeded")]
    runs = [run for run in live.listed("dated") if run["status"] == "succeeded"]
    assert sorted(run["params"]["day"] for run in runs) == DAYS
    assert all(run["tags"]["backfill"] == "2024-03-30/2024-04-01" for run in runs)
    for run in runs:
        day = run["params"]["day"]
        local = live.local_digest("dated", "-p", f"folder={folder}", "--logical-date", f"{day}T00:00+00:00")
        assert run["lineage_digest"] == local


@pytest.mark.parametrize("live", ["airflow3"], indirect=True)
def test_airflow_makes_the_runs_that_are_all_new_by_itself(live: OnEngine) -> None:
    """They stand in its pages at their dates, as those of its own schedule do."""
    found = filled(live, "filled", "--max-parallel", "2")
    assert sorted(one["logical_date"] for one in found["runs"]) == [
        "2024-03-30T01:30:00+01:00",
        "2024-03-31T01:30:00+01:00",
        "2024-04-01T01:30:00+02:00",
    ]
    assert {one["status"] for one in found["runs"]} == {"succeeded"}
    assert all(one["seconds"] > 0 for one in found["runs"])
    status, there = live.backend.server.ask("GET", "/dags/filled/dagRuns?run_type=backfill")
    assert status == 200
    assert len(there["dag_runs"]) == 3
    runs = [run for run in live.listed("filled") if run["params"]["day"] in DAYS]
    assert [run["tags"] for run in runs] == [{"backfill": "2024-03-30/2024-04-01"}] * 3
    assert filled(live, "filled")["runs"] == []
