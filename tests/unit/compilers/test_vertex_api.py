"""What is asked of Vertex AI's API: the same that Google's own SDK asks, and what the answers become.

`vertex_request.json` is what the SDK has asked a server of ours; `requirements/engines/vertex_request.py` makes it.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from msgspec import structs

from pipeglot.compilers.base import File, Source
from pipeglot.compilers.kfp.stack import VertexStack
from pipeglot.compilers.kfp.vertex_deployer import VertexDeployer
from pipeglot.compilers.remote import Away, EngineTask
from pipeglot.core.clouds import google
from pipeglot.core.errors import ConfigError, EngineError
from pipeglot.core.ir import Pipeline, Schedule
from tests.servers.canned import Server
from tests.unit.lineage.build import step

SDK: list[dict[str, Any]] = json.loads((Path(__file__).parent / "vertex_request.json").read_text())["asked"]
AT = "/v1/projects/my-project/locations/europe-west4"
SPEC = SDK[0]["body"]["pipelineSpec"]
VALUES = {"year": 2014, "bar": 0.5, "names": ["x", "y"], "pipeglot": {"cache": False}}
FILES = (File("flights.yaml", json.dumps(SPEC), "v1"), File("flights.pipeglot.json", "{}"))
PIPELINE = Pipeline(name="flights", nodes=(step("a"),))
DAILY = Schedule(
    cron="0 6 * * *", timezone="Europe/Paris", start="2026-12-01T01:00:00", end="2027-12-01T00:00:00+00:00"
)
MADE = {"name": "projects/1/locations/europe-west4/pipelineJobs/x", "createTime": "2026-11-22T06:00:00.123456Z"}


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    found.default = (200, {})
    found.answers[f"POST {AT}/pipelineJobs"] = [(200, MADE)]
    yield found
    found.close()


@pytest.fixture
def stack(server: Server, monkeypatch: pytest.MonkeyPatch) -> VertexStack:
    monkeypatch.setenv("TOKEN", "one")
    return VertexStack(
        name="prod",
        store="gs://ml/prod",
        project="my-project",
        location="europe-west4",
        pipeline_root="gs://ml/root",
        service_account="runner@my-project.iam.gserviceaccount.com",
        network="projects/12345/global/networks/mine",
        labels={"team": "ml"},
        api_endpoint=server.url,
        auth={"token": "${TOKEN}"},
    )


def source(schedule: Schedule | None = None) -> Source:
    return Source(structs.replace(PIPELINE, schedule=schedule), "flights.py:flights", "0" * 64)


@pytest.fixture
def deployer(stack: VertexStack, server: Server) -> VertexDeployer:
    found = VertexDeployer(stack)
    found.register(source(), FILES)
    server.asked.clear()
    return found


def asked(server: Server) -> list[dict[str, Any]]:
    """What changed something, as the SDK's requests are kept."""
    return [{"method": method, "path": path, "body": body} for method, path, body, _ in server.asked if method != "GET"]


def plain(request: dict[str, Any]) -> dict[str, Any]:
    """But for how the answer is to be written."""
    place = urlsplit(request["path"])
    query = {name: value for name, value in parse_qs(place.query).items() if name != "$alt"}
    return {**request, "path": place.path, "query": query}


def test_a_job_is_the_one_that_the_sdk_asks_for(server: Server, deployer: VertexDeployer) -> None:
    found = deployer.start("flights", "flights-1", VALUES)
    assert [plain(one) for one in asked(server)] == [plain(SDK[0])]
    assert server.asked[0][3] == "Bearer one"
    assert found.id == "flights-1"
    assert found.about == {"job": "projects/my-project/locations/europe-west4/pipelineJobs/flights-1"}
    assert found.logical_date is not None
    assert found.logical_date.isoformat() == "2026-11-22T06:00:00.123456+00:00"


def test_its_end_is_what_the_sdk_asks_for(server: Server, deployer: VertexDeployer) -> None:
    server.answers[f"GET {AT}/pipelineJobs/flights-1"] = [(200, {"state": "PIPELINE_STATE_RUNNING"})]
    deployer.cancel("flights", "flights-1")
    assert [plain(one) for one in asked(server)] == [plain(SDK[1])]


def test_a_schedule_is_the_one_that_the_sdk_asks_for(server: Server, stack: VertexStack) -> None:
    VertexDeployer(stack).register(source(DAILY), FILES)
    (found,) = (plain(one) for one in asked(server))
    wanted = plain(SDK[2])
    wanted["body"]["displayName"] = "flights of prod"
    wanted["body"]["createPipelineJobRequest"]["pipelineJob"]["runtimeConfig"]["parameterValues"] = {}
    assert found == wanted


SCHEDULES = f"{AT}/schedules"


def known(number: int, state: str, **more: str) -> dict[str, str]:
    return {"name": f"projects/1/locations/europe-west4/schedules/{number}", "state": state, **more}


def changes(server: Server, stack: VertexStack, schedule: Schedule | None, *there: dict[str, str]) -> list[Any]:
    """What is changed for a schedule, where these are there."""
    server.answers[f"GET {SCHEDULES}"] = [(200, {"schedules": list(there)})]
    server.answers[f"POST {SCHEDULES}"] = [(200, known(9, "ACTIVE"))]
    server.asked.clear()
    VertexDeployer(stack).register(source(schedule), FILES)
    return [plain(one) for one in asked(server)]


def words(found: list[Any]) -> list[str]:
    return [f"{one['method']} {one['path'].removeprefix(AT)}" for one in found]


def test_a_schedule_that_is_there_is_changed(server: Server, stack: VertexStack) -> None:
    changed, dropped = changes(server, stack, DAILY, known(7, "PAUSED"), known(8, "PAUSED"))
    assert words([changed, dropped]) == ["PATCH /schedules/7", "DELETE /schedules/8"]
    mask = "cron,startTime,endTime,maxConcurrentRunCount,createPipelineJobRequest"
    assert changed["query"]["updateMask"] == [mask]
    assert changed["body"]["cron"] == "TZ=Europe/Paris 0 6 * * *"
    assert VertexDeployer(stack).is_paused("flights")
    (changed,) = changes(
        server, stack, Schedule(cron="0 6 * * *"), known(7, "ACTIVE", startTime="2026-01-01T00:00:00Z")
    )
    assert changed["query"]["updateMask"] == ["cron,maxConcurrentRunCount,createPipelineJobRequest"]
    assert words(changes(server, stack, None, known(7, "ACTIVE"), known(8, "COMPLETED"))) == [
        "DELETE /schedules/7",
        "DELETE /schedules/8",
    ]


@pytest.mark.parametrize(
    "there",
    [
        known(7, "COMPLETED"),
        known(7, "ACTIVE", endTime="2030-01-01T00:00:00Z"),
        known(7, "ACTIVE", startTime="2030-01-01T00:00:00Z"),
        known(7, "PAUSED", endTime="2030-01-01T00:00:00Z"),
    ],
    ids=str,
)
def test_a_schedule_that_cannot_be_changed_so_is_replaced(
    server: Server, stack: VertexStack, there: dict[str, str]
) -> None:
    """One that is over takes no change, and what has a value cannot be without one; a pause stays."""
    found = words(changes(server, stack, Schedule(cron="0 6 * * *"), there))
    pause = ["POST /schedules/9:pause"] if there["state"] == "PAUSED" else []
    assert found == ["POST /schedules", *pause, "DELETE /schedules/7"]


def test_a_schedule_is_made_once_if_the_answer_is_lost(server: Server, stack: VertexStack) -> None:
    server.answers[f"POST {SCHEDULES}"] = [(504, {"error": {"message": "late"}})]
    server.answers[f"GET {SCHEDULES}"] = [(200, {}), (200, {"schedules": [known(9, "ACTIVE")]})]
    VertexDeployer(stack).register(source(DAILY), FILES)
    assert words(asked(server)) == ["POST /schedules"]


def test_only_what_was_deployed_from_here_is_live(deployer: VertexDeployer) -> None:
    assert (deployer.is_live("flights", "v1"), deployer.is_live("flights", "v2")) == (True, False)
    with pytest.raises(Away, match="`other` was not deployed from here"):
        deployer.start("other", "other-1", {})


def test_ids_in_the_letters_that_vertex_takes(server: Server, deployer: VertexDeployer) -> None:
    found = deployer.start("flights", "pipeglot__20261122T060000_0a1b2c3d", {})
    assert found.id == "pipeglot--20261122t060000-0a1b2c3d"
    assert server.asked[-1][1] == f"{AT}/pipelineJobs?pipelineJobId={found.id}"


@pytest.mark.parametrize("status", [409, 503])
def test_a_job_is_started_once(server: Server, deployer: VertexDeployer, status: int) -> None:
    server.answers[f"POST {AT}/pipelineJobs"] = [(status, {"error": {"code": status, "message": "again?"}})]
    server.answers[f"GET {AT}/pipelineJobs/r"] = [(200, MADE)]
    assert deployer.start("flights", "r", {}).id == "r"
    assert [method for method, *_ in server.asked] == ["POST", "GET"]


def test_a_request_that_did_not_get_there(server: Server, deployer: VertexDeployer) -> None:
    server.answers[f"POST {AT}/pipelineJobs"] = [(503, {"error": {"message": "try later"}})]
    server.answers[f"GET {AT}/pipelineJobs/r"] = [(404, {"error": {"message": "no such job"}})]
    with pytest.raises(Away, match="cannot answer now: 503 to `POST /pipelineJobs`: try later"):
        deployer.start("flights", "r", {})


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (400, "the Vertex AI of stack `prod` refuses the job: no such parameter"),
        (401, "the Vertex AI of stack `prod` does not know us: no such parameter"),
        (403, "the Vertex AI of stack `prod` does not let us `POST /pipelineJobs`: no such parameter"),
    ],
)
def test_what_it_refuses(server: Server, deployer: VertexDeployer, status: int, told: str) -> None:
    server.answers[f"POST {AT}/pipelineJobs"] = [(status, {"error": {"code": status, "message": "no such parameter"}})]
    with pytest.raises(EngineError) as caught:
        deployer.start("flights", "r", {})
    assert caught.value.message == told


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("QUEUED", "waiting"),
        ("PENDING", "waiting"),
        ("RUNNING", "running"),
        ("CANCELLING", "running"),
        ("SUCCEEDED", "succeeded"),
        ("FAILED", "failed"),
        ("CANCELLED", "failed"),
        ("PAUSED", "waiting"),
    ],
)
def test_states(server: Server, deployer: VertexDeployer, state: str, told: str) -> None:
    server.answers[f"GET {AT}/pipelineJobs/r"] = [(200, {"state": f"PIPELINE_STATE_{state}"})]
    assert deployer.status("flights", "r") == told


def test_a_job_that_is_gone(server: Server, deployer: VertexDeployer) -> None:
    server.answers[f"GET {AT}/pipelineJobs/r"] = [(404, {"error": {"code": 404, "message": "not found"}})]
    assert deployer.status("flights", "r") == "gone"


def test_tasks_and_where_their_logs_are(server: Server, deployer: VertexDeployer) -> None:
    jobs = [f"projects/1/locations/europe-west4/customJobs/{one}" for one in (1, 2)]
    details: list[dict[str, Any]] = [
        {"taskId": "10", "taskName": "flights", "state": "RUNNING"},
        {
            "taskId": "11",
            "taskName": "a",
            "state": "FAILED",
            "error": {"code": 9, "message": "The replica exited with 1."},
            "executorDetail": {"containerDetail": {"mainJob": jobs[1], "failedMainJobs": [jobs[0]]}},
        },
    ]
    job = {"pipelineSpec": SPEC, "jobDetail": {"taskDetails": details}}
    server.answers[f"GET {AT}/pipelineJobs/r"] = [(200, job)]
    (found,) = deployer.tasks("flights", "r")
    assert found == EngineTask("a", -1, "failed", 2, id="11/2")
    assert list(deployer.tasks("flights", "r", ("running",))) == []
    assert deployer.log("flights", "r", found) == (
        "The replica exited with 1.\n"
        "what it printed is in Cloud Logging: https://console.cloud.google.com/logs/query;query="
        "resource.type%3D%22ml_job%22%20resource.labels.job_id%3D%222%22?project=my-project\n"
    )
    details[1] |= {"state": "PENDING", "executorDetail": {"containerDetail": {"failedMainJobs": [jobs[0]]}}}
    assert [one.state for one in deployer.tasks("flights", "r")] == ["retrying"]


def test_where_a_person_looks(deployer: VertexDeployer) -> None:
    assert deployer.url("flights", "r") == (
        "https://console.cloud.google.com/vertex-ai/locations/europe-west4/pipelines/runs/r?project=my-project"
    )


def test_whether_it_is_what_the_stack_says(server: Server, deployer: VertexDeployer) -> None:
    server.answers[f"GET {AT}/schedules"] = [(200, {"schedules": [{"name": "s", "state": "PAUSED"}]})]
    told = [(one.what, one.said, one.ok) for one in deployer.checks([structs.replace(PIPELINE, schedule=DAILY)])]
    assert told == [
        ("api", f"{server.url} answers, and lets us into project `my-project`", True),
        ("pipeline flights", "its schedule is paused, and starts nothing", False),
    ]


def test_the_place_of_a_location(stack: VertexStack) -> None:
    own = VertexDeployer(structs.replace(stack, api_endpoint=""))
    assert own.api.url == "https://europe-west4-aiplatform.googleapis.com"
    for name in ("project", "location"):
        with pytest.raises(ConfigError, match=f"stack `prod` does not say its `{name}`"):
            VertexDeployer(structs.replace(stack, **{name: ""}))


# --- who we are -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A private key, and the file of its public half."""
    folder = tmp_path_factory.mktemp("key")
    subprocess.run(["openssl", "genrsa", "-out", str(folder / "key"), "2048"], check=True, capture_output=True)
    words = ["rsa", "-in", str(folder / "key"), "-pubout", "-out", str(folder / "pub")]
    subprocess.run(["openssl", *words], check=True, capture_output=True)
    return (folder / "key").read_text(), folder / "pub"


def account(stack: VertexStack, folder: Path, **words: str) -> VertexStack:
    file = folder / "account.json"
    file.write_text(json.dumps({"client_email": "runner@x", "private_key_id": "k1", **words}))
    return structs.replace(stack, auth={"service_account_file": str(file)})


def part(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_the_key_of_a_service_account(
    server: Server, stack: VertexStack, key: tuple[str, Path], tmp_path: Path
) -> None:
    server.answers["POST /token"] = [(200, {"access_token": "signed for"})]
    server.answers[f"GET {AT}/pipelineJobs/r"] = [(404, {"error": {}})]
    own = account(stack, tmp_path, private_key=key[0], token_uri=f"{server.url}/token")
    assert VertexDeployer(own).status("flights", "r") == "gone"
    assert server.asked[-1][3] == "Bearer signed for"
    form = parse_qs(server.asked[0][2])
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    head, claim, signature = form["assertion"][0].split(".")
    assert json.loads(part(head)) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    said = json.loads(part(claim))
    assert (said["iss"], said["aud"]) == ("runner@x", f"{server.url}/token")
    assert said["scope"] == "https://www.googleapis.com/auth/cloud-platform"
    assert said["exp"] - said["iat"] == 3600
    (tmp_path / "signature").write_bytes(part(signature))
    words = ["dgst", "-sha256", "-verify", str(key[1]), "-signature", str(tmp_path / "signature")]
    done = subprocess.run(["openssl", *words], input=f"{head}.{claim}".encode(), capture_output=True, check=False)
    assert done.stdout == b"Verified OK\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            {"private_key": "none", "token_uri": "https://127.0.0.1:1/"},
            "the private key of the service account is none",
        ),
        ({"token_uri": "https://127.0.0.1:1/"}, "is no key of a service account"),
    ],
)
def test_keys_that_are_none(stack: VertexStack, tmp_path: Path, words: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        VertexDeployer(account(stack, tmp_path, **words)).status("flights", "r")


def test_a_claim_goes_nowhere_in_the_clear(stack: VertexStack, key: tuple[str, Path], tmp_path: Path) -> None:
    own = account(stack, tmp_path, private_key=key[0], token_uri="http://example.com/token")
    with pytest.raises(ConfigError, match="is no address for what must stay secret"):
        VertexDeployer(own).status("flights", "r")


def test_an_openssl_that_does_not_end(
    stack: VertexStack, key: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "openssl"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(google, "TIMEOUT", 0.2)
    own = account(stack, tmp_path, private_key=key[0], token_uri="https://127.0.0.1:1/")
    with pytest.raises(
        ConfigError, match="`openssl`, which is to sign with the account's key, has not ended after 0 s"
    ):
        VertexDeployer(own).status("flights", "r")


def test_a_private_key_lies_in_no_file_of_ours(
    stack: VertexStack, key: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, seen = tmp_path / "openssl", tmp_path / "seen"
    program.write_text(f'#!/bin/sh\necho "$@" > {seen}\nexit 1\n')
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    own = account(stack, tmp_path, private_key=key[0], token_uri="https://127.0.0.1:1/")
    with pytest.raises(ConfigError, match="is none that `openssl` takes"):
        VertexDeployer(own).status("flights", "r")
    assert seen.read_text().split()[-1].startswith("/dev/fd/")


def test_a_key_that_google_does_not_know(
    server: Server, stack: VertexStack, key: tuple[str, Path], tmp_path: Path
) -> None:
    server.answers["POST /token"] = [(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})]
    own = account(stack, tmp_path, private_key=key[0], token_uri=f"{server.url}/token")
    with pytest.raises(
        ConfigError, match=r"Google gives no token for the key in `.*`: Invalid JWT Signature\."
    ) as caught:
        VertexDeployer(own).status("flights", "r")
    assert "is the clock of this machine right?" in caught.value.hint


def test_a_machine_of_googles(server: Server, stack: VertexStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCE_METADATA_HOST", urlsplit(server.url).netloc)
    path = "/computeMetadata/v1/instance/service-accounts/default/token"
    server.answers[f"GET {path}"] = [(200, {"access_token": "the machine's"}), (404, {})]
    own = structs.replace(stack, auth={})
    server.answers[f"GET {AT}/pipelineJobs/r"] = [(200, {"state": "PIPELINE_STATE_RUNNING"})]
    assert VertexDeployer(own).status("flights", "r") == "running"
    assert server.asked[-1][3] == "Bearer the machine's"
    with pytest.raises(ConfigError, match=r"does not say who we are: this machine's metadata server gives no token"):
        VertexDeployer(own).status("flights", "r")
    monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:1")
    with pytest.raises(ConfigError, match="this is no machine of Google's"):
        VertexDeployer(own).status("flights", "r")


def test_a_token_of_a_command(server: Server, stack: VertexStack) -> None:
    own = structs.replace(stack, auth={"token_command": "echo commanded"})
    server.answers[f"GET {AT}/pipelineJobs/r"] = [(200, {"state": "PIPELINE_STATE_RUNNING"})]
    VertexDeployer(own).status("flights", "r")
    assert server.asked[-1][3] == "Bearer commanded"
