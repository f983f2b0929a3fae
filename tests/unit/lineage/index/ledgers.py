"""Ledgers with runs in them, written as a runner would: start, verdicts, end."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable
from typing import Any

from msgspec import structs

from pipeglot.core import plain
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.ir import Pipeline
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.digest import lineage_digest
from pipeglot.core.lineage.keys import Cell, Index
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.records import End, Origin, Ref, Start, Verdict
from pipeglot.core.lineage.state import RunState
from tests.unit.lineage.build import Failed, verdict

_count = itertools.count()


class Written:
    """A run that is being written."""

    def __init__(self, ledger: Ledger, pipeline: Pipeline, **told: Any) -> None:
        self.ledger = ledger
        given = {name: plain.encode(value) for name, value in told.pop("params", {}).items()}
        created = told.pop("created", dt.datetime.now(dt.UTC).isoformat())
        self.start = ledger.start(
            Start(
                run=keys.run_id("local", pipeline.name, f"{next(_count)} of {id(ledger)} at {created}"),
                pipeline=pipeline.name,
                stack="local",
                backend="local",
                ir=ledger.put_ir(pipeline),
                params=given,
                created=created,
                logical_date=created,
                **told,
            )
        )
        self.run = self.start.run
        self.state = RunState(pipeline, given, Artifacts(ledger.store))

    def commit(self, cell: Cell, value: Any = 1, **observed: Any) -> Verdict:
        """End an execution with a value, or with `Failed`."""
        made = verdict(cell, status="failed" if value is Failed else "succeeded")
        if value is not Failed:
            observed.setdefault("refs", self._saved(cell[0], value))
        outputs = {name: ref.value for name, ref in observed.get("refs", {}).items()}
        made = structs.replace(
            made,
            run=self.run,
            portable=structs.replace(made.portable, outputs=outputs),
            observed=structs.replace(made.observed, **observed),
        )
        self.ledger.commit(made)
        self.state.apply(made)
        return made

    def go_on(self, answer: Callable[[str, Index], Any] | None = None, most: int | None = None) -> Written:
        """Do what is ready, and what that makes ready."""
        ready = self.state.take_ready()
        while ready and most != 0:
            step, index = ready.pop(0)
            if (step, index) in self.state.entries:  # by `commit`
                continue
            self.commit((step, index), answer(step, index) if answer else 1)
            ready += self.state.take_ready()
            most = None if most is None else most - 1
        self.state.ready = ready
        return self

    def _saved(self, step: str, value: Any) -> dict[str, Ref]:
        """By output: a step with several takes a dict."""
        artifacts = Artifacts(self.ledger.store)
        single = self.state.plan.step(step).returns.form == "single"
        values = {"output": value} if single else value
        return {name: artifacts.save(one, name=name, opaque_id=str) for name, one in values.items()}

    def seal(self) -> Written:
        status = self.state.status
        assert status != "running"
        self.ledger.end(
            End(
                run=self.run,
                number=1,
                status=status,
                finished=dt.datetime.now(dt.UTC).isoformat(),
                digest=lineage_digest(self.state),
            )
        )
        return self

    def ref(self, cell: Cell, output: str = "output") -> Ref:
        found = self.ledger.verdict(self.run, *cell)
        assert found is not None
        return found.observed.refs[output]


def done(ledger: Ledger, pipeline: Pipeline, answer: Callable[[str, Index], Any] | None = None, **told: Any) -> Written:
    """A whole run."""
    return Written(ledger, pipeline, **told).go_on(answer).seal()


def cached_from(other: Written, cell: Cell) -> dict[str, Any]:
    """What is observed of an execution that took its results from another run."""
    return {"cached": Origin(run=other.run, step=cell[0], index=cell[1]), "refs": {"output": other.ref(cell)}}
