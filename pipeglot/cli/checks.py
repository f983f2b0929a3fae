"""Hold a pipeline against stacks: refuse with all problems at once, and note what is taken as advice only."""

from __future__ import annotations

import sys

from pipeglot.core.errors import Problem, Unsupported
from pipeglot.runtime_local.capabilities import Findings, check
from pipeglot.stacks.models import LocalStack
from pipeglot.stacks.target import Loaded


def findings(loaded: Loaded, stack: LocalStack) -> Findings:
    """What stands against running this pipeline on this stack, and what is worth a note."""
    return check(
        loaded.pipeline,
        loaded.locations,
        stack=stack.name,
        pools=stack.pools,
        secrets=stack.secrets,
        strict=stack.strict,
    )


def refuse_or_note(loaded: Loaded, stacks: list[LocalStack]) -> None:
    """Print the notes; raise `Unsupported` with the problems of all stacks."""
    problems: dict[Problem, None] = {}
    notes: dict[Problem, None] = {}
    for stack in stacks:
        found = findings(loaded, stack)
        problems.update(dict.fromkeys(found.problems))
        notes.update(dict.fromkeys(found.notes))
    if problems:
        raise Unsupported(list(problems))
    if notes:
        from pipeglot.cli.errors import note

        sys.stderr.writelines(note(one) for one in notes)
