"""Optional inputs that a run is not given: on a cluster a task has no such input then, and `kfp.local` would fail."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any


def drop_absent(spec: dict[str, Any], given: Collection[str]) -> None:
    """Take them out of a spec, from the inputs of the run down to those of each task."""
    _drop(spec["root"], given, spec["components"])


def _drop(component: dict[str, Any], given: Collection[str], components: dict[str, Any]) -> None:
    defined = component.get("inputDefinitions", {}).get("parameters", {})
    absent = {
        name
        for name, one in defined.items()
        if name not in given and "defaultValue" not in one and one.get("isOptional")
    }
    for name in absent:
        del defined[name]
    for task in component.get("dag", {}).get("tasks", {}).values():
        inputs = task.get("inputs", {}).get("parameters", {})
        for name in [name for name, one in inputs.items() if one.get("componentInputParameter") in absent]:
            del inputs[name]
        _drop(components[task["componentRef"]["name"]], inputs, components)
