"""Start-up time is a feature: what a command must not import."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.e2e.conftest import ENVIRONMENT, Project

PROGRAM = """\
import json, sys
from pipeglot.cli.main import main
code = main(json.loads(sys.argv[1]))
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
sys.exit(code)
"""
HEAVY = {"yaml", "rich", "pydantic", "pandas", "numpy", "cloudpickle", "asyncio", "importlib.metadata", "hypothesis"}
HEAVY |= {"psycopg", "obstore", "concurrent.futures", "pipeglot.core.store.bucket", "pipeglot.core.store.clouds"}


def modules(project: Project, *words: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(words)],
        cwd=project.root,
        env=ENVIRONMENT,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("words", [["--help"], ["runs", "--help"], ["--version"]])
def test_help_imports_next_to_nothing(project: Project, words: list[str]) -> None:
    assert not modules(project, *words) & {*HEAVY, "msgspec", "argparse", "pathlib", "pipeglot.core.ir"}


def test_help_of_a_command_imports_nothing_of_it(project: Project) -> None:
    assert not modules(project, "run", "--help") & {*HEAVY, "msgspec", "pipeglot.core.ir", "pipeglot.cli.run"}


def test_the_usual_run_needs_neither_yaml_nor_rich(flow: Project) -> None:
    flow("stack", "list")
    for words in (["run", "flow.py"], ["run", "flow.py", "--json"], ["check", "flow.py"], ["runs", "list"]):
        assert not modules(flow, *words) & HEAVY
    assert not modules(flow, "run", "flow.py") & {"tempfile", "random", "shlex", "fractions", "queue", "subprocess"}


def test_a_shared_index_is_met_by_who_asks_it_and_nobody_else(flow: Project) -> None:
    """The variable is not even set: neither a run nor what it leads to needs it."""
    flow.write("pipeglot.yaml", "stacks:\n  local: {backend: local, metadata: '${NO_SUCH_VARIABLE}'}\n")
    for words in (["run", "flow.py"], ["check", "flow.py"], ["runs", "show", "latest"]):
        assert "psycopg" not in modules(flow, *words)
