"""Every error code has a page, every page a code, and the page shows that code's own message."""

from __future__ import annotations

import re

import pytest

from pipeglot.core.validate.report import CODES
from tests.docs.codes import all_codes
from tests.docs.pages import DOCS

ERRORS = DOCS / "errors"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in ERRORS.glob("*.md") if path.stem != "index"}


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    codes = all_codes()
    assert [f"{code} ({place})" for code, place in codes.items() if code not in PAGES] == [], "codes without a page"
    assert [name for name in PAGES if name not in codes] == [], "pages without a code"


def test_codes_are_found_wherever_they_are_made() -> None:
    codes = all_codes()
    assert set(CODES) <= set(codes)
    for code in ("branch", "truth", "setting", "outputs", "decorator-order", "ir-kind", "code-module", "os", "pool"):
        assert code in codes
    assert len(codes) > 100


@pytest.mark.parametrize("code", PAGES)
def test_page(code: str) -> None:
    text = PAGES[code]
    title, _, rest = text.partition("\n")
    assert title.startswith(f"# `{code}`: ")
    assert len(rest.split("## What to do")) == 2, "a page tells the cause, and then the cure"
    shown = re.findall(r"^(?:error|note): .*?  \[([a-z0-9-]+)\]$", rest, re.MULTILINE)
    assert not shown or code in shown
