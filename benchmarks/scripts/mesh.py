"""A pipeline with 101,000 edges, each run of which goes on from the last: ten runs make a million."""

from __future__ import annotations

from pipeglot import Artifact, pipeline, step

WIDTH = 100
LAYERS = 10


@step
def begin(start: int, seat: int) -> int:
    return start + seat


@step
def mix(xs: list[int], seat: int) -> int:
    return sum(xs) % 1_000_003 + seat


def layers(xs: list[int]) -> None:
    for _ in range(LAYERS):
        xs = [mix(xs, seat) for seat in range(WIDTH)]
    mix.with_options(name="last")(xs, 0)


@pipeline
def mesh(start: int = 0) -> None:
    layers([begin(start, seat) for seat in range(WIDTH)])


@pipeline
def mesh_on(before: Artifact[int]) -> None:
    layers([begin(before, seat) for seat in range(WIDTH)])
