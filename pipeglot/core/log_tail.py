"""The end of what a step has printed so far: what a beat tells of it."""

from __future__ import annotations

import os
from pathlib import Path

from pipeglot.core.ir import Step
from pipeglot.core.secret_values import Secrets

MOST_BYTES = 2000
MOST_LINES = 20


def last_lines(log: Path, secrets: Secrets, step: Step) -> str:
    """The end of what a step has printed so far, without its secrets; of a line drawn over and over, its last state."""
    redactor = secrets.redactor() if step.secrets or secrets.any() else None
    window = MOST_BYTES + (2 * redactor.longest if redactor else 0)
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - window))
            data = file.read(window)
    except OSError:  # nothing was printed yet, or the step removed it
        return ""
    if redactor:
        data = redactor.end(data, cut=size > window)
    text = data[-MOST_BYTES:].decode("utf-8", "replace")
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.rstrip("\n").split("\n")]
    whole = lines[1:] if size > MOST_BYTES and len(lines) > 1 else lines
    return "\n".join(whole[-MOST_LINES:])
