"""An index in PostgreSQL that the crowd shares, and over which bad weather comes, too: nothing is lost with it."""

from __future__ import annotations

import random
import time
from pathlib import Path

import psycopg

from tests.crowd.crowd import LAPTOP, Storm
from tests.servers.postgres import Postgres

EVERY = 8.0
"""Seconds between two faults, at most."""

DOWN = 3.0
"""Seconds that the server stays away, at most."""


class SharedIndex:
    """A server with an index for the commands of both checkouts."""

    def __init__(self, storm: Storm, folder: Path) -> None:
        self.storm = storm
        folder.mkdir()
        folder.chmod(0o755)
        self.server = Postgres(folder)
        self.database = self.server.database()
        storm.env["PIPEGLOT_METADATA"] = self.server.uri(self.database)
        storm.stacks[LAPTOP]["metadata"] = "${PIPEGLOT_METADATA}"
        storm.write()

    def suffer(self) -> None:
        """As long as the crowd is at work: connections are ended, the server dies, its tables go."""
        draw = random.Random(f"{self.storm.seed} index")
        faults = (self._end_connections, self._stop, self._drop)
        while not self.storm._over.wait(draw.random() * EVERY):
            draw.choice(faults)(draw)

    def check(self) -> list[str]:
        """After the storm: it is used, and knows each run that the records tell of."""
        self.storm.call("one", "runs", "list")
        told = self.storm.call("one", "stack", "check")
        runs = sum(1 for _ in self.storm.runs())
        self.storm.done["runs in the shared index"] = found = self._count()
        return [] if found == runs else [f"{found} runs in the shared index, and {runs} have begun: {told}"]

    def _count(self) -> int:
        ((found,),) = self.server.run("SELECT COUNT(*) FROM pipeglot.runs WHERE known = 1", self.database)
        assert isinstance(found, int)
        return found

    def _end_connections(self, _: random.Random) -> None:
        statement = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
        ((ended,),) = self.server.run(f"{statement}AND application_name = 'pipeglot'", self.database)
        if ended:
            self.storm.faults.note("index: connections ended")

    def _stop(self, draw: random.Random) -> None:
        self.server.stop()
        time.sleep(draw.random() * DOWN)
        self.server.start()
        self.storm.faults.note("index: server died")

    def _drop(self, _: random.Random) -> None:
        try:
            self.server.run("SET lock_timeout = '2s'; DROP SCHEMA IF EXISTS pipeglot CASCADE", self.database)
        except psycopg.errors.LockNotAvailable:
            return  # somebody is asking just now: nothing came of it
        self.storm.faults.note("index: tables dropped")
