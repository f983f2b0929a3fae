"""PostgreSQL: the real server, from a wheel, on the loopback. As root it runs as another user, as in a sandbox."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psycopg

from pipeglot.compilers.sandboxes.postgres import _SETTINGS, _as_other, _programs, _unprivileged
from tests.servers.process import Server, free_ports

USER = "owner"
PASSWORD = "s3cret/@:word"


class Postgres:
    """The server. `database` makes an empty one in it."""

    def __init__(self, folder: Path) -> None:
        (self.port,) = free_ports(1)
        self._folder = folder
        self._programs = _programs(Path(sys.prefix))
        self._count = itertools.count(1)
        self._data = folder / "data"
        self._data.mkdir(mode=0o700)
        (folder / "password").write_text(PASSWORD)
        if os.geteuid() == 0:
            user = _unprivileged()
            os.chown(self._data, user.pw_uid, user.pw_gid)
        words = ["--username", USER, "--pwfile", str(folder / "password"), "--auth", "scram-sha-256"]
        words += ["--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync", "--no-instructions"]
        subprocess.run(
            [*_as_other(), str(self._programs / "initdb"), "--pgdata", str(self._data), *words],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        self.start()

    def start(self) -> None:
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        settings = {**_SETTINGS, "port": str(self.port)}
        given = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._server = Server(
            [*_as_other(), str(self._programs / "postgres"), "-D", str(self._data), *given], self._folder, {}
        )
        self._server.wait(self._is_ready)

    def stop(self) -> None:
        """At once, and with all of its processes, which would else go on for a while."""
        if self._server.process.poll() is None:
            self._server.process.send_signal(signal.SIGQUIT)
            self._server.process.wait(30)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._data)

    def uri(self, database: str = "postgres", user: str = USER, password: str = PASSWORD) -> str:
        quoted = password.replace("/", "%2F").replace("@", "%40").replace(":", "%3A")
        return f"postgresql://{user}:{quoted}@127.0.0.1:{self.port}/{database}"

    def database(self) -> str:
        """The name of a new one."""
        name = f"test{next(self._count)}"
        self.run(f"CREATE DATABASE {name}")
        return name

    def run(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        with psycopg.connect(self.uri(database), autocommit=True) as connection:
            answer = connection.execute(statement.encode())
            return answer.fetchall() if answer.description else []

    def _is_ready(self) -> bool:
        try:
            self.run("SELECT 1")
        except psycopg.OperationalError as error:
            raise OSError(str(error)) from None
        return True
