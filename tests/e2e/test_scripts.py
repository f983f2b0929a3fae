"""`python script.py`, `python -c` and the prompt: what runs, and what is refused with a way out."""

from __future__ import annotations

import subprocess
import sys

from tests.e2e.conftest import ENVIRONMENT, FLOW, Project, Result

MAIN = """

if __name__ == "__main__":
    import sys
    run = flow.run(count=int(sys.argv[1]))
    print(run.status, run.steps["total"].outputs["output"].load(), run.steps["double"][1].outputs["output"].load())
"""


def python(project: Project, *words: str, text: str = "") -> Result:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=project.root,
        env=ENVIRONMENT,
        input=text,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def test_a_script_runs_its_own_pipeline(flow: Project) -> None:
    flow.write("flow.py", FLOW + MAIN)
    done = python(flow, "flow.py", "4")
    assert (done.code, done.out) == (0, "succeeded 12 2\n"), done.err
    assert "total: succeeded in" in done.err
    assert "flow succeeded in" in done.err
    view = flow("run", "flow.py", "-p", "count=4", "--json").json
    assert {step["cached"] for step in view["steps"] if step["status"] == "succeeded"} == {True}


def test_a_script_without_a_guard(flow: Project) -> None:
    flow.write("flow.py", f"{FLOW}\nrun = flow.run()\n")
    done = python(flow, "flow.py")
    assert done.code == 1
    assert "UsageError: `flow.run(…)` was called while its module was imported to find a pipeline in it" in done.err
    assert 'hint: put what a script does below `if __name__ == "__main__":`' in done.err
    for command in ("check", "plan", "run"):
        assert "while its module was imported" in flow(command, "flow.py", code=2).err
    assert flow("runs", "list", "--json").json == []


def test_calling_a_pipeline(flow: Project) -> None:
    flow.write("flow.py", f"{FLOW}\nif __name__ == '__main__':\n    flow(count=3)\n")
    done = python(flow, "flow.py")
    assert done.code == 1
    assert "UsageError: `flow` is a pipeline: calling it runs nothing" in done.err
    assert "hint: `flow.run(…)` runs it, as does `pipeglot run FILE.py:flow`" in done.err


def test_a_module_runs_from_anywhere(flow: Project) -> None:
    code = "import flow; print(flow.flow.run(count=2).steps['total'].outputs['output'].load())"
    done = python(flow, "-c", code)
    assert (done.code, done.out) == (0, "2\n"), done.err


def test_a_failed_run_ends_the_script(flow: Project) -> None:
    flow.replace("helper.py", "return FACTOR * n", "raise ValueError('no luck')")
    flow.write("flow.py", FLOW + MAIN)
    done = python(flow, "flow.py", "2")
    assert done.code == 1
    assert "ValueError: no luck" in done.err
    assert "in twice" in done.err


def test_code_without_source_is_refused(project: Project) -> None:
    code = "from pipeglot import pipeline, step\n@step\ndef one() -> int: return 1\n"
    code += "@pipeline\ndef p() -> None: one()\np.run()"
    done = python(project, "-c", code)
    if sys.version_info < (3, 13):  # later ones keep it
        assert done.code == 1
        assert "DefinitionError: " in done.err
        assert "the source of `one` cannot be seen" in done.err
        assert "hint: write it in a file, or in a cell of a notebook" in done.err
    else:
        assert done.code == 0, done.err


def test_a_pipeline_in_a_pipeline_is_not_run(flow: Project) -> None:
    flow.write(
        "outer.py", "from pipeglot import pipeline\nfrom flow import flow\n@pipeline\ndef o() -> None: flow.run()\n"
    )
    done = flow("run", "outer.py:o", code=2)
    assert "`flow.run(…)` stands in a pipeline, which only says what runs" in done.err
    assert "hint: `flow(…)` adds its steps" in done.err


def test_a_run_in_a_step_is_refused(flow: Project) -> None:
    flow.write(
        "outer.py",
        "from pipeglot import pipeline, step\nimport flow\n@step\ndef s() -> str:\n    return flow.flow.run().id\n"
        "@pipeline\ndef o() -> None: s()\n",
    )
    done = flow("run", "outer.py:o", code=1)
    assert "UsageError: `flow.run(…)` was called in a worker" in done.err
