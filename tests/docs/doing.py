"""Do what a page says, in a folder of its own: write its files, make its edits, run its commands."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

from tests.docs.notebook import Notebook
from tests.docs.pages import PROMPTS, Block, Command, blocks, commands, same

BIN = Path(sys.executable).parent
_DROPPED = ("CI", "PIPEGLOT_DEBUG", "PYTHONPATH", "PYTHONSAFEPATH", "PYTHONDONTWRITEBYTECODE")


HOME = "/home/you"
"""What pages show for the folder in which they are done."""

_RUNS = re.compile(r"\(run ([a-z2-7]{10})\)")


_RUNNING = re.compile("pipeglot (run|runs resume) ")


class Different(AssertionError):
    """A command did not do what the page says."""


class Reader:
    """Somebody who does everything on a page, and remembers the folder and the variables as a shell does.

    Where a command of the page names a run that an earlier one has made, the run that was made in fact is named.
    `updated` is the page with what was printed in fact, where that differs.
    """

    def __init__(self, page: Path, folder: Path) -> None:
        self.page = page
        self.folder = folder
        self.updated = page.read_text(encoding="utf-8").split("\n")
        self._grown = 0
        self._ids: dict[str, str] = {}
        self._renamed: dict[str, str] = {}
        self._fresh = 0
        self._notebook: Notebook | None = None
        self._begin()

    def _begin(self) -> None:
        """A new folder, in which nothing has happened yet."""
        self.close()
        self.here = self.folder / f"work{self._fresh}"
        self.here.mkdir(parents=True)
        self._fresh += 1
        kept = {name: value for name, value in os.environ.items() if name not in _DROPPED}
        self.env = {
            **kept, "PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(self.folder), "NO_COLOR": "1", "TZ": "UTC",
            "LC_ALL": "C.UTF-8", "TERM": "dumb",
        }  # fmt: skip

    def close(self) -> None:
        """End the kernel of the notebook."""
        if self._notebook is not None:
            self._notebook.close()
        self._notebook = None

    def do(self, *, update: bool = False) -> None:
        """All of it. Raises `Different` where a command did something else, unless it is to be updated."""
        try:
            self._do(update=update)
        finally:
            self.close()
        self.updated = [_with(self._renamed, line) for line in self.updated]

    def _do(self, *, update: bool) -> None:
        for block in blocks(self.page.read_text(encoding="utf-8")):
            if "fresh folder" in block.remarks:
                self._begin()
            if block.language in PROMPTS:
                self._run_all(block, update=update)
            elif block.language == "diff" and block.caption:
                self._edit(block)
            elif block.caption:
                path = self.here / block.caption
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("\n".join(block.lines) + "\n", encoding="utf-8")

    def _edit(self, block: Block) -> None:
        path = self.here / block.caption
        text = path.read_text(encoding="utf-8")
        for hunk in "\n".join(block.lines).split("\n@@\n"):
            lines = hunk.split("\n")
            old = "\n".join(line[1:] for line in lines if not line.startswith("+"))
            new = "\n".join(line[1:] for line in lines if not line.startswith("-"))
            if f"\n{text}\n".count(f"\n{old}\n") != 1:
                raise Different(f"{self._at(block.line)}: the edit does not fit `{block.caption}`:\n{old}")
            text = f"\n{text}\n".replace(f"\n{old}\n", f"\n{new}\n")[1:-1]
        path.write_text(text, encoding="utf-8")

    def _run_all(self, block: Block, *, update: bool) -> None:
        found = list(commands(block))
        if "not run" in block.remarks:
            assert all(one.text.startswith("pip install ") for one in found), f"{self._at(block.line)}: it can be run"
            return
        for one in found:
            code, printed = (self._run if block.language == "console" else self._run_cell)(_with(self._ids, one.text))
            made = dict(zip(_ids(one.output), _ids(printed), strict=False))
            self._ids |= made
            said = [_with(self._ids, line) for line in one.output]
            wanted = block.exit_code if one is found[-1] else 0
            any_order = "any order" in block.remarks or _RUNNING.search(one.text)  # steps run side by side
            fits = same(said, printed, any_order=bool(any_order))
            if code == wanted and fits:
                continue
            if not update or code != wanted:
                raise Different(self._difference(one, printed, code, wanted))
            self._renamed |= made
            self._replace(one, printed)

    def _run(self, text: str) -> tuple[int, list[str]]:
        """The exit code and the lines of a command; what it does to the shell stays."""
        state = self.folder / "state"
        script = (
            f"{text}\ncode=$?\npwd -P > {shlex.quote(str(state))}\nenv -0 >> {shlex.quote(str(state))}\nexit $code\n"
        )
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.here,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        folder, _, variables = state.read_text(encoding="utf-8").partition("\n")
        self.here = Path(folder)
        self.env = dict(one.split("=", 1) for one in variables.split("\0") if one)
        return done.returncode, self._lines(done.stdout)

    def _run_cell(self, text: str) -> tuple[int, list[str]]:
        """The same of a cell of the page's notebook, whose kernel starts with the first one."""
        if self._notebook is None:
            self._notebook = Notebook(self.here, self.env)
        code, printed = self._notebook.run(text)
        return code, self._lines(printed)

    def _lines(self, printed: str) -> list[str]:
        printed = re.sub(rf"(?:/private)?{re.escape(str(self.folder))}/work\d+", HOME, printed)
        printed = re.sub(rf"\bon {re.escape(socket.gethostname())}\b", "on laptop", printed)
        return printed.rstrip("\n").split("\n") if printed else []

    def _replace(self, command: Command, printed: list[str]) -> None:
        kept = {made: said for said, made in self._ids.items() if said not in self._renamed}
        printed = [_with(kept, line) for line in printed]
        start = command.line - 1 + self._grown
        self.updated[start : start + len(command.output)] = printed
        self._grown += len(printed) - len(command.output)

    def _difference(self, command: Command, printed: list[str], code: int, wanted: int) -> str:
        said, did = "\n".join(command.output), "\n".join(printed)
        codes = f"exit code {code}, not {wanted}\n" if code != wanted else ""
        return f"{self._at(command.line)}: `{command.text}`\n{codes}--- the page says\n{said}\n--- it printed\n{did}\n"

    def _at(self, line: int) -> str:
        return f"{self.page.name}:{line}"


def _ids(lines: list[str]) -> list[str]:
    """The runs that a command has made."""
    return _RUNS.findall("\n".join(lines))


def _with(names: dict[str, str], text: str) -> str:
    for old, new in names.items():
        text = text.replace(old, new)
    return text
