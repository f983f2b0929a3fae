"""Names that both sides know: those who start a run, and the worker that has it."""

from __future__ import annotations

from pipeglot.compilers.prefect.stack import PrefectStack

WISHES = "pipeglot.wishes"
"""The label of a flow run in which our own wishes travel, as JSON."""


def deployment_name(stack: PrefectStack) -> str:
    return stack.deployment or stack.name


def flow_key(version: str) -> str:
    """Where in the store a flow file lies, by the digest of its text."""
    return f"flows/{version}.py"
