"""What emitted flows import: from a run of Prefect's to a run of ours, and back.

Prefect runs the tasks of a flow as threads of one process. All of them work on one `TaskRun`; each step runs in a
worker process, so that a timeout, a cancel and a segfault end the step and nothing else.
"""

from __future__ import annotations

import datetime as dt
import inspect
import json
import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import wraps
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from prefect import Task, allow_failure, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.blocks.system import Secret
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.context import FlowRunContext, TaskRunContext
from prefect.events import emit_event
from prefect.exceptions import TerminationSignal
from prefect.futures import PrefectFuture, wait
from prefect.states import Cancelled, Completed, Failed, State

from pipeglot.compilers.prefect.automation import NEW
from pipeglot.compilers.prefect.names import WISHES
from pipeglot.core import errors
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.errors import NewerFormat, PipeglotError, StepError
from pipeglot.core.ir import Step
from pipeglot.core.lineage.closing import close
from pipeglot.core.lineage.ids import artifact_id
from pipeglot.core.lineage.keys import Index, run_id
from pipeglot.core.lineage.ledger import Ledger, now
from pipeglot.core.lineage.plan import inner_steps
from pipeglot.core.lineage.records import Cancel, Start
from pipeglot.core.store import open_store
from pipeglot.core.suggest import SHORT_ID
from pipeglot.core.task.deployed import read_deployed
from pipeglot.core.task.joining import RESERVED, EngineRun
from pipeglot.core.task.places import Threads
from pipeglot.core.task.slots import Slots
from pipeglot.core.task.task import NOT_DUE, Outcome, TaskRun, told_run
from pipeglot.core.variables import expand

if TYPE_CHECKING:
    from uuid import UUID


_DUE = (StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING)

GRACE = 15.0
"""Seconds that a cancelled step has to end; Prefect kills the process after 30, and what cleans up needs some, too."""

MOST_TOLD = 100
"""So many artifacts of a mapped asset are named in what is told of it."""

Body = Callable[..., None]


class Worker:
    """A pipeline, in the process of one of its flow runs.

    most: how many steps run at once; if not said, one for each core. since, until, zone: when its schedule begins and
    ends, which Prefect's own does not.
    """

    def __init__(
        self, deployed: Mapping[str, Any], *, most: int = 0, since: str = "", until: str = "", zone: str = "UTC"
    ) -> None:
        self._deployed = read_deployed(deployed)
        self._window = _moment(since, zone), _moment(until, zone)
        self._most = most or os.cpu_count() or 1
        self._place = Threads(_show, GRACE)
        self._run: TaskRun | None = None
        self._slots: Slots | None = None
        self._round = 1
        self._futures: list[PrefectFuture[Any]] = []
        """Of all tasks that the flow itself has submitted."""
        self._over: set[UUID] = set()
        """The task runs that another try would not help."""

    # --- what the file is made of -------------------------------------------------------------------------------------

    def flow(self, body: Body) -> Callable[..., Any]:
        """The body of a flow submits all tasks. They are waited for here, and Prefect judges the run by all of them."""

        @wraps(body)
        def joined(*args: Any, **kwargs: Any) -> Any:
            given = inspect.signature(body).bind(*args, **kwargs)
            given.apply_defaults()
            why = self._not_due()
            if why:
                return Cancelled(name="Skipped", message=why)
            with self._joined(given.arguments), self._ended():
                body(*args, **kwargs)
                wait(self._futures)
                return list(self._futures)

        return joined

    def task(self, name: str, **words: Any) -> Callable[[Callable[..., Any]], Task[..., Any]]:
        """A task whose results are ours to keep."""
        if words.get("retries"):
            words["retry_condition_fn"] = self._is_tried_again
        words.setdefault("task_run_name", name)  # Prefect would add three letters
        made: Callable[[Callable[..., Any]], Task[..., Any]]
        made = task(name=name, cache_policy=NO_CACHE, persist_result=False, **words)
        return made

    def run(self, step: str, item: Sequence[int] = ()) -> Any:
        """Run a step. Returns the ids of its artifacts, or the state that says why there are none."""
        with self._answered() as run, self._slot(run, step):
            attempt = _context().run_count if self._round == 1 else None
            outcome = run.step(step, tuple(item), attempt=attempt, engine=self._words())
            if outcome.status == "succeeded" and not item:
                self._tell_assets(run, run.plan.step(step))
            return self._state(outcome)

    def each(self, map_: str, body: Callable[[Index, str], Any], item: Sequence[int] = ()) -> Any:
        """Submit what is in a map, for each of its items, and wait for all of it. Returns how many items there are.

        `item` tells where in other maps this one stands.
        """
        with self._answered() as run:
            found = run.items_of(map_, tuple(item))
            states = self._submitted(run, map_, found, body)
            bad = sum(not state.is_completed() for state in states)
            for step in inner_steps(run.plan.maps[map_].node) if not item else ():
                self._tell_assets(run, step)  # not with each item: so often would those begin that wait for it
            return Failed(message=f"{bad} of {len(states)} tasks have not succeeded") if bad else len(found)

    def choose(self, branch: str, item: Sequence[int] = ()) -> Any:
        """Whether the condition of a branch holds."""
        with self._answered() as run:
            found = run.taken(branch, tuple(item))
            return _skipped("what it needs has not succeeded") if found is None else found

    def over(self, flow: Any, flow_run: Any, state: Any) -> None:  # noqa: ARG002  # named by Prefect
        """A hook, which Prefect's worker calls when the process of a run was killed: what it left open is closed."""
        deployed = self._deployed
        uri = expand(deployed.store, "the store of this pipeline")
        store = open_store(uri, trusted=deployed.trusted, durable=deployed.durable)
        run = run_id(deployed.stack, deployed.pipeline, str(flow_run.id))
        ledger = Ledger(store)
        if ledger.started(run) is not None:
            close(ledger, Artifacts(store), run)

    def all(self) -> list[Any]:
        """Everything that was submitted so far, however it ends."""
        return [allow_failure(future) for future in self._futures]

    def _not_due(self) -> str:
        """Why a run that Prefect has scheduled is not to be; "" if it is."""
        found = _flow_run()
        if not found.auto_scheduled:
            return ""
        since, until = self._window
        if (since and found.expected_start_time < since) or (until and found.expected_start_time > until):
            return "the pipeline's schedule begins later, or is over"
        return "a later run is due as well, and the schedule says no catchup" if _is_superseded(found) else ""

    # --- a run --------------------------------------------------------------------------------------------------------

    @contextmanager
    def _joined(self, params: Mapping[str, Any]) -> Iterator[None]:
        found = _flow_run()
        self._round = found.run_count
        self._record(FlowRunContext.get().task_runner)
        try:
            run = self._run = TaskRun(self._deployed, _engine_run(found, params), secrets=_secret, place=self._place)
            limits = {step.id: step.max_parallel for step in run.plan.steps() if step.max_parallel is not None}
            self._slots = Slots(self._most, limits)
            get_run_logger().info(told_run(run.start.run))
            if self._round == 1:
                _link(run.start)
            yield
        finally:
            self._place.close()

    @contextmanager
    def _ended(self) -> Iterator[None]:
        """A flow that is told to end ends its steps, and waits for what cleans up; Prefect kills it after 30 s."""
        try:
            yield
        except BaseException as error:
            self._place.tell()
            if isinstance(error, TerminationSignal):
                self._record_cancel()
            wait(self._futures)
            raise

    def _record_cancel(self) -> None:
        assert self._run is not None
        with suppress(PipeglotError):  # the steps tell themselves
            self._run.ledger.cancel(Cancel(run=self._run.start.run, at=now().isoformat(), by="Prefect"))

    def _slot(self, run: TaskRun, step: str) -> AbstractContextManager[None]:
        assert self._slots is not None, "a task runs inside its flow"
        cleans = run.plan.repeats(step)
        return self._slots.one(step, run.plan.step(step).priority, lambda: self._place.is_told(cleans=cleans))

    def _record(self, runner: Any) -> None:
        """Keep what the flow itself submits, also if it is ended in the middle of it."""
        submit = runner.submit

        def recorded(*args: Any, **kwargs: Any) -> PrefectFuture[Any]:
            future: PrefectFuture[Any] = submit(*args, **kwargs)
            if TaskRunContext.get() is None:
                self._futures.append(future)
            return future

        runner.submit = recorded

    def _submitted(
        self, run: TaskRun, map_: str, found: Sequence[Index], body: Callable[[Index, str], Any]
    ) -> list[State[Any]]:
        """No more at once than can run soon: each holds a thread, and is shown as running."""
        states: list[State[Any]] = []
        under_way: deque[list[PrefectFuture[Any]]] = deque()
        for item in found:
            if len(under_way) >= 2 * self._most:
                states += _ends(under_way.popleft())
            under_way.append(_listed(body(item, run.item_label(map_, item))))
        for futures in under_way:
            states += _ends(futures)
        return states

    def _tell_assets(self, run: TaskRun, step: Step) -> None:
        """That they are new, in the words of Prefect's own: automations wait for that. What had succeeded before the
        run was tried again is not."""
        if not step.asset:
            return
        try:
            made = [one for one in run.cells.successes(step.id) if one.observed.engine.get("round") == str(self._round)]
        except PipeglotError as error:
            get_run_logger().warning("nobody is told that assets of `%s` are new: %s", step.id, error.message)
            return
        for name, uri in step.asset.items() if made else ():
            told = [artifact_id(one.run, (one.step, one.index), name) for one in made]
            payload = {"run": run.start.run, "artifacts": told[:MOST_TOLD]}
            emit_event(NEW, resource={"prefect.resource.id": uri}, payload={"pipeglot": payload})

    # --- a task -------------------------------------------------------------------------------------------------------

    @contextmanager
    def _answered(self) -> Iterator[TaskRun]:
        """The run. What another try would not help is noted."""
        assert self._run is not None, "a task runs inside its flow"
        try:
            yield self._run
        except PipeglotError as error:
            if error.exit_code == 2 or isinstance(error, errors.Cancelled | StepError | NewerFormat):
                self._over.add(_context().id)
            raise

    def _state(self, outcome: Outcome) -> Any:
        """What Prefect is told of a step."""
        if outcome.status == "skipped":
            return _skipped(NOT_DUE)
        if outcome.status == "succeeded":
            outputs = dict(outcome.outputs) or None
            if not outcome.cached:
                return outputs
            return Completed(name="Cached", message=f"the result of {outcome.cached} is taken", data=outputs)
        failure = outcome.failure
        assert failure is not None, "a failed attempt says why"
        if failure.traceback:
            get_run_logger().error(failure.traceback.rstrip())
        if outcome.status == "failed":
            self._over.add(_context().id)
        told = f"{failure.type}: {failure.message}"
        return Failed(message=f"{told}\n\nhint: {failure.hint}" if failure.hint else told)

    def _is_tried_again(self, _task: Any, task_run: Any, _state: Any) -> bool:
        return task_run.id not in self._over

    def _words(self) -> dict[str, str]:
        """What to look for in Prefect's pages; and what changes with each time that the run is tried again."""
        found = _context()
        return {"task_run": str(found.id), "try": str(found.run_count), "round": str(self._round)}


# --- from Prefect -----------------------------------------------------------------------------------------------------


def _context() -> Any:
    context = TaskRunContext.get()
    assert context is not None, "Prefect calls a task in its context"
    return context.task_run


def _engine_run(found: Any, params: Mapping[str, Any]) -> EngineRun:
    wishes = (found.labels or {}).get(WISHES)
    return EngineRun(
        id=str(found.id),
        params={**params, **({RESERVED: json.loads(wishes)} if wishes else {})},
        logical_date=dt.datetime.fromisoformat(
            found.expected_start_time.isoformat()
        ),  # theirs is of a class of its own
        about={"flow_run": found.name, "deployment": str(found.deployment_id or "")},
    )


def _secret(name: str, place: str) -> str:
    """The value of a secret block (`prefect:NAME`)."""
    kind, _, key = place.partition(":")
    if kind != "prefect":
        raise StepError(f"secret `{name}`: on Prefect nothing is read from `{kind}:`")
    try:
        return str(Secret.load(key).get())
    except ValueError:
        raise StepError(
            f"secret `{name}`: this Prefect has no secret block `{key}`",
            hint="its page of blocks makes one; or say in `secrets:` of the stack where else the value is",
        ) from None


def _moment(text: str, zone: str) -> dt.datetime | None:
    return dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)) if text else None


def _is_superseded(found: Any) -> bool:
    """Whether a run is late, and the next one of its schedule is due: of those that were missed, the last one runs."""
    asked = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[found.deployment_id]),
        expected_start_time=FlowRunFilterExpectedStartTime(after_=found.expected_start_time, before_=now()),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[*_DUE])),
    )
    with get_client(sync_client=True) as client:
        return any(
            one.auto_scheduled and one.expected_start_time > found.expected_start_time
            for one in client.read_flow_runs(flow_run_filter=asked)
        )


def _flow_run() -> Any:
    context = FlowRunContext.get()
    assert context is not None, "Prefect calls a flow in its context"
    return context.flow_run


# --- to Prefect -------------------------------------------------------------------------------------------------------


def _link(start: Start) -> None:
    """The way from the page of a run to what is recorded of it, as an artifact there. A run goes on without."""
    ours = f"{start.run[:SHORT_ID]} --stack {start.stack}"
    text = f"""\
Run `{start.run}` of pipeline `{start.pipeline}`, stack `{start.stack}`.

| | |
|---|---|
| its steps, attempts and errors | `pipeglot runs show {ours}` |
| what a step printed | `pipeglot runs logs {start.run[:SHORT_ID]} STEP --stack {start.stack}` |
| what each artifact was made of | `pipeglot lineage {ours}` |
"""
    key = re.sub("[^a-z0-9]+", "-", f"lineage-{start.pipeline.lower()}").strip("-")
    try:
        create_markdown_artifact(text, key=key, description=f"Lineage of {start.pipeline}")
    except Exception as error:  # noqa: BLE001  # whatever their client raises, it is no reason to fail
        get_run_logger().warning("the run's page has no way to its lineage: %s: %s", type(error).__name__, error)


def _skipped(why: str) -> State[Any]:
    return Completed(name="Skipped", message=why)


def _show(text: str) -> None:
    """What a step prints, into the log of its task."""
    logger = get_run_logger()
    for line in text.splitlines():
        logger.info(line)


def _listed(found: Any) -> list[PrefectFuture[Any]]:
    return [found] if isinstance(found, PrefectFuture) else list(found)


def _ends(futures: list[PrefectFuture[Any]]) -> list[State[Any]]:
    wait(futures)
    return [future.state for future in futures]
