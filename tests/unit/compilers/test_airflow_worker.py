"""What emitted files call in their tasks, on Airflows that are not there."""

from __future__ import annotations

import datetime as dt
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from msgspec import structs

from pipeglot.compilers.airflow import worker
from pipeglot.core.errors import (
    Cancelled,
    NewerFormat,
    ParamError,
    PipeglotError,
    StepError,
    StoreError,
    UsageError,
)
from tests.unit.lineage.build import step


class NotFoundError(Exception):
    """As Airflow's own."""


VARIABLES = {"warehouse": "s3cret", "empty": ""}
CONNECTIONS = {"db": SimpleNamespace(password="pa55word"), "open": SimpleNamespace(password=None)}


def connection(name: str) -> Any:
    if name not in CONNECTIONS:
        raise NotFoundError(name)
    return CONNECTIONS[name]


def module(monkeypatch: pytest.MonkeyPatch, name: str, **words: Any) -> None:
    made = ModuleType(name)
    vars(made).update(words)
    monkeypatch.setitem(sys.modules, name, made)


@pytest.fixture(params=[3, 2])
def airflow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Its major version."""
    module(monkeypatch, "airflow")
    if request.param == 3:
        variable = SimpleNamespace(get=lambda key, default: VARIABLES.get(key, default))
        module(monkeypatch, "airflow.sdk", Variable=variable, Connection=SimpleNamespace(get=connection))
        module(monkeypatch, "airflow.sdk.exceptions", AirflowNotFoundException=NotFoundError)
        return 3
    monkeypatch.setitem(sys.modules, "airflow.sdk", None)
    monkeypatch.setitem(sys.modules, "airflow.sdk.exceptions", None)
    variable = SimpleNamespace(get=lambda key, default_var: VARIABLES.get(key, default_var))
    module(monkeypatch, "airflow.models", Variable=variable)
    module(monkeypatch, "airflow.hooks")
    module(monkeypatch, "airflow.hooks.base", BaseHook=SimpleNamespace(get_connection=connection))
    module(monkeypatch, "airflow.exceptions", AirflowNotFoundException=NotFoundError)
    return 2


@pytest.mark.usefixtures("airflow")
@pytest.mark.parametrize(
    ("place", "value"), [("airflow:warehouse", "s3cret"), ("airflow:empty", ""), ("airflow:conn/db", "pa55word")]
)
def test_secrets_of_airflow(place: str, value: str) -> None:
    assert worker._secret("X", place) == value


@pytest.mark.usefixtures("airflow")
@pytest.mark.parametrize(
    ("place", "told", "hint"),
    [
        ("airflow:nothing", "this Airflow has no variable `nothing`", "`airflow variables set nothing VALUE` makes it"),
        (
            "airflow:conn/none",
            "this Airflow has no connection `none` with a password",
            "`airflow connections add none",
        ),
        ("airflow:conn/open", "this Airflow has no connection `open` with a password", "`secrets:` of the stack"),
        ("k8s:a", "on Airflow nothing is read from `k8s:`", ""),
    ],
)
def test_secrets_that_airflow_does_not_have(place: str, told: str, hint: str) -> None:
    with pytest.raises(StepError) as caught:
        worker._secret("X", place)
    assert caught.value.message == f"secret `X`: {told}"
    assert hint in (caught.value.hint or "")


def test_the_artifacts_of_assets_stand_in_their_events() -> None:
    events = {"first": SimpleNamespace(extra={}), "second": SimpleNamespace(extra={})}
    context = {"ti": SimpleNamespace(task=SimpleNamespace(outlets=["first", "second"])), "outlet_events": events}
    made = structs.replace(step("s"), asset={"model": "s3://m", "report": "s3://r"})
    worker._tell_assets(context, made, {"report": "run/s/report", "model": "run/s/model"})
    assert [event.extra for event in events.values()] == [{"pipeglot": "run/s/model"}, {"pipeglot": "run/s/report"}]
    worker._tell_assets(context, made, [{"report": "r/0", "model": "m/0"}, {}, {"report": "r/2", "model": "m/2"}])
    assert [event.extra["pipeglot"] for event in events.values()] == [["m/0", "m/2"], ["r/0", "r/2"]]


PLANNED = dt.datetime(2024, 1, 1, 6, tzinfo=dt.UTC)
LATER = dt.datetime(2024, 1, 2, 6, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("run", "found"),
    [
        ({"run_type": "scheduled", "logical_date": PLANNED, "data_interval_end": PLANNED, "run_after": LATER}, PLANNED),
        ({"run_type": "asset_triggered", "logical_date": None, "run_after": LATER}, LATER),
        ({"run_type": "manual", "logical_date": None, "run_after": LATER}, LATER),
        ({"run_type": "scheduled", "logical_date": PLANNED, "data_interval_end": LATER}, LATER),
        ({"run_type": "dataset_triggered", "logical_date": LATER, "data_interval_end": PLANNED}, LATER),
        ({"run_type": "manual", "logical_date": PLANNED, "data_interval_end": LATER}, PLANNED),
    ],
)
def test_the_logical_date_of_a_run(run: dict[str, Any], found: dt.datetime) -> None:
    assert worker._logical_date(SimpleNamespace(**run)) == found


class Failed(Exception):
    """As Airflow's own `AirflowFailException`."""


@pytest.mark.parametrize(
    "error",
    [
        ParamError("parameter `n`"),
        UsageError("no"),
        NewerFormat("later", hint="upgrade"),
        StepError("its code"),
        Cancelled("over"),
    ],
)
def test_what_no_other_try_would_help(error: PipeglotError, monkeypatch: pytest.MonkeyPatch) -> None:
    module(monkeypatch, "airflow")
    module(monkeypatch, "airflow.sdk")
    module(monkeypatch, "airflow.sdk.exceptions", AirflowFailException=Failed)

    def joined(*_: object) -> Any:
        raise error

    monkeypatch.setattr(worker, "_context", lambda: {"ti": None})
    monkeypatch.setattr(worker, "_task_run", joined)
    for call in (
        lambda: worker.run({}, "one"),
        lambda: worker.items({}, "one"),
        lambda: worker.choose({}, "if", [], []),
    ):
        with pytest.raises(Failed) as caught:
            call()
        assert str(caught.value) == str(error)


def test_a_store_that_does_not_answer_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def joined(*_: object) -> Any:
        raise StoreError("no answer")

    monkeypatch.setattr(worker, "_context", lambda: {"ti": None})
    monkeypatch.setattr(worker, "_task_run", joined)
    with pytest.raises(StoreError):
        worker.run({}, "one")


@pytest.mark.parametrize(("max_tries", "retries", "first"), [(0, 0, 1), (2, 2, 1), (5, 2, 4), (1, 0, 2)])
def test_the_first_try_since_a_clear(max_tries: int, retries: int, first: int) -> None:
    task = SimpleNamespace(retries=retries)
    ti = SimpleNamespace(max_tries=max_tries, task=task, task_id="one", try_number=first, map_index=-1)
    assert worker._first_try(ti) == first
    assert worker._words(ti) == {"task": "one", "try": str(first), "round": str(max_tries)}
