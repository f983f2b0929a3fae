"""Python as it is written into emitted files: values as literals, calls laid out as `ruff format` would."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Mapping
from textwrap import wrap

WIDTH = 88
"""Columns: what formatters and linters take without settings."""

QUOTES = '"""'


class Code(str):
    """A text that is code itself, not a value."""

    __slots__ = ()


def literal(value: object) -> str:
    """A value as its literal: plain data only, in an order that does not change, with double quotes."""
    if isinstance(value, Code):
        return str(value)
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{literal(key)}: {literal(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    assert value is None or isinstance(value, bool | int | float), f"{type(value)} has no literal here"
    return repr(value)


def _quoted(text: str) -> str:
    """With double quotes, unless single ones need fewer backslashes; in ASCII and what can be printed."""
    body = repr(text)[1:-1]
    if repr(text)[0] == '"' or '"' not in text:
        return f'"{body}"' if repr(text)[0] == '"' else '"' + body.replace("\\'", "'") + '"'
    return f"'{body}'"


def call(head: str, arguments: Iterable[str], *, indent: int, tail: str = "") -> str:
    """`head(arguments)tail`, on one line if that is short enough, else with an argument on each line."""
    given = list(arguments)
    line = f"{' ' * indent}{head}({', '.join(given)}){tail}"
    if len(line) <= WIDTH or not given:
        return line
    inner = "".join(f"{' ' * (indent + 4)}{one},\n" for one in given)
    return f"{' ' * indent}{head}(\n{inner}{' ' * indent}){tail}"


def assigned(name: str, head: str, arguments: Iterable[str], *, indent: int, tail: str = "") -> str:
    """`name = head(arguments)tail`, in parentheses if `name = head(` does not fit on a line, and they help."""
    given = list(arguments)
    line = call(f"{name} = {head}", given, indent=indent, tail=tail)
    if len(line.partition("\n")[0]) <= WIDTH:
        return line
    inner = call(head, given, indent=indent + 4, tail=tail)
    if len(inner.partition("\n")[0]) > WIDTH:
        return line
    return f"{' ' * indent}{name} = (\n{inner}\n{' ' * indent})"


def named(arguments: Mapping[str, object], *, indent: int = 0) -> list[str]:
    """`name=value` for each; a value that would be too long on its line is broken."""
    return [f"{name}={broken(value, indent=indent + 4, used=len(name) + 2)}" for name, value in arguments.items()]


def broken(value: object, *, indent: int, used: int = 0) -> str:
    """A literal; of a mapping or a list that is too long for its line, each item has one of its own."""
    text = literal(value)
    if (
        indent + used + len(text) <= WIDTH
        or not isinstance(value, Mapping | list)
        or isinstance(value, Code)
        or not value
    ):
        return text
    inside = indent + 4
    if isinstance(value, list):
        lines = [f"{' ' * inside}{broken(one, indent=inside, used=1)},\n" for one in value]
        return "[\n" + "".join(lines) + " " * indent + "]"
    lines = [
        f"{' ' * inside}{literal(key)}: {broken(one, indent=inside, used=len(literal(key)) + 3)},\n"
        for key, one in value.items()
    ]
    return "{\n" + "".join(lines) + " " * indent + "}"


def docstring(text: str, indent: int) -> str:
    """As a docstring: of a step its first line, broken where it is too long; of the pipeline all of it."""
    lines = text.strip().splitlines()
    shown = lines[0].strip() if indent else "\n".join(line.rstrip() for line in lines)
    quoted = shown.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    if quoted.endswith('"'):
        quoted = quoted[:-1] + '\\"'
    if indent and len(quoted) > WIDTH - indent - 2 * len(QUOTES):
        quoted = _wrapped(quoted, indent)
    end = f"\n{' ' * indent}" if "\n" in quoted else ""
    return f'"""{quoted}{end}"""'


def _wrapped(text: str, indent: int) -> str:
    """Between words, with the first line after the quotes."""
    lines = wrap(
        text,
        WIDTH - len(QUOTES),
        initial_indent=" " * (indent + len(QUOTES)),
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines).strip()


class Names:
    """Python names for ids, each given once."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)

    def new(self, text: str) -> str:
        """A name that is like `text`."""
        base = re.sub(r"\W", "_", text)
        if not base.isidentifier() or keyword.iskeyword(base) or keyword.issoftkeyword(base):
            base = f"{base}_" if base and base[0].isalpha() else f"step_{base}"
        name, number = base, 2
        while name in self._taken:
            name, number = f"{base}_{number}", number + 1
        self._taken.add(name)
        return name
