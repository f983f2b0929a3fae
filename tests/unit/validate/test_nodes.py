"""The rules that nodes keep by themselves, and pipelines that break none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from pipeglot.core.ir import (
    AnyNode,
    Branch,
    Cache,
    CodeRef,
    Condition,
    Constant,
    ItemRef,
    ListOf,
    ListType,
    Map,
    Not,
    OptionalType,
    Output,
    Param,
    Pipeline,
    Resources,
    Retry,
    Returns,
    ScalarType,
    Source,
    Truth,
)
from pipeglot.core.validate import CODES, validate
from tests.unit.validate.common import (
    AT_TOP,
    INT,
    ITEM,
    branch,
    mapped,
    one_of,
    out,
    shown,
    step,
    takes,
    told,
)
from tests.unit.wire.pipelines import FLIGHTS, PIPELINES, RELAXED


def test_the_example_is_fine() -> None:
    assert validate(FLIGHTS) == []


@pytest.mark.parametrize(
    "nodes",
    [
        (step("a"), takes("b", out("a"), out("a", "output"), after=("a",))),
        (step("a.b-c.D_1"),),
        (mapped(takes("m", ITEM), takes("n", out("m"))), takes("all", out("m"))),  # a map may be named as its step
        (mapped(takes("a", ITEM), mapped(takes("c", ITEM, ItemRef(map="n", name="item")), id="n", over=ITEM)),),
        (mapped(branch(step("a"), takes("c", out("a")), otherwise=(step("d"),)), takes("e", one_of("a", "d"))),),
        (branch(mapped(step("a")), otherwise=(step("c"),)), takes("e", one_of("a", "c"))),
        (branch(step("a"), otherwise=(step("c"),)), step("late", trigger="all_done", after=("a", "c"))),
        (step("a"), takes("c", ListOf(items=(out("a"), Constant(value=1), ListOf(items=())))), step("d", after=("c",))),
        (
            branch(
                step("a"),
                otherwise=(
                    Branch(id="b2", when=Truth(value=Constant(value=1)), then=(step("c"),), otherwise=(step("d"),)),
                ),
            ),
            takes("e", one_of("a", "c", "d")),
        ),
        (mapped(takes("a", ITEM), over=Constant(value={"~t": [1]})), step("c", trigger="all_done", after=("a",))),
        (takes("a", Constant(value={"~f": "inf"}), Constant(value={"~t": [{"~b": ""}]})),),
        (takes("a", Constant(value=[{"~f": "nan"}], type=ListType(of=ScalarType(name="float")))),),
        (step("a", code=CodeRef(module="my-flow.2024", qualname="Class.method")),),
        (step("a", returns=Returns(form="none", outputs=())), step("c", after=("a",))),
    ],
)
def test_what_is_fine(nodes: tuple[AnyNode, ...]) -> None:
    assert told(*nodes) == []


NAMES = "use letters, digits, `_` and `-`, as in `train_model`"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "`` is no name"),
        ("a b", "`a b` is no name"),
        ("1a", "`1a` is no name"),
        ("a\n", r"`a\n` is no name"),
        ("é", "`é` is no name"),
        ("a/../b", "`a/../b` is no name"),
        ("\x1b[31m", r"`\x1b[31m` is no name"),
    ],
)
def test_names(name: str, message: str) -> None:
    assert told(step(name)) == [("id-syntax", f"step `{repr(name)[1:-1]}`: {message}", NAMES)]
    assert shown(validate(Pipeline(name=name))) == [("name", f"pipeline: {message}", NAMES)]


def test_dots_are_for_ids() -> None:
    assert told(step("a.b")) == []
    assert told(step("a..b"), step("a.")) != []
    assert shown(validate(Pipeline(name="a.b"))) == [("name", "pipeline: `a.b` is no name", NAMES)]
    assert told(step("a" * 201)) == [
        ("id-syntax", f"step `{'a' * 80}`: `{'a' * 80}` has 201 characters; 200 are the most", "")
    ]


def test_ids_are_unique() -> None:
    hint = "give one of them another `id`"
    assert told(step("a"), step("a")) == [("id-duplicate", "step `a`: a step has the same id", hint)]
    assert told(step("b"), branch(step("c"))) == [("id-duplicate", "branch `b`: a step has the same id", hint)]
    assert told(mapped(step("a")), mapped(step("c"))) == [("id-duplicate", "map `m`: a map has the same id", hint)]


def test_nesting_ends() -> None:
    node: AnyNode = step("a")
    for i in range(21):
        node = mapped(node, id=f"m{i}")
    assert told(node) == [("nesting", "map `m0`: it stands more than 20 levels deep in others", "")]
    source: Source = Constant(value=1)
    for _ in range(22):
        source = ListOf(items=(source,))
    assert told(takes("a", source)) == [("nesting", "step `a`: a list is nested more than 20 levels deep", "")]
    condition: Condition = Truth(value=Constant(value=1))
    for _ in range(22):
        condition = Not(term=condition)
    assert told(branch(step("a"), when=condition)) == [
        ("nesting", "branch `b`: its condition is nested more than 20 levels deep", "")
    ]


def test_nesting_ends_before_python_does() -> None:
    kind: Any = INT
    for _ in range(2000):
        kind = OptionalType(of=kind)
    assert told(params=(Param(name="x", type=kind),)) == [
        ("nesting", "pipeline: it is nested too deeply for Python", "")
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"retry": Retry(attempts=0)}, "`retry.attempts` must be at least 1, not 0"),
        ({"retry": Retry(attempts=1, delay=-1)}, "`retry.delay` must be at least 0, not -1"),
        ({"retry": Retry(attempts=1, backoff=0)}, "`retry.backoff` must be more than 0, not 0"),
        ({"retry": Retry(attempts=1, max_delay=float("nan"))}, "`retry.max_delay` must be at least 0, not nan"),
        ({"timeout": 0.0}, "`timeout` must be more than 0, not 0.0"),
        ({"timeout": float("inf")}, "`timeout` must be more than 0, not inf"),
        ({"cache": Cache(expires=0)}, "`cache.expires` must be more than 0, not 0"),
        ({"max_parallel": 0}, "`max_parallel` must be at least 1, not 0"),
        ({"max_parallel": -(10**5000)}, "`max_parallel` must be at least 1, not an int of 16610 bits"),
        ({"resources": Resources(cpu=0)}, "`resources.cpu` must be more than 0, not 0"),
        ({"resources": Resources(memory=0)}, "`resources.memory` must be at least 1, not 0"),
        ({"resources": Resources(gpu=-1)}, "`resources.gpu` must be at least 0, not -1"),
    ],
)
def test_ranges(fields: dict[str, Any], message: str) -> None:
    assert told(step("a", **fields)) == [("range", f"step `a`: {message}", "")]


def test_ranges_of_the_pipeline() -> None:
    assert told(max_parallel=0) == [("range", "pipeline: `max_parallel` must be at least 1, not 0", "")]
    assert told(step("a", retry=Retry(attempts=10**400), max_parallel=10**400)) == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tags": ("",)}, "`tags` has ``"),
        ({"tags": ("a\nb",)}, r"`tags` has `a\nb`"),
        ({"pool": " "}, "`pool` has ` `"),
        ({"image": "a\0"}, r"`image` has `a\x00`"),
        ({"packages": ("x" * 501,)}, f"`packages` has `{'x' * 80}`"),
        ({"resources": Resources(accelerator="\x1b")}, r"`resources.accelerator` has `\x1b`"),
    ],
)
def test_labels(fields: dict[str, Any], message: str) -> None:
    assert told(step("a", **fields)) == [("label", f"step `a`: {message}, which is no short text on one line", "")]


@pytest.mark.parametrize(
    ("module", "qualname", "message", "hint"),
    [
        ("m", "<lambda>", "its function is a lambda, which no worker finds again", AT_TOP),
        (
            "m",
            "f.<locals>.g",
            "its function `f.<locals>.g` is made inside another, where no worker finds it again",
            AT_TOP,
        ),
        ("m", "", "`m:` does not name a function", "write it as `package.module:function`"),
        ("", "f", "`:f` does not name a function", "write it as `package.module:function`"),
        ("m", "a b", "`m:a b` does not name a function", "write it as `package.module:function`"),
        ("m", "class", "`m:class` does not name a function", "write it as `package.module:function`"),
        ("a/b", "f", "`a/b:f` does not name a function", "write it as `package.module:function`"),
        ("..a", "f", "`..a:f` does not name a function", "write it as `package.module:function`"),
    ],
)
def test_code(module: str, qualname: str, message: str, hint: str) -> None:
    code = CodeRef(module=module, qualname=qualname)
    assert told(step("a", code=code)) == [("code-ref", f"step `a`: {message}", hint)]


def test_exceptions_to_retry_on() -> None:
    assert told(step("a", retry=Retry(attempts=2, on=("ValueError", "requests.exceptions.HTTPError")))) == []
    assert told(step("a", retry=Retry(attempts=2, on=("Value Error",)))) == [
        (
            "code-ref",
            "step `a`: `retry.on` has `Value Error`, which names no exception",
            "write it as `package.module.Error`, or `ValueError`",
        )
    ]


def outputs(*names: str) -> tuple[Output, ...]:
    return tuple(Output(name=name) for name in names)


@pytest.mark.parametrize(
    ("returns", "message", "hint"),
    [
        (Returns(outputs=outputs("a")), "what returns in the form `single` has one output, named `output`", ""),
        (Returns(form="none"), "what returns in the form `none` has no outputs: `outputs: []`", ""),
        (Returns(form="tuple", outputs=()), "what returns in the form `tuple` has outputs", ""),
        (Returns(form="tuple", outputs=outputs("a", "a")), "two of its outputs have one name", ""),
        (Returns(form="typeddict", outputs=outputs("a b")), "the output `a b` is no name", ""),
        (
            Returns(form="namedtuple", outputs=outputs("a")),
            "its NamedTuple `` is not written as `module:class`",
            AT_TOP,
        ),
        (
            Returns(form="namedtuple", outputs=outputs("a"), ref="m:f.<locals>.C"),
            "its NamedTuple `m:f.<locals>.C` is not written as `module:class`",
            AT_TOP,
        ),
    ],
)
def test_returns(returns: Returns, message: str, hint: str) -> None:
    assert told(step("a", returns=returns)) == [("returns", f"step `a`: {message}", hint)]


def test_inputs_are_parameters_of_a_function() -> None:
    assert told(step("a", inputs={"größe": ITEM}))[0][0] != "input-name"
    for name in ("a b", "class", "a.b", ""):
        assert told(step("a", inputs={name: Constant(value=1)})) == [
            ("input-name", f"step `a`: the input `{name}` is no Python name", "")
        ]
    assert told(Map(id="m", over={"1": Constant(value=[])}, body=(step("a"),))) == [
        ("input-name", "map `m`: the input `1` is no Python name", "")
    ]


def test_secrets_and_environment() -> None:
    assert told(step("a", secrets=("TOKEN",), env={"LOG_LEVEL": "a=b\n"})) == []
    assert told(step("a", secrets=("a-b", "B", "B"), env={"A=B": "", "C": "\0", "B": ""})) == [
        ("secret", "step `a`: `a-b` is no name of a secret", "write it as `WAREHOUSE_PASSWORD`"),
        ("secret", "step `a`: it lists a secret twice", ""),
        ("env", "step `a`: `A=B` is no name of an environment variable", "write it as `LOG_LEVEL`"),
        ("env", "step `a`: the value of `C` has a NUL in it, which no process can be given", ""),
        ("env", "step `a`: `B` is a secret of this step too", "leave one of them out"),
    ]


def test_maps_and_branches_hold_something() -> None:
    assert told(Map(id="m", over={}, body=())) == [
        ("map", "map `m`: it has no list to step through", "name one in `over`"),
        ("map", "map `m`: it has no steps", ""),
    ]
    assert told(branch()) == [("branch", "branch `b`: it has no steps", "")]
    assert told(branch(otherwise=(step("a"),))) == [
        ("branch", "branch `b`: its first arm has no steps", "turn the condition round with `not`")
    ]


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@RELAXED
@given(PIPELINES)
def test_anything_may_be_validated(pipeline: Pipeline) -> None:
    for problem in validate(pipeline):
        assert problem.code in CODES
        str(problem).encode()


def test_every_code_is_met_in_a_test() -> None:
    tests = "".join(file.read_text() for file in Path(__file__).parent.glob("*.py"))
    assert [code for code in CODES if f'"{code}"' not in tests] == []
