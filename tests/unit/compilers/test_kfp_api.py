"""What is asked of KFP's API, and what its answers become: by a server that refuses what the API does not have.

It is the sandbox's own, which holds every request against the published definition, and here its answers too. It starts
nothing: a test says what becomes of runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from pipeglot.compilers.kfp.api import V2
from pipeglot.compilers.kfp.deployer import KfpDeployer
from pipeglot.compilers.kfp.local.fields import Refused
from pipeglot.compilers.kfp.stack import KfpStack
from pipeglot.compilers.remote import Away
from pipeglot.compilers.rest import Answer
from pipeglot.core.errors import EngineError
from tests.servers import canned
from tests.unit.compilers.kfp_fake import DAILY, PIPELINE, Fake, files, source


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Fake]:
    found = Fake(tmp_path / "kfp")
    yield found
    found.close()


@pytest.fixture
def stack(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> KfpStack:
    monkeypatch.setenv("KEY", "secret")
    return KfpStack(name="prod", store="s3://ml/prod", api_url=fake.url, auth={"token": "${KEY}"})


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
    """It is the newest once more; and no list of all that there were is asked for, each with its whole text."""
    old: set[str] = set()
    for number, version in enumerate(("v1", "v2", "v1", "v1")):
        deployer.register(source(), files(version))
        assert deployer.is_live("flights", version)
        for name, one in fake.api.versions.records.items():  # KFP counts time in seconds
            if name not in old:
                one["created_at"] = f"2026-11-22T06:00:0{number}Z"
                old.add(name)
    names = sorted(one["display_name"] for one in fake.api.versions.records.values())
    assert [name[:3] for name in names] == ["v1", "v1-", "v2"]
    assert len(names[1]) == len("v1-20261122060000000000")


def test_two_deploy_the_same_pipeline(stack: KfpStack) -> None:
    """Each one's runs are of the version that it has deployed, whichever is the newest."""
    first, second = KfpDeployer(stack), KfpDeployer(stack)
    first.register(source(), files("v1"))
    second.register(source(), files("v2"))
    assert first.is_live("flights", "v1")
    assert second.is_live("flights", "v2")
    assert not first.is_live("flights", "v2")
    run = first.api.get(f"{V2}/runs/{first.start('flights', 'ours', {}).id}")
    assert run["pipeline_version_reference"] == {
        name: first._versions["flights"][name] for name in ("pipeline_id", "pipeline_version_id")
    }


def test_a_version_that_somebody_has_deleted_is_not_live(fake: Fake, deployer: KfpDeployer) -> None:
    fake.api.versions.records.clear()
    assert not deployer.is_live("flights", "v1")


@pytest.mark.parametrize("path", ["/pipelines", "/pipelines/upload_version", "/recurringruns", "/experiments", "/runs"])
def test_what_is_made_is_made_once_if_the_answer_is_lost(
    fake: Fake, stack: KfpStack, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployer = KfpDeployer(structs.replace(stack, experiment="mine"))
    real = deployer.api.request

    def lost(method: str, asked: str, *words: Any) -> Any:
        found = real(method, asked, *words)
        return Answer(504, "the answer is lost") if method == "POST" and asked.endswith(path) else found

    monkeypatch.setattr(deployer.api, "request", lost)
    deployer.register(source(DAILY), files("v1"))
    deployer.start("flights", "ours", {})
    assert [one for method, one in fake.asked if method == "POST"].count(path) == 1
    assert [len(fake.schedules), len(fake.api.versions.records), len(fake.api.runs.kept.records)] == [1, 1, 1]


@pytest.mark.parametrize("path", ["/pipelines", "/experiments"])
def test_what_somebody_else_has_made_just_now(
    fake: Fake, stack: KfpStack, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployer = KfpDeployer(structs.replace(stack, experiment="mine"))
    real = deployer.api.request
    asked: list[Any] = []

    def raced(method: str, where: str, body: Any, *words: Any) -> Any:
        if method == "POST" and where.endswith(path) and not asked:
            asked.append(real(method, where, body, *words))
        return real(method, where, body, *words)

    monkeypatch.setattr(deployer.api, "request", raced)
    deployer.register(source(), files("v1"))
    assert deployer.start("flights", "ours", {}).id
    assert len(asked) == 1


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


def test_that_it_lives_does_not_say_that_we_are_let_in(stack: KfpStack) -> None:
    """KFP tells everybody whether it is healthy."""
    with pytest.raises(EngineError, match="does not know us"):
        list(KfpDeployer(structs.replace(stack, auth={})).checks([]))


def test_an_address_that_is_another_ones(stack: KfpStack) -> None:
    with pytest.raises(EngineError) as caught:
        KfpDeployer(structs.replace(stack, api_url=f"{stack.api_url}/elsewhere")).status("flights", "r1")
    assert str(caught.value) == (
        "the KFP of stack `prod` has no `/elsewhere`\n\n"
        "hint: pipeglot needs KFP 2, whose API is at `/apis/v2beta1` below `api_url`,"
        " as `http://ml-pipeline.kubeflow:8888/apis/v2beta1/healthz`"
    )


@pytest.mark.parametrize(
    ("tag", "told"),
    [
        ("2.17.0", [(True, "KFP 2.17", "")]),
        ("v2.5.0-rc.1", [(True, "KFP 2.5", "")]),
        ("unknown", []),
        (None, []),
        (
            "2.4.1",
            [
                (
                    False,
                    "KFP 2.4 is too old",
                    "pipeglot needs 2.5 or later: an older one does not tell a task which run it is of",
                )
            ],
        ),
    ],
)
def test_its_release_is_looked_at(stack: KfpStack, tag: str | None, told: list[tuple[bool, str, str]]) -> None:
    """As its server tells it beside what its definition says."""
    server = canned.Server()
    server.answers["GET /apis/v2beta1/healthz"] = [(200, {"multi_user": False, "tag_name": tag})]
    server.answers["GET /apis/v2beta1/experiments"] = [(200, {"experiments": []})]
    found = KfpDeployer(structs.replace(stack, api_url=server.url)).checks([])
    assert [(one.ok, one.said, one.hint) for one in found if one.what == "release"] == told
    server.close()


def test_where_there_are_many_namespaces(stack: KfpStack) -> None:
    server = canned.Server()
    server.answers["GET /apis/v2beta1/healthz"] = [(200, {"multi_user": True})]
    server.answers["GET /apis/v2beta1/pipelines"] = [(200, {"pipelines": []})]
    own = structs.replace(stack, api_url=server.url, namespace="team")
    assert not KfpDeployer(own).is_live("flights", "v1")
    assert server.asked[-1][1].endswith("&namespace=team")
    server.close()
