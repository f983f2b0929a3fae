"""Steps whose names are bound anew: workers import them by these names, and would run something else."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pipeglot.core.code import Project
from pipeglot.core.errors import DefinitionError

BEGINNING = "import functools\nfrom pipeglot import pipeline, step\n"
STEP = "@step\ndef load(n: int) -> int:\n    return n + 1\n"
FLOW = "@pipeline\ndef flow(n: int = 1) -> None:\n    {}(n)\n"


class Written:
    """A project with a module `binding` that can be written, imported and traced."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, *parts: str) -> ModuleType:
        (self.folder / "binding.py").write_text(BEGINNING + "".join(parts))
        importlib.invalidate_caches()
        return importlib.import_module("binding")

    def problem(self, module: Any) -> tuple[str, str, str]:
        with pytest.raises(DefinitionError) as error:
            self.trace(module)
        (found,) = error.value.problems
        return found.code, found.message, found.hint

    def trace(self, module: Any) -> Any:
        return module.flow.trace(Project((str(self.folder),)))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Written]:
    monkeypatch.syspath_prepend(tmp_path)
    yield Written(tmp_path)
    sys.modules.pop("binding", None)


@pytest.mark.parametrize(
    ("anew", "what"),
    [
        ("@step\ndef load(n: int) -> int:\n    return 100 * n\n", "`load` is the step of binding.py:8"),
        ("def load(n: int) -> int:\n    return 100 * n\n", "`load` is the function of binding.py:7"),
        ("@step\ndef other(n: int) -> int:\n    return n\nload = other\n", "`load` is the step of binding.py:8"),
        ("load = 3\n", "`load` is of the type `int`"),
        ("del load\n", "there is no `load` any more"),
    ],
)
def test_a_name_that_was_bound_anew(anew: str, what: str, project: Written) -> None:
    module = project.load(STEP, "first = load\n", anew, FLOW.format("first"))
    code, message, hint = project.problem(module)
    assert code == "bound-anew"
    assert message == f"step `load` cannot be found by its name: in module `binding`, {what}"
    assert hint == "give each a name of its own: workers import steps by their names"


@pytest.mark.parametrize(
    "parts",
    [
        (STEP, "load = load.with_options(name='x')\n"),
        ("def load(n: int) -> int:\n    return n\n", "load = step(load)\n"),
        ("def plain(n: int) -> int:\n    return n\n", "load = step(plain)\n"),
        (STEP, "inner = load\n@functools.wraps(inner)\ndef load(n): return inner(n)\n"),
        (STEP, "inner = load\ndef wrapper(n): return inner(n)\nload = wrapper\n"),
        (STEP, "load = functools.partial(load)\n"),
        (
            "class Steps:\n    @staticmethod\n    @step\n    def load(n: int) -> int:\n        return n\n",
            "load = Steps.load\n",
        ),
    ],
)
def test_what_leads_to_the_step_is_as_good(parts: tuple[str, ...], project: Written) -> None:
    assert len(project.trace(project.load(*parts, FLOW.format("load"))).pipeline.nodes) == 1


@pytest.mark.parametrize("before", ["", "# further down\n\n\n"])
def test_a_module_that_was_imported_again(before: str, project: Written) -> None:
    """As a notebook has it that reloads what was edited: workers import the file as it is now."""
    module: Any = project.load(STEP, "first = load\n", FLOW.format("first"))
    first, flow = module.first, module.flow
    later = STEP.replace("n + 1", "n + 2")
    (project.folder / "binding.py").write_text(f"{BEGINNING}{before}{later}")
    importlib.reload(module)
    module.first, module.flow = first, flow
    assert module.load is not first
    assert len(project.trace(module).pipeline.nodes) == 1
