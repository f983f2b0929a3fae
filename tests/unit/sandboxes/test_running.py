"""A sandbox is brought up once, mended, told about and ended, whatever was killed in between."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from pipeglot.compilers.sandboxes import starting
from pipeglot.compilers.sandboxes.processes import marked, table
from pipeglot.compilers.sandboxes.records import SandboxView
from pipeglot.compilers.sandboxes.running import Sandbox
from pipeglot.core.errors import SandboxError, UsageError
from tests.unit.sandboxes.conftest import Make


def up(sandbox: Sandbox, **settings: str) -> tuple[SandboxView, list[str]]:
    told: list[str] = []
    return sandbox.up(settings, told.append), told


def left(sandbox: Sandbox) -> set[int]:
    return marked(sandbox.home.path, table().keys())


def is_free(url: str) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) != 0


def pid_of(view: SandboxView, name: str) -> int:
    pid = next(part.pid for part in view.services if part.name == name)
    assert pid is not None
    return pid


def test_up_and_down(sandbox: Sandbox) -> None:
    view, told = up(sandbox)
    assert told == ["starting Fake 1.0"]
    assert (view.status, view.trouble, view.stack) == ("up", "", "fake-sandbox")
    assert view.memory > 1 << 20
    assert [part.name for part in view.services] == ["other", "web"]
    Path(view.folders["files"], "hello").write_text("hi")
    with urllib.request.urlopen(f"{view.url}/hello") as answer:
        assert answer.read() == b"hi"
    assert len(left(sandbox)) == 3  # the child of `other` in a session of its own too
    assert sandbox.down().status == "down"
    assert left(sandbox) == set()
    assert is_free(view.url)
    assert Path(view.folders["files"], "hello").exists()
    assert sandbox.view().services == ()


def test_what_it_keeps_is_for_this_user_only(sandbox: Sandbox) -> None:
    view, _ = up(sandbox)
    assert stat.S_IMODE(os.stat(view.home).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(view.password_file).st_mode) == 0o600
    assert len(Path(view.password_file).read_text().strip()) >= 32


def test_up_twice_is_fine(sandbox: Sandbox) -> None:
    first, _ = up(sandbox)
    second, told = up(sandbox)
    assert told == ["Fake 1.0 is up already"]
    assert [part.pid for part in second.services] == [part.pid for part in first.services]


def test_after_a_crash_up_mends_on_the_same_port(sandbox: Sandbox) -> None:
    first, _ = up(sandbox)
    os.kill(pid_of(first, "web"), signal.SIGKILL)
    while (broken := sandbox.view()).status != "broken":
        time.sleep(0.01)
    assert broken.trouble == "not running: web"
    second, told = up(sandbox)
    assert told == ["a part of it runs, and a part is gone: ending what is left", "starting Fake 1.0"]
    assert (second.status, second.url) == ("up", first.url)
    assert pid_of(first, "other") not in table()


def test_down_after_all_was_killed(sandbox: Sandbox) -> None:
    view, _ = up(sandbox)
    for part in view.services:
        os.kill(part.pid or 0, signal.SIGKILL)
    while sandbox.view().trouble != "not running: other, web":
        time.sleep(0.01)
    assert len(left(sandbox)) == 1  # the stubborn one
    sandbox.down()
    assert left(sandbox) == set()


def test_a_state_that_cannot_be_read_hides_no_process(sandbox: Sandbox) -> None:
    up(sandbox)
    (sandbox.home.path / "sandbox.json").write_text("{")
    assert sandbox.view().status == "broken"
    sandbox.down()
    assert left(sandbox) == set()


def test_what_is_up_is_not_changed(sandbox: Sandbox) -> None:
    up(sandbox, size="1")
    with pytest.raises(UsageError, match="is up with other settings") as caught:
        up(sandbox, size="2")
    assert caught.value.hint == "end it first: `pipeglot sandbox down fake`; or have a second: `--home DIR`"
    assert up(sandbox, size="1")[1] == ["Fake 1.0 is up already"]
    with pytest.raises(UsageError, match="`wrong` is no setting"):
        up(sandbox, wrong="1")


def test_a_part_that_ends_tells_why(make: Make) -> None:
    sandbox = make("print('one\\n\\x1b[31mtwo\\x1b[0m'); raise SystemExit(7)")
    with pytest.raises(SandboxError) as caught:
        up(sandbox)
    assert caught.value.message == "Fake 1.0: its other ended with exit code 7\n\n  one\n  two"
    assert caught.value.hint == f"see `{sandbox.home.path}/logs/other.log`"
    assert left(sandbox) == set()
    assert sandbox.view().status == "down"


def test_a_part_that_is_killed_tells_so(make: Make) -> None:
    with pytest.raises(SandboxError, match="its other was killed by signal 9"):
        up(make("import os; os.kill(os.getpid(), 9)"))


def test_what_does_not_get_well_is_told_with_the_reason(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "PATIENCE", 0.5)
    monkeypatch.setattr(type(sandbox.engine), "trouble", lambda *_: "it is ill")
    with pytest.raises(SandboxError, match=r"^Fake 1\.0 is not up after 0 s: it is ill"):
        up(sandbox)
    assert left(sandbox) == set()


def test_a_command_that_fails_is_told(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        type(sandbox.engine),
        "start",
        lambda _, run: run.call("make it", [sys.executable, "-c", "raise SystemExit('no way')"], run.environment()),
    )
    with pytest.raises(SandboxError) as caught:
        up(sandbox)
    assert caught.value.message == "cannot make it: exit code 1\n\n  no way"
    assert caught.value.hint == f"see `{sandbox.home.path}/logs/make-it.log`"


def test_a_program_that_is_not_there(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(sandbox.engine), "start", lambda _, run: run.serve("x", ["/no/such"], run.environment()))
    with pytest.raises(SandboxError, match="`/no/such` cannot be started: No such file or directory"):
        up(sandbox)


def test_purge_leaves_nothing(sandbox: Sandbox) -> None:
    up(sandbox)
    sandbox.down(purge=True)
    assert not sandbox.home.path.exists()


# --- several commands -------------------------------------------------------------------------------------------------

_UP = """
import sys
from pathlib import Path
from pipeglot.compilers.sandboxes import running
from pipeglot.compilers.sandboxes.home import Home
from tests.unit.sandboxes.fake import Fake

running.ensure = lambda pins, folder, tell: folder
home, slow = Path(sys.argv[1]), sys.argv[2] == "slow"
if slow:
    Fake.trouble = lambda *_: "it is slow"
sandbox = running.Sandbox(Fake(home.parent / "fake.txt"), "1", Home(home), home.parent / "environments")
print(sandbox.up({}, lambda text: print(text, flush=True)).status, flush=True)
"""


def command(sandbox: Sandbox, how: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", _UP, str(sandbox.home.path), how]
    root = Path(__file__).parents[3]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root)


def begun(sandbox: Sandbox, parts: int) -> None:
    """Wait until an `up` of another process has started so many parts."""
    while (state := sandbox.home.read_state()) is None or len(state.services) < parts:
        time.sleep(0.01)


def test_a_killed_up_leaves_nothing_that_down_cannot_end(sandbox: Sandbox) -> None:
    with command(sandbox, "slow") as process:
        begun(sandbox, 2)
        assert (sandbox.view().status, sandbox.view().trouble) == ("starting", "")
        process.kill()
    assert left(sandbox)
    assert (sandbox.view().status, sandbox.view().trouble) == ("broken", "it was not started to its end")
    sandbox.down()
    assert left(sandbox) == set()


def test_down_ends_an_up_that_is_under_way(sandbox: Sandbox) -> None:
    with command(sandbox, "slow") as process:
        begun(sandbox, 2)
        sandbox.down()
        assert process.wait() == -signal.SIGTERM
    assert left(sandbox) == set()


def test_of_two_at_once_one_waits(sandbox: Sandbox) -> None:
    with command(sandbox, "quick") as one, command(sandbox, "quick") as two:
        outs = sorted((process.communicate()[0].splitlines() for process in (one, two)), key=len)
    assert outs[0] == ["starting Fake 1.0", "up"]
    assert outs[1][-2:] == ["Fake 1.0 is up already", "up"]
    assert len(sandbox.view().services) == 2


def test_an_interrupted_up_ends_what_it_started(sandbox: Sandbox) -> None:
    with command(sandbox, "slow") as process:
        begun(sandbox, 2)
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert process.returncode
    assert left(sandbox) == set()
