"""pydantic models as parameters: pydantic checks the fields, and what goes on the wire comes back equal."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import pydantic
import pytest
from pydantic import BaseModel, RootModel

from pipeglot.core import params
from pipeglot.core.errors import ParamError
from pipeglot.core.ir import RecordType


class Inner(BaseModel):
    day: dt.date
    span: dt.timedelta = dt.timedelta(hours=1)


class Model(BaseModel):
    rate: float = pydantic.Field(gt=0)
    inner: Inner | None = None
    pairs: tuple[int, ...] = ()


class Aliased(BaseModel):
    rate: float = pydantic.Field(1.0, alias="learning-rate")


class Choosy(BaseModel):
    rate: float = pydantic.Field(1.0, validation_alias=pydantic.AliasChoices("r", "rate"))


class Strict(BaseModel):
    model_config = pydantic.ConfigDict(strict=True)
    day: dt.date
    pair: tuple[int, int] = (1, 2)


class Open(BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    rate: float = 1.0


class Careless(BaseModel):
    model_config = pydantic.ConfigDict(extra="ignore")
    rate: float = 1.0


Secretive = pydantic.create_model("Secretive", token=(pydantic.SecretStr, ...), __module__=__name__)


class Left(BaseModel):
    rate: float = pydantic.Field(1.0, exclude=True)


class Number(BaseModel):
    value: float


class Names(RootModel[list[str]]):
    root: list[str]


class Before(BaseModel):
    rate: float

    @pydantic.model_validator(mode="before")
    @classmethod
    def _from_short(cls, data: Any) -> Any:
        return {"rate": data["r"]} if isinstance(data, dict) and "r" in data else data


@pydantic.dataclasses.dataclass
class Point:
    x: int
    y: int = pydantic.Field(0, ge=0)


point: Any = Point


def kind(cls: Any) -> Any:
    return params.type_of(cls, owner="it")


def wire(cls: Any, value: object) -> Any:
    return params.normalise(kind(cls), value, name="config")


def refusal(cls: Any, value: object) -> ParamError:
    with pytest.raises(ParamError) as caught:
        wire(cls, value)
    return caught.value


def test_the_type_is_known_by_its_name_alone() -> None:
    assert kind(Model) == RecordType(ref=f"{__name__}:Model", style="pydantic")
    assert params.describe(kind(Model | None)) == "Model | None"


def test_an_instance_a_dict_and_text_are_the_same_value() -> None:
    model = Model(rate=1, inner=Inner(day=dt.date(2024, 1, 31)), pairs=(1, 2))
    expected = {"rate": 1.0, "inner": {"day": "2024-01-31", "span": "PT1H"}, "pairs": [1, 2]}
    as_dict = {"pairs": [1, 2], "rate": 1, "inner": {"day": "2024-01-31"}}
    assert wire(Model, model) == wire(Model, as_dict) == expected
    assert list(wire(Model, as_dict)) == list(expected)
    text = '{"rate": 1, "inner": {"day": "2024-01-31"}, "pairs": [1, 2]}'
    assert params.parse(kind(Model), text, name="config") == expected
    assert params.decode(kind(Model), expected) == model
    assert params.to_json(kind(Model), expected) == expected
    assert params.parse(kind(Model), params.show(kind(Model), expected), name="config") == expected


@pytest.mark.parametrize(
    ("cls", "value"),
    [
        (Aliased, Aliased(**{"learning-rate": 0.5})),
        (Choosy, Choosy.model_validate({"r": 2})),
        (Strict, Strict(day=dt.date(2024, 1, 31))),
        (Open, Open.model_validate({"rate": 2, "more": [1]})),
        (Names, Names(["a"])),
        (Before, Before(rate=2)),
        (Point, point(1, 2)),
    ],
)
def test_models_of_all_sorts_come_back(cls: Any, value: object) -> None:
    written = wire(cls, value)
    assert params.decode(kind(cls), written) == value
    assert wire(cls, params.decode(kind(cls), written)) == written
    assert wire(cls, params.to_json(kind(cls), written)) == written
    assert params.parse(kind(cls), params.show(kind(cls), written), name="config") == written


def test_a_strict_model_takes_json() -> None:
    assert wire(Strict, {"day": "2024-01-31", "pair": [3, 4]}) == {"day": "2024-01-31", "pair": [3, 4]}
    assert wire(Strict, {"day": dt.date(2024, 1, 31), "pair": (3, 4)}) == {"day": "2024-01-31", "pair": [3, 4]}


def test_what_pydantic_says_is_told() -> None:
    assert refusal(Model, {"rate": -1, "inner": {"day": "soon"}}).message == (
        "parameter `config` is no valid `Model`: rate: Input should be greater than 0; inner.day: "
        "Input should be a valid date or datetime, input is too short"
    )
    assert refusal(Model, 3).message.startswith("parameter `config` is no valid `Model`: it: Input should be a valid")
    assert refusal(Point, {"x": 1, "y": -1}).message.startswith("parameter `config` is no valid `Point`: y: Input")
    with pytest.raises(ParamError, match="is no valid `Model`: rate: Field required"):
        params.decode(kind(Model), {})


def test_unknown_fields_are_not_dropped_in_silence() -> None:
    assert refusal(Model, {"rate": 1, "rat": 2}).message == (
        "parameter `config`: `Model` has no field `rat` (its fields: `rate`, `inner`, `pairs`)"
    )
    assert (
        refusal(Aliased, {"rate": 2}).message
        == "parameter `config`: `Aliased` has no field `rate` (its fields: `rate`)"
    )
    assert wire(Careless, {"rate": 2, "rat": 3}) == {"rate": 2.0}  # as the model itself says
    assert wire(Choosy, {"r": 2}) == {"rate": 2.0}
    assert wire(Before, {"r": 2}) == {"rate": 2.0}


def test_what_gets_lost_on_the_way_is_refused() -> None:
    for cls, value in (
        (Secretive, Secretive(token="hush")),
        (Left, Left(rate=2)),
        (Number, Number(value=math.nan)),
        (Number, Number.model_construct(value="one")),
    ):
        error = refusal(cls, value)
        assert error.message == f"parameter `config`: this `{cls.__name__}` does not come back equal from its JSON"
        assert error.hint.startswith("a secret, an excluded field or a NaN gets lost there")
        assert "hush" not in str(error)
    assert (
        refusal(Number, Number(value=math.inf)).message
        == "parameter `config['value']` must be a finite number, not inf"
    )


def test_a_generic_model_has_no_name() -> None:
    made = pydantic.create_model("Made", value=(int, 1))
    with pytest.raises(ParamError, match="a worker imports it by name"):
        kind(made)
