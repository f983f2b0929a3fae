"""What all tests share: servers of buckets, each started when the first test asks for it, and how examples are drawn.

They are the same each time: a change is judged by what it changed. `ARGS=--hypothesis-profile=hunt` draws others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.conformance.cases import WHOLE
from tests.servers.azurite import Azurite
from tests.servers.postgres import Postgres
from tests.servers.seaweed import Seaweed

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("hunt", deadline=None)
settings.load_profile("same")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`make test` leaves out what is marked `whole`: `make conformance` has it."""
    if WHOLE:
        for item in items:
            item.add_marker(pytest.mark.timeout(3600))
    long = [] if WHOLE else [item for item in items if item.get_closest_marker("whole")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Failures are told at once: a run that is ended from outside has no summary."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        when = f"{report.when} failed after {report.duration:.0f} s"
        more = "".join(f"\n--- {title}\n{text}" for title, text in report.sections)
        print(f"\n{report.nodeid}: {when}\n{report.longreprtext}{more}", flush=True)


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    server = Seaweed(tmp_path_factory.mktemp("seaweed"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    server = Azurite(tmp_path_factory.mktemp("azurite"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    server = Postgres(tmp_path_factory.mktemp("postgres"))
    yield server
    server.remove()
