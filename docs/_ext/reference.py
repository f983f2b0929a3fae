"""Write the reference from the code, before Sphinx reads the pages: commands, what `--json` prints, `pipeglot.yaml`.

The pages go into `reference/generated`, which git ignores.
"""

from __future__ import annotations

import argparse
import datetime as dt
import inspect
import re
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from pipeglot.cli.arguments import ARGUMENTS, add_arguments
from pipeglot.cli.commands import COMMANDS
from pipeglot.cli.schemas import ERROR, SCHEMAS, VARIANTS, type_of
from pipeglot.core.authoring.options import OPTIONS, Options
from pipeglot.core.context import RunContext
from pipeglot.stacks.models import Config, backends, stack_type


def setup(app: Any) -> dict[str, bool]:
    """What Sphinx calls."""
    app.connect("builder-inited", lambda app: write(Path(app.srcdir, "reference/generated")))
    app.connect("autodoc-process-docstring", lambda *given: list_arguments(given[3], given[5]))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write(folder: Path) -> None:
    """Write all pages; what is there and equal stays, so that Sphinx need not read it again."""
    pages = {f"command-{name.replace(' ', '-')}.md": command_page(name) for name in COMMANDS}
    pages["config.md"] = config_page()
    for part, lines in (("failures", _json(ERROR)), ("options", _options()), ("context", _table(RunContext))):
        pages[f"{part}.md"] = "\n".join([*lines, ""])
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.name not in pages:
            path.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


# --- commands ---------------------------------------------------------------------------------------------------------


def command_page(name: str) -> str:
    """A command as its `--help` has it, and what it prints under `--json`."""
    lines = [f"# `pipeglot {name}`", "", f"{_sentence(COMMANDS[name])}.", "", "```text", *usage(name), "```", ""]
    lines += ["| argument | meaning |", "|---|---|"]
    for argument in ARGUMENTS[name]:
        lines.append(
            f"| {_cell(_flags(argument.flags, argument.options))} | {_cell(argument.options.get('help', ''))} |"
        )
    lines += ["", "## What it prints under `--json`", "", *_json(SCHEMAS[name])]
    lines += ["If it fails, it prints [an error](../json.md#if-a-command-fails) in place of this.", ""]
    for variant, path in VARIANTS.items():
        if variant.startswith(f"{name} "):
            lines += [f"## With `{variant.removeprefix(f'{name} ')} --json`", "", *_json(path)]
    return "\n".join(lines)


def usage(name: str) -> list[str]:
    """The line of usage, of the same width wherever it is made."""
    parser = argparse.ArgumentParser(
        prog=f"pipeglot {name}", formatter_class=lambda prog: argparse.HelpFormatter(prog, width=100)
    )
    add_arguments(parser, name)
    return parser.format_usage().rstrip("\n").split("\n")


def _flags(flags: tuple[str, ...], options: dict[str, Any]) -> str:
    choices = ", ".join(options.get("choices", ()))
    shown = options.get("metavar", "{" + choices.replace(" ", "") + "}" if choices else "")
    if not flags[0].startswith("-"):
        return f"`{shown or flags[0]}`"
    return ", ".join(f"`{flag} {shown}`" if shown else f"`{flag}`" for flag in flags)


# --- Python -----------------------------------------------------------------------------------------------------------


def list_arguments(made: Any, lines: list[str]) -> None:
    """Make lines of a docstring about single arguments, `name: meaning`, a list."""
    if not callable(made) or isinstance(made, type):
        return
    known = set(inspect.signature(made).parameters)
    inside = False
    found: list[str] = []
    for line in lines:
        match = re.match(r"(\w+(?:, \w+)*): ", line)
        names = match[1].split(", ") if match else []
        if match and known.issuperset(names):
            found += [] if inside else [""]
            found.append(f"- {', '.join(f'`{name}`' for name in names)}: {line[match.end() :]}")
            inside = True
        else:
            inside = inside and line.startswith(" ")
            found.append(f"  {line.strip()}" if inside else line)
    lines[:] = found


# --- records ----------------------------------------------------------------------------------------------------------


def _json(path: str) -> Iterator[str]:
    """A table for the type, and one for each record in it."""
    kind = type_of(path)
    if typing.get_origin(kind):
        yield from (f"{_sentence(_words(kind))}.", "")
    for at, record in enumerate(records(kind)):
        if at:
            yield from (f"### `{record.__name__}`", "")
        yield from (_about(record), "", *_table(record), "")


def records(kind: Any) -> list[type[Struct]]:
    """The records in a type, outermost first, each once: some hold others of their own kind."""
    return list(_records(kind, set()))


def _records(kind: Any, seen: set[type[Struct]]) -> Iterator[type[Struct]]:
    if isinstance(kind, type) and issubclass(kind, Struct):
        if kind in seen:
            return
        seen.add(kind)
        yield kind
        for field in msgspec.structs.fields(kind):
            yield from _records(field.type, seen)
    for inner in typing.get_args(kind):
        yield from _records(inner, seen)


def _table(record: type[Struct], *, settings: bool = False) -> Iterator[str]:
    """Its fields: type, default, and what the docstring says of each."""
    told = meanings(record)
    yield from (
        ("| field | type | default | |", "|---|---|---|---|") if settings else ("| field | type | |", "|---|---|---|")
    )
    config = record.__struct_config__
    if config.tag is not None and not settings:
        yield f"| `{config.tag_field}` | `{config.tag}` | which record this is |"
    for field in msgspec.structs.fields(record):
        if settings and (field.name, record is Config) in (("name", False), ("origin", True)):  # not for users to say
            continue
        optional = config.omit_defaults and not field.required and not settings
        kind = _optional(field.type) if optional else _words(field.type)
        default = f" {_default(field)} |" if settings else ""
        yield f"| `{field.encode_name}` | {_cell(kind)} |{default} {_cell(told.get(field.name, ''))} |"


def _optional(kind: Any) -> str:
    """Of a field that is left out where it has its default: null is never written then."""
    return f"{_words(kind).removesuffix(' or null')}, or left out"


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    text = msgspec.json.encode(value).decode()
    return "" if text in ("null", "[]", "{}") else f"`{text}`"


def _about(record: type[Struct]) -> str:
    """The docstring, without its lines about single fields."""
    paragraphs = (inspect.getdoc(record) or "").split("\n\n")
    return "\n\n".join(one for one in paragraphs if not _FIELD.match(one))


_FIELD = re.compile(r"^(\w+): ")


def meanings(record: type) -> dict[str, str]:
    """What the docstrings of a record and its bases say of single fields: `name: meaning`, indented lines follow."""
    found: dict[str, str] = {}
    for base in reversed(record.__mro__):
        name = ""
        for line in (inspect.cleandoc(base.__doc__ or "")).split("\n"):
            match = _FIELD.match(line)
            if match and match[1] in inspect.get_annotations(base):
                name = match[1]
                found[name] = line[match.end() :]
            elif name and line.startswith("    "):
                found[name] += f" {line.strip()}"
            else:
                name = ""
    return found


def _words(kind: Any) -> str:
    """A type as people say it."""
    names = {dt.datetime: "`datetime`", str: "text", int: "int", float: "float", bool: "bool", type(None): "null"}
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind in names:
        return names[kind]
    if kind is Any:
        return "any JSON"
    if origin is typing.Annotated:
        return _words(inner[0])
    if isinstance(kind, type) and issubclass(kind, Struct):
        return f"`{kind.__name__}`"
    if origin in (typing.Union, types.UnionType):
        *first, last = [_words(one) for one in inner if one is not msgspec.UnsetType]
        return f"{', '.join(first)} or {last}" if first else last
    if origin is typing.Literal:
        return ", ".join(f"`{one}`" for one in inner)
    if origin in (list, tuple):
        return f"list of {_inner(inner[0])}"
    assert origin in (dict, Mapping), kind
    return f"mapping of names to {_inner(inner[1])}"


def _inner(kind: Any) -> str:
    """The same of what is in a list or a mapping."""
    return f"({_words(kind)})" if typing.get_origin(kind) in (typing.Union, types.UnionType) else _words(kind)


# --- pipeglot.yaml ----------------------------------------------------------------------------------------------------


def config_page() -> str:
    """Every setting, from the models that the file is read into."""
    lines = ["# `pipeglot.yaml`", "", _about(Config), "", *_table(Config, settings=True), ""]
    for name in backends():
        model = stack_type(name)
        lines += [f"## A stack with `backend: {name}`", "", _about(model), "", *_table(model, settings=True), ""]
    return "\n".join(lines)


def _options() -> Iterator[str]:
    """What `@step` takes."""
    told = meanings(Options)
    yield from ("| option | |", "|---|---|")
    for name in OPTIONS:
        yield f"| `{name}` | {_cell(told[name])} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
