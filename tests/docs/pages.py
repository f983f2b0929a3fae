"""Read a page of the docs: the files that it shows, the edits that it makes to them, the commands that it runs.

What a page may hold, in the order in which a reader does it:

- a code block with a `:caption:` is a file of that name;
- a `diff` block with a `:caption:` is an edit of that file;
- a `console` block has commands (`$ …`), each with what it prints below. A line `…` stands for any number of lines;
- a `pycon` block has cells of a notebook (`>>> …`, `... …`), each with what it prints below.

A MyST comment line right above a block tells what is special about it: `% fresh folder` (start anew),
`% exit 1` (the exit code of its last command; 0 if not said), `% any order` (of the lines that are printed),
`% not run` (only for what installs something). Where such a line would be seen, in the README, it is written as a
comment, `<!-- exit 1 -->`, and so is the name of a file: `<!-- file trend.py -->`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).parents[2] / "docs"
_OPEN = re.compile(r"(?P<fence>`{3,})(?:\{code-block\} )?(?P<language>[\w-]+)$")
_REMARKS = re.compile(r"fresh folder|exit \d+|any order|not run|file \S+")
_REMARK = re.compile(r"% (.+)|<!-- ([a-z].*) -->")


PROMPTS = {"console": ("$", ""), "pycon": (">>>", "...")}
"""What is done: the first line of each command begins so, and the following ones."""


class Block(NamedTuple):
    """A fenced block: `line` is the number of its first line, from 1, behind its options."""

    language: str
    caption: str
    lines: list[str]
    line: int
    remarks: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        return next((int(remark.split()[1]) for remark in self.remarks if remark.startswith("exit")), 0)


class Command(NamedTuple):
    """A command or a cell, and what it prints; `line` is that of its first line of output."""

    text: str
    output: list[str]
    line: int


def blocks(text: str) -> Iterator[Block]:
    """Every fenced block of a page."""
    lines = text.split("\n")
    at, remarks = 0, []
    while at < len(lines):
        line = lines[at]
        opened = _OPEN.fullmatch(line)
        remark = _REMARK.fullmatch(line)
        if remark:
            remarks.append(_remark((remark[1] or remark[2]).strip()))
        elif opened:
            end = lines.index(opened["fence"], at + 1)
            caption, first = _caption(lines, at + 1)
            caption = next((one.removeprefix("file ") for one in remarks if one.startswith("file ")), caption)
            yield Block(opened["language"], caption, lines[first:end], first + 1, tuple(remarks))
            at, remarks = end, []
        elif line.strip():
            remarks = []
        at += 1


def _remark(text: str) -> str:
    assert _REMARKS.fullmatch(text), f"`% {text}` means nothing"
    return text


def _caption(lines: list[str], at: int) -> tuple[str, int]:
    """The caption of a block, and where its content begins."""
    caption = ""
    while lines[at].startswith(":"):
        name, _, value = lines[at][1:].partition(":")
        caption = value.strip() if name == "caption" else caption
        at += 1
    return caption, at + (at > 0 and caption != "" and not lines[at].strip())


def commands(block: Block) -> Iterator[Command]:
    """The commands of a console block, the cells of a notebook block."""
    prompt, more = PROMPTS[block.language]
    text, output, start = list[str](), list[str](), 0
    for number, line in enumerate([*block.lines, f"{prompt} "], block.line):
        if line.startswith(f"{prompt} "):
            if text:
                yield Command("\n".join(text), output, start)
            text, output, start = [line[len(prompt) + 1 :]], [], number + 1
        elif more and not output and (line == more or line.startswith(f"{more} ")):
            text.append(line[len(more) + 1 :])
            start = number + 1
        else:
            assert text, f"line {number}: output of no command"
            output.append(line)


# --- what is compared -------------------------------------------------------------------------------------------------

_ID = "[a-z2-7]{10}(?:[a-z2-7]{14})?"
_BEFORE = "|".join(
    f"(?<={word} )" for word in (r"\brun", "runs show", "runs logs", "runs resume", "replay", "--before")
)
_MASKS = (
    (re.compile(rf"(?:{_BEFORE}|(?<=\brun `)|^){_ID}(?=$|[ /)`,:])"), "<run>"),
    (re.compile(rf"\b(?:{_ID}(?=/)|[a-z2-7]{{24}}\b)"), "<run>"),
    (re.compile(rf"(\bof \w+ ){_ID}(?= \()"), r"\1<run>"),  # of another pipeline
    (re.compile(r"\b(?:sha256:)?[0-9a-f]{16,64}\b"), "<hash>"),
    (re.compile(r"\bblobs/\d{4}-W\d\d/"), "blobs/<week>/"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?"), "<time>"),
    (re.compile(r"(\b(?:begun|pruned on) |  )\d{4}-\d\d-\d\d(?=[,:]|  )"), r"\1<day>"),  # that on which this runs
    (re.compile(r"\b\d+(?:\.\d+)? (?:ms|s|min|h)\b(?: \d+ (?:s|min|h)\b)?"), "<duration>"),
    (re.compile(r"^[ ~^]*[~^]+[ ~^]*$"), ""),  # Python marks the spot in a traceback, one version better than another
    (re.compile(r"\bfloat division by zero"), "division by zero"),  # so says Python up to 3.13
    (re.compile(r"(\"seconds\": )[\d.e-]+"), r"\1<seconds>"),
)


def masked(line: str) -> str:
    """A line without what is another each time: ids, hashes, times, durations, and the width of columns."""
    for pattern, name in _MASKS:
        line = pattern.sub(name, line)
    return " ".join(line.split())


def same(expected: list[str], actual: list[str], *, any_order: bool) -> bool:
    """Whether a command printed what the page says."""
    old = [masked(line) for line in _stripped(expected)]
    new = [masked(line) for line in _stripped(actual)]
    if any_order:
        assert "…" not in old, "lines in any order cannot be left out"
        return sorted(old) == sorted(new)
    pattern = "".join("(?:.*\n)*?" if line == "…" else re.escape(line) + "\n" for line in old)
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in new)) is not None


def _stripped(lines: list[str]) -> list[str]:
    """Without the empty lines at both ends."""
    text = "\n".join(lines).strip("\n")
    return text.split("\n") if text else []
