"""The flow file: the steps of Metaflow's that a pipeline becomes, and what each of them calls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from pipeglot.compilers.base import Source, deployed
from pipeglot.compilers.metaflow.chunks import most_tasks
from pipeglot.compilers.metaflow.decorators import Decorator, decorators, tries_here
from pipeglot.compilers.metaflow.flow import Flow
from pipeglot.compilers.metaflow.names import WISHES
from pipeglot.compilers.metaflow.params import Option
from pipeglot.compilers.metaflow.schedules import schedule
from pipeglot.compilers.metaflow.stack import MetaflowStack
from pipeglot.compilers.metaflow.tasks import Task
from pipeglot.compilers.python_text import WIDTH, Code, Names, broken, call, docstring, literal, named
from pipeglot.core.bundle.archive import WRITTEN
from pipeglot.core.ir import IR_VERSION, Map, Pipeline

_TAKEN = (
    *("FlowSpec", "Parameter", "PIPELINE", "Worker", "batch", "card", "environment", "kubernetes", "pipeglot"),
    *("project", "resources", "retry", "schedule", "secrets", "step", "bool", "float", "int", "str"),
)


class FlowFile:
    """The text of one."""

    def __init__(self, source: Source, stack: MetaflowStack, flow: Flow) -> None:
        self.source = source
        self.stack = stack
        self.pipeline = source.pipeline
        self.flow = flow
        self.used = {"FlowSpec", "Parameter", "step"}

    def text(self) -> str:
        body = "\n\n".join([*self._params(), *map(self._step, self.flow.tasks)])
        head = self._class()
        name = flow_name(self.pipeline)
        return (
            f"# Flow `{name}` for Metaflow.{WRITTEN}{IR_VERSION}). Change the source, and write it again:\n"
            f"#   pipeglot compile {self.source.target}\n\n"
            f"from metaflow import {self._imported()}\n"
            f"from pipeglot.compilers.metaflow.worker import Worker\n\n"
            f"{self._worker()}\n\n\n{head}{body}\n\n\n"
            f'if __name__ == "__main__":\n    {name}()\n'
        )

    def _imported(self) -> str:
        names = sorted(self.used, key=lambda name: (name.islower(), name))
        line = ", ".join(names)
        if len(line) + len("from metaflow import ") <= WIDTH:
            return line
        return "(\n" + "".join(f"    {name},\n" for name in names) + ")"

    def _worker(self) -> str:
        found: dict[str, Any] = msgspec.to_builtins(deployed(self.source, self.stack))
        renamed = {one.attribute: one.name for one in self.flow.options if one.attribute != one.name}
        texts = [one.name for one in self.flow.options if one.is_text]
        quoted = [one.name for one in self.flow.options if one.is_quoted]
        most = [limit for limit in (self.stack.max_workers, self.pipeline.max_parallel) if limit]
        words: dict[str, Any] = {"most": min(most)} if most else {}
        if renamed:
            words["params"] = renamed
        if texts:
            words["texts"] = texts
        if quoted:
            words["quoted"] = quoted
        if self.stack.on_failure == "native":
            words["on_failure"] = "native"
        given = ["PIPELINE", *named(words)]
        return f"PIPELINE = {broken(found, indent=0, used=11)}\n\n{call('pipeglot = Worker', given, indent=0)}"

    def _class(self) -> str:
        lines = [self._decorated(one, 0) for one in self._of_flow()]
        lines.append(f"class {flow_name(self.pipeline)}(FlowSpec):")
        if self.pipeline.doc:
            lines.append(f"    {_indented(docstring(self.pipeline.doc, 0))}\n")
        return "\n".join([*lines, ""])

    def _of_flow(self) -> list[Decorator]:
        found = []
        if self.stack.project:
            words: dict[str, Any] = {"name": self.stack.project}
            if self.stack.branch:
                words["branch"] = self.stack.branch
            if self.stack.production:
                words["production"] = True
            found.append(Decorator("project", words))
        if self.pipeline.schedule is not None and self.stack.deploy_to:
            found.append(Decorator("schedule", schedule(self.pipeline.schedule, self.stack.deploy_to)))
        return found

    def _decorated(self, one: Decorator, indent: int) -> str:
        self.used.add(one.name)
        return call(f"@{one.name}", named(one.words, indent=indent), indent=indent)

    # --- parameters ---------------------------------------------------------------------------------------------------

    def _params(self) -> list[str]:
        lines = [self._param(one) for one in self.flow.options]
        words = {"default": "", "help": "For pipeglot's own use."}
        lines.append(call(f"{WISHES} = Parameter", ['"pipeglot"', *named(words, indent=4)], indent=4))
        return ["\n".join(lines)]

    def _param(self, one: Option) -> str:
        words: dict[str, Any] = {"type": Code(one.type)}
        if one.default is not None:
            words["default"] = one.default
        if one.required:
            words["required"] = True
        words["help"] = one.help
        given = [literal(one.attribute), *named(words, indent=4)]
        return call(f"{one.attribute} = Parameter", given, indent=4)

    # --- steps --------------------------------------------------------------------------------------------------------

    def _step(self, task: Task) -> str:
        lines = [self._decorated(one, 4) for one in decorators(self.stack, task.steps[0] if task.steps else None)]
        lines += ["    @step", f"    def {task.name}({'self, inputs' if task.is_join else 'self'}):"]
        if task.step is not None and task.step.doc:
            lines.append(f"        {docstring(task.step.doc, 8)}")
        lines += self._calls(task)
        if task.kind != "end":
            lines.append(self._next(task))
        return "\n".join(lines)

    def _calls(self, task: Task) -> Iterable[str]:
        if task.is_join:
            yield "        pipeglot.join(self, inputs)"
        if task.name == "start":
            yield "        pipeglot.begin(self)"
        if task.kind == "end":
            yield "        pipeglot.end(self)"
        if task.steps:
            given = [literal(task.step.id)] if task.step is not None else []
            more = ['tries="here"'] if tries_here(task.steps[0]) else []
            yield call("pipeglot.step", ["self", *given, *more], indent=8)
        if task.shared:
            names = [step.id for step in task.shared]
            listed = broken(names, indent=12)
            yield call(f"self.{task.each} = pipeglot.steps", ["self", listed], indent=8)
        elif isinstance(task.node, Map):
            limit = self.stack.max_map_length
            most = most_tasks(self.flow.plan, task.node, limit, is_switched=task.is_switched)
            more = [f"most={most}"] if most else []
            given = ["self", literal(task.node.id), *more]
            yield call(f"self.{task.each} = pipeglot.items", given, indent=8)
        elif task.node is not None:
            yield call("self.arm = pipeglot.choose", ["self", literal(task.node.id)], indent=8)

    def _next(self, task: Task) -> str:
        to = [f"self.{one.name}" for one in task.next]
        if task.kind == "switch":
            arms = {"then": Code(to[0]), "otherwise": Code(to[1])}
            given = [broken(arms, indent=12, used=1), 'condition="arm"']
        else:
            given = [*to, f"foreach={literal(task.each)}"] if task.kind == "foreach" else to
        return call("self.next", given, indent=8)


def flow_name(pipeline: Pipeline) -> str:
    """The name of the flow's class, by which Metaflow calls it."""
    return Names(_TAKEN).new(pipeline.name)


def _indented(text: str) -> str:
    first, *rest = text.split("\n")
    return "\n".join([first, *(f"    {line}" if line else "" for line in rest)])
