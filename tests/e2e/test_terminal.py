"""A run on a terminal: a real one, of the kernel's, with a person's Ctrl-C."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

import pytest

from tests.e2e.conftest import ENVIRONMENT, Project

FLOW = """\
import time
from pipeglot import each, pipeline, step

@step
def numbers() -> list[int]:
    time.sleep(0.6)
    return [1, 2, 3]

@step
def double(n: int) -> int:
    time.sleep({seconds})
    return n * 2

@step
def total(ns: list[int]) -> int:
    return sum(ns)

@pipeline
def shown() -> None:
    total(double.map(each(numbers())))
"""


class Terminal:
    """A command on a terminal of its own, as its controlling terminal."""

    def __init__(self, project: Project, *words: str, width: int = 80, height: int = 24) -> None:
        self.fd, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.process = subprocess.Popen(
            project.command(*words),
            cwd=project.root,
            env={**ENVIRONMENT, "TERM": "xterm-256color"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  # there is one thread
        )
        os.close(theirs)
        self.text = ""

    def read(self, until: str = "", seconds: float = 30.0) -> str:
        """All that it has written, once `until` is there, or (without) once it is over."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not (until and until in self.text):
            if not select.select([self.fd], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(self.fd, 65536)
            except OSError:  # the other side is closed
                break
            if not data:
                break
            self.text += data.decode()
        assert until in self.text, f"{until!r} did not come:\n{self.text}"
        return self.text

    def close(self) -> int:
        self.read()
        os.close(self.fd)
        return self.process.wait(timeout=30)


def last_frame(text: str) -> list[str]:
    """The lines after the last time that the cursor went up, without colours."""
    tail = text[text.rindex("\x1b[1A") :] if "\x1b[1A" in text else text
    return [line.rstrip() for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", tail).replace("\r", "").split("\n")]


def test_live_progress_stays_as_one_line_a_step(project: Project) -> None:
    project.write("shown.py", FLOW.format(seconds=0.1))
    terminal = Terminal(project, "run", "shown.py")
    assert terminal.close() == 0
    assert "● \x1b[0mnumbers" in terminal.text
    assert terminal.text.count("\x1b[?25l") == terminal.text.count("\x1b[?25h") == 1
    lines = last_frame(terminal.text)
    assert re.fullmatch(r"✓ numbers  \d\.\d s", lines[0])
    assert re.fullmatch(r"✓ double   3/3  \d\.\d s", lines[1])
    assert re.fullmatch(r"✓ total    .*s", lines[2])
    assert re.fullmatch(r"shown succeeded in \d\.\d s: 5 steps \(run \w{10}\)", lines[3])
    assert lines[4:] == [""]


def test_a_short_run_needs_no_redrawing(project: Project) -> None:
    project.write("shown.py", FLOW.format(seconds=0.1))
    project("run", "shown.py")
    terminal = Terminal(project, "run", "shown.py")
    assert terminal.close() == 0
    assert "\x1b[?25l" not in terminal.text
    assert last_frame(terminal.text)[:2] == ["✓ numbers  cached", "✓ double   3/3  3 cached"]


def test_ctrl_c(project: Project) -> None:
    project.write("shown.py", FLOW.format(seconds=60))
    terminal = Terminal(project, "run", "shown.py")
    terminal.read(until="running")
    os.write(terminal.fd, b"\x03")
    assert terminal.close() == 130
    assert "cancelling, " in terminal.text
    lines = last_frame(terminal.text)
    assert any(line.startswith("■ double") for line in lines)
    assert lines[-3:] == [
        "  pipeglot run shown.py",
        "      run it again to go on: finished steps come from the cache",
        "",
    ]
    assert terminal.text.endswith("\r\n")
    assert terminal.text.count("\x1b[?25h") == 1


def test_bytes_are_not_for_a_terminal(project: Project) -> None:
    project.write(
        "raw.py",
        "from pipeglot import pipeline, step\n"
        "@step\ndef raw() -> bytes:\n    print('\\x1b[31mlog\\x1b[0m')\n    return b'\\x00'\n"
        "@pipeline\ndef raws() -> None:\n    raw()\n",
    )
    project("run", "raw.py")
    terminal = Terminal(project, "artifact", "get", "latest/raw/output")
    assert terminal.close() == 2
    assert "these are bytes, which are not for a terminal" in terminal.text
    terminal = Terminal(project, "runs", "logs", "latest", "raw")
    assert terminal.close() == 0
    assert terminal.text == "log\r\n"
    assert project("runs", "logs", "latest", "raw").out == "\x1b[31mlog\x1b[0m\n"


@pytest.mark.parametrize("width", [20, 40])
def test_a_narrow_terminal(project: Project, width: int) -> None:
    project.write("shown.py", FLOW.format(seconds=0.1))
    terminal = Terminal(project, "run", "shown.py", width=width)
    assert terminal.close() == 0
    assert last_frame(terminal.text)[0].startswith("✓ numbers")
