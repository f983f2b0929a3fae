"""What `--json` prints is what its schema says, for every command, whether it works or fails."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pipeglot.cli.arguments import ARGUMENTS
from pipeglot.cli.commands import COMMANDS
from pipeglot.cli.schemas import ERROR, SCHEMAS, VARIANTS
from tests.e2e.conftest import FLOW, HELPER, Project
from tests.e2e.schemas import valid

OUTPUT = "latest/total/output"
CASES: dict[str, list[list[str]]] = {
    "init": [["init", "new", "--json"]],
    "run": [["run", "flow.py", "--json"], ["run", "flow.py", "--json", "-p", "count=9", "--no-cache"]],
    "check": [["check", "flow.py", "--json"], ["check", "noted.py", "--json"]],
    "compile": [
        ["compile", "flow.py", "--ir", "--json"],
        ["compile", "flow.py", "--ir", "--json", "--out", "ir"],
        ["compile", "flow.py", "--ir", "--json", "--out", "ir", "--check"],
        ["compile", "flow.py", "--json", "--stack", "prod"],
        ["compile", "flow.py", "--json", "--stack", "prod", "--out", "dags"],
    ],
    "deploy": [["deploy", "flow.py", "--json", "--stack", "prod"]],
    "stack list": [["stack", "list", "--json"]],
    "stack show": [["stack", "show", "--json"], ["stack", "show", "prod", "--json"]],
    "stack set": [["stack", "set", "local", "--json"]],
    "stack add": [["stack", "add", "new", "--backend", "airflow", "-o", "version=2", "-o", "auth.user=a", "--json"]],
    "stack remove": [["stack", "remove", "prod", "--json"]],
    "stack check": [["stack", "check", "--json"], ["stack", "check", "prod", "--target", "flow.py", "--json"]],
    "runs list": [["runs", "list", "--json"]],
    "runs show": [["runs", "show", "latest", "--json"]],
    "runs logs": [["runs", "logs", "latest", "--json"], ["runs", "logs", "latest", "numbers", "--json"]],
    "artifact list": [["artifact", "list", "--json"]],
    "artifact show": [["artifact", "show", OUTPUT, "--json"]],
    "artifact get": [["artifact", "get", OUTPUT, "--json"], ["artifact", "get", OUTPUT, "--json", "-o", "out.json"]],
    "cache explain": [["cache", "explain", "latest", "total", "--json"]],
    "plan": [["plan", "flow.py", "--json"], ["plan", "flow.py", "--json", "--no-cache", "-p", "count=9"]],
    "backfill": [
        ["backfill", "flow.py", "--from", "2026-01-01", "--to", "2026-01-02", "--every", "1d", "--dry-run", "--json"],
        ["backfill", "flow.py", "--from", "2026-01-01", "--to", "2026-01-01", "--every", "1d", "--json"],
    ],
    "bundle": [
        ["bundle", "flow.py", "--json", "--list", "-v"],
        ["bundle", "flow.py", "--json", "--out", "code.tar.gz"],
        ["bundle", "flow.py", "--json", "--push"],
    ],
    "stack schema": [["stack", "schema", "--json"]],
    "runs resume": [["runs", "resume", "latest", "--json"]],
    "runs cancel": [["runs", "cancel", "latest", "--json"]],
    "runs diff": [["runs", "diff", "latest", "latest", "--json"]],
    "replay": [["replay", "latest", "total", "--json"]],
    "lineage": [["lineage", "latest", "--json"], ["lineage", OUTPUT, "--json", "--up"]],
    "lineage export": [["lineage", "export", "latest", "--openlineage", "--json"]],
    "store verify": [["store", "verify", "--json"], ["store", "verify", "--repair", "--json"]],
    "store gc": [["store", "gc", "--json"], ["store", "gc", "--keep-last", "1", "--yes", "--json"]],
    "store size": [["store", "size", "--json"]],
    "store reindex": [["store", "reindex", "--json"]],
    "sandbox up": [],  # it takes a real engine: tests/conformance holds what it prints against the schema
    "sandbox down": [["sandbox", "down", "airflow", "--home", "sandbox", "--json"]],
    "sandbox status": [["sandbox", "status", "--home", "sandbox", "--json"]],
    "worker dockerfile": [["worker", "dockerfile", "flow.py", "--stack", "kfp", "--json"]],
    "worker requirements": [["worker", "requirements", "--airflow", "3.3", "--json"]],
    "matrix": [["matrix", "--json"]],
    "completion": [["completion", "bash", "--json"]],
    "explain": [["explain", "truth", "--json"]],
}
NOTED = """\
from pipeglot import Resources, pipeline, step

@step(resources=Resources(gpu=1))
def one() -> int:
    return 1

@pipeline
def noted() -> None:
    one()
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a run in it."""
    made = Project(tmp_path_factory.mktemp("project"))
    made.write("flow.py", FLOW)
    made.write("helper.py", HELPER)
    made.write("noted.py", NOTED)
    prod = f"{{backend: airflow, store: '{made.root}/prod', dags_folder: .}}"
    kfp = "{backend: kfp, store: '/mnt/store', image: 'steps:1'}"
    stacks = f"local: {{backend: local, pools: {{gpu: 1}}}}\n  prod: {prod}\n  kfp: {kfp}"
    made.write("pipeglot.yaml", f"stacks:\n  {stacks}\n")
    made("run", "flow.py")
    made("run", "flow.py", "-p", "count=4")
    return made.root


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Project:
    return Project(Path(shutil.copytree(made, tmp_path / "copy")))


def test_every_command_has_a_schema_an_option_and_a_case() -> None:
    assert list(SCHEMAS) == list(COMMANDS) == list(ARGUMENTS)
    assert set(CASES) == set(COMMANDS)
    for command, arguments in ARGUMENTS.items():
        assert any("--json" in argument.flags for argument in arguments), command


@pytest.mark.parametrize("command", COMMANDS)
def test_what_it_prints(copied: Project, command: str) -> None:
    for words in CASES[command]:
        valid(SCHEMAS[command], copied(*words).json)


def test_options_that_change_what_is_printed(copied: Project) -> None:
    assert list(VARIANTS) == ["lineage --digest"]
    valid(VARIANTS["lineage --digest"], copied("lineage", "latest", "--digest", "--json").json)


def test_what_differs_between_runs(copied: Project) -> None:
    one, two = (one["run_id"] for one in copied("runs", "list", "--json").json)
    found = copied("runs", "diff", one, two, "--json", code=1).json
    valid(SCHEMAS["runs diff"], found)


def test_what_a_pipeline_notes(copied: Project) -> None:
    notes = copied("check", "noted.py", "--json").json["notes"]
    assert [(note["code"], note["file"], note["line"]) for note in notes] == [("advisory", "noted.py", 9)]


def test_the_same_run_is_shown_later(copied: Project) -> None:
    found = copied("run", "flow.py", "--json").json
    assert copied("runs", "show", found["run_id"], "--json").json == found


def test_logs_tell_what_each_attempt_printed_and_why_it_failed(project: Project) -> None:
    project.write("f.py", FAILING)
    project("run", "f.py", code=1)
    first, second = project("runs", "logs", "latest", "--json").json
    assert [first["text"], second["text"]] == ["trying\n", "trying\n"]
    assert [first["attempt"], second["attempt"]] == [1, 2]
    assert second["failure"]["type"] == "ValueError"
    valid(SCHEMAS["runs logs"], [first, second])


FAILING = """\
from pipeglot import Retry, pipeline, step

@step(retry=Retry(2))
def one() -> int:
    print("trying")
    raise ValueError("no")

@pipeline
def failing() -> None:
    one()
"""


def test_a_failed_run_is_a_result(project: Project) -> None:
    project.write("f.py", FAILING)
    valid(SCHEMAS["run"], project("run", "f.py", "--json", code=1).json)


def test_compiled_files_tell_their_state(copied: Project) -> None:
    words = ["compile", "flow.py", "--ir", "--out", "out", "--json"]
    states = [copied(*words, "--check", code=1), copied(*words), copied(*words, "--check")]
    copied.replace("helper.py", "FACTOR = 2", "FACTOR = 3")
    states.append(copied(*words, "--check", code=1))
    assert [one.json["files"][0]["state"] for one in states] == ["missing", "written", "up to date", "out of date"]
    assert json.loads((copied.root / "out/flow.pipeglot.json").read_text())["name"] == "flow"
    assert copied("compile", "flow.py", "--ir", "--json").json["ir"]["name"] == "flow"


FAILURES: list[tuple[list[str], str, int]] = [
    (["run", "nosuch.py"], "target", 2),
    (["run", "flow.py", "-p", "count=x"], "param", 2),
    (["run", "flow.py", "--wat"], "usage", 2),
    (["check", "bad.py"], "definition", 2),
    (["compile", "flow.py"], "unsupported", 33),
    (["stack", "set", "nosuch"], "not-found", 2),
    (["runs", "show", "nosuch"], "not-found", 2),
    (["artifact", "get", "latest/tell/nosuch"], "not-found", 2),
    (["artifact", "get", "latest/tell/output", "-o", "flow.py"], "usage", 2),
    (["init"], "usage", 2),
]


@pytest.mark.parametrize(("words", "code", "exit_code"), FAILURES)
def test_what_it_prints_when_it_fails(copied: Project, words: list[str], code: str, exit_code: int) -> None:
    copied.write("bad.py", NOTED.replace("    one()\n", "    if one() > 1:\n        one() + 1\n"))
    done = copied(*words, "--json", code=exit_code)
    valid(ERROR, done.json)
    error = done.json["error"]
    assert (error["code"], error["exit_code"]) == (code, exit_code)
    assert done.err.startswith("error: ")
    assert not done.err.startswith("error: this is a bug")
    assert bool(error["problems"]) == (code in ("definition", "unsupported"))
    for problem in error["problems"]:
        assert problem["message"] in done.err
        assert f"[{problem['code']}]" in done.err


def test_bytes_are_no_json(copied: Project) -> None:
    copied.write("raw.py", NOTED.replace("-> int:\n    return 1", "-> bytes:\n    return b'x'"))
    copied("run", "raw.py")
    error = copied("artifact", "get", "latest/one/output", "--json", code=2).json["error"]
    assert error["message"] == "this is bytes, which has no form in JSON"
    assert error["hint"] == "write it to a file: `pipeglot artifact get latest/one/output --json -o FILE.bin`"
