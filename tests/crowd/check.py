"""What must hold after a storm, by the records themselves: nothing lost, nothing twice, no value that is wrong."""

from __future__ import annotations

import hashlib
import shutil
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.lineage.lease import time_of
from pipeglot.core.lineage.ledger import Ledger, pack
from pipeglot.core.lineage.records import Start, Verdict
from pipeglot.core.lineage.state import RunState
from pipeglot.core.store import open_store
from tests.crowd.crowd import LAPTOP, STEPS, Asked, Storm, asked_of
from tests.e2e.crowd import FACTORS

Slots = dict[tuple[str, str, tuple[int, ...]], dict[int, Verdict]]
"""By run, step and index: the verdict of each slot."""

AGAIN = 4
"""So many pipelines are run once more, when all is quiet."""


def check(storm: Storm) -> list[str]:
    """All that is wrong."""
    store = open_store(storm.uri, trusted=True)
    ledger, artifacts = Ledger(store), Artifacts(store)
    runs = list(storm.runs())
    slots: Slots = defaultdict(dict)
    for start, _ in runs:
        for verdict in ledger.verdicts(start.run):
            slots[start.run, verdict.step, verdict.index][verdict.slot] = verdict
    return [
        *_told(storm, slots),
        *_acknowledged(storm, ledger, {start.run: start for start, _ in runs}, slots),
        *_one_each(slots),
        *_values(storm, runs, artifacts),
        *_taken_over(storm, runs),
        *_lists(storm, runs),
        *_again(storm, runs),
        *_whole(storm),
    ]


def _told(storm: Storm, slots: Slots) -> Iterator[str]:
    """What a process was told has succeeded has, and nobody has taken that back."""
    storm.done["steps told as finished"] = len(storm.told)
    for one in storm.told:
        found = slots.get((one.run, one.step, one.place), {})
        if not any(verdict.status == "succeeded" for verdict in found.values()):
            yield f"lost: {one} was finished, and there is {found}"


def _acknowledged(storm: Storm, ledger: Ledger, starts: dict[str, Start], slots: Slots) -> Iterator[str]:
    """Each record that a process was told is there is, byte by byte: so no two were told of different ones."""
    storm.done["records told"] = len(storm.lines)
    for line in storm.lines:
        record: Any
        if "end" in line:
            record = ledger.ended(line["run"], line["end"] - 1)
        elif "step" in line:
            record = slots.get((line["run"], line["step"], tuple(line["index"])), {}).get(line["slot"])
        else:
            record = starts.get(line["run"])
        if record is None or hashlib.sha256(pack(record)).hexdigest() != line["sha"]:
            yield f"lost, or another now: {line}"


def _one_each(slots: Slots) -> Iterator[str]:
    """Slots follow each other, and none follows a success."""
    for cell, found in slots.items():
        states = [found[slot].status for slot in sorted(found)]
        if sorted(found) != list(range(1, len(found) + 1)) or "succeeded" in states[:-1]:
            yield f"{cell} has {states} in the slots {sorted(found)}"


def _values(storm: Storm, runs: list[tuple[Start, RunState]], artifacts: Artifacts) -> Iterator[str]:
    """Whether computed or taken from the cache, a value is what the function gives."""
    for start, state in runs:
        asked = asked_of(start)
        for (step, index), entry in state.ordered():
            seen = entry.verdict.observed if entry.verdict is not None else None
            if seen is None or entry.status != "succeeded":
                continue
            storm.done["steps cached" if seen.cached else "steps run"] += 1
            value = artifacts.load(seen.refs["output"])
            if value != asked.value(step, index):
                taken = f", taken from {seen.cached}" if seen.cached else ""
                yield f"{asked} {start.run}: {step} {index} is {str(value)[:50]}{taken}"


def _taken_over(storm: Storm, runs: list[tuple[Start, RunState]]) -> Iterator[str]:
    """What was told as finished before a run began that goes on from it is not computed again."""
    finished = {(one.run, one.step, one.place): one.at for one in storm.told}
    for start, state in runs:
        began = time_of(start.created)
        assert began is not None
        for (step, index), entry in state.ordered() if start.resumes else ():
            at = finished.get((start.resumes or "", step, index), began.timestamp())
            if at < began.timestamp() and entry.verdict is not None and not entry.verdict.observed.cached:
                yield f"{start.run}: {step} {index} had finished in {start.resumes}, and was computed again"


def _lists(storm: Storm, runs: list[tuple[Start, RunState]]) -> Iterator[str]:
    """An index of any age has all runs, each as its records say."""
    storm.done["runs"] = len(runs)
    before = {checkout: _states(storm, checkout) for checkout in FACTORS}
    storm.call("one", "store", "reindex")
    shutil.rmtree(storm.folder / "two/.pipeglot/index", ignore_errors=True)
    after = {checkout: _states(storm, checkout) for checkout in FACTORS}
    if not before["one"] == before["two"] == after["one"] == after["two"]:
        yield "rows differ after a new index"
    listed = after["one"]
    if listed.keys() != {start.run for start, _ in runs}:
        yield f"{len(listed)} runs are listed, and {len(runs)} have begun"
    for start, _ in runs:
        ends = listed.get(start.run)
        storm.done[f"runs {ends}"] += 1
        if start.stack == LAPTOP and ends not in ("succeeded", "lost", "failed"):
            yield f"run {start.run}, whose process is over, is told as {ends}"


def _states(storm: Storm, checkout: str) -> dict[str, str]:
    return {one["run_id"]: one["status"] for one in storm.rows(checkout)}


def _again(storm: Storm, runs: list[tuple[Start, RunState]]) -> Iterator[str]:
    """What has succeeded as a whole is run again, and all of it comes from the cache."""
    good = dict[Asked, str]()
    for start, state in runs:
        count = sum(entry.status == "succeeded" for entry in state.entries.values())
        if count == asked_of(start).n + len(STEPS) - 1:
            good[asked_of(start)] = start.run
    for asked in list(good)[:AGAIN]:
        found = storm.json(asked.checkout, "run", "flow.py", *asked.words)
        if not all(step["cached"] for step in found["steps"]):
            yield f"{asked} had succeeded in {good[asked]}, and is computed again"


def _whole(storm: Storm) -> Iterator[str]:
    told = storm.call("one", "store", "verify")
    if not told.endswith("all is there, and whole\n"):
        yield told
