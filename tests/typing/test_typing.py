"""What mypy and pyright say of the code that users write: all of the good, and each wrong use where it stands."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TypeAlias

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CASES = ("accepted.py", "rejected.py")
Lines: TypeAlias = set[tuple[str, int]]


def expected(checker: str) -> Lines:
    return {
        (name, number)
        for name in CASES
        for number, line in enumerate((HERE / name).read_text().splitlines(), 1)
        if checker in line.partition("# E:")[2].split()
    }


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def told(found: dict[tuple[str, int], str], wanted: Lines) -> str:
    extra = [f"{name}:{line}: {found[name, line]}" for name, line in sorted(found.keys() - wanted)]
    missing = [f"{name}:{line}: no error" for name, line in sorted(wanted - found.keys())]
    return "\n".join([*extra, *missing])


def test_mypy() -> None:
    options = ("--strict", "--config-file=", f"--cache-dir={ROOT / '.mypy_cache' / 'typing'}", "--no-error-summary")
    out = run(sys.executable, "-m", "mypy", *options, *(str(HERE / name) for name in CASES), cwd=ROOT)
    found = {}
    for path, line, message in re.findall(r"^(.+?):(\d+): error: (.*)$", out, re.MULTILINE):
        assert (ROOT / path).parent == HERE, f"{path}:{line}: {message}"
        found[Path(path).name, int(line)] = message
    assert not told(found, expected("mypy"))


@pytest.mark.parametrize("mode", ["strict", "basic"])
def test_pyright(tmp_path: Path, mode: str) -> None:
    """On copies, out of reach of the settings of this repository."""
    for name in CASES:
        shutil.copy(HERE / name, tmp_path)
    config = {"typeCheckingMode": mode, "reportUnusedExpression": False, "reportUnusedVariable": False}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config))
    options = ("--project", str(tmp_path), "--pythonpath", sys.executable, "--outputjson")
    out = json.loads(run(sys.executable, "-m", "pyright", *options, cwd=tmp_path))
    assert out["summary"]["filesAnalyzed"] == len(CASES)
    found = {
        (Path(each["file"]).name, each["range"]["start"]["line"] + 1): each["message"]
        for each in out["generalDiagnostics"]
        if each["severity"] == "error"
    }
    assert not told(found, expected(mode))
