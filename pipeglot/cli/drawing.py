"""Draw a folded lineage graph in a terminal: a chain runs straight down, only a fork indents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pipeglot.client.folding import Box, Folded, Key
from pipeglot.client.lineage import GraphNode
from pipeglot.client.text import SHORT_ID, listed, plural, safe_line, size

WIDEST = 24
"""Forks within forks are indented so far and no farther."""

_MOST_OUTPUTS = 4


def draw(folded: Folded, run: str, *, upwards: bool = False) -> Iterator[str]:
    """Lines. Boxes of other runs than `run` say of which they are."""
    stack: list[tuple[Key, str, str]] = [(root, "● ", "") for root in reversed(folded.roots)]
    while stack:
        key, first, prefix = stack.pop()
        beside = [_name(folded.boxes[one], run) for one in folded.beside[key]]
        yield first + _line(folded.boxes[key], run, beside, upwards=upwards)
        below = folded.below[key]
        if len(below) == 1:
            stack.append((below[0], f"{prefix}{'↑' if upwards else '↓'} ", prefix))
            continue
        deep = len(prefix) >= 2 * WIDEST
        for number, child in enumerate(reversed(below)):
            turn, rest = ("└─● ", "  ") if number == 0 else ("├─● ", "│ ")
            stack.append((child, prefix + turn, prefix if deep else prefix + rest))


def _line(box: Box, run: str, beside: list[str], *, upwards: bool) -> str:
    parts = [_name(box, run)]
    given = ", ".join(f"{name}={_value(node.given)}" for name, node in box.params.items())
    if given:
        parts.append(f"({given})")
    parts += [part for part in (_state(box), _outputs(box)) if part]
    if beside:
        word = "also into" if upwards else "also from"
        parts.append(f"{word} {listed(beside)}")
    return safe_line("  ".join(parts), 400)


def _name(box: Box, run: str) -> str:
    of, step, param = box.key
    name = f"{param} (artifact parameter)" if param else step + _items(box)
    if of == run:
        return name
    return f"{name} of {box.pipeline or 'a run that was pruned or removed'} {of[:SHORT_ID]}"


def _items(box: Box) -> str:
    """`[3]`, `[0…999]`; of some items, how many."""
    indexes = sorted({node.index for node in (*box.cells, *box.artifacts) if node.index})
    if not indexes:
        return ""
    first, last = (".".join(map(str, one)) for one in (indexes[0], indexes[-1]))
    if len(indexes) == 1:
        return f"[{first}]"
    flat = all(len(one) == 1 for one in indexes)
    whole = flat and indexes[-1][0] - indexes[0][0] == len(indexes) - 1
    return f"[{first}…{last}]" if whole else f"[{first}…{last}, {len(indexes)} items]"


def _state(box: Box) -> str:
    """What became of its executions, where that is not just success."""
    counts = Counter("cached" if node.origin else node.status or "" for node in box.cells)
    del counts["succeeded"], counts[""]
    many = len(box.cells) > 1
    told = ", ".join(f"{count} {word}" if many else word for word, count in counts.most_common())
    origins = {node.origin for node in box.cells if node.origin}
    return f"{told} (run {origins.pop()[:SHORT_ID]})" if len(origins) == 1 else told


def _outputs(box: Box) -> str:
    by_name: dict[str, list[GraphNode]] = {}
    for node in box.artifacts:
        by_name.setdefault(node.name, []).append(node)
    shown = [_output(name, nodes) for name, nodes in list(by_name.items())[:_MOST_OUTPUTS]]
    more = f", and {len(by_name) - _MOST_OUTPUTS} more" if len(by_name) > _MOST_OUTPUTS else ""
    return f"→ {', '.join(shown)}{more}" if shown else ""


def _output(name: str, nodes: list[GraphNode]) -> str:
    from pipeglot.cli.artifact import KINDS

    kinds = sorted({KINDS.get(node.codec, node.codec) for node in nodes if node.codec})
    told = ["/".join(kinds)] if kinds else []
    if len(nodes) > 1:
        told.insert(0, plural(len(nodes), "item"))
    told.append(size(sum(node.size or 0 for node in nodes)))
    if any(node.opaque for node in nodes):
        told.append("opaque")
    if not any(node.known for node in nodes):
        told = ["pruned, or removed from the store"]
    return f"{name} ({', '.join(told)})" if name != "output" else ", ".join(told)


def _value(value: object) -> str:
    import json

    return safe_line(json.dumps(value, ensure_ascii=False), 60)
