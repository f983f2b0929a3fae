"""Shell completion, asked as the shells ask, and driven in a real bash."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeglot.cli.arguments import ARGUMENTS
from pipeglot.cli.candidates import Candidates
from tests.e2e.conftest import ENVIRONMENT, Project


def ask(project: Project, *words: str, cwd: str = ".") -> list[str]:
    """The candidates for the last word, as fish and zsh get them, without what is told of them."""
    done = project("__complete", "fish", "pipeglot", *words, cwd=cwd, code=None)
    assert done.err == ""
    return [line.partition("\t")[0] for line in done.out.splitlines()]


def test_commands_and_options(project: Project) -> None:
    assert ask(project, "r") == ["run", "replay", "runs"]
    assert ask(project, "runs", "") == ["list", "show", "logs", "resume", "cancel", "diff"]
    assert ask(project, "run", "--no-c") == ["--no-cache"]
    assert "--stack" in ask(project, "run", "--")
    assert "--json" not in ask(project, "run", "--json", "--")
    assert "--param" in ask(project, "run", "-p", "a=1", "--p")
    assert ask(project, "completion", "") == ["bash", "zsh", "fish"]
    assert ask(project, "nothing", "") == []
    done = project("__complete", "fish", "pipeglot", "ru")
    assert done.out.splitlines()[0] == "run\trun a pipeline"


def test_targets_without_running_them(flow: Project) -> None:
    flow.write(
        "boom.py", "from pipeglot import pipeline\nopen('ran', 'w')\n@pipeline(tags=['x'])\ndef p(a, *, b): ...\n"
    )
    flow.write("sub/deep.py", "")
    flow.write("half.py", "def (")
    flow.write(".hidden.py", "")
    assert ask(flow, "run", "") == ["boom.py", "flow.py", "half.py", "helper.py", "pipeglot.yaml", "sub/"]
    assert ask(flow, "run", "sub/") == ["sub/deep.py"]
    assert ask(flow, "run", "flow.py:") == ["flow.py:flow"]
    assert ask(flow, "run", "half.py:") == []
    assert ask(flow, "run", "boom.py:p", "-p", "") == ["a=", "b="]
    assert ask(flow, "run", "-C", "sub", "") == ["deep.py"]
    assert not (flow.root / "ran").exists()


def test_stacks_runs_steps(flow: Project) -> None:
    flow.write("pipeglot.yaml", "stacks:\n  local: {backend: local}\n  large: {backend: local, store: b}\n")
    run = flow("run", "flow.py", "--json", "--stack", "local").json["run_id"]
    assert ask(flow, "run", "flow.py", "--stack", "la") == ["large"]
    assert ask(flow, "run", "--stack=l") == ["--stack=local", "--stack=large"]
    assert ask(flow, "runs", "show", "--stack", "local", "") == ["latest", run[:10]]
    assert ask(flow, "runs", "logs", "--stack", "local", "latest", "t") == ["total", "tell"]
    assert ask(flow, "stack", "set", "") == ["local", "large"]
    assert f"{run[:10]}/" in ask(flow, "artifact", "show", "--stack", "local", "")
    assert ask(flow, "artifact", "show", "--stack", "local", "latest/to") == ["latest/total/output"]


TWO = """\
from pipeglot import log_metrics, pipeline, step
from typing import NamedTuple


class Found(NamedTuple):
    low: int
    high: int


@step
def look(day: str) -> Found:
    log_metrics({"wide": 1})
    return Found(1, 2)


@step
def alert() -> None: ...


@step
def close(x: int) -> None: ...


@pipeline(name="watch", on_failure=alert)
def watching(day: str = "Monday", bar: float = 0.5, loud: bool = False) -> None:
    close(look(day).low)


@pipeline
def idle() -> None:
    alert()
"""


@pytest.fixture
def two(flow: Project) -> Project:
    """One run of each of three pipelines: the second was cut, and has a tag."""
    flow.write("two.py", TWO)
    flow("run", "two.py:watching", "--json", "-p", "day=Tuesday")
    flow("run", "two.py:watching", "--json", "--until", "look", "--tag", "stage=new")
    flow("run", "flow.py", "--json")
    return flow


def test_runs_to_compare(two: Project) -> None:
    last, cut, whole = (run["run_id"][:10] for run in two("runs", "list", "--json").json)
    assert ask(two, "runs", "diff", "") == ["latest", last, cut, whole]
    assert ask(two, "runs", "diff", "latest", "") == ["latest", last, cut, whole]
    assert ask(two, "runs", "diff", whole, cut, "--ignore", "") == ["look", "close", "alert", "look.low", "look.high"]
    assert ask(two, "runs", "diff", whole, cut, "--ignore", "look.h") == ["look.high"]


def test_steps_of_a_target_are_those_of_its_latest_whole_run(two: Project) -> None:
    assert ask(two, "run", "two.py:watching", "--from", "") == ["look", "close"]
    assert ask(two, "plan", "two.py:watching", "--until", "c") == ["close"]
    assert ask(two, "run", "flow.py", "--until=t") == ["--until=total", "--until=tell"]
    assert ask(two, "run", "two.py:idle", "--from", "") == []  # it has never run
    assert ask(two, "run", "--from", "") == []


def test_lineage_is_asked_of_runs_and_of_artifacts(two: Project) -> None:
    last, cut, whole = (run["run_id"][:10] for run in two("runs", "list", "--json").json)
    assert ask(two, "lineage", "") == ["latest", last, cut, whole, "flow/", "watch/"]
    assert ask(two, "lineage", "late") == ["latest", "latest/"]
    assert ask(two, "lineage", "watch/") == ["watch/look.low@latest", "watch/look.high@latest"]
    assert ask(two, "lineage", "watch/look.low:") == ["watch/look.low:stage=new"]
    assert ask(two, "artifact", "get", "watch/look.l") == ["watch/look.low@latest"]
    assert ask(two, "lineage", f"{whole}/l") == [f"{whole}/look/low", f"{whole}/look/high"]


def test_items_of_a_map(two: Project) -> None:
    two("run", "flow.py", "--json", "-p", "count=12")
    assert ask(two, "artifact", "get", "latest/d") == ["latest/double/"]
    assert ask(two, "artifact", "get", "latest/double/1") == [f"latest/double/{i}/output" for i in (1, 10, 11)]
    assert ask(two, "artifact", "get", "latest/double/11/") == ["latest/double/11/output"]
    assert ask(two, "replay", "latest", "double", "--index", "1") == ["1", "10", "11"]
    assert ask(two, "replay", "latest", "total", "--index", "") == []
    assert ask(two, "artifact", "get", "flow/d") == []  # an item needs its number
    two("run", "flow.py", "--json", "-p", "count=0")
    assert ask(two, "artifact", "get", "latest/double/") == []


def test_what_runs_are_chosen_by(two: Project) -> None:
    assert ask(two, "runs", "list", "--status", "") == ["running", "succeeded", "failed", "cancelled", "lost"]
    assert ask(two, "runs", "list", "--pipeline", "") == ["flow", "watch"]
    assert ask(two, "runs", "list", "--param", "") == ["count=", "bar=", "day=", "loud="]
    assert ask(two, "runs", "list", "--param", "day=") == ["day=Monday", "day=Tuesday"]
    assert ask(two, "runs", "list", "--param", "loud=") == ["loud=false"]
    assert ask(two, "runs", "list", "--tag", "") == ["stage="]
    assert ask(two, "runs", "list", "--tag=stage=") == ["--tag=stage=new"]
    assert ask(two, "run", "flow.py", "--tag", "s") == ["stage="]


def test_metrics_are_those_of_the_index_as_it_is(two: Project) -> None:
    assert ask(two, "runs", "list", "--metric", "") == []
    two("runs", "list")
    assert ask(two, "runs", "list", "--metric", "") == ["wide"]
    assert ask(two, "runs", "list", "--sort", "w") == ["wide"]
    (index,) = (two.root / ".pipeglot/index").glob("*.sqlite")
    index.write_bytes(b"no index" * 1000)
    assert ask(two, "runs", "list", "--metric", "") == []
    assert ask(two, "runs", "list", "--pipeline", "w") == ["watch"]
    assert index.read_bytes() == b"no index" * 1000, "a key repairs nothing"


def test_a_pipeline_is_known_when_its_runs_are_not_of_late(two: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    two("runs", "list")
    monkeypatch.setattr("pipeglot.cli.candidates.MOST_LOOKED_AT", 1)
    argument = next(one for one in ARGUMENTS["runs list"] if one.flags == ("--pipeline",))
    found = Candidates("runs list", {"folder": str(two.root)}).of(argument, "")
    assert [one.word for one in found] == ["flow", "watch"]


def test_codes_of_errors(project: Project) -> None:
    assert ask(project, "explain", "param-d") == ["param-default"]


def test_a_store_without_runs_offers_nothing(flow: Project) -> None:
    for words in (["runs", "diff"], ["lineage"], ["artifact", "get"], ["runs", "list", "--pipeline"], ["runs", "show"]):
        assert [one for one in ask(flow, *words, "") if not one.startswith("-")] == [], words
    assert not (flow.root / ".pipeglot/store").exists()


def test_what_is_wrong_offers_nothing(project: Project) -> None:
    project.write("pipeglot.yaml", "stacks: 3")
    assert ask(project, "runs", "show", "") == []
    assert ask(project, "lineage", "") == []
    assert ask(project, "runs", "list", "--metric", "") == []
    assert ask(project, "run", "missing/x") == []


BASH = """
source {script}
COMP_LINE="$1"; COMP_POINT=${{#1}}
_pipeglot
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("pipeglot ru", ["run", "runs"]),
        ("pipeglot run flow.py:", ["flow"]),  # bash breaks words at colons
        ("pipeglot run flow.py -p c", ["count="]),
        ("pipeglot run --stack=l", ["local"]),
        ("pipeglot run 'my f", ["my flow.py"]),
        ("pipeglot run my", ["my\\ flow.py"]),
        ("pipeglot lineage flow/tot", ["flow/total.output@latest"]),
        ("pipeglot lineage flow/total.output@l", ["@latest"]),  # and keeps `@` with what follows
        ("pipeglot lineage flow/total.output:k", ["k=v"]),
    ],
)
def test_in_bash(flow: Project, tmp_path: Path, line: str, expected: list[str]) -> None:
    flow.write("my flow.py", "")
    flow("run", "flow.py", "--json", "--tag", "k=v")
    assert run_bash(flow, line) == expected


def run_bash(flow: Project, line: str) -> list[str]:
    script = flow.write("completion.bash", flow("completion", "bash").out)
    bash = shutil.which("bash")
    assert bash
    done = subprocess.run(
        [bash, "--norc", "-c", BASH.format(script=script), "bash", line],
        cwd=flow.root,
        env={**ENVIRONMENT, "PATH": f"{Path(sys.executable).parent}:{ENVIRONMENT['PATH']}"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_are_valid(project: Project, shell: str) -> None:
    """Read by the shell itself where it is here."""
    script = project.write(f"c.{shell}", project("completion", shell).out)
    assert "pipeglot __complete" in script.read_text()
    found = shutil.which(shell)
    if found:
        subprocess.run([found, "-n", str(script)], check=True, timeout=60)


def test_an_unknown_shell(project: Project) -> None:
    assert "tcsh" in project("completion", "tcsh", code=2).err
