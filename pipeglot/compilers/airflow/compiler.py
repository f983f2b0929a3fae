"""From a pipeline to an Airflow DAG file: pure, and without an import of Airflow."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import cache, partial
from typing import Any

import msgspec
from msgspec import structs

from pipeglot.compilers.airflow import limits, pods
from pipeglot.compilers.airflow.body import Body, own_name
from pipeglot.compilers.airflow.capabilities import CAPABILITIES, POD_CAPABILITIES
from pipeglot.compilers.airflow.groups import grouped
from pipeglot.compilers.airflow.imports import NAMES, imports
from pipeglot.compilers.airflow.params import param
from pipeglot.compilers.airflow.stack import AirflowStack, step_words
from pipeglot.compilers.airflow.tasks import Task, tasks
from pipeglot.compilers.base import Compiler, File, Source, deployed
from pipeglot.compilers.kubernetes import variables
from pipeglot.compilers.python_text import Code, Names, broken, call, docstring, literal, named
from pipeglot.compilers.remote import Remote
from pipeglot.core.bundle.archive import WRITTEN
from pipeglot.core.errors import Problem
from pipeglot.core.failures import delay_before
from pipeglot.core.features import Capabilities
from pipeglot.core.ir import IR_VERSION, Schedule, Step
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.wire import dump_json

_BUILTINS = (
    *("ImportError", "RuntimeError", "ValueError"),
    *("getattr", "isinstance", "len", "list", "open", "print", "str", "zip"),
)
"""Those that emitted functions use: all there are would be others in each Python."""

_HELPERS = ("run", "items", "choose", "outcome", "call", "asked", "pod", "index", "unless_killed")
_TAKEN = (*NAMES, *_BUILTINS, *_HELPERS, "PIPELINE", "PYTHON", "item", "every_task")

_IN_PYTHON = (
    *(
        "AirflowFailException",
        "AirflowSkipException",
        "PIPE",
        "Path",
        "Popen",
        "SIGTERM",
        "STDOUT",
        "TemporaryDirectory",
    ),
    *("conf", "get_current_context", "json", "os", "signal"),
)
"""What the file imports for steps that run in a Python of their own."""

_IN_PODS = ("conf", "json", "pass_context")
"""And for steps that run in pods."""


class AirflowCompiler(Compiler[AirflowStack]):
    """Airflow 3 (3.0 to 3.3) and 2 (2.10, 2.11)."""

    name = "airflow"
    capabilities = CAPABILITIES
    stack_type = AirflowStack

    def supports(self, stack: AirflowStack) -> Capabilities:
        return POD_CAPABILITIES if stack.run == "pod" else CAPABILITIES

    def problems(self, source: Source, stack: AirflowStack) -> Iterator[Problem]:
        return limits.problems(source, stack)

    def remote(self, stack: AirflowStack) -> Remote:
        from pipeglot.compilers.airflow.deployer import AirflowDeployer

        return AirflowDeployer(stack)

    def emit(self, source: Source, stack: AirflowStack) -> tuple[File, ...]:
        pipeline = source.pipeline
        text = _File(source, stack).text()
        version = hashlib.sha256(text.encode()).hexdigest()[:12]
        text = text.replace(literal(_tag(source.ir)), literal(_tag(version)), 1)
        return File(f"{pipeline.name}.py", text, version), File(f"{pipeline.name}.pipeglot.json", dump_json(pipeline))


class _File:
    """The text of one DAG file."""

    def __init__(self, source: Source, stack: AirflowStack) -> None:
        self.source = source
        self.stack = stack
        self.pipeline = source.pipeline
        self.plan = Plan(source.pipeline)
        self.tasks = tasks(self.plan, pods=stack.run == "pod")
        self.names = Names(_TAKEN)
        self.dag_name = self.names.new(self.pipeline.name)
        self.functions = {task.id: self.names.new(task.id) for task in self.tasks}
        self.objects = {task.id: self._object(task) for task in self.tasks}
        self.used: set[str] = set()
        self.variables = variables(stack.secrets) if stack.run == "pod" else {}
        self.pods = {task.id: partial(self._pod, task) for task in self.tasks if self._is_pod(task)}
        self.body = Body(grouped(self.tasks), self.tasks, self.functions, self.objects, self.names, self.pods)

    def text(self) -> str:
        functions = [self._function(task) for task in self.tasks if task.kind != "empty" and task.id not in self.pods]
        shown = {
            "doc": docstring(self.pipeline.doc or f"{self.pipeline.name}.", 0),
            "written": WRITTEN,
            "ir_version": IR_VERSION,
            "target": self.source.target,
            "pipeline": broken(self._deployed(), indent=0, used=11),
            "dag": self._dag(),
            "name": self.dag_name,
            "functions": functions,
            "groups": self.body.functions(),
            "made": self.body.made(),
            "wires": self.body.wires(),
            "has_items": any(task.kind == "items" for task in self.tasks),
            "has_branches": any(task.kind == "branch" for task in self.tasks),
            "has_assets": any(task.step.asset for task in self.tasks if task.step is not None),
            "has_outcome": any(task.kind == "outcome" for task in self.tasks),
        }
        shown |= self._elsewhere(shown)
        return f"{_template('dag.py.j2').render(imports=self._imports(), **shown)}\n"

    def _object(self, task: Task) -> str:
        """What a task is called where tasks are wired: its function has its name."""
        function = self.functions[task.id]
        return function if task.kind == "empty" or self._is_pod(task) else self.names.new(f"{function}_")

    def _is_pod(self, task: Task) -> bool:
        return self.stack.run == "pod" and task.kind not in ("branch", "empty")

    def _deployed(self) -> dict[str, Any]:
        found = deployed(self.source, self.stack)
        places = {name: f"env:{variable}" for name, variable in self.variables.items()}
        words: dict[str, Any] = msgspec.to_builtins(structs.replace(found, secrets={**found.secrets, **places}))
        return words

    def _elsewhere(self, shown: dict[str, Any]) -> dict[str, str]:
        """What calls the steps in a Python of their own, or in pods."""
        stack, named = self.stack, self.stack.python
        if stack.run == "pod":
            own = {"namespace": stack.namespace, "service_account_name": stack.service_account}
            own["kubernetes_conn_id"] = stack.kubernetes_conn_id
            words = [f"{literal(name)}: {literal(value)}" for name, value in own.items() if value]
            image = literal(stack.image) if stack.image else ""
            python = literal(named or "python")
            given = {"image": image, "python": python, "words": words}
            text = _template("pod.py.j2").render(version=stack.version, **given, **shown)
            return {"python": "", "elsewhere": text}
        if not named:
            return {"python": "", "elsewhere": ""}
        return {
            "python": f"os.path.expandvars({literal(named)})" if "${" in named else literal(named),
            "elsewhere": _template("python.py.j2").render(version=stack.version, **shown),
        }

    # --- parts --------------------------------------------------------------------------------------------------------

    def _imports(self) -> str:
        """Sorted as linters want them."""
        used = {"dag", "task", *self.used, *self.body.used}
        if self.stack.python and self.stack.run == "task":
            used.update(_IN_PYTHON)
        if self.stack.run == "pod":
            used.update(_IN_PODS)
            used -= set() if any(task.kind == "branch" for task in self.tasks) else {"task"}
        return imports(used, self.stack.version)

    def _dag(self) -> str:
        pipeline = self.pipeline
        schedule = pipeline.schedule or Schedule()
        words: dict[str, Any] = {
            "dag_id": pipeline.name,
            "doc_md": Code("__doc__"),
            "schedule": self._schedule(schedule),
            "start_date": self._moment(schedule, schedule.start or "2024-01-01"),
        }
        if schedule.end:
            words["end_date"] = self._moment(schedule, schedule.end)
        words["catchup"] = schedule.catchup
        if pipeline.max_parallel is not None:
            words["max_active_tasks"] = pipeline.max_parallel
        stack = self.stack
        given = {"owner": stack.owner, "queue": stack.queue, "executor_config": stack.executor_config}
        own = {name: value for name, value in given.items() if value}
        # A cluster may have retries of its own for all tasks: a step has as many as it says.
        words["default_args"] = {**own, **pods.defaults(stack), **stack.default_args, "retries": 0}
        if stack.run == "pod":
            words["user_defined_macros"] = {"asked": Code("asked")}
        words["tags"] = [*pipeline.tags, _tag(self.source.ir)]  # until the digest of all this is known
        lines = named(words)
        if pipeline.params:
            self.used |= {"Param"}
            inner = "".join(f"        {literal(one.name)}: {param(one, indent=8)},\n" for one in pipeline.params)
            lines.append(f"params={{\n{inner}    }}")
        inner = "".join(f"    {line},\n" for line in lines)
        return f"@dag(\n{inner})"

    def _schedule(self, schedule: Schedule) -> Any:
        if schedule.interval is not None:
            return self._seconds(schedule.interval)
        if schedule.assets:
            return self._assets(schedule.assets)
        if schedule.cron is not None and self.stack.version == 2:  # a plain text would run an interval late there
            self.used |= {"CronTriggerTimetable"}
            return Code(f"CronTriggerTimetable({literal(schedule.cron)}, timezone={literal(schedule.timezone)})")
        return schedule.cron

    def _moment(self, schedule: Schedule, text: str) -> Code:
        """A time in the schedule's zone, as `pendulum.datetime(2024, 1, 1, tz="UTC")`.

        Airflow 2 starts a run of an interval at its end: there it is moved, so that runs start when they are to.
        """
        moment = dt.datetime.fromisoformat(text)
        if self.stack.version == 2 and schedule.interval is not None:
            moment -= dt.timedelta(seconds=schedule.interval)
        parts = [moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second]
        while len(parts) > 3 and not parts[-1]:
            parts.pop()
        return Code(f"pendulum.datetime({', '.join(map(str, parts))}, tz={literal(schedule.timezone)})")

    def _assets(self, uris: Iterable[str]) -> list[Code]:
        kind = "Asset" if self.stack.version == 3 else "Dataset"
        self.used |= {kind}
        return [Code(f"{kind}({literal(uri)})") for uri in uris]

    def _seconds(self, seconds: float) -> Code:
        self.used |= {"timedelta"}
        whole = int(seconds) if seconds == int(seconds) else seconds
        for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
            if isinstance(whole, int) and whole and whole % size == 0:
                return Code(f"timedelta({unit}={whole // size})")
        return Code(f"timedelta(seconds={whole!r})")

    def _function(self, task: Task) -> dict[str, str]:
        words = self._settings(task)
        function = self.functions[task.id]
        label = own_name(task)
        if function != label:
            words = {"task_id": label, **words}
        head = "@task.branch" if task.kind == "branch" else "@task"
        mapped = bool(task.over)
        text = task.call.replace(")", ", item)") if mapped else task.call
        return {
            "decorator": call(head, named(words, indent=4), indent=4) if words else f"    {head}",
            "function": function,
            "argument": "item" if mapped else "holds" if task.told else "",
            "doc": docstring(task.step.doc, 8) if task.step is not None and task.step.doc else "",
            "call": _choice(text) if task.told else _call_line(text),
        }

    def _pod(self, task: Task, indent: int) -> list[str]:
        step = self.plan.step(task.node) if task.kind != "choose" else None
        words = self._settings(task)
        if task.step is not None:
            own = pods.words(task.step, self.stack, self.variables, indent + 4)
            self.used |= {"V1ResourceRequirements"} if "container_resources" in own else set()
            self.used |= {"Secret"} if "secrets" in own else set()
            words = {**own, **words}
            if task.step.doc:
                words["doc_md"] = pods.doc(task.step, indent + 4)
        given = pods.pod(task, own_name(task), pods.image_of(step, self.stack), self.stack)
        return [given, *named(words, indent=indent)]

    def _settings(self, task: Task) -> dict[str, Any]:
        words: dict[str, Any] = {}
        step = task.step
        if step is not None:
            words |= self._step_settings(step)
        if task.over and self.stack.run == "task":
            words["map_index_template"] = "{{ item_label }}"
        if task.rule:
            words["trigger_rule"] = task.rule
        return words

    def _step_settings(self, step: Step) -> dict[str, Any]:
        own = step_words(self.stack, step.id, step.tags)
        words: dict[str, Any] = {}
        if step.retry is not None and step.retry.attempts > 1:
            words["retries"] = step.retry.attempts - 1
            # Airflow waits the least that there is to wait, and the task waits for the rest.
            words["retry_delay"] = self._seconds(
                min(delay_before(step.retry, tried, 0.0) for tried in (1, step.retry.attempts - 1))
            )
        if own.pool or step.pool:
            words["pool"] = own.pool or step.pool
        words |= {name: value for name, value in msgspec.to_builtins(own).items() if name != "pool"}
        if step.max_parallel is not None:
            words["max_active_tis_per_dagrun"] = step.max_parallel
        if step.priority:
            words |= {"priority_weight": step.priority, "weight_rule": "absolute"}
        if step.asset:
            words["outlets"] = self._assets(step.asset.values())
        return words


def _tag(version: str) -> str:
    """By which a DAG that Airflow has read is known for this very file."""
    return f"pipeglot:{version[:12]}"


def _call_line(text: str) -> str:
    """A `return` that is too long for its line has an argument on each."""
    if len(text) + 8 <= 88:
        return text
    head, _, rest = text.partition("(")
    if "[" not in rest:
        return f"{head}(\n" + "".join(f"            {one},\n" for one in rest[:-1].split(", ")) + "        )"
    name, _, lists = rest.removesuffix(")").partition(", ")
    then, _, other = lists.partition("], ")
    given = [name, *(_list_lines(one) for one in (f"{then}]", other))]
    return f"{head}(\n" + "".join(f"            {one},\n" for one in given) + "        )"


def _choice(text: str) -> str:
    """`return [...] if holds else [...]`, or on lines of their own."""
    if len(text) + 8 <= 88:
        return text
    then, _, other = text.removeprefix("return ").partition(" if holds else ")
    lists = [f"return {broken(json.loads(one), indent=at, used=7)}" for one, at in ((then, 12), (other, 8))]
    return f"if holds:\n            {lists[0]}\n        {lists[1]}"


def _list_lines(text: str) -> str:
    if len(text) + 13 <= 88:
        return text
    inner = "".join(f"                {one},\n" for one in text[1:-1].split(", "))
    return f"[\n{inner}            ]"


@cache
def _template(name: str) -> Any:
    from importlib.resources import files

    from jinja2 import Environment, StrictUndefined

    environment = Environment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=False)  # noqa: S701  # Python
    return environment.from_string(files(__package__).joinpath(name).read_text(encoding="utf-8"))
