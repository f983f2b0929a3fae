"""What Kubernetes calls things, whichever engine has the pods: amounts, and its secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pipeglot.core.errors import Problem
from pipeglot.core.stack import Stack

_SECRET = re.compile(r"([a-z0-9][a-z0-9.-]{0,252})/([A-Za-z0-9._-]{1,253})")
"""Its name in Kubernetes, and the key in it."""

_NEEDED = {"PATH", "HOME", "PYTHONPATH", "LD_LIBRARY_PATH", "PIPEGLOT_INDEX", "PIPEGLOT_CACHE"}
"""Variables that a pod itself needs, which no secret may come in."""


def cores(cpu: float) -> str:
    """In thousandths, which are the least that there are."""
    return str(int(cpu)) if cpu == int(cpu) else f"{max(1, round(cpu * 1000))}m"


def memory(size: int) -> str:
    """Of bytes, in the largest unit that says it exactly."""
    for unit, name in ((2**30, "Gi"), (2**20, "Mi")):
        if size % unit == 0:
            return f"{size // unit}{name}"
    return str(size)


def variables(secrets: Mapping[str, str]) -> dict[str, str]:
    """Of each of a stack's secrets that lies in Kubernetes the variable that it comes in: in capitals, as the engines
    have them."""
    taken = {place.partition(":")[2] for place in secrets.values() if place.startswith("env:")} | _NEEDED
    found: dict[str, str] = {}
    for name, place in secrets.items():
        if place.startswith("k8s:"):
            variable = name.upper()
            while variable in taken:
                variable += "_"
            taken.add(variable)
            found[name] = variable
    return found


def secret_place(place: str) -> tuple[str, str]:
    """The name of a secret of Kubernetes, and the key in it."""
    name, _, key = place.removeprefix("k8s:").partition("/")
    return name, key


def unnamed_secrets(stack: Stack) -> Iterator[Problem]:
    """Those that are said to lie in Kubernetes, where nothing can have that name."""
    for name, place in stack.secrets.items():
        if place.startswith("k8s:") and not _SECRET.fullmatch(place.removeprefix("k8s:")):
            yield Problem(
                stack.backend,
                f"stack `{stack.name}`: secret `{name}` names no secret of Kubernetes",
                None,
                "write its name and its key, as `k8s:warehouse/password`",
            )
