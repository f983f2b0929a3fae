"""The rules of who may use whose values."""

from __future__ import annotations

from msgspec import structs

from pipeglot.core.ir import (
    AllOf,
    AnyOf,
    Branch,
    Compare,
    Constant,
    EnumType,
    IsIn,
    IsNone,
    ItemRef,
    ListOf,
    ListType,
    Not,
    OneOf,
    OptionalType,
    Output,
    OutputRef,
    Param,
    ParamRef,
    Retry,
    Returns,
    Truth,
)
from tests.unit.validate.common import (
    ANY,
    INT,
    ITEM,
    branch,
    mapped,
    one_of,
    out,
    step,
    takes,
    told,
)

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
    two = step("a", returns=Returns(form="tuple", outputs=(Output(name="model"), Output(name="auc"))))
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
    pair = Returns(form="tuple", outputs=(Output(name="left"), Output(name="right")))
    two = structs.replace(step("two"), returns=pair)
    for whole in (OutputRef(step="two"), ListOf(items=(one, OutputRef(step="two")))):
        assert told(two, branch(step("a"), when=IsNone(value=whole))) == [
            (
                "condition",
                "branch `b`: its condition looks at all outputs of `two` together",
                "look at one of them: `two.left`, `two.right`",
            )
        ]
    assert told(two, branch(step("a"), when=IsNone(value=OutputRef(step="two", output="left")))) == []
    assert told(branch(step("a"), when=IsIn(value=out("a"), among=ParamRef(name="xs")))) == [
        (
            "ref-step",
            "branch `b`: it uses an output of `a`, which comes later",
            "put it behind that step; nothing runs in a circle",
        ),
        ("ref-param", "branch `b`: there is no parameter `xs`", ""),
    ]


# --- mapped pipelines -------------------------------------------------------------------------------------------------


def test_a_body_of_several_nodes() -> None:
    """In one item, its own values; outside, lists; an arm inside a map is left by `one_of` inside it only."""
    inner = mapped(takes("c", ITEM, out("a"), ItemRef(map="n", name="item")), id="n", over=out("a"))
    arms = branch(takes("yes", out("a")), otherwise=(takes("no", ITEM),), when=Truth(value=ITEM))
    body = (takes("a", ITEM), inner, takes("d", out("c")), arms, takes("e", one_of("yes", "no")))
    assert told(mapped(*body), takes("z", out("a"), out("c"), out("e"))) == []
    assert told(mapped(*body), takes("z", out("yes")))[0][0] == "arm"
    assert told(mapped(*body), takes("z", one_of("yes", "no")))[0] == (
        "one-of",
        "step `z`: `one_of` gets `yes`, of a branch inside map `m`, where each item goes its own way",
        "choose inside the map, in a step that takes the `one_of`",
    )


def test_items_of_an_inner_map_stay_there() -> None:
    inner = mapped(takes("b", ITEM), id="n", over=out("a"))
    body = (takes("a", ITEM), inner, takes("c", ItemRef(map="n", name="item")))
    assert [code for code, *_ in told(mapped(*body))] == ["ref-item"]


def test_an_item_of_no_map() -> None:
    assert told(takes("a", ItemRef(map="", name="year"))) == [
        (
            "ref-item",
            "step `a`: it uses the item `year`, but stands in no map that steps through one",
            "step through it in a map: `over: {year: …}`",
        )
    ]


# --- hooks ------------------------------------------------------------------------------------------------------------


def test_hooks() -> None:
    fine = takes(
        "h", ParamRef(name="x"), Constant(value=1), ListOf(items=(ParamRef(name="x"),)), retry=Retry(attempts=2)
    )
    given = (Param(name="x", type=INT),)
    assert told(step("a"), params=given, on_failure=(fine,), on_success=(step("i"),)) == []
    assert told(step("a"), params=given, on_failure=(fine,), on_success=(fine, step("a"))) == [
        ("id-duplicate", "step `h`: a step has the same id", "give one of them another `id`"),
        ("id-duplicate", "step `a`: a step has the same id", "give one of them another `id`"),
    ]
    static = "give it constants and parameters only"
    output = "it is a hook, and its input `x0` is a step's output, which the run may not have"
    for source in (out("a"), ITEM, one_of("a", "b"), ListOf(items=(out("a"),))):
        assert told(step("a"), on_success=(takes("h", source),)) == [("hook", f"step `h`: {output}", static)]
    assert told(step("a"), on_failure=(takes("h", ParamRef(name="y"), after=("a",), trigger="all_done"),)) == [
        ("hook", "step `h`: it is a hook, which runs when all else is over", "leave `after` out"),
        ("hook", "step `h`: it is a hook, which runs when all else is over anyway", "leave `trigger` out"),
        ("ref-param", "step `h`: there is no parameter `y`", ""),
    ]
    assert told(takes("a", out("h")), on_failure=(step("h"),))[0][0] == "ref-step"
    assert told(step("a"), on_failure=(step("h", timeout=-1.0),))[0][0] == "range"
