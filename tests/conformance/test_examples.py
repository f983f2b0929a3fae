"""The examples on real engines, each as a user runs it: the results of the laptop, computed anew on both.

The laptop has the packages of that engine, for others compute other results: pandas 3.0 and 3.1 read decimals of a CSV
file with other last digits, and in pandas 2 text is of another type.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.backends import ENGINES
from tests.conformance.suite import summary
from tests.e2e.conftest import ENVIRONMENT, Project
from tests.servers.sandbox import PATIENCE, ROOT

EXAMPLES = {
    "credit": [["credit.py"]],
    "flights": [["flights.py"]],
    "search": [["search.py"]],
    "rain": [["train.py"], ["score.py", "-p", "day=2026-07-02"]],
}
"""The pipelines of each, in the order in which they need each other."""

pytestmark = pytest.mark.whole


@pytest.fixture(params=ENGINES)
def server(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("example", EXAMPLES)
def test_it_gives_what_the_laptop_gives(server: Any, example: str, tmp_path: Path) -> None:
    folder = tmp_path / example
    shutil.copytree(ROOT / "examples" / example, folder, ignore=shutil.ignore_patterns(".pipeglot", "__pycache__"))
    project = Project(folder)
    project.replace("pipeglot.yaml", "stacks:\n", f"stacks:\n  far: {{{server.stack(folder / 'far-store')}}}\n")
    lacks = next(one.lacks for one in ENGINES.values() if one.backend == server.engine)
    for asked in EXAMPLES[example]:
        if f"{example}/{asked[0]}" in lacks:
            project("check", asked[0], "--stack", "far", code=33)
            continue
        here = run(project, "local", *asked, python=server.python)
        there = run(project, "far", *asked)
        assert there["status"] == here["status"] == "succeeded"
        assert summary(there) == summary(here)
        assert there["lineage_digest"] == here["lineage_digest"]
        assert not any(one["cached"] for one in (*here["steps"], *there["steps"]))


def run(project: Project, stack: str, *asked: str, python: str = sys.executable) -> dict[str, Any]:
    words = [python, "-m", "pipeglot", "run", *asked, "--stack", stack, "--no-cache", "--json"]
    done = subprocess.run(
        words, cwd=project.root, env=ENVIRONMENT, capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
