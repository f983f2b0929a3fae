"""The page of results: `page.md` with what was measured, and with what on what machine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import NamedTuple

from benchmarks.machine import Machine
from benchmarks.rows import (
    ARRAY,
    ASSETS,
    ASSETS_3,
    HELP,
    IMPORT,
    ITEMS_3,
    NO_SERVER,
    OURS,
    PEER_STEPS,
    SERVER,
    STEPS_3,
    STEPS_3_CACHED,
    Step,
    cached_row,
    chain_row,
    map_row,
)
from benchmarks.tables import Medians, a_step_each, beside_hand_written, compared, side_by_side

TARGET = 10.0
"""So many times our CPU of a step a peer's is to be, or the page says where it is not."""

_ROWS = (
    HELP,
    IMPORT,
    STEPS_3,
    chain_row(PEER_STEPS),
    STEPS_3_CACHED,
    cached_row(PEER_STEPS),
    ITEMS_3,
    map_row(PEER_STEPS),
    ARRAY,
)
_ALONE = (SERVER, NO_SERVER, ASSETS_3, ASSETS)
"""What only one of the peers has."""

_MORE = PEER_STEPS - 3
_STEPS = (
    ("a step of a chain", Step(STEPS_3, chain_row(PEER_STEPS), _MORE)),
    ("a cached step", Step(STEPS_3_CACHED, cached_row(PEER_STEPS), _MORE)),
    ("an item of a map", Step(ITEMS_3, map_row(PEER_STEPS), _MORE)),
    ("an asset of a chain", Step(ASSETS_3, ASSETS, _MORE)),
)


class Conditions(NamedTuple):
    """How it was measured. others: the share of the processors that others used. check: what held against the CPU."""

    day: dt.date
    machine: Machine
    versions: dict[str, str]
    rounds: int
    minutes: float
    others: float | None
    check: str
    failed: tuple[str, ...] = ()


def tables(found: Medians, peers: Sequence[str]) -> dict[str, str]:
    """All tables, by the name that they have in `page.md`."""
    made = {"by_hand": beside_hand_written(found)}
    if peers:
        columns = [OURS, *peers]
        alone = [row for row in _ALONE if any((row, peer) in found for peer in peers)]
        made |= {
            "side_by_side": side_by_side(found, columns, [*_ROWS, *alone]),
            "a_step": a_step_each(found, columns, _STEPS[:3]),
            "verdict": verdict(found, peers),
        }
    return made


def verdict(found: Medians, peers: Sequence[str]) -> str:
    """Whether each peer's step costs ten of ours, or where not."""
    all_of_them = compared(found, peers, _STEPS[:3])
    below = [one for one in all_of_them if one.times < TARGET]
    if not all_of_them:
        return "No peer's step was measured."
    least = min(all_of_them, key=lambda one: one.times)
    if not below:
        return (
            f"Each peer's step takes at least {TARGET:.0f} times our CPU; the least is {least.what} in {least.peer}, "
            f"{least.times:,.0f} times."
        )
    listed = ", ".join(f"{one.what} in {one.peer} ({one.times:.1f} times)" for one in below)
    return f"A peer's step takes at least {TARGET:.0f} times our CPU, except: {listed}."


def left_behind(found: Medians) -> str:
    """Which commands did not end all that they had started."""
    left = [f"{column}'s {row} ({cost.left})" for (row, column), cost in found.items() if cost.left]
    if not left:
        return "No command left a process behind."
    return f"Left processes behind, which were counted and then ended: {', '.join(left)}."


def conditions_text(conditions: Conditions) -> str:
    """When, on what machine, of which versions."""
    machine, others = conditions.machine, conditions.others
    versions = ", ".join(f"{name} {version}" for name, version in conditions.versions.items())
    sentences = [
        f"{conditions.day.isoformat()}, {machine.cores} cores of {machine.cpu}, {machine.system}, {machine.python}.",
        f"{versions}.",
        f"Medians of {conditions.rounds} rounds, in {conditions.minutes:.0f} minutes.",
        "" if others is None else f"Meanwhile, others used {others:.0%} of the processors.",
        conditions.check,
        f"Failed, and not shown: {', '.join(conditions.failed)}." if conditions.failed else "",
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def page(found: Medians, peers: Sequence[str], conditions: Conditions) -> str:
    """The whole page."""
    text = Path(__file__).with_name("page.md").read_text(encoding="utf-8")
    values = {
        **tables(found, peers),
        "conditions": conditions_text(conditions),
        "left": left_behind(found),
        "steps": str(PEER_STEPS),
    }
    return Template(text).substitute(values)
