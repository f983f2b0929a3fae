"""The arguments of every command. Nothing of a command itself is imported before they are read."""

from __future__ import annotations

import argparse
from typing import Any, NamedTuple


class Argument(NamedTuple):
    """One argument, as argparse takes it."""

    flags: tuple[str, ...]
    options: dict[str, Any]


def _argument(*flags: str, **options: Any) -> Argument:
    return Argument(flags, options)


_TARGET = _argument("target", metavar="TARGET", help="`file.py`, `file.py:name`, `package.module:name`, or an IR file")
_RUN = _argument("run", metavar="RUN", help="a run's id, the beginning of it, or `latest`")
_ARTIFACT = _argument(
    "id", metavar="ID", help="`RUN/STEP/OUTPUT`, in a map `RUN/STEP/INDEX/OUTPUT`; RUN as for `runs show`"
)
_INDEX = _argument("--index", metavar="I", help="the item of a map, as `3`, or `3.7` in a map in a map")
_STACK = _argument("--stack", metavar="NAME", help="the stack to use, in place of the active one")
_FOLDER = _argument("-C", dest="folder", metavar="DIR", help="work as if started in DIR")
_JSON = _argument("--json", action="store_true", help="print JSON")

ARGUMENTS: dict[str, tuple[Argument, ...]] = {
    "init": (_argument("dir", metavar="DIR", nargs="?", default=".", help="the folder; this one if left out"), _JSON),
    "run": (
        _TARGET,
        _argument(
            "-p",
            "--param",
            dest="params",
            metavar="KEY=VALUE",
            action="append",
            default=[],
            help="a parameter of the pipeline; may be given several times",
        ),
        _STACK,
        _argument("--no-cache", action="store_true", help="run every step, whatever was computed before"),
        _argument("--json", action="store_true", help="print the run as one JSON object on stdout"),
        _FOLDER,
    ),
    "check": (
        _TARGET,
        _STACK,
        _argument("--all", action="store_true", help="check against every stack of the project"),
        _FOLDER,
        _JSON,
    ),
    "compile": (
        _TARGET,
        _STACK,
        _argument("--ir", action="store_true", help="write the IR: the pipeline as data, which any backend reads"),
        _argument("--out", metavar="DIR", help="write `DIR/NAME.pipeglot.json`, in place of stdout"),
        _argument("--check", action="store_true", help="write nothing; fail if the file in --out is out of date"),
        _FOLDER,
        _JSON,
    ),
    "stack list": (_FOLDER, _JSON),
    "stack show": (
        _argument("name", metavar="NAME", nargs="?", help="the stack; the active one if left out"),
        _FOLDER,
        _JSON,
    ),
    "stack set": (
        _argument("name", metavar="NAME", help="the stack that commands use from now on, in this checkout"),
        _FOLDER,
        _JSON,
    ),
    "runs list": (
        _argument("-n", "--limit", type=int, default=20, metavar="N", help="at most N runs (20; 0 is all)"),
        _STACK,
        _FOLDER,
        _JSON,
    ),
    "runs show": (_RUN, _STACK, _FOLDER, _JSON),
    "runs logs": (
        _RUN,
        _argument("step", metavar="STEP", nargs="?", help="one step; all of them if left out"),
        _INDEX,
        _STACK,
        _FOLDER,
        _JSON,
    ),
    "artifact list": (
        _argument("run", metavar="RUN", nargs="?", default="latest", help="a run; the latest if left out"),
        _STACK,
        _FOLDER,
        _JSON,
    ),
    "artifact show": (_ARTIFACT, _STACK, _FOLDER, _JSON),
    "artifact get": (
        _ARTIFACT,
        _argument("-o", "--output", metavar="FILE", help="write it to FILE, a frame or an array as its suffix says"),
        _argument("--force", action="store_true", help="replace FILE if it is there"),
        _STACK,
        _FOLDER,
        _JSON,
    ),
    "cache explain": (_RUN, _argument("step", metavar="STEP", help="the step"), _INDEX, _STACK, _FOLDER, _JSON),
    "explain": (_argument("code", metavar="CODE", help="what stands in brackets at the end of a message"), _JSON),
}


def add_arguments(parser: argparse.ArgumentParser, command: str) -> None:
    """Give a parser the arguments of a command."""
    for argument in ARGUMENTS[command]:
        parser.add_argument(*argument.flags, **argument.options)
