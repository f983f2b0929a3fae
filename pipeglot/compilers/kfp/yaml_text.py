"""YAML as it is written into emitted files: short where there is little to say, quoted where another would be read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Self

WIDTH = 110
_DEPTH = 2
"""How deep that may be nested which stands on one line."""

_PLAIN = re.compile(
    r"(?:--?)?[A-Za-z_./$](?:[A-Za-z0-9_./@$+=-]|:(?=[A-Za-z0-9_./]))*(?: [A-Za-z0-9_./(][A-Za-z0-9_./@$+(),;-]*)*"
)
_PLAIN_IN_FLOW = re.compile(r"(?:--?)?[A-Za-z_./$][A-Za-z0-9_./@$+=-]*(?: [A-Za-z0-9_./(][A-Za-z0-9_./@$+();-]*)*")
_WORDS = re.compile(r"(?i:true|false|yes|no|on|off|y|n|null|\.nan|[-+.]?\.inf|[0-9_.+-]+)|[.].*|.*[ ]")
"""What YAML would take for something else than a text."""
_REPEATED = "\0"
"""Around the name of a text that is repeated, until it is known whether it came before: no line has one else."""
_UNPRINTED = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


class Repeated(str):
    """A text that stands in a document more than once: in full where it comes first, and by a name from then on.

    A change of it is then a change of one line.
    """

    __slots__ = ("anchor",)
    anchor: str

    def __new__(cls, text: str, anchor: str) -> Self:
        found = super().__new__(cls, text)
        found.anchor = anchor
        return found


def dumped(document: Mapping[str, Any]) -> str:
    """A document of plain data, its keys in the order that they have."""
    known: set[str] = set()
    return "".join(f"{_named(line, known)}\n" for line in _mapping(document, ""))


def _named(line: str, known: set[str]) -> str:
    head, is_repeated, text = line.partition(_REPEATED)
    if not is_repeated:
        return line
    anchor, _, text = text.partition(_REPEATED)
    if anchor in known:
        return f"{head}*{anchor}"
    known.add(anchor)
    return f"{head}&{anchor} {text}"


def _mapping(value: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, one in value.items():
        yield from _entry(f"{indent}{scalar(key)}:", one, indent)


def _entry(head: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping | list) and value:
        short = _flow(value, WIDTH - len(head)) if _depth(value) <= _DEPTH else None
        if short is None:
            yield head
            yield from _mapping(value, f"{indent}  ") if isinstance(value, Mapping) else _list(value, indent)
            return
        yield f"{head} {short}"
        return
    yield f"{head} {_flat(value)}"


def _list(value: list[Any], indent: str) -> Iterator[str]:
    for one in value:
        if isinstance(one, Mapping) and one and _depth(one) > _DEPTH:
            first, *rest = _mapping(one, f"{indent}  ")
            yield f"{indent}- {first.lstrip(' ')}"
            yield from rest
        else:
            yield f"{indent}- {_flat(one)}"


def _depth(value: Any) -> int:
    if isinstance(value, Mapping):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


def _flow(value: Any, room: int) -> str | None:
    text = _flat(value)
    return text if len(text) < room else None


def _flat(value: Any, *, inside: bool = False) -> str:
    """On one line."""
    if isinstance(value, Mapping):
        return (
            "{"
            + ", ".join(f"{scalar(key, inside=True)}: {_flat(one, inside=True)}" for key, one in value.items())
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(_flat(one, inside=True) for one in value) + "]"
    return scalar(value, inside=inside)


def scalar(value: object, *, inside: bool = False) -> str:
    """A text, a number, true, false or null; `inside` of brackets commas part items."""
    if isinstance(value, Repeated):
        return f"{_REPEATED}{value.anchor}{_REPEATED}{_quoted(value)}"
    if isinstance(value, str):
        plain = _PLAIN_IN_FLOW if inside else _PLAIN
        if plain.fullmatch(value) and not _WORDS.fullmatch(value) and len(value) < WIDTH:
            return value
        return _quoted(value)
    assert value is None or isinstance(value, bool | int | float), f"{type(value)} is no plain data"
    text = json.dumps(value)
    return re.sub(r"^(-?\d+)e", r"\1.0e", text)  # else YAML takes it for a text


def _quoted(text: str) -> str:
    if '"' in text and "'" not in text and text.isprintable():
        return f"'{text}'"  # JSON is read better so
    found = json.dumps(text, ensure_ascii=False)
    return _UNPRINTED.sub(lambda one: f"\\U{ord(one[0]):08x}", found)
