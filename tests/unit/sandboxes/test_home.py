"""The folder of a sandbox: refused if it is somebody else's, private, and worked on by one command at a time."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from pipeglot.compilers.sandboxes.home import Holder, Home, cache
from pipeglot.core.errors import SandboxError


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "a" / "home")


def test_it_is_made_private(home: Home) -> None:
    home.make()
    home.make()
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700
    assert not home.exists()


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SandboxError, match=r"file` is no folder"):
        Home(tmp_path / "file").make()


def test_a_folder_of_the_user_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(SandboxError, match="holds files that are no sandbox's") as caught:
        Home(tmp_path).make()
    assert caught.value.hint == "give a new or an empty folder: `--home DIR`"


def test_a_secret_is_drawn_once(home: Home) -> None:
    home.make()
    drawn = home.secret("password")
    assert drawn == home.secret("password") != home.secret("other")
    assert stat.S_IMODE((home.path / "password").stat().st_mode) == 0o600


def test_a_lock_waits_and_tells_who_has_it(home: Home) -> None:
    home.make()
    told: list[Holder] = []
    order: list[str] = []
    asked = threading.Event()

    def second() -> None:
        def busy(holder: Holder) -> None:
            told.append(holder)
            asked.set()

        with home.lock("down", busy):
            order.append("second")

    with home.lock("up", told.append):
        thread = threading.Thread(target=second)
        thread.start()
        assert asked.wait(10)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert [one.what for one in told] == ["up"]
    assert told[0].runs()


def test_a_holder_that_is_another_process_by_now_is_left_alone(home: Home) -> None:
    home.make()
    found: list[Holder] = []
    with home.lock("up", found.append):
        (written,) = home.path.glob("lock")
        text = written.read_text()
    assert text
    later = Holder(what="up", pid=1, born="another")
    assert not later.runs()
    later.stop()


def test_a_purge_while_another_waits_is_no_trouble(home: Home) -> None:
    home.make()
    asked = threading.Event()
    there: list[bool] = []

    def second() -> None:
        with home.lock("up", lambda _: asked.set()):
            there.append((home.path / "lock").exists())

    with home.lock("down", lambda _: None):
        thread = threading.Thread(target=second)
        thread.start()
        assert asked.wait(10)
        home.purge()
    thread.join()
    assert there == [True]


def test_where_they_lie(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache() == tmp_path / "pipeglot"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache() == tmp_path / ".cache/pipeglot"
    monkeypatch.setattr("sys.platform", "darwin")
    assert cache() == tmp_path / "Library/Caches/pipeglot"
