"""Generated orders of steps, really run by Metaflow in each layout: the same lineage as on the laptop."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.e2e.conftest import Project
from tests.servers.metaflow import Metaflow
from tests.servers.sandbox import PATIENCE

pytestmark = pytest.mark.whole

COUNT, ALWAYS = 20, 2
LAYOUTS = ("sp", "sp", "levels", "foreach", "linear")
PATIENT = 4 * PATIENCE

HEAD = """\
from pipeglot import each, otherwise, pipeline, step, when


@step
def mix(number: int, *, xs: list[int]) -> int:
    return (31 * sum(xs) + number) % 997


@step
def numbers(x: int) -> list[int]:
    return list(range(x % 3))


@step
def add(xs: list[int]) -> int:
    return sum(xs)
"""


def written(number: int) -> str:
    """A pipeline in which each step may come after any before it: some after a map of theirs, some in a branch."""
    chance = random.Random(number)
    lines = ["", "", "@pipeline", f"def made_{number}(start: int = {number + 7}) -> None:"]
    names = ["start"]
    for place in range(chance.randint(5, 9)):
        before = chance.sample(names, chance.randint(0, min(3, len(names))))
        form = chance.choice(["step", "step", "step", "map", "branch"])
        lines.append(f"    s{place} = mix({place}, xs=[{', '.join(before)}])")
        if form == "map":
            over = f"numbers.with_options(name='list_{place}')(s{place})"
            lines.append(f"    m{place} = add(mix.with_options(name='item_{place}').map(each({over}), xs=[s{place}]))")
            names.append(f"m{place}")
        elif form == "branch":
            lines.append(f"    with when(s{place} > 300):")
            lines.append(f"        mix.with_options(name='yes_{place}')({place}, xs=[s{place}])")
            lines.append("    with otherwise():")
            lines.append(f"        mix.with_options(name='no_{place}')({place}, xs=[s{place}])")
        names.append(f"s{place}")
    return "\n".join([*lines, ""])


@pytest.mark.parametrize(
    "number", [pytest.param(one, marks=[pytest.mark.whole] if one >= ALWAYS else []) for one in range(COUNT)]
)
def test_lineage_is_that_of_the_laptop(metaflow: Metaflow, tmp_path: Path, number: int) -> None:
    project = Project(tmp_path)
    project.patience = PATIENT
    stack = f"{metaflow.stack(tmp_path / 'there')}, layout: {LAYOUTS[number % len(LAYOUTS)]}"
    project.write("pipeglot.yaml", f"stacks:\n  local: {{backend: local}}\n  far: {{{stack}}}\n")
    project.write("flow.py", HEAD + written(number))
    here = project("run", f"flow.py:made_{number}", "--no-cache", "--json").json
    there = project("run", f"flow.py:made_{number}", "--stack", "far", "--no-cache", "--json").json
    assert (here["status"], there["status"]) == ("succeeded", "succeeded")
    assert there["lineage_digest"] == here["lineage_digest"]
