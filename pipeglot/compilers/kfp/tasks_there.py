"""The tasks of a run as KFP tells of them: the nodes of an Argo workflow, named as the tasks of the spec are.

A container is a node of its task's name with `executor` below it, `executor(1)` of a second try. A loop has a node
`iteration-iterations(3:…)` for each item, of older releases `iteration-item(3:…)`, and in it the tasks of its body.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pipeglot.compilers.remote import EngineTask

TaskState = Literal["waiting", "running", "retrying", "succeeded", "failed", "skipped"]
Details = list[Mapping[str, Any]]

_STATES: Mapping[str, TaskState] = {
    "RUNNING": "running",
    "CANCELING": "running",
    "SUCCEEDED": "succeeded",
    "SKIPPED": "skipped",
    "FAILED": "failed",
    "CANCELED": "failed",
}
_JSON = "--json="
_TRY = re.compile(r"executor(?:\(\d+\))?")
_ITEM = re.compile(r"iteration-(?:iterations|item)\((\d+)[:)].*")


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


def tasks(details: Details, steps: Mapping[str, str], most: int) -> Iterator[EngineTask]:
    """Those that run a step, or do something for one. `most`: how many tasks a map has at most."""
    nodes = {one["pod_name"]: one for one in details if one.get("pod_name")}
    parents = {
        child["pod_name"]: node
        for node, one in nodes.items()
        for child in one.get("child_tasks") or ()
        if child.get("pod_name")
    }
    for node, one in nodes.items():
        step = steps.get(one.get("display_name", ""))
        if step is None:
            continue
        numbers = _numbers(node, nodes, parents)
        tries = list(_tries(node, nodes))
        last = tries[-1] if tries else node
        state = _state(one, nodes[last])
        item = numbers if len(numbers) > 1 else ()
        number = numbers[0] if len(numbers) == 1 else -1
        yield EngineTask(step, number, state, len(tries), most if len(numbers) == 1 else 0, item, last)


def _numbers(node: str, nodes: Mapping[str, Any], parents: Mapping[str, str]) -> tuple[int, ...]:
    """Of each loop around it, the outermost first, the number of the item."""
    found: list[int] = []
    above = parents.get(node)
    while above is not None and above in nodes:
        if match := _ITEM.fullmatch(nodes[above].get("display_name", "")):
            found.insert(0, int(match[1]))
        above = parents.get(above)
    return tuple(found)


def _tries(node: str, nodes: Mapping[str, Any]) -> Iterator[str]:
    """The nodes below it that are a try, in order: where there is a retry, one of them is above the others."""
    below = [child["pod_name"] for child in nodes[node].get("child_tasks") or () if child.get("pod_name") in nodes]
    for one in sorted(below, key=lambda name: str(nodes[name].get("create_time"))):
        if _TRY.fullmatch(nodes[one].get("display_name", "")):
            inner = list(_tries(one, nodes))
            yield from inner or [one]


def _state(task: Mapping[str, Any], last: Mapping[str, Any]) -> TaskState:
    state = _STATES.get(task.get("state") or "", "waiting")
    if state == "running" and last is not task and _STATES.get(last.get("state") or "") == "failed":
        return "retrying"
    return state
