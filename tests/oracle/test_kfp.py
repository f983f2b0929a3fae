"""What runs as a spec of KFP ends as the interpreter says, whatever failed; and the engine shows it as what it was."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.ir import Pipeline
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.view import read_run
from pipeglot.core.store import open_store
from tests.oracle.generate import pipelines
from tests.oracle.held import compare, in_any_order
from tests.oracle.kfp import Dialect, in_specs

_PARAMS = {"n": 7}


@pytest.fixture
def folders(tmp_path: Path) -> Callable[[], Path]:
    """Makes a new folder for each example."""
    count = itertools.count()
    return lambda: tmp_path / str(next(count))


@pytest.mark.parametrize("dialect", get_args(Dialect))
@pytest.mark.parametrize("most", [2, 100])
@given(made=pipelines(), seed=st.integers(0, 2**32))
@settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, max_examples=40)
def test_specs_give_what_the_interpreter_says(
    folders: Callable[[], Path], made: Pipeline, seed: int, dialect: Dialect, most: int
) -> None:
    folder, other, chance = folders(), folders(), random.Random(seed)
    run, is_good = in_specs(made, _PARAMS, folder, chance, dialect, most)
    digest = compare(made, _PARAMS, run, folder)
    store = open_store(str(folder / "store"))
    _, state = read_run(Ledger(store), Artifacts(store), run)
    assert is_good == (state.status == "succeeded")
    assert compare(made, _PARAMS, in_any_order(made, _PARAMS, other, chance), other) == digest
