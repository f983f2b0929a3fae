"""Parameters of a pipeline as Metaflow's: typed where it holds their values exactly, and as JSON in a text where not.

For Metaflow None is a parameter that was not given. Of these the run takes the pipeline's own default. Where Metaflow
hands texts through a shell, all but plain words are JSON, too.
"""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

from msgspec import UNSET

from pipeglot.compilers.metaflow.names import Names
from pipeglot.compilers.metaflow.texts import in_json, quoted
from pipeglot.core import params, plain
from pipeglot.core.ir import (
    ArtifactType,
    DictType,
    EnumType,
    ListType,
    LiteralType,
    OptionalType,
    Param,
    ParamType,
    Pipeline,
    RecordType,
    ScalarType,
    TupleType,
)
from pipeglot.core.params.describing import describe

_SCALARS = {"bool": "bool", "int": "int", "float": "float", "any": ""}
"""All others are texts; of what has no type, nobody knows which one Metaflow is to take it for."""


class Option(NamedTuple):
    """A parameter of a flow.

    name: as the pipeline has it. attribute: as Metaflow has it, which is the name of the option, too. type: Metaflow's.
    default: as Metaflow takes it; None if there is none, or if None is what it is. is_text: whether it is JSON.
    is_quoted: whether it is a text that is JSON if it is no plain word.
    """

    name: str
    attribute: str
    type: str
    default: Any
    required: bool
    help: str
    is_text: bool
    is_quoted: bool = False


def options(pipeline: Pipeline, names: Names, *, by_shell: bool = False) -> list[Option]:
    """Those of a flow, in the order of the pipeline. by_shell: whether a shell reads what is given to them."""
    return [_option(one, names.param(one.name), by_shell=by_shell) for one in pipeline.params]


def _option(one: Param, attribute: str, *, by_shell: bool) -> Option:
    default = None
    if one.default is not UNSET and not one.logical_date:
        default = params.to_json(one.type, one.default)
    text = _is_text(one, default)
    if text and one.default is not UNSET:
        default = in_json(default) if by_shell else json.dumps(default, ensure_ascii=False)
    kind = "str" if text else _type_name(_base(one.type))
    is_quoted = by_shell and kind == "str" and not text and not _is_plain(_base(one.type))
    if is_quoted and default is not None:
        default = quoted(default)
    told = "the day that a run is for" if one.logical_date else describe(one.type)
    return Option(
        name=one.name,
        attribute=attribute,
        type=kind,
        default=default,
        required=one.default is UNSET and not one.logical_date,
        help=f"{told}, as JSON" if text else f"{told} or JSON" if is_quoted else told,
        is_text=text,
        is_quoted=is_quoted,
    )


def _is_text(one: Param, default: Any) -> bool:
    """Whether Metaflow has no type that holds its values, or takes None for another one."""
    name = _type_name(_base(one.type))
    if not name:
        return True
    if isinstance(one.type, OptionalType) and (default is not None or one.default is UNSET):
        return True
    is_number = isinstance(default, int | float) and not isinstance(default, bool)
    odd = isinstance(default, str) if name != "str" else False  # such as `nan` for a float
    return odd or (is_number and not math.isfinite(default))


def _is_plain(kind: ParamType) -> bool:
    """Whether all its texts are plain words."""
    if isinstance(kind, LiteralType):
        return all(isinstance(value, str) and quoted(value) == value for value in kind.values)
    if isinstance(kind, EnumType):
        return all(quoted(name) == name for name in kind.members)
    return isinstance(kind, ScalarType) and kind.name != "str"


def _base(kind: ParamType) -> ParamType:
    return _base(kind.of) if isinstance(kind, OptionalType) else kind


def _type_name(kind: ParamType) -> str:
    """Metaflow's name of a type; empty if it has none."""
    match kind:
        case ScalarType():
            return _SCALARS.get(kind.name, "str")
        case LiteralType():
            return _type_of_all([plain.decode(value) for value in kind.values])
        case EnumType() | ArtifactType():
            return "str"
        case ListType() | TupleType() | DictType() | RecordType() | OptionalType():
            return ""


def _type_of_all(values: list[Any]) -> str:
    kinds = {type(value) for value in values}
    names = {str: "str", bool: "bool", int: "int"}
    return names.get(kinds.pop(), "") if len(kinds) == 1 else ""
