"""Every case on every engine, against the local runner: states, attempts, errors and lineage."""

from __future__ import annotations

import pytest

from pipeglot import Pipeline
from pipeglot.compilers.registry import compiler
from tests.conformance import flows, flows_live, native
from tests.conformance.backends import ENGINES
from tests.conformance.cases import CASES
from tests.conformance.results import Results, Tally, cases_of, read, uncovered
from tests.conformance.suite import Suite, summary


@pytest.fixture(scope="module", params=ENGINES)
def suite(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Suite:
    server = request.getfixturevalue(request.param)
    engine = ENGINES[request.param]
    asked = {
        name: case
        for name, case in CASES.items()
        if any(f"[{request.param}-{name}]" in one.name for one in request.session.items)
    }
    return Suite(engine.drive(server), tmp_path_factory.mktemp(request.param), asked, engine.lacks)


@pytest.mark.parametrize("case", CASES)
def test_it_is_as_on_the_local_runner(suite: Suite, case: str, tally: Tally) -> None:
    """Or it is refused, before anything is deployed."""
    if case in suite.lacks:
        suite.refused(case)
        return
    with tally.of(suite.backend.server.title, case):
        found = suite.both(case)
        assert summary(found.far) == summary(found.local)
        assert found.far["status"] == found.local["status"]
        assert found.far["lineage_digest"] == found.local["lineage_digest"] is not None
        assert found.good == (found.local["status"] == "succeeded"), "the engine's own state"


@pytest.mark.parametrize("backend", sorted({one.backend for one in ENGINES.values()}))
def test_all_that_is_claimed_has_a_case(backend: str) -> None:
    unseen = {feature for one in ENGINES.values() if one.backend == backend for feature in one.unseen}
    assert set(uncovered(backend, compiler(backend).capabilities)) == unseen


@pytest.mark.parametrize("results", read(), ids=lambda one: str(one.engine))
def test_what_is_kept_is_of_todays_cases(results: Results) -> None:
    """Else `make conformance` is due: the page would tell of cases that are no more."""
    assert sorted(results.cases) == sorted(cases_of(results.engine))


def test_every_pipeline_has_a_name_of_its_own() -> None:
    """On an engine the last one deployed under a name is the one that runs."""
    made = [
        name for one in (flows, flows_live, native) for name, value in vars(one).items() if isinstance(value, Pipeline)
    ]
    assert sorted(made) == sorted(set(made))
