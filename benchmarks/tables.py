"""The tables, as Markdown that also reads well on a terminal: pure, from what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from benchmarks.measure import Cost, Samples, median
from benchmarks.rows import BY_HAND, LONGER, OURS, STEPS, Step

NOTHING = "–"

Medians = dict[tuple[str, str], Cost]


class Compared(NamedTuple):
    """A step of a peer against one of ours."""

    peer: str
    what: str
    times: float


def medians(samples: Samples) -> Medians:
    return {place: median(costs) for place, costs in samples.items()}


def beside_hand_written(found: Medians) -> str:
    """Every row of ours: what it costs, what the same costs by hand, and the ratio of CPU."""
    head = ["", "CPU", "wall", "a step", "by hand: CPU", "wall", "CPU, times by hand"]
    rows = []
    for row, column in found:
        if column != OURS:
            continue
        ours, by_hand = found[row, OURS], found.get((row, BY_HAND))
        hand = [seconds(by_hand.cpu), seconds(by_hand.wall)] if by_hand else [NOTHING, NOTHING]
        times = ratio(ours.cpu, by_hand.cpu) if by_hand else NOTHING
        rows.append([row, seconds(ours.cpu), seconds(ours.wall), _a_step(found, row, OURS), *hand, times])
    return table(head, rows)


def side_by_side(found: Medians, columns: Sequence[str], rows: Iterable[str]) -> str:
    """CPU and wall seconds of whole processes."""
    known = [row for row in rows if any((row, column) in found for column in columns)]
    body = [[row, *(_both(found.get((row, column))) for column in columns)] for row in known]
    return table(["CPU / wall", *columns], body)


def a_step_each(found: Medians, columns: Sequence[str], steps: Iterable[tuple[str, Step]]) -> str:
    """CPU of one step more, and how many times ours that is."""
    body = []
    for what, step in steps:
        ours = our_step(found, step)
        cells = []
        for column in columns:
            one = ours if column == OURS else per_step(found, step, column)
            against = f" ({ratio(one, ours)})" if one is not None and ours is not None and column != OURS else ""
            cells.append(NOTHING if one is None else seconds(one) + against)
        body.append([what, *cells])
    return table(["CPU", *columns], body)


def compared(found: Medians, peers: Sequence[str], steps: Iterable[tuple[str, Step]]) -> list[Compared]:
    """Every step of every peer that was measured, against ours."""
    all_of_them = []
    for what, step in steps:
        ours = our_step(found, step)
        for peer in peers:
            theirs = per_step(found, step, peer)
            if ours is not None and ours > 0 and theirs is not None:
                all_of_them.append(Compared(peer, what, theirs / ours))
    return all_of_them


def per_step(found: Medians, step: Step, column: str) -> float | None:
    """CPU seconds of a step: the difference between many and few of them. None if either was not measured."""
    many, few = found.get((step.row, column)), found.get((step.few, column))
    return (many.cpu - few.cpu) / step.more if many and few else None


def our_step(found: Medians, step: Step) -> float | None:
    """The same of ours: from more steps than a peer's, if so many were measured."""
    longer = LONGER.get(step.row)
    known = longer is not None and (longer.row, OURS) in found
    return per_step(found, longer if longer is not None and known else step, OURS)


def _a_step(found: Medians, row: str, column: str) -> str:
    step = next((one for one in STEPS if one.row == row), None)
    one = per_step(found, step, column) if step else None
    return NOTHING if one is None or one <= 0 else seconds(one)


def _both(cost: Cost | None) -> str:
    return NOTHING if cost is None else f"{seconds(cost.cpu)} / {seconds(cost.wall)}"


def seconds(value: float) -> str:
    """Two or three digits that mean something: `0.31 ms`, `185 ms`, `2.31 s`."""
    thousandths = value * 1000
    if abs(thousandths) < 9.995:
        return f"{thousandths:.2f} ms"
    if abs(thousandths) < 99.95:
        return f"{thousandths:.1f} ms"
    if abs(thousandths) < 999.5:
        return f"{thousandths:.0f} ms"
    return f"{value:.2f} s" if abs(value) < 9.995 else f"{value:.1f} s"


def ratio(one: float, other: float) -> str:
    """How many times `other` it is: `0.7×`, `12×`."""
    if other <= 0:
        return NOTHING
    times = one / other
    return f"{times:.1f}×" if times < 9.95 else f"{times:,.0f}×"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all but the first column are aligned to the right."""
    lines = [head, *rows]
    widths = [max(3, *(len(line[place]) for line in lines)) for place in range(len(head))]
    rule = [f":{'-' * (widths[0] - 1)}", *(f"{'-' * (width - 1)}:" for width in widths[1:])]
    return "\n".join(_line(line, widths) for line in [head, rule, *rows])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (
        cell.ljust(width) if place == 0 else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return f"| {' | '.join([first, *rest])} |"
