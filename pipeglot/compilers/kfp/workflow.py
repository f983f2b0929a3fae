"""How large a run is in Kubeflow: Argo's object of it has each task of the spec twice, and much around it.

After the source of Kubeflow's own compiler, `backend/src/v2/compiler/argocompiler`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

ARGO = 2**20
"""Bytes that Argo takes, with what has become of each task in short, if nobody has set its `MAX_WORKFLOW_SIZE`."""

KUBERNETES = 3 * 2**19
"""Bytes that Kubernetes takes, if nobody has set `--max-request-bytes` of its etcd (kubeflow/pipelines#13738)."""

_ARGUMENT = 102
"""Around a component or its container, each of which stands there once, as a text."""
_TASK = 797
"""Around a task: that of its driver, and that of its pod."""
_NAMES = 6
"""How often its name stands in these."""
_AFTER = len(".Succeeded && ")


def workflow_size(spec: Mapping[str, Any]) -> int:
    """About how many bytes the object of a run has, when it begins."""
    executors = spec["deploymentSpec"]["executors"]
    size = 0
    for component in (spec["root"], *spec["components"].values()):
        size += _ARGUMENT + _as_text(component)
        if "executorLabel" in component:
            size += _ARGUMENT + _as_text(executors[component["executorLabel"]]["container"])
        for name, task in component.get("dag", {}).get("tasks", {}).items():
            after = sum(len(one) + _AFTER for one in task.get("dependentTasks", ()))
            size += _TASK + _NAMES * len(name) + after + _as_text(task)
    return size


def _as_text(value: Any) -> int:
    """The bytes of its JSON in a text of JSON. What has its usual value is not written there."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace('"enableCache":false', "")
    return len(text.encode()) + text.count('"') + text.count("\\")
