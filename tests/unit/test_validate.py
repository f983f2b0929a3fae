"""The rules of the IR: every problem of a pipeline is found, with its code, its words and its way out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from pipeglot.core import params
from pipeglot.core.errors import Problem
from pipeglot.core.ir import (
    AllOf,
    AnyNode,
    AnyOf,
    Branch,
    Cache,
    CodeRef,
    Compare,
    Condition,
    Constant,
    EnumType,
    IsIn,
    IsNone,
    ItemRef,
    ListOf,
    ListType,
    LiteralType,
    Map,
    Not,
    OneOf,
    OptionalType,
    Output,
    OutputRef,
    Param,
    ParamRef,
    Pipeline,
    RecordType,
    Resources,
    Retry,
    Returns,
    ScalarType,
    Schedule,
    Source,
    Step,
    Truth,
    TupleType,
)
from pipeglot.core.validate import CODES, validate
from tests.unit.test_wire import FLIGHTS, PIPELINES

ANY = ScalarType(name="any")
INT = ScalarType(name="int")
CODE = CodeRef(module="work", qualname="f")
AT_TOP = "define it with `def` at the top of a module"
seen: set[str] = set()


def step(id: str, **fields: Any) -> Step:  # noqa: A002  # as the IR names it
    inputs = fields.pop("inputs", {})
    return Step(id=id, code=fields.pop("code", CODE), inputs=inputs, **fields)


def takes(id: str, *sources: Source, **fields: Any) -> Step:  # noqa: A002
    return step(id, inputs={f"x{i}": source for i, source in enumerate(sources)}, **fields)


def out(step: str, output: str | None = None) -> OutputRef:
    return OutputRef(step=step, output=output)


def one_of(*steps: str) -> OneOf:
    return OneOf(options=tuple(map(out, steps)))


def told(*nodes: AnyNode, **fields: Any) -> list[tuple[str, str, str]]:
    """Code, message and hint of each problem."""
    return shown(validate(Pipeline(name="p", nodes=nodes, **fields)))


def shown(problems: list[Problem]) -> list[tuple[str, str, str]]:
    seen.update(problem.code for problem in problems)
    return [(problem.code, problem.message, problem.hint) for problem in problems]


def branch(*then: AnyNode, otherwise: tuple[AnyNode, ...] = (), when: Condition | None = None) -> Branch:
    return Branch(id="b", when=when or Truth(value=Constant(value=True)), then=then, otherwise=otherwise)


def mapped(*body: AnyNode, id: str = "m", over: Source | None = None) -> Map:  # noqa: A002
    return Map(id=id, over={"item": over or Constant(value=[1])}, body=body)


ITEM = ItemRef(map="m", name="item")


# --- what is fine -----------------------------------------------------------------------------------------------------


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


# --- nodes by themselves ----------------------------------------------------------------------------------------------

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


# --- parameters -------------------------------------------------------------------------------------------------------


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


# --- references -------------------------------------------------------------------------------------------------------

CHOOSE = "where that arm was not taken there is no value; choose with `one_of` between the arms"


def test_parameters_that_are_used_exist() -> None:
    declared = (Param(name="year", type=INT),)
    assert told(takes("a", ParamRef(name="year")), params=declared) == []
    assert told(takes("a", ParamRef(name="yaer")), params=declared) == [
        ("ref-param", "step `a`: there is no parameter `yaer`", "did you mean `year`?")
    ]


def test_steps_that_are_used_exist_and_come_earlier() -> None:
    assert told(takes("a", out("train")), step("trian")) == [
        ("ref-step", "step `a`: it uses an output of `train`, but no step has that id", "did you mean `trian`?")
    ]
    assert told(takes("a", out("b")), step("b")) == [
        (
            "ref-step",
            "step `a`: it uses an output of `b`, which comes later",
            "put it behind that step; nothing runs in a circle",
        )
    ]
    assert told(takes("a", out("a"))) == [
        ("ref-step", "step `a`: it uses an output of `a`, which is this step itself", "")
    ]
    assert told(mapped(step("a")), takes("c", out("m"))) == [
        ("ref-step", "step `c`: it uses an output of `m`, which is a map", "name a step in it")
    ]
    assert told(mapped(step("a"), over=out("a"))) == [
        (
            "ref-step",
            "map `m`: it uses an output of `a`, which comes later",
            "put it behind that step; nothing runs in a circle",
        )
    ]


def test_outputs_that_are_used_exist() -> None:
    two = step("a", returns=Returns(form="tuple", outputs=outputs("model", "auc")))
    assert told(two, takes("c", out("a"), out("a", "auc"))) == []
    assert told(two, takes("c", out("a", "acu"))) == [
        ("ref-output", "step `c`: `a` has no output `acu`, but `model`, `auc`", "did you mean `auc`?")
    ]
    nothing = step("a", returns=Returns(form="none", outputs=()))
    assert told(nothing, takes("c", out("a"))) == [
        (
            "ref-output",
            "step `c`: it uses the output of `a`, which returns nothing",
            "to run after it, name it in `after`",
        )
    ]


def test_items_stay_in_their_map() -> None:
    outside = ("ref-item", "step `c`: it uses an item of map `m`, but stands outside of it", "")
    assert told(mapped(step("a")), takes("c", ITEM)) == [outside]
    assert told(takes("c", ITEM)) == [outside]
    assert told(mapped(step("a"), over=ITEM))[0][:2] == (
        "ref-item",
        "map `m`: it uses an item of map `m`, but stands outside of it",
    )
    assert told(mapped(takes("c", ItemRef(map="m", name="itme")))) == [
        ("ref-item", "step `c`: map `m` steps through no `itme`, but `item`", "did you mean `item`?")
    ]


def test_values_leave_an_arm_by_one_of_only() -> None:
    arms = branch(step("a"), otherwise=(step("c"),))
    assert told(arms, takes("e", out("a"))) == [
        ("arm", "step `e`: it uses an output of `a`, which stands in an arm of branch `b`", CHOOSE)
    ]
    assert told(branch(step("a"), otherwise=(takes("c", out("a")),))) == [
        (
            "arm",
            (
                "step `c`: it uses an output of `a`, which stands in an arm of branch `b`, and this step in the other: "
                "only one of them ever runs"
            ),
            "",
        )
    ]
    assert told(arms, mapped(step("f"), over=out("c")))[0][1].startswith("map `m`: it uses an output of `c`, which")
    inner = Branch(id="b2", when=Truth(value=out("a")), then=(step("f"),))
    assert told(arms, inner)[0][1].startswith("branch `b2`: it uses an output of `a`, which stands in an arm")
    assert told(mapped(branch(step("a")), takes("e", out("a"))))[0][0] == "arm"
    assert told(mapped(branch(step("a"))), takes("e", out("a")))[0][0] == "arm"


def test_one_of_chooses_between_arms() -> None:
    arms = branch(step("a"), step("a2"), otherwise=(step("c"),))
    between = "give it steps of different arms of one branch"
    assert told(arms, takes("e", one_of("a", "c"))) == []
    assert told(arms, takes("e", one_of("a", "a2"))) == [
        ("one-of", "step `e`: `one_of` gets `a` and `a2`, but both may run", between)
    ]
    assert told(arms, step("d"), takes("e", one_of("a", "d"))) == [
        ("one-of", "step `e`: `one_of` gets `a` and `d`, but both may run", between)
    ]
    assert told(arms, takes("e", one_of("a"))) == [
        ("one-of", "step `e`: `one_of` needs two steps or more to choose between", "")
    ]
    assert told(arms, takes("e", OneOf(options=())))[0][0] == "one-of"
    assert told(branch(step("a"), otherwise=(step("c"), takes("e", one_of("a", "c"))))) == [
        ("one-of", "step `e`: `one_of` gets `a`, which never runs where this step does", "")
    ]
    inside = mapped(branch(step("a"), otherwise=(step("c"),)))
    assert told(inside, takes("e", one_of("a", "c"))) == [
        (
            "one-of",
            f"step `e`: `one_of` gets `{name}`, of a branch inside map `m`, where each item goes its own way",
            "choose inside the map, in a step that takes the `one_of`",
        )
        for name in "ac"
    ]
    assert told(arms, takes("e", one_of("a", "nothing")))[0][0] == "ref-step"


def test_after() -> None:
    assert told(step("a", after=("c",)), step("c")) == [
        ("after", "step `a`: `after` names `c`, which comes later", "put it behind that step; nothing runs in a circle")
    ]
    assert told(step("a", after=("a",))) == [("after", "step `a`: `after` names `a`, which is this step itself", "")]
    assert told(step("a", after=("zzz",))) == [("after", "step `a`: `after` names `zzz`, but no step has that id", "")]
    assert told(mapped(step("a")), step("c", after=("m",))) == [
        ("after", "step `c`: `after` names `m`, which is a map", "name a step in it")
    ]
    assert told(branch(step("a"), otherwise=(step("c", after=("a",)),))) == [
        ("after", "step `c`: `after` names `a`, which stands in the other arm, so only one of them ever runs", "")
    ]
    assert told(branch(step("a"), otherwise=(step("c", trigger="all_done", after=("a",)),))) == []


def test_clean_up_steps() -> None:
    constants = ListOf(items=(Constant(value=1), ParamRef(name="x")))
    declared = (Param(name="x", type=INT),)
    assert told(takes("a", constants, trigger="all_done"), params=declared) == []
    mixed = ListOf(items=(Constant(value=1), out("a")))
    for source in (out("a"), mixed):
        assert told(step("a"), takes("late", source, trigger="all_done")) == [
            (
                "all-done",
                "step `late`: its input `x0` is a step's output, but a clean-up step runs even where there is none",
                "give it constants and parameters only, and order it by `after`",
            )
        ]
    assert told(step("late", trigger="all_done"), takes("a", out("late"))) == [
        ("all-done", "step `a`: it uses an output of `late`, which cleans up and gives no values", "")
    ]


def test_maps_step_through_lists() -> None:
    numbers = Param(name="xs", type=ListType(of=INT))
    assert told(mapped(takes("a", ITEM), over=ParamRef(name="xs")), params=(numbers,)) == []
    assert told(mapped(takes("a", ITEM), over=ParamRef(name="xs")), params=(Param(name="xs", type=ANY),)) == []
    maybe = Param(name="xs", type=OptionalType(of=ListType(of=INT)))
    assert told(mapped(takes("a", ITEM), over=ParamRef(name="xs")), params=(maybe,)) == [
        (
            "map",
            "map `m`: for `item` it steps through parameter `xs`, which is `list[int] | None`",
            "give it a list",
        )
    ]
    for value in (1, "abc", {"a": 1}):
        assert told(mapped(takes("a", ITEM), over=Constant(value=value))) == [
            ("map", "map `m`: for `item` it steps through a constant that is no list", "give it a list")
        ]


def test_constants_are_plain_and_of_their_type() -> None:
    assert told(takes("a", Constant(value="x", type=INT))) == [
        ("value", "step `a`: parameter `x0` must be int, not 'x'", "")
    ]
    assert told(takes("a", Constant(value={"~zz": 1}))) == [
        (
            "value",
            (
                "step `a`: parameter `x0`: {'~zz': 1} is no written value: plain data has the unknown tag `~zz` "
                "(ValueRefused)"
            ),
            "",
        )
    ]
    assert told(takes("a", Constant(value=1, type=EnumType(ref="x", members={"A": 1}))))[0][0] == "param-type"


def test_conditions() -> None:
    null = Constant(value=None)
    one = Constant(value=1)
    for fine in (IsNone(value=null), IsIn(value=one, among=Constant(value=[1])), Not(term=Truth(value=one))):
        assert told(branch(step("a"), when=fine)) == []
    for terms in (AllOf(terms=()), AnyOf(terms=())):
        assert told(branch(step("a"), when=Not(term=terms))) == [
            ("condition", "branch `b`: its `all_of` or `any_of` has no terms", "")
        ]
    assert told(branch(step("a"), when=AllOf(terms=(Compare(op="==", left=one, right=null),)))) == [
        ("condition", "branch `b`: it compares with null", "ask `is_none`")
    ]
    assert told(branch(step("a"), when=IsIn(value=out("a"), among=ParamRef(name="xs")))) == [
        (
            "ref-step",
            "branch `b`: it uses an output of `a`, which comes later",
            "put it behind that step; nothing runs in a circle",
        ),
        ("ref-param", "branch `b`: there is no parameter `xs`", ""),
    ]


# --- schedules --------------------------------------------------------------------------------------------------------

CRON = "write it as `0 6 * * *`: minute, hour, day of month, month, day of week"


@pytest.mark.parametrize(
    "cron",
    ["0 6 * * *", "*/15 0-6,12 1,15 JAN-mar MON", "0 0 31 12 7", "5-10/2 * * * sun-TUE", "59 23 * * 0"],
)
def test_cron_lines(cron: str) -> None:
    assert told(schedule=Schedule(cron=cron, timezone="Europe/Berlin")) == []


@pytest.mark.parametrize(
    ("cron", "why"),
    [
        ("", "has 0 fields of 5"),
        ("* * * *", "has 4 fields of 5"),
        ("* * * * * *", "has 6 fields of 5"),
        ("*  * * * *", "has more than one space between its fields"),
        ("@daily", "is a nickname, which not every backend reads"),
        ("60 * * * *", "has `60` for the minute, which is from 0 to 59"),
        ("* 24 * * *", "has `24` for the hour, which is from 0 to 23"),
        ("* * 0 * *", "has `0` for the day of month, which is from 1 to 31"),
        ("* * * 13 *", "has `13` for the month, which is from 1 to 12"),
        ("* * * * FUN", "has `FUN` for the day of week, which is from 0 to 7"),
        ("* * * * FRI-MON", "has `FRI-MON` for the day of week, which is from 0 to 7"),
        ("*/0 * * * *", "has `*/0` for the minute, which is from 0 to 59"),
        ("5/10 * * * *", "has `5/10` for the minute, which is from 0 to 59"),
        ("1,,2 * * * *", "has `1,,2` for the minute, which is from 0 to 59"),
        ("٣ * * * *", "has `٣` for the minute, which is from 0 to 59"),
        ("L * * * *", "has `L` for the minute, which is from 0 to 59"),
    ],
)
def test_what_is_no_cron_line(cron: str, why: str) -> None:
    assert told(schedule=Schedule(cron=cron)) == [("schedule", f"schedule: the cron line `{cron}` {why}", CRON)]


@pytest.mark.parametrize(
    ("schedule", "message", "hint"),
    [
        (Schedule(), "it has neither a cron line nor an interval", "give it one of the two"),
        (
            Schedule(cron="0 6 * * *", interval=5, start="2024-01-01"),
            "it has a cron line and an interval",
            "give it one of the two",
        ),
        (Schedule(interval=5), "an interval needs a `start` to count from", "write it as `start: 2024-01-01T00:00:00`"),
        (
            Schedule(cron="0 6 * * *", catchup=True),
            "`catchup` needs a `start` to count from",
            "write it as `start: 2024-01-01T00:00:00`",
        ),
        (
            Schedule(cron="0 6 * * *", timezone="Mars/Olympus"),
            "there is no time zone `Mars/Olympus`",
            "write it as `Europe/Berlin`, or `UTC`",
        ),
        (
            Schedule(cron="0 6 * * *", timezone="../../etc/passwd"),
            "there is no time zone `../../etc/passwd`",
            "write it as `Europe/Berlin`, or `UTC`",
        ),
        (Schedule(cron="0 6 * * *", timezone=""), "there is no time zone ``", "write it as `Europe/Berlin`, or `UTC`"),
        (
            Schedule(cron="0 6 * * *", start="soon"),
            "its start, `soon`, is no ISO 8601 time",
            "write it as `start: 2024-01-01T00:00:00`",
        ),
        (
            Schedule(cron="0 6 * * *", start="2024-01-02", end="2024-01-01T23:00:00-01:00"),
            "it ends at `2024-01-01T23:00:00-01:00`, which is not after its start, `2024-01-02`",
            "",
        ),
    ],
)
def test_schedules(schedule: Schedule, message: str, hint: str) -> None:
    assert told(schedule=schedule) == [("schedule", f"schedule: {message}", hint)]


def test_an_interval_is_some_time() -> None:
    assert told(schedule=Schedule(interval=0, start="2024-01-01")) == [
        ("range", "schedule: `interval` must be more than 0, not 0", "")
    ]


# --- all together -----------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(PIPELINES)
def test_anything_may_be_validated(pipeline: Pipeline) -> None:
    for problem in validate(pipeline):
        assert problem.code in CODES
        str(problem).encode()


def test_the_defaults_of_traced_parameters_fit() -> None:
    kind = params.type_of(list[int], owner="it")
    assert told(params=(Param(name="x", type=kind, default=params.normalise(kind, [1], name="x")),)) == []


def test_every_code_has_been_seen() -> None:
    """Stands last: the tests above have met every code that is listed."""
    if len(seen) < 5:
        pytest.skip("the other tests of this module did not run")
    assert seen == set(CODES)
