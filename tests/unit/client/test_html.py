"""Runs and pipelines as HTML: all of it there, nothing in it that could do harm."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from types import ModuleType
from xml.etree import ElementTree

import pytest
from msgspec import structs

from pipeglot import one_of, otherwise, pipeline, step, when
from pipeglot.client.html.graph import graph_of
from pipeglot.client.html.graph import told as how_long
from pipeglot.client.html.page import _STYLE, run_html
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.lineage.view import StepView

VOID = {"br", "meta", "link", "img"}


class Balanced(HTMLParser):
    """Reads a page, and holds that every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.attributes: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += [name for name, _ in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def drawing(html: str) -> ElementTree.Element:
    """The SVG, which must be XML on its own."""
    found = re.search(r"<svg.*</svg>", html, re.DOTALL)
    assert found
    return ElementTree.fromstring(found[0])


def harmless(html: str) -> Balanced:
    page = Balanced(html)
    assert not {"script", "iframe", "link", "img", "object", "foreignobject"} & set(page.seen)
    assert not [name for name in page.attributes if name.startswith("on") or name in ("src", "href")]
    assert "url(" not in html
    assert "@import" not in html
    return page


def test_a_run(flow: ModuleType) -> None:
    run = flow.flow.run()
    html = run._repr_html_()
    page = harmless(html)
    for text in ("flow", "✓ succeeded", "– skipped", "3 items", "count=3", run.id[:10], "train[…]"):
        assert text in page.text
    labels = ["".join(text.itertext()) for text in drawing(html).iter("{http://www.w3.org/2000/svg}text")]
    assert "✓ numbers" in labels
    assert "– bad" in labels
    assert "↺ cached" in harmless(flow.flow.run()._repr_html_()).text


def test_a_failed_run(flow: ModuleType) -> None:
    html = flow.failing.on(check=False, quiet=True).run()._repr_html_()
    page = harmless(html)
    assert "✗ failed" in page.text
    assert "failed · 1 of 3 items" in page.text
    assert "picky[1]: ValueError: no <b>1</b>" in page.text
    tips = ["".join(tip.itertext()) for tip in drawing(html).iter("{http://www.w3.org/2000/svg}title")]
    assert any("[1] ValueError: no <b>1</b>" in tip for tip in tips)


def test_a_run_that_is_lost_from_sight(flow: ModuleType) -> None:
    run = flow.flow.run()
    step = StepView(id="numbers", index=(), status="lost", seen="2026-11-21T12:00:00+00:00", tail="<b>one</b>\ntwo")
    found = structs.replace(run._view, status="lost", seen="2026-11-21T12:00:05+00:00", steps=(step,))
    page = harmless(run_html(run._found, found, None))
    assert "last heard of at 2026-11-21 " in page.text
    assert "<b>one</b>\ntwo" in page.text


def test_a_pipeline(flow: ModuleType) -> None:
    page = harmless(flow.flow._repr_html_())
    assert "count: int = 3" in page.text
    assert "Trains a few." in page.text


@step
def nasty(text: str) -> str:
    """</title><script>alert(1)</script>"""
    return text


@pipeline
def hostile(text: str = "<script>alert(1)</script>\x1b[31m\x00") -> None:
    """<img src=x onerror=alert(1)> & "quotes" ' ]]>"""
    nasty(text)


@pipeline
def broken() -> None:
    if nasty("x"):
        nasty("<script>")


def test_text_of_users_is_text() -> None:
    html = hostile._repr_html_()
    page = harmless(html)
    assert "<img src=x onerror=alert(1)>" in page.text
    assert "\x1b" not in html
    assert "\x00" not in html
    drawing(html)


def test_a_pipeline_that_cannot_be_traced() -> None:
    assert "when(" in harmless(broken._repr_html_()).text


@step
def one(x: int) -> list[int]:
    return [x]


@step
def many(xs: list[list[int]]) -> int:
    return len(xs)


@pipeline
def inner(x: int) -> list[int]:
    return one(x)


@pipeline
def outer(x: int = 1) -> None:
    many([inner(x), one(x)])


def test_nested_pipelines_are_grouped() -> None:
    html = outer._repr_html_()
    frames = [rect for rect in drawing(html).iter("{http://www.w3.org/2000/svg}rect") if rect.get("class") == "g"]
    labels = ["".join(text.itertext()) for text in drawing(html).iter("{http://www.w3.org/2000/svg}text")]
    assert len(frames) == 1
    assert "inner" in labels


@step
def listed() -> list[int]:
    return [1, 2]


@step
def told(who: str) -> None: ...


@pipeline
def each_of(x: int) -> int:
    with when(one(x) == [1]):
        first = many([[x]])
    with otherwise():
        second = many([[x], [x]])
    return many([[one_of(first, second)]])


@pipeline(on_failure=told.partial(who="us"))
def mapped() -> None:
    found = listed()
    many([each_of.map(x=found)])


def test_only_what_is_first_in_a_map_hangs_on_its_list() -> None:
    graph = graph_of(Plan(mapped.trace().pipeline))
    edges = {(start, end): carries for start, end, carries in graph.edges}
    inner = "each_of."
    assert {end for start, end in edges if start == "listed"} == {f"{inner}one", f"{inner}many", f"{inner}many_2"}
    assert edges["listed", f"{inner}one"]  # the items themselves
    assert edges[f"{inner}one", f"{inner}when_1"]
    assert not edges[f"{inner}when_1", f"{inner}many"]
    assert edges[f"{inner}many_3", "many"]


def test_hooks_say_what_they_are_for() -> None:
    assert graph_of(Plan(mapped.trace().pipeline)).boxes["told"].kind == "hook"
    texts = [
        "".join(text.itertext()) for text in drawing(mapped._repr_html_()).iter("{http://www.w3.org/2000/svg}text")
    ]
    assert texts[texts.index("told") + 1] == "on_failure"


def test_of_a_map_reused_in_part() -> None:
    def view(*, cached: bool, index: int, status: str = "succeeded") -> StepView:
        return StepView(
            id="a", index=(index,), status=status, cached=cached, seconds=0.0 if cached or status == "skipped" else 2.0
        )

    views = [view(cached=True, index=0), view(cached=False, index=1)]
    assert how_long(views, is_map=True) == "2 items, 1 cached, 2.0 s"
    views.append(view(cached=False, index=2, status="skipped"))
    assert how_long(views, is_map=True) == "2 of 3 items, 1 cached, 2.0 s"
    views.append(view(cached=False, index=3, status="failed"))
    assert how_long(views, is_map=True) == "1 of 4 items, 4.0 s"


@pipeline
def wide(x: int = 1) -> None:
    many([one(x) for _ in range(700)])


def test_too_many_steps_for_a_drawing() -> None:
    assert "701 steps are too many for a drawing" in harmless(wide._repr_html_()).text


@pytest.mark.parametrize("theme", ["prefers-color-scheme:dark", 'data-jp-theme-light="false"', "vscode-dark"])
def test_dark_mode(theme: str) -> None:
    assert theme in _STYLE


def test_colours_can_be_read() -> None:
    """Every colour of text has a contrast of at least 4.5 with its ground, as WCAG asks."""
    from pipeglot.client.html.page import _DARK, _LIGHT

    for theme in (_LIGHT, _DARK):
        colours = dict(part.split(":") for part in theme.split(";") if part.startswith("--"))
        for name, colour in colours.items():
            if name not in ("--bg", "--card", "--line", "--edge"):
                assert contrast(colour, colours["--bg"]) >= 4.5, (name, theme)
                assert contrast(colour, colours["--card"]) >= 4.5, (name, theme)


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
