"""What a run shows while it goes on: live lines on a terminal, plain ones elsewhere. A display never breaks a run."""

from __future__ import annotations

import os
from typing import IO

from pipeglot.client.display.board import Board
from pipeglot.client.display.guard import Guard
from pipeglot.client.text import is_terminal


def make_display(stream: IO[str], *, plain: bool = False) -> Guard:
    """The display for a stream: live on a terminal that a person looks at, plain anywhere else.

    `plain` asks for it in any case: the terminal is for the steps as well.
    """
    if not plain and is_terminal(stream) and not os.environ.get("CI"):
        from pipeglot.client.display.live import Live

        return Guard(Live(Board(), stream))
    from pipeglot.client.display.plain import Plain

    return Guard(Plain(Board(), stream))


__all__ = ["make_display"]
