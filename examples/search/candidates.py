"""The settings to try, drawn at random."""

import random

Candidate = dict[str, float]
"""`C` and `gamma`, as the model calls them."""


def draw(count: int, seed: int) -> list[Candidate]:
    """Log-uniform: C from 0.1 to 100, gamma from 1e-5 to 1e-1."""
    source = random.Random(seed)
    return [{"C": 10 ** source.uniform(-1, 2), "gamma": 10 ** source.uniform(-5, -1)} for _ in range(count)]
