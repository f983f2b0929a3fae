"""What a container of a pipeline spec runs: from KFP's ExecutorInput to a task of ours, and back to what KFP reads.

python3 -m pipeglot.compilers.kfp.worker KIND [NODE] [--most=N] [--mute] [--json=NAMES] PIPELINE EXECUTOR_INPUT …

NODE            its id; of steps that share a container an input says it
KIND            `step`, `list` (the items of a map), `choose` (an arm of a branch) or `outcome` (of the run)
--most=N        how many tasks a map has at most
--mute          end well even if the task fails: something is to run after it, and a last task tells
--json=NAMES    the parameters that stand as JSON in a text
"""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeglot.compilers.kfp.names import CHANNEL, INDEX, OUTPUT, OWN, RUN, SCHEDULED, STEP
from pipeglot.core.errors import NewerFormat, PipeglotError, UsageError

if TYPE_CHECKING:
    from pipeglot.core.task.joining import EngineRun
    from pipeglot.core.task.main import Call, Result
    from pipeglot.core.task.task import TaskRun

ROUND = "1"
"""KFP tries again whatever failed, and does not tell that it does: what failed for good stays so."""

_EMPTY = {"list": [], "choose": "none"}
"""What a task tells that has nothing to tell: no items, and neither arm."""


class _Asked(NamedTuple):
    """The command line."""

    kind: str
    node: str
    pipeline: dict[str, Any]
    given: dict[str, Any]
    most: int = 0
    mute: bool = False
    json: tuple[str, ...] = ()


def main(words: Sequence[str] | None = None) -> int:
    """Do what the command line asks. Returns the exit code."""
    if os.getpid() == 1:  # as in a container: Linux keeps from it each signal that it has no handler for
        signal.signal(signal.SIGTERM, lambda *_: os._exit(1))
    try:
        asked = _read(list(sys.argv[1:] if words is None else words))
        from pipeglot.core.task.main import perform
        from pipeglot.core.task.task import TaskRun

        call = _call(asked)
        task = TaskRun(call.pipeline, call.run)
        found = perform(call, task)
        _answer(asked, call, task, found)
    except PipeglotError as error:
        print(error, file=sys.stderr, flush=True)
        return 2 if error.exit_code == 2 or isinstance(error, NewerFormat) else 1
    return _code(asked, found)


def _code(asked: _Asked, found: Result) -> int:
    if found.status in ("succeeded", "skipped"):
        return 0
    if found.status == "failed" and asked.mute:
        print("pipeglot: failed: this task ends well, for others come after it; the last one of the run tells")
        return 0
    return 1


# --- from KFP ---------------------------------------------------------------------------------------------------------


def _read(words: list[str]) -> _Asked:
    """Raises `UsageError` for what no emitted file says."""
    options = [word for word in words if word.startswith("--")]
    kind, *rest = [word for word in words if not word.startswith("--")]
    node = rest.pop(0) if rest and not rest[0].startswith("{") else ""
    named = {name: value for name, _, value in (option[2:].partition("=") for option in options)}
    try:
        pipeline, given = json.loads(rest[0]), json.loads(rest[1])
        most = int(named.get("most", 0))
    except (IndexError, ValueError) as error:
        raise UsageError(f"this is not what a pipeline spec of pipeglot asks: {error}") from None
    texts = tuple(filter(None, named.get("json", "").split(",")))
    node = node or _given(given).get(STEP, "")
    return _Asked(kind, node, pipeline, given, most, "mute" in named, texts)


def _given(executor_input: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = executor_input.get("inputs", {}).get("parameterValues", {})
    return found


def _call(asked: _Asked) -> Call:
    import msgspec

    from pipeglot.core.task.deployed import read_deployed
    from pipeglot.core.task.main import Call

    given = _given(asked.given)
    words = {
        "do": asked.kind,
        "node": asked.node,
        "run": _engine_run(asked, given),
        "pipeline": read_deployed(asked.pipeline),
        "most": asked.most or None,
        "attempt": None,  # KFP does not tell
        "engine": {"task": asked.node or asked.kind, "round": ROUND},
        **_place(given.get(INDEX, "[]")),
    }
    try:
        return msgspec.convert(words, Call)
    except msgspec.ValidationError as error:
        raise UsageError(
            f"this pipeglot does not understand what it is asked to do: {error}",
            hint="compile and deploy the pipeline again, or upgrade pipeglot in the image",
        ) from None


def _place(text: str) -> dict[str, Any]:
    """A position in each map around the task, as `[3]`; or several of these, as `[[3], [4]]`."""
    found = json.loads(text)
    return {"indexes": found} if found and isinstance(found[0], list) else {"index": found}


def _engine_run(asked: _Asked, given: dict[str, Any]) -> EngineRun:
    """Only a task that knows the parameters may begin a run: it has what is ours among them.

    An optional one that nobody gave is null on a newer Kubeflow; nobody can give it null there.
    """
    from pipeglot.core.task.joining import RESERVED, EngineRun

    if not given.get(RUN):
        raise UsageError(f"KFP does not tell the run's id, in the input `{RUN}`")
    if given[RUN].startswith("{{"):  # all runs would be the same one
        raise UsageError(
            f"this Kubeflow does not fill in the run's id: it says `{given[RUN]}` as it stands in the spec",
            hint="it takes Kubeflow Pipelines 2.5 or later",
        )
    params = {
        name: value
        for name, value in given.items()
        if value is not None and name not in OWN and not name.startswith(CHANNEL)
    }
    for name in asked.json:
        if name in params:
            params[name] = _from_json(params[name])
    when = _time(given.get(SCHEDULED, ""))
    return EngineRun(id=given[RUN], params=params, logical_date=when, begins=RESERVED in params)


def _from_json(text: Any) -> Any:
    """What is no JSON is the text itself."""
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text


def _time(text: str) -> dt.datetime | None:
    """None for a run that nobody has planned: of such a one KFP says 1970, and an older Kubeflow no time at all."""
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    found = found if found.tzinfo is not None else found.replace(tzinfo=dt.UTC)
    return found if found.timestamp() > 0 else None


# --- to KFP -----------------------------------------------------------------------------------------------------------


def _answer(asked: _Asked, call: Call, task: TaskRun, found: Result) -> None:
    """Write what the task tells, and of a step what KFP's pages show."""
    outputs = asked.given.get("outputs", {})
    if found.status == "retry":
        return
    if asked.kind in _EMPTY:
        value = found.value if found.status == "succeeded" else None
        _write(outputs["parameters"][OUTPUT]["outputFile"], _told(asked.kind, value))
    elif asked.kind == "step":
        (artifact,) = outputs["artifacts"]["lineage"]["artifacts"]
        shown = {**artifact, "metadata": _lineage(call, task, found)}
        _write(outputs["outputFile"], json.dumps({"artifacts": {"lineage": {"artifacts": [shown]}}}))


def _told(kind: str, value: Any) -> str:
    if value is None:
        value = _EMPTY[kind]
    if kind == "list":
        return json.dumps([json.dumps(one) for one in value])  # each is a text, for KFP's numbers are doubles
    return value if isinstance(value, str) else json.dumps(value)


def _lineage(call: Call, task: TaskRun, found: Result) -> dict[str, str]:
    """The run, what became of the step, and of each output its artifact and the digest of its value."""
    from pipeglot.core.lineage.ids import artifact_id
    from pipeglot.core.task.cells import last_verdict

    run, step = task.start.run, call.node
    words = {"run": run, "step": step, "status": found.status}
    for index in call.indexes or (call.index,):
        at = f" {'.'.join(map(str, index))}" if index else ""
        record = last_verdict(task.ledger, run, (step, index), repeats=task.plan.repeats(step))
        for name, ref in (record.observed.refs if record is not None else {}).items():
            words |= {f"{name}{at}": artifact_id(run, (step, index), name), f"{name}{at} digest": ref.value}
    return words


def _write(file: str, text: str) -> None:
    path = Path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
