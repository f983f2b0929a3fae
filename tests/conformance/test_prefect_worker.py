"""What the worker of Prefect does where Prefect refuses: in the environment of the sandbox, with no server."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pipeglot.client.sandboxes import find_engine
from pipeglot.compilers.sandboxes.environment import ensure
from tests.servers.sandbox import ENVIRONMENT

REFUSED = """
from types import SimpleNamespace
from pipeglot.compilers.prefect import worker

def refuse(*words, **named):
    raise PermissionError("Client error '403 Forbidden'")

worker.get_run_logger = lambda: SimpleNamespace(warning=lambda text, *words: print(text % words))
worker.create_markdown_artifact = refuse
worker._link(SimpleNamespace(run="a" * 24, pipeline="p", stack="far"))
"""

AWAY = """
from types import SimpleNamespace
from pipeglot.compilers.prefect import worker
from pipeglot.core.errors import StoreError

def away(step):
    raise StoreError("the store is away")

told = []
worker.get_run_logger = lambda: SimpleNamespace(warning=lambda text, *words: print(text % words))
worker.emit_event = lambda *words, **named: told.append(words)
work = worker.Worker.__new__(worker.Worker)
work._round = 1
step = SimpleNamespace(id="make", asset={"output": "s3://a/b"})
work._tell_assets(SimpleNamespace(cells=SimpleNamespace(successes=away)), step)
print(told)
"""


def said(script: str) -> str:
    python = ensure(find_engine("prefect").pins("3"), Path(ENVIRONMENT["PIPEGLOT_ENGINES"]), print) / "bin/python"
    done = subprocess.run([python, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_run_goes_on_without_the_way_to_its_lineage() -> None:
    told = "the run's page has no way to its lineage: PermissionError: Client error '403 Forbidden'\n"
    assert said(REFUSED) == told


def test_a_step_has_succeeded_also_if_nobody_can_be_told_of_its_assets() -> None:
    assert said(AWAY) == "nobody is told that assets of `make` are new: the store is away\n[]\n"
