"""What a run takes from the run that it resumes: the results of an execution whose code and inputs are the same."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.errors import Corrupt, NewerFormat, NotFound, Untrusted
from pipeglot.core.ir import Step
from pipeglot.core.lineage.arguments import Arg
from pipeglot.core.lineage.cache import cache_key, unusable
from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.records import Start, Verdict
from pipeglot.core.lineage.state import RunState
from pipeglot.core.lineage.view import read_run


class Resumed:
    """An earlier run, read once. It is asked before the cache, and also for steps that are never cached.

    Before, for otherwise another run in between could have put other results into the cache, and what this run had
    already made of its own would fit no more. What it had not come to itself, the run that it resumes may have: a run
    that is stopped at once must not cost what there was before it.
    """

    def __init__(
        self,
        start: Start,
        state: RunState,
        ledger: Ledger,
        artifacts: Artifacts,
        later: frozenset[str] = frozenset(),
    ) -> None:
        """`later`: the runs that have led here."""
        self.later = later | {start.run}
        self.start = start
        self.state = state
        self.ledger = ledger
        self.artifacts = artifacts
        self._distrusted = _damaged(state)

    @cached_property
    def before(self) -> Resumed | None:
        """The run that it resumes, if that can still be read."""
        if self.start.resumes is None or self.start.resumes in self.later:  # a forged record may lead in a circle
            return None
        try:
            return read_resumed(self.ledger, self.artifacts, self.start.resumes, self.later)
        except (Corrupt, NewerFormat, NotFound, Untrusted):  # removed, damaged or forged: nothing is to be had from it
            return None

    def take(self, step: Step, cell: Cell, args: Mapping[str, Arg]) -> Verdict | str:
        """The verdict of the same execution there, or why there is none to be had."""
        entry = self.state.entries.get(cell)
        old = entry.verdict if entry else None
        if old is None or old.status != "succeeded":
            found = self.before.take(step, cell, args) if self.before is not None else None
            return found if isinstance(found, Verdict) else "it had not succeeded in the run that this one resumes"
        if step.trigger == "all_done":
            return "a clean-up step runs in every run"
        if step.id in self._distrusted:
            return "its result in the run that this one resumes is damaged"
        if self._key(cell) != cache_key(step, args):
            return "its code or its inputs differ from those in the run that this one resumes"
        why = unusable(step, old.observed.refs, self.artifacts)
        return f"in the run that this one resumes, {why}" if why else old

    def _key(self, cell: Cell) -> str:
        try:
            return cache_key(self.state.plan.step(cell[0]), self.state.arguments.of_step(*cell))
        except Corrupt:  # a list that its arguments are in: then nothing is known of them
            return ""


def read_resumed(ledger: Ledger, artifacts: Artifacts, run: str, later: frozenset[str] = frozenset()) -> Resumed:
    """Read the run that is to be resumed. Raises `NotFound`."""
    return Resumed(*read_run(ledger, artifacts, run), ledger, artifacts, later)


def _damaged(state: RunState) -> set[str]:
    """The steps whose results could not be read by those that need them: they are made anew."""
    failures = ((step, entry.failure) for (step, _), entry in state.entries.items())
    failed = {step for step, failure in failures if failure is not None and failure.cause == "input"}
    return {source for step in failed for source in state.plan.sources(step)}
