"""What a backfill has to do: for each moment, what is on record of it, and whether it is run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from msgspec import Struct

from pipeglot.client.listing import RunSummary
from pipeglot.core.ir import Pipeline
from pipeglot.core.lineage.index.rows import as_text
from pipeglot.core.lineage.view import readable
from pipeglot.core.params import artifact_type, resolve

Reprocess = Literal["none", "failed", "all"]
Found = Literal["nothing", "succeeded", "running", "failed", "part"]

Judge = Callable[[list[RunSummary]], Mapping[str, Found]]
"""What each of some runs is worth, by its id."""

_RANK: tuple[Found, ...] = ("nothing", "part", "failed", "running", "succeeded")
_FOUND: Mapping[str, Found] = {"succeeded": "succeeded", "running": "running"}


class Moment(Struct, frozen=True, kw_only=True):
    """A moment that a pipeline runs for.

    logical_date: the moment, in ISO 8601.
    before: the best that is on record for it: `nothing`, a run of a `part` of the pipeline (`--until`), one that
        `failed` (or was cancelled or lost), one that is `running`, or one that `succeeded`.
    run_id: that run; null if there is none.
    is_due: whether this backfill runs it.
    """

    logical_date: str
    before: Found
    run_id: str | None
    is_due: bool


def plan(
    pipeline: Pipeline,
    when: Iterable[dt.datetime],
    runs: Iterable[RunSummary],
    given: Mapping[str, str],
    reprocess: Reprocess,
    judge: Judge,
) -> list[Moment]:
    """What is to be done for each moment. Runs with other parameters than `given` are no answer to it.

    Raises `ParamError` for parameters that do not fit.
    """
    known: dict[dt.datetime, list[RunSummary]] = {}
    for run in runs:
        known.setdefault(_instant(dt.datetime.fromisoformat(run.logical_date)), []).append(run)
    answers: dict[str, list[RunSummary]] = {}
    for moment in when:
        resolved = resolve(pipeline.params, {}, texts=given, logical_date=moment)
        params = _comparable(pipeline, {name: readable(value) for name, value in resolved.items()})
        same = [run for run in known.get(_instant(moment), ()) if _comparable(pipeline, run.params) == params]
        answers[moment.isoformat()] = same
    worth = judge([run for same in answers.values() for run in same])
    return [_moment(moment, same, worth, reprocess) for moment, same in answers.items()]


def by_status(runs: list[RunSummary]) -> Mapping[str, Found]:
    """By what the index says of them alone."""
    return {run.run_id: _FOUND.get(run.status, "failed") for run in runs}


def _moment(moment: str, same: list[RunSummary], worth: Mapping[str, Found], reprocess: Reprocess) -> Moment:
    best = max(same, key=lambda run: (_RANK.index(worth[run.run_id]), run.created), default=None)
    before = worth[best.run_id] if best is not None else "nothing"
    due = before in ("nothing", "part") or reprocess == "all" or (reprocess == "failed" and before == "failed")
    run = best.run_id if best is not None else None
    return Moment(logical_date=moment, before=before, run_id=run, is_due=due and before != "running")


def _instant(moment: dt.datetime) -> dt.datetime:
    """In UTC: where clocks are changed, a time of a zone is equal to none of another zone."""
    return moment.astimezone(dt.UTC)


def _comparable(pipeline: Pipeline, params: Mapping[str, Any]) -> dict[str, str]:
    """Artifacts are left out: what is the latest changes from run to run."""
    named = {one.name for one in pipeline.params if artifact_type(one.type) is not None}
    return {name: as_text(value) for name, value in params.items() if name not in named}
