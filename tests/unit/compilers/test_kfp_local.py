"""The sandbox's server of KFP: what it refuses, when schedules are due, and what it knows after a restart."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from pipeglot.compilers.kfp.local.absent import drop_absent
from pipeglot.compilers.kfp.local.api import Api
from pipeglot.compilers.kfp.local.cron import read_cron
from pipeglot.compilers.kfp.local.fields import Refused, check
from pipeglot.compilers.kfp.local.recurring import check_trigger
from pipeglot.compilers.kfp.local.specs import check_parameters, read_upload
from pipeglot.compilers.kfp.schedules import five_fields, six_fields
from tests.unit.compilers.kfp_fake import SPEC

BEGIN = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)
TEXT = json.dumps(SPEC).encode()


def add_run(api: Api, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = api._add_run({"display_name": "r", "pipeline_spec": SPEC} | more)
    return found


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"bogus": 1}, 'unknown field "bogus"'),
        ({"runtime_config": {"params": {}}}, 'unknown field "runtime_config.params"'),
        ({"display_name": 3}, "invalid value for str field display_name: 3"),
        ({"state": "DONE"}, 'invalid value for enum field state: "DONE"'),
        ({"created_at": "2026-11-22T12:00:00"}, "invalid value for timestamp field created_at: it has no offset"),
        ({"created_at": "now"}, 'invalid value for timestamp field created_at: "now"'),
        ({"state_history": {}}, "state_history must be a list"),
        ({"pipeline_spec": []}, "invalid value for object field pipeline_spec: []"),
        ([], "the body must be an object"),
    ],
)
def test_what_the_definition_does_not_have(body: Any, told: str) -> None:
    with pytest.raises(Refused) as caught:
        check("V2beta1Run", body)
    assert str(caught.value) == told
    assert caught.value.body["code"] == 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"a: [", "the file is no YAML"),
        (b"a: 1", "the file is to hold one pipeline spec"),
        (TEXT + b"\n---\n" + TEXT, "the file is to hold one pipeline spec"),
        (TEXT + b"\n---\nother: {}", "the file is to hold one pipeline spec"),
        (b"pipelineInfo: {name: x}", "pipeline_spec has no root"),
        (TEXT.replace(b"2.1.0", b"2.2.0"), "pipeline_spec is to have pipelineInfo.name, and schemaVersion 2.1.0"),
    ],
)
def test_files_that_are_no_pipeline(text: bytes, told: str) -> None:
    with pytest.raises(Refused, match=told):
        read_upload(text)


def test_a_file_of_one_document_or_two() -> None:
    assert read_upload(TEXT) == SPEC
    platform: dict[str, Any] = {"platforms": {"kubernetes": {}}}
    both = TEXT + b"\n---\n" + json.dumps(platform).encode()
    assert read_upload(both) == {"pipeline_spec": SPEC, "platform_spec": platform}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"year": True}, "parameter year is to be a NUMBER_INTEGER, and is true"),
        ({"year": 1.5}, "parameter year is to be a NUMBER_INTEGER, and is 1.5"),
        ({"names": {}}, "parameter names is to be a LIST, and is {}"),
        ({"names": ["x" * 9_990]}, "The input parameter length exceed maximum size of 10000."),
        ({"more": 1}, "parameter more is none of the pipeline's: year, names, day, pipeglot"),
    ],
)
def test_parameters_that_do_not_fit(given: dict[str, Any], told: str) -> None:
    with pytest.raises(Refused) as caught:
        check_parameters(SPEC, given)
    assert str(caught.value) == told


def test_optional_inputs_that_are_not_given() -> None:
    parameters: dict[str, dict[str, Any]] = {
        "n": {"isOptional": True},
        "m": {"isOptional": True, "defaultValue": 1},
        "k": {},
    }

    def component(**more: Any) -> dict[str, Any]:
        return {"inputDefinitions": {"parameters": {name: dict(one) for name, one in parameters.items()}}, **more}

    def task(name: str) -> dict[str, Any]:
        inputs = {one: {"componentInputParameter": one} for one in parameters}
        return {"componentRef": {"name": name}, "inputs": {"parameters": inputs}}

    components = {"dag": component(dag={"tasks": {"b": task("leaf")}}), "leaf": component(executorLabel="x")}
    spec = {"root": component(dag={"tasks": {"a": task("dag")}}), "components": components}
    drop_absent(spec, {"k": 1})
    for one in (spec["root"], *components.values()):
        assert list(one["inputDefinitions"]["parameters"]) == ["m", "k"]
        for inner in one.get("dag", {"tasks": {}})["tasks"].values():
            assert list(inner["inputs"]["parameters"]) == ["m", "k"]


def test_a_parameter_that_is_missing() -> None:
    spec = {"root": {"inputDefinitions": {"parameters": {"n": {"parameterType": "NUMBER_INTEGER"}}}}}
    with pytest.raises(Refused, match="parameter n is not optional"):
        check_parameters(spec, {})
    check_parameters(spec, {"n": 2.0})


@pytest.mark.parametrize(
    ("line", "times"),
    [
        ("0 0 6 * * *", ["2026-11-23T06:00:00", "2026-11-24T06:00:00"]),
        ("*/30 * * * * *", ["2026-11-22T12:00:30", "2026-11-22T12:01:00"]),
        ("0 15,45 8-9/1 * * *", ["2026-11-23T08:15:00", "2026-11-23T08:45:00"]),
        ("0 0 0 29 2 *", ["2028-02-29T00:00:00"]),
        ("0 0 0 1 * MON", ["2026-11-23T00:00:00", "2026-11-30T00:00:00", "2026-12-01T00:00:00"]),
        ("0 0 0 ? DEC 0", ["2026-12-06T00:00:00"]),
    ],
)
def test_when_a_cron_line_is_due(line: str, times: list[str]) -> None:
    moment, cron = BEGIN, read_cron(line)
    for expected in times:
        found = cron.after(moment)
        assert found is not None
        assert found.isoformat() == f"{expected}+00:00"
        moment = found


def test_a_day_that_never_is() -> None:
    assert read_cron("0 0 0 31 2 *").after(BEGIN) is None


@pytest.mark.parametrize("line", ["0 6 * * *", "0 0 6 * * 7", "0 0 24 * * *", "0 0 6 * FOO *", "0 5-3 * * * *"])
def test_lines_that_are_none(line: str) -> None:
    with pytest.raises(Refused, match="the schedule is invalid"):
        check_trigger({"cron_schedule": {"cron": line}})


@pytest.mark.parametrize(
    ("line", "six"),
    [
        ("0 6 * * *", "0 0 6 * * *"),
        ("0 6 * * 7", "0 0 6 * * 0"),
        ("0 6 * * 5-7", "0 0 6 * * 5,6,0"),
        ("0 6 * * MON-7", "0 0 6 * * 1,2,3,4,5,6,0"),
        ("0 6 * * 7/2", "0 0 6 * * 0"),
        ("0 6 * * 1-7/2", "0 0 6 * * 1,3,5,0"),
        ("0 6 * * MON-FRI,7", "0 0 6 * * MON-FRI,0"),
        ("0 6 * * Fri-7/2", "0 0 6 * * 5,0"),
        ("0 6 * * SAT-7", "0 0 6 * * 6,0"),
        ("0 6 * * 7-7/3", "0 0 6 * * 0"),
    ],
)
def test_a_line_of_five_fields_as_one_of_six(line: str, six: str) -> None:
    assert six_fields(line) == six
    assert five_fields(line) == six.removeprefix("0 ")
    read_cron(six)


def test_what_it_knows_after_a_restart(tmp_path: Path) -> None:
    api = Api(tmp_path, 0)
    runs = [add_run(api)["run_id"] for _ in range(4)]
    for run, state in zip(runs, ("PENDING", "RUNNING", "CANCELING", "SUCCEEDED"), strict=True):
        api.runs._set(api.runs.kept.get(run), state)
    again = Api(tmp_path, 0)
    assert [again.runs.kept.get(run)["state"] for run in runs] == ["PENDING", "FAILED", "CANCELED", "SUCCEEDED"]
    assert again.runs.kept.get(runs[1])["error"]["message"] == "the server was ended while it ran"
    assert list(again.runs._waiting) == [runs[0]]
    assert again.experiments.records == api.experiments.records


def test_a_run_that_waits_is_ended_at_once(tmp_path: Path) -> None:
    api = Api(tmp_path, 0)
    run = add_run(api)
    api.runs.terminate(run)
    assert [one["state"] for one in run["state_history"]] == ["PENDING", "CANCELED"]
    with pytest.raises(Refused, match="has ended: it is CANCELED"):
        api.runs.terminate(run)
    api.runs.drop(run)
    with pytest.raises(Refused, match="not found"):
        api._run(run["run_id"])


def test_what_a_browser_is_shown(tmp_path: Path) -> None:
    api = Api(tmp_path, 0)
    run = add_run(api, display_name="<script>")["run_id"]
    do, _ = api.find("GET", "/")
    found = do({})
    assert f'<tr id="/runs/details/{run}"><td>{run}</td><td>&lt;script&gt;</td><td>PENDING</td>' in found


def test_retries_are_refused(tmp_path: Path) -> None:
    api = Api(tmp_path, 0)
    run = add_run(api)["run_id"]
    do, words = api.find("POST", f"/apis/v2beta1/runs/{run}:retry")
    with pytest.raises(Refused) as caught:
        do({}, *words)
    assert caught.value.status == 501


def test_lists_page_by_page(tmp_path: Path) -> None:
    api = Api(tmp_path, 0)
    for _ in range(5):
        add_run(api)
    first = api._list_runs({"page_size": "2"})
    assert (len(first["runs"]), first["total_size"], first["next_page_token"]) == (2, 5, "2")
    last = api._list_runs({"page_size": "2", "page_token": "4"})
    assert (len(last["runs"]), "next_page_token" in last) == (1, False)
    for query in ({"filter": "x"}, {"sort_by": "state"}, {"page_size": "x"}):
        with pytest.raises(Refused):
            api._list_runs(query)
