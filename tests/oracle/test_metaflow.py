"""What runs as a flow of Metaflow ends as the interpreter says, whatever failed; and the engine shows it as it was."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
from tests.oracle.metaflow import in_flow

_PARAMS = {"n": 7}


@pytest.fixture
def folders(tmp_path: Path) -> Callable[[], Path]:
    """Makes a new folder for each example."""
    count = itertools.count()
    return lambda: tmp_path / str(next(count))


@pytest.mark.parametrize(
    "stack",
    [
        {},
        {"max_map_length": 2},
        {"layout": "levels"},
        {"layout": "foreach"},
        {"layout": "foreach", "deploy_to": "step-functions", "max_map_length": 2},
        {"layout": "linear"},
    ],
    ids=lambda stack: "-".join(map(str, stack.values())) or "sp",
)
@given(made=pipelines(), seed=st.integers(0, 2**32))
@settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, max_examples=30)
def test_flows_give_what_the_interpreter_says(
    folders: Callable[[], Path], made: Pipeline, seed: int, stack: dict[str, Any]
) -> None:
    folder, other, chance = folders(), folders(), random.Random(seed)
    run, is_good = in_flow(made, _PARAMS, folder, chance, **stack)
    digest = compare(made, _PARAMS, run, folder)
    store = open_store(str(folder / "store"))
    _, state = read_run(Ledger(store), Artifacts(store), run)
    assert is_good == (state.status == "succeeded")
    assert compare(made, _PARAMS, in_any_order(made, _PARAMS, other, chance), other) == digest
