"""Shell completion, asked as the shells ask, and driven in a real bash."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_what_is_wrong_offers_nothing(project: Project) -> None:
    project.write("pipeglot.yaml", "stacks: 3")
    assert ask(project, "runs", "show", "") == []
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
    ],
)
def test_in_bash(flow: Project, tmp_path: Path, line: str, expected: list[str]) -> None:
    flow.write("my flow.py", "")
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
