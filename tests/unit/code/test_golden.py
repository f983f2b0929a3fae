"""The digests of a fixed example: what they were yesterday, and the same on every Python that is here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.code.render import render

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]
GOLDEN = HERE / "example" / "golden.txt"
VERSIONS = ("3.11", "3.12", "3.13", "3.14", "3.15")
STARTS = [
    f"steps:{name}"
    for name in (
        "train",
        "write",
        "decide",
        "gather",
        "dynamic",
        "Steps.static",
        "Steps.of_class",
        "make.<locals>.inner",
        "last",
    )
]
"""In no order that means anything: another one gives the same digests."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, laid out as Python. In the repository its files end in `.txt`, for no tool to lay hands on them."""
    folder = tmp_path_factory.mktemp("example")
    for source in (HERE / "example").rglob("*.py.txt"):
        target = folder / source.relative_to(HERE / "example").with_suffix("")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return folder


def test_golden(root: Path) -> None:
    text = render(str(root), STARTS)
    if os.environ.get("PIPEGLOT_UPDATE_GOLDEN") == "1":
        GOLDEN.write_text(text, "utf-8")
    assert text == GOLDEN.read_text("utf-8")


def test_order_of_asking(root: Path) -> None:
    backwards = render(str(root), STARTS[::-1]).split("\n\n")
    assert sorted(part.strip("\n") for part in backwards) == sorted(
        part.strip("\n") for part in GOLDEN.read_text("utf-8").split("\n\n")
    )


def interpreters() -> list[str]:
    """Every Python of a version that we support, on the PATH or among pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = [str(path) for version in VERSIONS for path in sorted(pyenv.glob(f"versions/{version}*/bin/python"))]
    found += [path for version in VERSIONS if (path := shutil.which(f"python{version}"))]
    return [sys.executable, *dict.fromkeys(found)]


@pytest.mark.parametrize("python", interpreters())
@pytest.mark.parametrize(("seed", "options"), [("0", []), ("1234", ["-OO", "-X", "utf8=0"])], ids=["plain", "strange"])
def test_same_on_every_python(python: str, seed: str, options: list[str], root: Path, tmp_path: Path) -> None:
    """Another process, hash seed, working directory, locale and zone; nothing installed; warnings are errors."""
    env = {"PYTHONPATH": str(REPOSITORY), "PYTHONHASHSEED": seed, "LC_ALL": "C", "TZ": "Asia/Tokyo", "PATH": os.defpath}
    if subprocess.run([python, "-c", ""], env=env, capture_output=True, check=False).returncode:
        pytest.skip("a shim of no version")
    command = [python, "-S", "-W", "error", *options, str(HERE / "render.py"), os.path.relpath(root, tmp_path), *STARTS]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode() == GOLDEN.read_text("utf-8")
