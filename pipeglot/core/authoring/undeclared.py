"""The words for an attribute, an item or an unpacking that no declared output of a step answers."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pipeglot.core import ir
from pipeglot.core.authoring.advice import explain
from pipeglot.core.authoring.annotations import MISSING, type_text
from pipeglot.core.authoring.fits import list_item
from pipeglot.core.authoring.sources import enclosing, short
from pipeglot.core.suggest import did_you_mean

if TYPE_CHECKING:
    from pipeglot.core.authoring.positions import Position
    from pipeglot.core.authoring.values import Value


def explain_output(value: Value, use: str, detail: str, at: Position | None) -> tuple[str, str]:
    """Message and hint for an attribute, an item or an unpacking that no declared output answers."""
    chain = enclosing(at)
    if use == "unpack":
        return _unpack(value, detail, chain)
    if detail == "keys" and chain and isinstance(chain[0], ast.Call):  # `f(**value)`
        return explain("number", "**", value._label(), at)[0], "pass each argument by name"
    if value._declared is not None and value._declared.many:
        who = f"step `{value._producers[0].id}`" if value._is_whole() else value._label()
        return _unknown_output(who, value._declared.form, list(value._declared.hints), use, detail)
    if not value._producers or type(value._source) is ir.OneOf:
        return explain(use, detail, value._label(), at)
    producer = value._producers[0]
    declared, step = producer.declared, producer.id
    if producer.mapped:
        inner = f"`list[{type_text(declared.whole)}]`" if declared.whole is not MISSING else "the list"
        shown = f".{detail}" if use == "attribute" else f"[{detail}]"
        return (
            f"`{step}` is mapped: its results are a list, which has no `{shown}`",
            f"read it in the step that takes {inner}",
        )
    kind = f", of type `{type_text(value._hint)}`," if value._hint is not MISSING else ""
    name = f"`{detail}`" if use == "attribute" else f"`[{_subscript(chain, detail)}]`"
    return f"{value._label()}{kind} has no {name} while the pipeline is defined", _part_hint(use, detail, chain)


def _subscript(chain: list[ast.AST], detail: str) -> str:
    return short(chain[0].slice) if chain and isinstance(chain[0], ast.Subscript) else detail


def _part_hint(use: str, detail: str, chain: list[ast.AST]) -> str:
    if len(chain) > 1 and isinstance(chain[1], ast.Call) and chain[1].func is chain[0]:
        return f"call `.{detail}(…)` in a step"
    if use == "item" and not detail.startswith("'"):
        return "take it out in a step"
    return "read it in a step; what is to be an output is a field of a returned `NamedTuple`"


def _unknown_output(who: str, form: str, names: list[str], use: str, detail: str) -> tuple[str, str]:
    name = detail.strip("'")
    hint = f"{did_you_mean(name, names)} its outputs are {', '.join(f'`{one}`' for one in names)}".lstrip()
    if name in names:
        how = {
            "namedtuple": f"`.{name}`",
            "typeddict": f'`["{name}"]`',
            "tuple": f"`[{names.index(name)}]`, or unpack it",
        }
        hint = f"write {how[form]}"
    return f"{who} has no output `{name if use == 'attribute' else f'[{detail}]'}`", hint


def _unpack(value: Value, detail: str, chain: list[ast.AST]) -> tuple[str, str]:
    statement = next((node for node in chain if isinstance(node, ast.stmt)), None)
    count = f"{detail} value{'s' * (detail != '1')}"
    shown = f"`{short(statement)}` unpacks {count}" if isinstance(statement, ast.Assign) else f"{count} unpacked"
    if not value._producers:
        return f"{shown}, and {value._label()} is known only when the pipeline runs", "unpack it in a step"
    declared = value._producers[0].declared
    if value._is_many():
        listed = ", ".join(f"`{name}`" for name in declared.hints)
        if declared.form == "typeddict":
            return f"{shown}, and {value._label()} is a dict", f"read its outputs by key: {listed}"
        return (
            f"{shown}, and step `{value._producers[0].id}` has {len(declared.hints)} outputs",
            f"its outputs are {listed}",
        )
    if declared.form == "none" and not value._producers[0].mapped:
        return f"{shown}, and {value._label()} is nothing", "declare what it returns"
    if value._hint is not MISSING and list_item(value._hint) is not None and not _is_tuple(value._hint):
        return f"{shown}, and {value._label()} is as long as the run makes it", "unpack it in a step"
    return (
        f"{shown}, and {value._label()} is one value",
        'return a `NamedTuple`, or `tuple[Annotated[int, "a"], Annotated[str, "b"]]`: its parts are outputs',
    )


def _is_tuple(hint: object) -> bool:
    """`tuple[int, int]`, which is as long as it says; `tuple[int, ...]` is a list of its own kind."""
    return getattr(hint, "__origin__", hint) is tuple and Ellipsis not in getattr(hint, "__args__", ())
