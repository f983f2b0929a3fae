"""argparse with our kind of message, and what some of its texts mean."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, NoReturn

from pipeglot.core.errors import NotFound, UsageError
from pipeglot.core.suggest import close

if TYPE_CHECKING:
    from pathlib import Path


class Parser(argparse.ArgumentParser):
    """Raises `UsageError` where argparse would print and exit; takes no abbreviated options."""

    def __init__(self, *, prog: str, description: str) -> None:
        super().__init__(prog=prog, description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise UsageError(_reworded(message), hint=self._hint(message))

    def _hint(self, message: str) -> str:
        unknown = re.match(r"unrecognized arguments: (--[\w-]+)", message)
        if unknown:
            known = [name for action in self._actions for name in action.option_strings]
            found = close(unknown[1], known, cutoff=0.75)
            if found:
                return f"did you mean `{found}`?"
        setting = re.match(r"unrecognized arguments: (?:--)?([A-Za-z_]\w*)[= ](\S+)$", message)
        if setting and any("-p" in action.option_strings for action in self._actions):
            return f"a parameter is given as `-p {setting[1]}={setting[2]}`"
        return f"`{self.prog} --help` shows how it is used"


def _reworded(message: str) -> str:
    """argparse's words as ours."""
    if found := re.fullmatch(r"unrecognized arguments: (.*)", message, re.DOTALL):
        return f"these arguments mean nothing here: `{found[1]}`"
    if found := re.fullmatch(r"the following arguments are required: (.*)", message):
        return f"{found[1]} is missing" if ", " not in found[1] else f"{found[1]} are missing"
    if found := re.fullmatch(r"argument (\S+): invalid int value: '(.*)'", message, re.DOTALL):
        return f"`{found[1]}`: `{found[2]}` is no whole number"
    if found := re.fullmatch(r"argument (\S+): (.*)", message, re.DOTALL):
        return f"`{found[1]}`: {found[2]}"
    return message


def parse_index(text: str) -> tuple[int, ...]:
    """The position in each enclosing map, as `3` or `3.7`. Raises `UsageError`."""
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})*", text, re.ASCII) is None:
        raise UsageError(f"`{text}` is no index", hint="it is a position in a map, as `3`, or `3.7` in a map in a map")
    return tuple(int(part) for part in text.split("."))


def folder_of(args: argparse.Namespace) -> Path:
    """Where the command works: `-C DIR`, or here."""
    from pathlib import Path

    folder = Path.cwd()
    if args.folder is None:
        return folder
    folder = (folder / str(args.folder)).resolve()
    if not folder.is_dir():
        raise NotFound(f"`-C {args.folder}`: there is no such folder")
    return folder


def out_file(args: argparse.Namespace, example: str) -> Path:
    """The file that `--out` names; its folder is there. `example` is what such a file may be called."""
    out = folder_of(args) / str(args.out)
    if out.is_dir():
        raise UsageError(f"`{out}` is a folder", hint=f"name a file in it: `--out {args.out}/{example}`")
    if not out.parent.is_dir():
        raise NotFound(f"there is no folder `{out.parent}`", hint="make it first")
    return out
