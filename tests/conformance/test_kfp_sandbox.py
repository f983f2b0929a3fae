"""The sandbox of KFP: what KFP's own SDK has compiled runs on it, and what becomes of runs that are ended or killed."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeglot.compilers.kfp import argo, tasks_there
from tests.conformance.kfp_nodes import nodes
from tests.conformance.live import is_alive, until
from tests.servers.kfp import Kfp

SPEC = yaml.safe_load((Path(__file__).parent / "kfp_by_sdk.yaml").read_text())
"""`requirements/engines/kfp_by_sdk.py` makes it."""

LONG = {"seconds": 600.0}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kfp]:
    """One of its own, with a run at a time."""
    found = Kfp(tmp_path_factory.mktemp("kfp") / "own", "-o", "max_runs=1")
    yield found
    (view,) = found.command("down", "kfp", "--json")
    assert (view["status"], view["services"], view["memory"]) == ("down", [], 0)


def names(server: Kfp, run: str, state: str) -> list[str]:
    return sorted(one["display_name"] for one in server.details(run) if one["state"] == state)


def child(server: Kfp, run: str) -> int:
    """The process of a run, once one of its tasks is at work."""
    until(lambda: "say-3" in names(server, run, "RUNNING"))
    folder = server.home.joinpath("kfp", "work", run)
    words = f"pipeglot.compilers.kfp.local.child\0{folder}".encode()
    found = [path for path in Path("/proc").glob("[0-9]*/cmdline") if words in path.read_bytes()]
    return int(found[0].parent.name)


def test_a_pipeline_of_the_sdk(server: Kfp) -> None:
    run = server.run(SPEC)
    assert server.state(run) == "SUCCEEDED"
    found, workflow = server.details(run), f"by-sdk-{run[:5]}"
    assert {one["state"] for one in found} == {"SUCCEEDED"}
    expected = nodes(workflow, 3)
    names = [node.rpartition(".")[2] for node in expected]
    assert Counter(one["display_name"] for one in found) == Counter([workflow, *names]), "the nodes that Argo makes"
    ids = {child["pod_name"] for one in found for child in one.get("child_tasks", [])}
    assert ids == {argo.node_id(workflow, node) for node in expected}
    tasks = tasks_there.tasks(found, SPEC, 100)
    assert Counter((one.number, one.state, one.attempt) for one in tasks) == {
        (-1, "succeeded", 1): 5,
        **{(number, "succeeded", 1): 1 for number in range(3)},
    }
    told = "".join(server.logs(run)).splitlines()
    assert f"{run} python3" in told, "the run's own id, and a text that kfp.local takes for a program"
    assert 'pods \\"gone\\" not found' in server.log(run, "gone")
    assert not any("pod_name" in one or "parent_task_id" in one for one in server.details(run)), "KFP tells neither"


def test_a_failure_stops_only_what_comes_after_it(server: Kfp) -> None:
    run = server.run(SPEC, word="bad")
    assert server.state(run) == "FAILED"
    found = names(server, run, "FAILED")
    workflow = f"by-sdk-{run[:5]}"
    assert found == [workflow, "executor", "executor(0)", "executor(1)", "root", "say-3"]
    assert "say-5" in names(server, run, "SUCCEEDED")
    assert "say-4" not in {one["display_name"] for one in server.details(run)}
    assert server.ask("GET", f"/runs/{run}")[1]["error"]["message"] == "a task has failed"


def test_one_that_waits_and_one_that_runs_are_ended(server: Kfp) -> None:
    run, waits = server.run(SPEC, **LONG), server.run(SPEC, **LONG)
    pid = child(server, run)
    assert server.ask("GET", f"/runs/{waits}")[1]["state"] == "PENDING"
    for one in (waits, run):
        assert server.ask("POST", f"/runs/{one}:terminate", {})[0] == 200
        assert server.state(one) == "CANCELED"
    assert not is_alive(pid)
    assert server.ask("POST", f"/runs/{run}:terminate", {})[0] == 400


def test_one_whose_process_is_killed(server: Kfp) -> None:
    run, after = server.run(SPEC, **LONG), server.run(SPEC)
    os.kill(child(server, run), signal.SIGKILL)
    assert server.state(run) == "FAILED"
    assert server.ask("GET", f"/runs/{run}")[1]["error"]["message"] == "its process was killed by signal 9"
    assert "say-3" in names(server, run, "FAILED")
    assert server.state(after) == "SUCCEEDED"


def test_a_schedule(server: Kfp) -> None:
    trigger = {"cron_schedule": {"cron": "*/2 * * * * *"}}
    body = {"display_name": "often", "pipeline_spec": SPEC, "trigger": trigger, "mode": "ENABLE"}
    status, made = server.ask("POST", "/recurringruns", {**body, "max_concurrency": "1", "no_catchup": True})
    assert status == 200, made
    one = made["recurring_run_id"]
    found: list[Any] = until(
        lambda: [
            run for run in server.ask("GET", "/runs", page_size="200")[1].get("runs", []) if run.get("recurring_run_id")
        ]
    )
    assert server.ask("DELETE", f"/recurringruns/{one}")[0] == 200
    assert int(found[0]["scheduled_at"][17:19]) % 2 == 0
    assert server.state(found[0]["run_id"]) == "SUCCEEDED"
    assert server.ask("GET", f"/recurringruns/{one}")[0] == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/runs", {"display_name": "x"}),
        ("/runs", {"display_name": "x", "pipeline_spec": SPEC, "bogus": 1}),
        ("/runs", {"display_name": "x", "pipeline_spec": SPEC, "runtime_config": {"parameters": {"seconds": "1"}}}),
        ("/recurringruns", {"display_name": "x", "pipeline_spec": SPEC}),
        ("/experiments", {}),
    ],
)
def test_what_the_api_does_not_take(server: Kfp, path: str, body: Any) -> None:
    status, found = server.ask("POST", path, body)
    assert (status, found["code"]) == (400, 3)


def test_what_a_restart_leaves(server: Kfp) -> None:
    run, waits = server.run(SPEC, **LONG), server.run(SPEC)
    pid = child(server, run)
    (view,) = server.command("status", "--json")
    (service,) = view["services"]
    os.kill(service["pid"], signal.SIGKILL)
    until(lambda: not is_alive(service["pid"]))
    assert server.command("status", "--json")[0]["status"] == "broken"
    server.command("up", "kfp", "-o", "max_runs=1")
    assert not is_alive(pid)
    found = server.ask("GET", f"/runs/{run}")[1]
    assert (found["state"], found["error"]["message"]) == ("FAILED", "the server was ended while it ran")
    assert server.state(waits) == "SUCCEEDED"
