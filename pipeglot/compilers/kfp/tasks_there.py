"""The tasks of a run as KFP tells of them: the nodes of an Argo workflow, named as the tasks of the spec are.

A task of a container is a node with `executor` below it, and below that `executor(0)`, `executor(1)`, … where it is
tried again. What the API says of a node has no id of its own, no pod, and no parent; but the ids of the nodes that come
after it. These are digests of names that the spec tells (`argo.py`): so they say which tasks there are, which item of a
map each is for, how often it was tried, and its pod.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, takewhile
from typing import Any, NamedTuple

from pipeglot.compilers.kfp import argo
from pipeglot.compilers.remote import EngineTask, TaskState

Details = Sequence[Mapping[str, Any]]

_STATES: Mapping[str, TaskState] = {
    "RUNNING": "running",
    "CANCELING": "running",
    "SUCCEEDED": "succeeded",
    "SKIPPED": "skipped",
    "FAILED": "failed",
    "CANCELED": "failed",
}
_JSON = "--json="


class _Place(NamedTuple):
    """A task of a container in a run: its name, its node, for which item of each loop around it, whether it retries."""

    task: str
    node: str
    item: tuple[int, ...]
    retries: bool


def steps_of(spec: Mapping[str, Any]) -> dict[str, str]:
    """Of each task of a spec that runs a container, what it is called for people: its step."""
    inner = spec.get("pipeline_spec", spec)
    components = inner.get("components") or {}
    dags = [inner.get("root") or {}, *components.values()]
    return {
        name: (task.get("taskInfo") or {}).get("name") or name
        for one in dags
        for name, task in ((one.get("dag") or {}).get("tasks") or {}).items()
        if "executorLabel" in components.get(task["componentRef"]["name"], {})
    }


def typed(params: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as the inputs of a spec take them: some as JSON in a text, and what is None not at all."""
    texts = _json_texts(spec)
    return {
        name: json.dumps(value, ensure_ascii=False) if name in texts else value
        for name, value in params.items()
        if value is not None or name in texts
    }


def _json_texts(spec: Mapping[str, Any]) -> set[str]:
    """The parameters that travel as JSON in a text: the containers of the spec are told which."""
    inner = spec.get("pipeline_spec", spec)
    executors = (inner.get("deploymentSpec") or {}).get("executors") or {}
    words = [word for one in executors.values() for word in (one.get("container") or {}).get("args") or ()]
    return {
        name
        for word in words
        if isinstance(word, str) and word.startswith(_JSON)
        for name in word.removeprefix(_JSON).split(",")
    }


def tasks(details: Details, spec: Mapping[str, Any], most: int) -> Iterator[EngineTask]:
    """Those that run a step, or do something for one. `most`: how many tasks a map has at most."""
    run = _Run(details)
    if not run.workflow:  # nothing has begun
        return
    steps = steps_of(spec)
    for place in run.places(spec.get("pipeline_spec", spec)):
        number = place.item[0] if len(place.item) == 1 else -1
        item = place.item if len(place.item) > 1 else ()
        state, tries, pod = run.look(place)
        yield EngineTask(steps[place.task], number, state, tries, most if number >= 0 else 0, item, pod)


class _Run:
    """The nodes of a run, as far as they can be told apart."""

    def __init__(self, details: Details) -> None:
        self.named: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        self.known: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        """By the id of each node that is told of: those that it comes after."""
        self.workflow = ""
        for one in details:
            name, children = one.get("display_name") or "", _children(one)
            self.named[name].append(one)
            for child in children:
                self.known[child].append(one)
            if argo.node_id(name, argo.below(name, "root-driver")) in children:
                self.workflow = name

    def is_there(self, node: str) -> bool:
        return argo.node_id(self.workflow, node) in self.known

    def places(self, spec: Mapping[str, Any]) -> Iterator[_Place]:
        """All containers' tasks that there are so far."""
        yield from self._below(spec, spec.get("root") or {}, argo.root(self.workflow), ())

    def _below(
        self, spec: Mapping[str, Any], component: Mapping[str, Any], node: str, item: tuple[int, ...]
    ) -> Iterator[_Place]:
        for name, task in ((component.get("dag") or {}).get("tasks") or {}).items():
            inner = (spec.get("components") or {}).get(task["componentRef"]["name"]) or {}
            for body, more in self._bodies(node, name, task):
                if "executorLabel" in inner:
                    yield _Place(name, body, (*item, *more), "retryPolicy" in task)
                else:
                    yield from self._below(spec, inner, body, (*item, *more))

    def _bodies(self, node: str, name: str, task: Mapping[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
        """The nodes of a task: of a loop, one for each item that has begun. Argo begins them in order."""
        if "parameterIterator" not in task and "artifactIterator" not in task:
            if self.is_there(body := argo.below(node, name)):
                yield body, ()
            return
        for number in count():
            there = [body for one, body in argo.items(node, name, number) if self.is_there(one)]
            if not there:
                return
            yield there[0], (number,)

    def look(self, place: _Place) -> tuple[TaskState, int, str]:
        """How far a task is, how often it was tried, and what the pod of the last try may be called."""
        executor = argo.below(place.node, "executor")
        above = self.known.get(argo.node_id(self.workflow, executor), [])
        own = [one for one in above if one.get("display_name") == place.task]
        if not own:
            return self._agreed(place.task) or "waiting", 0, ""
        state = _state(own[0])
        tries = [executor]
        if place.retries and self.is_there(argo.attempt(executor, 0)):
            tries = [*takewhile(self.is_there, (argo.attempt(executor, number) for number in count()))]
        name = tries[-1].rpartition(".")[2]
        pods = argo.pod_names(self.workflow, tries[-1], retries=place.retries)
        return self._last(state, name), len(tries), " ".join(pods)

    def _agreed(self, task: str) -> TaskState | None:
        """Of a task without a pod, which may be one of several of that name: what all of these are."""
        found = {_state(one) for one in self.named[task]}
        return found.pop() if len(found) == 1 else None

    def _last(self, state: TaskState, name: str) -> TaskState:
        """Which of the tries of one name is whose, nothing tells. If none of them runs, then this one does not."""
        seen = {_state(one) for one in self.named[name]}
        if state != "running" or "running" in seen:
            return state
        if "waiting" in seen:
            return "waiting"
        return "retrying" if seen == {"failed"} else state


def _children(one: Mapping[str, Any]) -> set[str]:
    return {child["pod_name"] for child in one.get("child_tasks") or () if child.get("pod_name")}


def _state(one: Mapping[str, Any]) -> TaskState:
    return _STATES.get(one.get("state") or "", "waiting")
