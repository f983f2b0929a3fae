"""Call a step's function: imported, with its arguments, environment and secrets, and whatever it prints kept."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from pipeglot.core.capture import captured, logging_shown
from pipeglot.core.context import Active, RunContext, running
from pipeglot.core.errors import StepError
from pipeglot.core.imports import import_ref
from pipeglot.core.ir import Step


class Watch(Protocol):
    """Told when the user's function begins and ends, by whoever enforces its timeout."""

    def calling(self) -> None: ...

    def called(self) -> None: ...


class Trial:
    """One attempt at a step's function. After `run`, however it ended, the fields tell how far it came.

    `phase` is `import` or `input` before the function, `raised` within it, `output` after it; `seconds` are its own.
    """

    def __init__(self, step: Step, log: Path | None, scratch: Path | None) -> None:
        self.step = step
        self.log = log
        self.scratch = scratch
        self.phase = "input"
        self.seconds = 0.0
        self.secrets: dict[str, str] = {}
        self.metrics: dict[str, float] = {}

    def run(
        self,
        arguments: Callable[[], dict[str, Any]],
        context: RunContext,
        secrets: Mapping[str, str],
        watch: Watch,
        keep: Callable[[Any], None],
    ) -> None:
        """Load `arguments`, call the function, hand what it returned to `keep`. Raises whatever any of them raises."""
        self.secrets = resolve_secrets(self.step, secrets)
        with captured(self.log), _environment(self.step, self.scratch):
            self.phase = "import"
            function = function_of(self.step)
            self.phase = "input"
            given = arguments()
            self.phase = "raised"
            result = self._call(function, given, context, watch)
            self.phase = "output"
            keep(result)

    def _call(self, function: Any, given: dict[str, Any], context: RunContext, watch: Watch) -> Any:
        active = Active(context, self.secrets)
        self.metrics = active.metrics
        watch.calling()
        began = time.perf_counter()
        try:
            with logging_shown(), running(active):
                return _call(function, given)
        finally:
            self.seconds = time.perf_counter() - began
            watch.called()


def function_of(step: Step) -> Any:
    """The plain function of a step, imported. Raises `TargetError`, or what the import raised."""
    found = import_ref(str(step.code))
    return getattr(found, "fn", found)


def resolve_secrets(step: Step, sources: Mapping[str, str]) -> dict[str, str]:
    """The values of the secrets that a step declares. Raises `StepError` for one that cannot be had."""
    return {name: _secret(name, sources.get(name)) for name in step.secrets}


def _secret(name: str, source: str | None) -> str:
    if source is None:
        raise StepError(
            f"the stack maps no secret `{name}`", hint=f"add `secrets: {{{name}: env:{name}}}` to the stack"
        )
    kind, _, where = source.partition(":")
    if kind == "env":
        if where not in os.environ:
            raise StepError(f"secret `{name}`: the environment variable `{where}` is not set")
        return os.environ[where]
    if kind != "file":
        raise StepError(f"secret `{name}`: this backend cannot read `{kind}:`", hint="use `env:NAME` or `file:PATH`")
    try:
        return Path(where).expanduser().read_text().removesuffix("\n")
    except OSError as error:
        raise StepError(f"secret `{name}`: `{where}` cannot be read: {error.strerror}") from error


def _call(function: Any, arguments: dict[str, Any]) -> Any:
    result = function(**arguments)
    if hasattr(result, "__await__"):
        import asyncio

        return asyncio.run(_await(result))
    return result


async def _await(result: Any) -> Any:
    return await result


@contextmanager
def _environment(step: Step, scratch: Path | None) -> Iterator[None]:
    """The step's `env`, and `scratch` as the place of temporary files; both are put back."""
    changed = dict(step.env)
    if scratch is not None:
        changed["TMPDIR"] = str(scratch)
    before = {name: os.environ.get(name) for name in changed}
    folder = os.getcwd()
    os.environ.update(changed)
    _reset_tempdir()
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        _reset_tempdir()
        os.chdir(folder)


def _reset_tempdir() -> None:
    """`tempfile` remembers the folder that it found first."""
    module = sys.modules.get("tempfile")
    if module is not None:
        module.tempdir = None  # type: ignore[attr-defined]  # a documented variable of this module
