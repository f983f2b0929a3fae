"""Run a generated pipeline and hold what the ledger says of it against the interpreter."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from msgspec import structs

from pipeglot.client.launch import Prepared
from pipeglot.client.plan import plan_run
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.ir import Pipeline, Step
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.digest import lineage_digest
from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.lineage.records import Attempt, Start, Verdict
from pipeglot.core.lineage.state import RunState
from pipeglot.core.lineage.view import read_run
from pipeglot.core.run_step import Job, Runtime
from pipeglot.core.store import open_store
from pipeglot.core.store.base import Store
from pipeglot.core.workers.pool import Pool
from pipeglot.runtime_local.listener import Silent
from pipeglot.runtime_local.runner import LocalRun, Settings
from tests.oracle.interpreter import Interpreter, Outcome

ROOT = Path(__file__).parents[2]


class Unwatched:
    """Nobody enforces a timeout."""

    def calling(self) -> None: ...

    def called(self) -> None: ...


def in_workers(pipeline: Pipeline, given: dict[str, Any], folder: Path) -> str:
    """Run it as a user would, in processes. Returns the run's id."""
    settings = Settings(stack="local", root=str(ROOT), roots=(str(ROOT),), work=str(folder / "work"), max_parallel=2)
    pool = Pool()
    try:
        store = open_store(str(folder / "store"))
        return LocalRun(pipeline, given, store, settings, pool, Silent()).execute().run_id
    finally:
        pool.close()


def in_any_order(pipeline: Pipeline, given: dict[str, Any], folder: Path, chance: random.Random) -> str:
    """Run it in this process; whichever cell is ready may be next, or an attempt of one that failed before."""
    store = open_store(str(folder / "store"))
    ledger, artifacts, plan = Ledger(store), Artifacts(store), Plan(pipeline)
    run = keys.run_id("local", pipeline.name, str(chance.random()))
    start = Start(
        run=run,
        pipeline=pipeline.name,
        stack="local",
        backend="local",
        ir=ledger.put_ir(pipeline),
        params=given,
        created="2026-01-01T00:00:00+00:00",
        logical_date="2026-01-01T00:00:00+00:00",
    )
    ledger.start(start)
    state = RunState(pipeline, given, artifacts, plan)
    runtime = Runtime(start, ledger, artifacts, {}, plan=plan)
    waiting: list[tuple[Cell, int]] = [(cell, 1) for cell in state.take_ready()]
    while waiting:
        cell, attempt = waiting.pop(chance.randrange(len(waiting)))
        record = _attempt(runtime, state, plan.step(cell[0]), cell, attempt)
        if isinstance(record, Attempt):
            waiting.append((cell, attempt + 1))
            continue
        state.apply(record)
        waiting += [(cell, 1) for cell in state.take_ready()]
    return run


def _attempt(runtime: Runtime, state: RunState, step: Step, cell: Cell, attempt: int) -> Verdict | Attempt:
    job = Job(step=step, index=cell[1], args=state.arguments.of_step(*cell), attempt=attempt)
    if attempt == 1:
        found = runtime.reuse(job)
        if isinstance(found, Verdict):
            return found
    return runtime.execute(job, Unwatched())


def compare(pipeline: Pipeline, given: dict[str, Any], run: str, folder: Path, *, again: bool = False) -> str | None:
    """Hold a run against the interpreter; `again` tells that everything was computed before. Returns its digest."""
    return compare_in(open_store(str(folder / "store")), pipeline, given, run, again=again)


def compare_in(store: Store, pipeline: Pipeline, given: dict[str, Any], run: str, *, again: bool = False) -> str | None:
    """The same in any store."""
    ledger, artifacts = Ledger(store), Artifacts(store)
    _, state = read_run(ledger, artifacts, run)
    expected = Interpreter(pipeline, given)
    assert state.finished
    assert {cell: entry.status for cell, entry in state.entries.items()} == {
        cell: outcome.status for cell, outcome in expected.cells.items()
    }
    assert state.status == expected.status
    recorded = {(one.step, one.index) for one in ledger.verdicts(run)}
    known = {cell for cell, entry in state.entries.items() if entry.verdict}
    assert recorded == known, (recorded - known, known - recorded)
    for cell, outcome in expected.cells.items():
        verdict = state.entries[cell].verdict
        if verdict is not None:
            step = expected.steps[cell[0]]
            _same(step, verdict, outcome, artifacts)
            if again and verdict.status == "succeeded":
                assert (verdict.observed.cached is not None) == _reusable(step, expected), step.id
    return lineage_digest(state)


def without_hooks(pipeline: Pipeline) -> Pipeline:
    """What becomes of hooks is no part of a run's lineage, nor of its status."""
    return structs.replace(pipeline, on_failure=(), on_success=())


def _same(step: Step, verdict: Verdict, outcome: Outcome, artifacts: Artifacts) -> None:
    seen = verdict.observed
    if verdict.status == "succeeded":
        values = {name: artifacts.load(ref, name=name) for name, ref in seen.refs.items()}
        names = [output.name for output in step.returns.outputs]
        wanted = outcome.value if len(names) > 1 else [outcome.value][: len(names)]
        assert values == dict(zip(names, wanted, strict=True)), step.id
    if seen.cached is None:
        assert seen.attempt == outcome.attempts, step.id


def _reusable(step: Step, expected: Interpreter) -> bool:
    """Clean-up steps and hooks run for what they do."""
    runs_anyway = step.trigger == "all_done" or step.id in expected.hooks
    return step.cache.enabled and step.cache.expires is None and not runs_anyway


def planned_as_run(pipeline: Pipeline, given: dict[str, Any], folder: Path, chance: random.Random) -> None:
    """Plan a run on a store that may know something, run it, and hold the one against the other."""
    store = open_store(str(folder / "store"))
    plan = plan_run(Prepared(pipeline, given, (), []), store, "local")
    ledger, artifacts = Ledger(store), Artifacts(store)
    _, state = read_run(ledger, artifacts, in_any_order(pipeline, given, folder, chance))
    known = {(one.id, one.index): one for one in plan.steps}
    assert len(known) == len(plan.steps), "nothing is told twice"
    for cell, entry in state.entries.items():
        one = known.pop(cell, None) or known.get((cell[0], None))
        assert one is not None, cell
        cached = entry.verdict is not None and entry.verdict.observed.cached is not None
        ran = entry.verdict is not None and not cached
        if one.state == "open" or (one.waits_for and entry.status == "skipped"):
            continue  # a plan takes it that what would run succeeds
        told = "cached" if cached else "run" if ran else entry.status
        # what another item of equal values has computed meanwhile is taken from there
        assert one.state in (told, "run" if cached else told), cell
    assert not [one for one in known.values() if one.index is not None], "what is planned comes to be"
