"""A pipeline's parameters as Airflow's, by JSON schema: its form has fields for them, and refuses what is wrong."""

from __future__ import annotations

from msgspec import UNSET

from pipeglot.compilers.python_text import Code, broken, literal
from pipeglot.compilers.schemas import schema
from pipeglot.core import params
from pipeglot.core.ir import OptionalType, Param, ParamType


def param(one: Param, *, indent: int) -> Code:
    """`Param(…)` with its default and its schema."""
    kind: ParamType = OptionalType(of=one.type) if one.logical_date and not _is_optional(one.type) else one.type
    words = [f"{name}={broken(value, indent=indent + 8)}" for name, value in schema(kind).items()]
    if one.logical_date:
        words = ["None", *words]
    elif one.default is not UNSET:
        default = params.to_json(one.type, one.default)
        words = [broken(default, indent=indent + 8), *words]
    line = f"Param({', '.join(words)})"
    if len(line) + indent + len(literal(one.name)) + 3 <= 88 and "\n" not in line:
        return Code(line)
    inner = "".join(f"{' ' * (indent + 4)}{word},\n" for word in words)
    return Code(f"Param(\n{inner}{' ' * indent})")


def _is_optional(kind: ParamType) -> bool:
    return isinstance(kind, OptionalType)
