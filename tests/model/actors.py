"""Who is at work: runners, an engine's tasks, people who close, cancel and resume, readers, an index. All real code."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any
from unittest import mock

from pipeglot.core import calling, plain, run_step
from pipeglot.core.artifacts import Artifacts, artifacts
from pipeglot.core.ir import CodeRef, Pipeline, Source, Step
from pipeglot.core.lineage import closing, keys, lease, ledger
from pipeglot.core.lineage.closing import close
from pipeglot.core.lineage.gc.passes import Pass
from pipeglot.core.lineage.gc.retention import Retention
from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.lease import Pulse, Schedule, lease_of
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.records import Cancel, Start, Verdict
from pipeglot.core.lineage.resuming import Resumed, read_resumed
from pipeglot.core.lineage.view import read_run
from pipeglot.core.run_step import Job, Runtime
from pipeglot.core.workers import worker
from pipeglot.runtime_local import runner
from pipeglot.runtime_local.inline import InlinePool
from pipeglot.runtime_local.listener import Silent
from pipeglot.runtime_local.runner import LocalRun, Origins, Settings
from tests.model import steps
from tests.model.world import Memory, Process, World
from tests.oracle.held import ROOT, Unwatched
from tests.unit.lineage.build import item, mapped, out

DAY = 86_400.0
NEVER = Schedule(1e9, 1e9, 1e9)


def _step(name: str, *, after: tuple[str, ...] = (), trigger: Any = "all_success", **inputs: Source) -> Step:
    code = CodeRef(module=steps.__name__, qualname=name, digest=plain.digest(name))
    return Step(id=name, code=code, inputs=inputs, after=after, trigger=trigger)


PIPELINE = Pipeline(
    name="p",
    nodes=(
        _step("numbers"),
        _step("number"),
        mapped("m", out("numbers"), _step("times", x=item("m"))),
        _step("total", xs=out("times"), y=out("number")),
        _step("large", xs=out("total")),
        _step("length", data=out("large")),
        _step("tidy", after=("total", "length"), trigger="all_done"),
    ),
)


_SAME = mock.Mock(side_effect=lambda *_: nullcontext())
"""The environment of a step is that of its process, and here all are in one."""


@contextmanager
def reality(world: World) -> Iterator[None]:
    """The clock, what is random, and the store that workers open are the world's."""
    steps.DRAW = world.random

    class Time:
        time_ns = staticmethod(lambda: int(world.clock().timestamp() * 1e9))
        strftime = staticmethod(time.strftime)
        gmtime = staticmethod(time.gmtime)

    def opened(*_: object, **__: object) -> Memory:
        return Memory(world, world.at_work)

    with ExitStack() as stack:
        for module in (runner, run_step, closing, lease):
            stack.enter_context(mock.patch.object(module, "now", world.clock))
        stack.enter_context(mock.patch.object(run_step, "elapsed", world.seconds))
        stack.enter_context(mock.patch.object(artifacts, "this_week", world.week))
        stack.enter_context(mock.patch.object(ledger, "time", Time))
        stack.enter_context(mock.patch("os.urandom", world.random.randbytes))
        stack.enter_context(mock.patch.dict("os.environ", {"TMPDIR": str(world.folder)}))
        stack.enter_context(mock.patch.object(worker, "open_store", opened))
        stack.enter_context(mock.patch.object(runner, "CANCEL_POLL", 1e9))
        stack.enter_context(mock.patch.object(worker, "_has_traces", bool))
        stack.enter_context(mock.patch.object(calling, "_environment", _SAME))
        # Python 3.11 lets nobody else look while it is computed, in whatever thread
        stack.enter_context(mock.patch.object(vars(Resumed)["before"], "lock", nullcontext(), create=True))
        yield


def run_locally(world: World, resumes: str | None = None) -> None:
    """A local run, or one that goes on with another."""

    def work(store: Memory) -> None:
        process = store.process
        assert process is not None
        if resumes is not None:
            process.taken = finished(world, resumes)
        settings = Settings(
            stack="local", root=str(ROOT), roots=(str(ROOT),), work=str(world.folder), max_parallel=1, beats=NEVER
        )
        LocalRun(PIPELINE, {}, store, settings, InlinePool(), Silent(), Origins(resumes=resumes)).execute()

    world.spawn("resume" if resumes else "run", work)


def finished(world: World, run: str) -> dict[object, str]:
    """The hashes of the inputs of each success of a run, as of now."""
    verdicts = Ledger(Memory(world)).verdicts(run)
    good = (one for one in verdicts if one.status == "succeeded")
    return {(one.step, one.index): plain.digest(one.portable.inputs) for one in good}


class Engine:
    """An orchestrator with a run: starts its tasks, some twice, and those again of which it hears nothing."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.run = keys.run_id("engine", "p", str(number))
        self.tasks = 0

    def step(self) -> bool:
        """Start a task, or seal. False if all is over."""
        store = Memory(self.world)
        found = Ledger(store)
        if found.ended(self.run) is not None or found.gone(self.run) is not None:
            return False
        ready: list[Cell] = [("numbers", ()), ("number", ())]
        if found.started(self.run) is not None:
            _, state = read_run(found, Artifacts(store), self.run)
            if state.finished:
                self.world.spawn("seal", lambda own: close(Ledger(own), Artifacts(own), self.run))
                return True
            ready = sorted(state.expected)
        cell = self.world.random.choice(ready)
        for _ in range(1 + (self.world.random.random() < 0.1)):
            self.tasks += 1
            self.world.spawn("task", lambda own, tasks=self.tasks: self._task(own, cell, tasks))  # type: ignore[misc]
        return True

    def _task(self, store: Memory, cell: Cell, number: int) -> None:
        """As a backend executes one: it knows the run's id and the cell, and asks the ledger for all else."""
        found, artifacts = Ledger(store), Artifacts(store)
        if found.started(self.run) is None:
            found.start(self._start(found, number))
        start, state = read_run(found, artifacts, self.run)
        if cell not in state.expected:
            return
        runtime = Runtime(start, found, artifacts, {}, plan=state.plan)
        job = Job(step=state.plan.step(cell[0]), index=cell[1], args=state.arguments.of_step(*cell), started="")
        if not isinstance(runtime.reuse(job), Verdict):
            pulse = Pulse(found, self.run, cell, began=0.0)
            for _ in range(self.world.random.randrange(3)):
                pulse.beat(tail="working")
            runtime.execute(job, Unwatched())

    def _start(self, found: Ledger, number: int) -> Start:
        at = self.world.clock().isoformat()
        ir, tags = found.put_ir(PIPELINE), {"by": str(number)}
        known: dict[str, Any] = {"pipeline": "p", "stack": "engine", "backend": "engine", "params": {}, "ir": ir}
        return Start(run=self.run, created=at, logical_date=at, tags=tags, engine={"host": "far"}, **known)


def resume(world: World, run: str) -> None:
    """As `runs resume`: what is shown as lost is closed first."""

    def work(store: Memory) -> None:
        found, artifacts = Ledger(store), Artifacts(store)
        start, state = read_run(found, artifacts, run)
        if not state.finished:
            if lease_of(found, start, state).status == "running":
                return
            close(found, artifacts, run)
        read_resumed(found, artifacts, run)
        world.stats["resumable"] += 1
        run_locally(world, run)

    world.spawn("look to resume", work)


def collect(world: World) -> Process:
    """A pass of gc, which prunes what is old enough, or all but some."""
    older = world.random.choice([2 * DAY, 2 * DAY, 20 * DAY, None])
    last = world.random.choice([None, 0, 0, 1]) if older is not None else world.random.choice([0, 1])

    def work(store: Memory) -> None:
        wanted = Retention(older_than=older, keep_last=last)
        made = Pass(Ledger(store), Artifacts(store), wanted, dry_run=False, now=lambda: 0.0)
        found = made.run()
        world.stats["pruned"] += found.runs
        world.stats["blobs removed"] += found.freed_blobs
        world.stats["gave way"] += bool(found.gave_way)

    return world.spawn("gc", work)


def close_it(world: World, run: str, *, cancel: bool) -> None:
    """A person who is sure, and may be wrong."""

    def work(store: Memory) -> None:
        found = Ledger(store)
        if cancel:
            found.cancel(Cancel(run=run, at=world.clock().isoformat()))
        close(found, Artifacts(store), run)

    world.spawn("cancel" if cancel else "close", work)
