"""The sandbox of Metaflow: it has no server, and is up or down all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.live import is_alive, until, written
from tests.conformance.suite import STACK
from tests.e2e.conftest import Project
from tests.servers.metaflow import Metaflow

FLOW = """\
import os
import time
from pathlib import Path

from pipeglot import pipeline, step


@step
def nap(folder: str) -> int:
    Path(folder, "pid").write_text(str(os.getpid()))
    time.sleep(600)
    return 1


@pipeline
def napping(folder: str) -> None:
    nap(folder)
"""


@pytest.mark.whole
def test_it_is_up_until_it_is_down(tmp_path: Path) -> None:
    """`down` ends the runs that were started on it, and no other one starts before the next `up`."""
    home = tmp_path / "home"
    server = Metaflow(home)
    assert server.view["status"] == "up"
    assert server.view["stack"] == "metaflow-sandbox"
    project = Project(tmp_path / "project")
    project.patience = 120
    project.root.mkdir()
    project.write("flow.py", FLOW)
    project.write("pipeglot.yaml", f"stacks:\n  {STACK}: {{{server.stack(tmp_path / 'store')}}}\n")
    run = ("run", "flow.py:napping", "-p", f"folder={tmp_path}", "--stack", STACK, "--no-wait")
    project(*run)
    pid = int(until(lambda: written(tmp_path / "pid")))
    assert server.command("status", "--json")[0]["memory"] > 10 << 20, "what runs on it belongs to it"

    (view,) = server.command("down", "metaflow", "--json")
    assert (view["status"], view["services"], view["memory"]) == ("down", [], 0)
    until(lambda: not is_alive(pid))
    assert server.command("status", "--json")[0]["status"] == "down"
    done = project(*run, code=1)
    assert f"there is no program `{home}/environment/bin/python`" in done.err
    assert "pipeglot sandbox up metaflow" in done.err

    assert server.command("up", "metaflow", "--json")["status"] == "up"
    (home / "environment").unlink()
    (view,) = server.command("status", "--json")
    assert (view["status"], view["trouble"]) == ("broken", f"there is no `{home}/environment/bin/python`")
    assert server.command("up", "metaflow", "--json")["status"] == "up"
    server.command("down", "metaflow", "--purge", "--json")
    assert not home.exists()
