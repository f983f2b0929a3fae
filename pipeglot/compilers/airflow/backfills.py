"""Airflow 3's own backfills: the runs of a span, made and held back by its scheduler."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pipeglot.compilers.airflow.api import Api
from pipeglot.compilers.remote import BackfillRun
from pipeglot.compilers.rest import part
from pipeglot.core.errors import EngineError

_STATES: Mapping[str, Literal["waiting", "running", "succeeded", "failed"]] = {
    "queued": "waiting",
    "running": "running",
    "success": "succeeded",
    "failed": "failed",
}


def _seconds(run: Mapping[str, Any]) -> float:
    begin, end = run.get("start_date"), run.get("end_date")
    return (dt.datetime.fromisoformat(end) - dt.datetime.fromisoformat(begin)).total_seconds() if begin and end else 0.0


class Backfills:
    """Of one DAG. Every call raises `EngineError`."""

    def __init__(self, api: Api, dag: str) -> None:
        self.api = api
        self.dag = dag

    def would_run(self, moments: Sequence[dt.datetime]) -> bool:
        """Whether Airflow would run exactly these: it knows its own runs only, and names some by another moment."""
        found = self.api.send("POST", "/backfills/dry_run", self._body(moments, 1, {}), {})
        if found.status >= 300:  # with another schedule than a clock's, or another backfill at work: `start` tells
            return False
        dates = [one.get("logical_date") for one in found.content.get("backfills", ())]
        return [dt.datetime.fromisoformat(date) for date in dates if date] == list(moments)

    def start(self, moments: Sequence[dt.datetime], most: int, conf: Mapping[str, Any]) -> str:
        """Begin. Returns the backfill's id there. A DAG that is paused is woken: its runs would wait for ever."""
        self.api.patch(f"/dags/{part(self.dag)}", {"is_paused": False})
        found = self.api.send("POST", "/backfills", self._body(moments, most, conf), {}, once=True)
        if found.status == 409:
            raise EngineError(
                f"{self.api.name} fills in the past of `{self.dag}` already: {found.detail}",
                hint="wait until it is over, or cancel it on the DAG's page",
            )
        return str(self.api.checked("POST", "/backfills", found).content["id"])

    def runs(self, moments: Sequence[dt.datetime]) -> Iterator[BackfillRun]:
        """Those of a span, as far as they are there."""
        query = {"logical_date_gte": moments[0].isoformat(), "logical_date_lte": moments[-1].isoformat()}
        for one in self.api.pages(f"/dags/{part(self.dag)}/dagRuns", "dag_runs", run_type=["backfill"], **query):
            moment = dt.datetime.fromisoformat(one["logical_date"])
            yield BackfillRun(one["dag_run_id"], moment, _STATES.get(one["state"], "running"), _seconds(one))

    def stop(self, backfill: str) -> None:
        """Begin no more of its runs. One that is over stays so."""
        path = f"/backfills/{part(backfill)}/cancel"
        found = self.api.send("PUT", path, None, {})
        if found.status != 409:
            self.api.checked("PUT", path, found)

    def _body(self, moments: Sequence[dt.datetime], most: int, conf: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "dag_id": self.dag,
            "from_date": moments[0].isoformat(),
            "to_date": moments[-1].isoformat(),
            "max_active_runs": most,
            "reprocess_behavior": "none",
            "dag_run_conf": dict(conf),
        }
