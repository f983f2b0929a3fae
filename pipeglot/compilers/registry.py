"""Find a backend by its name; it is imported when it is asked for, and not before."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pipeglot.compilers.base import Compiler
from pipeglot.core.errors import NotFound
from pipeglot.core.stack import Stack
from pipeglot.core.suggest import meant

if TYPE_CHECKING:
    from pipeglot.compilers.remote import Remote

BUILT_IN = {
    "airflow": "pipeglot.compilers.airflow.compiler:AirflowCompiler",
    "kfp": "pipeglot.compilers.kfp.compiler:KfpCompiler",
    "metaflow": "pipeglot.compilers.metaflow.compiler:MetaflowCompiler",
    "prefect": "pipeglot.compilers.prefect.compiler:PrefectCompiler",
    "vertex": "pipeglot.compilers.kfp.compiler:VertexCompiler",
}
"""Each backend and the class of its compiler."""

GROUP = "pipeglot.compilers"
"""The entry points by which other distributions add theirs."""


def compiler(name: str) -> Compiler[Any]:
    """The compiler of a backend. Raises `NotFound`."""
    place = BUILT_IN.get(name) or _entry_points().get(name)
    if place is None:
        raise NotFound(f"no backend is named `{name}`", hint=meant(name, names(), "the backends are"))
    module, _, attribute = place.partition(":")
    found: Compiler[Any] = getattr(import_module(module), attribute)()
    return found


def live(stack: Stack) -> Remote | None:
    """What talks to the orchestrator of a stack; None if the stack does not say where that is. Raises `ConfigError`."""
    return compiler(stack.backend).remote(stack) if stack.is_live else None


def names() -> list[str]:
    """All backends that compile, ours first."""
    return [*BUILT_IN, *(name for name in _entry_points() if name not in BUILT_IN)]


def _entry_points() -> dict[str, str]:
    from importlib.metadata import entry_points

    return {one.name: one.value for one in entry_points(group=GROUP)}
