"""The entry point: find the command, run it, turn errors into messages and exit codes.

0 fine; 1 a run failed; 2 usage, definition or configuration; 33 the backend cannot do what is asked; 130 cancelled.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from pipeglot.cli.commands import COMMANDS, GROUPS, group_overview, overview

CANCELLED = 130
BROKEN_PIPE = 141
"""As a shell sees a program that nobody listens to any more: 128 + SIGPIPE."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line. Returns the exit code; never raises what a user could cause."""
    words = list(sys.argv[1:] if argv is None else argv)
    if sys.platform == "win32":
        print("pipeglot runs on Linux and macOS; on Windows, use it inside WSL: https://aka.ms/wsl", file=sys.stderr)
        return 2
    _open_streams()
    try:
        code = _dispatch(words)
        sys.stdout.flush()
        _flush_errors()
    except BrokenPipeError:
        return _quietly(BROKEN_PIPE)
    except KeyboardInterrupt as error:
        if error.args:
            sys.stderr.write(f"note: {error}\n")
        return _quietly(CANCELLED)
    except Exception as error:  # noqa: BLE001  # the last line: whatever it is becomes a message
        from pipeglot.cli.errors import report

        return report(error, json="--json" in words)
    return code


def _dispatch(words: list[str]) -> int:
    first = words[0] if words else ""
    if first in ("-h", "--help", "help"):
        return _help(words[1:] if first == "help" else [])
    if first in ("-V", "--version"):
        from pipeglot import __version__

        print(f"pipeglot {__version__}")
        return 0
    if not words:
        print(overview(), file=sys.stderr)
        return 2
    if first == "__complete":  # what the scripts of `pipeglot completion` ask
        from pipeglot.cli.completion import answer

        return answer(words[1] if len(words) > 1 else "", words[2:])
    if first in GROUPS:
        return _group(first, words[1:])
    if first not in COMMANDS:
        raise _unknown(first, [*(name for name in COMMANDS if " " not in name), *GROUPS], "")
    if len(words) > 1 and f"{first} {words[1]}" in COMMANDS:
        return _run(f"{first} {words[1]}", words[2:])
    return _run(first, words[1:])


def _group(group: str, words: list[str]) -> int:
    if words and words[0] in ("-h", "--help"):
        print(group_overview(group))
        return 0
    if not words:
        print(group_overview(group), file=sys.stderr)
        return 2
    if f"{group} {words[0]}" not in COMMANDS:
        raise _unknown(words[0], [name.split()[1] for name in COMMANDS if name.startswith(f"{group} ")], group)
    return _run(f"{group} {words[0]}", words[1:])


def _help(words: list[str]) -> int:
    if words and (words[0] in GROUPS or words[0] in COMMANDS):
        return _dispatch([*words, "--help"])
    print(overview())
    return 0


def _run(command: str, words: list[str]) -> int:
    from pipeglot.cli.arguments import add_arguments
    from pipeglot.cli.parsing import Parser

    parser = Parser(prog=f"pipeglot {command}", description=f"{_sentence(COMMANDS[command])}.")
    add_arguments(parser, command)
    try:
        args = parser.parse_args(words)
    except SystemExit:  # after `--help`
        return 0
    from importlib import import_module

    group, _, verb = command.partition(" ")
    return int(getattr(import_module(f"pipeglot.cli.{group}"), f"do_{verb or group}")(args))


def _unknown(word: str, known: list[str], group: str) -> Exception:
    from pipeglot.core.errors import UsageError
    from pipeglot.core.suggest import close

    prefix = f"pipeglot {group}".strip()
    found = close(word, known)
    hint = f"did you mean `{prefix} {found}`?" if found else f"`{prefix} --help` lists the commands"
    if word in ("-C", "--stack", "--json"):
        return UsageError(f"`{word}` stands before the command", hint=f"write it behind: `{prefix} COMMAND … {word} …`")
    if word.startswith("-"):
        return UsageError(f"there is no option `{word}`", hint=hint)
    return UsageError(f"there is no command `{prefix} {word}`", hint=hint)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _open_streams() -> None:
    """None is closed, or the next file opened would take its place; and none raises for a character it cannot show.

    Both write line by line, so that who sees them in one, as in a log of CI, sees them in order.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    sys.stdout = sys.stdout or open(1, "w", closefd=False, encoding="utf-8")  # noqa: SIM115  # for good
    sys.stderr = sys.stderr or open(2, "w", closefd=False, encoding="utf-8")  # noqa: SIM115  # for good
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace", line_buffering=True)


def _flush_errors() -> None:
    """Progress that nobody reads is no failure, and Python must not make one of it when it flushes at the exit."""
    try:
        sys.stderr.flush()
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        os.close(null)


def _quietly(code: int) -> int:
    """Leave without a word, also when Python flushes its streams at the exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2) if code == BROKEN_PIPE else ():
        os.dup2(null, number)
    os.close(null)
    return code
