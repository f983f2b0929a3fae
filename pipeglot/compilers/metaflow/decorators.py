"""The decorators of a step: what it asks for that Metaflow does itself, and what the stack says of it."""

from __future__ import annotations

from typing import Any, NamedTuple

from pipeglot.compilers.metaflow.stack import MetaflowStack, step_words
from pipeglot.core.ir import Resources, Step

MOST_TRIES = 5
"""As many as Metaflow makes: `@retry` takes 4 at most."""

MEGABYTE = 10**6
"""Kubernetes takes Metaflow's for these; AWS Batch gives a little more."""

_CONTAINERS = {"argo-workflows": "kubernetes", "step-functions": "batch"}


class Decorator(NamedTuple):
    """`@name(…)`."""

    name: str
    words: dict[str, Any]


def decorators(stack: MetaflowStack, step: Step) -> list[Decorator]:
    """Those of a step, in the order of their names; `@retry` comes last."""
    words = step_words(stack, step.id, step.tags)
    if step.resources is not None and (asked := _resources(step.resources)):
        words["resources"] = asked | words.get("resources", {})
    containers = _CONTAINERS.get(stack.deploy_to, "")
    if step.image and containers:
        words[containers] = {"image": step.image} | words.get(containers, {})
    found = [Decorator(name, words[name]) for name in sorted(words)]
    tries = step.retry.attempts if step.retry is not None else 1
    if 1 < tries <= MOST_TRIES:  # the task itself waits
        found.append(Decorator("retry", {"times": tries - 1, "minutes_between_retries": 0}))
    return found


def tries_here(step: Step) -> bool:
    """Whether it is tried more often than Metaflow does."""
    return step.retry is not None and step.retry.attempts > MOST_TRIES


def _resources(asked: Resources) -> dict[str, Any]:
    """As Metaflow counts them. Memory is never less than asked for."""
    found: dict[str, Any] = {}
    if asked.cpu is not None:
        found["cpu"] = int(asked.cpu) if asked.cpu == int(asked.cpu) else asked.cpu
    if asked.memory is not None:
        found["memory"] = -(-asked.memory // MEGABYTE)
    if asked.gpu:
        found["gpu"] = asked.gpu
    return found
