"""Values from outside the code, as a user is told of them: once a command, with place and way out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.project import Project, ran

FLOW = """\
import json
from pathlib import Path

from pipeglot import Cache, pipeline, step
from settings import HOST, PORT

CONF = json.loads(Path("conf.json").read_text())


@step
def first(n: int) -> int:
    return n + CONF["a"]


@step
def second(n: int) -> int:
    return n * CONF["a"]


@step(cache=Cache(version="1"))
def vouched(n: int) -> int:
    return n - CONF["a"]


@step(cache=False)
def never(n: int) -> int:
    return n - CONF["a"]


@step
def third(n: int) -> str:
    return f"{HOST}:{PORT + n}"


@pipeline(on_success=[never])
def flow(n: int = 3) -> None:
    first(n)
    second(n)
    vouched(n)
    never(n)
    third(n)
"""
SETTINGS = 'import os\n\nHOST = os.environ.get("HOST", "h")\nPORT = int(os.getenv("PORT", "1"))\n'
NOTES = """\
note: flow.py:7: `CONF` comes from outside the code, by `Path('conf.json').read_text()`: if that changes, \
`first`, `second` still come from the cache  [outside]
  hint: read it in a step with `cache=False` that gives it to the others; or vouch for it: \
`@step(cache=Cache(version=…))`
note: settings.py:3: `HOST`, `PORT` come from outside the code, by `os.environ.get('HOST', 'h')`: if that changes, \
`third` still comes from the cache  [outside]
  hint: make it a parameter of the pipeline; or vouch for it: `@step(cache=Cache(version=…))`
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path, flow=FLOW, settings=SETTINGS)
    made.write("conf.json", '{"a": 1}')
    return made


@pytest.mark.parametrize("command", ["check", "plan", "run"])
def test_a_command_tells_of_it_once(project: Project, command: str) -> None:
    done = project.call(command, "flow.py")
    assert done.returncode == 0
    assert done.stderr.startswith(NOTES)
    assert done.stderr.count("[outside]") == 2


def test_the_results_are_really_those_of_before(project: Project) -> None:
    """What the note says: if this fails, the note is wrong."""
    project.run("flow.py")
    project.write("conf.json", '{"a": 2}')
    assert ran(project.run("flow.py")) == ["never", "never_2"]


def test_explain_tells_of_the_steps_own(project: Project) -> None:
    project.run("flow.py")
    told = project.call("cache", "explain", "latest", "second")
    assert told.stderr == NOTES[: NOTES.index("note: settings")].replace(
        "`first`, `second` still come", "`second` still comes"
    )
    assert "[outside]" not in project.call("cache", "explain", "latest", "vouched").stderr
    (note,) = json.loads(project.call("cache", "explain", "latest", "first", "--json").stdout)["notes"]
    assert (note["code"], note["file"], note["line"]) == ("outside", "flow.py", 7)
    assert "cache=False" in note["hint"]


def test_explain_is_silent_of_other_code_than_ran(project: Project) -> None:
    project.run("flow.py")
    project.edit("flow.py", "n + CONF", "n - CONF")
    assert "[outside]" not in project.call("cache", "explain", "latest", "first").stderr
    project.write("flow.py", "def (")
    assert "[outside]" not in project.call("cache", "explain", "latest", "second").stderr


def test_check_gives_it_to_programs(project: Project) -> None:
    notes = json.loads(project.call("check", "flow.py", "--json").stdout)["notes"]
    assert [(note["code"], note["file"], note["line"]) for note in notes] == [
        ("outside", "flow.py", 7),
        ("outside", "settings.py", 3),
    ]


def test_an_ir_file_is_told_of_too(project: Project) -> None:
    project.write("flow.pipeglot.json", project.call("compile", "flow.py", "--ir").stdout)
    assert project.call("check", "flow.pipeglot.json").stderr == NOTES


def test_python_is_told_of_it(project: Project) -> None:
    project.write("start.py", "from flow import flow\nif __name__ == '__main__':\n    flow.run(n=1)\n")
    done = subprocess.run(
        [sys.executable, "start.py"], cwd=project.folder, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr.count("from outside the code") == 2, done.stderr


def test_a_function_that_reads_is_named_with_its_place(project: Project) -> None:
    project.write("settings.py", "def load():\n    return open('conf.json').read()\n\nHOST, PORT = load(), 1\n")
    told = project.call("check", "flow.py").stderr
    assert (
        "note: settings.py:4: `HOST`, `PORT` come from outside the code, by `open('conf.json')` in `load` "
        "(settings.py:2): if that changes, `third` still comes from the cache  [outside]\n"
    ) in told


def test_an_import_by_a_made_up_name_is_told(project: Project) -> None:
    project.write(
        "settings.py", "import importlib\n\ndef HOST(name): return importlib.import_module(name)\n\nPORT = 1\n"
    )
    told = project.call("check", "flow.py").stderr
    assert (
        "note: settings.py:3: `HOST` imports what no text names, by `importlib.import_module(name)`: "
        "if that changes, `third` still comes from the cache  [outside]\n"
        "  hint: write `import`, or `import_module` with the name as a text; "
    ) in told
