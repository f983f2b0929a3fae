"""Metaflow as hard as it can be: it runs an emitted flow by the rules of its runner, in any order that these allow.

What a task puts on its flow, those after it have; at a join only what that one takes from its inputs. A foreach goes
over a list that is not empty, and a task knows its item only as long as the list is there.
"""

from __future__ import annotations

import importlib
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple
from unittest import mock

from pipeglot.compilers.base import Source
from pipeglot.compilers.metaflow.compiler import MetaflowCompiler
from pipeglot.compilers.metaflow.stack import MetaflowStack
from pipeglot.core.ir import Pipeline
from pipeglot.core.lineage.keys import run_id
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.store import open_store
from pipeglot.core.task import installed, places
from tests.oracle.engine import Here

_WORKER = "pipeglot.compilers.metaflow.worker"


def in_flow(
    pipeline: Pipeline, given: dict[str, Any], folder: Path, chance: random.Random, **stack: Any
) -> tuple[str, bool]:
    """Run its flow. Returns the run's id, and whether the engine shows a success."""
    store = str(folder / "store")
    ledger = Ledger(open_store(store))
    source = Source(pipeline, "made.py", ledger.put_ir(pipeline))
    common = MetaflowStack(name="far", store=store, code="installed", **stack)
    text = MetaflowCompiler().emit(source, common)[0].text
    current = SimpleNamespace(run_id=str(chance.random()), origin_run_id=None, flow_name="p", pathspec="p/1")
    with (
        _metaflow(current),
        mock.patch.object(places, "Bench", Here),
        mock.patch.object(installed, "refuse_other_code"),
        mock.patch.dict("os.environ"),
    ):
        names: dict[str, Any] = {"__name__": "flow"}
        exec(compile(text, "flow.py", "exec"), names)  # of our own files
        is_good = _Engine(names[pipeline.name], given, current, chance).run()
    return run_id("far", pipeline.name, current.run_id), is_good


class _Frame(NamedTuple):
    """A split or foreach that a task stands in. var: the list of a foreach."""

    split: int
    branches: int
    var: str = ""
    place: int = 0


class _Flow:
    """What Metaflow makes a fresh one of for each task."""

    _foreach_stack: list[_Frame]

    @property
    def input(self) -> Any:
        if not self._foreach_stack:
            return None
        frame = self._foreach_stack[-1]
        found = getattr(self, frame.var, None)
        return None if found is None else found[frame.place]

    def next(self, *steps: Callable[..., None], **words: str) -> None:
        self.__dict__["_next"] = (steps, words)


class _Task(NamedTuple):
    """One that is ready. inputs: of a join the flows of all tasks before it."""

    step: str
    frames: tuple[_Frame, ...]
    artifacts: dict[str, Any]
    inputs: tuple[Any, ...] = ()


class _Engine:
    def __init__(self, flow: type[Any], given: dict[str, Any], current: SimpleNamespace, chance: random.Random) -> None:
        self.flow = flow
        self.current = current
        self.chance = chance
        self.given = {name: one.default for name, one in vars(flow).items() if isinstance(one, _Parameter)} | given
        self.current.parameter_names = list(self.given)
        self.splits = 0
        self.waiting: dict[tuple[str, int], list[Any]] = {}

    def run(self) -> bool:
        ready = [_Task("start", (), {})]
        while ready:
            task = ready.pop(self.chance.randrange(len(ready)))
            done = self.tried(task)
            if done is None:
                assert task.step == "end", "only the last step tells that the run has failed"
                return False
            ready += self.after(task, done)
        assert not self.waiting, "a join still waits"
        return True

    def tried(self, task: _Task) -> Any:
        function = getattr(self.flow, task.step)
        for count in range(1 + getattr(function, "times", 0)):
            self.current.retry_count = count
            flow = self.flow()
            flow.__dict__.update(self.given | task.artifacts)
            flow.__dict__["_foreach_stack"] = [frame for frame in task.frames if frame.var]
            try:
                function(flow, *([task.inputs] if task.inputs else []))
            except sys.modules["metaflow.exception"].MetaflowException:
                continue
            return flow
        return None

    def after(self, task: _Task, flow: Any) -> Iterator[_Task]:
        if task.step == "end":
            assert task.frames == (), "all that was split is joined"
            return
        steps, words = flow.__dict__.pop("_next")
        kept = {name: value for name, value in vars(flow).items() if name != "_foreach_stack"}
        if "foreach" in words:
            (step,) = steps
            items = getattr(flow, words["foreach"])
            assert items, "Metaflow goes over no empty list"
            for frames in self.split(task, len(items), words["foreach"]):
                yield _Task(step.__name__, frames, kept)
        elif "condition" in words:
            yield _Task(steps[0][getattr(flow, words["condition"])].__name__, task.frames, kept)
        elif len(steps) > 1:
            for step, frames in zip(steps, self.split(task, len(steps)), strict=True):
                yield _Task(step.__name__, frames, kept)
        elif steps[0].__code__.co_argcount == 2:
            yield from self.joined(task, steps[0].__name__, flow)
        else:
            yield _Task(steps[0].__name__, task.frames, kept)

    def split(self, task: _Task, branches: int, var: str = "") -> list[tuple[_Frame, ...]]:
        self.splits += 1
        return [(*task.frames, _Frame(self.splits, branches, var, index)) for index in range(branches)]

    def joined(self, task: _Task, join: str, flow: Any) -> Iterator[_Task]:
        frame = task.frames[-1]
        inputs = self.waiting.setdefault((join, frame.split), [])
        inputs.append(flow)
        if len(inputs) == frame.branches:
            del self.waiting[join, frame.split]
            yield _Task(join, task.frames[:-1], {}, tuple(inputs))


class _Parameter:
    def __init__(self, name: str, **words: Any) -> None:
        self.name = name
        self.default = words.get("default")


def _retry(*, times: int, **_: Any) -> Callable[[Any], Any]:
    def mark(function: Any) -> Any:
        function.times = times
        return function

    return mark


@contextmanager
def _metaflow(current: SimpleNamespace) -> Iterator[None]:
    """A module of that name, and our worker with it."""
    metaflow, exception = ModuleType("metaflow"), ModuleType("metaflow.exception")
    given = {"current": current, "FlowSpec": _Flow, "Parameter": _Parameter, "retry": _retry, "step": lambda one: one}
    vars(metaflow).update(given, Run=lambda _name, _namespace_check: SimpleNamespace(add_tag=lambda _tag: None))
    vars(exception)["MetaflowException"] = type("MetaflowException", (Exception,), {})
    with mock.patch.dict(sys.modules, {"metaflow": metaflow, "metaflow.exception": exception}):
        sys.modules.pop(_WORKER, None)
        try:
            importlib.import_module(_WORKER)
            yield
        finally:
            sys.modules.pop(_WORKER, None)
