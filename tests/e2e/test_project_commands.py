"""`init`, `stack`, `check`, `compile`, help, and mistakes on the command line."""

from __future__ import annotations

import json

import pytest

from pipeglot import __version__
from pipeglot.cli.commands import COMMANDS, GROUPS
from tests.e2e.conftest import Project


def test_help_and_version(project: Project) -> None:
    text = project("--help").out
    assert all(name in text for name in COMMANDS)
    assert project("help").out == text
    assert project("-h").out == text
    done = project(code=2)
    assert (done.out, done.err) == ("", text)
    assert project("--version").out == f"pipeglot {__version__}\n"
    for name in COMMANDS:
        assert project(*name.split(), "--help").out.startswith(f"usage: pipeglot {name} ")
    for group in GROUPS:
        text = project(group, "--help").out
        assert text.startswith(f"usage: pipeglot {group} COMMAND")
        assert project(group, code=2).err == text


# --- init -------------------------------------------------------------------------------------------------------------


def test_init_makes_a_pipeline_that_runs(project: Project) -> None:
    done = project("init")
    assert done.out == "\nnext:\n  pipeglot run pipeline.py\n  pipeglot run pipeline.py -p count=9\n"
    assert (project.root / ".gitignore").read_text() == ".pipeglot/\n"
    commands = [line.split()[1:] for line in done.out.splitlines() if line.startswith("  pipeglot")]
    first = project(*commands[0], "--json").json
    assert first["pipeline"] == "wordcount"
    assert {step["status"] for step in first["steps"]} == {"succeeded", "skipped"}
    second = project(*commands[1], "--json").json
    assert sum(step["cached"] for step in second["steps"]) > 5
    assert sum(not step["cached"] and step["status"] == "succeeded" for step in second["steps"]) > 3
    assert project("runs", "logs", first["run_id"], "describe").out.count("looking at ") == 5
    assert project("check", "pipeline.py", "--all").out.startswith("wordcount is fine: 7 steps, 2 parameters")


def test_init_of_a_folder(project: Project) -> None:
    project.write(".gitignore", "x")
    done = project("init", "my project")
    assert "  cd 'my project'\n" in done.out
    assert (project.root / "my project/pipeline.py").exists()
    project("init")
    assert (project.root / ".gitignore").read_text() == "x\n.pipeglot/\n"


@pytest.mark.parametrize("name", ["pipeglot.yaml", "pipeline.py"])
def test_init_replaces_nothing(project: Project, name: str) -> None:
    project.write(name, "mine")
    done = project("init", code=2)
    assert done.err.startswith(f"error: `{name}` is there already, and `init` replaces nothing")
    assert [path.name for path in project.root.iterdir()] == [name]
    assert (project.root / name).read_text() == "mine"


def test_init_in_a_file(project: Project) -> None:
    project.write("file", "")
    assert "`file` is no folder" in project("init", "file", code=2).err


# --- explain ----------------------------------------------------------------------------------------------------------


def test_every_code_is_explained(project: Project) -> None:
    done = project("run", "nosuch.py", code=2)
    code = done.err.splitlines()[0].rpartition("  ")[2]
    assert code == "[target]"
    assert project("explain", code).out == project("explain", "target").out
    text = project("explain", "truth").out
    assert text.startswith("`truth`: `if` on a result\n\nA pipeline function is traced once")
    assert "\n  # pipeline.py\n\n  from pipeglot import" in text
    assert "```" not in text
    assert project("explain", "truth", "--json").json["title"] == "`if` on a result"
    assert "hint: did you mean `truth`?" in project("explain", "turth", code=2).err
    assert "hint: it stands in brackets" in project("explain", "../index", code=2).err


# --- stacks -----------------------------------------------------------------------------------------------------------

TWO = """\
stacks:
  one: {backend: local, store: one, pools: {gpu: 2}}
  two: {backend: local, store: two}
"""


def test_stacks(flow: Project) -> None:
    flow.write("pipeglot.yaml", TWO)
    done = flow("run", "flow.py", code=2)
    assert done.err.startswith("error: `pipeglot.yaml` has several stacks (`one`, `two`), and none is active")
    assert "hint: choose one: `pipeglot stack set one`" in done.err
    assert flow("stack", "list").out.splitlines()[1].split() == ["one", "local", "one"]
    assert flow("stack", "set", "two").out == "the active stack is two\n"
    assert flow("stack", "list").out.splitlines()[2].split() == ["*", "two", "local", "two"]
    assert [stack["active"] for stack in flow("stack", "list", "--json").json] == [False, True]
    assert flow("run", "flow.py", "--json").json["stack"] == "two"
    assert (flow.root / "two/store.json").exists()
    assert flow("run", "flow.py", "--json", "--stack", "one").json["stack"] == "one"
    assert len(flow("runs", "list", "--json", "--stack", "one").json) == 1
    shown = flow("stack", "show", "one", "--json").json
    assert shown["pools"] == {"gpu": 2}
    assert shown["durable"] is False
    assert "pools         gpu: 2" in flow("stack", "show", "one").out
    assert "stack `one`" not in flow("stack", "show").out
    for words in (["stack", "set", "tow"], ["run", "flow.py", "--stack", "tow"], ["stack", "show", "tow"]):
        done = flow(*words, code=2)
        assert (
            done.err == "error: there is no stack `tow` in `pipeglot.yaml`  [not-found]\n\nhint: did you mean `two`?\n"
        )
    flow.replace("pipeglot.yaml", "two:", "three:")
    done = flow("run", "flow.py", code=2)
    assert done.err.startswith("error: the active stack is `two`, and there is no such stack in `pipeglot.yaml`")
    flow("stack", "list")


def test_a_wrong_configuration_is_told_by_every_command(flow: Project) -> None:
    flow.write("pipeglot.yaml", "stacks:\n  local: {backend: local, stroe: x}\n  prod: {backend: spark}\n")
    for words in (["run", "flow.py"], ["check", "flow.py"], ["runs", "list"], ["stack", "list"]):
        done = flow(*words, code=2)
        assert "pipeglot.yaml:2: stack `local` has no setting `stroe`  [config]\n" in done.err
        assert "\n  hint: did you mean `store`?" in done.err
        assert "pipeglot.yaml:3: stack `prod` names the backend `spark`" in done.err
        assert "hint: the backends are: `local`" in done.err
        assert "Traceback" not in done.err


def test_the_configuration_is_read_from_its_cache(flow: Project) -> None:
    flow("stack", "list")
    cache = flow.root / ".pipeglot/cache/config.json"
    assert cache.exists()
    flow.write("yaml.py", "raise RuntimeError('yaml was imported')")
    here = str(flow.root)
    flow("stack", "list", PYTHONPATH=here)
    cache.write_bytes(cache.read_bytes()[:-3])
    assert "yaml was imported" in flow("stack", "list", code=1, PYTHONPATH=here).err
    flow("stack", "list")
    flow("stack", "list", PYTHONPATH=here)
    flow.write("pipeglot.yaml", "stacks:\n  other: {backend: local}\n")
    assert "yaml was imported" in flow("stack", "list", code=1, PYTHONPATH=here).err
    assert "other" in flow("stack", "list").out


# --- check and compile ------------------------------------------------------------------------------------------------


def test_check_all(flow: Project) -> None:
    flow.write("pipeglot.yaml", TWO)
    flow.replace("flow.py", "@step\ndef double", '@step(pool="gpu")\ndef double')
    assert flow("check", "flow.py", "--stack", "one").out.endswith("stack `one` can run it\n")
    done = flow("check", "flow.py", "--all", code=33)
    assert "`double` runs in pool `gpu`, which stack `two` does not declare" in done.err
    flow.replace("pipeglot.yaml", "store: two", "store: two, pools: {gpu: 1}")
    assert flow("check", "flow.py", "--all").out.endswith("stacks `one`, `two` can run it\n")


def test_compile(flow: Project) -> None:
    done = flow("compile", "flow.py", code=33)
    assert done.err.startswith("error: stack `local` runs pipelines as they are, so there is nothing to compile")
    flow.replace("flow.py", "import helper\n", 'import helper\n\nprint("at import")\n')
    text = flow("compile", "flow.py", "--ir").out
    assert json.loads(text)["name"] == "flow"
    assert flow("compile", "flow.py", "--ir", "--out", "out").out == ""
    assert (flow.root / "out/flow.pipeglot.json").read_text() == text
    check = ["compile", "flow.py", "--ir", "--out", "out", "--check"]
    assert flow(*check).err.endswith("out/flow.pipeglot.json is up to date\n")
    flow.replace("helper.py", "FACTOR = 2", "FACTOR = 3")
    done = flow(*check, code=1)
    assert "error: `out/flow.pipeglot.json` is out of date" in done.err
    assert "hint: `pipeglot compile flow.py --ir --out out` writes it" in done.err
    assert (flow.root / "out/flow.pipeglot.json").read_text() == text
    assert "is not there" in flow("compile", "flow.py", "--ir", "--out", "elsewhere", "--check", code=1).err
    assert not (flow.root / "elsewhere").exists()
