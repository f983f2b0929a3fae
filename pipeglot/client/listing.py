"""`runs list`: which runs are asked for, as people write it, and what is told of each."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from msgspec import Struct

from pipeglot.client.indexed import Index
from pipeglot.client.text import seconds_between
from pipeglot.client.written import microseconds, moment, name_and_value
from pipeglot.core.errors import UsageError
from pipeglot.core.lineage.index import queries
from pipeglot.core.lineage.index.database import Connection
from pipeglot.core.lineage.index.queries import Metric, RunFilter
from pipeglot.core.lineage.index.rows import as_text
from pipeglot.core.suggest import did_you_mean, listed

STATUSES = ("running", "succeeded", "failed", "cancelled", "lost")


class RunSummary(Struct, frozen=True, kw_only=True):
    """A run, without its steps.

    run_id: its id.
    pipeline: the pipeline's name.
    stack: where it ran, as `pipeglot.yaml` names it.
    backend: what the stack's backend is.
    status: `running`, `succeeded`, `failed`, `cancelled` or `lost`.
    created: when it began: UTC, in ISO 8601.
    logical_date: the time that it is for: that of its schedule, or when it was asked for; in ISO 8601.
    finished: when it ended: UTC, in ISO 8601; null if its end is not on record, and if it was lost: nobody saw when.
    seconds: from its beginning to its end; null if its end is not on record.
    lineage_digest: hash of the portable part of its record; null as `finished`, and if it was cancelled or lost.
    resumes: the id of the run that it goes on from; null if it began anew.
    params: the resolved parameters.
    tags: those that the run was given, by `--tag KEY=VALUE`.
    pipeline_tags: those of the pipeline itself.
    metrics: by step and name, all values that `log_metrics` recorded, in the order of the items of a map.
    """

    run_id: str
    pipeline: str
    stack: str
    backend: str
    status: str
    created: str
    logical_date: str
    finished: str | None
    seconds: float | None
    lineage_digest: str | None
    resumes: str | None
    params: dict[str, Any]
    tags: dict[str, str]
    pipeline_tags: tuple[str, ...]
    metrics: dict[str, dict[str, tuple[Any, ...]]]


RunSummaries = list[RunSummary]
"""What `runs list --json` prints."""


class Listing(NamedTuple):
    """Some runs of those that fit. `hint` says what may have been meant if none does."""

    runs: list[RunSummary]
    total: int
    hint: str


class MetricWish(NamedTuple):
    """`auc` is a column, `auc>0.7` a condition too. The name may have its step before it: `best.auc`."""

    name: str
    operator: str = ""
    number: float = 0.0


def list_runs(index: Index, wanted: RunFilter) -> Listing:
    """The runs that fit, and how many there are without the limit."""
    return index.ask(lambda connection: _listing(connection, wanted))


def _listing(connection: Connection, wanted: RunFilter) -> Listing:
    rows = queries.list_runs(connection, wanted)
    total = queries.count_runs(connection, wanted) if wanted.limit and len(rows) == wanted.limit else len(rows)
    ids = [row.id for row in rows]
    params, tags = queries.params_of(connection, ids), queries.tags_of(connection, ids)
    words, metrics = queries.words_of(connection, ids), queries.metrics_of(connection, ids)
    runs = [
        RunSummary(
            run_id=row.run,
            pipeline=row.pipeline,
            stack=row.stack,
            backend=row.backend,
            status=row.status,
            created=row.created,
            logical_date=row.logical_date,
            finished=row.finished,
            seconds=seconds_between(row.created, row.finished) if row.finished and row.status != "lost" else None,
            lineage_digest=row.digest,
            resumes=row.resumes,
            params={name: json.loads(text) for name, text in params[row.id].items()},
            tags=tags[row.id],
            pipeline_tags=tuple(words[row.id]),
            metrics=_metrics(metrics[row.id]),
        )
        for row in rows
    ]
    return Listing(runs, total, "" if rows else _hint(connection, wanted))


def _metrics(found: Sequence[Metric]) -> dict[str, dict[str, tuple[Any, ...]]]:
    values: dict[str, dict[str, list[Any]]] = {}
    for metric in found:
        values.setdefault(metric.step, {}).setdefault(metric.name, []).append(json.loads(metric.value))
    return {step: {name: tuple(each) for name, each in named.items()} for step, named in values.items()}


def metric_values(run: RunSummary, name: str) -> list[Any]:
    """All values of `auc`, or of `best.auc`, in the order of the pipeline."""
    return [
        value
        for step, named in run.metrics.items()
        for metric, values in named.items()
        for value in values
        if name in (metric, f"{step}.{metric}")
    ]


def _hint(connection: Connection, wanted: RunFilter) -> str:
    """The first name that no run has."""
    asked = {
        "pipelines": list(wanted.pipelines),
        "params": [name for name, _ in wanted.params],
        "tags": [name for name, _ in wanted.tags],
        "metrics": [name for name, _, _ in wanted.metrics] + ([wanted.sort[0]] if wanted.sort else []),
    }
    words = {"pipelines": "pipeline", "params": "parameter", "tags": "tag", "metrics": "metric"}
    for kind, names in asked.items():
        known = queries.known_names(connection, kind) if names else []  # type: ignore[arg-type]  # its keys
        for name in names:
            if name not in known and not (kind == "metrics" and name.rpartition(".")[2] in known):
                close = did_you_mean(name, known)
                others = f": {close}" if close else f"; there are: {listed(known, 8)}" if known else ""
                return f"no run has the {words[kind]} `{name}`{others}"
    return ""


# --- what people write ------------------------------------------------------------------------------------------------


def parse_time(text: str, option: str, now: dt.datetime) -> int:
    """What `moment` reads, in microseconds since 1970."""
    return microseconds(moment(text, f"{option} {text}", now))


def parse_status(text: str) -> str:
    if text in STATUSES:
        return text
    raise UsageError(f"`--status {text}`: no run is ever `{text}`", hint=f"one of: {', '.join(STATUSES)}")


def parse_param(text: str) -> tuple[str, tuple[str, ...]]:
    """`NAME=VALUE`, as on the command line of `run`: text, or JSON."""
    name, value = name_and_value(text, "--param", "write it as `--param year=2013`")
    return name, tuple(dict.fromkeys(_texts(value)))


def _texts(value: str) -> list[str]:
    """How a parameter's value may stand in the index: as text, or as what the text says. 1, 1.0 and 1e0 are one."""
    found = [as_text(value)]
    try:
        parsed = json.loads({"True": "true", "False": "false", "None": "null"}.get(value, value))
    except (ValueError, RecursionError):
        return found
    found.append(as_text(parsed))
    if isinstance(parsed, int) and not isinstance(parsed, bool) and abs(parsed) < 1 << 53:
        found.append(as_text(float(parsed)))
    elif isinstance(parsed, float) and parsed.is_integer():
        found.append(as_text(int(parsed)))
    return found


def parse_tag(text: str) -> tuple[str, str | None]:
    """`NAME=VALUE`, or `NAME`: a tag of any value, or a word of the pipeline's own tags."""
    name, equals, value = text.partition("=")
    if not name:
        raise UsageError(f"`--tag {text}` names no tag", hint="write it as `--tag team=risk`, or `--tag ml`")
    return name, value if equals else None


def parse_metric(text: str) -> MetricWish:
    """`NAME`, or `NAME>NUMBER` with any of the comparisons."""
    found = re.fullmatch(r"([^<>=!]+?)\s*(?:(>=|<=|!=|==|=|>|<)\s*(\S+))?", text.strip())
    if found is None:
        raise UsageError(f"`--metric {text}` is no metric", hint=_METRIC_HINT)
    name, operator, number = found.groups()
    if operator is None:
        return MetricWish(name)
    try:
        return MetricWish(name, operator.replace("==", "="), float(number))
    except ValueError:
        raise UsageError(f"`--metric {text}`: `{number}` is no number", hint=_METRIC_HINT) from None


_METRIC_HINT = "a name shows the metric, a comparison chooses by it: `--metric auc`, `--metric 'auc>0.7'`"


def parse_sort(text: str) -> tuple[str, bool]:
    """`NAME`: the highest first; `NAME:asc`: the lowest."""
    name, _, order = text.partition(":")
    if not name or order not in ("", "asc", "desc"):
        raise UsageError(
            f"`--sort {text}` names no order",
            hint="a metric's name, the highest first: `--sort auc`; the lowest: `auc:asc`",
        )
    return name, order != "asc"
