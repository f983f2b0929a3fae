"""The runner agrees with a plain interpreter of the IR on whatever pipeline there is, in whatever order steps end.

`python -m tests.oracle 2000` tries more; a failure prints the seed that finds it again.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeglot.core import wire
from pipeglot.core.ir import Pipeline
from pipeglot.core.validate import validate
from tests.oracle.engine import in_tasks
from tests.oracle.generate import pipelines
from tests.oracle.held import compare, in_any_order, in_workers, planned_as_run, without_hooks

_SLOW = settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
_PARAMS = {"n": 7}


@given(pipelines())
@settings(_SLOW, max_examples=200)
def test_generated_pipelines_are_valid_and_survive_the_wire(made: Pipeline) -> None:
    assert validate(made) == []
    assert wire.load(wire.dump_json(made).encode(), source="made") == made


@pytest.fixture
def folders(tmp_path: Path) -> Callable[[], Path]:
    """Makes a new folder for each example."""
    count = itertools.count()
    return lambda: tmp_path / str(next(count))


@given(pipelines(), st.integers(0, 2**32))
@settings(_SLOW, max_examples=250)
def test_any_order_gives_what_the_interpreter_says(folders: Callable[[], Path], made: Pipeline, seed: int) -> None:
    folder, chance = folders(), random.Random(seed)
    first = compare(made, _PARAMS, in_any_order(made, _PARAMS, folder, chance), folder)
    again = in_any_order(made, _PARAMS, folder, chance)
    assert compare(made, _PARAMS, again, folder, again=True) == first


@given(pipelines(), st.integers(0, 2**32))
@settings(_SLOW, max_examples=100)
def test_tasks_of_an_engine_give_what_the_interpreter_says(
    folders: Callable[[], Path], made: Pipeline, seed: int
) -> None:
    folder, other, chance = folders(), folders(), random.Random(seed)
    first = compare(made, _PARAMS, in_tasks(made, _PARAMS, folder, chance), folder)
    assert compare(made, _PARAMS, in_tasks(made, _PARAMS, folder, chance), folder, again=True) == first
    assert compare(made, _PARAMS, in_any_order(made, _PARAMS, other, chance), other) == first


@given(pipelines())
@settings(_SLOW, max_examples=25)
def test_workers_give_what_the_interpreter_says(folders: Callable[[], Path], made: Pipeline) -> None:
    folder, other = folders(), folders()
    first = compare(made, _PARAMS, in_workers(made, _PARAMS, folder), folder)
    plain = without_hooks(made)
    assert compare(plain, _PARAMS, in_any_order(plain, _PARAMS, other, random.Random(1)), other) == first


@given(pipelines(), st.integers(0, 2**32))
@settings(_SLOW, max_examples=150)
def test_a_plan_says_what_the_run_then_does(folders: Callable[[], Path], made: Pipeline, seed: int) -> None:
    folder, chance = folders(), random.Random(seed)
    for _ in range(2):
        planned_as_run(made, _PARAMS, folder, chance)
