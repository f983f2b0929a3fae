"""Environments of engines: made by uv once, kept, for the code that runs here; and what is told if none can be had."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import pipeglot
from pipeglot.compilers.sandboxes import environment
from pipeglot.compilers.sandboxes.environment import Pins, ensure, find_uv
from pipeglot.core.errors import SandboxError
from tests.servers.sandbox import ENVIRONMENT

PYTHONS = ("3.11", "3.12", "3.13", "3.14")


@pytest.fixture(autouse=True)
def uv(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that `make` works with."""
    monkeypatch.setenv("PATH", ENVIRONMENT["PATH"])


@pytest.fixture
def pins(tmp_path: Path) -> Pins:
    (tmp_path / "pins.txt").write_text("# nothing\n")
    return Pins("fake-1.0", tmp_path / "pins.txt", PYTHONS)


def made(pins: Pins, folder: Path) -> tuple[Path, list[str]]:
    told: list[str] = []
    return ensure(pins, folder, told.append), told


def test_it_is_made_once_and_has_this_very_pipeglot(pins: Pins, tmp_path: Path) -> None:
    first, told = made(pins, tmp_path / "engines")
    assert told == [f"making the environment for fake-1.0 in {first}, once; this takes a minute or more"]
    code = "import pipeglot, sys; print(pipeglot.__file__, sys.prefix)"
    done = subprocess.run([first / "bin/python", "-I", "-c", code], capture_output=True, text=True, check=True)
    file, prefix = done.stdout.split()
    assert Path(file).resolve() == Path(pipeglot.__file__ or "").resolve()
    assert Path(prefix) == first
    assert made(pins, tmp_path / "engines") == (first, [])
    assert not list(tmp_path.glob("engines/*.log"))


def test_other_pins_make_another_one(pins: Pins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_make", lambda pins, made, python, uv: made.mkdir())
    first, _ = made(pins, tmp_path)
    pins.requirements.write_text("# something\n")
    second, _ = made(pins, tmp_path)
    monkeypatch.setattr(environment, "_own_folder", lambda: tmp_path)
    third, _ = made(pins, tmp_path)
    assert len({first, second, third}) == 3


def test_one_that_was_not_finished_is_made_again(pins: Pins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = environment._link

    def broken(made: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(environment, "_link", broken)
    with pytest.raises(KeyboardInterrupt):
        made(pins, tmp_path / "engines")
    monkeypatch.setattr(environment, "_link", real)
    assert len(made(pins, tmp_path / "engines")[1]) == 1


def test_packages_that_cannot_be_had_are_told_in_the_words_of_uv(
    pins: Pins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_NO_INDEX", "1")
    pins.requirements.write_text("no-such-package-of-anybody==1.0\n")
    with pytest.raises(SandboxError, match=r"cannot be had: `uv` ended with exit code \d") as caught:
        made(pins, tmp_path / "engines")
    assert "no-such-package-of-anybody" in caught.value.message.partition("\n")[2]
    assert "not from pip's settings" in caught.value.hint


def test_a_python_that_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    (tmp_path / "pins.txt").write_text("")
    with pytest.raises(SandboxError, match=r"^Python 3\.1 of the environment `fake-"):
        made(Pins("fake", tmp_path / "pins.txt", ("3.1",)), tmp_path / "engines")


def test_uv_is_on_the_path_or_a_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SandboxError) as caught:
        find_uv()
    assert str(caught.value) == (
        "there is no `uv` on the PATH, and uv is what makes environments\n\n"
        "hint: install it, for example with `pip install uv`"
    )
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert find_uv() == [sys.executable, "-m", "uv"]
    (tmp_path / "uv").touch(0o755)
    assert find_uv() == [str(tmp_path / "uv")]
