"""The rules of parameters."""

from __future__ import annotations

from pipeglot.core import params
from pipeglot.core.ir import (
    ArtifactType,
    DictType,
    EnumType,
    ListType,
    LiteralType,
    OptionalType,
    Param,
    ParamRef,
    RecordType,
    ScalarType,
    TupleType,
)
from tests.unit.validate.common import (
    ANY,
    INT,
    ITEM,
    mapped,
    takes,
    told,
)


def param_problems(*declared: Param) -> list[tuple[str, str, str]]:
    return told(params=declared)


def test_parameters() -> None:
    assert param_problems(Param(name="a", type=INT, default=1), Param(name="a", type=INT)) == [
        ("param-name", "parameter `a`: it is declared twice", "")
    ]
    assert param_problems(Param(name="a b", type=INT)) == [
        ("param-name", "parameter `a b`: its name is no Python name", "write it as `learning_rate`")
    ]
    assert param_problems(Param(name="class", type=INT))[0][0] == "param-name"
    day = Param(name="day", type=ScalarType(name="date"), default="soon")
    assert param_problems(day) == [
        (
            "param-default",
            "parameter `day`: its default does not fit: parameter `day` must be date, not 'soon'",
            "write it as `2013-01-31`",
        )
    ]
    assert param_problems(Param(name="x", type=ANY, default={"~t": [1]}))[0][0] == "param-default"
    assert param_problems(Param(name="x", type=ANY, default={"~zz": 1}))[0][0] == "param-default"


def test_types_of_parameters() -> None:
    assert param_problems(Param(name="x", type=ListType(of=EnumType(ref="nowhere", members={"A": 1})))) == [
        ("param-type", "parameter `x`: `nowhere` is not written as `module:class`", "")
    ]
    record = RecordType(ref="m:C.<locals>.D", style="pydantic")
    assert param_problems(Param(name="x", type=TupleType(of=(OptionalType(of=record),))))[0][1] == (
        "parameter `x`: `m:C.<locals>.D` is not written as `module:class`"
    )
    assert param_problems(Param(name="x", type=EnumType(ref="m:E", members={}))) == [
        ("param-type", "parameter `x`: its type, `enum`, has nothing to choose from", "")
    ]
    assert param_problems(Param(name="x", type=LiteralType(values=())))[0][1] == (
        "parameter `x`: its type, `literal`, has nothing to choose from"
    )


def test_user_code_is_not_imported() -> None:
    window = RecordType(ref="not_there:Window", style="dataclass")
    assert param_problems(Param(name="x", type=window, default={})) == []
    enum = EnumType(ref="not_there:Mode", members={"A": 1})
    assert param_problems(Param(name="x", type=enum, default="A")) == []
    assert param_problems(Param(name="x", type=enum, default="B"))[0][0] == "param-default"


def test_the_defaults_of_traced_parameters_fit() -> None:
    kind = params.type_of(list[int], owner="it")
    assert told(params=(Param(name="x", type=kind, default=params.normalise(kind, [1], name="x")),)) == []


# --- the logical date and artifacts -----------------------------------------------------------------------------------

DATE = ScalarType(name="date")
MODEL = ArtifactType(type="Model")


def test_the_logical_date() -> None:
    assert param_problems(Param(name="day", type=DATE, logical_date=True)) == []
    assert param_problems(Param(name="day", type=ScalarType(name="datetime"), logical_date=True)) == [
        (
            "param-default",
            "parameter `day`: it is the logical date, which is no `datetime`",
            "make it `type: {kind: scalar, name: date}`",
        )
    ]
    assert param_problems(Param(name="day", type=DATE, default={"~d": "2024-01-31"}, logical_date=True)) == [
        ("param-default", "parameter `day`: it is the logical date, and has a default too", "leave one of them out")
    ]


def test_artifacts() -> None:
    assert (
        param_problems(
            Param(name="a", type=MODEL, default="p/best.model@latest"),
            Param(name="b", type=OptionalType(of=MODEL), default=None),
        )
        == []
    )
    ((code, message, _),) = param_problems(Param(name="a", type=MODEL, default="best"))
    assert (code, message) == (
        "param-default",
        (
            "parameter `a`: its default does not fit: parameter `a` must be artifact (Model), not 'best': "
            "that names no artifact"
        ),
    )
    for kind in (ListType(of=MODEL), DictType(of=MODEL), TupleType(of=(MODEL,)), ListType(of=OptionalType(of=MODEL))):
        assert param_problems(Param(name="a", type=kind))[0][0] == "param-type"
    assert param_problems(Param(name="a", type=ListType(of=MODEL))) == [
        ("param-type", "parameter `a`: an artifact is a whole parameter, and no part of a `list[artifact (Model)]`", "")
    ]


def test_an_artifact_may_be_a_list_to_step_through() -> None:
    over = mapped(takes("a", ITEM), over=ParamRef(name="xs"))
    assert told(over, params=(Param(name="xs", type=MODEL),)) == []
