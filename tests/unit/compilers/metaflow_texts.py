"""What the compiler of Metaflow makes of a pipeline, and says of it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from pipeglot.compilers.base import Findings, Source
from pipeglot.compilers.metaflow.compiler import MetaflowCompiler
from pipeglot.compilers.metaflow.stack import MetaflowStack
from pipeglot.core.errors import Location, Unsupported
from pipeglot.core.ir import (
    Param,
    Pipeline,
    ScalarType,
    Step,
)
from tests.unit.lineage.build import out, step

STACK = MetaflowStack(name="prod", store="s3://ml/prod", datastore="s3")
PLAIN = Pipeline(name="p", nodes=(step("a"), step("b", x=out("a"))))
INT, FLOAT, STR = ScalarType(name="int"), ScalarType(name="float"), ScalarType(name="str")
ARGO, AWS = "argo-workflows", "step-functions"


def source(pipeline: Pipeline, **locations: Location) -> Source:
    return Source(pipeline, "p.py:p", "0" * 64, f"sha256:{'1' * 64}", locations)


def text(pipeline: Pipeline, **stack: Any) -> str:
    return MetaflowCompiler().compile(source(pipeline), structs.replace(STACK, **stack))[0].text


def checked(pipeline: Pipeline, **stack: Any) -> Findings:
    return MetaflowCompiler().check(source(pipeline), structs.replace(STACK, **stack))


def refused(pipeline: Pipeline, **stack: Any) -> list[str]:
    with pytest.raises(Unsupported) as caught:
        text(pipeline, **stack)
    return [problem.message for problem in caught.value.problems]


def noted(pipeline: Pipeline, **stack: Any) -> list[str]:
    return [note.message for note in checked(pipeline, **stack).notes]


def told(pipeline: Pipeline, **stack: Any) -> list[str]:
    """What the change of a pipeline changes in its flow: the lines that are new."""
    before = text(PLAIN, **stack).splitlines()
    return [line.strip() for line in text(pipeline, **stack).splitlines() if line not in before]


def changed(**fields: Any) -> Pipeline:
    first, second = PLAIN.nodes
    assert isinstance(second, Step)
    return structs.replace(PLAIN, nodes=(first, structs.replace(second, **fields)))


def nodes(*found: Any) -> Pipeline:
    return structs.replace(PLAIN, nodes=found)


def params(*found: Param) -> Pipeline:
    return structs.replace(PLAIN, params=found)
