"""What Metaflow cannot do is refused, and what its user should know is told."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from pipeglot.compilers.metaflow.compiler import MetaflowCompiler
from pipeglot.compilers.metaflow.schedules import for_eventbridge
from pipeglot.core.errors import Location
from pipeglot.core.features import PARAM
from pipeglot.core.ir import (
    Branch,
    Param,
    Pipeline,
    ScalarType,
    Schedule,
)
from tests.unit.compilers.metaflow_texts import (
    ARGO,
    AWS,
    INT,
    PLAIN,
    STACK,
    changed,
    nodes,
    noted,
    params,
    refused,
    source,
    text,
    told,
)
from tests.unit.lineage.build import above, step


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
