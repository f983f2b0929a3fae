"""`pipeglot runs`: what has run, step by step, and what the steps printed."""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pipeglot.cli.errors import note
from pipeglot.cli.logs import log_file
from pipeglot.cli.opening import open_records
from pipeglot.cli.output import print_fields, print_json, print_table
from pipeglot.cli.parsing import parse_index
from pipeglot.cli.text import cell_name, duration, is_terminal, paint, plural, safe, safe_log, when
from pipeglot.client.records import Found, Records
from pipeglot.client.views import AttemptLog, RunSummary
from pipeglot.core.errors import UsageError
from pipeglot.core.lineage.keys import Cell, Index
from pipeglot.core.lineage.records import Failure, Observed, Ref, Start
from pipeglot.core.lineage.view import StepView, status_of

SHORT_ID = 10
MOST_ITEMS = 10
"""More executions of one step are shown as one line, except those that failed."""

_WORST_FIRST = ("failed", "lost", "cancelled", "running", "succeeded", "skipped")


# --- list -------------------------------------------------------------------------------------------------------------


def do_list(args: argparse.Namespace) -> int:
    if args.limit < 0:
        raise UsageError(f"`--limit {args.limit}`: there are no fewer than no runs")
    records = open_records(args)
    starts = list(itertools.islice(records.latest(), args.limit or None))
    sys.stderr.writelines(note(f"a run is left out: {why}") for why in records.unreadable)
    if args.json:
        print_json([_summary(records, start) for start in starts])
        return 0
    if not starts:
        print("there are no runs yet: `pipeglot run TARGET` makes the first", file=sys.stderr)
        return 0
    rows = [_row(records, start) for start in starts]
    print_table(["RUN", "PIPELINE", "STATUS", "STARTED", "LASTED", "STACK"], rows)
    return 0


def _summary(records: Records, start: Start) -> RunSummary:
    end = records.end(start.run)
    return RunSummary(
        run_id=start.run,
        pipeline=start.pipeline,
        stack=start.stack,
        backend=start.backend,
        status=status_of(start, end),
        created=start.created,
        finished=end.finished if end else None,
        lineage_digest=end.digest if end else None,
    )


def _row(records: Records, start: Start) -> list[str]:
    end = records.end(start.run)
    lasted = duration(_seconds(start.created, end.finished)) if end else ""
    status = status_of(start, end)
    return [start.run[:SHORT_ID], start.pipeline, status, when(start.created), lasted, start.stack]


def _seconds(begin: str, end: str) -> float:
    import datetime as dt

    return (dt.datetime.fromisoformat(end) - dt.datetime.fromisoformat(begin)).total_seconds()


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
        ("status", view.status),
        ("started", when(view.created)),
        ("stack", f"{view.stack} ({view.backend})"),
        ("params", params or "-"),
        ("lineage", view.lineage_digest or "-"),
    ]
    print_fields(fields)
    print()
    print_table(["STEP", "STATUS", "TRIES", "TIME", "WHAT"], list(_step_rows(view.steps)))
    return 0


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
    return [cell_name(step.id, step.index), step.status, tries, duration(step.seconds) if ran else "", _what(step)]


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


# --- logs -------------------------------------------------------------------------------------------------------------


class Piece(NamedTuple):
    """What one attempt left."""

    cell: Cell
    attempt: int
    log: Ref | None
    failure: Failure | None


def do_logs(args: argparse.Namespace) -> int:
    index = parse_index(args.index) if args.index is not None else None
    if index is not None and args.step is None:
        raise UsageError("`--index` is of a step", hint="`pipeglot runs logs RUN STEP --index 3`")
    records = open_records(args)
    found = records.run(args.run)
    cells = _cells(records, found, args.step, index)
    pieces = [piece for cell in cells for piece in _pieces(records, found, cell)]
    shown = [piece for piece in pieces if piece.log or piece.failure]
    if args.json:
        print_json([_attempt_log(records, piece) for piece in shown])
        return 0
    alone = len(shown) == 1 and shown[0].failure is None and args.step is not None
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
    return [cell for cell, entry in found.state.ordered() if entry.verdict and (step is None or cell[0] == step)]


def _pieces(records: Records, found: Found, cell: Cell) -> Iterator[Piece]:
    """The attempts of a cell, the last one with its verdict."""
    seen: list[Observed] = [one.observed for one in records.ledger.attempts(found.start.run, *cell)]
    entry = found.state.entries.get(cell)
    if entry is not None and entry.verdict is not None and entry.verdict.observed.cached is None:
        seen.append(entry.verdict.observed)
    for observed in seen:
        yield Piece(cell, observed.attempt, observed.log, observed.failure)


def _attempt_log(records: Records, piece: Piece) -> AttemptLog:
    text = ""
    if piece.log is not None:
        with log_file(records.artifacts, piece.log) as path:
            text = path.read_bytes().decode("utf-8", "replace")
    (step, index), failure = piece.cell, piece.failure
    return AttemptLog(step=step, index=index, attempt=piece.attempt, text=text, failure=failure)


def _print_title(piece: Piece) -> None:
    sys.stdout.write(paint(f"--- {cell_name(*piece.cell)}, attempt {piece.attempt} ---", "bold", sys.stdout) + "\n")


def _print_log(records: Records, piece: Piece) -> None:
    """As it was printed; on a terminal without what the terminal would obey."""
    if piece.log is not None:
        with log_file(records.artifacts, piece.log) as path:
            if is_terminal(sys.stdout) or sys.stdout.isatty():
                with path.open(encoding="utf-8", errors="replace", newline="\n") as text:
                    sys.stdout.writelines(f"{safe_log(line)}\n" for line in text)
            else:
                _copy_raw(path)
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
    origin = next((verdict.observed.cached for verdict in verdicts if verdict.observed.cached), None)
    what = f"step `{step}`" if step else "this run"
    if origin is None:
        print(f"{what} printed nothing ({plural(len(cells), 'execution')})", file=sys.stderr)
        return
    words = ["pipeglot", "runs", "logs", origin.run[:SHORT_ID], origin.step]
    words += ["--index", ".".join(map(str, origin.index))] if origin.index else []
    print(f"{what} came from the cache; what it printed when it ran: `{' '.join(words)}`", file=sys.stderr)
