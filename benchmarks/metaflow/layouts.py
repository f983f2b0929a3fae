"""What it costs to say any order of steps in splits and joins: steps that wait for more than they must, and how long.

    python -m benchmarks.metaflow.layouts [--orders N]

Steps take times of an exponential distribution, and run as soon as they may, on as many machines as it takes. The steps
that only Metaflow needs between them take none, or 5 % of a step.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

from pipeglot.compilers.base import Source
from pipeglot.compilers.metaflow.flow import Flow, flow
from pipeglot.compilers.metaflow.posets import Order, false_pairs
from pipeglot.compilers.metaflow.stack import Layout, MetaflowStack
from pipeglot.compilers.metaflow.tasks import Task
from pipeglot.core.ir import CodeRef, Pipeline, Step

LAYOUTS: tuple[Layout, ...] = ("sp", "levels", "foreach", "linear")
SIZES = ((10, 0.2), (30, 0.08), (50, 0.05), (100, 0.025), (300, 0.008), (1000, 0.002))
"""How many steps, and how likely one comes after another one."""

OVERHEAD = 0.05


class Figures(NamedTuple):
    """Of one order in one layout. pairs: of steps that wait for each other and need not. longer: than it would take at
    best, if Metaflow's own steps cost nothing, and if they cost something. own: how many of these there are."""

    pairs: int
    longer: float
    longer_with_own: float
    own: int
    seconds: float


def order_of(size: int, share: float, seed: int) -> list[list[int]]:
    chance = random.Random(seed)
    return [[one for one in range(number) if chance.random() < share] for number in range(size)]


def measured(needs: list[list[int]], layout: Layout, seed: int) -> Figures:
    """One order, laid out as a stack with this layout has it."""
    steps = tuple(
        Step(id=f"s{number}", code=CodeRef(module="m", qualname="f"), after=tuple(f"s{one}" for one in ones))
        for number, ones in enumerate(needs)
    )
    source = Source(Pipeline(name="p", nodes=steps), "p.py", "0" * 64)
    begun = time.process_time()
    found = flow(source, MetaflowStack(name="far", store="s3://ml/prod", layout=layout))
    seconds = time.process_time() - begun
    chance = random.Random(seed)
    times = {step.id: chance.expovariate(1) for step in steps}
    weights = [times[step.id] for step in steps]
    order = Order(needs, weights)
    best = max(order.longest(order.all)[0].values())
    own = sum(1 for task in found.tasks if not task.steps)
    return Figures(
        false_pairs(found.root.order, found.root.row),
        _span(found, lambda task: _time(task, times)) / best,
        _span(found, lambda task: _time(task, times) or OVERHEAD) / best,
        own,
        seconds,
    )


def _time(task: Task, times: dict[str, float]) -> float:
    return max((times[step.id] for step in task.steps), default=0.0)


def _span(found: Flow, takes: Callable[[Task], float]) -> float:
    """When the last step of Metaflow's ends."""
    begins = dict.fromkeys(found.tasks, 0.0)
    for task in found.tasks:
        for one in task.next:
            begins[one] = max(begins[one], begins[task] + takes(task))
    return begins[found.tasks[-1]] + takes(found.tasks[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--orders", type=int, default=20, help="how many orders of each size (default: 20)")
    count = parser.parse_args().orders
    print("| steps | layout | false pairs | time, of the best | with 5 % for Metaflow's steps | these | seconds |")
    print("|---:|---|---:|---:|---:|---:|---:|")
    for size, share in SIZES:
        orders = [order_of(size, share, seed) for seed in range(count if size < 300 else max(1, count // 10))]
        for layout in LAYOUTS:
            found = [measured(needs, layout, seed) for seed, needs in enumerate(orders)]
            pairs, longer, with_own, own, seconds = (statistics.mean(one) for one in zip(*found, strict=True))
            print(
                f"| {size:,} | {layout} | {pairs:,.1f} | {longer:.2f} | {with_own:.2f} | {own:.1f} | {seconds:.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
