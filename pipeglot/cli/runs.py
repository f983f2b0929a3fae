"""`pipeglot runs`: what has run, step by step, and what the steps printed."""

from __future__ import annotations

import argparse
import itertools
import shlex
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeglot.cli.errors import note
from pipeglot.cli.opening import open_records
from pipeglot.cli.output import print_fields, print_json, print_table, say
from pipeglot.cli.parsing import parse_index
from pipeglot.client.logs import log_file
from pipeglot.client.records import Found, Records
from pipeglot.client.text import (
    SHORT_ID,
    cell_name,
    duration,
    is_terminal,
    paint,
    plural,
    safe,
    safe_log,
    seconds_between,
    when,
)
from pipeglot.client.views import AttemptLog
from pipeglot.core.errors import ConfigError, EngineError, UsageError
from pipeglot.core.lineage.keys import Cell, Index
from pipeglot.core.lineage.records import Failure, Observed, Ref
from pipeglot.core.lineage.view import RunView, StepView

if TYPE_CHECKING:
    from pipeglot.client.listing import RunSummary
    from pipeglot.core.lineage.index.queries import RunFilter

MOST_ITEMS = 10
"""More executions of one step are shown as one line, except those that failed."""

_WORST_FIRST = ("failed", "lost", "cancelled", "running", "succeeded", "skipped")


# --- list -------------------------------------------------------------------------------------------------------------


def do_list(args: argparse.Namespace) -> int:
    from pipeglot.client.indexed import Index
    from pipeglot.client.listing import list_runs

    wanted, columns = _wanted(args)
    records = open_records(args)
    if args.before is not None:
        wanted = wanted._replace(before=records.run_id(args.before))
    listing = list_runs(Index(records, lambda text: sys.stderr.write(note(text))), wanted)
    if args.json:
        print_json(listing.runs)
    elif listing.runs:
        planned = [_planned(run.created, run.logical_date) for run in listing.runs]
        rows = [_row(run, columns, at if any(planned) else None) for run, at in zip(listing.runs, planned, strict=True)]
        dates = ["LOGICAL DATE"] if any(planned) else []
        print_table(["RUN", "PIPELINE", "STATUS", "STARTED", *dates, "LASTED", "STACK", *map(str.upper, columns)], rows)
    else:
        print(_no_runs(wanted, listing.hint), file=sys.stderr)
    if listing.total > len(listing.runs):
        more = f"; `--before {listing.runs[-1].run_id[:SHORT_ID]}` goes on" if not args.sort else ""
        sys.stderr.write(note(f"{len(listing.runs)} of {listing.total} runs are shown{more}; `-n 0` shows all"))
    return 0


def _wanted(args: argparse.Namespace) -> tuple[RunFilter, list[str]]:
    """What the options ask for, and the metrics that get a column."""
    import datetime as dt

    from pipeglot.client import listing
    from pipeglot.core.lineage.index.queries import RunFilter

    if args.limit < 0:
        raise UsageError(f"`--limit {args.limit}`: there are no fewer than no runs")
    now = dt.datetime.now(dt.UTC)
    metrics = [listing.parse_metric(text) for text in args.metric]
    sort = listing.parse_sort(args.sort) if args.sort is not None else None
    wanted = RunFilter(
        since=listing.parse_time(args.since, "--since", now) if args.since is not None else None,
        until=listing.parse_time(args.until, "--until", now) if args.until is not None else None,
        statuses=tuple(listing.parse_status(text) for text in args.status),
        pipelines=tuple(args.pipeline),
        params=tuple(listing.parse_param(text) for text in args.param),
        tags=tuple(listing.parse_tag(text) for text in args.tag),
        metrics=tuple((one.name, one.operator, one.number) for one in metrics if one.operator),
        sort=sort,
        limit=args.limit,
    )
    return wanted, list(dict.fromkeys([one.name for one in metrics] + ([sort[0]] if sort else [])))


def _no_runs(wanted: RunFilter, hint: str) -> str:
    if wanted._replace(limit=0) == type(wanted)():
        return "there are no runs yet: `pipeglot run TARGET` makes the first"
    return f"no run fits: {hint}" if hint else "no run fits"


_AT_ONCE = 300.0
"""Seconds between a run's logical date and its beginning that are none to people: nobody had planned it."""


def _row(run: RunSummary, columns: list[str], planned: str | None) -> list[str]:
    lasted = duration(run.seconds) if run.seconds is not None else ""
    dates = [planned] if planned is not None else []
    row = [run.run_id[:SHORT_ID], run.pipeline, run.status, when(run.created), *dates, lasted, run.stack]
    return row + [_metric(run, name) for name in columns]


def _planned(created: str, logical_date: str) -> str:
    """The time that a run is for, in the zone of its schedule, if that is not when it began."""
    import datetime as dt

    try:
        late = abs(seconds_between(created, logical_date))
        moment = dt.datetime.fromisoformat(logical_date)
    except ValueError:
        return logical_date
    return f"{moment:%Y-%m-%d %H:%M}" if late > _AT_ONCE else ""


def _metric(run: RunSummary, name: str) -> str:
    """The value of a metric; of many, how far they reach."""
    from pipeglot.client.listing import metric_values

    values = metric_values(run, name)
    numbers = [value for value in values if isinstance(value, int | float)]
    if not values:
        return ""
    if len(values) == 1 or not numbers:
        return _short(values[0]) if len(values) == 1 else plural(len(values), "value")
    low, high = min(numbers), max(numbers)
    return f"{_short(low)}…{_short(high)} ({len(values)})" if low != high else f"{_short(low)} ({len(values)})"


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else _plain(value)


# --- show -------------------------------------------------------------------------------------------------------------


def do_show(args: argparse.Namespace) -> int:
    records = open_records(args)
    found = records.run(args.run)
    view = found.view
    if args.json:
        print_json(view)
        return 0
    params = ", ".join(f"{name}={_plain(value)}" for name, value in view.params.items())
    fields = [
        ("run", view.run_id),
        ("pipeline", view.pipeline),
        ("status", _status(found, view)),
        ("started", when(view.created)),
        *([("for", planned)] if (planned := _planned(view.created, view.logical_date)) else []),
        ("stack", f"{view.stack} ({view.backend})"),
        *_engine_fields(records, found),
        ("params", params or "-"),
        *([("tags", ", ".join(f"{name}={value}" for name, value in view.tags.items()))] if view.tags else []),
        *([("resumes", view.resumes)] if view.resumes else []),
        ("lineage", view.lineage_digest or "-"),
    ]
    print_fields(fields)
    print()
    print_table(["STEP", "STATUS", "TRIES", "TIME", "WHAT"], list(_step_rows(view.steps)))
    for step in [step for step in view.steps if step.tail][:MOST_ITEMS]:
        _print_tail(step)
    return 0


def _engine_fields(records: Records, found: Found) -> list[tuple[str, str]]:
    """What the orchestrator calls the run, and where a person looks at it."""
    run = found.start.engine.get("run")
    if found.start.backend == "local" or run is None:
        return []
    from pipeglot.client.engine_runs import remote_of

    try:
        remote = remote_of(records, found.start)
    except ConfigError:  # an address in a variable that is not set here
        remote = None
    place = [("there", remote.url(found.start.pipeline, run))] if remote is not None else []
    return [(f"{found.start.backend} run", run), *place]


def _status(found: Found, view: RunView) -> str:
    """Of a run that is shown as lost for its silence, how long that lasts."""
    lease = found.lease
    if view.seen is None or view.status != "lost" or lease.certain:
        return view.status
    host = found.start.engine.get("host", "")
    where = f", from `{host}`" if host else ""
    return f"lost: last heard of at {when(view.seen)}, {duration(lease.quiet)} ago{where}"


def _print_tail(step: StepView) -> None:
    at = f" at {when(step.seen)}" if step.seen else ""
    print(f"\n{cell_name(step.id, step.index)}: the last lines that it had printed{at}")
    sys.stdout.writelines(f"  {safe(line)}\n" for line in step.tail.split("\n"))


def _step_rows(steps: tuple[StepView, ...]) -> Iterator[list[str]]:
    """One for each execution; of many items of a map, one for all and some for those that failed."""
    for _, group in itertools.groupby(steps, key=lambda step: step.id):
        items = list(group)
        if len(items) <= MOST_ITEMS:
            yield from (_step_row(step) for step in items)
            continue
        yield _folded_row(items)
        yield from (_step_row(step) for step in [step for step in items if step.status == "failed"][:MOST_ITEMS])


def _folded_row(items: list[StepView]) -> list[str]:
    counts = Counter("cached" if step.cached else step.status for step in items)
    worst = next(status for status in _WORST_FIRST if any(step.status == status for step in items))
    counted = ", ".join(f"{count} {status}" for status, count in counts.most_common())
    return [f"{items[0].id}[…]", worst, "", duration(sum(step.seconds for step in items)), counted]


def _step_row(step: StepView) -> list[str]:
    ran = step.status in ("succeeded", "failed") and not step.cached
    tries = str(step.attempts) if ran and step.attempts else ""
    name = f"{step.id} ({step.hook})" if step.hook else cell_name(step.id, step.index)
    return [name, step.status, tries, duration(step.seconds) if ran else "", _what(step)]


def _what(step: StepView) -> str:
    if step.cached:
        return f"from the cache (run {step.origin.run[:SHORT_ID]})" if step.origin else "from the cache"
    if step.error:
        return f"{step.error.type}: {step.error.message}"
    return ", ".join(
        f"{name}={value if isinstance(value, str) else f'{value:g}'}" for name, value in step.metrics.items()
    )


def _plain(value: object) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)


# --- resume, cancel ---------------------------------------------------------------------------------------------------


def do_resume(args: argparse.Namespace) -> int:
    from pipeglot.cli.resume import resume

    return resume(args)


def do_cancel(args: argparse.Namespace) -> int:
    from pipeglot.cli.cancel import cancel_run

    return cancel_run(args)


# --- diff -------------------------------------------------------------------------------------------------------------


def do_diff(args: argparse.Namespace) -> int:
    from pipeglot.cli.diffing import diff

    return diff(args)


# --- logs -------------------------------------------------------------------------------------------------------------


class Piece(NamedTuple):
    """What one attempt left."""

    cell: Cell
    attempt: int
    log: Ref | None
    failure: Failure | None
    tail: str = ""
    """Of one that has not ended, the last lines that it printed."""
    there: str = ""
    """What the engine of the run has, where the ledger has no log."""
    runs: bool = False


def do_logs(args: argparse.Namespace) -> int:
    index = parse_index(args.index) if args.index is not None else None
    if index is not None and args.step is None:
        raise UsageError("`--index` is of a step", hint="`pipeglot runs logs RUN STEP --index 3`")
    records = open_records(args)
    found = records.run(args.run)
    cells = _cells(records, found, args.step, index)
    pieces = [piece for cell in cells for piece in _pieces(records, found, cell)]
    if found.start.backend != "local":
        pieces = _with_engine_logs(records, found, cells, pieces, alone=args.step is not None)
    shown = [piece for piece in pieces if piece.log or piece.failure or piece.tail or piece.there]
    if args.json:
        print_json([_attempt_log(records, piece) for piece in shown])
        return 0
    alone = len(shown) == 1 and not (shown[0].failure or shown[0].tail) and args.step is not None
    for piece in shown:
        if not alone:
            _print_title(piece)
        _print_log(records, piece)
    if not shown:
        _print_nothing(found, cells, args.step)
    return 0


def _cells(records: Records, found: Found, step: str | None, index: Index | None) -> list[Cell]:
    if step is not None:
        records.step(found, step)
    if index is not None and step is not None:
        return [records.cell(found, step, index)]
    known = [cell for cell, entry in found.state.ordered() if entry.verdict] + sorted(found.state.expected)
    return [cell for cell in known if step in (None, cell[0])]


def _pieces(records: Records, found: Found, cell: Cell) -> Iterator[Piece]:
    """The attempts of a cell, the last one with its verdict."""
    seen: list[Observed] = [one.observed for one in records.ledger.attempts(found.start.run, *cell)]
    entry = found.state.entries.get(cell)
    if entry is not None and entry.verdict is not None and entry.verdict.observed.cached is None:
        seen.append(entry.verdict.observed)
    for observed in seen:
        yield Piece(cell, observed.attempt, observed.log, observed.failure)
    _, beat = found.lease.of(cell)
    if entry is None and beat is not None:
        yield Piece(cell, beat.attempt, None, None, beat.tail)


def _with_engine_logs(
    records: Records, found: Found, cells: list[Cell], pieces: list[Piece], *, alone: bool
) -> list[Piece]:
    """And what the orchestrator has of attempts that are not recorded; if it cannot be asked, that is told."""
    from pipeglot.client.engine_runs import logs_there

    recorded = {(piece.cell, piece.attempt) for piece in pieces if not piece.tail}
    more = []
    try:
        for cell, attempt, text, runs in logs_there(records, found, set(cells), recorded):
            if cell in cells or not alone:
                more.append(Piece(cell, attempt, None, None, there=text, runs=runs))
    except (EngineError, ConfigError) as error:
        sys.stderr.write(note(f"{error.message}: only what the store has is shown"))
    told = {(piece.cell, piece.attempt) for piece in more}
    return [piece for piece in pieces if not piece.tail or (piece.cell, piece.attempt) not in told] + more


def _attempt_log(records: Records, piece: Piece) -> AttemptLog:
    text = piece.there or piece.tail
    if piece.log is not None:
        with log_file(records.artifacts, piece.log) as path:
            text = path.read_bytes().decode("utf-8", "replace")
    (step, index), failure = piece.cell, piece.failure
    return AttemptLog(step=step, index=index, attempt=piece.attempt, text=text, failure=failure)


def _print_title(piece: Piece) -> None:
    so_far = ", the last lines so far" if piece.tail else ", so far" if piece.runs else ""
    title = f"--- {cell_name(*piece.cell)}, attempt {piece.attempt}{so_far} ---"
    say(paint(title, "bold", sys.stdout))


def _print_log(records: Records, piece: Piece) -> None:
    """As it was printed; on a terminal without what the terminal would obey."""
    if piece.log is not None:
        with log_file(records.artifacts, piece.log) as path:
            if is_terminal(sys.stdout) or sys.stdout.isatty():
                with path.open(encoding="utf-8", errors="replace", newline="\n") as text:
                    sys.stdout.writelines(f"{safe_log(line)}\n" for line in text)
            else:
                _copy_raw(path)
    sys.stdout.writelines(f"{safe(line)}\n" for line in (piece.tail.split("\n") if piece.tail else ()))
    sys.stdout.writelines(f"{safe(line)}\n" for line in piece.there.splitlines())
    if piece.failure is not None:
        failure = piece.failure
        sys.stdout.write(f"{safe(failure.traceback.rstrip() or f'{failure.type}: {failure.message}')}\n")


def _copy_raw(path: Path) -> None:
    sys.stdout.flush()
    end = b""
    with path.open("rb") as file:
        while data := file.read(1 << 20):
            sys.stdout.buffer.write(data)
            end = data[-1:]
    if end != b"\n":
        sys.stdout.buffer.write(b"\n")


def _print_nothing(found: Found, cells: list[Cell], step: str | None) -> None:
    verdicts = [entry.verdict for cell in cells if (entry := found.state.entries.get(cell)) and entry.verdict]
    origins = [verdict.observed.cached for verdict in verdicts if verdict.observed.cached]
    what = f"step `{step}`" if step else "this run"
    unfinished = {one.status for one in found.view.steps if step in (None, one.id)} & {"running", "lost", "pending"}
    if origins and len(origins) == len(verdicts):
        origin = origins[0]
        words = ["pipeglot", "runs", "logs", origin.run[:SHORT_ID], origin.step]
        words += ["--index", ".".join(map(str, origin.index))] if origin.index else []
        say(f"{what} came from the cache; what it printed when it ran: `{shlex.join(words)}`", sys.stderr)
    elif "lost" in unfinished:
        say(f"{what} was lost, and with it what it had printed: logs are kept when a step ends", sys.stderr)
    elif unfinished:
        say(f"{what} has not ended: what a step prints is kept when it ends", sys.stderr)
    elif found.start.asked is not None and found.start.asked.inline:
        say(f"{what} ran with `--inline`: what steps print is shown then, and not kept", sys.stderr)
    else:
        say(f"{what} printed nothing ({plural(len(cells), 'execution')})", sys.stderr)
