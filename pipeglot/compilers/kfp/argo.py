"""What Argo, which runs the tasks of Kubeflow, calls its nodes and their pods.

KFP's API tells of a node what people call it, and the ids of the nodes below it. An id is a digest of the node's full
name, which is made of the names above it: so whoever knows the spec knows which node has which id.
"""

from __future__ import annotations

POD_TEMPLATES = ("system-container-impl", "retry-system-container-impl")
"""The parts in the names of a container's pods: without and, from KFP 2.14 on, with retries."""

_LONGEST_PREFIX = 242


def root(workflow: str) -> str:
    """The node of the pipeline itself, below the workflow's own and beside a driver."""
    return f"{workflow}.root"


def below(node: str, name: str) -> str:
    """The node of a task of a DAG."""
    return f"{node}.{name}"


def attempt(node: str, number: int) -> str:
    """Of a node that is tried again, one try, from 0."""
    return f"{node}({number})"


def items(node: str, loop: str, number: int) -> tuple[tuple[str, str], ...]:
    """Of an item of a loop, its node and the one in that where its tasks are: from KFP 2.14 on, and before."""
    place = f"({number}:{number})"
    new, old = f"{node}.{loop}.iteration-iterations{place}", f"{node}.{loop}-iterations{place}"
    return (new, f"{new}.iteration-item"), (old, f"{old}.iteration")


def node_id(workflow: str, node: str) -> str:
    """By which the API tells of it. The workflow's own is its name."""
    return workflow if node == workflow else f"{workflow}-{_digest(node)}"


def pod_names(workflow: str, node: str, *, retries: bool) -> list[str]:
    """What its pod may be called, the likeliest first: releases differ, and Argo has a setting for it."""
    digest = _digest(node)
    templates = reversed(POD_TEMPLATES) if retries else POD_TEMPLATES
    return [*(f"{f'{workflow}-{one}'[:_LONGEST_PREFIX]}-{digest}" for one in templates), f"{workflow}-{digest}"]


def _digest(text: str) -> int:
    """FNV-1a, of 32 bits."""
    found = 0x811C9DC5
    for byte in text.encode():
        found = (found ^ byte) * 0x01000193 & 0xFFFFFFFF
    return found
