"""The debugger of `replay --pdb`: it opens on the user's line and shows no frame of ours."""

from __future__ import annotations

import inspect
import os
import pdb  # noqa: T100  # this is what it is for
import sys
from collections.abc import Sequence
from types import FrameType, TracebackType
from typing import Any

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_SKIPPED = ["pipeglot.*", "asyncio.*", "contextlib"]


class NoWatch:
    """Nobody waits for the function to begin or to end."""

    def calling(self) -> None:
        """Nothing is to be done."""

    def called(self) -> None:
        """Nothing is to be done."""


class AtFirstLine(pdb.Pdb):
    """Stops at the first line of one function. As a `Watch` it is told when the function is about to be called."""

    def __init__(self, function: Any) -> None:
        super().__init__(skip=_SKIPPED, nosigint=True)
        self._code = getattr(inspect.unwrap(function), "__code__", None)
        self._entered = False

    def calling(self) -> None:
        """Watch all calls from here on, until the one that is meant."""
        self.reset()
        sys.settrace(self.trace_dispatch)

    def called(self) -> None:
        """What follows is ours."""
        sys.settrace(None)

    def stop_here(self, frame: FrameType) -> bool:
        return super().stop_here(frame) if self._entered else frame.f_code is self._code

    def user_call(self, frame: FrameType, argument_list: Any) -> None:
        if self._entered:
            super().user_call(frame, argument_list)

    def user_line(self, frame: FrameType) -> None:
        if not self._entered:
            self._entered = True
            self.botframe = frame  # the stack begins here
        super().user_line(frame)


def post_mortem(error: BaseException, roots: Sequence[str]) -> None:
    """Open where an exception was raised: on the last line of the project's, with the frames of libraries below it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_OURS):
        trace = trace.tb_next
    if trace is None:  # raised by us: there is no line of the user's
        return
    debugger = pdb.Pdb()
    debugger.reset()
    below = _frames_below(trace, roots)
    if below:
        debugger.cmdqueue.append(f"up {below}")
    debugger.interaction(None, trace)


def _frames_below(trace: TracebackType, roots: Sequence[str]) -> int:
    """How many frames lie between the project's last one and where the exception was raised."""
    files = []
    current: TracebackType | None = trace
    while current is not None:
        files.append(current.tb_frame.f_code.co_filename)
        current = current.tb_next
    for count, file in enumerate(reversed(files)):
        if _is_project(file, roots):
            return count
    return 0


def _is_project(file: str, roots: Sequence[str]) -> bool:
    inside = any(file.startswith(os.path.join(root, "")) for root in roots)
    return inside and "site-packages" not in file.split(os.sep)
