"""Who the sandbox's server of KFP lets in: not a page of somebody else, and not for longer than it takes."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeglot.compilers.kfp.local import server as module
from tests.unit.compilers.kfp_fake import SPEC, Fake

BEARER = {"Authorization": "Bearer secret"}
BASIC = {"Authorization": f"Basic {b64encode(b'admin:secret').decode()}"}
JSON = {"Content-Type": "application/json"}
RUN = json.dumps({"display_name": "x", "pipeline_spec": SPEC})


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Fake]:
    found = Fake(tmp_path / "kfp")
    yield found
    found.close()


def ask(fake: Fake, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", fake.http.server_port, timeout=10)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, sent)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, data


RUNS = "/apis/v2beta1/runs"


def test_a_page_of_somebody_else_starts_nothing(fake: Fake) -> None:
    """A browser that knows the password sends it along with what any page asks of it."""
    for headers in (
        {**BASIC, "Content-Type": "text/plain"},
        {**BASIC, **JSON},
        {**BEARER, **JSON, "Origin": "https://evil.example"},
        {**BEARER, **JSON, "Sec-Fetch-Site": "cross-site"},
        {**BEARER, **JSON, "Host": "evil.example"},
        {**BEARER, "Content-Type": "text/plain"},
        JSON,
    ):
        assert ask(fake, "POST", RUNS, RUN, **headers)[0] in (401, 403, 415), headers
    assert fake.api.runs.kept.records == {}
    own = {"Origin": fake.url, "Sec-Fetch-Site": "same-origin"}
    assert ask(fake, "POST", RUNS, RUN, **BEARER, **JSON, **own)[0] == 200


def test_a_password_shows_the_page_alone(fake: Fake) -> None:
    assert ask(fake, "GET", "/", **BASIC)[0] == 200
    assert ask(fake, "GET", "/", **BEARER)[0] == 200
    assert ask(fake, "GET", "/")[0] == 401
    assert ask(fake, "GET", RUNS, **BASIC)[0] == 401
    assert ask(fake, "GET", RUNS, **BEARER)[0] == 200


def test_whether_it_lives_it_tells_everybody(fake: Fake) -> None:
    """As KFP does: so that this is no sign of being let in."""
    status, data = ask(fake, "GET", "/apis/v2beta1/healthz")
    assert (status, json.loads(data)["multi_user"]) == (200, False)


def exchange(fake: Fake, text: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", fake.http.server_port), timeout=10) as made:
        made.sendall(text)
        found = b""
        while piece := made.recv(1 << 16):
            found += piece
        return found


def test_of_a_stranger_nothing_is_read(fake: Fake) -> None:
    """Its request is answered before a byte of the body has come, and the connection ends."""
    host = f"Host: 127.0.0.1:{fake.http.server_port}\r\n".encode()
    found = exchange(fake, b"POST /apis/v2beta1/runs HTTP/1.1\r\n" + host + b"Content-Length: 60000000\r\n\r\n")
    assert found.startswith(b"HTTP/1.1 401 ")
    assert b"\r\nConnection: close\r\n" in found


def test_a_body_that_does_not_say_how_long_it_is(fake: Fake) -> None:
    host = f"Host: 127.0.0.1:{fake.http.server_port}\r\nAuthorization: Bearer secret\r\n".encode()
    found = exchange(fake, b"POST /apis/v2beta1/runs HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked\r\n\r\n")
    assert found.startswith(b"HTTP/1.1 413 ")


def test_one_that_says_no_more_is_left(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.Handler, "timeout", 0.1)
    host = f"Host: 127.0.0.1:{fake.http.server_port}\r\nAuthorization: Bearer secret\r\n".encode()
    assert exchange(fake, b"POST /apis/v2beta1/runs HTTP/1.1\r\n" + host + b"Content-Length: 9\r\n\r\n{") == b""
    assert exchange(fake, b"GET / HTT") == b""


def test_so_many_at_once_and_no_more(fake: Fake) -> None:
    while fake.http._room.acquire(blocking=False):
        pass
    assert exchange(fake, b"") == b""
    fake.http._room.release()
    assert ask(fake, "GET", "/apis/v2beta1/healthz")[0] == 200


def test_a_log_comes_in_pieces(fake: Fake) -> None:
    run = fake.api._add_run(json.loads(RUN))["run_id"]
    line = b"x" * 1023 + b"\n"
    fake.api.runs.folder.joinpath(run, "p1.log").write_bytes(line * 5000)
    status, data = ask(fake, "GET", f"/apis/v1alpha1/runs/{run}/nodes/p1/log", **BEARER)
    assert (status, data) == (200, line * 5000)
    for path, told in (
        (f"{run}/nodes/p2", 'pods \\"p2\\" not found'),
        (f"{run}/nodes/..%2Fjob", "not found"),
        ("r0/nodes/p1", "Run r0 not found"),
    ):
        status, data = ask(fake, "GET", f"/apis/v1alpha1/runs/{path}/log", **BEARER)
        assert status == 200
        assert told in data.decode()


def test_a_run_that_cannot_be_started_has_failed(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the next one is."""
    runs = [fake.api._add_run(json.loads(RUN))["run_id"] for _ in range(2)]
    tried: list[Any] = []

    def popen(*_: Any, **__: Any) -> Any:
        tried.append(1)
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(subprocess, "Popen", popen)
    fake.api.runs.limit = 1
    fake.api.runs.start_waiting()
    assert len(tried) == 2
    for run in runs:
        found = fake.api._run(run)
        told = "its process cannot be started: [Errno 12] Cannot allocate memory"
        assert (found["state"], found["error"]["message"]) == ("FAILED", told)
        assert ask(fake, "POST", f"{RUNS}/{run}:terminate", "{}", **BEARER, **JSON)[0] == 400
