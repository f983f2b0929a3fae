"""Hypothesis strategies: types of parameters, and values of them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import strategies as st

from pipeglot.core import params
from pipeglot.core.artifact_refs import artifact
from pipeglot.core.ir import (
    ArtifactType,
    DictType,
    EnumType,
    ListType,
    LiteralType,
    OptionalType,
    ParamType,
    RecordType,
    ScalarType,
    TupleType,
)
from tests.unit.params import kinds

TEXT = st.text(st.characters(), max_size=8)  # lone surrogates too
SCALARS = [ScalarType(name=name) for name in ("any", "bool", "int", "float", "str", "date", "datetime", "timedelta")]
_CLASSES = [kinds.Mode, kinds.Level, kinds.Word, kinds.Window, kinds.Config, kinds.Counted, kinds.Lowered]
_LITERALS = [
    LiteralType(values=("a", "b")),
    LiteralType(values=(1, "1", True, "true", None, "none", "null", "True", '"1"')),
    LiteralType(values=("", " ", "[1]", "é\n")),
]
_LEAVES = st.sampled_from([*SCALARS, *_LITERALS, *(params.type_of(cls, owner="it") for cls in _CLASSES)])


def _wrapped(inner: st.SearchStrategy[ParamType]) -> st.SearchStrategy[ParamType]:
    return st.one_of(
        inner.filter(lambda kind: not isinstance(kind, OptionalType)).map(lambda kind: OptionalType(of=kind)),
        st.builds(lambda kind, as_tuple: ListType(of=kind, tuple=as_tuple), inner, st.booleans()),
        st.lists(inner, max_size=3).map(lambda types: TupleType(of=tuple(types))),
        inner.map(lambda kind: DictType(of=kind)),
    )


ARTIFACTS = ["run/best/model", "latest/sub.train/3.0/auc", "flights/sub.best.model@latest", "p/s.output:stage=a=b c"]
_ARTIFACTS = [ArtifactType(), ArtifactType(type="Model"), OptionalType(of=ArtifactType(type="Model"))]
TYPES: st.SearchStrategy[ParamType] = st.recursive(_LEAVES, _wrapped, max_leaves=4) | st.sampled_from(_ARTIFACTS)

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | TEXT
    | st.binary(max_size=4)
    | st.dates()
    | st.datetimes()
    | st.timedeltas()
    | st.sampled_from(
        [kinds.Mode.SLOW, kinds.Level.LOW, kinds.Word.NO, kinds.Window(dt.date(2020, 1, 1)), object(), int]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(TEXT | st.integers(), inner, max_size=3)
    ),
    max_leaves=5,
)
_OFFSETS = st.timedeltas(dt.timedelta(hours=-23), dt.timedelta(hours=23)).map(
    lambda offset: dt.timezone(offset - dt.timedelta(microseconds=offset.microseconds))
)


def values(kind: ParamType) -> st.SearchStrategy[Any]:
    """Python values of a type, in all the forms that a user may pass."""
    match kind:
        case ScalarType():
            return _scalar(kind.name)
        case EnumType():
            cls = getattr(kinds, kind.ref.partition(":")[2])
            return st.sampled_from([*cls, *kind.members])
        case LiteralType():
            return st.sampled_from(kind.values)
        case OptionalType():
            return st.none() | values(kind.of)
        case ListType():
            return st.lists(values(kind.of), max_size=3).map(tuple if kind.tuple else list)
        case TupleType():
            return st.tuples(*map(values, kind.of))
        case DictType():
            return st.dictionaries(TEXT, values(kind.of), max_size=3)
        case RecordType():
            return _record(kind)
        case ArtifactType():
            return st.sampled_from([*ARTIFACTS, *map(artifact, ARTIFACTS)])


def _scalar(name: str) -> st.SearchStrategy[Any]:
    return {
        "any": JSON,
        "bool": st.booleans(),
        "int": st.integers(),
        "float": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**60), 2**60),
        "str": TEXT,
        "date": st.dates(),
        "datetime": st.datetimes(timezones=_OFFSETS | st.timezones()),
        "timedelta": st.timedeltas(),
    }[name]


def _record(kind: RecordType) -> st.SearchStrategy[Any]:
    cls = getattr(kinds, kind.ref.partition(":")[2])
    required = {field.name: values(field.type) for field in kind.fields if field.required}
    optional = {field.name: values(field.type) for field in kind.fields if not field.required}
    as_dict = st.fixed_dictionaries(required, optional=optional)
    return as_dict | as_dict.map(lambda fields: params.decode(kind, params.normalise(kind, fields, name="it"))).filter(
        lambda made: isinstance(made, cls)
    )


def typed_values() -> st.SearchStrategy[tuple[ParamType, Any]]:
    """A type and a value of it."""
    return TYPES.flatmap(lambda kind: st.tuples(st.just(kind), values(kind)))
