"""What runs is what the emitted file names: a record in the store decides that only where the store is trusted."""

from __future__ import annotations

import pytest
from msgspec import structs

from pipeglot.core.errors import StepError
from pipeglot.core.lineage import keys
from tests.unit.runtime_local.conftest import work
from tests.unit.task.conftest import Engine


@pytest.fixture
def begun(engine: Engine) -> Engine:
    """A run that has begun, and a file that names another pipeline since."""
    engine.deploy(work("one"))
    engine.task()
    engine.deploy(work("one"), work("add", given={"x": 1}))
    return engine


def test_in_a_trusted_store_a_run_ends_with_what_it_began_with(begun: Engine) -> None:
    assert begun.task(trusted=True).plan.places.keys() == {"one"}


def test_in_any_other_the_file_decides(begun: Engine) -> None:
    with pytest.raises(StepError) as caught:
        begun.task(trusted=False)
    assert "began with another pipeline than this task's file names" in caught.value.message
    assert "start a new run; in a store with `trusted: true`" in caught.value.hint


def test_a_forged_record_brings_no_code(engine: Engine) -> None:
    """Code that is installed here is not left for a bundle that somebody has put there, in no store."""
    engine.deploy(work("one"))
    seen = engine.task().start
    engine.run = structs.replace(engine.run, id="manual__2")
    forged = structs.replace(seen, run=keys.run_id("far", "p", "manual__2"), bundle=f"sha256:{'0' * 64}")
    engine.ledger.start(forged)
    for trusted in (False, True):
        with pytest.raises(StepError, match="began with other code than this task's file names"):
            engine.task(trusted=trusted)
