"""The cases of the conformance suite: a pipeline of `flows.py`, its parameters, and whether `make test` has it."""

from __future__ import annotations

import os
from typing import Any, Literal, NamedTuple


class Case(NamedTuple):
    """`always`: of which versions of an engine `make test` has it too; `make conformance` has all on each. `alone`: it
    would hold up all others."""

    pipeline: str
    params: dict[str, Any] = {}  # noqa: RUF012  # nobody changes it
    always: Literal["no", "newest", "each"] = "no"
    alone: bool = False


CASES = {
    "diamond": Case("diamond", always="each"),
    "map of 0": Case("fan_out", {"count": 0}, always="newest"),
    "map of 1": Case("fan_out", {"count": 1}),
    "map of 3": Case("fan_out"),
    "map of 40": Case("fan_out", {"count": 40}, always="each"),
    "failing item": Case("failing_item", always="each"),
    "failing item of 40": Case("failing_item", {"count": 40}),
    "retried items of 20": Case("retried_items", {"count": 20}),
    "nested pipelines": Case("nested", always="newest"),
    "nested pipelines of 20": Case("nested", {"count": 20}),
    "nested pipelines of nothing": Case("nested", {"count": 0}),
    "mapped pipelines": Case("mapped_pipelines"),
    "maps in a map": Case("maps_in_a_map", always="newest"),
    "branch taken": Case("branches"),
    "branch not taken": Case("branches", {"count": 1}, always="each"),
    "failure that an arm hides": Case("hidden", always="each"),
    "branch in a map": Case("branch_in_a_map"),
    "third time": Case("retried", always="each"),
    "permanent": Case("permanent", always="newest"),
    "clean-up that fails": Case("uncleaned"),
    "timeout in C": Case("timed_out", always="newest"),
    "deaths": Case("deaths", always="newest"),
    "hooks on failure": Case("hooked", always="each"),
    "no hooks on success": Case("hooked", {"count": 1}),
    "hostile values": Case("values", always="newest"),
    "two lists, and a branch for each item": Case("together"),
    "all that a step can ask for": Case("settings", always="newest"),
    "all that a step can ask for but pools": Case("settings_without_pools"),
    "parameters of all types": Case("more_params"),
    "other parameters of all types": Case(
        "more_params", {"flag": False, "mode": "FAST", "maybe": 4, "anything": {"a": [1]}}, always="each"
    ),
    "parameters": Case("params"),
    "other parameters": Case("params", {"text": "{{ ds }}", "ratio": 2, "count": 7, "names": []}),
    "quoted parameters": Case("quoted_params"),
    "other quoted parameters": Case("quoted_params", {"text": "{{ ds }}", "ratio": 2, "count": 7, "names": []}),
    "map of 3,000": Case("fan_out", {"count": 3000}, alone=True),
}

WHOLE = os.environ.get("PIPEGLOT_CONFORMANCE") == "1"
"""Whether all cases are run, and their results are kept."""

LIVE = {
    "scheduled by the engine": ("nightly", "hourly"),
    "scheduled from now on": ("ticking",),
    "scheduled from now on by a cron": ("minutely",),
    "scheduled from now on, in UTC": ("ticking", "minutely_utc"),
    "scheduled by the engine, in UTC": ("nightly_utc", "hourly"),
    "scheduled for the past": ("past",),
    "backfilled by the engine": ("refilled",),
    "cache shared with a laptop": ("shared",),
    "cancelled in the engine": ("long",),
    "ended in the engine: hooks": ("hooked_long",),
    "ended in the engine: nothing runs": ("waiting",),
    "a task's process killed": ("killed",),
    "cleared in the engine": ("wanting",),
    "artifacts and secrets from pipeline to pipeline": ("maker", "picker"),
    "started by an asset": ("maker", "taker"),
}
"""What a test of its own holds, on pipelines of `flows_live.py` and `native.py`."""
