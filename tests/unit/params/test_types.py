"""From an annotation to a type, and from a type to words."""

from __future__ import annotations

import collections.abc
import datetime as dt
import enum
import inspect
import typing
from dataclasses import dataclass
from typing import Any

import pytest

from pipeglot.core import params
from pipeglot.core.errors import ParamError
from pipeglot.core.ir import DictType, EnumType, FieldType, ListType, OptionalType, RecordType, ScalarType
from tests.unit.params import kinds

OWNER = "parameter `x` of pipeline `p`"
WINDOW = RecordType(
    ref="tests.unit.params.kinds:Window",
    style="dataclass",
    fields=(
        FieldType(name="first", type=ScalarType(name="date")),
        FieldType(name="days", type=ScalarType(name="int"), required=False),
    ),
)


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (bool, "bool"),
        (int, "int"),
        (float, "float"),
        (str, "str"),
        (dt.date, "date"),
        (dt.datetime, "datetime"),
        (dt.timedelta, "timedelta"),
        (Any, "any"),
        (object, "any"),
        (inspect.Parameter.empty, "any"),
        (list, "list[any]"),
        (typing.List, "list[any]"),  # noqa: UP006  # users write it
        (list[dt.date], "list[date]"),
        (collections.abc.Sequence[int], "list[int]"),
        (typing.Sequence, "list[any]"),
        (tuple, "tuple[any, ...]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (tuple[int, str], "tuple[int, str]"),
        (tuple[()], "tuple[()]"),
        (dict, "dict[str, any]"),
        (dict[str, float], "dict[str, float]"),
        (dict[Any, int], "dict[str, int]"),
        (collections.abc.Mapping[str, list[int]], "dict[str, list[int]]"),
        (int | None, "int | None"),
        (typing.Optional[int], "int | None"),  # noqa: UP045
        (typing.Annotated[int | None, []], "int | None"),
        (typing.Literal["fast", 2, True, None], "'fast' | 2 | True | None"),  # noqa: PYI061
        (kinds.Mode, "Mode (FAST | SLOW)"),
        (kinds.Mode | None, "Mode (FAST | SLOW) | None"),
        (kinds.Year, "int"),
        (typing.Optional[typing.NewType("N", typing.Optional[int])], "int | None"),  # noqa: UP045
        (kinds.Config, "Config"),
        (list[kinds.Window], "list[Window]"),
    ],
)
def test_annotations(annotation: Any, expected: str) -> None:
    assert params.describe(params.type_of(annotation, owner=OWNER)) == expected


def test_a_long_enum_is_shown_in_part() -> None:
    kind = EnumType(ref="m:Letter", members={f"m{i}": i for i in range(20)})
    assert params.describe(kind).endswith("m10 | m11 | …)")


def test_the_parts_of_types() -> None:
    assert params.type_of(kinds.Mode, owner=OWNER) == EnumType(
        ref="tests.unit.params.kinds:Mode", members={"FAST": "f", "SLOW": "s", "QUICK": "f"}
    )
    assert params.type_of(dict[str, kinds.Window], owner=OWNER) == DictType(of=WINDOW)
    config = params.type_of(kinds.Config, owner=OWNER)
    assert isinstance(config, RecordType)
    assert {field.name: field.required for field in config.fields} == {
        "rate": True,
        "mode": False,
        "window": False,
        "tags": False,
    }
    assert config.fields[0].type == ScalarType(name="float")
    assert config.fields[2].type == OptionalType(of=WINDOW)
    assert config.fields[3].type == ListType(of=ScalarType(name="str"))


def test_class_variables_and_computed_fields_are_not_given() -> None:
    kind = params.type_of(kinds.Counted, owner=OWNER)
    assert isinstance(kind, RecordType)
    assert [field.name for field in kind.fields] == ["items"]


class Local(enum.Enum):
    A = 1


def test_a_type_alias_of_python_3_12_is_what_it_names() -> None:
    alias = type("TypeAliasType", (), {"__value__": list[int]})()
    assert params.describe(params.type_of(alias, owner=OWNER)) == "list[int]"


@dataclass
class _Node:
    next: _Node | None


@pytest.mark.parametrize(
    ("annotation", "shown", "why"),
    [
        (int | str, "int | str", ""),
        (int | str | None, "int | str | None", ""),
        (int | float, "int | float", ": float takes whole numbers too"),
        (dt.date | dt.datetime, "datetime.date | datetime.datetime", ": decide for one of them"),
        (bytes, "bytes", ""),
        (complex, "complex", ""),
        (set[int], "set[int]", ""),
        (type[int], "type[int]", ""),
        (None, "None", ""),
        ("int", "int", ": it is a text that names nothing yet"),
        (typing.TypeVar("T"), "~T", ""),
        (collections.abc.Callable[[int], int], "collections.abc.Callable[[int], int]", ""),
        (dict[int, str], "dict[int, str]", ": the keys of a dict must be `str`, as in JSON"),
        (typing.Literal[b"x"], "Literal[b'x']", ": a Literal may have str, int, bool and None"),
        (typing.Literal[kinds.Level.LOW], "Literal[<Level.LOW: 1>]", ": name the enum itself"),
        (kinds.Permission, "Permission", ": a Flag has values without a name; use a list of a plain Enum"),
        (kinds.Nothing, "Nothing", ": it has no members"),
        (kinds.Tree, "Tree", ": it contains itself; use a dict for what nests to any depth"),
        (_Node, "_Node", ": it contains itself; use a dict for what nests to any depth"),
        (
            kinds.Function,
            "Function",
            ": the value of `TREE` is no plain data; give it a str, and look up in the step what it stands for",
        ),
        (
            kinds.Generic_[int],
            "tests.unit.params.kinds.Generic_[int]",
            ": it has no name of its own to import it by; make a plain subclass",
        ),
        (kinds.Hidden, "Hidden", ": `seed` is an InitVar, which its instances do not keep"),
        (
            kinds.Hider,
            "Renamed",
            ": a worker imports it by name, and that is not what `tests.unit.params.kinds` has there",
        ),
    ],
)
def test_what_cannot_be_a_parameter(annotation: Any, shown: str, why: str) -> None:
    with pytest.raises(ParamError) as caught:
        params.type_of(annotation, owner=OWNER)
    owner = OWNER
    if annotation in (kinds.Tree, _Node):
        field = "below" if annotation is kinds.Tree else "next"
        owner += f", field `{shown}.{field}`"
    assert caught.value.message == f"{owner} cannot be `{shown}`{why}"
    assert caught.value.hint == (
        "a parameter may be bool, int, float, str, date, datetime, timedelta, an Enum, Literal[…], T | None, list[T], "
        "tuple[…], dict[str, T], a dataclass or a pydantic model of these, "
        "or Artifact[T]: anything that a step returned"
    )


def test_a_class_in_a_function_cannot_be_imported() -> None:
    class Inner(enum.Enum):
        A = 1

    with pytest.raises(ParamError) as caught:
        params.type_of(list[Inner], owner=OWNER)
    assert "a worker imports it by name, so it must stand at the top of a module" in caught.value.message
    assert params.type_of(Local, owner=OWNER) == EnumType(ref=f"{__name__}:Local", members={"A": 1})


def test_a_field_that_cannot_be_is_named() -> None:
    with pytest.raises(ParamError) as caught:
        params.type_of(kinds.Unfit, owner=OWNER)
    assert caught.value.message == f"{OWNER}, field `Unfit.value` cannot be `set[int]`"


def test_annotations_that_do_not_resolve() -> None:
    with pytest.raises(ParamError) as caught:
        params.type_of(kinds.Unresolved, owner=OWNER)
    assert caught.value.message == (
        f"{OWNER}: the annotations of `Unresolved` cannot be resolved: name 'NotImported' is not defined"
    )
    assert caught.value.hint == "import the names that they use at run time, not under `if TYPE_CHECKING:`"


def test_a_table_is_no_parameter() -> None:
    import pandas

    with pytest.raises(ParamError, match="cannot be `DataFrame`"):
        params.type_of(pandas.DataFrame, owner=OWNER)
