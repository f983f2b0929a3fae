"""Mistakes on the command line: what is said, and that it is said on stderr."""

from __future__ import annotations

import pytest

from tests.unit.stacks.conftest import Here

MISTAKES = [
    (["rnu"], "there is no command `pipeglot rnu`", "did you mean `pipeglot run`?"),
    (["qqq"], "there is no command `pipeglot qqq`", "`pipeglot --help` lists the commands"),
    (["-C", "x", "run"], "`-C` stands before the command", "write it behind: `pipeglot COMMAND … -C …`"),
    (["runs", "--stack", "x", "list"], "`--stack` stands before the command", "`pipeglot runs COMMAND … --stack …`"),
    (["--jsno"], "there is no option `--jsno`", "`pipeglot --help` lists the commands"),
    (["runs", "lst"], "there is no command `pipeglot runs lst`", "did you mean `pipeglot runs list`?"),
    (["run"], "TARGET is missing", "`pipeglot run --help` shows how it is used"),
    (["run", "a.py", "--no-cahce"], "these arguments mean nothing here: `--no-cahce`", "did you mean `--no-cache`?"),
    (["run", "a.py", "--js"], "these arguments mean nothing here: `--js`", "--json"),
    (["run", "a.py", "n=3"], "these arguments mean nothing here: `n=3`", "a parameter is given as `-p n=3`"),
    (["run", "a.py", "--year", "3"], "these arguments mean nothing here: `--year 3`", "is given as `-p year=3`"),
    (["run", "a.py", "-p"], "`-p/--param`: expected one argument", "pipeglot run --help"),
    (["runs", "list", "-n", "x"], "`-n/--limit`: `x` is no whole number", "pipeglot runs list --help"),
    (["runs", "list", "-C", "nowhere"], "`-C nowhere`: there is no such folder", ""),
    (["check", "a.py", "--all", "--stack", "x"], "`--all` and `--stack` exclude each other", ""),
    (["compile", "a.py", "--ir", "--check"], "`--check` compares with files", "`--out DIR`"),
]


@pytest.mark.parametrize(("words", "message", "hint"), MISTAKES)
def test_mistakes(here: Here, words: list[str], message: str, hint: str) -> None:
    done = here(*words)
    assert done.out == ""
    assert done.err.startswith(f"error: {message}")
    assert hint in done.err
