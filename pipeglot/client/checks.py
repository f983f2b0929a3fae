"""Hold a pipeline against stacks: refuse with all problems at once, and note what is taken as advice only."""

from __future__ import annotations

from collections.abc import Sequence

from pipeglot.compilers.base import Findings
from pipeglot.core.errors import Problem, Unsupported
from pipeglot.core.stack import Stack
from pipeglot.runtime_local.capabilities import check
from pipeglot.stacks.models import LocalStack
from pipeglot.stacks.target import Loaded


def findings(loaded: Loaded, stack: Stack) -> Findings:
    """What stands against running this pipeline on this stack, and what is worth a note."""
    if isinstance(stack, LocalStack):
        return Findings(
            *check(
                loaded.pipeline,
                loaded.locations,
                stack=stack.name,
                pools=stack.pools,
                secrets=stack.secrets,
                strict=stack.strict,
            )
        )
    from pipeglot.client.compiling import source_of
    from pipeglot.compilers.registry import compiler

    return compiler(stack.backend).check(source_of(loaded, "", ""), stack)


def notes_or_refusal(loaded: Loaded, stacks: Sequence[Stack]) -> list[Problem]:
    """The notes; raises `Unsupported` with the problems of all stacks."""
    problems: dict[Problem, None] = {}
    notes: dict[Problem, None] = {}
    for stack in stacks:
        found = findings(loaded, stack)
        problems.update(dict.fromkeys(found.problems))
        notes.update(dict.fromkeys(found.notes))
    if loaded.outside:
        from pipeglot.client.outside import outside_notes

        notes.update(dict.fromkeys(outside_notes(loaded.pipeline, loaded.outside)))
    if problems:
        raise Unsupported(list(problems))
    return list(notes)
