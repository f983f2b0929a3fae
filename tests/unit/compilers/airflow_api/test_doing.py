"""What is asked of Airflow's API, and what its answers become; the live one is in tests/conformance."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from msgspec import structs

from pipeglot.compilers.airflow.deployer import AirflowDeployer
from pipeglot.compilers.airflow.stack import AirflowStack
from pipeglot.compilers.base import Source
from pipeglot.compilers.remote import EngineTask
from pipeglot.core.errors import EngineError
from pipeglot.core.ir import Pipeline
from tests.servers.canned import Server
from tests.unit.lineage.build import step

SOURCE = Source(Pipeline(name="p", nodes=(structs.replace(step("a"), pool="gpu"),)), "p.py:p", "0" * 64)


def test_a_file_is_live_when_its_tag_is_there(server: Server, stack: AirflowStack) -> None:
    server.answers["GET /api/v2/importErrors"] = [(200, {"import_errors": [], "total_entries": 0})]
    tags = [{"name": "pipeglot:000000000000"}]
    server.answers["GET /api/v2/dags/p"] = [
        (404, {"detail": "not found"}),
        (200, {"tags": [{"name": "pipeglot:111111111111"}]}),
        (200, {"tags": tags}),
    ]
    deployer = AirflowDeployer(stack)
    assert [deployer.is_live("p", "000000000000") for _ in range(3)] == [False, False, True]


def _error(at: str) -> dict[str, Any]:
    broken = {"filename": "/dags/p.py", "stack_trace": "Traceback …\nSyntaxError: no\n", "timestamp": at}
    return {"import_errors": [broken], "total_entries": 1}


@pytest.mark.parametrize("before", [{"import_errors": [], "total_entries": 0}, _error("09:00")], ids=["good", "broken"])
def test_a_file_that_cannot_be_read_is_told(server: Server, stack: AirflowStack, before: Any) -> None:
    """Not an error that was there before: that may be of the file that was replaced just now."""
    server.answers["GET /api/v2/dags/p"] = [(404, {"detail": "not found"})]
    server.answers["GET /api/v2/importErrors"] = [(200, before), (200, before), (200, _error("10:00"))]
    deployer = AirflowDeployer(stack)
    assert [deployer.is_live("p", "000000000000") for _ in range(2)] == [False, False]
    with pytest.raises(EngineError) as caught:
        deployer.is_live("p", "000000000000")
    assert caught.value.message == ("the Airflow of stack `prod` cannot read `p.py`:\n\nTraceback …\nSyntaxError: no")


@pytest.mark.parametrize(
    ("folder", "file", "ours"),
    [
        ("/mnt/team/dags", "p.py", True),
        ("/mnt/team/dags", "dags/p.py", True),
        ("/mnt/team/dags", "other/dags/p.py", False),
        ("/mnt/team/dags", "/opt/airflow/dags/p.py", True),
        ("/mnt/team/dags", "/opt/airflow/other/p.py", False),
        ("s3://b/dags", "/usr/local/airflow/dags/p.py", True),
        ("/mnt/team/dags", "top.py", False),
        ("", "/opt/airflow/other/p.py", True),
    ],
)
def test_another_team_may_have_a_broken_file_of_that_name(
    server: Server, stack: AirflowStack, folder: str, file: str, ours: bool
) -> None:
    server.answers["GET /api/v2/dags/p"] = [(404, {"detail": "not found"})]
    broken = {"filename": file, "stack_trace": "SyntaxError: no\n", "timestamp": "10:00"}
    none, one = {"import_errors": [], "total_entries": 0}, {"import_errors": [broken], "total_entries": 1}
    server.answers["GET /api/v2/importErrors"] = [(200, none), (200, one)]
    deployer = AirflowDeployer(structs.replace(stack, dags_folder=folder))
    assert not deployer.is_live("p", "0")
    if ours:
        with pytest.raises(EngineError, match=r"cannot read `p\.py`"):
            deployer.is_live("p", "0")
    else:
        assert not deployer.is_live("p", "0")


def test_a_run_is_started_under_our_id(server: Server, stack: AirflowStack) -> None:
    server.answers["GET /api/v2/dags/p"] = [(200, {"is_paused": True})]
    server.answers["PATCH /api/v2/dags/p"] = [(200, {})]
    made = {"logical_date": None, "run_after": "2026-11-22T01:02:03Z", "run_type": "manual"}
    server.answers["POST /api/v2/dags/p/dagRuns"] = [(200, made)]
    found = AirflowDeployer(stack).start("p", "ours", {"n": 1})
    assert [(method, body) for method, _, body, _ in server.asked[2:]] == [
        ("PATCH", {"is_paused": False}),
        ("POST", {"dag_run_id": "ours", "conf": {"n": 1}, "logical_date": None}),
    ]
    assert (found.id, found.logical_date) == ("ours", dt.datetime(2026, 11, 22, 1, 2, 3, tzinfo=dt.UTC))
    assert found.about == {"dag": "p", "type": "manual"}


def test_a_run_whose_start_was_heard_and_not_answered_is_not_started_again(server: Server, stack: AirflowStack) -> None:
    server.answers["GET /api/v2/dags/p"] = [(200, {"is_paused": False})]
    server.answers["POST /api/v2/dags/p/dagRuns"] = [(503, "busy"), (409, {"detail": "it is there"})]
    server.answers["GET /api/v2/dags/p/dagRuns/ours"] = [(200, {"run_after": "2026-11-22T01:02:03Z"})]
    assert AirflowDeployer(stack).start("p", "ours", {}).id == "ours"


def test_parameters_that_it_refuses(server: Server, stack: AirflowStack) -> None:
    server.answers["GET /api/v2/dags/p"] = [(200, {"is_paused": False})]
    server.answers["POST /api/v2/dags/p/dagRuns"] = [(400, {"detail": "'x' is not of type 'integer'"})]
    with pytest.raises(EngineError, match="refuses the parameters: 'x' is not of type 'integer'"):
        AirflowDeployer(stack).start("p", "ours", {"n": "x"})


def test_pools_that_it_lacks(server: Server, stack: AirflowStack) -> None:
    server.answers["GET /api/v2/pools"] = [(200, {"pools": [{"name": "default_pool"}], "total_entries": 1})]
    (problem,) = AirflowDeployer(stack).problems(SOURCE)
    assert problem.message == "`a` runs in pool `gpu`, which the Airflow of stack `prod` does not have"
    assert "`airflow pools set gpu 1 ''` makes it" in problem.hint


@pytest.mark.parametrize(
    ("state", "told"), [("queued", "waiting"), ("running", "running"), ("success", "succeeded"), ("failed", "failed")]
)
def test_states(server: Server, stack: AirflowStack, state: str, told: str) -> None:
    server.answers["GET /api/v2/dags/p/dagRuns/a%2Fb"] = [(200, {"state": state})]
    assert AirflowDeployer(stack).status("p", "a/b") == told


def test_a_run_that_is_gone(server: Server, stack: AirflowStack) -> None:
    server.answers["GET /api/v2/dags/p/dagRuns/r"] = [(404, {"detail": "The DagRun was not found"})]
    assert AirflowDeployer(stack).status("p", "r") == "gone"


def test_a_file_that_changes_is_read_at_once_where_that_can_be_asked(server: Server, stack: AirflowStack) -> None:
    server.answers["GET /api/v2/importErrors"] = [(200, {"import_errors": [], "total_entries": 0})]
    server.answers["GET /api/v2/dags/p"] = [(200, {"tags": [], "file_token": "a/b"})]
    server.answers["PUT /api/v2/parseDagFile/a%2Fb"] = [(403, {"detail": "not you"})]
    deployer = AirflowDeployer(stack)
    assert [deployer.is_live("p", "000000000000") for _ in range(3)] == [False] * 3
    assert [method for method, *_ in server.asked].count("PUT") == 1, "it is asked once, and then waited for"


def test_tasks_by_their_states(server: Server, stack: AirflowStack) -> None:
    found = [
        {"task_id": "a", "map_index": -1, "state": "up_for_retry", "try_number": 1},
        {"task_id": "b", "map_index": 3, "state": None, "try_number": 0},
    ]
    server.answers["GET /api/v2/dags/p/dagRuns/r/taskInstances"] = [
        (200, {"task_instances": found, "total_entries": 2})
    ]
    many = (200, {"task_instances": [], "total_entries": 7})
    server.answers["GET /api/v2/dags/p/dagRuns/r/taskInstances/b/listMapped"] = [many]
    assert list(AirflowDeployer(stack).tasks("p", "r", ("running", "retrying"))) == [
        EngineTask("a", -1, "retrying", 1),
        EngineTask("b", 3, "waiting", 0, among=7),
    ]
    assert server.asked[1][1].endswith("?limit=100&offset=0&state=running&state=deferred&state=up_for_retry")


LOG = [
    {"timestamp": None, "event": "::group::Log message source details"},
    {"timestamp": None, "event": "/logs/a.log"},
    {"timestamp": None, "event": "::endgroup::"},
    {"event": "::group::Pre Execute", "level": "info", "logger": "task"},
    {"event": "Filling up the DagBag", "level": "info", "logger": "airflow"},
    {"event": "the file is odd", "level": "warning", "logger": "airflow"},
    {"event": "::endgroup::", "level": "info", "logger": "task"},
    {"event": "printed", "level": "error", "logger": "task.stderr"},
    {
        "event": "Task failed with exception",
        "level": "error",
        "logger": "task",
        "error_detail": [
            {
                "exc_type": "ModuleNotFoundError",
                "exc_value": "No module named 'pipeglot'",
                "frames": [{"filename": "/dags/p.py", "lineno": 3, "name": "run"}],
            }
        ],
    },
]


def test_logs_of_airflow_3_are_read_line_by_line(server: Server, stack: AirflowStack) -> None:
    text = "\n".join(map(json.dumps, LOG)) + "\nno json\n"
    server.answers["GET /api/v2/dags/p/dagRuns/r/taskInstances/a/logs/2"] = [(200, text)]
    assert AirflowDeployer(stack).log("p", "r", EngineTask("a", 3, "failed", 2)).splitlines() == [
        "WARNING: the file is odd",
        "printed",
        "ERROR: Task failed with exception",
        '  File "/dags/p.py", line 3, in run',
        "ModuleNotFoundError: No module named 'pipeglot'",
        "no json",
    ]
    assert server.asked[-1][1].endswith("?map_index=3&full_content=true")


V1_LOG = """\
host
 INFO - ::group::Log message source details
*** Found local files:
 INFO - ::endgroup::
[2026-11-22T01:30:26.432+0000] {local_task_job_runner.py:123} INFO - ::group::Pre task execution logs
[2026-11-22T01:30:26.498+0000] {taskinstance.py:2632} INFO - Dependencies all met
[2026-11-22T01:30:26.499+0000] {taskinstance.py:2632} WARNING - the file is odd
[2026-11-22T01:30:27.631+0000] {taskinstance.py:740} INFO - ::endgroup::
[2026-11-22T01:30:27.700+0000] {logging_mixin.py:190} INFO - printed
[2026-11-22T01:30:27.901+0000] {taskinstance.py:3337} ERROR - Task failed with exception
Traceback (most recent call last):
ModuleNotFoundError: No module named 'pipeglot'
[2026-11-22T01:30:28.125+0000] {taskinstance.py:349} INFO - ::group::Post task execution logs
[2026-11-22T01:30:28.126+0000] {standard_task_runner.py:124} ERROR - Failed to execute job 14
Traceback (most recent call last):
[2026-11-22T01:30:28.166+0000] {local_task_job_runner.py:266} INFO - Task exited with return code -9
[2026-11-22T01:30:28.289+0000] {local_task_job_runner.py:245} INFO - ::endgroup::
"""


def test_logs_of_airflow_2_are_text(server: Server, stack: AirflowStack) -> None:
    server.answers["GET /api/v1/dags/p/dagRuns/r/taskInstances/a/logs/1"] = [(200, V1_LOG)]
    found = AirflowDeployer(structs.replace(stack, version=2)).log("p", "r", EngineTask("a", -1, "failed", 1))
    assert found.splitlines() == [
        "WARNING: the file is odd",
        "printed",
        "ERROR: Task failed with exception",
        "Traceback (most recent call last):",
        "ModuleNotFoundError: No module named 'pipeglot'",
        "Task exited with return code -9",
    ]


def test_a_log_that_is_gone_says_where_it_was(server: Server, stack: AirflowStack) -> None:
    server.answers["GET /api/v2/dags/p/dagRuns/r/taskInstances/a/logs/1"] = [(200, "\n".join(map(json.dumps, LOG[:3])))]
    assert AirflowDeployer(stack).log("p", "r", EngineTask("a", -1, "failed", 1)) == "/logs/a.log\n"


# --- stack check ------------------------------------------------------------------------------------------------------


def test_what_secrets_name_in_airflow_is_looked_for(server: Server, stack: AirflowStack) -> None:
    server.answers |= {
        "GET /api/v2/dags": [(200, {})],
        "GET /api/v2/version": [(200, {"version": "3.0.1"})],
        "GET /api/v2/variables/A": [(200, {"key": "A"})],
        "GET /api/v2/variables/B": [(404, {"detail": "not found"})],
        "GET /api/v2/connections/c%2Fd": [(403, {"detail": "not you"})],
        "GET /api/v2/connections/e": [(404, {"detail": "not found"})],
    }
    secrets = {"A": "airflow:A", "B": "airflow:B", "C": "airflow:conn/c/d", "E": "airflow:conn/e", "F": "env:F"}
    found = {one.what: one for one in AirflowDeployer(structs.replace(stack, secrets=secrets)).checks(())}
    assert [(one.what, one.ok, one.said) for one in found.values() if one.what.startswith("secret")] == [
        ("secret A", True, "the variable `A` is there"),
        ("secret B", False, "the variable `B` is not there"),
        ("secret C", False, "the Airflow of stack `prod` does not let us `GET /connections/c%2Fd`: not you"),
        ("secret E", False, "the connection `e` is not there"),
    ]
    assert found["secret B"].hint == "`airflow variables set B …` makes it"
    assert found["secret E"].hint == "`airflow connections add e …` makes it"


@pytest.mark.parametrize("status", [200, 404])
def test_the_connection_to_a_cluster_is_looked_for(server: Server, stack: AirflowStack, status: int) -> None:
    server.answers |= {
        "GET /api/v2/dags": [(200, {})],
        "GET /api/v2/version": [(200, {"version": "3.0.1"})],
        "GET /api/v2/connections/far": [(status, {})],
    }
    found = {one.what: one for one in AirflowDeployer(structs.replace(stack, kubernetes_conn_id="far")).checks(())}
    assert found["kubernetes_conn_id"].ok == (status == 200)
    assert found["kubernetes_conn_id"].hint == ("" if status == 200 else "`airflow connections add far …` makes it")


def test_a_run_that_is_gone_needs_no_end(server: Server, stack: AirflowStack) -> None:
    server.answers["GET /api/v2/dags/p/dagRuns/r"] = [(404, {"detail": "not found"})]
    AirflowDeployer(stack).cancel("p", "r")
    assert "PATCH" not in [method for method, *_ in server.asked]


@pytest.mark.parametrize(
    ("params", "away"),
    [
        ({"a": "x" * 119_000, "b": "{{ ds }}"}, []),
        ({"a": "x" * 70_000, "b": "y" * 60_000, "pipeglot": {}}, ["a"]),
        ({"a": "é" * 20_000, "b": "$" * 10_000}, ["a"]),
    ],
)
def test_a_pod_is_told_all_in_one_argument(stack: AirflowStack, params: dict[str, Any], away: list[str]) -> None:
    pods = AirflowDeployer(structs.replace(stack, run="pod"))
    assert pods.uncarried(Pipeline(name="p"), params) == away
    assert AirflowDeployer(stack).uncarried(Pipeline(name="p"), params) == ()
