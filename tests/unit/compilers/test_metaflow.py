"""What Metaflow is told of each feature, and what is refused."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from msgspec import UNSET, structs

from pipeglot.compilers.metaflow.compiler import MetaflowCompiler
from pipeglot.compilers.metaflow.names import Names
from pipeglot.compilers.metaflow.params import options
from pipeglot.core.features import Feature, Level, needs
from pipeglot.core.ir import (
    ArtifactType,
    Branch,
    DictType,
    EnumType,
    ListType,
    LiteralType,
    OptionalType,
    Param,
    Pipeline,
    Resources,
    Retry,
    ScalarType,
    Schedule,
    TupleType,
)
from tests.unit.compilers.metaflow_texts import (
    ARGO,
    FLOAT,
    INT,
    PLAIN,
    STR,
    changed,
    nodes,
    noted,
    params,
    text,
    told,
)
from tests.unit.lineage.build import above, const, item, mapped, one_of, out, step

CHANGES: dict[Feature, tuple[Pipeline, str]] = {
    Feature.RETRY: (changed(retry=Retry(attempts=3)), "@retry(times=2, minutes_between_retries=0)"),
    Feature.AFTER: (nodes(step("a"), step("b"), step("c", after=("b",))), "self.next(self.c)"),
    Feature.ALL_DONE: (nodes(step("a"), step("z", after=("a",), trigger="all_done")), "self.next(self.z)"),
    Feature.STEP_MAX_PARALLEL: (
        nodes(step("a"), mapped("b", out("a"), structs.replace(step("b", x=item("b")), max_parallel=3))),
        'self.each_b = pipeglot.items(self, "b", most=3)',
    ),
    Feature.MAX_PARALLEL: (structs.replace(PLAIN, max_parallel=5), "pipeglot = Worker(PIPELINE, most=5)"),
    Feature.MAP: (
        nodes(step("a"), mapped("b", out("a"))),
        'self.next(self.b, foreach="each_b")',
    ),
    Feature.MAP_PIPELINE: (
        nodes(step("a"), mapped("in", out("a"), step("in.b", x=item("in")), step("in.c", x=out("in.b")))),
        "self.next(self.in_c)",
    ),
    Feature.MAP_COLLECT: (
        nodes(step("a"), mapped("b", out("a")), step("c", x=out("b"))),
        "def c(self, inputs):",
    ),
    Feature.BRANCH: (
        nodes(step("a"), Branch(id="when", when=above("a", 1), then=(step("b"),))),
        'self.next({"then": self.b, "otherwise": self.end}, condition="arm")',
    ),
    Feature.ONE_OF: (
        nodes(
            step("a"),
            Branch(id="when", when=above("a", 1), then=(step("b"),), otherwise=(step("c"),)),
            step("d", x=one_of("b", "c")),
        ),
        'self.next({"then": self.b, "otherwise": self.c}, condition="arm")',
    ),
    Feature.PARAM_BOOL: (
        params(Param(name="n", type=ScalarType(name="bool"), default=True)),
        'n = Parameter("n", type=bool, default=True, help="bool")',
    ),
    Feature.PARAM_INT: (
        params(Param(name="n", type=INT, default=3)),
        'n = Parameter("n", type=int, default=3, help="int")',
    ),
    Feature.PARAM_FLOAT: (
        params(Param(name="n", type=FLOAT)),
        'n = Parameter("n", type=float, required=True, help="float")',
    ),
    Feature.PARAM_STR: (
        params(Param(name="n", type=STR, default="")),
        'n = Parameter("n", type=str, default="", help="str or JSON")',
    ),
    Feature.PARAM_LIST: (
        params(Param(name="n", type=ListType(of=INT), default=[1])),
        'pipeglot = Worker(PIPELINE, texts=["n"])',
    ),
    Feature.HOOKS: (structs.replace(PLAIN, on_failure=(step("hook"),)), "self.next(self.hook)"),
    Feature.SCHEDULE_CRON: (
        structs.replace(PLAIN, schedule=Schedule(cron="0 6 * * 1", timezone="Europe/Zurich")),
        '@schedule(cron="0 6 * * 1", timezone="Europe/Zurich")',
    ),
    Feature.CPU: (changed(resources=Resources(cpu=0.5)), "@resources(cpu=0.5)"),
    Feature.MEMORY: (changed(resources=Resources(memory=2**30)), "@resources(memory=1074)"),
    Feature.GPU: (changed(resources=Resources(gpu=2)), "@resources(gpu=2)"),
    Feature.IMAGE: (changed(image="acme/x:1"), '@kubernetes(image="acme/x:1")'),
    Feature.DOC: (structs.replace(PLAIN, doc="What it is for."), '"""What it is for."""'),
}


@pytest.mark.parametrize("feature", CHANGES, ids=lambda feature: feature.value)
def test_what_metaflow_is_told_changes_the_flow(feature: Feature) -> None:
    pipeline, line = CHANGES[feature]
    assert feature in needs(pipeline)
    assert MetaflowCompiler.capabilities[feature].level in (Level.NATIVE, Level.EMULATED)
    assert line in told(pipeline, deploy_to=ARGO)


def test_more_tries_than_metaflow_makes_are_made_by_the_task() -> None:
    assert "@retry(times=4, minutes_between_retries=0)" in told(changed(retry=Retry(attempts=5)))
    for more in (6, 60):  # and where it is killed, Metaflow starts it again
        assert told(changed(retry=Retry(attempts=more)))[1:] == [
            "@retry(times=4, minutes_between_retries=0)",
            'pipeglot.step(self, "b", tries="here")',
        ]
    assert told(changed(retry=Retry(attempts=1))) == []


def test_what_the_stack_says_of_steps() -> None:
    asked = changed(resources=Resources(cpu=2, gpu=0), tags=("heavy",), image="acme/x:1")
    steps = {"heavy": {"kubernetes": {"disk": 5, "image": "acme/heavy:1"}}, "b": {"resources": {"cpu": 8}, "card": {}}}
    found = [line.strip() for line in text(asked, deploy_to=ARGO, steps=steps).splitlines()]
    assert [line for line in found if line.startswith("@") and line != "@step"] == [
        "@card()",
        '@kubernetes(image="acme/heavy:1", disk=5)',
        "@resources(cpu=8)",
    ]


def test_what_the_stack_says_of_the_flow() -> None:
    found = text(PLAIN, project="ml", branch="nightly", production=True)
    assert '@project(name="ml", branch="nightly", production=True)\nclass p(FlowSpec):' in found
    limits = text(PLAIN, max_workers=3), text(structs.replace(PLAIN, max_parallel=2), max_workers=3)
    assert ("Worker(PIPELINE, most=3)" in limits[0], "Worker(PIPELINE, most=2)" in limits[1]) == (True, True)
    assert 'Worker(PIPELINE, on_failure="native")' in text(PLAIN, on_failure="native")


# --- parameters -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "default", "found"),
    [
        (ScalarType(name="any"), 1, ("str", "1")),
        (ScalarType(name="date"), {"$": "date", "v": "2026-01-01"}, None),
        (FLOAT, 1.5, ("float", 1.5)),
        (EnumType(ref="m:E", members={"A": 1, "B": 2}), 1, None),
        (LiteralType(values=("x", "y")), "x", ("str", "x")),
        (LiteralType(values=(1, 2)), 1, ("int", 1)),
        (LiteralType(values=("x", 1)), 1, ("str", "1")),
        (OptionalType(of=INT), None, ("int", None)),
        (OptionalType(of=INT), 3, ("str", "3")),
        (OptionalType(of=ListType(of=INT)), None, ("str", "null")),
        (TupleType(of=(STR,)), None, None),
        (DictType(of=INT), {"a": 1}, ("str", '{"a": 1}')),
        (ArtifactType(), None, None),
    ],
)
def test_types_of_parameters(kind: Any, default: Any, found: tuple[str, Any] | None) -> None:
    pipeline = params(Param(name="n", type=kind, default=default) if found else Param(name="n", type=kind))
    (option,) = options(pipeline, Names())
    if found:
        assert (option.type, option.default) == found
    else:
        assert (option.type, option.required) == ("str", True)
    assert option.is_text == option.help.endswith("as JSON")


@pytest.mark.parametrize(
    ("kind", "default", "found"),
    [
        (STR, "", ("", True)),
        (STR, "a b, c: (d) #1 50% x=y+z/w@v.", ("a b, c: (d) #1 50% x=y+z/w@v.", True)),
        (STR, "$(id) `id` {{x}}", (r'"\u0024(id) \u0060id\u0060 \u007b{x}}"', True)),
        (STR, 'ü\n"\\', (r'"\u00fc\n\"\\"', True)),
        (STR, " a ", (" a ", True)),
        (LiteralType(values=("é", "y")), "é", (r'"\u00e9"', True)),
        (OptionalType(of=STR), None, (None, True)),
        (ArtifactType(), UNSET, (None, True)),
        (LiteralType(values=("fast", "slow")), "fast", ("fast", False)),
        (EnumType(ref="m:E", members={"A": 1}), UNSET, (None, False)),
        (EnumType(ref="m:E", members={"É": 1}), UNSET, (None, True)),
        (DictType(of=STR), {"a": "$`{{"}, (r'{"a": "\u0024\u0060\u007b{"}', False)),
        (ScalarType(name="timedelta"), UNSET, (None, False)),
        (INT, 3, (3, False)),
    ],
)
def test_texts_that_go_through_a_shell(kind: Any, default: Any, found: tuple[Any, bool]) -> None:
    (option,) = options(params(Param(name="n", type=kind, default=default)), Names(), by_shell=True)
    assert (option.default, option.is_quoted) == found
    (option,) = options(params(Param(name="n", type=kind, default=default)), Names())
    assert not option.is_quoted


def test_a_day_that_nobody_gives() -> None:
    day = Param(name="day", type=ScalarType(name="date"), logical_date=True)
    assert 'day = Parameter("day", type=str, help="the day that a run is for")' in told(params(day))


def test_names_of_metaflow_and_ours_are_given_to_nobody_else() -> None:
    names = (
        "next",
        "Step",
        "step",
        "retry",
        "start",
        "end",
        "_x",
        "1st",
        "a-b",
        "a_b",
        "each_x",
        "ref_x",
        "arm",
        "class",
    )
    pipeline = structs.replace(
        PLAIN,
        nodes=tuple(map(step, names)),
        params=tuple(
            Param(name=name, type=INT, default=1) for name in ("tags", "name", "n", "N", "_p", "a_b", "Script")
        ),
    )
    found = text(pipeline)
    tree = ast.parse(found)
    for name in names:
        assert f'pipeglot.step(self, "{name}")' in found
    functions = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    made = [
        one.targets[0].id
        for one in ast.walk(tree)
        if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name)
    ]
    assert len(functions) == len(set(functions)) >= len(names) + 2
    assert {"next", "step", "retry", "arm", "class", "self", "each_x", "ref_x", "n", "a_b"}.isdisjoint(functions)
    assert {"param_tags", "param_name", "n", "N_2", "p", "a_b"} <= {*made}
    assert noted(pipeline) == [
        "parameter `tags` is `--param_tags` to Metaflow, which has another `tags`",
        "parameter `name` is `--param_name` to Metaflow, which has another `name`",
        "parameter `N` is `--N_2` to Metaflow, which has another `N`",
        "parameter `_p` is `--p` to Metaflow, which has another `_p`",
        "parameter `Script` is `--param_Script` to Metaflow, which has another `Script`",
    ]


def test_texts_of_users_stay_texts() -> None:
    doc = 'It says """hello""" and \\n, and ends with "'
    values = {"s": "{{ ti }}\n\"'", "d": {"a": [1, None, True]}, "n": 10**30}
    given = tuple(Param(name=name, type=ScalarType(name="any"), default=value) for name, value in values.items())
    tree = ast.parse(text(structs.replace(PLAIN, doc=doc, params=given)))
    flow = next(node for node in tree.body if isinstance(node, ast.ClassDef))
    assert ast.get_docstring(flow, clean=False) == doc
    hostile = nodes(step("a", x=const("{{ ti }}"), y=const("x" * 100_000)))
    assert "{{ ti }}" not in text(hostile)
    assert len(text(hostile)) < 2000
