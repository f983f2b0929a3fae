"""A project in a folder, and `pipeglot` as a user runs it there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[2] / "examples"


class Project:
    """Files and commands. What a command needs of the environment is taken from this one, and changed by `env`."""

    def __init__(self, folder: Path, **files: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            self.write(name.replace("__", "/") + ".py", text)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def edit(self, name: str, old: str, new: str) -> None:
        """Change one place of a file, which must be there."""
        text = (self.folder / name).read_text()
        assert text.count(old) == 1
        self.write(name, text.replace(old, new))

    def call(self, *words: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pipeglot", *words],
            cwd=cwd or self.folder,
            env={**os.environ, "NO_COLOR": "1", **env},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def run(self, target: str, *words: str, cwd: Path | None = None, **env: str) -> dict[str, Any]:
        """`pipeglot run TARGET --json`: the object that it prints."""
        done = self.call("run", target, "--json", *words, cwd=cwd, **env)
        assert done.stdout, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        assert done.returncode == (0 if found["status"] == "succeeded" else 1), done.stderr
        return found

    def value(self, view: dict[str, Any], *place: str) -> Any:
        """Plain data that a run left: `"best", "auc"`."""
        done = self.call("artifact", "get", "/".join([view["run_id"], *place]))
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def example(name: str, folder: Path) -> Project:
    """A copy of an example, without what was run there."""
    ignored = shutil.ignore_patterns("__pycache__", ".pipeglot")
    shutil.copytree(EXAMPLES / name, folder, dirs_exist_ok=True, ignore=ignored)
    return Project(folder)


def statuses(view: dict[str, Any]) -> dict[str, str]:
    return {step["id"]: step["status"] for step in view["steps"]}


def ran(view: dict[str, Any]) -> list[str]:
    """The steps that were executed, not taken from the cache."""
    return sorted({step["id"] for step in view["steps"] if step["status"] == "succeeded" and not step["cached"]})
