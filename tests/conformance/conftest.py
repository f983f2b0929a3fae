"""Real engines, each brought up when the first test asks for it, once for all processes of a test run."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.backends import ENGINES
from tests.conformance.cases import CASES, WHOLE
from tests.conformance.results import Tally
from tests.servers.sandbox import Server

_UP: dict[str, Server] = {}
"""The engines of this process."""

LINES = 25
"""Of each log of an engine, told with a failure."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure may be the engine's: how it is, and the ends of its logs, are told with it."""
    report = yield
    if report.failed:
        report.sections += [(name, "\n".join(_state(server))) for name, server in _UP.items()]
    return report


def _state(server: Server) -> Iterator[str]:
    (view,) = server.command("status", "--json")
    yield f"{view['status']} {view['trouble']}"
    for log in sorted((server.home / "logs").glob("*.log")):
        yield f"--- {log.name}"
        yield "\n".join(log.read_text(errors="replace").splitlines()[-LINES:])


def pytest_itemcollected(item: pytest.Item) -> None:
    """Each version has cases of its own that only `make conformance` runs."""
    asked = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    if "suite" in asked and "case" in asked:
        versions = CASES[str(asked["case"])].always
        if versions == "no" or (versions == "newest" and not ENGINES[str(asked["suite"])].newest):
            item.add_marker(pytest.mark.whole)


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder that all processes of this test run have in common, and the name of this one."""
    own = tmp_path_factory.getbasetemp()
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    return (own.parent if worker else own), worker or "only"


@pytest.fixture(scope="session")
def tally() -> Iterator[Tally]:
    """Its results are kept if all cases are run."""
    found = Tally()
    yield found
    if WHOLE:
        found.keep()


def _server(name: str) -> Any:
    """A fixture of this name."""

    @pytest.fixture(scope="package", name=name)  # not for longer: it idles on a processor, too
    def up(engines: tuple[Path, str]) -> Iterator[Any]:
        with ENGINES[name].server(*engines) as found:
            _UP[name] = found
            yield found
            del _UP[name]

    return up


globals().update({name: _server(name) for name in ENGINES})
