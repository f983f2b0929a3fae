"""Secrets in Google's and Amazon's secret managers, as a user has them: read, hidden, and refused with the cause."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.conftest import Project
from tests.e2e.test_secrets import FLOW, KEY, TOKEN, check_files, clean
from tests.servers.canned import Server

METADATA = "/computeMetadata/v1/instance/service-accounts/default/token"
PLACE = "/v1/projects/acme/secrets/token/versions/latest:access"
CONFIG = """\
stacks:
  local:
    backend: local
    secrets: {TOKEN: "gcp:projects/acme/secrets/token", KEY: "aws:prod/key#pem"}
"""
SMALL = """\
from pipeglot import pipeline, secret, step


@step(secrets=["TOKEN"])
def length(n: int) -> int:
    return len(secret("TOKEN"))


@pipeline
def flow() -> None:
    length.map(n=[1, 2, 3])
"""


@pytest.fixture
def clouds() -> Iterator[Server]:
    found = Server()
    data = base64.b64encode(TOKEN.encode()).decode()
    found.answers = {
        f"GET {METADATA}": [(200, {"access_token": "ya29.opens-everything", "expires_in": 3599})],
        f"GET {PLACE}": [(200, {"payload": {"data": data}})],
        "POST /": [(200, {"SecretString": json.dumps({"pem": KEY + "\n"})})],
    }
    yield found
    found.close()


@pytest.fixture
def env(clouds: Server) -> dict[str, Any]:
    return {
        "GCE_METADATA_HOST": urlsplit(clouds.url).netloc,
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER": clouds.url,
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": clouds.url,
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "opens-everything-else",
        "AWS_REGION": "eu-west-1",
        "LC_ALL": "C.UTF-8",
    }


@pytest.fixture
def project(tmp_path: Path) -> Project:
    found = Project(tmp_path)
    found.write("pipeglot.yaml", CONFIG)
    found.write("flow.py", SMALL)
    return found


def test_every_byte_that_is_kept_and_everything_that_is_printed(
    project: Project, clouds: Server, env: dict[str, Any]
) -> None:
    """As those of the environment; nor does what opened the managers come out anywhere but where a step prints it."""
    flow = FLOW.replace("import ascii_form\n", "").replace('os.environ.pop("TOKEN")', "pass")
    project.write("flow.py", flow.replace("prints_the_environment(one)\n", "pass\n"))
    first = project("run", "flow.py", "--json", code=1, **env)
    states = {step["id"]: step["status"] for step in first.json["steps"]}
    assert states == {**dict.fromkeys(("raises", "fails_outside", "dies", "hangs"), "failed"), "prints": "succeeded"}
    logs = project("runs", "logs", first.json["run_id"], "prints", **env).out
    assert logs.count("***") > 60, "the rest of what was printed is there"
    assert "last words ***" in project("runs", "logs", "latest", "dies", **env).out
    for words in (
        ("run", "flow.py"),
        ("runs", "show", "latest"),
        ("runs", "logs", "latest", "--json"),
        ("replay", "latest", "raises", "--json"),
        ("plan", "flow.py", "--json"),
        ("stack", "check"),
        ("run", "flow.py", "--inline", "--no-cache", "--until", "prints"),
    ):
        done = project(*words, code=None, **env)
        assert "bug in pipeglot" not in done.err, words
        clean((done.out + done.err).encode(), words)
        assert "opens-everything" not in done.out + done.err
    assert check_files(project.root / ".pipeglot") > 20
    for path in (project.root / ".pipeglot").rglob("*"):
        assert not path.is_file() or b"opens-everything" not in path.read_bytes(), path


def test_a_run_asks_once(project: Project, clouds: Server, env: dict[str, Any]) -> None:
    found = project("run", "flow.py", "--json", **env).json
    assert [step["status"] for step in found["steps"]] == ["succeeded"] * 3
    assert [asked[1] for asked in clouds.asked] == [METADATA, PLACE]


def test_stack_check_reads_them(project: Project, clouds: Server, env: dict[str, Any]) -> None:
    shown = project("stack", "check", **env).out
    assert "secret TOKEN  `projects/acme/secrets/token` can be read" in shown
    assert "secret KEY    `prod/key` can be read" in shown
    clouds.answers["POST /"] = [(400, {"__type": "AccessDeniedException", "Message": "User: me is not authorized"})]
    shown = project("stack", "check", code=2, **env).out
    assert "Amazon's Secrets Manager does not let us read `prod/key`: User: me is not authorized" in shown


def test_a_missing_permission_is_a_plain_sentence(project: Project, clouds: Server, env: dict[str, Any]) -> None:
    clouds.answers[f"GET {PLACE}"] = [(403, {"error": {"code": 403, "message": "Permission denied on resource"}})]
    failed = project("run", "flow.py", code=1, **env)
    assert (
        "secret `TOKEN`: Google's Secret Manager does not let us read `projects/acme/secrets/token`: "
        "Permission denied on resource"
    ) in failed.err
    assert "give the role `roles/secretmanager.secretAccessor` on it to whom the step runs as" in failed.err
    assert "Traceback" not in failed.err


def test_a_manager_that_is_back_for_the_next_attempt(project: Project, clouds: Server, env: dict[str, Any]) -> None:
    retried = SMALL.replace('["TOKEN"]', '["TOKEN"], retry=Retry(2)').replace("import ", "import Retry, ")
    project.write("flow.py", retried.replace("length.map(n=[1, 2, 3])", "length(1)"))
    good = clouds.answers[f"GET {PLACE}"][0]
    clouds.answers[f"GET {PLACE}"] = [(503, {"error": {"message": "busy"}})] * 6 + [good]
    found = project("run", "flow.py", "--json", **env).json
    assert (found["status"], found["steps"][0]["attempts"]) == ("succeeded", 2)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("gcp:token", "secret `TOKEN` names no secret of Google's Secret Manager"),
        ("gcp:projects/acme/secrets/a b", "secret `TOKEN` names no secret of Google's Secret Manager"),
        ("gcp:projects/acme/secrets/../../x", "secret `TOKEN` names no secret of Google's Secret Manager"),
        ("gcp:projects/acme/secrets/token#", "secret `TOKEN` names no secret of Google's Secret Manager"),
        ("aws:arn:aws:s3:::bucket", "secret `TOKEN` names no secret of Amazon's Secrets Manager"),
        ("aws:#key", "secret `TOKEN` names no secret of Amazon's Secrets Manager"),
        ("azure:vault/x", "secret `TOKEN` does not say where its value is to be found"),
    ],
)
def test_what_is_no_place(project: Project, place: str, told: str) -> None:
    project.write("pipeglot.yaml", CONFIG.replace("gcp:projects/acme/secrets/token", place))
    failed = project("check", "flow.py", code=2)
    assert f"pipeglot.yaml:4: {told}" in failed.err
    assert "`aws:" in failed.err or "`gcp:" in failed.err
