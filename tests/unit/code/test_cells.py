"""What the cells of a notebook amount to: of each name the last binding, and nothing that only looks."""

from __future__ import annotations

import ast
import linecache
import sys
from contextlib import suppress
from types import ModuleType
from typing import Any

import pytest

from pipeglot.core.code import Project, cells
from pipeglot.core.errors import DefinitionError

STEP = "from pipeglot import step, pipeline\n"
ONE = "@step\ndef one(n):\n    return helper(n) + LIMIT\n"
FLOW = "@pipeline\ndef flow(n: int = 1) -> None:\n    one(n)\n"


class Kernel:
    """`__main__` as IPython leaves it: cells, their sources, and what they defined."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.main = ModuleType("__main__")
        vars(self.main).update(In=[""], get_ipython=lambda: None)
        monkeypatch.setitem(sys.modules, "__main__", self.main)
        self.monkeypatch = monkeypatch

    def run(self, cell: str) -> Exception | None:
        names: Any = vars(self.main)
        names["In"].append(cell)
        file = f"<cell {len(names['In'])}>"
        self.monkeypatch.setitem(linecache.cache, file, (len(cell), None, cell.splitlines(keepends=True), file))
        try:
            exec(compile(cell, file, "exec"), names)
        except Exception as error:  # noqa: BLE001  # a cell may raise anything
            return error
        return None

    def digest(self, name: str = "one") -> str:
        return Project([], cells.source()).closure("__main__", name).digest


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    found = Kernel(monkeypatch)
    for cell in (STEP, "LIMIT = 3", "def helper(n):\n    return 2 * n\n", ONE, FLOW):
        assert found.run(cell) is None
    return found


@pytest.mark.parametrize(
    "cell",
    [
        "def helper(n):\n    # a comment\n    return 2 * n\n",
        ONE,
        STEP + ONE + FLOW,
        "LIMIT = 3",
        "print(LIMIT, one)",
        "LIMIT",
        "run = flow.on(quiet=True)",
        "flow.on(quiet=True)",
        "OTHER = 5",
        "def unrelated():\n    return LIMIT\n",
        "import os",
        "1 / 0",
        "this is no Python",
        "raise ValueError(1)\ndef helper(n):\n    return 5\n",
    ],
)
def test_nothing_changed(kernel: Kernel, cell: str) -> None:
    before = kernel.digest()
    with suppress(SyntaxError):
        kernel.run(cell)
    assert kernel.digest() == before


@pytest.mark.parametrize(
    "cell",
    [
        "def helper(n):\n    return 3 * n\n",
        "LIMIT = 4",
        "LIMIT += 1",
        "LIMIT = LIMIT + 1",
        ONE.replace("+", "-"),
        "helper = str",
        "def helper(n):\n    return 5\nraise ValueError(1)\n",
    ],
)
def test_something_changed(kernel: Kernel, cell: str) -> None:
    before = kernel.digest()
    kernel.run(cell)
    assert kernel.digest() != before


def test_there_and_back(kernel: Kernel) -> None:
    before = kernel.digest()
    kernel.run("LIMIT = 4")
    kernel.run("def helper(n):\n    return 3 * n\n")
    kernel.run("def helper(n):\n    return 2 * n\n")
    assert kernel.digest() != before
    kernel.run("LIMIT = 3")
    assert kernel.digest() == before


def test_a_function_registered_elsewhere_stays(kernel: Kernel) -> None:
    kernel.run("from functools import singledispatch\n@singledispatch\ndef shown(x):\n    return 1\n")
    kernel.run("@shown.register\ndef _(x: int):\n    return 2\n")
    kernel.run("@shown.register\ndef _(x: str):\n    return 3\n")
    assert ast.unparse(ast.parse(cells.source())).count("@shown.register") == 2


def test_the_order_of_cells_is_that_of_their_runs(kernel: Kernel) -> None:
    first = kernel.digest()
    kernel.run("def two(n):\n    return n\n")
    kernel.run("@step\ndef one(n):\n    return two(n) + LIMIT\n")
    kernel.run("def two(n):\n    return 2 * n\n")
    assert kernel.digest() != first


def test_without_a_source(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(vars(kernel.main), "In")
    monkeypatch.setattr(linecache, "getlines", lambda file: [])
    with pytest.raises(DefinitionError, match="the source of `one` cannot be seen"):
        kernel.digest()
