"""Where each box of a graph stands: ranks from left to right, few crossings, long edges around the boxes between.

The usual way (Sugiyama's): a rank for each box by its longest path, a dummy in each rank that an edge passes, several
sweeps that put each box at the median of its neighbours, then straightened positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

GAP = 18.0
_SWEEPS = 8
_MOST_SWEPT = 4000


class Point(NamedTuple):
    x: float
    y: float


class Size(NamedTuple):
    width: float
    height: float


class Layout(NamedTuple):
    """The middle of each box, the points that each edge passes, and the size of it all."""

    at: dict[str, Point]
    paths: dict[tuple[str, str], list[Point]]
    size: Size


def lay_out(sizes: dict[str, Size], edges: Sequence[tuple[str, str]], groups: dict[str, str], gap: float) -> Layout:
    """Boxes come in an order in which no edge leads back, as nodes of a pipeline do; `gap` is a rank's distance."""
    rank = _ranks(sizes, edges)
    heights = {name: size.height for name, size in sizes.items()}
    chains = _chains(rank, edges, heights)
    columns = _columns(rank, heights)
    for start, end in edges:
        for number, dummy in enumerate(chains[start, end], start=rank[start] + 1):
            columns[number].append(dummy)
    links = _links(edges, chains)
    _order(columns, links, groups)
    y = _heights(columns, heights, links)
    x, width = _widths(columns, sizes, gap)
    at = {name: Point(x[rank[name]], y[name]) for name in sizes}
    paths = {}
    for start, end in edges:
        passed = [Point(x[rank[start] + 1 + i], y[dummy]) for i, dummy in enumerate(chains[start, end])]
        paths[start, end] = [at[start], *passed, at[end]]
    bottom = max((y[name] + heights[name] / 2 for name in y), default=0.0)
    return Layout(at, paths, Size(width, bottom))


def _ranks(sizes: dict[str, Size], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    before: dict[str, list[str]] = {name: [] for name in sizes}
    for start, end in edges:
        before[end].append(start)
    rank: dict[str, int] = {}
    for name in sizes:
        rank[name] = max((rank[one] + 1 for one in before[name]), default=0)
    return _pulled(rank, sizes, edges)


def _pulled(rank: dict[str, int], sizes: dict[str, Size], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """A box that waits for nothing stands close before the first one that needs it."""
    after: dict[str, list[str]] = {name: [] for name in sizes}
    waits = {end for _, end in edges}
    for start, end in edges:
        after[start].append(end)
    for name in reversed(list(sizes)):
        if name not in waits and after[name]:
            rank[name] = max(0, min(rank[one] for one in after[name]) - 1)
    return rank


def _chains(
    rank: dict[str, int], edges: Sequence[tuple[str, str]], heights: dict[str, float]
) -> dict[tuple[str, str], list[str]]:
    """A dummy for each rank that an edge passes. Edges of one box share theirs, as far as they go together."""
    chains: dict[tuple[str, str], list[str]] = {}
    for start, end in edges:
        names = [f"\0{start}\0{number}" for number in range(rank[start] + 1, rank[end])]
        for name in names:
            heights.setdefault(name, 2.0)
        chains[start, end] = names
    return chains


def _columns(rank: dict[str, int], heights: dict[str, float]) -> list[list[str]]:
    columns: list[list[str]] = [[] for _ in range(max(rank.values(), default=-1) + 1)]
    for name, number in rank.items():
        if name in heights:
            columns[number].append(name)
    return columns


class _Links(NamedTuple):
    before: dict[str, list[str]]
    after: dict[str, list[str]]


def _links(edges: Sequence[tuple[str, str]], chains: dict[tuple[str, str], list[str]]) -> _Links:
    links = _Links({}, {})
    for start, end in edges:
        way = [start, *chains[start, end], end]
        for one, other in pairwise(way):
            if one not in links.before.setdefault(other, []):
                links.before[other].append(one)
                links.after.setdefault(one, []).append(other)
    return links


def _order(columns: list[list[str]], links: _Links, groups: dict[str, str]) -> None:
    """Sort each column by the medians of the neighbours, there and back; the best of all sweeps stays."""
    for column in columns:
        column[:] = list(dict.fromkeys(column))
    if sum(map(len, columns)) > _MOST_SWEPT:
        return
    best = _crossings(columns, links), [list(column) for column in columns]
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        near = links.before if forward else links.after
        turns = range(1, len(columns)) if forward else range(len(columns) - 2, -1, -1)
        for number in turns:
            fixed = {name: place for place, name in enumerate(columns[number - 1 if forward else number + 1])}
            _sort(columns[number], fixed, near, groups)
        count = _crossings(columns, links)
        if count < best[0]:
            best = count, [list(column) for column in columns]
        if best[0] == 0:
            break
    columns[:] = best[1]


def _sort(column: list[str], fixed: dict[str, int], near: dict[str, list[str]], groups: dict[str, str]) -> None:
    """By median; steps of one nested pipeline stay together, at the mean of theirs."""
    place = {name: float(number) for number, name in enumerate(column)}
    median = {name: _median([fixed[one] for one in near.get(name, ()) if one in fixed], place[name]) for name in column}
    means: dict[str, list[float]] = {}
    for name in column:
        means.setdefault(_top(groups.get(name, "")) or name, []).append(median[name])
    key = {group: sum(found) / len(found) for group, found in means.items()}
    column.sort(key=lambda name: (key[own := _top(groups.get(name, "")) or name], own, median[name], place[name]))


def _top(group: str) -> str:
    return group.partition(".")[0]


def _median(places: list[int], otherwise: float) -> float:
    if not places:
        return otherwise
    places.sort()
    half = len(places) // 2
    return float(places[half]) if len(places) % 2 else (places[half - 1] + places[half]) / 2


def _crossings(columns: list[list[str]], links: _Links) -> int:
    """How often edges between neighbouring columns cross: the inversions of their ends, counted in a Fenwick tree."""
    total = 0
    for left, right in pairwise(columns):
        place = {name: number for number, name in enumerate(right)}
        ends = [place[one] for name in left for one in sorted(links.after.get(name, ()), key=lambda one: place[one])]
        tree = [0] * (len(right) + 1)
        for seen, end in enumerate(ends):
            total += seen - _count(tree, end + 1)
            _add(tree, end + 1)
    return total


def _count(tree: list[int], number: int) -> int:
    found = 0
    while number > 0:
        found += tree[number]
        number -= number & -number
    return found


def _add(tree: list[int], number: int) -> None:
    while number < len(tree):
        tree[number] += 1
        number += number & -number


# --- positions --------------------------------------------------------------------------------------------------------


def _heights(columns: list[list[str]], heights: dict[str, float], links: _Links) -> dict[str, float]:
    """Each box as near to the mean of its neighbours as the order and the gaps allow."""
    y: dict[str, float] = {}
    for column in columns:
        top = 0.0
        for name in column:
            y[name] = top + heights[name] / 2
            top += heights[name] + GAP
    for sweep in range(2 * _SWEEPS):
        near = links.before if sweep % 2 == 0 else links.after
        for column in columns if sweep % 2 == 0 else reversed(columns):
            wanted = []
            for name in column:
                found = [y[one] for one in near.get(name, ())]
                wanted.append(sum(found) / len(found) if found else y[name])
            _settle(column, wanted, heights, y)
    least = min((y[name] - heights[name] / 2 for name in y), default=0.0)
    return {name: place - least for name, place in y.items()}


def _settle(column: list[str], wanted: list[float], heights: dict[str, float], y: dict[str, float]) -> None:
    """The places nearest to those wanted (in least squares) that keep the order and the gaps: pooled neighbours."""
    offsets = [0.0]
    for one, other in pairwise(column):
        offsets.append(offsets[-1] + (heights[one] + heights[other]) / 2 + GAP)
    blocks: list[tuple[float, int]] = []  # the sum of what its members want, and how many they are
    for want, offset in zip(wanted, offsets, strict=True):
        total, count = want - offset, 1
        while blocks and blocks[-1][0] / blocks[-1][1] >= total / count:
            more, members = blocks.pop()
            total, count = total + more, count + members
        blocks.append((total, count))
    shifts = [total / count for total, count in blocks for _ in range(count)]
    for name, shift, offset in zip(column, shifts, offsets, strict=True):
        y[name] = shift + offset


def _widths(columns: list[list[str]], sizes: dict[str, Size], gap: float) -> tuple[list[float], float]:
    """The middle of each column, and the width of all."""
    middles, left = [], 0.0
    for column in columns:
        width = max((sizes[name].width for name in column if name in sizes), default=0.0)
        middles.append(left + width / 2)
        left += width + gap
    return middles, max(0.0, left - gap)
