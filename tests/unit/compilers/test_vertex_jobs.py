"""Jobs and schedules on a Vertex AI that takes nothing but what its published definition has, from start to end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from urllib.request import Request, urlopen

import pytest
from msgspec import structs

from pipeglot.compilers import rest
from pipeglot.compilers.base import Source
from pipeglot.compilers.kfp.compiler import VertexCompiler
from pipeglot.compilers.kfp.stack import VertexStack
from pipeglot.compilers.kfp.vertex_deployer import VertexDeployer
from pipeglot.compilers.remote import Away, EngineTask
from pipeglot.core.errors import EngineError
from pipeglot.core.ir import Branch, Param, Pipeline, Retry, ScalarType, Schedule
from tests.servers.vertex import BILLING, LOCATION, NUMBER, PARENT, Vertex
from tests.servers.vertex_definition import Refused, check_answer, check_request, method
from tests.unit.compilers.kfp_specs import IMAGE
from tests.unit.lineage.build import above, item, mapped, out, step

SDK: list[dict[str, Any]] = json.loads((Path(__file__).parent / "vertex_request.json").read_text())["asked"]
PIPELINE = Pipeline(
    name="flights",
    doc="All flights.",
    params=(
        Param(name="year", type=ScalarType(name="int"), default=2013),
        Param(name="x", type=ScalarType(name="any"), default=None),
    ),
    nodes=(
        structs.replace(step("a"), retry=Retry(attempts=3)),
        mapped("m", out("a"), step("m", x=item("m"))),
        Branch(id="when", when=above("a", 1), then=(step("b", x=out("a")),)),
        step("last", x=out("m")),
    ),
)
DAILY = Schedule(cron="0 6 * * 1-5", timezone="Europe/Paris", start="2026-12-01T01:00:00", end="2027-12-01T00:00:00")
HOURLY = Schedule(cron="0 * * * *")
AT = f"/v1/{PARENT}"


@pytest.fixture
def vertex() -> Iterator[Vertex]:
    found = Vertex()
    yield found
    found.close()


@pytest.fixture
def stack(vertex: Vertex, monkeypatch: pytest.MonkeyPatch) -> VertexStack:
    monkeypatch.setenv("TOKEN", "secret")
    monkeypatch.setattr(rest, "PAUSES", (0.0, 0.0))
    return VertexStack(
        name="prod",
        store="gs://ml/prod",
        image=IMAGE,
        project="my-project",
        location=LOCATION,
        pipeline_root="gs://ml/root",
        service_account="runner@my-project.iam.gserviceaccount.com",
        network="projects/12345/global/networks/mine",
        labels={"team": "ml"},
        api_endpoint=vertex.url,
        auth={"token": "${TOKEN}"},
    )


def source(pipeline: Pipeline = PIPELINE, schedule: Schedule | None = None) -> Source:
    return Source(structs.replace(pipeline, schedule=schedule), "f.py:flights", "0" * 64, f"sha256:{'1' * 64}")


def register(stack: VertexStack, of: Source) -> VertexDeployer:
    found = VertexDeployer(stack)
    found.register(of, VertexCompiler().compile(of, stack))
    return found


@pytest.fixture
def deployer(stack: VertexStack) -> VertexDeployer:
    return register(stack, source())


def tasks(deployer: VertexDeployer, *states: str) -> dict[str, tuple[str, int]]:
    """Of each task its state, and its tries."""
    return {one.step: (one.state, one.attempt) for one in deployer.tasks("flights", "r", states)}


# --- jobs -------------------------------------------------------------------------------------------------------------


def test_a_job_from_start_to_end(vertex: Vertex, deployer: VertexDeployer) -> None:
    made = deployer.start("flights", "r", {"year": 2014, "x": [1], "pipeglot": {"cache": False}})
    assert made.about == {"job": f"{PARENT}/pipelineJobs/r"}
    assert made.logical_date is not None
    job = vertex.jobs["r"]
    assert job["runtimeConfig"]["parameterValues"] == {"year": 2014, "x": "[1]", "pipeglot": {"cache": False}}
    assert (job["displayName"], job["labels"]) == ("flights", {"team": "ml", BILLING: "1"})
    assert (deployer.status("flights", "r"), tasks(deployer)) == ("waiting", {})
    vertex.become("r", "RUNNING", {"a": "RUNNING"})
    assert (deployer.status("flights", "r"), tasks(deployer)) == ("running", {"a": ("running", 1)})
    vertex.become("r", "RUNNING", {"a": "1 PENDING"})
    assert tasks(deployer) == {"a": ("retrying", 1)}
    over = {"a": "1 SUCCEEDED", "m-items": "SUCCEEDED", "m-each": "RUNNING", "m": "RUNNING", "when-holds": "PENDING"}
    vertex.become("r", "RUNNING", over)
    assert tasks(deployer) == {
        "a": ("succeeded", 2),
        "m-items": ("succeeded", 1),
        "m": ("running", 1),
        "when-holds": ("waiting", 0),
    }
    assert tasks(deployer, "running") == {"m": ("running", 1)}
    skipped = {"a": "SUCCEEDED", "when-holds": "SUCCEEDED", "when": "SUCCEEDED", "when-then": "NOT_TRIGGERED"}
    vertex.become("r", "SUCCEEDED", {**skipped, "b": "NOT_TRIGGERED", "last": "SUCCEEDED"})
    assert deployer.status("flights", "r") == "succeeded"
    assert tasks(deployer)["b"] == ("skipped", 0)
    assert vertex.changes() == ["POST /pipelineJobs"]


def test_a_job_that_fails(vertex: Vertex, deployer: VertexDeployer) -> None:
    deployer.start("flights", "r", {})
    vertex.become("r", "FAILED", {"a": "2 FAILED", "when-holds": "NOT_TRIGGERED"}, "The DAG failed: [a].")
    assert deployer.status("flights", "r") == "failed"
    (failed,) = deployer.tasks("flights", "r", ("failed",))
    assert (failed.step, failed.attempt) == ("a", 3)
    assert deployer.log("flights", "r", failed).startswith("The DAG failed because some tasks failed.")
    deployer.cancel("flights", "r")
    assert vertex.changes() == ["POST /pipelineJobs"], "one that has ended stays as it is"


def test_a_task_by_the_name_that_people_read(vertex: Vertex, stack: VertexStack) -> None:
    """Google does not say which of its two names a task is told by."""
    found = register(stack, source(Pipeline(name="flights", nodes=(step("a.b_c"),))))
    found.start("flights", "r", {})
    vertex.become("r", "RUNNING", {"a-b-c": "RUNNING"})
    assert tasks(found) == {"a.b_c": ("running", 1)}
    vertex.jobs["r"]["jobDetail"]["taskDetails"][1]["taskName"] = "a.b_c"
    assert tasks(found) == {"a.b_c": ("running", 1)}


def test_a_job_that_is_cancelled(vertex: Vertex, deployer: VertexDeployer) -> None:
    deployer.start("flights", "r", {})
    vertex.become("r", "RUNNING", {"a": "RUNNING"})
    deployer.cancel("flights", "r")
    assert vertex.jobs["r"]["state"] == "PIPELINE_STATE_CANCELLING"
    assert deployer.status("flights", "r") == "running"
    vertex.become("r", "CANCELLING", {"a": "CANCELLING"})
    assert tasks(deployer) == {"a": ("running", 1)}
    vertex.become("r", "CANCELLED", {"a": "CANCELLED"})
    assert (deployer.status("flights", "r"), tasks(deployer)) == ("failed", {"a": ("failed", 1)})
    deployer.cancel("flights", "r")
    assert vertex.changes() == ["POST /pipelineJobs", "POST /pipelineJobs/r:cancel"]


@pytest.mark.parametrize("state", ["QUEUED", "PAUSED"])
def test_a_job_that_waits(vertex: Vertex, deployer: VertexDeployer, state: str) -> None:
    deployer.start("flights", "r", {})
    vertex.become("r", state)
    assert deployer.status("flights", "r") == "waiting"
    assert deployer.status("flights", "other") == "gone"


def test_a_job_whose_id_is_taken_is_the_one(vertex: Vertex, deployer: VertexDeployer) -> None:
    deployer.start("flights", "r", {})
    assert deployer.start("flights", "r", {}).id == "r"
    assert [one.status for one in vertex.asked if one.method == "POST"] == [200, 409]


def test_a_job_whose_answer_is_lost(vertex: Vertex, deployer: VertexDeployer) -> None:
    vertex.lost = 1
    assert deployer.start("flights", "r", {}).id == "r"
    assert vertex.changes() == ["POST /pipelineJobs"], "it is not started twice"


@pytest.mark.parametrize("status", [429, 503])
def test_one_that_is_too_busy_is_asked_again(vertex: Vertex, deployer: VertexDeployer, status: int) -> None:
    deployer.start("flights", "r", {})
    vertex.troubles = [(status, "0"), (status, "soon")]
    assert deployer.status("flights", "r") == "waiting"
    vertex.troubles = [(status, "0")] * 3
    with pytest.raises(Away, match=f"cannot answer now: {status} to `GET /pipelineJobs/r`: try later"):
        deployer.status("flights", "r")


def test_it_is_asked_again_when_it_says(
    vertex: Vertex, deployer: VertexDeployer, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("pipeglot.compilers.rest.time.sleep", slept.append)
    vertex.troubles = [(429, "7"), (503, "3600")]
    assert deployer.status("flights", "r") == "gone"
    assert slept == [7.0, 10.0]


def test_a_job_that_it_has_no_room_for_is_not_there(vertex: Vertex, deployer: VertexDeployer) -> None:
    vertex.troubles = [(429, "1")]
    with pytest.raises(Away, match="cannot answer now: 429 to `POST /pipelineJobs`: try later"):
        deployer.start("flights", "r", {})
    assert vertex.jobs == {}


def test_a_token_that_has_run_out(vertex: Vertex, stack: VertexStack, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("old\n")
    vertex.tokens = {"old"}
    found = register(structs.replace(stack, auth={"token_command": f"cat {tmp_path / 'token'}"}), source())
    found.start("flights", "r", {})
    vertex.tokens = {"new"}
    (tmp_path / "token").write_text("new\n")
    assert found.status("flights", "r") == "waiting"
    vertex.tokens = {"newer"}
    with pytest.raises(EngineError, match="does not know us: Request had invalid authentication credentials"):
        found.status("flights", "r")


def test_a_project_of_others(stack: VertexStack) -> None:
    with pytest.raises(EngineError) as caught:
        register(structs.replace(stack, project="theirs"), source())
    assert caught.value.message == (
        "the Vertex AI of stack `prod` does not let us `GET /schedules`: Permission denied on resource project theirs."
    )


def test_parameters_that_the_spec_does_not_have(vertex: Vertex, deployer: VertexDeployer) -> None:
    with pytest.raises(EngineError, match=r"refuses the job: Invalid pipeline spec: parameter yaer is none of the"):
        deployer.start("flights", "r", {"yaer": 1, "x": 1})
    assert vertex.jobs == {}


def test_names_that_are_too_long(vertex: Vertex, stack: VertexStack) -> None:
    long = [structs.replace(PIPELINE, name=f"{'f' * 199}{end}") for end in "12"]
    for one in long:
        found = register(stack, source(one, HOURLY))
        found.start(one.name, f"r{one.name[-1]}", {})
    assert len({one["displayName"] for one in vertex.schedules.values()}) == 2
    assert all(len(one["displayName"]) == 128 for one in (*vertex.jobs.values(), *vertex.schedules.values()))


# --- schedules --------------------------------------------------------------------------------------------------------


def test_a_schedule_from_start_to_end(vertex: Vertex, stack: VertexStack) -> None:
    found = register(stack, source(schedule=DAILY))
    (made,) = vertex.schedules.values()
    assert (made["cron"], made["state"]) == ("TZ=Europe/Paris 0 6 * * 1-5", "ACTIVE")
    assert (made["startTime"], made["endTime"]) == ("2026-12-01T00:00:00Z", "2027-11-30T23:00:00Z")
    assert not found.is_paused("flights")
    made["state"] = "PAUSED"
    register(stack, source(schedule=HOURLY))
    (changed,) = vertex.schedules.values()
    assert (changed["cron"], changed["state"]) == ("TZ=UTC 0 * * * *", "PAUSED")
    assert "endTime" not in changed
    assert found.is_paused("flights")
    register(stack, source())
    assert vertex.schedules == {}
    made_anew = ["POST /schedules", "POST /schedules/8:pause", "DELETE /schedules/7"]  # no end can be taken away
    assert vertex.changes() == ["POST /schedules", *made_anew, "DELETE /schedules/8"]


def test_a_schedule_that_can_be_changed_is(vertex: Vertex, stack: VertexStack) -> None:
    register(stack, source(schedule=HOURLY))
    register(stack, source(schedule=DAILY))
    (changed,) = vertex.schedules.values()
    assert changed["cron"] == "TZ=Europe/Paris 0 6 * * 1-5"
    assert vertex.changes() == ["POST /schedules", "PATCH /schedules/7"]


def test_a_schedule_that_is_over_is_made_anew(vertex: Vertex, stack: VertexStack) -> None:
    register(stack, source(schedule=DAILY))
    vertex.schedules["7"]["state"] = "COMPLETED"
    register(stack, source(schedule=HOURLY))
    assert {name: one["state"] for name, one in vertex.schedules.items()} == {"8": "ACTIVE"}


def test_many_schedules_come_in_pages(vertex: Vertex, stack: VertexStack) -> None:
    register(stack, source(schedule=DAILY))
    one = vertex.schedules["7"]
    for number in range(100, 350):
        vertex.schedules[str(number)] = {**one, "name": f"projects/{NUMBER}/locations/{LOCATION}/schedules/{number}"}
    vertex.schedules["8"] = {**one, "displayName": "flights of test"}
    vertex.asked.clear()
    register(stack, source(schedule=DAILY))
    assert [asked.query.get("pageToken") for asked in vertex.asked if asked.method == "GET"] == [None, "100", "200"]
    assert [*vertex.schedules] == ["7", "8"]


# --- the server itself ------------------------------------------------------------------------------------------------


def test_it_takes_what_the_sdk_asks(vertex: Vertex) -> None:
    """So it is no stricter than the real one."""
    for one in SDK:
        if ":pause" in one["path"] or ":resume" in one["path"]:  # which we never ask for
            continue
        place = urlsplit(one["path"])
        url = f"{vertex.url}{place.path}?{urlencode(dict(parse_qsl(place.query)))}"
        words = {"Authorization": "Bearer secret", "Content-Type": "application/json"}
        with urlopen(Request(url, json.dumps(one["body"]).encode(), words, method=one["method"])) as answer:
            assert answer.status == 200
    assert [*vertex.jobs, *vertex.schedules] == ["flights-1", "7"]


JOB = SDK[0]["body"]


def _job(**words: Any) -> dict[str, Any]:
    return {**JOB, **words}


def _schedule(**words: Any) -> dict[str, Any]:
    return {**SDK[2]["body"], **words}


@pytest.mark.parametrize(
    ("verb", "path", "body", "told"),
    [
        ("POST", "/pipelineJobs?pipelineJobId=r", _job(bogus=1), 'Unknown name "bogus"'),
        (
            "POST",
            "/pipelineJobs?pipelineJobId=r",
            _job(state="PIPELINE_STATE_FAILED"),
            "'state' is what only the server",
        ),
        ("POST", "/pipelineJobs?pipelineJobId=r", _job(displayName="x" * 129), "Invalid value at 'displayName'"),
        ("POST", "/pipelineJobs?pipelineJobId=r", _job(displayName=7), "Invalid value at 'displayName' (string), 7"),
        ("POST", "/pipelineJobs?pipelineJobId=r", _job(labels={"Team": "x"}), "Invalid label"),
        (
            "POST",
            "/pipelineJobs?pipelineJobId=r",
            _job(runtimeConfig={}),
            "'runtimeConfig.gcsOutputDirectory' is required",
        ),
        (
            "POST",
            "/pipelineJobs?pipelineJobId=r",
            _job(runtimeConfig={**JOB["runtimeConfig"], "failurePolicy": "slow"}),
            "Invalid value at 'runtimeConfig.failurePolicy'",
        ),
        (
            "POST",
            "/pipelineJobs?pipelineJobId=r",
            _job(runtimeConfig={**JOB["runtimeConfig"], "parameterValues": {"year": "x"}}),
            "parameter year is to be a NUMBER_INTEGER",
        ),
        (
            "POST",
            "/pipelineJobs?pipelineJobId=r",
            _job(pipelineSpec={**JOB["pipelineSpec"], "platforms": {}}),
            "Invalid pipeline spec",
        ),
        ("POST", "/pipelineJobs?pipelineJobId=R_1", JOB, "'R_1' is no id of a job"),
        ("POST", "/pipelineJobs?jobId=r", JOB, 'Unknown name "jobId": Cannot bind query parameter'),
        ("POST", "/schedules", _schedule(cron="TZ=Mars/Base 0 6 * * *"), "Invalid time zone: TZ=Mars/Base"),
        ("POST", "/schedules", _schedule(cron="0 0 6 * * *"), "Invalid cron"),
        ("POST", "/schedules", _schedule(maxConcurrentRunCount="0"), "'maxConcurrentRunCount' is to be at least 1"),
        ("POST", "/schedules", _schedule(displayName=""), "'displayName' is required"),
        ("POST", "/schedules", _schedule(endTime="2020-01-01T00:00:00Z"), "'endTime' is before 'startTime'"),
        ("POST", "/schedules", _schedule(startTime="2026-12-01"), "Invalid value at 'startTime' (google-datetime)"),
        ("PATCH", "/schedules/7", _schedule(), "is not found"),
        ("GET", "/pipelineJobs?pageSize=many", None, "Invalid value at 'page_size'"),
        ("GET", "/pipelines", None, "was not found on this server"),
    ],
)
def test_it_takes_nothing_else(vertex: Vertex, verb: str, path: str, body: Any, told: str) -> None:
    place = urlsplit(path)
    data = json.dumps(body).encode() if body is not None else b""
    words = {"Authorization": "Bearer secret", "Content-Type": "application/json"}
    with pytest.raises(Refused) as caught:
        vertex.answer(verb, f"{AT}{place.path}", dict(parse_qsl(place.query)), data, words)
    assert told in str(caught.value)


def test_its_own_answers_are_held_against_the_definition() -> None:
    asked = method("GET", f"{AT}/pipelineJobs/r")
    with pytest.raises(Refused, match='Unknown name "jobDetails"'):
        check_answer(asked, {"jobDetails": {}})
    with pytest.raises(Refused, match="there is a body"):
        check_request(asked, {})


def test_tasks_of_a_job_are_those_of_its_spec(vertex: Vertex, deployer: VertexDeployer) -> None:
    deployer.start("flights", "r", {})
    vertex.become("r", "RUNNING", {"a": "RUNNING", "when": "RUNNING"})
    assert list(deployer.tasks("flights", "r")) == [EngineTask("a", -1, "running", 1, id="1002/10020")]
