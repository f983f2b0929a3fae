"""What stands for a value that travels another way: it fits its type, so that an orchestrator takes it."""

from __future__ import annotations

from typing import Any

import pytest

from pipeglot.compilers.kfp import params as kfp
from pipeglot.compilers.kfp.local.specs import _fits
from pipeglot.compilers.schemas import empty, schema
from pipeglot.core import params
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

INT = ScalarType(name="int")
SCALARS = [
    ScalarType(name="any"),
    ScalarType(name="bool"),
    INT,
    ScalarType(name="float"),
    ScalarType(name="str"),
    ScalarType(name="date"),
    ScalarType(name="datetime"),
    ScalarType(name="timedelta"),
]


@pytest.mark.parametrize(
    ("kind", "stands"),
    [
        *zip(
            SCALARS,
            [None, False, 0, 0.0, "", "1970-01-01", "1970-01-01T00:00:00Z", "0s"],
            strict=True,
        ),
        (EnumType(ref="m:E", members={"A": 1, "B": 2}), "A"),
        (LiteralType(values=(3, "b")), 3),
        (OptionalType(of=INT), 0),
        (ListType(of=INT), []),
        (TupleType(of=(INT, ListType(of=INT))), [0, []]),
        (DictType(of=INT), {}),
    ],
)
def test_it_says_nothing_and_is_of_the_type(kind: ParamType, stands: Any) -> None:
    found = empty(kind)
    assert (found, type(found)) == (stands, type(stands))
    params.normalise(kind, found, name="x")
    assert "enum" not in schema(kind) or found in schema(kind)["enum"]


@pytest.mark.parametrize(
    "kind",
    [
        *SCALARS,
        LiteralType(values=(3, 4)),
        RecordType(ref="m:R", style="dataclass"),
        RecordType(ref="m:R", style="pydantic"),
        OptionalType(of=DictType(of=INT)),
        ArtifactType(),
    ],
)
def test_kfp_takes_it(kind: ParamType) -> None:
    one = Param(name="x", type=kind)
    value = str(empty(kind)) if kfp.is_text(one) else empty(kind)
    assert _fits(kfp.definition(one)["parameterType"], value)
