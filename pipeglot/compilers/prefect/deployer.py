"""The live Prefect: tell it of a deployment, start a run of it, see how far it is, end it."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pipeglot.compilers.base import File, Source
from pipeglot.compilers.prefect.api import Api
from pipeglot.compilers.prefect.automation import Automations
from pipeglot.compilers.prefect.deployment import deployment
from pipeglot.compilers.prefect.names import WISHES, deployment_name
from pipeglot.compilers.prefect.stack import PrefectStack, task_tags
from pipeglot.compilers.remote import Away, Check, EngineStatus, EngineTask, TaskState, largest
from pipeglot.compilers.rest import part
from pipeglot.core.errors import EngineError, Problem
from pipeglot.core.ir import Pipeline
from pipeglot.core.lineage.keys import Index
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.task.joining import RESERVED, EngineRun

_STATES: Mapping[str, EngineStatus] = {
    "SCHEDULED": "waiting",
    "PENDING": "waiting",
    "COMPLETED": "succeeded",
    "FAILED": "failed",
    "CRASHED": "failed",
    "CANCELLED": "failed",
}
_ASKED: Mapping[str, tuple[str, ...]] = {
    "waiting": ("PENDING", "SCHEDULED"),
    "running": ("RUNNING",),
    "retrying": ("SCHEDULED",),
    "succeeded": ("COMPLETED",),
    "failed": ("FAILED", "CRASHED", "CANCELLED"),
    "skipped": ("COMPLETED", "PENDING"),
}
"""The types of Prefect's states among which those of a kind are."""

_MOST = 500_000
"""Of the 524,288 characters of JSON that a server takes for all parameters of a run, if nobody has set it otherwise."""

_KIND = "__prefect_kind"
_ITEM = re.compile(r"(?s)(.*)\[(-?\d+(?:\.-?\d+)*)(?:: .*)?\]")


class PrefectDeployer:
    """Talks to one Prefect. Every call raises `EngineError`, `ConfigError`."""

    wakes = False

    def __init__(self, stack: PrefectStack) -> None:
        self.stack = stack
        self.api = Api(stack)
        self.automations = Automations(self.api)
        self._deployments: dict[str, Any] = {}

    def register(self, source: Source, files: Collection[File]) -> None:
        """Make the deployment, or change it. A worker takes the flow file from where the deployment says."""
        flow = self.api.post("/flows/", {"name": source.pipeline.name})
        made = self.api.post("/deployments/", {"flow_id": flow["id"], **deployment(source, self.stack, files)})
        self._deployments.clear()
        assets = source.pipeline.schedule.assets if source.pipeline.schedule is not None else ()
        self.automations.put(source.pipeline.name, deployment_name(self.stack), str(made["id"]), assets)

    def is_live(self, pipeline: str, version: str) -> bool:
        """Whether the deployment is of this very version."""
        found = self._find(pipeline)
        return found is not None and found["version"] == version

    def is_paused(self, pipeline: str) -> bool:
        """Whether its schedules start nothing. A run that is started from here is none of theirs."""
        found = self._find(pipeline)
        if found is None or found["schedules"]:
            return found is not None and bool(found["paused"])
        return any(not one["enabled"] for one in self.automations.find(pipeline, deployment_name(self.stack)))

    def uncarried(self, pipeline: Pipeline, params: Mapping[str, Any]) -> Collection[str]:  # noqa: ARG002
        """What the server would work out, and of what is too large for it, the largest."""
        own = {name: value for name, value in params.items() if name != RESERVED}
        worked_out = [name for name, value in own.items() if _has_kind(value)]
        sizes = {name: len(json.dumps(value)) for name, value in own.items() if name not in worked_out}
        return [*worked_out, *largest(sizes, _MOST)]

    def start(self, pipeline: str, run: str, params: Mapping[str, Any]) -> EngineRun:
        """Start a run. If only the answer was lost, the key finds the run that there is then."""
        wishes = params.get(RESERVED)
        own = {name: value for name, value in params.items() if name != RESERVED}
        body = {"parameters": own, "idempotency_key": run, "name": run}
        if wishes is not None:
            body["labels"] = {WISHES: json.dumps(wishes)}
        path = f"/deployments/{self._deployment(pipeline)['id']}/create_flow_run"
        found = self.api.send("POST", path, body, {})
        if found.status in (409, 422):
            raise EngineError(f"{self.api.name} refuses the parameters: {found.detail}")
        made = self.api.checked("POST", path, found).content
        return EngineRun(
            id=made["id"],
            params=params,
            logical_date=dt.datetime.fromisoformat(made["expected_start_time"]),
            about={"flow_run": made["name"], "deployment": made["deployment_id"]},
        )

    def status(self, pipeline: str, run: str) -> EngineStatus:  # noqa: ARG002  # its id says all
        """How far Prefect says that a run is."""
        found = self.api.find(f"/flow_runs/{part(run)}")
        return "gone" if found is None else _STATES.get(found["state_type"] or "SCHEDULED", "running")

    def tasks(self, pipeline: str, run: str, states: Collection[str] = ()) -> Iterator[EngineTask]:  # noqa: ARG002
        """Its tasks: all, or those in these states."""
        asked: dict[str, Any] = {"flow_runs": {"id": {"any_": [run]}}, "sort": "EXPECTED_START_TIME_ASC"}
        if states:
            kinds = sorted({kind for state in states for kind in _ASKED[state]})
            asked["task_runs"] = {"state": {"type": {"any_": kinds}}}
        for one in self.api.filtered("/task_runs/filter", **asked):
            state = _state(one)
            if not states or state in states:
                name, index = _name(one["name"])
                yield EngineTask(name, -1, state, one["run_count"], item=index, id=one["id"])

    def log(self, pipeline: str, run: str, task: EngineTask) -> str:  # noqa: ARG002
        """What a task has printed so far, in all its tries, as Prefect has it."""
        asked = {"logs": {"task_run_id": {"any_": [task.id]}}, "sort": "TIMESTAMP_ASC"}
        return "".join(f"{one['message']}\n" for one in self.api.filtered("/logs/filter", **asked))

    def cancel(self, pipeline: str, run: str) -> None:  # noqa: ARG002
        """End it: its worker tells its process so. One that has none is over at once."""
        path = f"/flow_runs/{part(run)}"
        found = self.api.find(path)
        if found is None:
            return
        waits = found["state_type"] in (None, "SCHEDULED") and found["state_name"] != "AwaitingRetry"
        kind = "CANCELLED" if waits or found["state_type"] in ("COMPLETED", "FAILED", "CRASHED") else "CANCELLING"
        if found["state_type"] == "CANCELLED":
            return
        force = found["state_type"] in ("COMPLETED", "FAILED", "CRASHED")
        self.api.post(f"{path}/set_state", {"state": {"type": kind}, "force": force})

    def url(self, pipeline: str, run: str) -> str:  # noqa: ARG002
        """Where a person looks at a run."""
        cloud = re.fullmatch(r"https://api\.prefect\.cloud/api/accounts/([^/]+)/workspaces/([^/]+)", self.api.url)
        if cloud:
            place = f"https://app.prefect.cloud/account/{cloud[1]}/workspace/{cloud[2]}"
            return f"{place}/runs/flow-run/{part(run)}"
        return f"{self.api.url.removesuffix('/api')}/runs/flow-run/{part(run)}"

    def problems(self, source: Source) -> Iterator[Problem]:
        """What is missing on the live Prefect for this pipeline."""
        if not self.stack.work_pool:
            yield Problem(
                "prefect",
                f"stack `{self.stack.name}` names no work pool, so nobody would take its runs",
                None,
                "write `work_pool:` into it; `prefect work-pool ls` lists those that there are",
            )
        elif self.api.find(f"/work_pools/{part(self.stack.work_pool)}") is None:
            pool = self.stack.work_pool
            hint = f"`prefect work-pool create {pool} --type process` makes one"
            yield Problem("prefect", f"{self.api.name} has no work pool `{pool}`", None, hint)
        for step in Plan(source.pipeline).steps():
            if step.pool and step.pool in task_tags(self.stack, step.id, step.tags, step.pool):
                yield from self._unlimited(step.id, step.pool, source)

    def _unlimited(self, step: str, pool: str, source: Source) -> Iterator[Problem]:
        if self.api.find(f"/concurrency_limits/tag/{part(pool)}") is None:
            yield Problem(
                "prefect",
                f"`{step}` runs in pool `{pool}`, and {self.api.name} has no limit for tasks with that tag",
                source.locations.get(step),
                f"`prefect concurrency-limit create {pool} 1` makes one",
            )

    def checks(self, deployed: Collection[Pipeline]) -> Iterator[Check]:
        """Whether this Prefect is what the stack says."""
        version = self.api.text("/admin/version", "application/json").strip()
        yield Check("api", f"{self.api.url} answers, and lets us in")
        good = str(version).startswith("3.")
        yield Check("version", f"it is Prefect {version}", ok=good, hint="" if good else "pipeglot knows Prefect 3")
        yield from self._secrets()
        for one in deployed:
            found = self._find(one.name)
            if found is None or one.schedule is None:
                continue
            if one.schedule.assets:
                wrong = self.automations.check(one.name, deployment_name(self.stack))
                yield from [] if wrong is None else [wrong]
            elif found["paused"]:
                told = "it is paused: its schedule starts nothing"
                yield Check(f"pipeline {one.name}", told, ok=False, hint="`prefect deployment resume`, or its page")

    def _secrets(self) -> Iterator[Check]:
        """Those that lie in Prefect itself."""
        for name, where in self.stack.secrets.items():
            kind, _, key = where.partition(":")
            if kind == "prefect":
                found = self.api.find(f"/block_types/slug/secret/block_documents/name/{part(key)}") is not None
                said = f"the secret block `{key}` is {'there' if found else 'not there'}"
                yield Check(
                    f"secret {name}", said, ok=found, hint="" if found else "Prefect's page of blocks makes one"
                )

    def _find(self, pipeline: str) -> Any | None:
        return self.api.find(f"/deployments/name/{part(pipeline)}/{part(deployment_name(self.stack))}")

    def _deployment(self, pipeline: str) -> Any:
        if pipeline not in self._deployments:
            found = self._find(pipeline)
            if found is None:
                raise Away(f"{self.api.name} has no deployment `{pipeline}/{deployment_name(self.stack)}`")
            self._deployments[pipeline] = found
        return self._deployments[pipeline]


def _has_kind(value: Any) -> bool:
    """Prefect takes an object with this key for a text that it has to work out."""
    if isinstance(value, Mapping):
        return _KIND in value or any(map(_has_kind, value.values()))
    return isinstance(value, list) and any(map(_has_kind, value))


def _state(task: Mapping[str, Any]) -> TaskState:
    kind, name = task["state_type"], task["state_name"]
    if kind == "COMPLETED":
        return "skipped" if name == "Skipped" else "succeeded"
    if kind == "SCHEDULED":
        return "retrying" if name == "AwaitingRetry" else "waiting"
    if kind == "PENDING":
        return "skipped" if name == "NotReady" else "waiting"
    return "failed" if kind in ("FAILED", "CRASHED", "CANCELLED") else "running"


def _name(text: str) -> tuple[str, Index]:
    """The step of a task run, and its item's place in maps: `train[3: WN]` is the fourth one of `train`."""
    found = _ITEM.fullmatch(text)
    return (found[1], tuple(map(int, found[2].split(".")))) if found else (text, ())
