"""A sandbox of a fake engine in a fresh folder, ended after each test."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeglot.compilers.sandboxes import running
from pipeglot.compilers.sandboxes.home import Home
from pipeglot.compilers.sandboxes.running import Sandbox
from tests.unit.sandboxes.fake import Fake

Make = Callable[..., Sandbox]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes sandboxes that all lie in one folder, without an environment of their own."""
    monkeypatch.setattr(running, "TERMINATE", ((signal.SIGTERM, 0.5), (signal.SIGKILL, 10.0)))
    monkeypatch.setattr(running, "ensure", lambda pins, folder, tell: folder)
    requirements = tmp_path / "fake.txt"
    requirements.write_text("")
    home = Home(tmp_path / "home")

    def made(*script: str) -> Sandbox:
        return Sandbox(Fake(requirements, *script), "1", home, tmp_path / "environments")

    yield made
    if home.path.is_dir():
        made().down()


@pytest.fixture
def sandbox(make: Make) -> Sandbox:
    return make()
