"""A task of an engine as a process: `python -m pipeglot.core.run_step DOCUMENT`, for engines that start programs.

DOCUMENT is one JSON object: as it stands, `@FILE`, or `-` for standard input. What is in it says `Call`.

--result FILE   what became of it is written there as JSON: `Result`
--value FILE    only what the engine is to keep, as its own tasks return it; nothing if it did not succeed
--index NAME    the index stands in this environment variable, as JSON, for engines that give each item one of its own;
                or several of them, as in `indexes`
--parent PID    end with that process, which started this one: at once and without a word, for it was killed

What the step prints comes out as it prints it; why it failed is written to standard error. The exit code says the rest:

0     succeeded
1     failed, and to be tried again; or the store did not do its part
2     what was asked means nothing here: no try would help
99    skipped: nothing was to be done
100   failed for good, or cancelled

SIGTERM ends the step, which is recorded as cancelled; also as process 1 of a container.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct, structs

from pipeglot.core.errors import Cancelled, NewerFormat, PipeglotError, StepError, UsageError
from pipeglot.core.task import chunks
from pipeglot.core.task.chunks import Chunk, run_chunk, shared
from pipeglot.core.task.deployed import Deployed
from pipeglot.core.task.joining import EngineRun
from pipeglot.core.task.task import ENDED_BADLY, NOT_DUE, Outcome, TaskRun, asset_values, told_run

SUCCEEDED, AGAIN, MEANINGLESS, SKIPPED, FAILED = 0, 1, 2, 99, 100

_CODES = {"succeeded": SUCCEEDED, "retry": AGAIN, "skipped": SKIPPED, "failed": FAILED}

_USAGE = "python -m pipeglot.core.run_step DOCUMENT [--result FILE] [--value FILE] [--index NAME] [--parent PID]"

LOOK = 1.0
"""Seconds between two looks at whether the parent is still there."""


class Call(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an engine asks of one of its tasks.

    pipeline: what the emitted file says of it. run: the engine's run. node: the id of a step, a branch or a map.
    do: run the step; or tell its `items`, where it is mapped; or `list` those of the map; or `choose` an arm of the
    branch; or fail if the `outcome` of all steps is not good, which asks for none of them. index: in each map
    around the node. indexes: of several items that this task runs, in place of `index`. most: how many the engine maps
    over; null if any number. attempt: the engine's count of its tries, from 1; null if it has none. first: its number
    of the first try since somebody had the task run again; 0 if it does not say. engine: what the engine calls the
    task, for people.
    """

    pipeline: Deployed
    run: EngineRun
    node: str
    do: Literal["step", "items", "list", "choose", "outcome"] = "step"
    index: tuple[int, ...] = ()
    indexes: tuple[tuple[int, ...], ...] = ()
    most: int | None = None
    attempt: int | None = 1
    first: int = 0
    engine: dict[str, str] = {}


class Result(Struct, frozen=True, kw_only=True):
    """What became of it.

    status: as the exit code says it. value: what the engine is to keep: of a step the ids of its artifacts, the indexes
    of all items, or whether the branch's condition holds: `both` if it does for some of several items. label: what to
    call an item in the engine's pages. message: why, if it did not succeed. assets: of a step with assets what each one
    is now, in their order: the id of an artifact, or a list of those of several items.
    """

    status: Literal["succeeded", "retry", "skipped", "failed"]
    value: Any = None
    label: str = ""
    message: str = ""
    assets: tuple[str | list[str], ...] = ()


class _Asked(NamedTuple):
    """The command line."""

    document: str
    result: str = ""
    value: str = ""
    item: str = ""
    parent: int = 0


def main(words: Sequence[str] | None = None) -> int:
    """Do what the command line asks. Returns the exit code."""
    if os.getpid() == 1:  # as in a container: Linux keeps from it each signal that it has no handler for
        signal.signal(signal.SIGTERM, lambda *_: os._exit(FAILED))
    try:
        asked = _read_words(list(sys.argv[1:] if words is None else words))
        call = read_call(asked.document)
        if asked.item:
            call = structs.replace(call, **_index_in(asked.item))
        for file in (asked.result, asked.value):
            if file and not Path(file).absolute().parent.is_dir():
                raise UsageError(f"`{file}` cannot be written: there is no such folder")
        if asked.parent:
            _end_with(asked.parent)
        found = perform(call)
    except PipeglotError as error:
        _say(str(error))
        return MEANINGLESS if error.exit_code == 2 or isinstance(error, NewerFormat) else AGAIN
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)  # on its way out Python forgets handlers, and an alarm would end it
    if asked.result:
        _write(asked.result, found)
    if asked.value and found.status == "succeeded":
        _write(asked.value, found.value)
    return _CODES[found.status]


def read_call(document: str) -> Call:
    """From its JSON, `@FILE` or `-`. Raises `UsageError`."""
    try:
        if document == "-":
            document = sys.stdin.read()
        elif document.startswith("@"):
            document = Path(document[1:]).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"the document cannot be read: {error}") from None
    try:
        return msgspec.convert(json.loads(document), Call)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise UsageError(
            f"this pipeglot does not understand what it is asked to do: {error}",
            hint="compile and deploy the pipeline again, or upgrade pipeglot where this task runs",
        ) from None


def _index_in(variable: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(os.environ.get(variable, ""))
        if found and isinstance(found, list) and isinstance(found[0], list):
            return {"indexes": msgspec.convert(found, tuple[tuple[int, ...], ...])}
        return {"index": msgspec.convert(found, tuple[int, ...])}
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise UsageError(f"the environment variable `{variable}` holds no index: {error}") from None


def perform(call: Call, task: TaskRun | None = None) -> Result:
    """Do it, in a run that is joined already, or join it.

    Raises what `TaskRun` raises, but for the ends of a step or a branch: they are results.
    """
    task = task or TaskRun(call.pipeline, call.run)
    if call.do == "outcome":
        return _told(task.outcome())
    label = ""
    if call.do == "step":
        print(told_run(task.start.run), flush=True)
    try:
        if call.do == "items":
            items = task.items(call.node)
            return Result(status="succeeded", value=shared(items, call.most or len(items), call.node))
        if call.do == "list":
            return _listed(call, task)
        if call.do == "choose":
            return _chosen(call.node, {task.taken(call.node, index) for index in call.indexes or (call.index,)})
        if call.indexes:
            label = chunks.label(call.indexes)
            found = _of_chunk(run_chunk(task, call.node, call.indexes, call.engine), label)
        else:
            label = task.label(call.node, call.index) if call.index else ""
            outcome = task.step(call.node, call.index, attempt=call.attempt, first=call.first, engine=call.engine)
            found = _result(outcome, label)
        if found.status != "succeeded":
            return found
        return structs.replace(found, assets=asset_values(task.plan.step(call.node), found.value))
    except (Cancelled, StepError) as error:
        _say(str(error))
        return Result(status="failed", label=label, message=error.message)


def _result(outcome: Outcome, label: str) -> Result:
    if outcome.status == "succeeded":
        if outcome.cached:
            print(f"pipeglot: cached: the result of {outcome.cached} is taken")
        return Result(status="succeeded", value=dict(outcome.outputs) or None, label=label)
    if outcome.status == "skipped":
        return _skipped(NOT_DUE, label)
    failure = outcome.failure
    assert failure is not None, "a failed attempt says why"
    told = f"{failure.type}: {failure.message}"
    _say((failure.traceback or told).rstrip() + (f"\n\nhint: {failure.hint}" if failure.hint else ""))
    return Result(status=outcome.status, label=label, message=told)


def _of_chunk(found: Chunk, label: str) -> Result:
    if found.status == "skipped":
        return _skipped(found.message, label)
    if found.tracebacks:
        _say(found.tracebacks)
    return Result(status=found.status, value=found.outputs, label=label, message=found.message)


def _listed(call: Call, task: TaskRun) -> Result:
    found = [list(one) for index in call.indexes or (call.index,) for one in task.items_of(call.node, index)]
    return Result(status="succeeded", value=shared(found, call.most or len(found), call.node))


def _chosen(branch: str, answers: set[bool | None]) -> Result:
    told = answers - {None}
    if not told:
        return _skipped(f"what the condition of `{branch}` needs has not succeeded")
    return Result(status="succeeded", value="both" if len(told) > 1 else told.pop())


def _told(outcome: str) -> Result:
    if outcome == "succeeded":
        return Result(status="succeeded")
    _say(ENDED_BADLY[outcome])
    return Result(status="failed", message=ENDED_BADLY[outcome])


def _skipped(why: str, label: str = "") -> Result:
    print(f"pipeglot: skipped: {why}")
    return Result(status="skipped", label=label, message=why)


# --- the process ------------------------------------------------------------------------------------------------------


def _read_words(words: list[str]) -> _Asked:
    """Raises `UsageError`."""
    given: dict[str, Any] = {}
    documents: list[str] = []
    rest = iter(words)
    for word in rest:
        name, is_joined, value = word.partition("=")
        if name not in ("--result", "--value", "--index", "--parent"):
            documents.append(word)
            continue
        given[name[2:]] = value if is_joined else next(rest, "")
        if not given[name[2:]]:
            raise UsageError(f"`{name}` names nothing", hint=_USAGE)
    if len(documents) != 1 or documents[0].startswith("--"):
        raise UsageError("one document says what is to be done", hint=_USAGE)
    if not given.get("parent", "0").isdecimal():
        raise UsageError(f"`--parent` is the number of a process, not `{given['parent'][:60]}`", hint=_USAGE)
    parent = int(given.pop("parent", 0))
    return _Asked(documents[0], item=given.pop("index", ""), parent=parent, **given)


def _end_with(parent: int) -> None:
    """Be killed, too, once the process is gone that started us: by an alarm, for with a thread we could not fork."""

    def look(*_: object) -> None:
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, LOOK, LOOK)


def _write(file: str, value: Any) -> None:
    Path(file).write_bytes(msgspec.json.encode(value))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
