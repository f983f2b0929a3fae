"""What a backfill has to do: for each moment, what is on record of it, and whether it is run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from msgspec import Struct

from pipeglot.client.listing import RunSummary
from pipeglot.core.ir import Pipeline
from pipeglot.core.lineage.index.rows import as_text
from pipeglot.core.lineage.view import readable
from pipeglot.core.params import artifact_type, resolve

Reprocess = Literal["none", "failed", "all"]
Found = Literal["nothing", "succeeded", "running", "failed"]

_RANK: tuple[Found, ...] = ("nothing", "failed", "running", "succeeded")
_FOUND: Mapping[str, Found] = {"succeeded": "succeeded", "running": "running"}


class Moment(Struct, frozen=True, kw_only=True):
    """A moment that a pipeline runs for.

    logical_date: the moment, in ISO 8601.
    before: the best that is on record for it: `nothing`, a run that `failed` (or was cancelled or lost), one that is
        `running`, or one that `succeeded`.
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
) -> list[Moment]:
    """What is to be done for each moment. Runs with other parameters than `given` are no answer to it.

    Raises `ParamError` for parameters that do not fit.
    """
    known: dict[dt.datetime, list[RunSummary]] = {}
    for run in runs:
        known.setdefault(_instant(dt.datetime.fromisoformat(run.logical_date)), []).append(run)
    found = []
    for moment in when:
        resolved = resolve(pipeline.params, {}, texts=given, logical_date=moment)
        params = _comparable(pipeline, {name: readable(value) for name, value in resolved.items()})
        same = [run for run in known.get(_instant(moment), ()) if _comparable(pipeline, run.params) == params]
        best = max(same, key=lambda run: (_RANK.index(_before(run)), run.created), default=None)
        before = _before(best) if best is not None else "nothing"
        due = before == "nothing" or reprocess == "all" or (reprocess == "failed" and before == "failed")
        found.append(
            Moment(
                logical_date=moment.isoformat(),
                before=before,
                run_id=best.run_id if best is not None else None,
                is_due=due and before != "running",
            )
        )
    return found


def _instant(moment: dt.datetime) -> dt.datetime:
    """In UTC: where clocks are changed, a time of a zone is equal to none of another zone."""
    return moment.astimezone(dt.UTC)


def _before(run: RunSummary) -> Found:
    return _FOUND.get(run.status, "failed")


def _comparable(pipeline: Pipeline, params: Mapping[str, Any]) -> dict[str, str]:
    """Artifacts are left out: what is the latest changes from run to run."""
    named = {one.name for one in pipeline.params if artifact_type(one.type) is not None}
    return {name: as_text(value) for name, value in params.items() if name not in named}
