"""Real engines: the sandboxes that `pipeglot sandbox up` makes, each one for all processes of a test run."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pipeglot.client.sandboxes import find_engine
from pipeglot.compilers.sandboxes.environment import ensure
from tests.conformance.cases import WHOLE

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {
    "PIPEGLOT_ENGINES": str(ROOT / ".cache/engines"),
    "PATH": f"{ROOT / '.cache/uv/bin'}:{os.environ.get('PATH', os.defpath)}",
}
"""`make test` puts the environments, and uv if there is none, into these folders."""

PATIENCE = 1800.0 if WHOLE else 300.0
"""Seconds. What hangs in `make test` must not hold up all that comes after it."""

ServerT = TypeVar("ServerT", bound="Server")


class Server:
    """A sandbox that is up. `settings` are what it is started with."""

    def __init__(self, engine: str, version: str, home: Path, *settings: str) -> None:
        self.engine = engine
        self.version = version
        self.home = home
        self.view: dict[str, Any] = self.command("up", engine, "--version", version, *settings, "--json")

    def command(self, *words: str) -> Any:
        """`pipeglot sandbox …`, on this sandbox."""
        done = subprocess.run(
            [sys.executable, "-m", "pipeglot", "sandbox", *words, "--home", str(self.home)],
            env={**os.environ, **ENVIRONMENT},
            cwd=self.home.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout) if "--json" in words else done.stdout

    @property
    def python(self) -> str:
        """That of its environment: a laptop on which the same packages are."""
        made = ensure(find_engine(self.engine).pins(self.version), Path(ENVIRONMENT["PIPEGLOT_ENGINES"]), print)
        return str(made / "bin/python")

    @property
    def title(self) -> str:
        """What it is called, with its exact version."""
        return f"{find_engine(self.engine).title} {self.view['release']}"

    @property
    def password(self) -> str:
        return Path(self.view["password_file"]).read_text().strip()

    def send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, Any]:
        """The status, and the answer."""
        connection = http.client.HTTPConnection(urlsplit(self.view["url"]).netloc, timeout=PATIENCE)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        finally:
            connection.close()


@contextmanager
def shared(make: Callable[[Path], ServerT], name: str, base: Path, who: str) -> Iterator[ServerT]:
    """One for all processes of a test run, each with a name: the first starts it, and the last ends it."""
    home = base / name
    users = base / f"{name}-users"
    users.mkdir(exist_ok=True)
    (users / who).touch()
    engine = ""
    try:
        found = make(home)
        engine = found.engine
        yield found
    finally:
        with _locked(users.with_suffix(".lock")):
            (users / who).unlink()
            if not any(users.iterdir()) and engine:
                words = [sys.executable, "-m", "pipeglot", "sandbox", "down", engine, "--purge", "--home", str(home)]
                subprocess.run(words, check=True, cwd=base, stdout=subprocess.DEVNULL)


@contextmanager
def held(engines: tuple[Path, str], name: str) -> Iterator[None]:
    """While no other process of a test run does: two that deploy the same pipelines would run each other's."""
    base, _ = engines
    with _locked(base / f"{name}-deployed.lock"):
        yield


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
