"""The IR as bytes: JSON and YAML that people read, and compact JSON whose sha256 names a pipeline.

Whatever is written is read back equal, and written again it is the same, byte for byte. What is read may be written by
hand: unknown fields, wrong types and doubled keys are refused, all at once, each with its place. For people there are
short forms, which `wire.short` lists with an example.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from pipeglot.core.errors import DefinitionError, NewerFormat, Problem
from pipeglot.core.ir import IR_VERSION, Pipeline
from pipeglot.core.wire import reading

_OLDEST = max(1, IR_VERSION - 2)


def dump_json(pipeline: Pipeline) -> str:
    """Indented JSON with a newline at its end; text stays readable UTF-8."""
    return _write(pipeline, lambda tree: msgspec.json.format(_compact(tree), indent=2) + "\n")


def dump_yaml(pipeline: Pipeline) -> str:
    """YAML in block style, with short parts on one line each. It reads alike in YAML 1.1 and 1.2."""
    from pipeglot.core.wire import yaml_text

    return _write(pipeline, yaml_text.write)


def compact(pipeline: Pipeline) -> bytes:
    """The bytes that travel to a store and to workers. Keys keep their order, which a step may see in a constant."""
    return _write(pipeline, _compact).encode()


def digest(pipeline: Pipeline) -> str:
    """The sha256, in hex, of the compact bytes: the name of exactly this pipeline."""
    return hashlib.sha256(compact(pipeline)).hexdigest()


def load(text: str | bytes, *, source: str) -> Pipeline:
    """Read JSON, if it starts with `{`, or YAML, which may have short forms. `source` names it in messages.

    Raises `DefinitionError` with all that is wrong, `NewerFormat` for what only a later pipeglot reads. It does not ask
    whether the pipeline makes sense: that is `validate`.
    """
    tree = None
    try:
        tree = _tree(text, source)
        return msgspec.convert(tree, Pipeline)
    except msgspec.ValidationError as error:
        from pipeglot.core.wire import explain, short

        lines = short.long_lines(reading.tree(text, source), reading.lines(text))
        raise DefinitionError(explain.problems(tree, str(error), source, lines)) from None
    except RecursionError:
        raise reading.refused("ir-syntax", source, "it is nested too deeply") from None


def lines(text: str | bytes, *, source: str) -> dict[tuple[str, str], int]:
    """Where each part stands, as `("step", "train")` or `("parameter", "year")`, in YAML that `load` has read."""
    if reading.is_json(text):
        return {}
    from pipeglot.core.wire import short

    found = short.long_lines(reading.tree(text, source), reading.lines(text))
    return dict(_part_lines(_tree(text, source), found))


def _part_lines(tree: Any, lines: dict[reading.Path, int]) -> Iterator[tuple[tuple[str, str], int]]:
    nodes: list[tuple[reading.Path, Any]] = [
        ((key, place), node)
        for key in ("nodes", "on_failure", "on_success")
        for place, node in enumerate(tree.get(key, ()))
    ]
    for path, node in nodes:
        if path in lines:
            yield (node["kind"], node["id"]), lines[path]
        inner = [key for key in ("body", "then", "otherwise") if key in node]
        nodes += [((*path, key, place), one) for key in inner for place, one in enumerate(node[key])]
    for place, param in enumerate(tree.get("params", ())):
        if ("params", place) in lines:
            yield ("parameter", param["name"]), lines["params", place]
    if ("schedule",) in lines:
        yield ("schedule", ""), lines[("schedule",)]


def _tree(text: str | bytes, source: str) -> Any:
    """The long form, of a version that is known. Only YAML has short forms: that is what people write."""
    tree = reading.tree(text, source)
    if isinstance(tree, dict) and not reading.is_json(text):
        from pipeglot.core.wire import short

        tree = short.expand({"ir_version": IR_VERSION, **tree})
    _check_version(tree, source)
    for key in ("nodes", "on_failure", "on_success"):
        _expand_code(tree.get(key))
    return tree


def _expand_code(nodes: Any) -> None:
    """`code: module:function`, as people write it, stands for its two parts."""
    for node in nodes if isinstance(nodes, list) else ():
        if not isinstance(node, dict):
            continue
        code = node.get("code")
        if isinstance(code, str) and all(code.partition(":")):
            module, _, qualname = code.partition(":")
            node["code"] = {"module": module, "qualname": qualname}
        for inner in ("body", "then", "otherwise"):
            _expand_code(node.get(inner))


_compact = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def _write(pipeline: Pipeline, write: Callable[[Any], str]) -> str:
    """Write builtins, and by way of reading them again: so an int that stands for a float looks as it will be read."""
    try:
        text = write(msgspec.to_builtins(msgspec.convert(msgspec.to_builtins(pipeline), Pipeline)))
        text.encode()
    except msgspec.ValidationError as error:
        raise _not_writable(pipeline, str(error)) from None
    except UnicodeEncodeError as error:
        raise _not_writable(pipeline, f"the character {error.object[error.start]!a} is half of a pair") from None
    except RecursionError:
        raise _not_writable(pipeline, "it is nested too deeply") from None
    except ValueError:
        raise _not_writable(pipeline, "a number in it is not finite, or has thousands of digits") from None
    return text


def _not_writable(pipeline: Pipeline, why: str) -> DefinitionError:
    message = f"pipeline `{pipeline.name}` cannot be written: {why}"
    return DefinitionError([Problem("ir-value", message.encode("utf-8", "backslashreplace").decode())])


def _check_version(tree: Any, source: str) -> None:
    if not isinstance(tree, dict):
        raise reading.refused("ir-type", source, "a pipeline is a mapping, with `name` and `nodes`")
    version = tree.get("ir_version")
    if type(version) is not int or version < 1:
        told = "it has no `ir_version`" if version is None else f"`ir_version` cannot be `{json.dumps(version)[:60]}`"
        raise reading.refused("ir-version", source, told, f"write `ir_version: {IR_VERSION}`")
    if version > IR_VERSION:
        raise NewerFormat(
            f"{source} has ir_version {version}, and this pipeglot reads none above {IR_VERSION}",
            hint="it was written by a later pipeglot: `pip install --upgrade pipeglot`",
        )
    if version < _OLDEST:
        told = f"it has ir_version {version}, and this pipeglot reads none below {_OLDEST}"
        raise reading.refused("ir-version", source, told, "compile it again from its source")
