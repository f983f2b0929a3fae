"""The tree of a pipeline as YAML that people like to read. Plain text where every reader sees text, quotes elsewhere.

Written by hand, for the same bytes whichever YAML library and version is installed.
"""

from __future__ import annotations

import json
import re
from typing import Any

_WIDTH = 100
_NODES = frozenset({"nodes", "body", "then", "otherwise"})  # their items are never on one line
_TALL = frozenset({"inputs", "over"})  # never on one line, unless empty
_PLAIN = re.compile(r"[A-Za-z_](?:[A-Za-z0-9_./+()-]| (?! |$))*")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})  # not text to some reader
_ESCAPED = re.compile(
    '[\0-\x1f"\\\\\x7f-\xa0\xad\u061c\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff0-\uffff\U000e0000-\U000e0fff]'
)
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def write(tree: dict[str, Any]) -> str:
    """YAML, with a newline at its end."""
    return "\n".join(_mapping(tree, "")) + "\n"


def _mapping(tree: dict[str, Any], pad: str) -> list[str]:
    lines: list[str] = []
    for key, value in tree.items():
        name = _text(key)
        if len(name) > _WIDTH:  # readers look for the colon within 1024 characters
            lines += [f"{pad}? {name}", *_entry(f"{pad}:", value, pad, key)]
        else:
            lines += _entry(f"{pad}{name}:", value, pad, key)
    return lines


def _entry(start: str, value: Any, pad: str, key: str) -> list[str]:
    flow = None if value and (key in _NODES or key in _TALL) else _flow(value, _WIDTH - len(start))
    if flow is not None:
        return [f"{start} {flow}"]
    if isinstance(value, dict):
        return [start, *_mapping(value, pad + "  ")]
    if isinstance(value, list | tuple):
        return [start, *_sequence(value, pad + "  ", tall=key in _NODES)]
    return _long_scalar(start, value, pad)


def _sequence(items: list[Any] | tuple[Any, ...], pad: str, *, tall: bool) -> list[str]:
    lines: list[str] = []
    for item in items:
        flow = None if tall and item else _flow(item, _WIDTH - len(pad))
        if flow is not None:
            lines.append(f"{pad}- {flow}")
        elif isinstance(item, dict | list | tuple):
            inner = pad + "  "
            below = _mapping(item, inner) if isinstance(item, dict) else _sequence(item, inner, tall=False)
            lines += [f"{pad}- {below[0][len(inner) :]}", *below[1:]]
        else:
            lines += _long_scalar(f"{pad}-", item, pad)
    return lines


def _long_scalar(start: str, value: Any, pad: str) -> list[str]:
    """Text of several lines as it is, if nothing in it needs an escape; else in quotes."""
    if isinstance(value, str) and _is_block(value):
        mark, body = ("|", value[:-1]) if value.endswith("\n") else ("|-", value)
        return [f"{start} {mark}", *(f"{pad}  {line}" if line else "" for line in body.split("\n"))]
    return [f"{start} {_scalar(value)}"]


def _is_block(text: str) -> bool:
    lines = text.removesuffix("\n").split("\n")
    return (
        "\n" in text
        and bool(lines[0])
        and bool(lines[-1])
        and not lines[0].startswith(" ")
        and not any(line.endswith(" ") for line in lines)
        and not _ESCAPED.search(text.translate({10: None, 34: None, 92: None}))  # newline, quote, backslash
    )


def _flow(value: Any, room: int) -> str | None:
    """On one line, or None if it does not fit."""
    room -= 2 if isinstance(value, dict | list | tuple) else 0
    if isinstance(value, dict):
        parts = []
        for key, item in value.items():
            part = _flow(item, room)
            if part is None:
                return None
            parts.append(f"{_text(key)}: {part}")
            room -= len(parts[-1]) + 2
            if room < 0:
                return None
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, list | tuple):
        parts = []
        for item in value:
            part = _flow(item, room)
            if part is None:
                return None
            parts.append(part)
            room -= len(part) + 2
            if room < 0:
                return None
        return "[" + ", ".join(parts) + "]"
    if isinstance(value, str) and (len(value) > room or "\n" in value):
        return None
    text = _scalar(value)
    return text if len(text) <= room else None


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    text = json.dumps(value, allow_nan=False)
    if isinstance(value, float) and "e" in text and "." not in text:
        return text.replace("e", ".0e")  # without the point it is text to some reader
    return text


def _text(value: str) -> str:
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return f'"{_ESCAPED.sub(_escape, value)}"'


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    if char in _SHORT:
        return _SHORT[char]
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
