"""An engine as little as one can be: it calls tasks when what they wait for is over, each as often as it must.

It believes nothing of its own: it starts every step, in the branches not taken too, and after failures. What is to run
is what the tasks say. Each task is a new `TaskRun`, as in a process of its own.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any
from unittest import mock

from pipeglot.core.ir import Pipeline
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.lineage.records import Attempt, Verdict
from pipeglot.core.lineage.selection import direct_needs
from pipeglot.core.run_step import Job, Runtime
from pipeglot.core.store import open_store
from pipeglot.core.task import installed, places
from pipeglot.core.task.attempt import Bench
from pipeglot.core.task.deployed import Deployed
from pipeglot.core.task.joining import EngineRun
from pipeglot.core.task.task import Outcome, TaskRun
from tests.oracle.held import Unwatched


def in_tasks(pipeline: Pipeline, given: dict[str, Any], folder: Path, chance: random.Random) -> str:
    """Run it, task by task, in any order that its needs allow. Returns the run's id."""
    ledger = Ledger(open_store(str(folder / "store")))
    deployed = Deployed(
        pipeline=pipeline.name, ir=ledger.put_ir(pipeline), stack="far", backend="engine", store=str(folder / "store")
    )
    engine = _Engine(deployed, EngineRun(id=str(chance.random()), params=given), chance)
    with mock.patch.object(places, "Bench", Here), mock.patch.object(installed, "refuse_other_code"):
        return engine.run(pipeline)


class Here(Bench):
    """In this process."""

    def __init__(self, *_: object) -> None:
        pass

    def attempt(self, runtime: Runtime, job: Job, *_: object) -> Verdict | Attempt:
        return runtime.execute(job, Unwatched())

    def close(self) -> None:
        pass


class _Engine:
    def __init__(self, deployed: Deployed, run: EngineRun, chance: random.Random) -> None:
        self.deployed = deployed
        self.engine_run = run
        self.chance = chance

    def run(self, pipeline: Pipeline) -> str:
        plan = Plan(pipeline)
        needs = direct_needs(plan)
        left = {step.id for step in plan.steps() if step.id not in plan.hooks}
        while left:
            ready = sorted(step for step in left if not needs[step] & left)
            step = self.chance.choice(ready)
            self._step(step, bool(plan.scope(step)))
            left.remove(step)
        for hook in self.chance.sample(sorted(plan.hooks), len(plan.hooks)):
            self._step(hook, False)
        return self._task().start.run

    def _step(self, step: str, is_mapped: bool) -> None:
        indexes = self._task().items(step) if is_mapped else [[]]
        for index in self.chance.sample(indexes, len(indexes)):
            attempt = 1
            while self._try(step, tuple(index), attempt).status == "retry":
                attempt += 1

    def _try(self, step: str, index: tuple[int, ...], attempt: int) -> Outcome:
        return self._task().step(step, index, attempt=attempt)

    def _task(self) -> TaskRun:
        return TaskRun(self.deployed, self.engine_run)
