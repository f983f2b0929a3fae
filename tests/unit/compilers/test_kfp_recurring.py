"""A pipeline's schedule on KFP: what is asked for, and what KFP's own controller then starts, deploy after deploy."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from pipeglot.compilers.kfp import schedules
from pipeglot.compilers.kfp.compiler import KfpCompiler
from pipeglot.compilers.kfp.deployer import KfpDeployer
from pipeglot.compilers.kfp.local.api import Api
from pipeglot.compilers.kfp.local.fields import Refused
from pipeglot.compilers.kfp.stack import KfpStack
from pipeglot.compilers.remote import Away
from pipeglot.core.ir import Schedule
from tests.unit.compilers.kfp_fake import DAILY, PIPELINE, SPEC, Fake, files, source
from tests.unit.compilers.kfp_specs import KFP, problems

BEGIN = dt.datetime(2026, 11, 22, 12, 0, 30, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
CATCHING_UP = Schedule(cron="0 6 * * *", start="2026-11-17T12:00:00", catchup=True)
EVERY_HOUR = Schedule(interval=3600.0, start="2026-01-01T00:15:00")


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Fake]:
    found = Fake(tmp_path / "kfp")
    yield found
    found.close()


@pytest.fixture
def deploy(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> Callable[..., KfpDeployer]:
    """Deploys a version with a schedule, at a time."""
    stack = KfpStack(name="prod", store="s3://ml/prod", api_url=fake.url, auth={"token": "secret"})

    def deploy(schedule: Schedule | None, version: str, now: dt.datetime = BEGIN) -> KfpDeployer:
        at(monkeypatch, now)
        found = KfpDeployer(stack)
        found.register(source(structs.replace(PIPELINE, schedule=schedule)), files(version))
        return found

    return deploy


def at(monkeypatch: pytest.MonkeyPatch, moment: dt.datetime) -> None:
    """The clock of the deployer and of the server."""

    class Clock(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:  # type: ignore[override]  # the same one
            return moment.astimezone(tz)

    for module in ("kfp.recurring", "kfp.local.kept"):
        monkeypatch.setattr(f"pipeglot.compilers.{module}.dt.datetime", Clock)


def started(fake: Fake, now: dt.datetime) -> list[str]:
    """What the schedules have been run for, once each, and again and again, until now; each run ends at once."""
    before = set(fake.api.runs.kept.records)
    while True:
        count = len(fake.api.runs.kept.records)
        fake.api.recurring.look_at_all(now)
        fresh = [run for key, run in fake.api.runs.kept.records.items() if key not in before]
        for run in fresh:
            if run["state"] == "PENDING":
                fake.api.runs._set(run, "SUCCEEDED")
        if len(fake.api.runs.kept.records) == count:
            return sorted(run["scheduled_at"] for run in fresh)


# --- what is started, deploy after deploy -----------------------------------------------------------------------------


def test_what_was_caught_up_on_is_not_run_again_for_another_version(fake: Fake, deploy: Any) -> None:
    deploy(CATCHING_UP, "v1")
    days = [f"2026-11-{day}T06:00:00Z" for day in (18, 19, 20, 21, 22)]
    assert started(fake, BEGIN) == days
    deploy(CATCHING_UP, "v2", BEGIN + dt.timedelta(hours=1))
    assert started(fake, BEGIN + dt.timedelta(hours=2)) == []
    deploy(CATCHING_UP, "v3", BEGIN + dt.timedelta(hours=3))  # of which no run was started
    assert started(fake, BEGIN + DAY) == ["2026-11-23T06:00:00Z"]


def test_what_is_caught_up_on_goes_on_where_it_was(fake: Fake, deploy: Any) -> None:
    """A time that comes between two looks at the old one is not run for twice, nor left out."""
    deployer = deploy(CATCHING_UP, "v1", BEGIN - 3 * DAY)
    assert started(fake, BEGIN - 3 * DAY) == ["2026-11-18T06:00:00Z", "2026-11-19T06:00:00Z"]
    real, late = deployer.api.request, []

    def request(method: str, path: str, *words: Any) -> Any:
        if path.endswith(":disable"):
            late.extend(started(fake, BEGIN - 2 * DAY))
        return real(method, path, *words)

    deployer.api.request = request
    deployer.register(source(structs.replace(PIPELINE, schedule=CATCHING_UP)), files("v2"))
    assert late == ["2026-11-20T06:00:00Z"]
    assert started(fake, BEGIN) == ["2026-11-21T06:00:00Z", "2026-11-22T06:00:00Z"]
    assert len(fake.schedules) == 1


def test_times_past_are_not_run_for_at_a_deploy(fake: Fake, deploy: Any) -> None:
    schedule = Schedule(cron="0 * * * *", start="2026-01-01T00:00:00")
    for number, version in enumerate(("v1", "v2")):
        now = BEGIN + number * dt.timedelta(minutes=10)
        deploy(schedule, version, now)
        assert started(fake, now) == []
    assert started(fake, BEGIN + dt.timedelta(hours=1)) == ["2026-11-22T13:00:00Z"]


def test_an_interval_keeps_to_its_grid(fake: Fake, deploy: Any) -> None:
    for number, version in enumerate(("v1", "v2")):
        now = BEGIN + number * dt.timedelta(minutes=10)
        deploy(EVERY_HOUR, version, now)
        assert started(fake, now) == []
    assert started(fake, BEGIN + dt.timedelta(minutes=15)) == ["2026-11-22T12:15:00Z"]
    assert started(fake, BEGIN + dt.timedelta(minutes=75)) == ["2026-11-22T13:15:00Z"]


def test_a_schedule_that_begins_later(fake: Fake, deploy: Any) -> None:
    deploy(structs.replace(EVERY_HOUR, start="2026-11-23T00:15:00"), "v1")
    assert started(fake, BEGIN + dt.timedelta(hours=2)) == []
    assert started(fake, BEGIN + dt.timedelta(hours=14)) == ["2026-11-23T01:15:00Z"]


# --- one that takes the place of another ------------------------------------------------------------------------------


def test_what_is_asked_for(fake: Fake, deploy: Any) -> None:
    deploy(DAILY.schedule, "v1")
    (made,) = fake.schedules
    assert made["trigger"] == {"cron_schedule": {"cron": "0 0 6 * * *"}}
    assert (made["mode"], made["no_catchup"], made["max_concurrency"]) == ("ENABLE", True, "10")
    assert (made["display_name"], made["description"]) == ("flights-prod", "0 6 * * * in UTC")
    deploy(DAILY.schedule, "v1", BEGIN + DAY)
    assert fake.schedules == [made]
    hourly = Schedule(interval=3600.0, timezone="Europe/Paris", start="2026-07-01T00:00:00", catchup=True)
    deploy(hourly, "v1")
    (other,) = fake.schedules
    assert other["recurring_run_id"] != made["recurring_run_id"]
    assert other["trigger"] == {"periodic_schedule": {"start_time": "2026-06-30T22:00:00Z", "interval_second": "3600"}}
    assert (other["no_catchup"], other["mode"]) == (False, "ENABLE")
    assert (
        other["description"] == "every 3600 s in Europe/Paris from 2026-07-01T00:00:00 with all runs that were missed"
    )
    deploy(None, "v1")
    assert fake.schedules == []


def test_one_that_is_disabled_stays_so(fake: Fake, deploy: Any) -> None:
    deployer = deploy(DAILY.schedule, "v1")
    assert not deployer.is_paused("flights")
    (first,) = fake.schedules
    fake.api._switch(first["recurring_run_id"], "DISABLE")
    deployer = deploy(DAILY.schedule, "v2", BEGIN + DAY)
    (second,) = fake.schedules
    assert second["mode"] == "DISABLE"
    assert second["description"] == f"0 6 * * * in UTC; disabled, as the one before it: {first['recurring_run_id']}"
    assert deployer.is_paused("flights")
    told = [(one.what, one.said, one.ok) for one in deployer.checks([DAILY])]
    assert told == [
        ("api", f"{fake.url} answers, and lets us in", True),
        ("experiment", "`Default` is there", True),
        ("pipeline flights", "its schedule is disabled, and starts nothing", False),
    ]
    deploy(DAILY.schedule, "v2", BEGIN + 2 * DAY)
    assert fake.schedules == [second]
    fake.api._switch(second["recurring_run_id"], "ENABLE")
    assert not deploy(DAILY.schedule, "v3", BEGIN + 3 * DAY).is_paused("flights")
    assert [one["mode"] for one in fake.schedules] == ["ENABLE"]


@pytest.mark.parametrize("was_disabled", [False, True])
@pytest.mark.parametrize("killed", range(1, 6))
def test_a_deploy_that_is_killed(fake: Fake, deploy: Any, killed: int, was_disabled: bool) -> None:
    """Before its nth request that changes something. There is always a schedule, and never one that nobody wants."""
    deployer = deploy(DAILY.schedule, "v1")
    if was_disabled:
        fake.api._switch(fake.schedules[0]["recurring_run_id"], "DISABLE")
    real, left = deployer.api.request, [killed]

    def request(method: str, path: str, *words: Any) -> Any:
        left[0] -= method != "GET"
        if left[0] <= 0:
            raise Away("killed")
        return real(method, path, *words)

    deployer.api.request = request
    try:
        deployer.register(source(DAILY), files("v2"))
    except Away:
        assert fake.schedules
        assert sum(one["mode"] == "ENABLE" for one in fake.schedules) <= (not was_disabled), "nothing starts twice"
    after = deploy(DAILY.schedule, "v2")
    (found,) = fake.schedules
    assert found["mode"] == ("DISABLE" if was_disabled else "ENABLE")
    assert (
        found["pipeline_version_reference"]["pipeline_version_id"] == after._versions["flights"]["pipeline_version_id"]
    )


def test_one_that_somebody_deletes_meanwhile(fake: Fake, deploy: Any) -> None:
    deployer = deploy(DAILY.schedule, "v1")
    (first,) = fake.schedules
    real = deployer.api.request

    def request(method: str, path: str, *words: Any) -> Any:
        if path.endswith(":disable"):
            fake.api.schedules.drop(first["recurring_run_id"])
        return real(method, path, *words)

    deployer.api.request = request
    deployer.register(source(DAILY), files("v2"))
    assert [one["mode"] for one in fake.schedules] == ["ENABLE"]


# --- what KFP cannot have ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        (
            Schedule(cron="0 6 * * *", timezone="Europe/Paris"),
            "the pipeline is scheduled in `Europe/Paris`, and Kubeflow's recurring runs have no time zone",
        ),
        (
            Schedule(interval=1.5, start="2026-01-01T00:00:00"),
            "Kubeflow's intervals are whole seconds, and this one is 1.5 s",
        ),
        (Schedule(cron="0 6 * * FOO"), "Kubeflow cannot read the cron line `0 6 * * FOO`: `FOO` is no number"),
        (Schedule(cron="0 6 31 2 *"), "the cron line `0 6 31 2 *` names a day that never is"),
    ],
)
def test_schedules_that_it_cannot_have(schedule: Schedule, told: str) -> None:
    """`check` says so, and so nothing is deployed."""
    assert problems(structs.replace(PIPELINE, schedule=schedule), KFP) == [told]


@pytest.mark.parametrize("schedule", [Schedule(cron="0 0 * * MON-7"), Schedule(cron="0 6 * * *", timezone="Etc/UTC")])
def test_what_check_lets_pass_can_be_deployed(fake: Fake, deploy: Any, schedule: Schedule) -> None:
    pipeline = structs.replace(PIPELINE, schedule=schedule)
    assert KfpCompiler().check(source(pipeline), KFP).problems == []
    deploy(schedule, "v1")
    assert len(fake.schedules) == 1


# --- the arithmetic of KFP's controller -------------------------------------------------------------------------------


def made(api: Api, created: dt.datetime, **more: Any) -> dict[str, Any]:
    body = {"display_name": "s", "pipeline_spec": SPEC, "mode": "ENABLE", "max_concurrency": "3", **more}
    found = api._add_schedule({"trigger": {"cron_schedule": {"cron": "0 0 * * * *"}}} | body)
    record = api.schedules.get(found["recurring_run_id"])
    record["created_at"] = schedules.text(created)
    return record


def run_for(api: Api, now: dt.datetime) -> list[str]:
    api.recurring.look_at_all(now)
    return sorted(one["scheduled_at"][11:] for one in api.runs.kept.records.values())


@pytest.mark.parametrize(
    ("no_catchup", "times"), [(True, ["15:00:00Z"]), (False, ["13:00:00Z", "14:00:00Z", "15:00:00Z"])]
)
def test_a_cron_line_after_a_pause(tmp_path: Path, no_catchup: bool, times: list[str]) -> None:
    """Without catching up, the latest time since its start is run for, however long ago that is."""
    api = Api(tmp_path, 0)
    one = made(api, BEGIN, no_catchup=no_catchup)
    assert run_for(api, BEGIN + dt.timedelta(hours=3, minutes=1)) == times
    run = next(iter(api.runs.kept.records.values()))
    assert run["recurring_run_id"] == one["recurring_run_id"]
    job = json.loads((tmp_path / "work" / run["run_id"] / "job.json").read_text())
    assert job["placeholders"]["pipeline_job_schedule_time_utc"] == run["scheduled_at"]
    assert len(run_for(api, BEGIN + 300 * DAY)) == (2 if no_catchup else 3), "no more than three at once"


def test_a_cron_line_with_a_start_that_is_past_runs_at_once(tmp_path: Path) -> None:
    api = Api(tmp_path, 0)
    trigger = {"cron_schedule": {"cron": "0 0 6 1 * *", "start_time": "2026-01-01T00:00:00Z"}}
    made(api, BEGIN, no_catchup=True, trigger=trigger)
    api.recurring.look_at_all(BEGIN)
    assert [one["scheduled_at"] for one in api.runs.kept.records.values()] == ["2026-11-01T06:00:00Z"]


def test_an_interval_with_a_start_that_is_past_leaves_its_grid(tmp_path: Path) -> None:
    api = Api(tmp_path, 0)
    every = {"start_time": "2020-01-01T00:00:05Z", "interval_second": "10"}
    made(api, BEGIN, no_catchup=True, trigger={"periodic_schedule": every})
    for seconds in (2, 3, 12):
        run_for(api, BEGIN + dt.timedelta(seconds=seconds))
    assert run_for(api, BEGIN + dt.timedelta(seconds=13)) == ["12:00:32Z", "12:00:42Z"]


def test_the_end_of_an_interval(tmp_path: Path) -> None:
    api = Api(tmp_path, 0)
    every = {"start_time": "2026-11-22T12:00:00Z", "end_time": "2026-11-22T12:00:25Z", "interval_second": "10"}
    made(api, BEGIN, trigger={"periodic_schedule": every})
    assert run_for(api, BEGIN) == ["12:00:10Z", "12:00:20Z"]
    other = Api(tmp_path / "other", 0)
    made(other, BEGIN, no_catchup=True, trigger={"periodic_schedule": every})
    assert run_for(other, BEGIN) == ["12:00:25Z"], "the end itself"


def test_one_that_is_disabled_starts_nothing(tmp_path: Path) -> None:
    api = Api(tmp_path, 0)
    one = made(api, BEGIN, no_catchup=True)
    api._switch(one["recurring_run_id"], "DISABLE")
    assert run_for(api, BEGIN + DAY) == []
    api._switch(one["recurring_run_id"], "ENABLE")
    assert run_for(api, BEGIN + DAY) == ["12:00:00Z"], "the latest of the times that have passed"


def test_what_is_wrong_with_one_is_told_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    api = Api(tmp_path, 0)
    bad, _ = made(api, BEGIN, no_catchup=True), made(api, BEGIN, no_catchup=True)
    real = api._scheduled

    def scheduled(schedule: dict[str, Any], moment: str) -> Any:
        if schedule is bad:
            raise Refused("its version is gone")
        return real(schedule, moment)

    monkeypatch.setattr(api.recurring, "_start", scheduled)
    for _ in range(3):
        assert run_for(api, BEGIN + dt.timedelta(hours=1)) == ["13:00:00Z"]
    assert capsys.readouterr().err == f"schedule {bad['recurring_run_id']}: Refused: its version is gone\n"


def test_one_that_was_deleted_does_not_come_back(tmp_path: Path) -> None:
    api = Api(tmp_path, 0)
    one = made(api, BEGIN)
    api.schedules.drop(one["recurring_run_id"])
    api.recurring.look(one, BEGIN + DAY)
    assert (api.schedules.records, api.runs.kept.records) == ({}, {})
