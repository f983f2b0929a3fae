"""The decorators of a step: what it asks for that Metaflow does itself, and what the stack says of it."""

from __future__ import annotations

from typing import Any, NamedTuple

from pipeglot.compilers.metaflow.stack import MetaflowStack, step_words
from pipeglot.core.ir import Resources, Step

MOST_TRIES = 5
"""As many as Metaflow makes: `@retry` takes 4 at most."""

MEGABYTE = 10**6
"""Kubernetes takes Metaflow's for these; AWS Batch gives a little more."""

CONTAINERS = {"argo-workflows": "kubernetes", "step-functions": "batch"}
"""By what deploys a flow, where its tasks run."""


class Decorator(NamedTuple):
    """`@name(…)`."""

    name: str
    words: dict[str, Any]


def decorators(stack: MetaflowStack, step: Step | None) -> list[Decorator]:
    """Those of a step, in the order of their names; `@retry` comes last. Without one, those of a task between."""
    containers = CONTAINERS.get(stack.deploy_to, "")
    if step is None:
        return [Decorator(containers, {"image": stack.image})] if containers and stack.image else []
    words = step_words(stack, step.id, step.tags)
    if step.resources is not None and (asked := _resources(step.resources)):
        words["resources"] = asked | words.get("resources", {})
    if containers and (image := step.image or stack.image):
        words[containers] = {"image": image} | words.get(containers, {})
    found = [Decorator(name, words[name]) for name in sorted(words)]
    tries = step.retry.attempts if step.retry is not None else 1
    if tries > 1:  # the task itself waits; and where it makes all tries, Metaflow starts it again if it was killed
        found.append(Decorator("retry", {"times": min(tries, MOST_TRIES) - 1, "minutes_between_retries": 0}))
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
