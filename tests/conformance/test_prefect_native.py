"""On a real Prefect: its secrets, limits, pools and folders, its own schedule, and words that its templates take."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipeglot.core.lineage import keys
from tests.conformance.live import states, until
from tests.conformance.live_prefect import OnLive
from tests.conformance.results import Tally
from tests.conformance.suite import HERE, STACK
from tests.servers.prefect import Prefect

pytestmark = pytest.mark.whole

Make = Callable[..., OnLive]
SECRETS = {"TOKEN": "prefect:pipeglot-token", "PASSWORD": "prefect:pipeglot-db", "LACKS": "prefect:pipeglot-lacks"}


@pytest.fixture
def live(prefect3: Prefect, tmp_path: Path) -> Make:
    return lambda *more: OnLive(prefect3, tmp_path, *more)


def value(live: OnLive, run: dict[str, Any], step: str) -> Any:
    (artifact,) = next(one for one in run["steps"] if one["id"] == step)["outputs"].values()
    return live.project("artifact", "get", artifact, "--stack", STACK, "--json").json["value"]


# --- words ------------------------------------------------------------------------------------------------------------


def test_braces_are_no_templates(live: Make) -> None:
    far = live()
    run = far.start("hostile")
    assert far.server.state(run) == "COMPLETED"
    found = far.deployment("hostile")
    assert found["description"] == """Says {{ nothing }}, nor {% raw %}, 'in' "quotes" \\ \"\"\"."""
    assert found["tags"] == ["{{ tag }}", "{% raw %}", 'it\'s "quoted"\\', "\u2603"]
    told = """{{ $HOME }} {{ 1 + 1 }} \"\"\" \\ {'{{ key }}': ['{{ value }}']}"""
    shown = far.shown("hostile", run)
    assert value(far, shown, "braces") == told
    assert shown["lineage_digest"] == far.local_digest("hostile")
    given = far.server.trigger("hostile", STACK, text="{{ prefect.variables.x }}", table={"{{ a }}": []})
    assert far.server.state(given) == "COMPLETED"
    assert value(far, far.shown("hostile", given), "braces") == "{{ prefect.variables.x }} {'{{ a }}': []}"


def test_parameters_up_to_the_servers_limit_and_beyond(live: Make) -> None:
    """Somebody else's are refused by the server; what is too large of ours comes through the store."""
    far = live()
    run = far.start("large", a="x" * 520_000)
    assert far.server.state(run) == "COMPLETED"
    assert value(far, far.shown("large", run), "size") == 520_000
    words = [word for name in "abcde" for word in ("-p", f"{name}={'x' * 110_000}")]
    done = far.project("run", "flows_live.py:large", *words, "--stack", STACK, "--json").json
    assert value(far, done, "size") == 550_000
    assert done["lineage_digest"] == far.local_digest("large", *words)


def test_an_object_that_prefect_would_work_out(live: Make) -> None:
    far = live()
    words = ["-p", 'table={"__prefect_kind": ["jinja"], "template": ["{{ 1 }}"]}']
    done = far.project("run", "flows_live.py:hostile", *words, "--stack", STACK, "--json").json
    assert done["params"]["table"] == {"__prefect_kind": ["jinja"], "template": ["{{ 1 }}"]}
    assert done["lineage_digest"] == far.local_digest("hostile", *words)


# --- what Prefect holds -----------------------------------------------------------------------------------------------


def test_secret_blocks_and_artifacts_by_name(live: Make, prefect3: Prefect, tally: Tally) -> None:
    with tally.of(prefect3.title, "artifacts and secrets from pipeline to pipeline"):
        _hand_on(live)


def _hand_on(live: Make) -> None:
    far = live(f"secrets: {json.dumps(SECRETS)}")
    _block(far.server, "pipeglot-token", "s3cret-token")
    _block(far.server, "pipeglot-db", "pa55-word")
    shutil.copy(HERE / "native.py", far.project.root)
    far.project("deploy", "native.py:maker", "--stack", STACK)
    run = far.server.trigger("maker", STACK, count=4)
    assert far.server.state(run) == "COMPLETED"
    made = far.shown("maker", run)
    assert value(far, made, "make") == 25
    assert "s3cret" not in far.project("runs", "logs", made["run_id"], "make", "--stack", STACK).out
    asked = {"logs": {"flow_run_id": {"any_": [run]}}}
    assert not [one for one in far.server.ask("POST", "/logs/filter", asked)[1] if "s3cret" in one["message"]]

    far.project("deploy", "native.py:picker", "--stack", STACK)
    run = far.server.trigger("picker", STACK)
    assert far.server.state(run) == "COMPLETED"
    picked = far.shown("picker", run)
    assert picked["params"]["made"] == next(iter(made["steps"][0]["outputs"].values()))
    assert value(far, picked, "take") == f"25 on {dt.datetime.now(dt.UTC):%Y}"

    far.project("deploy", "native.py:lacking", "--stack", STACK)
    run = far.server.trigger("lacking", STACK)
    assert far.server.state(run) == "FAILED"
    (step,) = far.shown("lacking", run)["steps"]
    assert step["error"]["message"] == "secret `LACKS`: this Prefect has no secret block `pipeglot-lacks`"
    told = far.project("stack", "check", STACK, code=2).out
    assert "the secret block `pipeglot-token` is there" in told
    assert "the secret block `pipeglot-lacks` is not there" in told


def test_an_asset_starts_a_run_that_takes_the_artifact(live: Make, prefect3: Prefect, tally: Tally) -> None:
    with tally.of(prefect3.title, "started by an asset"):
        far = live(f"secrets: {json.dumps(SECRETS)}")
        _block(far.server, "pipeglot-token", "s3cret-token")
        _block(far.server, "pipeglot-db", "pa55-word")
        shutil.copy(HERE / "native.py", far.project.root)
        for pipeline in ("taker", "taker", "maker"):  # once more changes nothing
            far.project("deploy", f"native.py:{pipeline}", "--stack", STACK)
        run = far.server.trigger("maker", STACK, count=5)
        assert far.server.state(run) == "COMPLETED"
        (artifact,) = far.shown("maker", run)["steps"][0]["outputs"].values()
        (started,) = until(lambda: _runs(far, far.deployment("taker")["id"]))
        assert far.server.state(started["id"]) == "COMPLETED"
        taken = far.shown("taker", started["id"])
        assert taken["params"]["made"] == artifact
        assert value(far, taken, "take") == f"26 on {dt.datetime.now(dt.UTC):%Y}"
        _told(far, artifact)


def _told(far: OnLive, artifact: str) -> None:
    """As an event of the asset's, on its page."""
    told = {uri for one, uri in _told_events(far) if artifact in one["artifacts"]}
    assert told == {"s3://pipeglot-tests/made"}


def _told_events(far: OnLive) -> list[tuple[dict[str, Any], str]]:
    """What was told of each asset, and its URI."""
    asked = {"filter": {"event": {"name": ["prefect.asset.materialization.succeeded"]}}}
    events = far.server.ask("POST", "/events/filter", asked)[1]["events"]
    return [(one["payload"]["pipeglot"], one["resource"]["prefect.resource.id"]) for one in events]


def _events(far: OnLive) -> list[str]:
    return [uri for _, uri in _told_events(far)]


def test_of_several_assets_each_is_waited_for(live: Make) -> None:
    """Also if one is new before the pipeline is deployed again; and what a second try finds done is not new again."""
    far = live()
    folder = far.marks("both")
    far.deploy("after_both")
    waiting = far.deployment("after_both")["id"]
    failed = far.start("makes_both", folder=str(folder))
    assert far.server.state(failed) == "FAILED"
    far.deploy("after_both")
    (folder / "wanted").write_text("here")
    state = {"state": {"type": "SCHEDULED", "name": "AwaitingRetry"}}
    assert far.server.ask("POST", f"/flow_runs/{failed}/set_state", state)[0] == 201
    (started,) = until(lambda: _runs(far, waiting))
    assert far.server.state(started["id"]) == "COMPLETED"
    told = _events(far)
    assert [told.count(f"s3://pipeglot-tests/{name}") for name in "ab"] == [1, 1]


def test_a_mapped_asset_is_told_once(live: Make) -> None:
    far = live()
    far.deploy("after_all")
    run = far.start("makes_many")
    assert far.server.state(run) == "COMPLETED"
    (started,) = until(lambda: _runs(far, far.deployment("after_all")["id"]))
    assert far.server.state(started["id"]) == "COMPLETED"
    assert len(_runs(far, far.deployment("after_all")["id"])) == 1


def _block(server: Prefect, name: str, text: str) -> None:
    kind = server.ask("GET", "/block_types/slug/secret")[1]["id"]
    schema = server.ask("POST", "/block_schemas/filter", {"block_schemas": {"block_type_id": {"any_": [kind]}}})[1]
    body = {"name": name, "data": {"value": text}, "block_type_id": kind, "block_schema_id": schema[0]["id"]}
    assert server.ask("POST", "/block_documents/", body)[0] in (201, 409)


def test_a_pool_is_a_limit_of_tasks_with_its_tag(live: Make) -> None:
    far = live()
    far.deploy("pooled")
    told = far.project("stack", "check", STACK, "--target", "flows_live.py:pooled", code=2).out
    assert (
        "`alone_0` runs in pool `narrow`, and the Prefect of stack `far` has no limit for tasks with that tag" in told
    )
    body = {"tag": "narrow", "concurrency_limit": 1}
    assert far.server.ask("POST", "/concurrency_limits/", body)[0] in (200, 201)
    run = far.start("pooled")
    assert far.server.state(run) == "COMPLETED"
    spans = sorted((one["start_time"], one["end_time"]) for one in far.ended(run).values())
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_no_more_runs_at_once_than_the_stack_says(live: Make, tmp_path: Path) -> None:
    far = live("concurrency_limit: 1", "collision: cancel_new")
    folder = far.marks("one")
    first = far.start("long", folder=str(folder))
    until((folder / "note-1").exists)
    second = far.server.trigger("long", STACK, folder=str(folder))
    assert far.server.state(second) == "CANCELLED"
    assert far.server.ask("POST", f"/flow_runs/{first}/set_state", {"state": {"type": "CANCELLING"}})[0] == 201
    assert far.server.state(first) == "CANCELLED"
    assert states(far.shown("long", first))["tidy"] == ("succeeded", 1)


def test_the_page_of_a_run_leads_to_its_lineage(live: Make) -> None:
    far = live()
    run = far.start("shared", n=11)
    assert far.server.state(run) == "COMPLETED"
    (found,) = far.server.ask("POST", "/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run]}}})[1]
    assert (found["key"], found["type"]) == ("lineage-shared", "markdown")
    assert f"`pipeglot runs show {keys.run_id(STACK, 'shared', run)[:10]} --stack {STACK}`" in found["data"]


# --- where flow files are ---------------------------------------------------------------------------------------------


def test_flow_files_in_a_folder_of_the_workers(live: Make, tmp_path: Path) -> None:
    (tmp_path / "flows").mkdir()
    far = live(f"flows_folder: '{tmp_path}/flows'")
    run = far.start("shared", n=12)
    assert far.server.state(run) == "COMPLETED"
    assert (tmp_path / "flows/shared.py").exists()


def test_flow_files_that_prefect_itself_pulls(live: Make, tmp_path: Path) -> None:
    steps = {"prefect.deployments.steps.set_working_directory": {"directory": str(tmp_path / "clone")}}
    far = live(f"pull: [{json.dumps(steps)}]")
    far.project("compile", "flows_live.py:shared", "--stack", STACK, "--out", str(tmp_path / "clone"))
    run = far.start("shared", n=13)
    assert far.server.state(run) == "COMPLETED"


# --- schedules --------------------------------------------------------------------------------------------------------


def test_of_runs_that_were_missed_the_last_one_runs(live: Make) -> None:
    """As `catchup` says, if it is not asked for."""
    far = live()
    pool = "/work_pools/sandbox"
    assert far.server.ask("PATCH", pool, {"is_paused": True})[0] == 204
    try:
        found = far.schedule("ticking")
        missed = {one["id"] for one in until(lambda: _late(far, found, 3))}
        far.server.ask("PATCH", pool, {"is_paused": False})
        ends = until(lambda: _over(far, found, missed))
        until(lambda: far.listed("ticking"))
    finally:
        far.pause("ticking")
        far.server.ask("PATCH", pool, {"is_paused": False})
    assert set(ends[:-1]) == {"Skipped"}
    assert ends.count("Completed") <= 1


def test_no_run_after_what_the_schedule_says(live: Make, prefect3: Prefect, tally: Tally) -> None:
    with tally.of(prefect3.title, "scheduled for the past"):
        far = live()
        found = far.schedule("past")
        try:
            run = until(lambda: [one for one in _runs(far, found) if one["state_name"] == "Skipped"])[0]
        finally:
            far.pause("past")
        assert run["state_type"] == "CANCELLED"
        assert far.listed("past") == []


def test_a_cron(live: Make, prefect3: Prefect, tally: Tally) -> None:
    with tally.of(prefect3.title, "scheduled from now on by a cron"):
        far = live()
        far.schedule("minutely")
        try:
            (run,) = until(lambda: [one for one in far.listed("minutely") if one["status"] == "succeeded"][:1])
        finally:
            far.pause("minutely")
        moment = dt.datetime.fromisoformat(run["logical_date"])
        assert moment.timestamp() % 60 == 0
        day = moment.astimezone(ZoneInfo("Europe/Zurich")).date().isoformat()
        assert run["lineage_digest"] == far.local_digest("minutely", "-p", f"day={day}")


def _runs(far: OnLive, deployment: str) -> list[dict[str, Any]]:
    asked = {"deployments": {"id": {"any_": [deployment]}}}
    return list(far.server.ask("POST", "/flow_runs/filter", asked)[1])


def _late(far: OnLive, deployment: str, least: int) -> list[dict[str, Any]]:
    found = [one for one in _runs(far, deployment) if one["state_name"] == "Late"]
    return found if len(found) >= least else []


def _over(far: OnLive, deployment: str, asked: set[str]) -> list[str]:
    """How these have ended, the earliest first, once all of them are over."""
    runs = [one for one in _runs(far, deployment) if one["id"] in asked]
    runs.sort(key=lambda one: str(one["expected_start_time"]))
    is_over = all(one["state_type"] in ("COMPLETED", "CANCELLED") for one in runs)
    return [one["state_name"] for one in runs] if is_over else []
