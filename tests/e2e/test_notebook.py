"""A real notebook in a real kernel: its pipeline runs, is cached, and is seen to change."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

pytestmark = pytest.mark.filterwarnings("default")  # Jupyter's own are not ours to mend

IMPORTS = """
from __future__ import annotations
import dataclasses, enum
from typing import NamedTuple
import helper
from pipeglot import each, pipeline, step

BONUS = 10
"""
CLASSES = """
class Colour(enum.Enum):
    RED = 1
    BLUE = 2

@dataclasses.dataclass
class Model:
    w: float
    colour: Colour

class Trained(NamedTuple):
    model: Model
    auc: float

def half(n: float) -> float:
    return n / 2
"""
PIPELINE = """
@step
def numbers(count: int) -> list[int]:
    return list(range(count))

@step
def train(n: int, colour: Colour) -> Trained:
    return Trained(Model(half(helper.scale(n)) + BONUS, colour), half(n))

@step
def best(all: list[Trained]) -> float:
    return max(one.auc for one in all)

@pipeline
def flow(count: int = 3, colour: Colour = Colour.RED) -> None:
    best(train.map(each(numbers(count)), colour))
"""
LOOK = """
run = flow.run(colour=Colour.BLUE)
model = run.steps["train"][1].outputs["model"].load()
assert isinstance(model, Model) and model == Model(11.5, Colour.BLUE), model
assert run.params["colour"] is Colour.BLUE
run
"""


def told(cell: str = "") -> str:
    """A cell that runs the pipeline again, and prints which steps ran."""
    return (
        f"{cell}\nprint(*[s.name for s in flow.on(quiet=True).run(colour=Colour.BLUE).steps.values() if not s.cached])"
    )


@pytest.fixture
def execute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run cells one after the other in a kernel of this Python; gives the cells with their outputs."""
    kernel = tmp_path / "jupyter" / "kernels" / "here"
    kernel.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(json.dumps({"argv": command, "display_name": "here", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    project = tmp_path / "project"
    (project / "notebooks").mkdir(parents=True)
    (project / "pipeglot.yaml").write_text("stacks:\n  local: {backend: local}\n")
    (project / "notebooks" / "helper.py").write_text("FACTOR = 3\n\ndef scale(n):\n    return FACTOR * n\n")

    def run(*cells: str) -> list[Any]:
        v4: Any = nbformat.v4  # it is not typed
        notebook = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells])
        resources = {"metadata": {"path": str(project / "notebooks")}}
        NotebookClient(notebook, kernel_name="here", timeout=120, resources=resources, allow_errors=True).execute()
        return list(notebook.cells)

    return run


def printed(cell: Any) -> str:
    texts = [out.get("text") or "\n".join(out.get("traceback", [])) for out in cell.outputs]
    return "".join(texts).strip()


def test_a_notebook(execute: Any) -> None:
    cells = execute(
        IMPORTS,
        CLASSES,
        PIPELINE,
        LOOK,
        told(),
        told("print(BONUS, run)\nrun.steps\nimport this_is_missing") + "\n",
        told(CLASSES + PIPELINE),
        told("def half(n: float) -> float:\n    # a comment\n    return n / 2\n"),
        told("def half(n: float) -> float:\n    return n / 4\n"),
        told("BONUS = 11"),
        told("import os"),
        "flow",
    )
    (shown,) = [out for out in cells[3].outputs if out.output_type == "execute_result"]
    assert shown["data"]["text/html"].startswith('<div class="pipeglot">')
    assert "<svg" in shown["data"]["text/html"]
    assert shown["data"]["text/plain"].startswith("<run ")
    ran = [printed(cell) for cell in cells[4:11]]
    assert ran[0] == ""
    assert "No module named 'this_is_missing'" in ran[1]
    assert ran[2:] == ["", "", "train best", "train best", ""]
    assert "<svg" in cells[11].outputs[0]["data"]["text/html"]


def test_two_kernels_share_a_cache(execute: Any) -> None:
    execute(IMPORTS, CLASSES, PIPELINE, LOOK)
    assert printed(execute(IMPORTS, CLASSES, PIPELINE, told())[3]) == ""


def test_what_cannot_be_sent(execute: Any) -> None:
    lock = "import threading\nlock = threading.Lock()\n@step\ndef locked() -> int:\n    with lock:\n        return 1\n"
    (_, cell) = execute(IMPORTS, f"{lock}@pipeline\ndef p() -> None:\n    locked()\np.run()")
    assert "DefinitionError: " in printed(cell)
    assert "`locked` cannot be sent to a worker: TypeError: cannot pickle '_thread.lock' object" in printed(cell)
    assert "hint: make `lock` inside the step" in printed(cell)
    assert "pipelines.py" not in printed(cell)


def test_a_step_that_calls_a_step(execute: Any) -> None:
    code = """
@step
def one(n: int) -> int:
    return n + 1

@step
def two(n: int) -> int:
    return 2 * one(n) if n else two(1)

@pipeline
def p() -> None:
    two(0)
print(p.on(quiet=True).run().steps["two"].outputs["output"].load())
"""
    assert printed(execute(IMPORTS, code)[1]) == "4"


def test_a_failure_is_shown_with_the_line_of_the_cell(execute: Any) -> None:
    code = (
        "@step\ndef boom() -> int:\n    raise ValueError('too bad')\n@pipeline\ndef p() -> None:\n    boom()\np.run()"
    )
    command = "[sys.executable, '-m', 'pipeglot', *words]"
    shell = f"print(subprocess.run({command}, capture_output=True, text=True).stderr)"
    asked = (
        f"import subprocess, sys\nfor words in (['runs', 'resume', 'latest'], ['replay', 'latest', 'boom']): {shell}"
    )
    cells = execute(IMPORTS, code, "import pipeglot\npipeglot.get_run('latest')", asked)
    assert "RunFailed: run " in printed(cells[1])
    assert "ValueError: too bad" in printed(cells[1])
    assert "in boom" in printed(cells[1])
    assert "ValueError: too bad" in cells[2].outputs[0]["data"]["text/html"]
    told = printed(cells[3])
    assert "` is of pipeline `p` of a notebook, which only that can run" in told
    assert "hint: call `p.run(…)` in the notebook again: what had finished comes from the cache" in told
    assert "error: step `boom` was defined in a notebook: there is no file to take its code from" in told


def test_a_class_that_was_defined_anew(execute: Any) -> None:
    cells = execute(IMPORTS, CLASSES, PIPELINE, "flow.on(quiet=True).run()", f"{CLASSES}\nflow.run()")
    assert "parameter `colour` of pipeline `flow`: `Colour` was defined anew since" in printed(cells[4])
    assert "hint: run the cell that defines the pipeline again" in printed(cells[4])


def test_a_step_that_was_defined_anew(execute: Any) -> None:
    """The pipeline has the step of before in a list, and a worker would run the later one."""
    code = "@step\ndef load(n: int) -> int:\n    return n + {}\n"
    flow = "steps = [load]\n@pipeline\ndef p(n: int = 1) -> None:\n    steps[0](n)\n"
    look = "print(p.on(quiet=True).run().steps['load'].outputs['output'].load())"
    cells = execute(IMPORTS, code.format(1), flow, look, code.format(1), look, code.format(2), look, flow, look)
    assert [printed(cells[number]) for number in (3, 5, 9)] == ["2", "2", "3"]
    assert "step `load` cannot be found by its name: in the notebook, `load` is the step of " in printed(cells[7])
    assert "; if you have defined it anew, run the cell again that takes `load` into the pipeline" in printed(cells[7])


def test_progress_goes_when_the_run_is_over(execute: Any) -> None:
    code = (
        "import time\n@step\ndef slow() -> None:\n    time.sleep(1.5)\n@pipeline\ndef p() -> None:\n    slow()\np.run()"
    )
    outputs = execute(IMPORTS, code)[1].outputs
    assert [out.output_type for out in outputs] == ["display_data", "execute_result"]
    assert outputs[0]["data"] == {"text/html": "", "text/plain": ""}
