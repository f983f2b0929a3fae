"""What Metaflow is told of each feature, and what is refused."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from msgspec import UNSET, structs

from pipeglot.compilers.base import Findings, Source
from pipeglot.compilers.metaflow.compiler import MetaflowCompiler
from pipeglot.compilers.metaflow.names import Names
from pipeglot.compilers.metaflow.params import options
from pipeglot.compilers.metaflow.schedules import for_eventbridge
from pipeglot.compilers.metaflow.stack import MetaflowStack
from pipeglot.core.errors import Location, Unsupported
from pipeglot.core.features import PARAM, Feature, Level, needs
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
    Step,
    TupleType,
)
from tests.unit.lineage.build import above, const, item, mapped, one_of, out, step

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


# --- limits -----------------------------------------------------------------------------------------------------------


def test_everything_that_is_wrong_is_told_at_once() -> None:
    bad = structs.replace(
        PLAIN,
        name="statistics",
        nodes=(structs.replace(step("a"), secrets=("TOKEN",)),),
        schedule=Schedule(cron="0 6 1 * 1", timezone="Europe/Zurich"),
        params=(Param(name="pipeglot", type=INT),),
    )
    steps: dict[str, Any] = {"a": {"batch": {}, "kubernetes": {}}}
    assert refused(
        bad,
        store=".pipeglot/store",
        secrets={"KEY": "file:key.txt"},
        deploy_to=AWS,
        datastore="gs",
        branch="x",
        steps=steps,
    ) == [
        "parameter `pipeglot` has the name that pipeglot's own wishes travel by",
        "stack `prod` keeps its store in `.pipeglot/store`, which lies in the project, where no task finds it",
        "stack `prod` has secret `KEY` in the project, as `key.txt`, where no task finds it",
        "`a` asks for secret `TOKEN`, which stack `prod` does not map",
        "parameter `pipeglot` has no default, and Metaflow starts scheduled runs without being told",
        "pipeline `statistics` would be the file `statistics.py`, which Python takes for its module `statistics`",
        "stack `prod` deploys to Step Functions, which takes Metaflow's datastore in S3 only",
        "stack `prod` says `branch`, and not of which project of Metaflow's",
        "the pipeline is scheduled in `Europe/Zurich`, and Metaflow's schedules on Step Functions in UTC",
        "the schedule `0 6 1 * 1` names days of the month and of the week, and AWS takes only one of them",
        "`a` has `batch` and `kubernetes` in `steps:` of stack `prod`, and can run in one",
    ]


def test_containers_that_would_be_refused_later() -> None:
    steps: dict[str, Any] = {"b": {"batch": {}}}
    assert refused(PLAIN, deploy_to=ARGO, steps=steps) == [
        "`b` has `batch` in `steps:`, which Argo Workflows does not run"
    ]
    assert refused(PLAIN, datastore="local", steps=steps) == [
        (
            "`b` runs in a container, and stack `prod` keeps Metaflow's datastore on this machine, where no container "
            "finds it"
        )
    ]
    assert refused(PLAIN, datastore="local", deploy_to=ARGO, steps={"b": {"kubernetes": {}}}) == [
        "stack `prod` keeps Metaflow's datastore on this machine, where Argo Workflows does not find it"
    ]
    assert refused(PLAIN, production=True) == ["stack `prod` says `production`, and not of which project of Metaflow's"]


def test_a_datastore_that_nobody_says() -> None:
    """By itself Metaflow's is on this machine; its settings may say another one, and so may the root."""
    unsaid = "does not say where Metaflow's datastore is, and by itself it is on this machine, where"
    assert refused(PLAIN, datastore=None, deploy_to=AWS) == [f"stack `prod` {unsaid} Step Functions does not find it"]
    assert refused(PLAIN, datastore=None, steps={"b": {"batch": {}}}) == [
        f"`b` runs in a container, and stack `prod` {unsaid} no container finds it"
    ]
    assert text(PLAIN, datastore=None)
    for said in (
        {"profile": "prod"},
        {"environment": {"METAFLOW_DEFAULT_DATASTORE": "s3"}},
        {"datastore_root": "s3://ml/metaflow"},
        {"datastore_root": "${WHERE}"},
    ):
        assert text(PLAIN, datastore=None, deploy_to=AWS, **said)
    assert refused(PLAIN, datastore=None, datastore_root="/shared", deploy_to=ARGO) == [
        "stack `prod` keeps Metaflow's datastore on this machine, where Argo Workflows does not find it"
    ]


@pytest.mark.parametrize(
    ("datastore", "root"),
    [("local", "s3://ml/x"), ("gs", "s3://ml/x"), ("s3", "/shared"), (None, "az://ml/x"), ("azure", "az://ml/x")],
)
def test_a_root_that_is_none_of_the_datastore(datastore: Any, root: str) -> None:
    assert refused(PLAIN, datastore=datastore, datastore_root=root) == [
        f"stack `prod` says `datastore_root: {root}`, which is none of a datastore `{datastore or 'local'}`"
    ]


def test_an_image_for_all_that_name_none() -> None:
    """Those between steps too: they import pipeglot as steps do."""
    forked = nodes(step("a"), structs.replace(step("b"), image="acme/b:1"), step("c", after=("a", "b")))
    for there, where in ((ARGO, "kubernetes"), (AWS, "batch")):
        found = text(forked, deploy_to=there, image="acme/all:1", steps={"c": {where: {"cpu": 2}}})
        lines = found.splitlines()
        before = {lines[n + 2].strip(): lines[n].strip() for n, line in enumerate(lines) if f"@{where}" in line}
        everywhere = f'@{where}(image="acme/all:1")'
        assert before == {
            "def start(self):": everywhere,
            "def a(self):": everywhere,
            "def b(self):": f'@{where}(image="acme/b:1")',
            "def c(self, inputs):": f'@{where}(image="acme/all:1", cpu=2)',
            "def end(self):": everywhere,
        }
        assert f"import FlowSpec, Parameter, {where}, step" in found
    assert "image" not in text(forked, image="acme/all:1"), "a run on this machine has none"


def test_an_image_that_nobody_says() -> None:
    told = (
        "whose step names no image, those between steps too, run in the one of Metaflow's settings, which has to have"
    )
    assert noted(PLAIN, deploy_to=ARGO) == [f"tasks on Argo Workflows {told} pipeglot"]
    assert noted(PLAIN, deploy_to=AWS, environment={"METAFLOW_KUBERNETES_CONTAINER_IMAGE": "acme/x:1"}) == [
        f"tasks on Step Functions {told} pipeglot"
    ]
    for said in (
        {"image": "acme/x:1"},
        {"environment": {"METAFLOW_BATCH_CONTAINER_IMAGE": "acme/x:1"}},
        {"environment": {"METAFLOW_DEFAULT_CONTAINER_IMAGE": "acme/x:1"}},
        {"profile": "prod"},
    ):
        assert noted(PLAIN, deploy_to=AWS, **said) == []


def test_what_needs_failures_that_are_carried() -> None:
    clean = nodes(step("a"), step("z", after=("a",), trigger="all_done"))
    hooked = structs.replace(PLAIN, on_success=(step("hook"),))
    assert refused(clean, on_failure="native") == [
        "`z` asks for `all_done trigger`, which backend `metaflow` does not do"
    ]
    assert refused(hooked, on_failure="native") == ["`hook` asks for `hooks`, which backend `metaflow` does not do"]


@pytest.mark.parametrize(
    ("pipeline", "what"),
    [
        (changed(pool="gpu"), "`b` asks for `pool`"),
        (structs.replace(PLAIN, schedule=Schedule(interval=60)), "the pipeline asks for `interval schedule`"),
        (structs.replace(PLAIN, schedule=Schedule(assets=("s3://a",))), "the pipeline asks for `schedule on assets`"),
        (
            structs.replace(PLAIN, schedule=Schedule(cron="0 6 * * *", start="2026-01-01")),
            "the pipeline asks for `schedule start and end`",
        ),
    ],
)
def test_what_it_does_not_do_yet(pipeline: Pipeline, what: str) -> None:
    assert refused(pipeline, deploy_to=ARGO) == [f"{what}, which backend `metaflow` does not do yet"]


def test_on_step_functions_nothing_holds_back_a_whole_run() -> None:
    assert refused(structs.replace(PLAIN, max_parallel=2), deploy_to=AWS) == [
        "the pipeline asks for `max_parallel of the pipeline`, which backend `metaflow` does not do yet"
    ]


def test_a_schedule_that_nothing_wakes_up_for() -> None:
    pipeline = structs.replace(PLAIN, schedule=Schedule(cron="0 6 * * *"))
    assert "@schedule" not in text(pipeline)
    assert noted(pipeline) == [
        (
            "the pipeline: backend `metaflow` takes `cron schedule` as advice: nothing wakes up a Metaflow that runs "
            "here; `deploy_to` on the stack names what its schedule is for"
        )
    ]


def test_a_planned_time_that_nobody_tells() -> None:
    day = Param(name="day", type=ScalarType(name="date"), logical_date=True)
    pipeline = structs.replace(params(day), schedule=Schedule(cron="0 6 * * *"))
    found = MetaflowCompiler().check(
        source(pipeline, **{f"{PARAM}day": Location("p.py", 3)}),
        structs.replace(STACK, deploy_to=ARGO, image="acme/x:1"),
    )
    assert [(note.message, note.at) for note in found.notes] == [
        ("parameter `day` is the time when a run begins: Argo Workflows tells no other", Location("p.py", 3))
    ]


@pytest.mark.parametrize(
    ("cron", "found"),
    [
        ("0 6 * * *", "0 6 * * ? *"),
        ("*/5 0-6 1,15 * *", "*/5 0-6 1,15 * ? *"),
        ("0 6 * * 1-5", "0 6 ? * MON-FRI *"),
        ("0 6 * * 0,7", "0 6 ? * SUN *"),
        ("0 6 * jan mon,wed", "0 6 ? JAN MON,WED *"),
        ("0 6 * * 5-7", "0 6 ? * SUN,FRI,SAT *"),
        ("0 6 * * 6-7,3", "0 6 ? * SUN,WED,SAT *"),
        ("0 6 * * 1-7", "0 6 * * ? *"),
        ("0 6 * * 0-7", "0 6 * * ? *"),
        ("0 6 * * 1-7/2", "0 6 ? * SUN,MON,WED,FRI *"),
        ("0 6 * * */2", "0 6 ? * SUN,TUE,THU,SAT *"),
        ("0 6 * * MON-FRI/2", "0 6 ? * MON,WED,FRI *"),
    ],
)
def test_the_cron_lines_of_aws(cron: str, found: str) -> None:
    assert for_eventbridge(cron) == found
    assert told(structs.replace(PLAIN, schedule=Schedule(cron=cron)), deploy_to=AWS)[1] == f'@schedule(cron="{found}")'


@pytest.mark.parametrize(
    ("weekday", "found"),
    [
        ("*", "*"),
        ("*/7", "*/7"),
        ("mon-FRI", "mon-FRI"),
        ("1-6/2", "1-6/2"),
        ("7", "0"),
        ("5-7", "0,5,6"),
        ("1-7/3", "0,1,4"),
        ("1-7", "0-6"),
        ("0-7", "0-6"),
    ],
)
def test_the_days_of_argo_end_at_six(weekday: str, found: str) -> None:
    """`0-6`, not `*`: beside a day of the month, that would mean both days in place of either."""
    line = f"0 6 1 * {weekday}"
    pipeline = structs.replace(PLAIN, schedule=Schedule(cron=line))
    assert told(pipeline, deploy_to=ARGO)[1] == f'@schedule(cron="0 6 1 * {found}", timezone="UTC")'


def test_a_chain_that_is_too_long() -> None:
    chain = nodes(*(step(f"s{n}", after=(f"s{n - 1}",) if n else ()) for n in range(499)))
    assert refused(chain) == [
        "pipeline `p` has 501 steps one after the other in Metaflow, whose code comes through 500"
    ]


def test_a_flow_that_its_engine_may_have_no_room_for() -> None:
    many = nodes(*(step(f"s{n}") for n in range(178)))
    assert noted(many, deploy_to=ARGO, image="acme/x:1") == [
        (
            "the flow has 181 steps in Metaflow: Argo Workflows keeps all of them in one object of Kubernetes, of 1.5 "
            "MB, which has room for about 180"
        )
    ]
    assert noted(many, deploy_to=AWS, image="acme/x:1") == [
        ("the flow has 181 steps in Metaflow: Step Functions takes a definition of 1 MB, which has room for about 180")
    ]
    assert noted(many) == []


def test_more_ways_than_metaflow_can_walk_are_made_fewer() -> None:
    top, made = "top", [step("top")]
    for n in range(20):
        made += [step(f"b{n}", after=(top,)), step(f"c{n}", after=(top,)), step(f"d{n}", after=(f"b{n}", f"c{n}"))]
        top = f"d{n}"
    assert noted(nodes(*made)) == [
        (
            "Metaflow's own code would walk 1,048,576 ways through this flow: steps of 9 blocks share a foreach, "
            "a level after the other"
        )
    ]
    found = text(nodes(*made))
    assert 'self.each_b0_or_c0 = pipeglot.steps(self, ["b0", "c0"])' in found
    assert "        pipeglot.step(self)\n" in found
    assert "self.next(self.b19, self.c19)" in found, "no more of them than it takes"


def test_more_blocks_in_blocks_than_can_be() -> None:
    comb = nodes(*(step(f"s{n}", after=(f"s{(n - 1) // 2 * 2 if n % 2 else n - 2}",) if n else ()) for n in range(230)))
    assert noted(comb)[0] == (
        "more than 100 blocks would stand in each other in this flow: its steps run a level after the other"
    )


def test_with_too_many_branches_steps_skip_themselves() -> None:
    made: list[Any] = [step("a")]
    for n in range(30):
        made.append(Branch(id=f"w{n}", when=above("a", n), then=(step(f"b{n}"),), otherwise=(step(f"c{n}"),)))
        made.append(step(f"d{n}", after=(f"b{n}",)))
        made[-2] = structs.replace(made[-2], when=above(f"d{n - 1}" if n else "a", n))
    (note,) = noted(nodes(*made))
    assert note.startswith("Metaflow's own code would walk more than a billion ways through this flow: steps of ")
    assert note.endswith(" branches whose arm is not taken start, and skip themselves")
    assert text(nodes(*made)).count('condition="arm"') > 3
