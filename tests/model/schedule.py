"""One schedule: a few runs of one pipeline on one store, and everything that comes between."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.lineage.index.queries import RunFilter, RunRow, list_runs
from pipeglot.core.lineage.index.sqlite import FileDatabase
from pipeglot.core.lineage.index.sync import sync
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.view import read_run
from tests.model import actors
from tests.model.actors import Engine
from tests.model.rules import Rules
from tests.model.world import Memory, World

TURNS = 700
MOST_RUNS = 6
SETTLED = 20_000
"""Turns in which all must have come to an end, once nothing goes wrong any more."""


class Outcome(NamedTuple):
    """What came of a schedule."""

    wrong: list[str]
    stats: Counter[str]


def play(seed: int) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="pipeglot-model-") as folder:
        game = _Game(seed, Path(folder))
        with actors.reality(game.world):
            try:
                game.play()
            finally:
                game.world.end()
        return Outcome([what for what, _ in game.world.errors], game.world.stats)


class _Game:
    def __init__(self, seed: int, folder: Path) -> None:
        self.world = World(seed, folder)
        self.rules = Rules(self.world)
        self.engines: list[Engine] = []
        self.runs = 0
        self.quick = self.world.random.random() < 0.5
        self.path = folder / "index.sqlite"

    def play(self) -> None:
        self._begin()
        for _ in range(TURNS):
            if self.world.errors:
                return
            if self.world.random.random() < 0.2:
                self._event()
            self.world.turn()
        self.world.calm = True
        self._settle()
        self._clean()
        if not self.world.errors:
            self.rules.over(self._rows(self.path), self._rows(self.path.with_name("fresh.sqlite")))

    # --- what happens -------------------------------------------------------------------------------------------------

    def _event(self) -> None:
        """Most often an engine goes on; now and then something else."""
        if not self.quick and self.world.random.random() < 0.1:
            self._keep_house()
            return
        chance, run = self.world.random.random(), self._some_run()
        if chance < 0.45:
            for engine in self.engines:
                engine.step()
        elif chance < 0.5:
            self._begin()
        elif chance < 0.6:
            self._sleep()
        elif chance < 0.65:
            self._pass_time()
        elif chance < 0.66:
            self._collect()
        elif chance < 0.73:
            self._index()
        elif run is None:
            return
        elif chance < 0.85:
            self.world.spawn("reader", lambda store: self._read(store, run))
        elif chance < 0.9:
            actors.close_it(self.world, run, cancel=self.world.random.random() < 0.3)
        elif self.runs < MOST_RUNS:
            self.runs += 1
            actors.resume(self.world, run)

    def _begin(self) -> None:
        if self.runs >= MOST_RUNS:
            return
        self.runs += 1
        if self.world.random.random() < 0.5:
            self.engines.append(Engine(self.world, self.runs))
        else:
            actors.run_locally(self.world)

    def _sleep(self) -> None:
        """Somebody's machine is closed; what it does when it comes back may be too late."""
        if self.world.processes:
            one = self.world.random.choice(self.world.processes)
            one.sleeps_until = self.world.tick + self.world.random.choice([50, 200, 600])

    def _pass_time(self) -> None:
        """In half of all schedules, weeks go by: then there is something to collect."""
        hours = [0.02, 0.2, 2, 25] if self.quick else [2, 13, 25, 50, 60, 170, 400]
        self.world.now += dt.timedelta(hours=self.world.random.choice(hours))

    def _keep_house(self) -> None:
        self._pass_time()
        self._collect()

    def _collect(self) -> None:
        """It makes many requests: in small pieces, it would have seen nothing before everything else is over."""
        made = actors.collect(self.world)
        for _ in range(self.world.random.choice([1, 3, 10])):
            self.world.rush(made, self.world.random.choice([0, 30, 300, 3000]))
            self.world.turn()

    def _some_run(self) -> str | None:
        runs = self.rules.started()
        return self.world.random.choice(runs) if runs else None

    def _read(self, store: Memory, run: str) -> None:
        _, state = read_run(Ledger(store), Artifacts(store), run)
        self.rules.read(run, state)

    def _index(self) -> None:
        known: list[Any] = []

        def work(store: Memory) -> None:
            before = (self.rules.started(), self.rules.ends())
            with FileDatabase(self.path) as database:
                found = sync(database, Ledger(store), Artifacts(store), known.append)
                self.rules.index(list_runs(database.connection, RunFilter()), found.unreadable, before)

        self.world.spawn("index", work)

    # --- the end ------------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Engines go on until their runs are over; what was killed is closed by somebody."""
        for _ in range(SETTLED):
            if self.world.errors:
                return
            if self.world.turn():
                continue
            left = [engine for engine in self.engines if engine.step()]
            lost = [run for run in self.rules.started() if run not in self.rules.ends()]
            if not left and not lost:
                return
            if not left:
                for run in lost:
                    actors.close_it(self.world, run, cancel=False)
        self.world.wrong("it does not come to an end")

    def _clean(self) -> None:
        """In half of all schedules, what can go has gone at the end."""
        for _ in range(0 if self.quick or self.world.errors else 3):
            self.world.now += dt.timedelta(hours=400)
            self.world.rush(actors.collect(self.world), SETTLED)

    def _rows(self, path: Path) -> list[RunRow]:
        store = Memory(self.world)
        with FileDatabase(path) as database:
            sync(database, Ledger(store), Artifacts(store), lambda _: None)
            return list_runs(database.connection, RunFilter())
