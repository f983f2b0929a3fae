"""What the pipelines of runs say, and what runs have made, as retention asks for it: each read once, if at all."""

from __future__ import annotations

import functools
from contextlib import suppress

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.errors import Corrupt, DefinitionError, NotFound
from pipeglot.core.ir import Pipeline
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.gc.survey import Seen
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.lineage.state import UNFIT
from pipeglot.core.lineage.view import read_run
from pipeglot.core.params import artifact_type

UNREADABLE = (Corrupt, NotFound, DefinitionError)
"""What a run raises that is damaged, or was pruned by another pass just now; or that has a pipeline of an old kind."""

Output = tuple[str, str]
"""An output: of a step of a pipeline, or of an execution, as `keys.step_part` and `keys.cell_part` name it."""


class Shapes:
    """Those of one store. What cannot be read says nothing; a later pipeglot's raises `NewerFormat`."""

    def __init__(self, ledger: Ledger, artifacts: Artifacts) -> None:
        self.ledger = ledger
        self.artifacts = artifacts
        self.names = functools.cache(self._names)
        self.outputs = functools.cache(self._outputs)

    def words(self, ir: str) -> tuple[str, ...]:
        """The tags of a pipeline."""
        found = self._pipeline(ir)
        return found.tags if found is not None else ()

    def made(self, seen: Seen) -> set[Output]:
        """The outputs that a run has, by execution."""
        with suppress(*UNREADABLE):
            _, state = read_run(self.ledger, self.artifacts, seen.run)
            return {
                (keys.cell_part(*cell), output)
                for cell, entry in state.entries.items()
                if entry.verdict is not None
                for output in entry.verdict.observed.refs
            }
        return set()

    def _names(self, ir: str) -> tuple[str, ...]:
        """Of which artifacts its parameters take the values if nothing else is given."""
        found = self._pipeline(ir)
        params = found.params if found is not None else ()
        return tuple(one.default for one in params if artifact_type(one.type) and isinstance(one.default, str))

    def _outputs(self, ir: str) -> frozenset[Output] | None:
        """All that its steps return; None if that cannot be told."""
        found = self._pipeline(ir)
        with suppress(*UNFIT):
            if found is not None:
                steps = Plan(found).steps()
                return frozenset((keys.step_part(step.id), one.name) for step in steps for one in step.returns.outputs)
        return None

    def _pipeline(self, ir: str) -> Pipeline | None:
        with suppress(*UNREADABLE):
            return self.ledger.ir(ir)
        return None
