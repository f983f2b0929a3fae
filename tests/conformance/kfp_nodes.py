"""The nodes that Argo makes of `kfp_by_sdk.yaml`: by the templates that KFP 2.17.0's own compiler writes for it."""

from __future__ import annotations

from collections.abc import Iterator

_CONTAINER, _RETRIED, _DRIVER = "system-container-executor", "retry-system-container-executor", "system-driver"

TEMPLATES: dict[str, dict[str, str]] = {
    "entrypoint": {"root-driver": _DRIVER, "root": "root"},
    "root": {
        "condition-3-driver": _DRIVER,
        "condition-3": "comp-condition-3",
        "for-loop-2": "comp-for-loop-2-for-loop-2-iterator",
        "say-3-driver": _DRIVER,
        "say-3": _RETRIED,
        "say-4-driver": _DRIVER,
        "say-4": _CONTAINER,
        "say-5-driver": _DRIVER,
        "say-5": _CONTAINER,
        "tell-driver": _DRIVER,
        "tell": _CONTAINER,
    },
    "comp-condition-3": {"say-2-driver": _DRIVER, "say-2": _CONTAINER},
    "comp-for-loop-2-for-loop-2-iterator": {
        "iteration-driver": _DRIVER,
        "iteration-iterations": "comp-for-loop-2-iteration",
    },
    "comp-for-loop-2-iteration": {"iteration-item-driver": _DRIVER, "iteration-item": "comp-for-loop-2"},
    "comp-for-loop-2": {"say-driver": _DRIVER, "say": _CONTAINER},
    _CONTAINER: {"executor": "system-container-impl"},
    _RETRIED: {"executor": "retry-system-container-impl"},
}
"""The tasks of each DAG, with their templates; a template that is no DAG is a pod."""

_LOOPS = ("iteration-iterations",)
"""Tasks `withSequence`."""

_TRIED = ("retry-system-container-impl",)
"""Templates with a `retryStrategy`."""


def nodes(workflow: str, items: int) -> set[str]:
    """The full names of all nodes but the workflow's own, if each pod is tried once, and a loop has so many items."""
    return set(_nodes("entrypoint", workflow, items))


def _nodes(template: str, above: str, items: int) -> Iterator[str]:
    for name, inner in TEMPLATES.get(template, {}).items():
        node = f"{above}.{name}"
        yield node
        for body in [f"{node}({number}:{number})" for number in range(items)] if name in _LOOPS else [node]:
            yield body
            if inner in _TRIED:
                yield f"{body}(0)"
            yield from _nodes(inner, body, items)
