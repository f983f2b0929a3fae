"""How Airflow's API is asked, and what is told where it does not answer as it should."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from pipeglot.compilers import rest
from pipeglot.compilers.airflow.api import Api
from pipeglot.compilers.airflow.stack import AirflowStack
from pipeglot.compilers.remote import Away
from pipeglot.core.errors import ConfigError, EngineError
from tests.servers.canned import Server


def test_a_token_is_fetched_once_and_again_when_it_has_run_out(server: Server, stack: AirflowStack) -> None:
    server.answers["GET /api/v2/dags/p"] = [(200, {"n": 1}), (401, {"detail": "expired"}), (200, {"n": 2})]
    api = Api(stack)
    assert [api.get("/dags/p"), api.get("/dags/p")] == [{"n": 1}, {"n": 2}]
    assert [(path, body, who) for _, path, body, who in server.asked] == [
        ("/auth/token", {"username": "admin", "password": "secret"}, ""),
        ("/api/v2/dags/p", None, "Bearer one"),
        ("/api/v2/dags/p", None, "Bearer one"),
        ("/auth/token", {"username": "admin", "password": "secret"}, ""),
        ("/api/v2/dags/p", None, "Bearer two"),
    ]


def test_airflow_2_takes_user_and_password(server: Server, stack: AirflowStack) -> None:
    server.answers["GET /api/v1/dags/p"] = [(200, {"n": 1})]
    assert Api(structs.replace(stack, version=2)).get("/dags/p") == {"n": 1}
    assert server.asked[0][3] == "Basic YWRtaW46c2VjcmV0"


def test_a_command_gives_the_token(server: Server, stack: AirflowStack) -> None:
    server.answers["GET /api/v2/dags/p"] = [(200, {"n": 1})]
    Api(structs.replace(stack, auth={"token_command": "echo a-token"})).get("/dags/p")
    assert server.asked[0][3] == "Bearer a-token"


def test_lists_are_read_to_their_end(server: Server, stack: AirflowStack) -> None:
    pages = [{"pools": [{"name": f"{n}-{i}"} for i in range(100)], "total_entries": 150} for n in (0, 1)]
    server.answers["GET /api/v2/pools"] = [(200, page) for page in pages]
    assert len(list(Api(stack).pages("/pools", "pools"))) == 200
    assert [path for _, path, _, _ in server.asked[1:]] == [
        "/api/v2/pools?limit=100&offset=0",
        "/api/v2/pools?limit=100&offset=100",
    ]


def test_a_server_may_give_shorter_pages_than_it_is_asked_for(server: Server, stack: AirflowStack) -> None:
    entries = [{"name": str(n)} for n in range(120)]
    pages = [{"pools": entries[at : at + 50], "total_entries": 120} for at in (0, 50, 100)]
    server.answers["GET /api/v2/pools"] = [(200, page) for page in pages]
    assert list(Api(stack).pages("/pools", "pools")) == entries
    server.answers["GET /api/v2/pools"] = [(200, {"pools": [], "total_entries": 9})]
    assert not list(Api(stack).pages("/pools", "pools")), "what it counts and does not show is not waited for"


@pytest.mark.parametrize(
    ("answer", "message", "hint"),
    [
        ((401, {"detail": "no"}), "the Airflow of stack `prod` does not know us: no", "look at `auth:` of the stack"),
        ((403, {"detail": "no"}), "does not let us `GET /dags/p`: no", "look at `auth:` of the stack"),
        ((404, "<html>"), "the Airflow of stack `prod` has no `/api/v2`", "is it Airflow 2? then say `version: 2`"),
        ((500, {"title": "oh"}), "the Airflow of stack `prod` answered 500 to `GET /dags/p`: oh", ""),
        ((500, "x" * 900), f"answered 500 to `GET /dags/p`: {'x' * 500}…", ""),
    ],
)
def test_refusals(server: Server, stack: AirflowStack, answer: tuple[int, Any], message: str, hint: str) -> None:
    server.answers["GET /api/v2/dags/p"] = [answer]
    with pytest.raises(EngineError) as caught:
        Api(stack).get("/dags/p")
    assert caught.value.message.endswith(message)
    assert caught.value.hint == hint


def test_a_server_that_is_not_there(stack: AirflowStack) -> None:
    with pytest.raises(EngineError) as caught:
        Api(structs.replace(stack, api_url="http://127.0.0.1:9")).get("/dags/p")
    assert str(caught.value) == (
        "the Airflow of stack `prod` cannot be reached at http://127.0.0.1:9: Connection refused\n\n"
        "hint: is it up, and is `api_url:` right?"
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"api_url": ""}, "stack `prod` does not say where Airflow's API is"),
        ({"api_url": "airflow:8080"}, "stack `prod`: `api_url` is no address: `airflow:8080`"),
        ({"auth": {"user": "a", "password_file": "/gone"}}, "`/gone` cannot be read: No such file or directory"),
        ({"auth": {"user": "a", "password": "${NO_SUCH}"}}, "the environment variable `NO_SUCH` is not set"),
        ({"auth": {"token_command": "no-such-command"}}, "`auth.token_command` cannot be run: "),
        ({"auth": {"token_command": "sh -c 'echo sorry >&2; exit 3'"}}, "`auth.token_command` gives no token: sorry"),
        (
            {"auth": {"token_command": "sh -c 'echo SECRET; exit 3'"}},
            "`auth.token_command` gives no token: exit code 3",
        ),
        ({"auth": {"token_command": "printf 'SECRET\\nWelcome'"}}, "`auth.token_command` gives more than a token"),
        ({"api_url": "http://me:SECRET@airflow:8080"}, "stack `prod`: `api_url` has a user or a password in it"),
        ({"api_url": "${AIRFLOW_URL}"}, "stack `prod`: `api_url` has a user or a password in it"),
    ],
)
def test_a_stack_that_says_too_little_or_too_much(
    monkeypatch: pytest.MonkeyPatch, stack: AirflowStack, changed: dict[str, Any], message: str
) -> None:
    monkeypatch.setenv("AIRFLOW_URL", "http://me:SECRET@airflow:8080")
    with pytest.raises(ConfigError) as caught:
        Api(structs.replace(stack, **changed)).get("/dags/p")
    assert message in caught.value.message
    assert "SECRET" not in str(caught.value)


# --- odd answers ------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "PAUSES", (0.01, 0.01))


def refusal(stack: AirflowStack) -> EngineError:
    with pytest.raises(EngineError) as caught:
        Api(stack).get("/dags/p")
    return caught.value


def test_one_that_is_busy_is_asked_again(server: Server, stack: AirflowStack) -> None:
    server.answers["GET /api/v2/dags/p"] = [(429, {"detail": "slow"}), (503, "<html>"), (200, {"n": 1})]
    assert Api(stack).get("/dags/p") == {"n": 1}


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_one_that_stays_busy_may_be_asked_later(server: Server, stack: AirflowStack, status: int) -> None:
    server.answers["GET /api/v2/dags/p"] = [(status, "<html><title>Bad &amp; Gateway</title></html>")]
    error = refusal(stack)
    assert isinstance(error, Away)
    assert error.message == (
        f"the Airflow of stack `prod` cannot answer now: {status} to `GET /dags/p`: the page `Bad & Gateway`"
    )


def test_a_log_in_page_of_a_proxy(server: Server, stack: AirflowStack) -> None:
    server.answers["GET /api/v2/dags/p"] = [(200, "<html><TITLE>Sign in</TITLE></html>")]
    error = refusal(stack)
    assert error.message == (
        f"the Airflow of stack `prod` is not what answers at {server.url}: `GET /dags/p` gives a page: "
        "the page `Sign in`"
    )
    assert "does a proxy before it ask for a log-in?" in error.hint


def test_a_log_in_page_in_place_of_a_token(server: Server, stack: AirflowStack) -> None:
    server.answers["POST /auth/token"] = [(200, "<html>")]
    assert "`POST /auth/token` gives a page: a page of HTML" in refusal(stack).message


def test_a_redirect_is_told_and_not_followed(server: Server, stack: AirflowStack) -> None:
    server.headers["Location"] = "https://login.example/"
    server.answers["GET /api/v2/dags/p"] = [(302, "")]
    error = refusal(stack)
    assert error.message == (
        f"the Airflow of stack `prod` is not at {server.url}: `GET /dags/p` is redirected to https://login.example/"
    )
    assert error.hint.startswith("write the address that it answers at as `api_url:` of the stack")


def test_a_list_that_is_none(server: Server, stack: AirflowStack) -> None:
    server.answers["GET /api/v2/pools"] = [(200, {"ok": True})]
    with pytest.raises(EngineError, match="`GET /pools` gives JSON without `pools`"):
        list(Api(stack).pages("/pools", "pools"))


@pytest.mark.parametrize(
    ("version", "status", "content"),
    [
        (3, 404, "<html>"),  # 2.11
        (3, 405, "Method Not Allowed"),
        (2, 404, {"error": "/api/v1 has been removed in Airflow 3, please use its upgraded version /api/v2 instead."}),
    ],
)
def test_the_other_major_version(server: Server, stack: AirflowStack, version: int, status: int, content: Any) -> None:
    stack = structs.replace(stack, version=version)
    server.answers[f"GET /api/v{version - 1}/dags/p"] = [(status, content)]
    error = refusal(stack)
    assert error.message == f"the Airflow of stack `prod` has no `/api/v{version - 1}`"
    assert error.hint == f"is it Airflow {5 - version}? then say `version: {5 - version}`"


def test_one_that_hangs(server: Server, stack: AirflowStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "TIMEOUT", 0.2)
    server.answers["GET /api/v2/dags/p"] = [(200, server.HANG)]
    error = refusal(stack)
    assert isinstance(error, Away)
    assert error.message == f"the Airflow of stack `prod` gives no answer at {server.url} within 0 s"


def test_a_token_command_that_hangs(stack: AirflowStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "TOKEN_TIMEOUT", 0.2)
    with pytest.raises(ConfigError) as caught:
        Api(structs.replace(stack, auth={"token_command": "sleep 30"})).get("/dags/p")
    assert caught.value.message == "stack `prod`: `auth.token_command` gives no token within 0 s"
    assert caught.value.hint == "does it wait for somebody to log in? run it by hand once"


def test_plain_http_where_tls_is_expected(server: Server, stack: AirflowStack) -> None:
    error = refusal(structs.replace(stack, api_url=server.url.replace("http:", "https:")))
    assert "cannot be talked to by TLS at https://127.0.0.1:" in error.message
    assert error.hint == "does it speak plain `http://` there?"


def test_a_certificate_that_nobody_here_trusts(server: Server, stack: AirflowStack, tmp_path: Path) -> None:
    server.encrypt(tmp_path)
    error = refusal(structs.replace(stack, api_url=server.url.replace("http:", "https:")))
    assert not isinstance(error, Away)
    assert "is not who it says at https://127.0.0.1:" in error.message
    assert "`SSL_CERT_FILE` names the file with its certificate" in error.hint
