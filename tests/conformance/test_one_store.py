"""One store for all engines and the laptop: what one has computed, none of the others computes again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.backends import ENGINES
from tests.conformance.suite import HERE
from tests.e2e.conftest import Project
from tests.servers.sandbox import PATIENCE

pytestmark = pytest.mark.whole


@pytest.fixture
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    """With a stack for each engine, and one for the laptop."""
    found = Project(tmp_path / "project")
    found.patience = PATIENCE
    found.root.mkdir()
    shutil.copy(HERE / "flows_live.py", found.root)
    store = tmp_path / "store"
    stacks = {name: request.getfixturevalue(name).stack(store) for name in ENGINES}
    stacks["local"] = f"backend: local, store: '{store}', trusted: true"
    found.write("pipeglot.yaml", "stacks:\n" + "".join(f"  {name}: {{{words}}}\n" for name, words in stacks.items()))
    return found


@pytest.mark.parametrize("first", [*ENGINES, "local"])
def test_all_share_one_cache(project: Project, first: str) -> None:
    runs = {first: _run(project, first)}
    runs |= {name: _run(project, name) for name in (*ENGINES, "local") if name != first}
    cached = {name: {one["cached"] for one in run["steps"]} for name, run in runs.items()}
    assert cached == {name: {name != first} for name in runs}
    assert len({run["lineage_digest"] for run in runs.values()}) == 1


def _run(project: Project, stack: str) -> dict[str, Any]:
    done = project("run", "flows_live.py:shared", "-p", "n=7", "--stack", stack, "--json")
    found: dict[str, Any] = done.json
    return found
