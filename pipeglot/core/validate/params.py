"""The rules of a pipeline's parameters."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET

from pipeglot.core import params
from pipeglot.core.errors import ParamError
from pipeglot.core.ir import (
    ArtifactType,
    DictType,
    EnumType,
    ListType,
    LiteralType,
    OptionalType,
    Param,
    ParamType,
    RecordType,
    ScalarType,
    TupleType,
)
from pipeglot.core.params.describing import ticked
from pipeglot.core.validate.report import Report, is_class_ref, is_dotted_name

_DATE = ScalarType(name="date")
_SAY_DATE = "make it `type: {kind: scalar, name: date}`"


def check_params(report: Report, declared: tuple[Param, ...]) -> None:
    seen: set[str] = set()
    for param in declared:
        who = f"parameter {ticked(param.name)}"
        if not is_dotted_name(param.name) or "." in param.name or len(param.name) > 200:
            report.add("param-name", who, "its name is no Python name", "write it as `learning_rate`")
        if param.name in seen:
            report.add("param-name", who, "it is declared twice")
        seen.add(param.name)
        if param.logical_date and param.type != _DATE:
            report.add(
                "param-default", who, f"it is the logical date, which is no `{params.describe(param.type)}`", _SAY_DATE
            )
        if param.logical_date and param.default is not UNSET:
            report.add("param-default", who, "it is the logical date, and has a default too", "leave one of them out")
        if check_type(report, who, param.type) and param.default is not UNSET:
            _check_default(report, who, param)


def _check_default(report: Report, who: str, param: Param) -> None:
    try:
        params.check(param.type, param.default, name=param.name)
    except ParamError as error:
        report.add("param-default", who, f"its default does not fit: {error.message}", error.hint)


def check_type(report: Report, who: str, kind: ParamType) -> bool:
    """Whether all that the type names can be there; if not, the report says why."""
    wrong = list(_type_problems(kind))
    for message in wrong:
        report.add("param-type", who, message)
    return not wrong


def _type_problems(kind: ParamType, *, whole: bool = True) -> Iterator[str]:
    if isinstance(kind, EnumType | RecordType) and not is_class_ref(kind.ref):
        yield f"{ticked(kind.ref)} is not written as `module:class`"
    if (isinstance(kind, EnumType) and not kind.members) or (isinstance(kind, LiteralType) and not kind.values):
        yield f"its type, `{'enum' if isinstance(kind, EnumType) else 'literal'}`, has nothing to choose from"
    for inner in _inner(kind):
        if isinstance(inner, ArtifactType) and not (whole and isinstance(kind, OptionalType)):
            yield f"an artifact is a whole parameter, and no part of a `{params.describe(kind)}`"
        yield from _type_problems(inner, whole=whole and isinstance(kind, OptionalType))


def _inner(kind: ParamType) -> tuple[ParamType, ...]:
    match kind:
        case OptionalType() | ListType() | DictType():
            return (kind.of,)
        case TupleType():
            return kind.of
        case RecordType():
            return tuple(field.type for field in kind.fields)
        case _:
            return ()
