"""The flow file: a task for each step, and a flow that submits them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from pipeglot.compilers.base import Source, deployed
from pipeglot.compilers.prefect import signature
from pipeglot.compilers.prefect.stack import PrefectStack, task_tags
from pipeglot.compilers.prefect.tasks import Key, Task, tasks
from pipeglot.compilers.python_text import WIDTH, Names, assigned, broken, call, docstring, literal, named
from pipeglot.core.bundle.archive import WRITTEN
from pipeglot.core.failures import delay_before
from pipeglot.core.ir import IR_VERSION, Pipeline, Retry
from pipeglot.core.lineage.plan import Plan

_TAKEN = (
    *(
        "Any",
        "Literal",
        "Worker",
        "allow_failure",
        "PIPELINE",
        "around",
        "flow",
        "item",
        "label",
        "one",
        "quote",
        "work",
    ),
    *("bool", "dict", "float", "int", "list", "str"),
)

_QUOTE = "from prefect.utilities.annotations import quote\n"

MOST_DELAYS = 50
"""As many as Prefect takes."""


class FlowFile:
    """The text of one."""

    def __init__(self, source: Source, stack: PrefectStack) -> None:
        self.source = source
        self.stack = stack
        self.pipeline = source.pipeline
        self.plan = Plan(source.pipeline)
        self.tasks = tasks(self.plan)
        self.every = [one for task in self.tasks for one in task.all()]
        names = _names(self.pipeline)
        self.flow = names.new(self.pipeline.name)
        self.functions = {
            one.key: names.new(one.key[1] if one.body == [] else f"{one.key[1]}_each") for one in self.every
        }
        self.futures = {one.key: names.new(f"{self.functions[one.key]}_") for one in self.every}
        self.wanted = {key for one in self.tasks for key in (*one.after, *one.far)}
        """Those whose futures the flow itself needs."""
        self.signature = signature.words(self.pipeline.params)
        self.used: set[str] = {"flow"}
        self.quotes = False

    def text(self) -> str:
        body = "\n\n\n".join([*map(self._function, self.every), self._flow()])
        typing = signature.imported(self.signature)
        doc = docstring(self.pipeline.doc or f"{self.pipeline.name}.", 0)
        return (
            f"{doc}{WRITTEN}{IR_VERSION}). Change the source, and write it again:\n"
            f"#   pipeglot compile {self.source.target}\n\n"
            f"{typing}from pipeglot.compilers.prefect.worker import Worker\n"
            f"from prefect import {', '.join(sorted(self.used))}\n"
            f"{_QUOTE if self.quotes else ''}\n"
            f"{self._worker()}\n\n\n{body}\n"
        )

    def _worker(self) -> str:
        found: dict[str, Any] = msgspec.to_builtins(deployed(self.source, self.stack))
        limits = [limit for limit in (self.stack.max_workers, self.pipeline.max_parallel) if limit]
        given = ["PIPELINE", *([f"most={min(limits)}"] if limits else []), *self._window()]
        return f"PIPELINE = {broken(found, indent=0, used=11)}\n\n{call('work = Worker', given, indent=0)}"

    def _window(self) -> list[str]:
        """When the schedule begins and ends: Prefect's has no such thing."""
        schedule = self.pipeline.schedule
        if schedule is None or not (schedule.start or schedule.end):
            return []
        found = {"since": schedule.start, "until": schedule.end, "zone": schedule.timezone}
        return [f"{name}={literal(value)}" for name, value in found.items() if value]

    # --- tasks --------------------------------------------------------------------------------------------------------

    def _function(self, task: Task) -> str:
        kind, name = task.key
        inside = bool(self.plan.maps[name].scope if kind == "map" else self.plan.places[name].scope)
        words = self._settings(task, inside)
        head = call("@work.task", [literal(self._title(task)), *named(words, indent=0)], indent=0)
        given = (["item", "label"] if inside else []) + [self.futures[key] for key in task.far]
        lines = [head, f"def {self.functions[task.key]}({', '.join(given)}):"]
        if task.step is not None and task.step.doc:
            lines.append(f"    {docstring(task.step.doc, 4)}")
        lines += self._each(task, inside) if kind == "map" else [self._asked(task, inside)]
        return "\n".join(lines)

    def _title(self, task: Task) -> str:
        return f"{task.key[1]} (each)" if task.key[0] == "map" and self._is_step(task.key[1]) else task.key[1]

    def _is_step(self, name: str) -> bool:
        return name in self.plan.places

    def _asked(self, task: Task, inside: bool) -> str:
        kind, name = task.key
        given = [literal(name)] + (["item"] if inside else [])
        return call(f"return work.{'choose' if kind == 'branch' else 'run'}", given, indent=4)

    def _each(self, task: Task, inside: bool) -> list[str]:
        given = [literal(task.key[1]), "one"] + (["item"] if inside else [])
        if len(task.body) == 1 and not task.body[0].far and not self._waits(task.body[0]):
            given[1] = f"{self.functions[task.body[0].key]}.submit"
            return [call("return work.each", given, indent=4)]
        around = "around" if inside else ""
        lines = [f"    {around} = item\n"] if inside else []
        lines += ["    def one(item, label):"]
        lines += [self._submitted(one, 8, inside=True) for one in task.body]
        lines += [_listed("return ", [self.futures[one.key] for one in task.body], 8), ""]
        if inside:
            given[2] = around
        return [*lines, call("return work.each", given, indent=4)]

    def _settings(self, task: Task, inside: bool) -> dict[str, Any]:
        words: dict[str, Any] = {}
        step = task.step
        if inside:
            words["task_run_name"] = f"{self._title(task)}[{{label}}]"
        if step is None:
            return words
        if step.retry is not None and step.retry.attempts > 1:
            words["retries"] = step.retry.attempts - 1
            delays = _delays(step.retry)
            if any(delays):
                words["retry_delay_seconds"] = delays[0] if len(set(delays)) == 1 else delays
        tags = task_tags(self.stack, step.id, step.tags, step.pool)
        if tags:
            words["tags"] = tags
        return words

    # --- the flow -----------------------------------------------------------------------------------------------------

    def _flow(self) -> str:
        words = [f"name={literal(self.pipeline.name)}", "validate_parameters=False", "persist_result=False"]
        words += ["on_cancellation=[work.over]", "on_crashed=[work.over]"]
        head = [call("@flow", words, indent=0), "@work.flow"]
        head.append(call(f"def {self.flow}", self.signature, indent=0, tail=":"))
        if self.pipeline.doc:
            head.append(f"    {_indented(docstring(self.pipeline.doc, 0))}")
        lines = [self._submitted(one, 4, inside=False) for one in self.tasks]
        return "\n".join([*head, *lines] if lines else [*head, "    pass"])

    def _submitted(self, task: Task, indent: int, *, inside: bool) -> str:
        given = (["item", "label"] if inside else []) + [f"quote({self.futures[key]})" for key in task.far]
        if task.far:
            self.quotes = True
        given += self._wait_for(task, indent + 4)
        submit = f"{self.functions[task.key]}.submit"
        if not inside and task.key not in self.wanted:
            return call(submit, given, indent=indent)
        return assigned(self.futures[task.key], submit, given, indent=indent)

    def _wait_for(self, task: Task, indent: int) -> list[str]:
        if task.step is not None and task.step.id in self.plan.hooks:
            return ["wait_for=work.all()"]
        if not task.after:
            return []
        return [_listed("wait_for=", [self._future(key, task) for key in task.after], indent).lstrip()]

    def _future(self, key: Key, task: Task) -> str:
        if key not in task.anyway:
            return self.futures[key]
        self.used.add("allow_failure")
        return f"allow_failure({self.futures[key]})"

    def _waits(self, task: Task) -> bool:
        return bool(task.after)


def flow_function(pipeline: Pipeline) -> str:
    """What the flow's function is called: an entrypoint names it."""
    return _names(pipeline).new(pipeline.name)


def _names(pipeline: Pipeline) -> Names:
    return Names([*_TAKEN, *(param.name for param in pipeline.params)])


def _delays(retry: Retry) -> list[float]:
    """The least that there is to wait before each further attempt: the task waits for the rest, if there is one."""
    found = [_whole(delay_before(retry, tried, 0.0)) for tried in range(1, retry.attempts)]
    if len(found) > MOST_DELAYS:
        found = [*found[: MOST_DELAYS - 1], min(found[MOST_DELAYS - 1 :])]
    return found


def _whole(seconds: float) -> float:
    return int(seconds) if seconds == int(seconds) else seconds


def _indented(text: str) -> str:
    first, *rest = text.split("\n")
    return "\n".join([first, *(f"    {line}" if line else "" for line in rest)])


def _listed(head: str, names: Iterable[str], indent: int) -> str:
    given = list(names)
    line = f"{' ' * indent}{head}[{', '.join(given)}]"
    if len(line) < WIDTH:  # a comma may come
        return line
    inner = "".join(f"{' ' * (indent + 4)}{one},\n" for one in given)
    return f"{' ' * indent}{head}[\n{inner}{' ' * indent}]"
