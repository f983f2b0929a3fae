"""The rows of the tables, by name, and which two of them give the cost of a step."""

from __future__ import annotations

from typing import NamedTuple

OURS = "pipeglot"
BY_HAND = "by hand"

PEER_STEPS = 50
"""Steps of a chain and items of a map, beside the peers: few, as some of them take most of a second each."""

BARE = "bare interpreter"
HELP = "`--help`"
IMPORT = "import"
STEPS_3 = "3 steps"
STEPS_3_CACHED = "3 steps, all cached"
STEPS_3_DURABLE = "3 steps, durable"
ARRAY = "array of 100 MB through 3 steps"
DEFINE = "define 1,000 steps, to JSON, digest"
SERVER = "start of a server, once"
NO_SERVER = "3 steps, with no server there"
ASSETS_3 = "3 assets"
ASSETS = f"chain of {PEER_STEPS} assets"
REINDEX = "index of 1,000,000 edges, made anew"
CLOSURE = "lineage closure over 1,000,000 edges"
NEAR = "lineage 2 steps up, among 1,000,000 edges"


def chain_row(steps: int) -> str:
    return f"chain of {steps:,} steps"


def cached_row(steps: int) -> str:
    return f"chain of {steps:,} steps, all cached"


def durable_row(steps: int) -> str:
    return f"chain of {steps:,} steps, durable"


def map_row(items: int) -> str:
    return f"map of {items:,} items"


ITEMS_3 = map_row(3)
MAP_CACHED = f"{map_row(1000)}, all cached"


class Step(NamedTuple):
    """`row` has `more` steps than `few` has: their difference is what those cost, without the start-up."""

    few: str
    row: str
    more: int


STEPS = (
    *(Step(STEPS_3, chain_row(steps), steps - 3) for steps in (PEER_STEPS, 100, 1000)),
    *(Step(STEPS_3_CACHED, cached_row(steps), steps - 3) for steps in (PEER_STEPS, 1000)),
    Step(STEPS_3_DURABLE, durable_row(100), 97),
    *(Step(ITEMS_3, map_row(items), items - 3) for items in (PEER_STEPS, 1000)),
    Step(STEPS_3_CACHED, MAP_CACHED, 999),  # it has two steps beside the items
    Step(ASSETS_3, ASSETS, PEER_STEPS - 3),
)

LONGER = {
    chain_row(PEER_STEPS): Step(STEPS_3, chain_row(1000), 997),
    cached_row(PEER_STEPS): Step(STEPS_3_CACHED, cached_row(1000), 997),
    map_row(PEER_STEPS): Step(ITEMS_3, map_row(1000), 997),
}
"""The same for us: fifty of our steps take less than the start of a Python varies."""
