"""What the runs on record are worth for a backfill: one of a part is not done, and an open one is asked about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from pipeglot.client.backfill.plan import Found, by_status
from pipeglot.client.engine_runs import ask_there
from pipeglot.client.listing import RunSummary
from pipeglot.client.records import Records
from pipeglot.client.text import plural
from pipeglot.core.ir import Pipeline
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.ledger import Ledger, unpack
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.lineage.records import Start


class Standing:
    """Judges runs of a pipeline by the store, and by the orchestrators that drive open ones. Raises `StoreError`."""

    def __init__(self, records: Records, pipeline: Pipeline, tell: Callable[[str], object]) -> None:
        self.records = records
        self.pipeline = pipeline
        self.tell = tell
        self._silent: Counter[tuple[str, str]] = Counter()
        """How many open runs cannot be asked about: by stack, and why not."""

    def __call__(self, runs: list[RunSummary]) -> Mapping[str, Found]:
        found = dict(by_status(runs))
        found |= dict.fromkeys(self._parts(runs), "part")
        open_there = [one for one in runs if one.finished is None and one.backend != "local"]
        found |= {one.run_id: self._of_open(one, found[one.run_id]) for one in open_there}
        for (stack, why), count in self._silent.items():
            known = f"of {plural(count, 'open run')}, only records tell"
            self.tell(f"the orchestrator of stack `{stack}` cannot be asked; {known}: {why}")
        return found

    def _of_open(self, run: RunSummary, told: Found) -> Found:
        """Its orchestrator knows better than its silence: no run is begun beside one that goes on."""
        start = self.records.ledger.started(run.run_id)
        if start is None or told == "succeeded":
            return told
        status, _, why = ask_there(self.records, start)
        if why:
            self._silent[run.stack, why] += 1
        if status in ("waiting", "running"):
            return "running"
        return "failed" if status == "failed" else told

    def _parts(self, runs: list[RunSummary]) -> set[str]:
        """Those that succeeded and left something out: `--until` is for runs here only."""
        succeeded = [one.run_id for one in runs if one.status == "succeeded" and one.backend == "local"]
        cut = [start for start in _starts(self.records.ledger, succeeded) if start.asked and start.asked.until]
        whole = {step.id for step in Plan(self.pipeline).steps()} if cut else set()
        return {start.run for start in cut if not whole <= self._steps(start)}

    def _steps(self, start: Start) -> set[str]:
        return {step.id for step in Plan(self.records.ledger.ir(start.ir)).steps()}


def _starts(ledger: Ledger, runs: Iterable[str]) -> Iterable[Start]:
    """Of a bucket, several are read at the same time."""
    for key, data in ledger.store.get_all(keys.start(run) for run in runs):
        found = unpack(data, key) if data is not None else None
        if isinstance(found, Start):
            yield found
