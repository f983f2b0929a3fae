"""The recurring runs by which KFP starts a pipeline: how a new one takes the place of the one before it.

A recurring run cannot be changed, and a deploy may be killed at any point. So the new one is made before the old one is
gone, and disabled, so that nothing starts twice; and whether a disabled one is what somebody wants, or what was left,
can be told at each point: left is one that stands beside another one and says nothing of it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from pipeglot.compilers.kfp import schedules
from pipeglot.compilers.kfp.api import V2, Api, equal
from pipeglot.compilers.rest import SNAKE, part
from pipeglot.core.ir import Schedule

_PATH = f"{V2}/recurringruns"
_AFTER = "; disabled, as the one before it: "
"""In the description of one that is to stay disabled, before the id of the one that somebody has disabled."""


class Recurring:
    """Those of one pipeline, which all have its name. Raises `EngineError`."""

    def __init__(self, api: Api, name: str) -> None:
        self.api = api
        self.name = name
        self.known = list(api.all_named(_PATH, "recurringRuns", name, **api.where))

    def end(self) -> None:
        for one in self.known:
            self._drop(one)

    def become(self, schedule: Schedule, asked: Mapping[str, Any]) -> None:
        """As the pipeline says now, and `asked` of its version. If somebody has disabled it, it stays so."""
        stays = self.known[0]["recurring_run_id"] if is_paused(self.known) else ""
        body = self._body(schedule, asked, stays)
        kept = next((one for one in self.known if _is_same(one, body)), None)
        others = [one for one in self.known if one is not kept]
        made = kept or self._made(body)
        for one in others:
            self._switch(one, "disable")
        if others and schedule.catchup:  # it may have started a run meanwhile
            later = self._body(schedule, asked, stays)
            if schedules.start_of(later["trigger"]) != schedules.start_of(made["trigger"]):
                before, made = made, self._made(later)
                self._drop(before)
        if not stays and _is_disabled(made):
            self._switch(made, "enable")
        for one in others:
            self._drop(one)

    def _body(self, schedule: Schedule, asked: Mapping[str, Any], stays: str) -> dict[str, Any]:
        last = self._last() if schedule.catchup else None
        return {
            "display_name": self.name,
            "description": schedules.told(schedule) + (f"{_AFTER}{stays}" if stays else ""),
            "mode": "DISABLE" if self.known else "ENABLE",
            "trigger": schedules.trigger(schedule, dt.datetime.now(dt.UTC).replace(microsecond=0), last),
            "max_concurrency": schedules.MOST_AT_ONCE,
            "no_catchup": not schedule.catchup,
            **asked,
        }

    def _made(self, body: Mapping[str, Any]) -> Any:
        before = {one["recurring_run_id"] for one in self.known}
        found = self.api.created(_PATH, body, {}, lambda: self._new(body, before))
        return self.api.checked("POST", _PATH, found).content

    def _new(self, body: Mapping[str, Any], before: set[str]) -> Any | None:
        """What was made, if only the answer is lost."""
        there = self.api.listed(
            _PATH, "recurringRuns", SNAKE, filter=equal("display_name", self.name), **self.api.where
        )
        return next((one for one in there if one["recurring_run_id"] not in before and _is_same(one, body)), None)

    def _last(self) -> dt.datetime | None:
        """The newest time that one of them has started a run for; or that it was to begin after."""
        found = []
        for one in self.known:
            query = {"filter": equal("recurring_run_id", one["recurring_run_id"]), "sort_by": "scheduled_at desc"}
            runs = self.api.get(f"{V2}/runs", page_size=1, experiment_id=one["experiment_id"], **query).get("runs")
            found += [dt.datetime.fromisoformat(run["scheduled_at"]) for run in runs or ()]
            if not one.get("no_catchup") and (start := schedules.start_of(one.get("trigger") or {})):
                found.append(start)
        return max(found, default=None)

    def _switch(self, one: Mapping[str, Any], how: str) -> None:
        """Enable or disable it. One that somebody has deleted meanwhile needs nothing."""
        path = f"{_PATH}/{part(one['recurring_run_id'])}:{how}"
        found = self.api.send("POST", path, {}, {})
        if found.status != 404:
            self.api.checked("POST", path, found)

    def _drop(self, one: Mapping[str, Any]) -> None:
        path = f"{_PATH}/{part(one['recurring_run_id'])}"
        found = self.api.send("DELETE", path, None, {})
        if found.status != 404:
            self.api.checked("DELETE", path, found)


def is_paused(known: Iterable[Mapping[str, Any]]) -> bool:
    """Whether somebody has disabled it: of several, which a deploy has left, one has to say so."""
    ids = {one["recurring_run_id"]: one for one in known}
    if not ids or not all(_is_disabled(one) for one in ids.values()):
        return False
    return len(ids) == 1 or any(_said(one)[1] in ids for one in ids.values())


def _is_disabled(one: Mapping[str, Any]) -> bool:
    return one.get("status") == "DISABLED"


def _said(one: Mapping[str, Any]) -> tuple[str, str]:
    """Of which schedule it is, and of whom it says that it was disabled."""
    schedule, _, before = (one.get("description") or "").partition(_AFTER)
    return schedule, before


def _is_same(one: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Whether one that is there is the one that is asked for."""
    reference, config = one.get("pipeline_version_reference") or {}, one.get("runtime_config") or {}
    return (
        reference.get("pipeline_version_id") == body["pipeline_version_reference"]["pipeline_version_id"]
        and _said(one)[0] == _said(body)[0]
        and (one.get("service_account") or "") == body.get("service_account", "")
        and config.get("pipeline_root", "") == body["runtime_config"].get("pipeline_root", "")
    )
