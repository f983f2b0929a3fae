"""Any order of steps as rows and blocks side by side: series-parallel, with as few false dependencies as it finds.

Elements are numbers, in an order in which they may run. Sets of them are the bits of an int: a thousand elements are
laid out in well under a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

Row = list["int | Block | Group"]
"""One after the other."""


@dataclass(eq=False)
class Block:
    """Rows side by side. One with a single row is that row."""

    rows: list[Row]


@dataclass(eq=False)
class Group:
    """Elements side by side that are alike: they share one step of Metaflow's."""

    elements: list[int]


@dataclass
class Order:
    """Elements, and what each comes after. needs: for each element, others with smaller numbers. weights: how long each
    takes, for the longest way through them."""

    needs: Sequence[Iterable[int]]
    weights: Sequence[float] = ()
    before: list[int] = field(init=False, default_factory=list)
    """All that comes before an element, as bits."""
    near: list[int] = field(init=False, default_factory=list)
    """All that comes before it or after it."""
    direct: list[int] = field(init=False, default_factory=list)
    """What it comes after, and that comes not before another of these."""
    followers: list[int] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.weights = self.weights or [1.0] * len(self.needs)
        for needs in self.needs:
            bits = 0
            for one in needs:
                bits |= self.before[one] | 1 << one
            self.before.append(bits)
        self.near = list(self.before)
        self.followers = [0] * len(self.needs)
        for number, bits in enumerate(self.before):
            beyond = 0
            for one in elements(bits):
                self.near[one] |= 1 << number
                beyond |= self.before[one]
            self.direct.append(bits & ~beyond)
            for one in elements(bits & ~beyond):
                self.followers[one] |= 1 << number

    @property
    def all(self) -> int:
        return (1 << len(self.needs)) - 1

    def longest(self, mask: int) -> tuple[dict[int, float], dict[int, float]]:
        """Of each of these elements the longest way to its end, and from its begin, through them."""
        found = list(elements(mask))
        down: dict[int, float] = {}
        up: dict[int, float] = {}
        for one in found:
            ahead = [down[other] for other in elements(self.direct[one] & mask)]
            down[one] = max(ahead, default=0.0) + self.weights[one]
        for one in reversed(found):
            behind = [up[other] for other in elements(self.followers[one] & mask)]
            up[one] = max(behind, default=0.0) + self.weights[one]
        return down, up

    def levels(self, mask: int) -> list[list[int]]:
        """These elements by the most others of them that come before."""
        depth: dict[int, int] = {}
        found: dict[int, list[int]] = {}
        for one in elements(mask):
            depth[one] = max((depth[other] + 1 for other in elements(self.direct[one] & mask)), default=0)
            found.setdefault(depth[one], []).append(one)
        return [found[level] for level in sorted(found)]


def elements(mask: int) -> Iterator[int]:
    """The elements of a set, in order."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def members(row: Row) -> Iterator[int]:
    """The elements of a row and of all in it."""
    for part in row:
        if isinstance(part, Block):
            for inner in part.rows:
                yield from members(inner)
        elif isinstance(part, Group):
            yield from part.elements
        else:
            yield part


def nesting(row: Row) -> int:
    """How many blocks stand in each other."""
    deepest, waiting = 0, [(row, 0)]
    while waiting:
        here, depth = waiting.pop()
        deepest = max(deepest, depth)
        waiting += [(inner, depth + 1) for part in here if isinstance(part, Block) for inner in part.rows]
    return deepest


def mask_of(found: Iterable[int]) -> int:
    mask = 0
    for one in found:
        mask |= 1 << one
    return mask


# --- layouts ----------------------------------------------------------------------------------------------------------


def linear(order: Order) -> Row:
    """All one after the other."""
    return list(range(len(order.needs)))


def levels(order: Order) -> Row:
    """A level after the other: what is in one waits for all of the one before."""
    return [_side_by_side(level) for level in order.levels(order.all)]


def _side_by_side(found: list[int]) -> int | Block:
    return found[0] if len(found) == 1 else Block([[one] for one in found])


def series_parallel(order: Order) -> Row:
    """Side by side what has no order at all between it; one after the other what is wholly ordered; and where neither
    is so, a false order where it adds the fewest pairs."""
    whole: Row = []
    waiting = [(order.all, whole)] if order.needs else []
    while waiting:
        mask, row = waiting.pop()
        if not mask & (mask - 1):
            row.append(mask.bit_length() - 1)
            continue
        apart = _parts(mask, lambda one: order.near[one])
        if len(apart) > 1:
            rows: list[Row] = [[] for _ in apart]
            row.append(Block(rows))
            waiting += reversed(list(zip(apart, rows, strict=True)))
            continue
        parts = _parts(mask, lambda one: ~order.near[one])
        if len(parts) == 1:
            first = _cut(order, mask)
            parts = [first, mask & ~first]
        waiting += [(part, row) for part in reversed(parts)]
    return whole


def _parts(mask: int, near: Callable[[int], int]) -> list[int]:
    """The connected parts of a graph, by their first elements."""
    found = []
    while mask:
        part = edge = mask & -mask
        while edge:
            low = edge & -edge
            edge ^= low
            new = near(low.bit_length() - 1) & mask & ~part
            part |= new
            edge |= new
        found.append(part)
        mask &= ~part
    return found


def false_pairs(order: Order, row: Row) -> int:
    """How many pairs of elements a layout puts one after the other that might as well run side by side."""
    return _pairs(row)[1] - sum(bits.bit_count() for bits in order.before)


def _pairs(row: Row) -> tuple[int, int]:
    """How many elements a row has, and how many pairs of them are ordered."""
    size = pairs = 0
    for part in row:
        if isinstance(part, Block):
            inner = [_pairs(one) for one in part.rows]
        else:
            inner = [(1, 0)] * (len(part.elements) if isinstance(part, Group) else 1)
        here = sum(one for one, _ in inner)
        pairs += sum(more for _, more in inner) + size * here
        size += here
    return size, pairs


# --- a false order ----------------------------------------------------------------------------------------------------

_FEW, _SMALL = 12, 60
"""Of so few elements the false pairs count, of more the longest way; and of so many, more cuts are looked at."""

Ways = tuple[dict[int, float], dict[int, float]]


class _Cut(NamedTuple):
    """What comes before all the rest. price: the pairs that it adds, for each that it might at most add; or, of many
    elements, for each element of the smaller side: to cut off one after the other is cheap, and makes a long way of
    them. longest: the longest way through both sides."""

    price: float
    longest: float
    first: int


def _cut(order: Order, mask: int) -> int:
    """What is to come before all the rest of these elements: the cheapest cut that is found."""
    found = list(elements(mask))
    ways = down, up = order.longest(mask)
    orders = [
        found,
        sorted(found, key=lambda one: (down[one], one)),
        sorted(found, key=lambda one: (-up[one], one)),
        sorted(found, key=lambda one: (down[one] - up[one], one)),
    ]
    cuts = [_sweep(order, mask, one, ways) for one in orders]
    if len(found) <= _SMALL:
        cuts += [_made(order, mask, first, ways) for first in _closed(order, mask, found)]
    return min(cuts).first


def _price(pairs: int, first: int, second: int) -> float:
    return pairs / (first * second if first + second <= _FEW else min(first, second))


def _sweep(order: Order, mask: int, found: list[int], ways: Ways) -> _Cut:
    """The best cut of those that part the elements in this order, in which they may run."""
    down, up = ways
    behind = [0.0]
    for one in reversed(found):
        behind.append(max(behind[-1], up[one]))
    cuts = []
    first, pairs, ahead = 0, 0, 0.0
    for count, one in enumerate(found[:-1], 1):
        free = mask & ~order.near[one] & ~(1 << one)
        pairs += (free & ~first).bit_count() - (free & first).bit_count()
        first |= 1 << one
        ahead = max(ahead, down[one])
        left = len(found) - count
        cuts.append(_Cut(_price(pairs, count, left), ahead + behind[left], first))
    return min(cuts)


def _closed(order: Order, mask: int, found: list[int]) -> Iterator[int]:
    """With each element all that comes before it; and all but it and what comes after it."""
    for one in found:
        first = (order.before[one] | 1 << one) & mask
        after = order.near[one] & ~order.before[one]
        rest = mask & ~after & ~(1 << one)
        yield from (side for side in (first, rest) if side not in (0, mask))


def _made(order: Order, mask: int, first: int, ways: Ways) -> _Cut:
    down, up = ways
    second = mask & ~first
    pairs = sum((second & ~order.near[one]).bit_count() for one in elements(first))
    longest = max(down[one] for one in elements(first)) + max(up[one] for one in elements(second))
    return _Cut(_price(pairs, first.bit_count(), second.bit_count()), longest, first)
