"""A graph as SVG: a state has a colour, a sign and a word; a map is a stack of cards, a condition has pointed ends."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

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


def svg(graph: Graph, title: str) -> str:
    """The drawing, or nothing for an empty graph."""
    if not graph.boxes:
        return ""
    sizes = {name: _size(box) for name, box in graph.boxes.items()}
    groups = {name: box.group for name, box in graph.boxes.items()}
    layout = lay_out(sizes, [(start, end) for start, end, _ in graph.edges], groups, _GAP)
    width, height = layout.size.width + 2 * _MARGIN, layout.size.height + 2 * _MARGIN + _TITLE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"'
        f' viewBox="{-_MARGIN:.0f} {-_MARGIN - _TITLE:.0f} {width:.0f} {height:.0f}" role="img"'
        f' aria-label="{escape(title)}">',
        *_groups(graph, layout, sizes),
        *(_edge(layout, sizes, *edge) for edge in graph.edges),
        *(_box(box, layout.at[name], sizes[name]) for name, box in graph.boxes.items()),
        "</svg>",
    ]
    return "".join(parts)


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
    parts = [box.state, box.detail] if box.state else ["map"] if box.kind == "map" else []
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
    for one, other in zip(way, way[1:], strict=False):
        half = (one.x + other.x) / 2
        path += f"C{half:.1f} {one.y:.1f} {half:.1f} {other.y:.1f} {other.x:.1f} {other.y:.1f}"
    tip = f"{way[-1].x + 5:.1f},{way[-1].y:.1f} {way[-1].x - 1:.1f},{way[-1].y - 3.5:.1f} {way[-1].x - 1:.1f},"
    arrow = f'<polygon class="a" points="{tip}{way[-1].y + 3.5:.1f}"/>'
    return f'<path class="e{"" if carries else " w"}" d="{path}"/>{arrow}'


def _groups(graph: Graph, layout: Layout, sizes: dict[str, Size]) -> Iterator[str]:
    """A frame around the steps of a nested pipeline, where nothing else stands between them."""
    names = {box.group for box in graph.boxes.values() if box.group}
    names |= {".".join(name.split(".")[:depth]) for name in names for depth in range(1, name.count(".") + 1)}
    for group in sorted(names, key=lambda name: (name.count("."), name)):
        inner = [name for name, box in graph.boxes.items() if f"{box.group}.".startswith(f"{group}.")]
        edge = 9.0 - 2 * min(group.count("."), 3)
        left = min(layout.at[name].x - sizes[name].width / 2 for name in inner) - edge
        right = max(layout.at[name].x + sizes[name].width / 2 for name in inner) + edge
        top = min(layout.at[name].y - sizes[name].height / 2 for name in inner) - edge - 12
        bottom = max(layout.at[name].y + sizes[name].height / 2 for name in inner) + edge
        others = (name for name in graph.boxes if name not in inner)
        if any(
            left < layout.at[name].x + sizes[name].width / 2
            and layout.at[name].x - sizes[name].width / 2 < right
            and top < layout.at[name].y + sizes[name].height / 2
            and layout.at[name].y - sizes[name].height / 2 < bottom
            for name in others
        ):
            continue
        shown = escape(shorten(group.rpartition(".")[2]))
        yield (
            f'<rect class="g" x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}"'
            f' rx="9"/><text class="gn" x="{left + 7:.1f}" y="{top + 11:.1f}">{shown}</text>'
        )
