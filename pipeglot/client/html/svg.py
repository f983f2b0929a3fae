"""A graph as SVG: a state has a colour, a sign and a word; a map is a stack of cards, a condition has pointed ends."""

from __future__ import annotations

from html import escape
from itertools import pairwise
from typing import NamedTuple

from pipeglot.client.html.graph import Box, Graph
from pipeglot.client.html.layout import Layout, Point, Size, lay_out

SIGNS = {
    "succeeded": "✓",
    "cached": "↺",
    "failed": "✗",
    "skipped": "–",
    "cancelled": "■",
    "running": "●",
    "lost": "?",
    "waiting": "·",
}
_MARGIN = 14.0
_GAP = 46.0
_LINE = 16.0
_MOST_LETTERS = 28
_CARDS = 3.0
_TITLE = 15.0
_LEAST = 0.72


class _Frame(NamedTuple):
    """Around the steps of a nested pipeline."""

    group: str
    left: float
    top: float
    right: float
    bottom: float


def svg(graph: Graph, title: str) -> str:
    """The drawing, or nothing for an empty graph."""
    if not graph.boxes:
        return ""
    boxes, layout, sizes, frames = _arranged(graph)
    width, height = layout.size.width + 2 * _MARGIN, layout.size.height + 2 * _MARGIN + _TITLE
    view = f"{-_MARGIN:.0f} {-_MARGIN - _TITLE:.0f} {width:.0f} {height:.0f}"
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="{view}"'
    least = f"min-width:{_LEAST * width:.0f}px"  # a wide one is made smaller, as long as it can be read
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} style="{least}" role="img" aria-label="{escape(title)}">',
        *map(_frame, frames),
        *(_edge(layout, sizes, *edge) for edge in graph.edges),
        *(_box(box, layout.at[name], sizes[name]) for name, box in boxes.items()),
        "</svg>",
    ]
    return "".join(parts)


def _arranged(graph: Graph) -> tuple[dict[str, Box], Layout, dict[str, Size], list[_Frame]]:
    """A nested pipeline that no frame fits around, for others stand between, has its name before those of its steps."""
    boxes = dict(graph.boxes)
    groups = {name: box.group for name, box in boxes.items()}
    named: set[str] = set()
    while True:
        sizes = {name: _size(box) for name, box in boxes.items()}
        layout = lay_out(sizes, [(start, end) for start, end, _ in graph.edges], groups, _GAP)
        frames, unframed = _frames(boxes, layout, sizes, named)
        if not unframed:
            return boxes, layout, sizes, frames
        named |= unframed
        for name, box in boxes.items():
            if any(f"{box.group}.".startswith(f"{group}.") for group in unframed):
                boxes[name] = box._replace(label=name)


def shorten(text: str, most: int = _MOST_LETTERS) -> str:
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-(most - most // 2 - 1) :]}"


def _size(box: Box) -> Size:
    letters = max(_wide(shorten(box.label)) + 2.5, 0.86 * _wide(_second(box)))
    ends = 20 if box.kind == "branch" else 0
    return Size(max(76.0, 7.3 * letters + 22 + ends), 2 * _LINE + 12 if _second(box) else _LINE + 14)


def _wide(text: str) -> float:
    """In letters; those of Chinese and the like are twice as wide."""
    return sum(1.8 if ord(char) > 0x2E80 else 1.0 for char in text)


def _second(box: Box) -> str:
    """The line below the name."""
    if box.state == "succeeded" and box.detail:  # the sign says it
        return box.detail
    parts = [box.state, box.detail] if box.state else ["map"] if box.kind == "map" else [box.detail]
    return shorten(" · ".join(part for part in parts if part), 40)


# --- boxes ------------------------------------------------------------------------------------------------------------


def _box(box: Box, at: Point, size: Size) -> str:
    left, top = at.x - size.width / 2, at.y - size.height / 2
    sign = f'<tspan class="s">{SIGNS[box.state]}</tspan> ' if box.state else ""
    second = _second(box)
    middle = at.y + (4.0 if not second else -3.5)
    texts = [f'<text x="{at.x:.1f}" y="{middle:.1f}" class="n">{sign}{escape(shorten(box.label))}</text>']
    if second:
        texts.append(f'<text x="{at.x:.1f}" y="{at.y + 12:.1f}" class="d">{escape(second)}</text>')
    tip = f"<title>{escape(_visible(box.tip or box.id))}</title>"
    return f'<g class="b {box.state or "plain"}">{tip}{_shape(box, left, top, size)}{"".join(texts)}</g>'


def _shape(box: Box, left: float, top: float, size: Size) -> str:
    width, height = size
    if box.kind == "branch":
        right, middle, bottom = left + width, top + height / 2, top + height
        points = [(left, middle), (left + 12, top), (right - 12, top), (right, middle), (right - 12, bottom)]
        points.append((left + 12, bottom))
        return f'<polygon points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'
    cards = (2 * _CARDS, _CARDS, 0.0) if box.kind == "map" else (0.0,)
    return "".join(
        f'<rect x="{left + card:.1f}" y="{top - card:.1f}" width="{width:.1f}" height="{height:.1f}" rx="6"/>'
        for card in cards
    )


def _visible(text: str) -> str:
    """XML has no control characters."""
    return "".join(char if char == "\n" or char.isprintable() else "\ufffd" for char in text)


# --- edges and groups -------------------------------------------------------------------------------------------------


def _edge(layout: Layout, sizes: dict[str, Size], start: str, end: str, carries: bool) -> str:
    """A curve from the right of one box to the left of the other, through what lies between."""
    first, *passed, last = layout.paths[start, end]
    way = [Point(first.x + sizes[start].width / 2, first.y), *passed, Point(last.x - sizes[end].width / 2 - 5, last.y)]
    path = f"M{way[0].x:.1f} {way[0].y:.1f}"
    for one, other in pairwise(way):
        half = (one.x + other.x) / 2
        path += f"C{half:.1f} {one.y:.1f} {half:.1f} {other.y:.1f} {other.x:.1f} {other.y:.1f}"
    tip = f"{way[-1].x + 5:.1f},{way[-1].y:.1f} {way[-1].x - 1:.1f},{way[-1].y - 3.5:.1f} {way[-1].x - 1:.1f},"
    arrow = f'<polygon class="a" points="{tip}{way[-1].y + 3.5:.1f}"/>'
    return f'<path class="e{"" if carries else " w"}" d="{path}"/>{arrow}'


def _frames(
    boxes: dict[str, Box], layout: Layout, sizes: dict[str, Size], named: set[str]
) -> tuple[list[_Frame], set[str]]:
    """Around the groups that are not `named`, outer ones first; and the groups that it cannot be done for."""
    groups = {box.group for box in boxes.values() if box.group}
    groups |= {".".join(name.split(".")[:depth]) for name in groups for depth in range(1, name.count(".") + 1)}
    frames, unframed = [], set()
    for group in sorted(groups - named, key=lambda name: (name.count("."), name)):
        inner = {name for name, box in boxes.items() if f"{box.group}.".startswith(f"{group}.")}
        frame = _around(group, inner, layout, sizes)
        if any(_meets(frame, layout.at[name], sizes[name]) for name in boxes if name not in inner):
            unframed.add(group)
        else:
            frames.append(frame)
    return frames, unframed


def _around(group: str, inner: set[str], layout: Layout, sizes: dict[str, Size]) -> _Frame:
    edge = 9.0 - 2 * min(group.count("."), 3)
    return _Frame(
        group,
        min(layout.at[name].x - sizes[name].width / 2 for name in inner) - edge,
        min(layout.at[name].y - sizes[name].height / 2 for name in inner) - edge - 11,
        max(layout.at[name].x + sizes[name].width / 2 for name in inner) + edge,
        max(layout.at[name].y + sizes[name].height / 2 for name in inner) + edge,
    )


def _meets(frame: _Frame, at: Point, size: Size) -> bool:
    across = frame.left < at.x + size.width / 2 and at.x - size.width / 2 < frame.right
    return across and frame.top < at.y + size.height / 2 and at.y - size.height / 2 < frame.bottom


def _frame(frame: _Frame) -> str:
    group, left, top, right, bottom = frame
    size = f'width="{right - left:.1f}" height="{bottom - top:.1f}"'
    name = escape(shorten(group.rpartition(".")[2]))
    title = f'<text class="gn" x="{left + 7:.1f}" y="{top + 11:.1f}">{name}</text>'
    return f'<rect class="g" x="{left:.1f}" y="{top:.1f}" {size} rx="9"/>{title}'
