"""What is exported is what OpenLineage's own client takes, and says of a run what its records say."""

from __future__ import annotations

import importlib
import pkgutil
import types
import typing
from pathlib import Path
from typing import Any

import attr
import openlineage.client.generated as generated
import pytest
from msgspec import structs
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState

from pipeglot.client.openlineage import open_lineage, run_uuid
from pipeglot.client.records import Records
from pipeglot.core.ir import ListOf, Param, ParamRef, Pipeline, ScalarType
from pipeglot.core.store import open_store
from pipeglot.stacks.workspace import bare_workspace
from tests.unit.lineage.build import Failed, mapped, out, pipeline, step
from tests.unit.lineage.index.ledgers import Written, cached_from

FLOW = pipeline(step("a"), mapped("m", out("a")), step("sum", xs=out("m")))
MODULES = [
    importlib.import_module(f"{generated.__name__}.{one.name}") for one in pkgutil.iter_modules(generated.__path__)
]
NAMES = {**vars(typing), **{name: value for module in MODULES for name, value in vars(module).items()}}
"""All that annotations in these modules may mean."""


def fits(value: Any, hint: Any) -> bool:
    """Whether JSON is of a type as OpenLineage's classes write it."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, one) for one in args)
    if origin is list:
        return isinstance(value, list) and all(fits(one, args[0]) for one in value)
    if origin is dict:
        return isinstance(value, dict) and all(fits(one, args[1]) for one in value.values())
    if isinstance(hint, type) and attr.has(hint):
        return isinstance(value, dict) and is_of(value, hint)
    return hint is Any or type(value) in ((int, float) if hint is float else (hint,))


def is_of(told: dict[str, Any], kind: type) -> bool:
    """All that it must have, and nothing that it does not know."""
    fields = attr.fields_dict(kind)
    hints = typing.get_type_hints(kind, NAMES)
    unknown = told.keys() - fields.keys()
    missing = [name for name, field in fields.items() if field.default is attr.NOTHING and name not in told]
    return not unknown and not missing and all(fits(value, hints[name]) for name, value in told.items())


def check_facets(facets: dict[str, Any], base: str) -> None:
    for name, facet in facets.items():
        told = {key: value for key, value in facet.items() if not key.startswith("_")}
        assert facet["_producer"] == "urn:pipeglot"
        if name.startswith("pipeglot_"):
            assert facet["_schemaURL"] == f"urn:pipeglot:facet:{name.removeprefix('pipeglot_')}:1"
            continue
        kind = NAMES[facet["_schemaURL"].rpartition("/")[2]]
        assert any(one.__name__ == base for one in kind.__mro__), (name, base)
        assert kind._get_schema() == facet["_schemaURL"]
        assert is_of(told, kind), (name, told)


def check(event: dict[str, Any]) -> None:
    """As OpenLineage has it."""
    assert event.keys() == {
        *("eventType", "eventTime", "run", "job", "inputs", "outputs", "producer", "schemaURL"),
    }
    RunEvent(
        eventType=RunState[event["eventType"]],
        eventTime=event["eventTime"],
        run=Run(**event["run"]),
        job=Job(**event["job"]),
        producer=event["producer"],
        inputs=[InputDataset(**one) for one in event["inputs"]],
        outputs=[OutputDataset(**one) for one in event["outputs"]],
    )
    assert event["schemaURL"] == RunEvent._get_schema()
    check_facets(event["run"]["facets"], "RunFacet")
    check_facets(event["job"]["facets"], "JobFacet")
    for one in [*event["inputs"], *event["outputs"]]:
        check_facets(one["facets"], "DatasetFacet")
        check_facets(one.get("outputFacets", {}), "OutputDatasetFacet")


class Bench:
    def __init__(self, folder: Path) -> None:
        self.records = Records(bare_workspace(folder), open_store(folder / "store"))
        self.ledger = self.records.ledger
        self.told: list[str] = []

    def events(self, run: str, namespace: str = "pipeglot") -> list[dict[str, Any]]:
        made = open_lineage(self.records, self.records.run(run), namespace, self.told.append)
        for event in made.events:
            check(event)
        times = [event["eventTime"] for event in made.events[1:-1]]
        assert times == sorted(times)
        return list(made.events)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


AT = "2026-01-01T00:00:00+00:00"


def whole(bench: Bench, flow: Pipeline = FLOW, values: dict[str, Any] | None = None, **told: Any) -> Written:
    run = Written(bench.ledger, flow, **told)
    ready = run.state.take_ready()
    while ready:
        name, index = ready.pop(0)
        run.commit((name, index), (values or {"a": [1, 2]}).get(name, 7), started=AT, seconds=1.5)
        ready += run.state.take_ready()
    return run.seal()


def names(datasets: list[dict[str, Any]]) -> list[str]:
    return [one["name"] for one in datasets]


def version(dataset: dict[str, Any]) -> str:
    return str(dataset["facets"]["version"]["datasetVersion"])


def test_a_run_and_its_executions(bench: Bench) -> None:
    run = whole(bench, params={}, tags={"team": "risk"})
    events = bench.events(run.run)
    assert sorted(event["eventType"] for event in events) == ["COMPLETE"] * 5 + ["START"] * 5
    first, last = events[0], events[-1]
    assert first["run"]["runId"] == last["run"]["runId"] == run_uuid(run.run)
    assert last["run"]["facets"]["pipeglot_lineage"]["lineageDigest"].startswith("sha256:")
    assert last["run"]["facets"]["tags"]["tags"] == [{"key": "team", "value": "risk", "source": "USER"}]
    ends = {event["run"]["runId"]: event for event in events if event["eventType"] == "COMPLETE"}
    items = [ends[run_uuid(run.run, ("m", (at,)))] for at in (0, 1)]
    assert [names(one["inputs"]) for one in items] == [["p.a"], ["p.a"]]
    assert [names(one["outputs"]) for one in items] == [["p.m"], ["p.m"]]
    total = ends[run_uuid(run.run, ("sum", ()))]
    assert names(total["inputs"]) == ["p.m"], "all items are one dataset"
    parent = total["run"]["facets"]["parent"]
    assert (parent["run"]["runId"], parent["job"]["name"]) == (run_uuid(run.run), "p")
    assert total["eventTime"] == "2026-01-01T00:00:01.500000+00:00"


def test_the_same_each_time_and_in_another_namespace(bench: Bench) -> None:
    run = whole(bench)
    assert bench.events(run.run) == bench.events(run.run)
    (name,) = {event["job"]["namespace"] for event in bench.events(run.run, "risk")}
    assert name == "risk"


def test_two_runs_of_the_same_values_have_datasets_of_one_version(bench: Bench) -> None:
    one, other, third = whole(bench), whole(bench), whole(bench, values={"a": [1, 2], "m": 8})
    versions = []
    for run in (one, other, third):
        ends = {event["run"]["runId"]: event for event in bench.events(run.run) if event["eventType"] == "COMPLETE"}
        versions.append(version(ends[run_uuid(run.run, ("sum", ()))]["inputs"][0]))
    assert versions[0] == versions[1] != versions[2]


def test_a_failure_and_what_was_skipped(bench: Bench) -> None:
    run = Written(bench.ledger, pipeline(step("a"), step("b", x=out("a"))))
    run.commit(("a", ()), Failed, started=AT)
    run.go_on().seal()
    events = bench.events(run.run)
    assert [(event["job"]["name"], event["eventType"]) for event in events] == [
        *(("p", "START"), ("p.a", "START"), ("p.a", "FAIL"), ("p", "FAIL")),
    ]
    assert events[2]["run"]["facets"]["errorMessage"]["programmingLanguage"] == "python"
    assert events[3]["run"]["facets"]["errorMessage"]["message"] == "failed: a"
    steps = events[3]["run"]["facets"]["pipeglot_lineage"]["steps"]
    assert {one["step"]: one["status"] for one in steps} == {"a": "failed", "b": "skipped"}


def test_a_run_that_goes_on_has_no_end(bench: Bench) -> None:
    run = Written(bench.ledger, FLOW)
    run.commit(("a", ()), [1], started=AT)
    assert [event["eventType"] for event in bench.events(run.run)] == ["START", "START", "COMPLETE"]


def test_what_came_from_the_cache_says_from_where(bench: Bench) -> None:
    flow = pipeline(step("a"))
    first = whole(bench, flow)
    second = Written(bench.ledger, flow)
    second.commit(("a", ()), started=AT, **cached_from(first, ("a", ())))
    second.seal()
    end = bench.events(second.run)[-2]
    assert end["run"]["facets"]["pipeglot_execution"]["computedBy"] == run_uuid(first.run, ("a", ()))
    assert end["outputs"] == bench.events(first.run)[-2]["outputs"]


def test_an_artifact_parameter_is_the_dataset_of_the_other_pipeline(bench: Bench) -> None:
    first = whole(bench, structs.replace(pipeline(step("fit")), name="train"))
    flow = Pipeline(
        name="q",
        params=(Param(name="model", type=ScalarType(name="any")),),
        nodes=(step("use", ms=ListOf(items=(ParamRef(name="model"), ParamRef(name="model")))),),
    )
    ref = first.ref(("fit", ()))
    run = whole(bench, flow, params={"model": f"{first.run}/fit/output"}, artifacts={"model": ref})
    start = bench.events(run.run)[1]
    assert names(start["inputs"]) == ["train.fit"]
    assert start["inputs"][0]["facets"]["pipeglot_input"]["arguments"] == ["ms"]
    gone = whole(bench, flow, params={"model": f"{'a' * 24}/fit/output"}, artifacts={"model": ref})
    assert names(bench.events(gone.run)[1]["inputs"]) == [f"{'a' * 24}.fit"]


def test_columns_of_tables_and_assets(bench: Bench) -> None:
    import pandas
    import polars
    import pyarrow

    values = {
        "a": pandas.DataFrame({"n": [1], "s": ["x"]}),
        "b": polars.DataFrame({"n": [1.5]}),
        "c": pyarrow.table({"t": [1]}),
        "d": 1,
    }
    steps = [step(name) for name in values]
    steps[3] = structs.replace(steps[3], asset={"output": "s3://bucket/some/table"})
    run = whole(bench, pipeline(*steps), values=values)
    outputs = {one["name"]: one["facets"] for event in bench.events(run.run) for one in event["outputs"]}
    fields = {
        name: {one["name"]: one.get("type") for one in facets["schema"]["fields"]} for name, facets in outputs.items()
    }
    assert fields["p.a"].keys() == {"n", "s"}
    assert (fields["p.a"]["n"], fields["p.b"], fields["p.c"]) == ("int64", {"n": "Float64"}, {"t": "int64"})
    assert outputs["p.d"]["symlinks"]["identifiers"] == [
        {"namespace": "s3://bucket", "name": "some/table", "type": "ASSET"}
    ]


def test_a_table_that_cannot_be_read_is_told(bench: Bench) -> None:
    import numpy
    import pandas

    frame = pandas.DataFrame({"n": numpy.arange(5000)})
    run = whole(bench, pipeline(step("a")), values={"a": frame})
    ref = run.ref(("a", ()))
    (bench.ledger.store.local(f"blobs/{ref.week}/{ref.blob}") or Path()).unlink()
    bench.records.artifacts = type(bench.records.artifacts)(open_store(bench.records.ledger.store.uri))
    events = bench.events(run.run)
    assert events[-2]["outputs"][0]["facets"]["schema"]["fields"][0]["name"] == "output"
    (said,) = bench.told
    assert said.startswith("the columns of `a.output` are left out: ")
