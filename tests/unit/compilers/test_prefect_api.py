"""What is asked of Prefect's API, and what its answers become; the live one is in tests/conformance."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from pipeglot.compilers.base import Source
from pipeglot.compilers.prefect.compiler import PrefectCompiler
from pipeglot.compilers.prefect.deployer import PrefectDeployer
from pipeglot.compilers.prefect.stack import PrefectStack
from pipeglot.compilers.remote import Away, EngineTask
from pipeglot.core.errors import EngineError
from pipeglot.core.ir import Pipeline, Schedule
from tests.servers.canned import Server
from tests.unit.lineage.build import step

PIPELINE = Pipeline(name="p", nodes=(structs.replace(step("a"), pool="gpu"),), schedule=Schedule(cron="0 6 * * *"))
SOURCE = Source(PIPELINE, "p.py:p", "0" * 64)
FOUND = {"id": "d1", "version": "v1", "paused": False, "schedules": [{"schedule": {"cron": "0 6 * * *"}}]}


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    found.answers["GET /api/deployments/name/p/prod"] = [(200, FOUND)]
    yield found
    found.close()


@pytest.fixture
def stack(server: Server) -> PrefectStack:
    return PrefectStack(name="prod", store="s3://ml/prod", api_url=f"{server.url}/api", work_pool="ml")


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ({}, "-"),
        ({"api_key": "${KEY}"}, "Bearer pnu_1"),
        ({"api_key_file": "key"}, "Bearer pnu_2"),
        ({"user": "admin", "password": "${KEY}"}, "Basic YWRtaW46cG51XzE="),
        ({"token_command": "echo three"}, "Bearer three"),
    ],
    ids=str,
)
def test_who_we_are(
    server: Server,
    stack: PrefectStack,
    auth: dict[str, str],
    header: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("KEY", "pnu_1")
    (tmp_path / "key").write_text("pnu_2\n")
    auth = {name: str(tmp_path / value) if name == "api_key_file" else value for name, value in auth.items()}
    assert PrefectDeployer(structs.replace(stack, auth=auth)).is_live("p", "v1")
    assert server.asked[0][3] == header


def test_a_deployment_is_made_by_one_call(server: Server, stack: PrefectStack) -> None:
    server.answers["POST /api/flows/"] = [(201, {"id": "f1"})]
    server.answers["POST /api/deployments/"] = [(201, {"id": "d1"})]
    files = PrefectCompiler().compile(SOURCE, stack)
    server.answers["POST /api/automations/filter"] = [(200, [])]
    PrefectDeployer(stack).register(SOURCE, files)
    (_, _, flow, _), (_, _, sent, _), _ = server.asked
    assert flow == {"name": "p"}
    assert (sent["flow_id"], sent["name"], sent["entrypoint"]) == ("f1", "prod", "p.py:p")
    assert (sent["version"], sent["work_pool_name"]) == (files[0].version, "ml")
    assert sent["schedules"] == [
        {"schedule": {"timezone": "UTC", "cron": "0 6 * * *"}, "active": True, "slug": "pipeglot"}
    ]


@pytest.fixture
def waits(server: Server) -> Source:
    """For an asset; Prefect takes its deployment."""
    server.answers["POST /api/flows/"] = [(201, {"id": "f1"})]
    server.answers["POST /api/deployments/"] = [(201, {"id": "d1"})]
    return SOURCE._replace(pipeline=structs.replace(PIPELINE, schedule=Schedule(assets=("s3://a/b",))))


def register(source: Source, stack: PrefectStack) -> None:
    PrefectDeployer(stack).register(source, PrefectCompiler().compile(source, stack))


def test_a_schedule_on_assets_is_an_automation(server: Server, stack: PrefectStack, waits: Source) -> None:
    server.answers["POST /api/automations/filter"] = [(200, [])]
    server.answers["POST /api/automations/"] = [(201, {"id": "a1"})]
    register(waits, stack)
    asked, made = server.asked[-2:]
    assert asked[2]["automations"] == {"name": {"any_": ["p/prod: assets"]}}
    assert made[2] == {
        "name": "p/prod: assets",
        "description": "Starts p once its assets are new: s3://a/b",
        "trigger": {
            "type": "event",
            "posture": "Reactive",
            "match": {"prefect.resource.id": "s3://a/b"},
            "expect": ["prefect.asset.materialization.succeeded"],
        },
        "actions": [{"type": "run-deployment", "source": "selected", "deployment_id": "d1"}],
        "owner_resource": "prefect.deployment.d1",
    }


def test_an_automation_that_is_as_it_should_be_is_left_alone(
    server: Server, stack: PrefectStack, waits: Source
) -> None:
    """With each change Prefect forgets which assets were new."""
    server.answers["POST /api/automations/filter"] = [(200, [])]
    server.answers["POST /api/automations/"] = [(201, {"id": "a1"})]
    register(waits, stack)
    made = server.asked[-1][2]
    there = {**made, "id": "a1", "enabled": True, "trigger": {**made["trigger"], "id": "t1", "threshold": 1}}
    server.answers["POST /api/automations/filter"] = [(200, [there])]
    register(waits, stack)
    assert server.asked[-1][:2] == ("POST", "/api/automations/filter")


def test_an_automation_that_somebody_has_paused_stays_so(server: Server, stack: PrefectStack, waits: Source) -> None:
    """And there is one, also where two people have deployed at once."""
    server.answers["GET /api/deployments/name/p/prod"] = [(200, {**FOUND, "schedules": []})]
    there = [{"id": "a1", "enabled": False, "name": "p/prod: assets"}, {"id": "a2", "enabled": True}]
    server.answers["POST /api/automations/filter"] = [(200, there)]
    server.answers["PUT /api/automations/a1"] = server.answers["DELETE /api/automations/a2"] = [(204, None)]
    register(waits, stack)
    put, delete = server.asked[-2:]
    assert put[:2] == ("PUT", "/api/automations/a1")
    assert put[2]["enabled"] is False
    assert delete[:2] == ("DELETE", "/api/automations/a2")
    assert PrefectDeployer(stack).is_paused("p")


def test_a_schedule_that_waits_for_no_assets_any_more(server: Server, stack: PrefectStack, waits: Source) -> None:
    server.answers["POST /api/automations/filter"] = [(200, [{"id": "a1", "enabled": True}])]
    server.answers["DELETE /api/automations/a1"] = [(204, None)]
    register(SOURCE, stack)
    assert server.asked[-1][:2] == ("DELETE", "/api/automations/a1")


def test_who_may_not_see_automations_can_do_without(server: Server, stack: PrefectStack, waits: Source) -> None:
    server.answers["POST /api/automations/filter"] = [(403, {"detail": "Forbidden"})]
    register(SOURCE, stack)
    assert not PrefectDeployer(stack).is_paused("p")
    with pytest.raises(EngineError, match="does not let us `POST /automations/filter`: Forbidden"):
        register(waits, stack)


@pytest.mark.parametrize(
    ("there", "said", "hint"),
    [
        ([], "nothing starts it: it has no automation for its assets", "`pipeglot deploy` makes it"),
        (
            [{"id": "a1", "enabled": False, "name": "p/prod: assets"}],
            "its automation is paused: no asset starts it",
            "`prefect automation resume 'p/prod: assets'`, or its page",
        ),
    ],
)
def test_an_automation_that_starts_nothing(
    server: Server, stack: PrefectStack, waits: Source, there: Any, said: str, hint: str
) -> None:
    server.answers["GET /api/admin/version"] = [(200, "3.9.1")]
    server.answers["POST /api/automations/filter"] = [(200, there)]
    last = list(PrefectDeployer(stack).checks([waits.pipeline]))[-1]
    assert (last.what, last.said, last.ok, last.hint) == ("pipeline p", said, False, hint)


def test_a_run_is_started_once_whatever_becomes_of_the_answer(server: Server, stack: PrefectStack) -> None:
    made = {"id": "r1", "name": "ours", "deployment_id": "d1", "expected_start_time": "2026-11-22T06:00:00Z"}
    server.answers["POST /api/deployments/d1/create_flow_run"] = [(201, made)]
    found = PrefectDeployer(stack).start("p", "ours", {"n": 1, "pipeglot": {"cache": False}})
    assert (found.id, found.about) == ("r1", {"flow_run": "ours", "deployment": "d1"})
    assert found.logical_date is not None
    assert found.logical_date.isoformat() == "2026-11-22T06:00:00+00:00"
    assert server.asked[-1][2] == {
        "parameters": {"n": 1},
        "idempotency_key": "ours",
        "name": "ours",
        "labels": {"pipeglot.wishes": '{"cache": false}'},
    }


def test_parameters_that_it_refuses(server: Server, stack: PrefectStack) -> None:
    server.answers["POST /api/deployments/d1/create_flow_run"] = [(409, {"detail": "'x' is not of type 'integer'"})]
    with pytest.raises(EngineError, match="refuses the parameters: 'x' is not of type 'integer'"):
        PrefectDeployer(stack).start("p", "ours", {"n": "x"})


@pytest.mark.parametrize(
    ("params", "away"),
    [
        ({"n": 1, "text": "{{ x }}", "pipeglot": {"tags": {"a": "x" * 600_000}}}, []),
        ({"n": [{"a": {"__prefect_kind": "jinja", "template": "{{ 1 }}"}}], "text": "__prefect_kind"}, ["n"]),
        ({"a": "x" * 300_000, "b": "y" * 250_000, "c": "z"}, ["a"]),
        ({"a": "é" * 90_000, "b": {"__prefect_kind": None}}, ["b", "a"]),
    ],
)
def test_what_it_would_work_out_or_not_take(stack: PrefectStack, params: dict[str, Any], away: list[str]) -> None:
    assert PrefectDeployer(stack).uncarried(Pipeline(name="p"), params) == away


def test_no_deployment(server: Server, stack: PrefectStack) -> None:
    server.answers["GET /api/deployments/name/p/prod"] = [(404, {"detail": "Deployment not found"})]
    with pytest.raises(Away, match="the Prefect of stack `prod` has no deployment `p/prod`"):
        PrefectDeployer(stack).start("p", "ours", {})


def test_an_address_that_is_not_that_of_the_api(server: Server, stack: PrefectStack) -> None:
    with pytest.raises(EngineError) as caught:
        PrefectDeployer(structs.replace(stack, api_url=server.url)).is_live("p", "v1")
    assert str(caught.value) == (
        "the Prefect of stack `prod` has no `/`\n\n"
        "hint: Prefect's own address ends in `/api`, as `http://server:4200/api`; see `prefect config view`"
    )


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("SCHEDULED", "waiting"),
        ("PENDING", "waiting"),
        ("RUNNING", "running"),
        ("CANCELLING", "running"),
        ("PAUSED", "running"),
        ("COMPLETED", "succeeded"),
        ("FAILED", "failed"),
        ("CRASHED", "failed"),
        ("CANCELLED", "failed"),
    ],
)
def test_states(server: Server, stack: PrefectStack, state: str, told: str) -> None:
    server.answers["GET /api/flow_runs/r1"] = [(200, {"state_type": state})]
    assert PrefectDeployer(stack).status("p", "r1") == told


def test_a_run_that_is_gone(server: Server, stack: PrefectStack) -> None:
    server.answers["GET /api/flow_runs/r1"] = [(404, {"detail": "Flow run not found"})]
    assert PrefectDeployer(stack).status("p", "r1") == "gone"


def task(name: str, kind: str, state: str = "", tries: int = 1) -> dict[str, Any]:
    return {"id": f"id of {name}", "name": name, "state_type": kind, "state_name": state, "run_count": tries}


def test_tasks_by_their_states(server: Server, stack: PrefectStack) -> None:
    many = [task(f"b[{number}: x]", "RUNNING") for number in range(200)]
    last = [
        task("a", "SCHEDULED", "AwaitingRetry", 2),
        task("in.c[1.12: [odd]]", "FAILED"),
        task("d", "PENDING", "NotReady", 0),
        task("e", "COMPLETED", "Skipped"),
        task("f[0]", "COMPLETED", "Cached"),
    ]
    server.answers["POST /api/task_runs/filter"] = [(200, many), (200, last)]
    found = list(PrefectDeployer(stack).tasks("p", "r1"))
    assert found[7] == EngineTask("b", -1, "running", 1, item=(7,), id="id of b[7: x]")
    assert [(one.step, one.item, one.state) for one in found[200:]] == [
        ("a", (), "retrying"),
        ("in.c", (1, 12), "failed"),
        ("d", (), "skipped"),
        ("e", (), "skipped"),
        ("f", (0,), "succeeded"),
    ]
    server.answers["POST /api/task_runs/filter"] = [(200, last)]
    assert [one.step for one in PrefectDeployer(stack).tasks("p", "r1", ("retrying", "failed"))] == ["a", "in.c"]
    asked = server.asked[-1][2]
    assert asked["task_runs"] == {"state": {"type": {"any_": ["CANCELLED", "CRASHED", "FAILED", "SCHEDULED"]}}}


def test_the_log_of_a_task(server: Server, stack: PrefectStack) -> None:
    server.answers["POST /api/logs/filter"] = [(200, [{"message": "one"}, {"message": "two"}])]
    found = PrefectDeployer(stack).log("p", "r1", EngineTask("a", -1, "failed", 1, id="t1"))
    assert found == "one\ntwo\n"
    assert server.asked[0][2]["logs"] == {"task_run_id": {"any_": ["t1"]}}


@pytest.mark.parametrize(
    ("state", "sent"),
    [
        ("RUNNING", {"state": {"type": "CANCELLING"}, "force": False}),
        ("SCHEDULED", {"state": {"type": "CANCELLED"}, "force": False}),
        ("COMPLETED", {"state": {"type": "CANCELLED"}, "force": True}),
        ("CANCELLED", None),
    ],
)
def test_cancel(server: Server, stack: PrefectStack, state: str, sent: Any) -> None:
    server.answers["GET /api/flow_runs/r1"] = [(200, {"state_type": state, "state_name": state.title()})]
    server.answers["POST /api/flow_runs/r1/set_state"] = [(201, {})]
    PrefectDeployer(stack).cancel("p", "r1")
    assert [body for method, _, body, _ in server.asked if method == "POST"] == ([sent] if sent else [])


def test_where_a_person_looks(stack: PrefectStack) -> None:
    assert PrefectDeployer(stack).url("p", "r1") == f"{stack.api_url.removesuffix('/api')}/runs/flow-run/r1"
    cloud = "https://api.prefect.cloud/api/accounts/a1/workspaces/w1"
    found = PrefectDeployer(structs.replace(stack, api_url=cloud)).url("p", "r1")
    assert found == "https://app.prefect.cloud/account/a1/workspace/w1/runs/flow-run/r1"


def test_what_it_lacks(server: Server, stack: PrefectStack) -> None:
    server.default = (404, {"detail": "not there"})
    assert [(one.message, one.hint) for one in PrefectDeployer(stack).problems(SOURCE)] == [
        (
            "the Prefect of stack `prod` has no work pool `ml`",
            "`prefect work-pool create ml --type process` makes one",
        ),
        (
            "`a` runs in pool `gpu`, and the Prefect of stack `prod` has no limit for tasks with that tag",
            "`prefect concurrency-limit create gpu 1` makes one",
        ),
    ]
    (problem, _) = PrefectDeployer(structs.replace(stack, work_pool="")).problems(SOURCE)
    assert problem.message == "stack `prod` names no work pool, so nobody would take its runs"


def test_whether_it_is_what_the_stack_says(server: Server, stack: PrefectStack) -> None:
    server.answers["GET /api/admin/version"] = [(200, "3.9.1"), (200, "2.20.1")]
    server.answers["GET /api/deployments/name/p/prod"] = [(200, {**FOUND, "paused": True})]
    blocks = "GET /api/block_types/slug/secret/block_documents/name"
    server.answers[f"{blocks}/there"] = [(200, {})]
    server.answers[f"{blocks}/not"] = [(404, {"detail": "no such block"})]
    secrets = {"A": "prefect:there", "B": "prefect:not", "C": "env:C"}
    told = list(PrefectDeployer(structs.replace(stack, secrets=secrets)).checks([PIPELINE]))
    assert [(one.what, one.said, one.ok) for one in told] == [
        ("api", f"{stack.api_url} answers, and lets us in", True),
        ("version", "it is Prefect 3.9.1", True),
        ("secret A", "the secret block `there` is there", True),
        ("secret B", "the secret block `not` is not there", False),
        ("pipeline p", "it is paused: its schedule starts nothing", False),
    ]
    older = list(PrefectDeployer(stack).checks([]))[1]
    assert (older.ok, older.hint) == (False, "pipeglot knows Prefect 3")
