"""`make dist`: what the wheel and the sdist hold, and that their bytes depend on nothing but the files in them."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from tests.e2e.conftest import ENVIRONMENT

REPOSITORY = Path(__file__).parents[2]
SOURCES = ("pipeglot", "docs/errors")
BESIDE = ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "Makefile", ".gitignore")
JUNK = (
    "pipeglot/notes.md",
    "pipeglot/core/ir.py~",
    "pipeglot/core/.ir.py.swp",
    "pipeglot/cli/__pycache__/main.cpython-311.pyc",
    "pipeglot/compilers/airflow/sandbox_v3.txt.orig",
    "pipeglot/.pipeglot/store/secret",
    "pipeglot/.env",
    "docs/errors/.DS_Store",
)


def tracked() -> list[str]:
    """What git knows, or would if it were added; less what was deleted and not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *SOURCES],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    )
    return sorted(name for name in listed.stdout.split("\0") if name and (REPOSITORY / name).exists())


def in_wheel(name: str) -> str:
    return name.replace("docs/errors/", "pipeglot/cli/error_pages/")


def checkout(folder: Path, seed: int, umask: int) -> Path:
    """The same files, written in another order, at other times, with other modes, beside what belongs to none."""
    draw = random.Random(seed)
    names = [*tracked(), *BESIDE]
    draw.shuffle(names)
    before = os.umask(umask)
    try:
        for name in [*names, *JUNK]:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((REPOSITORY / name).read_bytes() if name not in JUNK else b"junk")
            os.utime(target, (draw.randrange(10**9, 2 * 10**9),) * 2)
    finally:
        os.umask(before)
    return folder


def make_dist(folder: Path, umask: int, **environment: str) -> dict[str, bytes]:
    """What `make dist` makes there, with the environment of this checkout instead of one of its own."""
    venv = str(Path(sys.prefix))
    subprocess.run(
        ["make", "-o", f"{venv}/.ready", f"VENV={venv}", "dist"],
        cwd=folder,
        env={**ENVIRONMENT, **environment},
        umask=umask,
        check=True,
        capture_output=True,
    )
    return {path.name: path.read_bytes() for path in (folder / "dist").iterdir()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = checkout(tmp_path_factory.mktemp("one"), 1, 0o022)
    return make_dist(folder, 0o022, TZ="UTC", PYTHONHASHSEED="1", LC_ALL="C")


def test_two_builds_are_the_same_bytes(made: dict[str, bytes], tmp_path: Path) -> None:
    folder = checkout(tmp_path / "another/place, with a longer name", 2, 0o077)
    again = make_dist(
        folder, 0o077, TZ="Asia/Kathmandu", PYTHONHASHSEED="2", LC_ALL="C.UTF-8", SOURCE_DATE_EPOCH="1700000000"
    )
    assert sorted(again) == ["pipeglot-0.1.0-py3-none-any.whl", "pipeglot-0.1.0.tar.gz"]
    assert {name: hashlib.sha256(data).hexdigest() for name, data in again.items()} == {
        name: hashlib.sha256(data).hexdigest() for name, data in made.items()
    }


def test_the_wheel_holds_what_git_has_and_nothing_else(made: dict[str, bytes], tmp_path: Path) -> None:
    with zipfile.ZipFile(write(tmp_path, made, ".whl")) as wheel:
        held = {name for name in wheel.namelist() if ".dist-info/" not in name}
        modes = {info.external_attr >> 16 & 0o777 for info in wheel.infolist()}
    assert held == {in_wheel(name) for name in tracked()}
    assert {PurePosixPath(name).name for name in held} >= {
        "dag.py.j2",
        "sandbox_v3.txt",
        "pipeglot.schema.json",
        "py.typed",
    }
    assert modes == {0o644}


def test_the_sdist_holds_what_the_wheel_is_made_of(made: dict[str, bytes], tmp_path: Path) -> None:
    with tarfile.open(write(tmp_path, made, ".tar.gz")) as sdist:
        held = {name.partition("/")[2] for name in sdist.getnames()}
        owners = {(member.uid, member.uname, member.mtime) for member in sdist}
    wanted = {*tracked(), "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", ".gitignore", "PKG-INFO"}
    assert held == wanted
    assert owners == {(0, "", 1580601600)}


def test_the_wheel_alone_does_what_the_checkout_does(made: dict[str, bytes], tmp_path: Path) -> None:
    """Compiles for Airflow, explains an error, knows a sandbox's pins: all from files of the wheel."""
    site = tmp_path / "site"
    shutil.unpack_archive(write(tmp_path, made, ".whl"), site, "zip")
    project = tmp_path / "project"
    project.mkdir()
    run = [sys.executable, "-P", "-m", "pipeglot"]
    environment = {**ENVIRONMENT, "PYTHONPATH": str(site)}

    def pipeglot(*words: str) -> str:
        done = subprocess.run([*run, *words], cwd=project, env=environment, check=True, capture_output=True, text=True)
        return done.stdout

    asked = "import pipeglot; print(pipeglot.__file__)"
    found = subprocess.run(
        [sys.executable, "-P", "-c", asked], env=environment, check=True, capture_output=True, text=True
    )
    assert Path(found.stdout.strip()).is_relative_to(site)
    pipeglot("init")
    (project / "pipeglot.yaml").write_text(
        "stacks:\n  local: {backend: local}\n  air: {backend: airflow, store: 's3://b/p'}\n"
    )
    assert "from airflow.sdk import" in pipeglot("compile", "pipeline.py", "--stack", "air")
    assert "when(" in pipeglot("explain", "truth")
    assert '"pipeglot.yaml"' in pipeglot("stack", "schema")


def write(folder: Path, made: dict[str, bytes], suffix: str) -> Path:
    [name] = [name for name in made if name.endswith(suffix)]
    path = folder / name
    path.write_bytes(made[name])
    return path
