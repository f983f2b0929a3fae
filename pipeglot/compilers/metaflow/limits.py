"""What Metaflow refuses, or would take for something else: told before anything is emitted, all at once."""

from __future__ import annotations

from collections.abc import Iterator

from pipeglot.compilers import elsewhere
from pipeglot.compilers.base import Source
from pipeglot.compilers.metaflow.stack import MetaflowStack
from pipeglot.core.errors import Problem
from pipeglot.core.lineage.plan import Plan


def problems(source: Source, stack: MetaflowStack) -> Iterator[Problem]:
    """Everything of a pipeline that this Metaflow cannot take."""
    yield from elsewhere.problems(source, stack, Plan(source.pipeline), "Metaflow")
