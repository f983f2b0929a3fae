"""`pipeglot explain`: what the code behind an error message means, and what to do. The pages are those of the site."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from pipeglot.cli.output import print_json
from pipeglot.client.views import ErrorPage
from pipeglot.core.errors import NotFound
from pipeglot.core.suggest import did_you_mean

_INSTALLED = Path(__file__).parent / "error_pages"
_CHECKOUT = Path(__file__).parents[2] / "docs/errors"


def codes() -> list[str]:
    """All that there are."""
    return sorted(page.stem for page in _pages().glob("*.md") if page.stem != "index")


def _pages() -> Path:
    return _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT


def do_explain(args: argparse.Namespace) -> int:
    code = args.code.strip("[]")  # as it stands in messages
    path = _pages() / f"{code}.md"
    known = codes()
    if code not in known:
        where = "it stands in brackets at the end of an error message"
        raise NotFound(f"there is no error code `{code}`", hint=did_you_mean(code, known, where))
    lines = list(_plain(path.read_text(encoding="utf-8").rstrip("\n").split("\n")))
    title, text = lines[0], "\n".join(lines[1:]).strip("\n")
    if args.json:
        print_json(ErrorPage(code=code, title=title.partition(": ")[2], text=text))
        return 0
    print(f"{title}\n\n{text}")
    return 0


def _plain(lines: list[str]) -> Iterator[str]:
    """Without what only the site needs; code is indented, and below the name of its file."""
    inside = False
    for line in lines:
        if line.startswith("```"):
            inside = not inside
        elif inside and line.startswith(":caption: "):
            yield f"  # {line.removeprefix(':caption: ')}"
        elif inside:
            yield f"  {line}".rstrip()
        elif not line.startswith("% "):
            yield line.lstrip("# ")
