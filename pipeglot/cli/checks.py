"""Say what stands against a pipeline, and what is taken as advice only."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from pipeglot.client.checks import notes_or_refusal
from pipeglot.core.errors import Problem
from pipeglot.core.stack import Stack
from pipeglot.stacks.target import Loaded


def refuse_or_note(loaded: Loaded, stacks: Sequence[Stack]) -> list[Problem]:
    """Print the notes and return them; raise `Unsupported` with the problems of all stacks."""
    notes = notes_or_refusal(loaded, stacks)
    if notes:
        from pipeglot.cli.errors import note

        sys.stderr.writelines(note(one) for one in notes)
    return notes
