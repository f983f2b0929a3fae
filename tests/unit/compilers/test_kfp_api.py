"""What is asked of KFP's API, and what its answers become: by a server that refuses what the API does not have.

It is the sandbox's own, which holds every request against the published definition, and here its answers too. It starts
nothing: a test says what becomes of runs.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from pipeglot.compilers.base import File, Source
from pipeglot.compilers.kfp.deployer import KfpDeployer
from pipeglot.compilers.kfp.local.api import Api
from pipeglot.compilers.kfp.local.fields import Refused, check
from pipeglot.compilers.kfp.local.server import Server
from pipeglot.compilers.kfp.stack import KfpStack
from pipeglot.compilers.remote import Away, EngineTask
from pipeglot.core.errors import EngineError
from pipeglot.core.ir import Pipeline, Schedule
from tests.servers import canned
from tests.unit.lineage.build import step

PIPELINE = Pipeline(name="flights", doc="All flights.", nodes=(step("a"),))
DAILY = structs.replace(PIPELINE, schedule=Schedule(cron="0 6 * * *"))
PARAMETERS = {
    "year": {"parameterType": "NUMBER_INTEGER", "defaultValue": 2013},
    "names": {"parameterType": "LIST", "isOptional": True},
    "day": {"parameterType": "STRING", "isOptional": True},
    "pipeglot": {"parameterType": "STRUCT", "defaultValue": {}},
}
TASKS = {"a": {"componentRef": {"name": "comp-a"}, "taskInfo": {"name": "a"}}}
LOOPED = {"in-b": {"componentRef": {"name": "comp-b"}, "taskInfo": {"name": "in.b"}}}
SPEC = {
    "pipelineInfo": {"name": "flights"},
    "schemaVersion": "2.1.0",
    "root": {
        "inputDefinitions": {"parameters": PARAMETERS},
        "dag": {"tasks": {**TASKS, "loop": {"componentRef": {"name": "comp-loop"}}}},
    },
    "deploymentSpec": {"executors": {"a": {"container": {"args": ["step", "a", "--json=day,night"]}}, "b": {}}},
    "components": {
        "comp-a": {"executorLabel": "a"},
        "comp-b": {"executorLabel": "b"},
        "comp-loop": {"dag": {"tasks": LOOPED}},
    },
}


class Fake:
    """A KFP that answers at `url`; `asked` has the method, path and body of what changed something."""

    def __init__(self, folder: Path) -> None:
        self.api = Api(folder, 0)
        self.http = Server(0, self.api, "secret")
        self.asked: list[tuple[str, str]] = []
        real = self.api.find

        def find(method: str, path: str) -> Any:
            if method != "GET":
                self.asked.append((method, path.removeprefix("/apis/v2beta1")))
            route, words = real(method, path)

            def answer(*asked: Any) -> Any:
                found = route(*asked)
                model = _model_of(method, path.removeprefix("/apis/v2beta1/"))
                if model:
                    check(model, found)
                else:
                    assert found in ({}, None) or isinstance(found, bytes)
                return found

            return answer, words

        self.api.find = find  # type: ignore[method-assign]  # it notes what was asked
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}"

    def become(self, run: str, state: str) -> None:
        self.api.runs._set(self.api.runs.kept.get(run), state)

    @property
    def schedules(self) -> list[dict[str, Any]]:
        return list(self.api.schedules.records.values())


_MODELS = {
    "experiments": "Experiment",
    "pipelines": "Pipeline",
    "versions": "PipelineVersion",
    "runs": "Run",
    "recurringruns": "RecurringRun",
}


def _model_of(method: str, path: str) -> str:
    """The published message that such a request is answered with; none if it has nothing to tell."""
    if path == "healthz":
        return "V2beta1GetHealthzResponse"
    if method == "DELETE" or ":" in path or path.endswith("/log"):
        return ""
    if path.startswith("pipelines/upload"):
        return "V2beta1PipelineVersion" if path.endswith("_version") else "V2beta1Pipeline"
    words = path.split("/")
    is_list = method == "GET" and len(words) % 2
    name = _MODELS[words[-1 if len(words) % 2 else -2]]
    return f"V2beta1List{name}sResponse" if is_list else f"V2beta1{name}"


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Fake]:
    found = Fake(tmp_path / "kfp")
    yield found
    found.http.shutdown()
    found.http.server_close()


@pytest.fixture
def stack(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> KfpStack:
    monkeypatch.setenv("KEY", "secret")
    return KfpStack(name="prod", store="s3://ml/prod", api_url=fake.url, auth={"token": "${KEY}"})


def files(version: str) -> tuple[File, ...]:
    return (File("flights.yaml", f"# {version}\n{json.dumps(SPEC)}\n", version),)


def source(pipeline: Pipeline = PIPELINE) -> Source:
    return Source(pipeline, "flights.py:flights", "0" * 64)


@pytest.fixture
def deployer(stack: KfpStack) -> KfpDeployer:
    found = KfpDeployer(stack)
    found.register(source(), files("v1"))
    return found


def test_a_pipeline_and_a_version_of_each_text(fake: Fake, stack: KfpStack) -> None:
    deployer = KfpDeployer(stack)
    assert not deployer.is_live("flights", "v1")
    deployer.register(source(), files("v1"))
    assert deployer.is_live("flights", "v1")
    (made,) = fake.api.pipelines.records.values()
    assert (made["name"], made["description"]) == ("flights-prod", "All flights.")
    assert fake.asked == [("POST", "/pipelines"), ("POST", "/pipelines/upload_version")]
    fake.asked.clear()
    KfpDeployer(stack).register(source(), files("v1"))
    assert fake.asked == []
    deployer.register(source(), files("v2"))
    assert (deployer.is_live("flights", "v1"), deployer.is_live("flights", "v2")) == (False, True)


def test_back_to_a_text_that_was_there_before(fake: Fake, deployer: KfpDeployer) -> None:
    for version in ("v2", "v1", "v2", "v2"):
        deployer.register(source(), files(version))
        assert deployer.is_live("flights", version)
    names = [one["display_name"] for one in fake.api.versions.records.values()]
    assert sorted(names) == ["v1", "v1-2", "v2", "v2-2"]


@pytest.mark.parametrize(
    ("pipeline", "name"),
    [("a_b", "a-b-prod"), ("Flights", "flights-prod-"), ("x" * 120, "x" * 90 + "-")],
)
def test_names_that_kubernetes_takes(fake: Fake, stack: KfpStack, pipeline: str, name: str) -> None:
    KfpDeployer(stack).register(source(structs.replace(PIPELINE, name=pipeline)), files("v1"))
    (made,) = fake.api.pipelines.records.values()
    assert made["name"].startswith(name)


def test_a_run(fake: Fake, stack: KfpStack) -> None:
    own = structs.replace(stack, experiment="mine", service_account="runner", pipeline_root="s3://ml/root")
    deployer = KfpDeployer(own)
    deployer.register(source(), files("v1"))
    params = {"year": 2014, "names": None, "day": None, "pipeglot": {"cache": False}}
    found = deployer.start("flights", "ours", params)
    run = fake.api.runs.kept.get(found.id)
    assert run["runtime_config"] == {
        "parameters": {"year": 2014, "day": "null", "pipeglot": {"cache": False}},
        "pipeline_root": "s3://ml/root",
    }
    assert (run["display_name"], run["service_account"]) == ("ours", "runner")
    assert fake.api.experiments.get(run["experiment_id"])["display_name"] == "mine"
    assert found.about == {"name": "ours", "pipeline": "flights-prod"}
    assert found.logical_date is not None
    assert found.logical_date.isoformat() == run["created_at"].replace("Z", "+00:00")
    assert deployer.url("flights", found.id) == f"{fake.url}/#/runs/details/{found.id}"


def test_many_versions_come_in_pages(fake: Fake, stack: KfpStack, deployer: KfpDeployer) -> None:
    (pipeline,) = fake.api.pipelines.records.values()
    for number in range(2, 252):
        fake.api._add_version(pipeline, f"v1-{number}", f"v1-{number}", SPEC)
    deployer.register(source(), files("v2"))
    deployer.register(source(), files("v1"))
    assert max(fake.api.versions.records.values(), key=lambda one: str(one["created_at"]))["name"] == "v1-252"


@pytest.mark.parametrize("status", [HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE])
def test_one_that_is_too_busy_is_asked_again(
    fake: Fake, deployer: KfpDeployer, status: HTTPStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("pipeglot.compilers.rest.time.sleep", slept.append)
    real, troubles = fake.api.runs.kept.get, [status, status]

    def busy(run: str) -> Any:
        if troubles:
            raise Refused("try later", troubles.pop())
        return real(run)

    run = deployer.start("flights", "ours", {}).id
    monkeypatch.setattr(fake.api.runs.kept, "get", busy)
    assert deployer.status("flights", run) == "waiting"
    assert slept == [1.0, 3.0]


def test_it_is_started_once_if_the_answer_is_lost(
    fake: Fake, deployer: KfpDeployer, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = deployer.api.request

    def lost(method: str, path: str, *words: Any) -> Any:
        found = real(method, path, *words)
        if method == "POST" and path.endswith("/runs"):
            raise Away("the answer is lost")
        return found

    monkeypatch.setattr(deployer.api, "request", lost)
    found = deployer.start("flights", "ours", {})
    assert [one["run_id"] for one in fake.api.runs.kept.records.values()] == [found.id]


def test_a_request_that_did_not_get_there(deployer: KfpDeployer, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    busy = Refused("busy", HTTPStatus.SERVICE_UNAVAILABLE)
    monkeypatch.setattr(fake.api, "_add_run", lambda _: (_ for _ in ()).throw(busy))
    with pytest.raises(Away, match="cannot answer now: 503"):
        deployer.start("flights", "ours", {})


def test_parameters_that_it_refuses(deployer: KfpDeployer) -> None:
    with pytest.raises(EngineError, match="refuses the run: parameter year is to be a NUMBER_INTEGER"):
        deployer.start("flights", "ours", {"year": "x"})


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("PENDING", "waiting"),
        ("RUNNING", "running"),
        ("CANCELING", "running"),
        ("PAUSED", "waiting"),
        ("SUCCEEDED", "succeeded"),
        ("FAILED", "failed"),
        ("CANCELED", "failed"),
    ],
)
def test_states(fake: Fake, deployer: KfpDeployer, state: str, told: str) -> None:
    run = deployer.start("flights", "ours", {}).id
    fake.become(run, state)
    assert deployer.status("flights", run) == told


def test_a_run_that_is_gone(deployer: KfpDeployer) -> None:
    assert deployer.status("flights", "none") == "gone"


def test_cancel(fake: Fake, deployer: KfpDeployer) -> None:
    run = deployer.start("flights", "ours", {}).id
    deployer.cancel("flights", run)
    assert deployer.status("flights", run) == "failed"
    deployer.cancel("flights", run)
    assert [path for _, path in fake.asked if "terminate" in path] == [f"/runs/{run}:terminate"]


def test_tasks_are_the_nodes_of_containers(fake: Fake, deployer: KfpDeployer) -> None:
    run = deployer.start("flights", "ours", {}).id
    nodes = [
        ("1", "", "a-driver", "SUCCEEDED"),
        ("2", "", "a", "RUNNING"),
        ("3", "2", "executor(0)", "FAILED"),
        ("4", "", "loop", "RUNNING"),
        ("5", "4", "iteration-iterations(3:3)", "RUNNING"),
        ("6", "5", "in-b", "SUCCEEDED"),
        ("7", "6", "executor", "SUCCEEDED"),
        ("8", "5", "iteration-iterations(0:0)", "RUNNING"),
        ("9", "8", "in-b", "RUNNING"),
        ("10", "9", "executor(0)", "FAILED"),
        ("11", "9", "executor(1)", "RUNNING"),
    ]
    at = "2026-11-22T06:00:{:0>2}Z"
    lines = [{"node": n, "parent": p, "name": name, "state": state, "at": at.format(n)} for n, p, name, state in nodes]
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    (fake.api.runs.folder / run / "tasks.jsonl").write_text(f'{text}{{"node": "1')
    (fake.api.runs.folder / run / "3.log").write_text("boom\n")
    assert list(deployer.tasks("flights", run)) == [
        EngineTask("a", -1, "retrying", 1, id="3"),
        EngineTask("in.b", 3, "succeeded", 1, among=100, id="7"),
        EngineTask("in.b", -1, "running", 2, item=(3, 0), id="11"),
    ]
    (retrying,) = deployer.tasks("flights", run, ("retrying", "failed"))
    assert deployer.log("flights", run, retrying) == "boom\n"
    assert deployer.log("flights", run, retrying._replace(id="gone")) == ""


def test_a_schedule_follows_the_pipeline(fake: Fake, stack: KfpStack) -> None:
    deployer = KfpDeployer(stack)
    deployer.register(source(DAILY), files("v1"))
    (made,) = fake.schedules
    assert made["trigger"] == {"cron_schedule": {"cron": "0 0 6 * * *"}}
    assert (made["mode"], made["no_catchup"], made["max_concurrency"]) == ("ENABLE", True, "10")
    assert made["display_name"] == "flights-prod"
    deployer.register(source(DAILY), files("v1"))
    assert fake.schedules == [made]
    hourly = Schedule(interval=3600.0, timezone="Europe/Paris", start="2026-07-01T00:00:00", catchup=True)
    deployer.register(source(structs.replace(PIPELINE, schedule=hourly)), files("v2"))
    (other,) = fake.schedules
    assert other["recurring_run_id"] != made["recurring_run_id"]
    assert other["trigger"] == {"periodic_schedule": {"start_time": "2026-06-30T22:00:00Z", "interval_second": "3600"}}
    assert other["no_catchup"] is False
    deployer.register(source(), files("v3"))
    assert fake.schedules == []


def test_a_schedule_that_is_disabled_stays_so(fake: Fake, stack: KfpStack) -> None:
    deployer = KfpDeployer(stack)
    deployer.register(source(DAILY), files("v1"))
    assert not deployer.is_paused("flights")
    fake.api._switch(fake.schedules[0]["recurring_run_id"], "DISABLE")
    deployer.register(source(DAILY), files("v2"))
    assert [one["mode"] for one in fake.schedules] == ["DISABLE"]
    assert deployer.is_paused("flights")
    told = [(one.what, one.said, one.ok) for one in deployer.checks([DAILY])]
    assert told == [
        ("api", f"{fake.url} answers, and lets us in", True),
        ("experiment", "`Default` is there", True),
        ("pipeline flights", "its schedule is disabled, and starts nothing", False),
    ]


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        (Schedule(cron="0 6 * * *", timezone="Europe/Paris"), "KFP's schedules are in UTC, and this one is in"),
        (
            Schedule(interval=0.5, start="2026-01-01T00:00:00"),
            "KFP's intervals are whole seconds, and this one is 0.5 s",
        ),
        (Schedule(assets=("s3://x",)), "KFP starts no runs by assets"),
    ],
)
def test_schedules_that_it_cannot_have(fake: Fake, stack: KfpStack, schedule: Schedule, told: str) -> None:
    asked = source(structs.replace(PIPELINE, schedule=schedule))
    (problem,) = KfpDeployer(stack).problems(asked)
    assert problem.message.startswith(told)
    with pytest.raises(EngineError, match=told):
        KfpDeployer(stack).register(asked, files("v1"))
    assert fake.asked == []


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ({}, "-"),
        ({"token": "${KEY}"}, "Bearer one"),
        ({"token_file": "key"}, "Bearer two"),
        ({"user": "admin", "password": "${KEY}"}, "Basic YWRtaW46b25l"),
        ({"token_command": "echo three"}, "Bearer three"),
    ],
    ids=str,
)
def test_who_we_are(auth: dict[str, str], header: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server = canned.Server()
    server.answers["GET /apis/v2beta1/runs/r1"] = [(200, {"state": "RUNNING"})]
    monkeypatch.setenv("KEY", "one")
    (tmp_path / "key").write_text("two\n")
    auth = {name: str(tmp_path / value) if name == "token_file" else value for name, value in auth.items()}
    stack = KfpStack(name="prod", store="s3://ml/prod", api_url=server.url, auth=auth)
    assert KfpDeployer(stack).status("p", "r1") == "running"
    assert server.asked[0][3] == header
    server.close()


def test_a_stranger_is_told_so(stack: KfpStack) -> None:
    with pytest.raises(EngineError, match="the KFP of stack `prod` does not know us: who are you"):
        KfpDeployer(structs.replace(stack, auth={})).status("flights", "r1")


def test_an_address_that_is_another_ones(stack: KfpStack) -> None:
    with pytest.raises(EngineError) as caught:
        KfpDeployer(structs.replace(stack, api_url=f"{stack.api_url}/elsewhere")).status("flights", "r1")
    assert str(caught.value) == (
        "the KFP of stack `prod` has no `/elsewhere`\n\n"
        "hint: pipeglot needs KFP 2, whose API is at `/apis/v2beta1` below `api_url`,"
        " as `http://ml-pipeline.kubeflow:8888/apis/v2beta1/healthz`"
    )


def test_where_there_are_many_namespaces(stack: KfpStack) -> None:
    server = canned.Server()
    server.answers["GET /apis/v2beta1/healthz"] = [(200, {"multi_user": True})]
    server.answers["GET /apis/v2beta1/pipelines"] = [(200, {"pipelines": []})]
    own = structs.replace(stack, api_url=server.url, namespace="team")
    assert not KfpDeployer(own).is_live("flights", "v1")
    assert server.asked[-1][1].endswith("&namespace=team")
    server.close()
