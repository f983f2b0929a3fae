"""The same behaviours as step functions that a worker imports."""

from __future__ import annotations

from typing import Any

from pipeglot.core.context import current_run
from tests.oracle.behaviours import BEHAVIOURS


def _run(name: str, inputs: dict[str, Any]) -> Any:
    return BEHAVIOURS[name](inputs.pop("seed"), current_run().attempt, **inputs)


def number(**inputs: Any) -> Any:
    return _run("number", inputs)


def numbers(**inputs: Any) -> Any:
    return _run("numbers", inputs)


def lists(**inputs: Any) -> Any:
    return _run("lists", inputs)


def text(**inputs: Any) -> Any:
    return _run("text", inputs)


def texts(**inputs: Any) -> Any:
    return _run("texts", inputs)


def pair(**inputs: Any) -> Any:
    return _run("pair", inputs)


def nothing(**inputs: Any) -> Any:
    return _run("nothing", inputs)


def fails(**inputs: Any) -> Any:
    return _run("fails", inputs)


def sometimes(**inputs: Any) -> Any:
    return _run("sometimes", inputs)


def flaky(**inputs: Any) -> Any:
    return _run("flaky", inputs)


def permanent(**inputs: Any) -> Any:
    return _run("permanent", inputs)
