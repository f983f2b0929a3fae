"""The pipeline spec as plain data: components, executors and the tasks of each DAG, in the order of the pipeline."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from pipeglot.compilers.base import Source
from pipeglot.compilers.kfp import params
from pipeglot.compilers.kfp.containers import Containers
from pipeglot.compilers.kfp.names import INDEX, OUTPUT, RUN, SCHEDULED, STEP, Names, channel, item, mangled
from pipeglot.compilers.kfp.stack import KfpStack, VertexStack
from pipeglot.compilers.kfp.tasks import Task, tasks
from pipeglot.core.failures import delay_before
from pipeglot.core.ir import Map, Retry
from pipeglot.core.lineage.plan import Plan, inner_steps

SCHEMA_VERSION = "2.1.0"

_STRING, _LIST = {"parameterType": "STRING"}, {"parameterType": "LIST"}
_LINEAGE = {"lineage": {"artifactType": {"schemaTitle": "system.Artifact", "schemaVersion": "0.0.1"}}}
"""What KFP's pages show of a step: the run, the artifacts, and the digests of their values."""

_RUN_IDS = {"kfp": "{{$.pipeline_job_uuid}}", "vertex": "{{$.pipeline_job_name}}"}
"""What stands for the id of a run, where it stands alone."""

_LONGEST_DOC = 1024
"""Characters of a pipeline's description. Source: `PipelineInfo` of the spec's definition."""
_FASTEST = 1000
"""The largest factor that Kubeflow is told: it takes whole ones only, and writes large ones with an exponent."""
_YEAR = "31536000s"
"""Kubeflow begins no further try once so long has passed since the first one began, and ends one that is at work then;
from 2.14 on that is at once if nobody says. Vertex AI takes an hour at most, and an hour if nobody says."""


class Spec(NamedTuple):
    """What KFP reads, and what of it only Kubernetes knows: empty if there is nothing."""

    pipeline: dict[str, Any]
    platform: dict[str, Any]


_latest: list[tuple[Source, KfpStack | VertexStack, Spec]] = []
"""The one that was made last: a pipeline is checked, and then emitted."""


def spec(source: Source, stack: KfpStack | VertexStack) -> Spec:
    """The spec of a pipeline, for a stack. Nobody changes it."""
    for of, on, made in _latest:
        if of is source and on is stack:
            return made
    found = _Writer(source, stack).spec()
    _latest[:] = [(source, stack, found)]
    return found


class _Writer:
    def __init__(self, source: Source, stack: KfpStack | VertexStack) -> None:
        self.pipeline = source.pipeline
        self.stack = stack
        self.plan = Plan(source.pipeline)
        self.containers = Containers(source, stack)
        self.passed = params.passed(source.pipeline)
        self.given = {name: {"componentInputParameter": name} for name in self.passed}
        self.shared: dict[Task, str] = {}
        self.components: dict[str, Any] = {}
        self.executors: dict[str, Any] = {}
        self.platform: dict[str, Any] = {}

    def spec(self) -> Spec:
        info = {"name": mangled(self.pipeline.name), "displayName": self.pipeline.name}
        if self.pipeline.doc:
            info["description"] = self.pipeline.doc.strip().replace("{{", "{ {")[:_LONGEST_DOC]
        found = tasks(self.plan, waits_for_failed=self.stack.backend == "vertex")
        self.shared = self._alike([one for task in found for one in task.all()])
        root = {
            "inputDefinitions": {"parameters": params.definitions(self.pipeline)},
            "dag": {"tasks": self._tasks(found, "")},
        }
        words: dict[str, Any] = {
            "pipelineInfo": info,
            "schemaVersion": SCHEMA_VERSION,
            "sdkVersion": "pipeglot",
            "root": root,
            "components": self.components,
            "deploymentSpec": {"executors": self.executors},
        }
        if self.stack.pipeline_root:
            words["defaultPipelineRoot"] = self.stack.pipeline_root
        executors = {"deploymentSpec": {"executors": self.platform}}
        return Spec(words, {"platforms": {"kubernetes": executors}} if self.platform else {})

    def _alike(self, found: list[Task]) -> dict[Task, str]:
        """Of steps that differ in their name alone, how the component is called that they share.

        It has a container that no other component has: Kubeflow takes components of one container for the same.
        """
        groups: dict[str, list[Task]] = {}
        for task in found:
            if task.kind == "step" and not task.first and not task.is_mapped:
                words = [self.containers.container(task, named=False), self.containers.platform(task)]
                groups.setdefault(json.dumps(words), []).append(task)
        names = Names(task.name for task in found)
        several = [group for group in groups.values() if len(group) > 1]
        return {task: name for group in several for name in [names.new("steps")] for task in group}

    def _tasks(self, found: list[Task], at: str) -> dict[str, Any]:
        """Those of one DAG. at: the input of the DAG in which it is told its items."""
        return {task.name: self._task(task, at) for task in found}

    def _task(self, task: Task, at: str) -> dict[str, Any]:
        self._component(task)
        is_step = task.kind == "step"
        words: dict[str, Any] = {
            "taskInfo": {"name": task.node if is_step else task.name},
            "componentRef": {"name": f"comp-{self._label(task)}"},
        }
        if task.after:
            words["dependentTasks"] = [one.name for one in task.after]
        if inputs := self._inputs(task, at):
            words["inputs"] = {"parameters": inputs}
        policy: dict[str, str] = {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"} if task.anyway else {}
        if task.kind in ("then", "otherwise"):
            policy["condition"] = _condition(task)
        if policy:
            words["triggerPolicy"] = policy
        if task.kind == "loop":
            words |= self._iterator(task)
        if task.step is not None and task.step.retry is not None and task.step.retry.attempts > 1:
            words["retryPolicy"] = _retry(task.step.retry, self.stack)
        if not task.body:
            words["cachingOptions"] = {"enableCache": False}
        return words

    def _inputs(self, task: Task, at: str) -> dict[str, Any]:
        if task.kind == "loop":
            return {channel(_told(task)): _output_of(task)}
        found: dict[str, Any] = dict(self.given) if task.first else {}
        if not task.body:
            found[RUN] = {"runtimeValue": {"constant": _RUN_IDS[self.stack.backend]}}
            if task in self.shared:
                found[STEP] = {"runtimeValue": {"constant": task.node}}
            if task.first and self._is_scheduled:
                found[SCHEDULED] = {"runtimeValue": {"constant": "{{$.pipeline_job_schedule_time_utc}}"}}
        elif task.kind == "branch":
            found[channel(_told(task))] = _output_of(task)
        elif task.told is not None:
            found[channel(_told(task))] = {"componentInputParameter": channel(_told(task))}
        if task.is_mapped:
            found[INDEX] = {"componentInputParameter": at}
        return found

    @property
    def _is_scheduled(self) -> bool:
        """Whether a task is told the planned time, of a run that somebody may have planned."""
        return self.pipeline.schedule is not None

    # --- components ---------------------------------------------------------------------------------------------------

    def _label(self, task: Task) -> str:
        return self.shared.get(task, task.name)

    def _component(self, task: Task) -> None:
        name = f"comp-{self._label(task)}"
        if name in self.components:
            return
        words: dict[str, Any] = {}
        self.components[name] = words  # before those in it
        inputs = self._defined(task)
        if inputs:
            words["inputDefinitions"] = {"parameters": inputs}
        if task.body:
            at = item(_told(task)) if task.kind == "loop" else INDEX
            words["dag"] = {"tasks": self._tasks(task.body, at)}
            return
        if task.kind == "step":
            words["outputDefinitions"] = {"artifacts": _LINEAGE}
        elif task.kind in ("list", "choose"):
            words["outputDefinitions"] = {"parameters": {OUTPUT: _LIST if task.kind == "list" else _STRING}}
        label = f"exec-{self._label(task)}"
        words["executorLabel"] = label
        self.executors[label] = self.containers.container(task, named=task not in self.shared)
        if found := self.containers.platform(task):
            self.platform[label] = found

    def _defined(self, task: Task) -> dict[str, Any]:
        if task.kind == "loop":
            return {channel(_told(task)): _LIST, item(_told(task)): _STRING}
        found: dict[str, Any] = dict(self.passed) if task.first else {}
        if not task.body:
            found[RUN] = _STRING
            if task in self.shared:
                found[STEP] = _STRING
            if task.first and self._is_scheduled:
                found[SCHEDULED] = _STRING
        elif task.told is not None:
            found[channel(_told(task))] = _STRING
        if task.is_mapped:
            found[INDEX] = _STRING
        return found

    def _iterator(self, task: Task) -> dict[str, Any]:
        listed = _told(task)
        found: dict[str, Any] = {
            "parameterIterator": {"items": {"inputParameter": channel(listed)}, "itemInput": item(listed)}
        }
        limit = self._limit(task)
        return found | ({"iteratorPolicy": {"parallelismLimit": limit}} if limit else {})

    def _limit(self, task: Task) -> int:
        """How many items may be at work, so that no step in it is more often than it may: an outer loop has one."""
        node = self.plan.maps[task.node].node
        assert isinstance(node, Map)
        limits = [
            step.max_parallel if self.plan.scope(step.id)[-1] == task.node else 1
            for step in inner_steps(node)
            if step.max_parallel is not None
        ]
        return min(limits, default=0)


def _told(task: Task) -> str:
    assert task.told is not None, "a loop has a list, and an arm a condition"
    return task.told.name


def _output_of(task: Task) -> dict[str, Any]:
    return {"taskOutputParameter": {"producerTask": _told(task), "outputParameterKey": OUTPUT}}


def _condition(task: Task) -> str:
    """Whether an arm is taken: by the text that the task before it has told."""
    told = f"inputs.parameter_values['{channel(_told(task))}']"
    holds = f"{told} == '{'true' if task.kind == 'then' else 'false'}'"
    return f"{holds} || {told} == 'both'" if task.is_mapped else holds


def _retry(retry: Retry, stack: KfpStack | VertexStack) -> dict[str, Any]:
    """KFP waits the least that there is to wait, and the task itself the rest: KFP knows neither jitter nor a longest
    delay, for its `backoffMaxDuration` is the time after which it tries no more."""
    words: dict[str, Any] = {"maxRetryCount": retry.attempts - 1, "backoffDuration": "0s", "backoffFactor": 1.0}
    if retry.delay:
        delays = [delay_before(retry, tried, 0.0) for tried in range(1, min(retry.attempts, 100))]
        is_whole = 1 <= retry.backoff <= _FASTEST and retry.backoff == int(retry.backoff)
        grows = is_whole and delays[-1] >= delays[0] * retry.backoff ** (len(delays) - 1)
        words["backoffDuration"] = f"{int(delays[0] if grows else min(delays))}s"  # KFP counts whole seconds
        words["backoffFactor"] = float(retry.backoff) if grows else 1.0
    return {**words, "backoffMaxDuration": _YEAR} if isinstance(stack, KfpStack) else words
