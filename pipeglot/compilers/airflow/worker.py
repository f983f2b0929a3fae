"""What emitted DAG files import, inside their tasks: from Airflow's context to a task of ours, and back."""

from __future__ import annotations

import datetime as dt
import gc
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from pipeglot.core.errors import Cancelled, NewerFormat, PipeglotError, StepError

if TYPE_CHECKING:
    from pipeglot.core.ir import Step
    from pipeglot.core.lineage.keys import Index
    from pipeglot.core.task.chunks import Items
    from pipeglot.core.task.joining import EngineRun
    from pipeglot.core.task.task import Outcome, TaskRun

Item = list[int] | list[list[int]]
"""What a mapped task is mapped over: an item's position in each map around it; or several, of a list that is longer
than Airflow maps."""

CONNECTION = "conn/"
"""In the place of a secret, before the name of a connection."""

_MOST = 1024
"""Airflow's own `max_map_length`."""


def run(pipeline: Mapping[str, Any], step: str, item: Item | None = None) -> Any:
    """Run a step; returns the ids of its artifacts, which are all that Airflow keeps of them.

    Raises what Airflow's states are: skipped, failed for good, or failed and to be tried again.
    """
    context = _context()
    ti = context["ti"]
    from pipeglot.core.task.task import told_run

    with _no_other_try():
        task = _task_run(pipeline, context)
        print(told_run(task.start.run), flush=True)
        if item and isinstance(item[0], list):
            found = _run_chunk(task, step, [tuple(one) for one in item], context)
            _tell_assets(context, task.plan.step(step), found)
            return found
        index: Index = tuple(item or ())  # type: ignore[arg-type]
        if index:
            context["item_label"] = task.label(step, index)
        outcome = task.step(step, index, attempt=ti.try_number, first=_first_try(ti), engine=_words(ti))
    if outcome.status == "succeeded":
        _tell_assets(context, task.plan.step(step), outcome.outputs)
    return _answer(outcome)


def items(pipeline: Mapping[str, Any], step: str) -> Items:
    """Where a mapped step runs: the position of each item, in each map around it.

    If they are more than Airflow maps over, several stand in one place: a task of the step runs them one by one.
    """
    with _no_other_try():
        found = _task_run(pipeline, _context()).items(step)
    from pipeglot.core.task.chunks import shared

    return shared(found, _most(), step)


def choose(pipeline: Mapping[str, Any], branch: str, then: list[str], otherwise: list[str]) -> list[str]:
    """The tasks of the arm that is taken."""
    with _no_other_try():
        answer = _task_run(pipeline, _context()).taken(branch)
    if answer is None:
        _skip(f"what the condition of `{branch}` needs has not succeeded")
    return then if answer else otherwise


def outcome(pipeline: Mapping[str, Any]) -> None:
    """Whether all steps but hooks have ended well: fails if not."""
    from pipeglot.core.task.task import ENDED_BADLY

    found = _task_run(pipeline, _context()).outcome()
    if found != "succeeded":
        _fail(ENDED_BADLY[found])


def _run_chunk(task: TaskRun, step: str, indexes: list[Index], context: Any) -> list[dict[str, str]]:
    from pipeglot.core.task.chunks import label, run_chunk

    context["item_label"] = label(indexes)
    found = run_chunk(task, step, indexes, _words(context["ti"]))
    if found.tracebacks:
        print(found.tracebacks, file=sys.stderr, flush=True)
    if found.status == "failed":
        _fail(found.message)
    if found.status == "skipped":
        _skip(found.message)
    return found.outputs


# --- to Airflow -------------------------------------------------------------------------------------------------------


def _answer(outcome: Outcome) -> dict[str, str] | None:
    from pipeglot.core.task.task import NOT_DUE

    if outcome.status == "skipped":
        _skip(NOT_DUE)
    if outcome.status == "succeeded":
        if outcome.cached:
            print(f"pipeglot: cached: the result of {outcome.cached} is taken")
        return dict(outcome.outputs) or None
    failure = outcome.failure
    assert failure is not None, "a failed attempt says why"
    if failure.traceback:
        print(failure.traceback, file=sys.stderr, flush=True)
    told = f"{failure.type}: {failure.message}"
    if outcome.status == "retry":
        raise PipeglotError(told, hint=failure.hint)
    _fail(told, failure.hint)


def _tell_assets(context: Any, step: Step, outputs: Any) -> None:
    """In the event of each asset: which artifact it is. They stand in the outlets in the same order."""
    from pipeglot.core.task.task import asset_values

    for artifact, outlet in zip(asset_values(step, outputs), context["ti"].task.outlets, strict=False):
        context["outlet_events"][outlet].extra = {"pipeglot": artifact}


@contextmanager
def _no_other_try() -> Iterator[None]:
    """For what another try would not help: a step that is over, and what was asked means nothing here."""
    try:
        yield
    except PipeglotError as error:
        if error.exit_code == 2 or isinstance(error, Cancelled | StepError | NewerFormat):
            _fail(error.message, error.hint)
        raise


def _fail(message: str, hint: str = "") -> NoReturn:
    raise _exceptions().AirflowFailException(f"{message}\n\nhint: {hint}" if hint else message) from None


def _skip(why: str) -> NoReturn:
    raise _exceptions().AirflowSkipException(why) from None


def _exceptions() -> Any:
    from importlib import import_module

    try:
        return import_module("airflow.sdk.exceptions")  # from 3.2 on
    except ImportError:
        return import_module("airflow.exceptions")


# --- from Airflow -----------------------------------------------------------------------------------------------------


def _context() -> Any:
    return _sdk("airflow.operators.python")[0].get_current_context()


def _secret(name: str, place: str) -> str:
    """A variable of Airflow (`airflow:NAME`), or the password of a connection (`airflow:conn/NAME`)."""
    kind, _, key = place.partition(":")
    if kind != "airflow":
        raise StepError(f"secret `{name}`: on Airflow nothing is read from `{kind}:`")
    connection = key.removeprefix(CONNECTION)
    found = _variable(key) if connection == key else _password(connection)
    if found is None:
        lacks = f"variable `{key}`" if connection == key else f"connection `{connection}` with a password"
        add = f"variables set {key} VALUE" if connection == key else f"connections add {connection} …"
        raise StepError(
            f"secret `{name}`: this Airflow has no {lacks}",
            hint=f"`airflow {add}` makes it; or say in `secrets:` of the stack where else the value is",
        )
    return found


def _variable(key: str) -> str | None:
    sdk, old = _sdk("airflow.models")
    found = sdk.Variable.get(key, **{"default_var" if old else "default": None})
    return None if found is None else str(found)


def _password(name: str) -> str | None:
    sdk, old = _sdk("airflow.hooks.base")
    try:
        return (sdk.BaseHook.get_connection(name) if old else sdk.Connection.get(name)).password or None
    except _exceptions().AirflowNotFoundException:
        return None


def _sdk(before: str) -> tuple[Any, bool]:
    """Airflow's own module for those who write tasks, or the one that 2.x has in its place; and which it is."""
    from importlib import import_module

    try:
        return import_module("airflow.sdk"), False
    except ImportError:
        return import_module(before), True


def _task_run(pipeline: Mapping[str, Any], context: Any) -> TaskRun:
    """The run, joined. Raises what `TaskRun` raises.

    A task of Airflow is a fork of a large process. Our imports make enough objects for Python to look for cycles in all
    of it, and to look is to copy it, page by page, here and in each of our own forks. So what is there is left alone.
    """
    gc.freeze()
    from pipeglot.core.task.deployed import read_deployed
    from pipeglot.core.task.task import TaskRun

    return TaskRun(read_deployed(pipeline), _engine_run(context), secrets=_secret)


def _engine_run(context: Any) -> EngineRun:
    from pipeglot.core.task.joining import EngineRun

    dag_run = context["dag_run"]
    return EngineRun(
        id=dag_run.run_id,
        params=_params(context),
        logical_date=_logical_date(dag_run),
        about={"dag": dag_run.dag_id, "type": str(getattr(dag_run.run_type, "value", dag_run.run_type))},
    )


def _params(context: Any) -> dict[str, Any]:
    """Those of the DAG, and what `pipeglot run` has sent beside them."""
    from pipeglot.core.task.joining import RESERVED

    wishes = (context["dag_run"].conf or {}).get(RESERVED)
    return {**context["params"], **({RESERVED: wishes} if wishes is not None else {})}


def _logical_date(dag_run: Any) -> dt.datetime | None:
    """The planned time; of a run that somebody or an asset started, when that was.

    Where runs have data intervals (2.x, and 3.x if it is set so), they are called by the start of theirs, and are due
    at its end; without, both are the planned time.
    """
    kind = str(getattr(dag_run.run_type, "value", dag_run.run_type))
    planned = dag_run.data_interval_end if kind in ("scheduled", "backfill") else None
    found = planned or dag_run.logical_date or getattr(dag_run, "run_after", None)  # 2.x has no `run_after`
    return dt.datetime.fromisoformat(found.isoformat()) if found is not None else None


def _most() -> int:
    """How many items this Airflow maps over."""
    from importlib import import_module

    return int(import_module("airflow.configuration").conf.getint("core", "max_map_length", fallback=_MOST))


def _first_try(ti: Any) -> int:
    """The first one since the task was cleared: Airflow then raises how many tries there may be."""
    return int(ti.max_tries - ti.task.retries + 1)


def _words(ti: Any) -> dict[str, str]:
    """What to look for in Airflow's pages; and what changes with each clear."""
    words = {"task": ti.task_id, "try": str(ti.try_number), "round": str(ti.max_tries)}
    return words | ({"map_index": str(ti.map_index)} if ti.map_index >= 0 else {})
