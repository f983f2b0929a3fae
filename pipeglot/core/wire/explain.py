"""What is wrong with a tree that is no pipeline: all of it, each with its place and in words for people.

Only asked once reading has failed, so it may take its time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec.inspect as schema

from pipeglot.core.errors import Location, Problem
from pipeglot.core.ir import Pipeline
from pipeglot.core.suggest import did_you_mean
from pipeglot.core.wire.reading import Path

_MOST = 50
_CODE = "write it as `module:function`"
_NAMES: dict[type, tuple[type | tuple[type, ...], str]] = {
    schema.StrType: (str, "text"),
    schema.IntType: (int, "a whole number"),
    schema.FloatType: ((int, float), "a number"),
    schema.BoolType: (bool, "true or false"),
    schema.NoneType: (type(None), "null"),
}


def problems(tree: Any, raw: str, source: str, lines: dict[Path, int]) -> list[Problem]:
    """Every problem of the tree, at least one. `raw` is what the decoder said; `lines` are those of YAML."""
    found: list[Problem] = []
    for code, path, message, hint in _problems(schema.type_info(Pipeline), tree, ()):
        if len(found) == _MOST:
            found.append(Problem("ir-type", f"{source}: … and more"))
            break
        line = _line(path, lines)
        text = f"`{show_path(path)}` {message}"
        found.append(
            Problem(code, text if line else f"{source}: {text}", Location(source, line) if line else None, hint)
        )
    return found or [Problem("ir-type", f"{source}: {raw}")]


def show_path(path: Path) -> str:
    """As `$.nodes[3].inputs.x`; a key that is no plain word stands in brackets."""
    parts = [f"[{part}]" if isinstance(part, int) else _show_key(part) for part in path]
    return "$" + "".join(parts)


def _show_key(key: str) -> str:
    return f".{key}" if key.isascii() and key.replace("-", "_").isidentifier() else f"[{_shown(key)}]"


def _line(path: Path, lines: dict[Path, int]) -> int:
    return next((lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in lines), 0)


_Found = Iterator[tuple[str, Path, str, str]]


def _problems(kind: Any, value: Any, path: Path) -> _Found:
    match kind:
        case schema.AnyType():
            return
        case schema.StructType():
            yield from _struct(kind, value, path)
        case schema.UnionType():
            yield from _union(kind, value, path)
        case schema.VarTupleType():
            if not isinstance(value, list):
                yield _wrong_type("a list", value, path)
            else:
                for i, item in enumerate(value):
                    yield from _problems(kind.item_type, item, (*path, i))
        case schema.DictType():
            if not isinstance(value, dict):
                yield _wrong_type("a mapping", value, path)
            else:
                for key, item in value.items():
                    yield from _problems(kind.value_type, item, (*path, key))
        case schema.LiteralType():
            if value not in kind.values:
                yield _not_one_of(value, list(kind.values), path)
        case _:
            accepted, name = _NAMES[type(kind)]
            if not isinstance(value, accepted) or (isinstance(value, bool) and accepted is not bool):
                yield _wrong_type(name, value, path)


def _struct(kind: schema.StructType, value: Any, path: Path) -> _Found:
    if not isinstance(value, dict):
        if kind.cls.__name__ == "CodeRef" and isinstance(value, str):
            yield "ir-type", path, f"must be `module:function`, not {_shown(value)}", ""
            return
        needed = ", ".join(f"`{field.encode_name}`" for field in kind.fields if field.required)
        yield _wrong_type(f"a mapping with {needed}" if needed else "a mapping", value, path)
        return
    fields = {field.encode_name: field for field in kind.fields}
    if kind.tag_field is not None and kind.tag_field in value and value[kind.tag_field] != kind.tag:
        yield _not_one_of(value[kind.tag_field], [kind.tag], (*path, kind.tag_field), "ir-kind")
    for key, item in value.items():
        if key in fields:
            yield from _problems(fields[key].type, item, (*path, key))
        elif key != kind.tag_field:
            yield _unknown_field(kind, key, list(fields), path)
    for name, field in fields.items():
        if field.required and name not in value:
            why = f", as every `{kind.tag}` does" if kind.tag is not None else ""
            yield "ir-missing-field", path, f"needs `{name}`{why}", ""


def _union(kind: schema.UnionType, value: Any, path: Path) -> _Found:
    structs = [one for one in kind.types if isinstance(one, schema.StructType)]
    if value is None and any(isinstance(one, schema.NoneType) for one in kind.types):
        return
    others = [one for one in kind.types if not isinstance(one, schema.NoneType)]
    if len(others) == 1:
        yield from _problems(others[0], value, path)
        return
    tags = [one.tag for one in structs]
    if not isinstance(value, dict):
        code, path, message, hint = _wrong_type(f"a mapping whose `kind` is {_listed(tags)}", value, path)
        yield code, path, message, _short_form(tags, value) or hint
    elif "kind" not in value:
        yield "ir-kind", path, f"needs `kind`: {_listed(tags)}", _short_form(tags, value)
    elif value["kind"] not in tags:
        yield _not_one_of(value["kind"], tags, (*path, "kind"), "ir-kind")
    else:
        yield from _struct(next(one for one in structs if one.tag == value["kind"]), value, path)


_SHORT = {
    "param": ("param", "step", "item", "one_of", "value"),
    "compare": ("op", "all_of", "any_of", "not", "is_in", "is_none", "param", "step", "item"),
    "scalar": ("any", "bool", "int", "float", "str", "date", "datetime", "timedelta", "artifact"),
}
"""What is written in YAML where there is no `kind`: a source, a condition, a type."""

_SHORT_HINTS = {
    "param": "write `{param: NAME}`, `{step: ID}`, `{step: ID, output: NAME}`, `{item: NAME}`, or `{value: …}`",
    "compare": "write `{left: …, op: <, right: …}`, `{all_of: […]}`, `{any_of: […]}`, `{not: …}`, `{is_in: [x, xs]}`, "
    "`{is_none: …}`, or a source for its truth",
    "scalar": "write `int`, `list[str]`, `date | None`, `artifact`, or all of it, as `{kind: enum, …}`",
}


def _short_form(tags: list[Any], value: Any) -> str:
    """What to write in YAML for one of several kinds; a word that is close to what is there comes first."""
    kind = next((tag for tag in _SHORT if tag in tags), None)
    if kind is None:
        return ""
    words = list(value) if isinstance(value, dict) else [value]
    hint = next((found for word in words if (found := did_you_mean(word, _SHORT[kind]))), "")
    return f"{hint} {_SHORT_HINTS[kind]}".lstrip()


def _unknown_field(kind: schema.StructType, key: str, known: list[str], path: Path) -> tuple[str, Path, str, str]:
    hint = did_you_mean(key, known, f"its fields are {', '.join(f'`{name}`' for name in known)}")
    return "ir-unknown-field", (*path, key), f"is no field of {_what(kind)}", hint


def _wrong_type(wanted: str, value: Any, path: Path) -> tuple[str, Path, str, str]:
    hint = "write it in quotes" if wanted == "text" and isinstance(value, bool | int | float) else ""
    return "ir-type", path, f"must be {wanted}, not {_shown(value)}", hint


def _not_one_of(value: Any, known: list[Any], path: Path, code: str = "ir-type") -> tuple[str, Path, str, str]:
    return code, path, f"must be {_listed(known)}, not {_shown(value)}", did_you_mean(value, known)


def _what(kind: schema.StructType) -> str:
    return f"a `{kind.tag}`" if kind.tag is not None else f"`{kind.cls.__name__}`"


def _listed(names: list[Any]) -> str:
    shown = [f"`{name}`" for name in names]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and value.bit_length() > 200:
        return "a number of many digits"
    text = repr(value[:60] if isinstance(value, str) else value)
    return text if not isinstance(value, str) or len(value) <= 60 else f"{text[:-1]}…{text[-1]}"
