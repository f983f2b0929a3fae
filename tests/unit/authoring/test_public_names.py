"""`pipeglot` itself: all its names, none of them before it is asked for."""

from __future__ import annotations

import ast
import importlib.metadata
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import pipeglot

ROOT = Path(__file__).parents[3]


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60, cwd=ROOT
    )
    return done.stdout.strip()


def test_every_name_is_there() -> None:
    assert all(getattr(pipeglot, name) is not None for name in pipeglot.__all__)
    assert dir(pipeglot) == sorted(pipeglot.__all__)


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse((ROOT / "pipeglot" / "__init__.py").read_text())
    seen = {alias.asname for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen - {"annotations", None} == set(pipeglot.__all__) - {"__version__"}


def test_an_unknown_name() -> None:
    with pytest.raises(AttributeError, match="module `pipeglot` has no `stpe`"):
        _ = vars(pipeglot)["__getattr__"]("stpe")
    with pytest.raises(ImportError):
        exec("from pipeglot import stpe")


def test_the_version_is_that_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert pipeglot.__version__ == project["version"] == importlib.metadata.version("pipeglot")


def test_importing_it_imports_nothing() -> None:
    found = run("import sys; old = set(sys.modules); import pipeglot; print(*sorted(set(sys.modules) - old))")
    assert set(found.split()) <= {"pipeglot", "__future__"}


def test_authoring_imports_no_more_than_it_needs() -> None:
    """msgspec imports `typing_extensions` where it is installed, and that imports half of what stands here."""
    heavy = {"argparse", "ast", "asyncio", "dataclasses", "difflib", "dis", "inspect", "linecache", "numpy", "opcode"}
    heavy |= {"pandas", "pathlib", "pipeglot.core.params", "pipeglot.core.validate", "pydantic", "rich", "yaml"}
    found = run(
        "import sys; sys.modules['typing_extensions'] = None\n"
        "from pipeglot import Cache, Resources, Retry, all_of, each, one_of, otherwise, pipeline, step, when\n"
        "@step(retry=Retry(2))\n"
        "def f(n: int) -> int: return n\n"
        "@pipeline\n"
        "def p(n: int = 1) -> None: f(f(n))\n"
        "print(*sorted(sys.modules))"
    )
    assert not heavy & set(found.split())
