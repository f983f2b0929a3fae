"""Parameters as KFP holds them exactly, their defaults, and what of a run's it would not bring to its tasks."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from pipeglot.compilers.kfp import params
from pipeglot.compilers.kfp.stack import KfpStack, VertexStack
from pipeglot.core.ir import (
    ArtifactType,
    DictType,
    EnumType,
    FieldType,
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
from tests.unit.compilers.kfp_specs import KFP, VERTEX, args, documents, parsed, problems
from tests.unit.lineage.build import out, step

INT, FLOAT, STR, ANY = (ScalarType(name=name) for name in ("int", "float", "str", "any"))
SIZE = RecordType(ref="m:Size", style="dataclass", fields=(FieldType(name="n", type=INT),))
MODEL = RecordType(ref="m:Model", style="pydantic")
PLAIN = Pipeline(name="p", nodes=(step("a"), step("b", x=out("a"))))


@pytest.mark.parametrize(
    ("kind", "default", "words"),
    [
        (INT, 3, {"parameterType": "NUMBER_INTEGER", "defaultValue": 3}),
        (INT, 2**53 - 1, {"parameterType": "NUMBER_INTEGER", "defaultValue": 2**53 - 1}),
        (INT, 2**53, {"parameterType": "STRING", "defaultValue": "9007199254740992"}),
        (FLOAT, -0.0, {"parameterType": "STRING", "defaultValue": "-0.0"}),
        (INT, 2**70, {"parameterType": "STRING", "defaultValue": "1180591620717411303424"}),
        (FLOAT, 0.5, {"parameterType": "NUMBER_DOUBLE", "defaultValue": 0.5}),
        (STR, 'it\'s "so"', {"parameterType": "STRING", "defaultValue": 'it\'s "so"'}),
        (ScalarType(name="bool"), True, {"parameterType": "BOOLEAN", "defaultValue": True}),
        (ScalarType(name="any"), [1], {"parameterType": "STRING", "defaultValue": "[1]"}),
        (ListType(of=ANY), [1, 2.0], {"parameterType": "STRING", "defaultValue": "[1, 2.0]"}),
        (DictType(of=ListType(of=ANY)), {}, {"parameterType": "STRING", "defaultValue": "{}"}),
        (TupleType(of=(INT, ANY)), [1, 2], {"parameterType": "STRING", "defaultValue": "[1, 2]"}),
        (MODEL, {"n": 1}, {"parameterType": "STRING", "defaultValue": '{"n": 1}'}),
        (SIZE, {"n": 1}, {"parameterType": "STRUCT", "defaultValue": {"n": 1}}),
        (ListType(of=INT), [1, 2], {"parameterType": "LIST", "defaultValue": [1, 2]}),
        (ListType(of=INT), [2**60], {"parameterType": "STRING", "defaultValue": "[1152921504606846976]"}),
        (TupleType(of=(INT, STR)), [1, "a"], {"parameterType": "LIST", "defaultValue": [1, "a"]}),
        (DictType(of=INT), {"a": 1}, {"parameterType": "STRUCT", "defaultValue": {"a": 1}}),
        (OptionalType(of=ListType(of=STR)), None, {"parameterType": "LIST"}),
        (OptionalType(of=INT), 5, {"parameterType": "NUMBER_INTEGER", "defaultValue": 5}),
        (LiteralType(values=("a", "b")), "a", {"parameterType": "STRING", "defaultValue": "a"}),
        (LiteralType(values=(1, 2)), 1, {"parameterType": "NUMBER_INTEGER", "defaultValue": 1}),
        (LiteralType(values=(1, "b")), "b", {"parameterType": "STRING", "defaultValue": '"b"'}),
        (EnumType(ref="m:E", members={"A": 1}), "A", {"parameterType": "STRING", "defaultValue": "A"}),
    ],
)
def test_a_parameter_is_typed_where_kfp_holds_its_values(kind: ParamType, default: Any, words: dict[str, Any]) -> None:
    one = Param(name="n", type=kind, default=default)
    found = params.definition(one)
    assert {name: found[name] for name in ("parameterType", "defaultValue") if name in found} == words
    assert found["isOptional"] is True
    parsed(documents(structs.replace(PLAIN, params=(one,)))[0])


def test_a_parameter_without_a_default_has_to_be_given() -> None:
    assert "isOptional" not in params.definition(Param(name="n", type=INT))
    assert params.definition(Param(name="m", type=ArtifactType(type="Model")))["parameterType"] == "STRING"


def test_the_day_of_a_run_need_not_be_given() -> None:
    found = params.definition(Param(name="day", type=ScalarType(name="date"), logical_date=True))
    assert found == {"parameterType": "STRING", "isOptional": True, "description": "the day that a run is for"}


def test_the_first_task_knows_what_stands_as_json_in_a_text() -> None:
    pipeline = structs.replace(PLAIN, params=(Param(name="x", type=ANY), Param(name="s", type=STR)))
    assert args(documents(pipeline)[0], "a")[2] == "--json=x"


@pytest.mark.parametrize("stack", [KFP, VERTEX])
def test_a_default_that_it_would_not_bring_there_stands_in_the_pipeline_alone(stack: KfpStack | VertexStack) -> None:
    """Each of them alone would do; of several, the largest are left out."""
    sizes = {"a": 4_000, "b": 7_000, "c": 4_001}
    large = [Param(name=name, type=STR, default="x" * size) for name, size in sizes.items()]
    hostile = [Param(name="d", type=STR, default="{{$}}"), Param(name="e", type=ANY, default=["\0"])]
    pipeline = structs.replace(PLAIN, params=(*large, *hostile, Param(name="f", type=STR, default="}} {$} python3")))
    assert problems(pipeline, stack) == []
    found = documents(pipeline, stack)[0]["root"]["inputDefinitions"]["parameters"]
    assert {name for name, one in found.items() if "defaultValue" not in one} == {"b", "d", "e"}
    assert found["b"] == {
        "parameterType": "STRING",
        "isOptional": True,
        "description": "str; its default stands in the pipeline",
    }
    assert found["f"]["defaultValue"] == "}} {$} python3"


PARAMS = structs.replace(
    PLAIN,
    params=(
        Param(name="text", type=STR),
        Param(name="number", type=INT, default=1),
        Param(name="ratio", type=FLOAT, default=1.0),
        Param(name="numbers", type=ListType(of=INT), default=[]),
        Param(name="table", type=DictType(of=STR), default={}),
        Param(name="maybe", type=OptionalType(of=INT), default=None),
        Param(name="set", type=OptionalType(of=INT), default=5),
        Param(name="given", type=OptionalType(of=INT)),
        Param(name="anything", type=ANY, default=None),
    ),
)


@pytest.mark.parametrize(
    ("given", "held"),
    [
        ({"text": "", "number": 0, "numbers": [], "table": {}, "anything": None, "maybe": None}, []),
        ({"text": 'python3 it\'s "so" }} é😀 \n \u2028 <&>'}, []),
        ({"text": "{{$}}", "number": 1}, ["text"]),
        ({"text": "{{workflow.name}}"}, ["text"]),
        ({"text": "\0"}, ["text"]),
        ({"text": "\ud800"}, ["text"]),
        ({"table": {"{{": "x"}}, ["table"]),
        ({"anything": {"a": ["{{"]}}, ["anything"]),
        ({"number": 2**53 - 1, "anything": 2**70}, []),
        ({"number": 2**53}, ["number"]),
        ({"numbers": [1, -(2**60)]}, ["numbers"]),
        ({"ratio": -0.0}, ["ratio"]),
        ({"ratio": 0.1, "anything": -0.0}, []),
        ({"set": None}, ["set"]),
        ({"given": None}, ["given"]),
        ({"text": "x" * 9_989}, []),
        ({"text": "x" * 9_990}, ["text"]),
        ({"text": "x" * 5_000, "table": {"a": "y" * 4_000}, "number": 1, "numbers": [1] * 500}, ["text"]),
        ({"text": "<" * 1_700}, ["text"]),
        ({"text": "é" * 5_000}, ["text"]),
        ({"pipeglot": {"tags": {"a": "{{"}}}, ["pipeglot"]),
        ({"pipeglot": {"anew": ["step"] * 2_000}, "text": "x"}, ["pipeglot"]),
        ({"text": "{{", "table": {"a": "x" * 9_000}}, ["text", "table"]),
    ],
)
def test_what_a_run_is_given_and_kfp_would_not_bring_to_its_tasks(given: dict[str, Any], held: list[str]) -> None:
    assert params.uncarried(PARAMS, given) == held
