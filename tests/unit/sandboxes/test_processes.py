"""Processes are found by their mark, with what they have started, and ended with patience that has an end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeglot.compilers.sandboxes import processes
from pipeglot.compilers.sandboxes.processes import (
    MARK,
    Process,
    end,
    marked,
    memory,
    reap,
    start,
    strays,
    table,
    with_descendants,
)
from pipeglot.core.errors import SandboxError


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    end(lambda: marked(tmp_path, table().keys()), ((signal.SIGKILL, 10.0),))
    reap()


def run(home: Path, code: str) -> int:
    words = [sys.executable, "-c", f"{code}\nprint('ready', flush=True)\nimport time; time.sleep(600)"]
    child = start(words, home, {**os.environ, MARK: str(home)}, home / "log")
    while b"ready" not in (home / "log").read_bytes():
        time.sleep(0.01)
    return child.pid


def test_the_mark_is_of_one_folder(home: Path) -> None:
    pid = run(home, "")
    assert marked(home, table().keys()) == {pid}
    assert marked(home / "other", table().keys()) == set()
    assert marked(Path(str(home)[:-1]), table().keys()) == set()


def test_end_takes_the_gentle_way_first(home: Path) -> None:
    quick = run(home, "")
    (home / "log").unlink()
    stubborn = run(home, "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    (home / "log").unlink()
    tidy = "import signal\ndef tidy(*_):\n    open('tidied', 'w').close(); raise SystemExit\nsignal.signal(15, tidy)"
    run(home, tidy)
    end(lambda: marked(home, table().keys()), ((signal.SIGTERM, 1.0), (signal.SIGKILL, 10.0)))
    assert (home / "tidied").exists()
    assert not {quick, stubborn} & table().keys()


def test_what_does_not_end_is_told(home: Path) -> None:
    pid = run(home, "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    with pytest.raises(SandboxError, match=f"^processes of the sandbox do not end: {pid}\n") as caught:
        end(lambda: marked(home, table().keys()), ((signal.SIGTERM, 0.2),))
    assert caught.value.hint == f"end them: `kill -9 {pid}`"


def test_a_zombie_has_ended(home: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        while process.pid in table():
            time.sleep(0.01)
        assert Path(f"/proc/{process.pid}").exists()


def test_descendants() -> None:
    tree = {pid: Process(pid, parent, "", 0) for pid, parent in ((1, 0), (2, 1), (3, 2), (4, 1), (5, 0), (6, 5))}
    assert with_descendants([2, 5, 9], tree) == {2, 3, 5, 6}


def test_memory_is_of_those_that_are_there() -> None:
    found = table()
    me = os.getpid()
    assert 1 << 20 < memory([me, -1], found) < 1 << 34


def test_strays_are_of_the_environment_and_work_in_the_folder(home: Path) -> None:
    (home / "bin").mkdir()
    (home / "work").mkdir()
    os.link("/bin/sleep", home / "bin/sleep") if os.stat("/bin/sleep").st_dev == os.stat(home).st_dev else (
        (home / "bin/sleep").write_bytes(Path("/bin/sleep").read_bytes())
    )
    (home / "bin/sleep").chmod(0o755)
    child = start([str(home / "bin/sleep"), "600"], home / "work", {}, home / "log")
    try:
        while Path(os.readlink(f"/proc/{child.pid}/exe")).name != "sleep":
            time.sleep(0.01)
        assert marked(home, table().keys()) == set()
        assert strays(home / "work", home / "bin", table().keys()) == {child.pid}
        assert strays(home / "other", home / "bin", table().keys()) == set()
        assert strays(home / "work", home / "other", table().keys()) == set()
    finally:
        child.kill()
        child.wait()
        reap()


def test_elsewhere_the_table_is_that_of_ps(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = run(home, "")
    here = table()[pid]
    monkeypatch.setattr("sys.platform", "darwin")
    there = processes.table()[pid]
    assert (there.pid, there.parent) == (here.pid, here.parent)
    assert there.born
    assert abs(there.memory - here.memory) < 1 << 20
