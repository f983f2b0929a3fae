"""What emitted flows import: from a task of Metaflow's to a task of ours, and back.

Metaflow starts a process for each task, which imports the flow's file; so does the process that starts them. All that a
step needs is imported when one runs.
"""

from __future__ import annotations

import gc
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from metaflow import current
from metaflow.exception import MetaflowException

from pipeglot.compilers.metaflow.names import COMMANDS, MOST_SPLITS, WISHES

if TYPE_CHECKING:
    from pathlib import Path

    from pipeglot.compilers.metaflow.place import TaskPlace
    from pipeglot.core.task.main import Result
    from pipeglot.core.task.task import TaskRun

NOTHING: list[int] = []
"""The only item of a map that has none, for Metaflow steps through no empty list: its tasks do nothing."""

GRACE = 30.0
"""Seconds that a step has to end by itself when its run is cancelled."""

Items = list[Any]

TAG = "pipeglot_run"
"""Before our id of a run, as a tag of Metaflow's."""

_STEP, _ITEM = "step", "item"


class StepFailed(MetaflowException):  # type: ignore[misc]  # Metaflow has no types
    """What a task of Metaflow's ends with, so that it is tried again or ends the run. The step's own traceback stands
    above it, and Metaflow adds none to it."""

    headline = "pipeglot"


class Worker:
    """A pipeline, in a process of Metaflow's.

    most: how many tasks of a run are at work at once, as if `--max-workers` said so.
    params: of parameters whose attribute has another name than they have, that name by the attribute's. texts: the
    names of those that travel as JSON in a text; quoted: of those that do if they are no plain word. on_failure:
    whether others go on after a step that has failed (`carry`), and `end` tells; or Metaflow ends the run at once
    (`native`).
    """

    def __init__(
        self,
        deployed: Mapping[str, Any],
        *,
        most: int = 0,
        params: Mapping[str, str] | None = None,
        texts: Sequence[str] = (),
        quoted: Sequence[str] = (),
        on_failure: Literal["carry", "native"] = "carry",
    ) -> None:
        for command in COMMANDS:  # Metaflow reads them once it has the whole file; what a user says comes first
            os.environ.setdefault(f"METAFLOW_{command}_MAX_NUM_SPLITS", str(MOST_SPLITS))
            if most:
                os.environ.setdefault(f"METAFLOW_{command}_MAX_WORKERS", str(most))
        self._deployed = deployed
        self._params = params or {}
        self._texts = texts
        self._quoted = quoted
        self._carries = on_failure == "carry"
        self._place: TaskPlace | None = None
        self._run: TaskRun | None = None

    # --- what the steps of a flow call --------------------------------------------------------------------------------

    def begin(self, flow: Any) -> None:
        """Record the run. Its id is kept for all its tasks, and for those of a run that Metaflow resumes."""
        from pipeglot.compilers.metaflow.ends import forget_old
        from pipeglot.core.task.task import told_run

        with _short():
            flow.pipeglot_run = self._began_before() or str(current.run_id)
            run = self._task_run(flow, self._given(flow))
            self._end_file(flow).unlink(missing_ok=True)  # of another run that had this id, on this machine
            forget_old()
        print(told_run(run.start.run))
        _tag(f"{TAG}:{run.start.run}")

    def step(self, flow: Any, step: str = "", *, tries: Literal["engine", "here"] = "engine") -> None:
        """Run a step, or take what is there; for the item, or the items, that this task has.

        Without a name, the step that a foreach over `steps` gives to this task. tries: whether Metaflow tries again, or
        all tries are made in this task, and Metaflow only starts one again that was killed.
        """
        from pipeglot.compilers.metaflow.run_log import STEP

        step = step or flow.input[_STEP]
        print(f"{STEP}{step}{_item(flow.input)}", flush=True)
        found = self._done(flow, "step", step, is_counted=tries == "engine")
        while found.status == "retry" and tries == "here":
            print(f"pipeglot: {found.message}", flush=True)
            found = self._done(flow, "step", step, is_counted=False)
        if found.status == "succeeded":
            setattr(flow, "ref_" + re.sub(r"\W", "_", step), found.value)
        elif found.status == "retry":
            raise StepFailed(f"step `{step}` is tried again: {found.message}")
        elif found.status == "failed":
            self._fail(flow, step, found.message)

    def items(self, flow: Any, map_: str, most: int | None = None) -> Items:
        """Where the items of a map stand, for a foreach; `most`: more than these share tasks."""
        found = self._done(flow, "list", map_, most)
        if found.status == "failed":
            self._fail(flow, map_, found.message)
        return found.value or [NOTHING]

    def steps(self, flow: Any, steps: Sequence[str]) -> Items:
        """Several steps for a foreach, in place of a split: each task runs one of them."""
        return [{_STEP: step, _ITEM: flow.input} for step in steps]

    def choose(self, flow: Any, branch: str) -> str:
        """Which arm of a branch is to be taken: `then` or `otherwise`. If neither is due, the steps there skip
        themselves."""
        found = self._done(flow, "choose", branch)
        if found.status == "failed":
            self._fail(flow, branch, found.message)
        return "then" if found.value else "otherwise"

    def join(self, flow: Any, inputs: Any) -> None:
        """Hand on what all tasks need to know: Metaflow drops it, with the items of each foreach around this join."""
        flow.pipeglot_run = inputs[0].pipeglot_run
        for frame in flow._foreach_stack:  # `foreach_stack()` has the names of none
            setattr(flow, frame.var, getattr(inputs[0], frame.var))

    def end(self, flow: Any) -> None:
        """Fail if not all of the run is good, for Metaflow cannot know."""
        found = self._done(flow, "outcome", "")
        self._end_file(flow).unlink(missing_ok=True)
        if found.status != "succeeded":
            raise StepFailed(found.message)

    # --- a run --------------------------------------------------------------------------------------------------------

    def _task_run(self, flow: Any, params: Mapping[str, Any] | None = None) -> TaskRun:
        """The run, which only a task that knows the parameters may begin."""
        from pipeglot.compilers.metaflow.place import HURRY, TaskPlace
        from pipeglot.core.task.deployed import read_deployed
        from pipeglot.core.task.joining import EngineRun
        from pipeglot.core.task.task import TaskRun

        self._place = TaskPlace(self._end_file(flow), GRACE if self._carries else HURRY)
        about = {"flow": str(current.flow_name)}
        engine = EngineRun(id=flow.pipeglot_run, params=params or {}, about=about, begins=params is not None)
        self._run = TaskRun(read_deployed(self._deployed), engine, place=self._place)
        return self._run

    def _end_file(self, flow: Any) -> Path:
        from pipeglot.compilers.metaflow.ends import end_file
        from pipeglot.core.task.deployed import read_deployed

        deployed = read_deployed(self._deployed)
        return end_file(deployed.stack, deployed.pipeline, flow.pipeglot_run, str(current.run_id))

    def _given(self, flow: Any) -> dict[str, Any]:
        """What is None was not given."""
        from pipeglot.core.task.joining import RESERVED

        given: dict[str, Any] = {}
        for attribute in current.parameter_names:
            value = getattr(flow, attribute)
            if attribute == WISHES:
                given |= {RESERVED: json.loads(value)} if value else {}
            elif value is not None:
                name = self._params.get(attribute, attribute)
                given[name] = self._read(name, value)
        return given

    def _read(self, name: str, value: Any) -> Any:
        is_json = name in self._texts or (name in self._quoted and str(value).startswith('"'))
        return _from_json(value) if is_json else value

    def _began_before(self) -> str:
        """The run that Metaflow resumes, if that had begun, and not come so far as to keep it."""
        if not current.origin_run_id:
            return ""
        from pipeglot.core.lineage.keys import run_id
        from pipeglot.core.lineage.ledger import Ledger
        from pipeglot.core.store import open_store
        from pipeglot.core.task.deployed import read_deployed
        from pipeglot.core.variables import expand

        deployed, before = read_deployed(self._deployed), str(current.origin_run_id)
        uri = expand(deployed.store, "the store of this pipeline")
        store = open_store(uri, trusted=deployed.trusted, durable=deployed.durable)
        known = Ledger(store).started(run_id(deployed.stack, deployed.pipeline, before)) is not None
        return before if known else ""

    # --- a task -------------------------------------------------------------------------------------------------------

    def _done(
        self,
        flow: Any,
        do: Literal["step", "list", "choose", "outcome"],
        node: str,
        most: int | None = None,
        *,
        is_counted: bool = True,
    ) -> Result:
        """A task is a process with all of Metaflow in it. For Python to look for cycles in all of that, as at its exit,
        takes longer than our part of the task; and in our forks, to look is to copy. So what is there is left alone.
        """
        gc.freeze()
        from pipeglot.core.task.deployed import read_deployed
        from pipeglot.core.task.joining import EngineRun
        from pipeglot.core.task.main import Call, Result, perform

        found: Items | None = _own(flow.input) if do != "outcome" else None
        if found == NOTHING:
            print("pipeglot: skipped: the map has no items")
            return Result(status="skipped")
        several = found if found and isinstance(found[0], list) else []
        call = Call(
            pipeline=read_deployed(self._deployed),
            run=EngineRun(id=flow.pipeglot_run),
            node=node,
            do=do,
            index=() if several else tuple(found or ()),
            indexes=tuple(tuple(one) for one in several),
            most=most,
            attempt=self._attempt(flow) if is_counted else None,
            engine={"task": str(current.pathspec), "round": str(current.run_id)},
        )
        with _short():
            return perform(call, self._task_run(flow))

    def _attempt(self, flow: Any) -> int | None:
        """Metaflow's count of its tries; None in a run that it resumes, for that counts from 1 again."""
        return current.retry_count + 1 if flow.pipeglot_run == current.run_id else None

    def _fail(self, flow: Any, node: str, message: str) -> None:
        ends = self._end_file(flow)
        if ends.exists() or self._is_cancelled():
            print("pipeglot: cancelled: this task ends well, and the run as whoever has ended it says")
            return
        if self._place is not None and self._place.was_signalled and not self._place.ends_alone:
            raise StepFailed(f"`{node}`: {message}, for this task was interrupted")
        if self._carries:
            print("pipeglot: failed: this task ends well, for others go on; the last one of the run tells")
            return
        ends.touch()  # Metaflow gives the other tasks 5 s, and tells them nothing
        raise StepFailed(f"`{node}` has failed: {message}")

    def _is_cancelled(self) -> bool:
        """Whether somebody has asked for the end of the run, in the store."""
        return self._run is not None and self._run.ledger.is_cancelled(self._run.start.run)


def _tag(tag: str) -> None:
    """So that Metaflow's client, and its pages, find the run by our id of it. It is none that a run is to fail for."""
    from metaflow import Run

    try:
        Run(f"{current.flow_name}/{current.run_id}", _namespace_check=False).add_tag(tag)
    except Exception as error:  # noqa: BLE001  # whatever a metadata service says
        print(f"pipeglot: Metaflow's run has no tag `{tag}`: {error}")


@contextmanager
def _short() -> Iterator[None]:
    """Around what may be refused: Metaflow shows such a message without a traceback."""
    from pipeglot.core.errors import PipeglotError

    try:
        yield
    except PipeglotError as error:
        raise StepFailed(str(error)) from None


def _own(item: Any) -> Any:
    """The item, or items, of a map, where the innermost foreach is over steps."""
    while isinstance(item, dict):
        item = item[_ITEM]
    return item


def _item(item: Any) -> str:
    """As the log of the run tells where a task stands: of several, at the first."""
    item = _own(item)
    first = item[0] if item and isinstance(item[0], list) else item
    return f", item {'.'.join(map(str, first))}" if first else ""


def _from_json(text: Any) -> Any:
    """What is no JSON is the text itself."""
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text
