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
from pipeglot.core.context import Active, Keeper, RunContext, running
from pipeglot.core.imports import import_ref
from pipeglot.core.ir import Step


class Watch(Protocol):
    """Told when the user's function begins and ends, by whoever enforces its timeout."""

    def calling(self) -> None: ...

    def called(self) -> None: ...


class Trial:
    """One attempt at a step's function. After `run`, however it ended, the fields tell how far it came.

    `phase` is `input` or `import` before the function, `raised` within it, `output` after it; `seconds` are its own.
    """

    def __init__(self, step: Step, log: Path | None, temp: Path | None) -> None:
        self.step = step
        self.log = log
        self.temp = temp
        self.phase = "input"
        self.seconds = 0.0
        self.metrics: dict[str, float] = {}

    def run(
        self,
        arguments: Callable[[], dict[str, Any]],
        context: Callable[[], RunContext],
        secrets: Mapping[str, str],
        watch: Watch,
        keep: Callable[[Any], None],
        keeper: Keeper | None = None,
    ) -> None:
        """Load `arguments`, call the function, hand what it returned to `keep`. Raises whatever any of them raises.

        `keeper` keeps the checkpoints of the function.
        """
        with captured(self.log):
            self.phase = "import"
            function = function_of(self.step)  # before the environment is kept: what a module sets, stays
            self.phase = "input"
            active = Active(context(), secrets, keeper)
            self.metrics = active.metrics
            given = arguments()
            with _environment(self.step, self.temp):
                self.phase = "raised"
                result = self._call(function, given, active, watch)
                del given
                self.phase = "output"
                keep(result)

    def _call(self, function: Any, given: dict[str, Any], active: Active, watch: Watch) -> Any:
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


def _call(function: Any, arguments: dict[str, Any]) -> Any:
    result = function(**arguments)
    if hasattr(result, "__await__"):
        import asyncio

        return asyncio.run(_await(result))
    return result


async def _await(result: Any) -> Any:
    return await result


@contextmanager
def _environment(step: Step, temp: Path | None) -> Iterator[None]:
    """The step's `env`, and `temp` for temporary files. What the step changes of its process is put back."""
    environ, path, folder, umask = _environ(), list(sys.path), os.getcwd(), os.umask(0o077)
    os.umask(umask)
    if temp is not None:
        os.environ["TMPDIR"] = str(temp)
    os.environ.update(step.env)
    _reset_tempdir()
    try:
        yield
    finally:
        _restore(environ)
        sys.path[:] = path
        os.umask(umask)
        os.chdir(folder)
        _reset_tempdir()


def _environ() -> dict[bytes, bytes]:
    """A copy of the environment, of its bytes as Python holds them: `dict(os.environ)` decodes and encodes each name,
    which took a fifth of all the time that a short step has beside its own."""
    held = getattr(os.environb, "_data", None)
    return dict(held) if type(held) is dict else dict(os.environb)


def _restore(environ: dict[bytes, bytes]) -> None:
    """Only what differs: every change of the environment costs a system call."""
    now = _environ()
    for name in now.keys() - environ.keys():
        del os.environb[name]
    os.environb.update({name: value for name, value in environ.items() if now.get(name) != value})


def _reset_tempdir() -> None:
    """`tempfile` remembers the folder that it found first."""
    module = sys.modules.get("tempfile")
    if module is not None:
        module.tempdir = None  # type: ignore[attr-defined]  # a documented variable of this module
