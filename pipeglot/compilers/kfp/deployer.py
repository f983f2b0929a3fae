"""The live KFP: tell it of a pipeline and its schedule, start a run, see how far it is, end it."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Collection, Iterator, Mapping
from hashlib import sha256
from typing import Any, Literal

from pipeglot.compilers.base import File, Source
from pipeglot.compilers.kfp import schedules
from pipeglot.compilers.kfp.api import V1, V2, Api
from pipeglot.compilers.kfp.params import uncarried
from pipeglot.compilers.kfp.stack import KfpStack
from pipeglot.compilers.kfp.tasks_there import steps_of, tasks, typed
from pipeglot.compilers.remote import Away, Check, EngineTask
from pipeglot.compilers.rest import BUSY, part
from pipeglot.core.errors import EngineError, Problem
from pipeglot.core.ir import Pipeline
from pipeglot.core.task.joining import EngineRun

EngineStatus = Literal["waiting", "running", "succeeded", "failed", "gone"]

_STATES: Mapping[str, EngineStatus] = {
    "RUNTIME_STATE_UNSPECIFIED": "waiting",
    "PENDING": "waiting",
    "PAUSED": "waiting",
    "SUCCEEDED": "succeeded",
    "SKIPPED": "succeeded",
    "FAILED": "failed",
    "CANCELED": "failed",
}
DIGITS = 16
"""Of a text's digest, by which its version is named."""

DEFAULT = "Default"
"""The experiment that KFP makes itself."""


class KfpDeployer:
    """Talks to one KFP. Every call raises `EngineError`, `ConfigError`.

    A pipeline there is named after ours and its stack; each text of it is a version, named by its digest.
    """

    wakes = False

    def __init__(self, stack: KfpStack) -> None:
        self.stack = stack
        self.api = Api(stack)
        self._versions: dict[str, Any] = {}
        """Of each pipeline, the version that a run is started of."""
        self._steps: dict[str, Mapping[str, str]] = {}

    # --- deploying ----------------------------------------------------------------------------------------------------

    def register(self, source: Source, files: Collection[File]) -> None:
        """Make the pipeline if it is new, a version if this text is, and its schedule of that version."""
        bad = schedules.problem(source.pipeline.schedule, self.stack.backend)
        if bad is not None:
            raise EngineError(bad.message, hint=bad.hint)
        file = next(one for one in files if one.version)
        name = self._name(source.pipeline.name)
        pipeline = self._find(name) or self._make(name, source.pipeline.doc)
        version = self._newest(pipeline)
        if version is None or not _is(version, file.version):
            version = self._upload(pipeline, file)
        self._versions[source.pipeline.name] = version
        self._schedule(source.pipeline, version)

    def _make(self, name: str, doc: str) -> Any:
        body = {"name": name, "display_name": name, "description": doc, **self.api.where}
        return self.api.post(f"{V2}/pipelines", body)

    def _upload(self, pipeline: Any, file: File) -> Any:
        """A text that was there before, and is not the newest, gets a name of its own once more."""
        known = {one["display_name"] for one in self._all_versions(pipeline)}
        name = next(one for one in _numbered(file.version[:DIGITS]) if one not in known)
        query = {"name": name, "display_name": name, "pipelineid": pipeline["pipeline_id"]}
        return self.api.upload(f"{V2}/pipelines/upload_version", file.name, file.text.encode(), query)

    def _schedule(self, pipeline: Pipeline, version: Any) -> None:
        """As the pipeline says now. One that somebody has disabled stays so."""
        known = list(self._schedules(pipeline.name))
        if pipeline.schedule is None:
            for one in known:
                self.api.delete(f"{V2}/recurringruns/{part(one['recurring_run_id'])}")
            return
        is_paused = bool(known) and all(one.get("status") == "DISABLED" for one in known)
        body = {
            "display_name": self._name(pipeline.name),
            "mode": "DISABLE" if is_paused else "ENABLE",
            "trigger": schedules.trigger(pipeline.schedule),
            "max_concurrency": schedules.MOST_AT_ONCE,
            "no_catchup": not pipeline.schedule.catchup,
            **self._asked(version, {}),
        }
        kept = next((one for one in known if _is_same(one, body)), None)
        for one in known:
            if one is not kept:
                self.api.delete(f"{V2}/recurringruns/{part(one['recurring_run_id'])}")
        if kept is None:
            self.api.post(f"{V2}/recurringruns", body)

    def is_live(self, pipeline: str, version: str) -> bool:
        """Whether the newest version is this very one."""
        found = self._find(self._name(pipeline))
        newest = None if found is None else self._newest(found)
        if newest is None or not _is(newest, version):
            return False
        self._versions[pipeline] = newest
        return True

    def is_paused(self, pipeline: str) -> bool:
        """Whether its schedule is disabled. A run that is started from here is none of it."""
        known = list(self._schedules(pipeline))
        return bool(known) and all(one.get("status") == "DISABLED" for one in known)

    # --- runs ---------------------------------------------------------------------------------------------------------

    def uncarried(self, pipeline: Pipeline, params: Mapping[str, Any]) -> Collection[str]:
        """What is too large, what it would fill something into, and what it has no exact form of."""
        return uncarried(pipeline, params)

    def start(self, pipeline: str, run: str, params: Mapping[str, Any]) -> EngineRun:
        """Start a run. Its name is ours alone: if only the answer was lost, it finds the run that there is then."""
        version = self._version(pipeline)
        body = {"display_name": run, **self._asked(version, self._typed(version, params))}
        made = self._started(run, body)
        created = made.get("created_at")
        return EngineRun(
            id=made["run_id"],
            params=params,
            logical_date=dt.datetime.fromisoformat(created) if created else None,
            about={"name": run, "pipeline": self._name(pipeline)},
        )

    def _started(self, run: str, body: Any) -> Any:
        path = f"{V2}/runs"
        try:
            found = self.api.send("POST", path, body, {}, once=True)
            if found.status in BUSY:
                raise self.api.refused("POST", path, found)
        except Away:
            known = self.api.named(path, "runs", run, experiment_id=body["experiment_id"])
            if known is None:
                raise
            return known
        if found.status == 400:
            raise EngineError(f"{self.api.name} refuses the run: {found.detail}")
        return self.api.checked("POST", path, found).content

    def _asked(self, version: Any, params: Mapping[str, Any]) -> dict[str, Any]:
        """What runs and schedules say alike."""
        config: dict[str, Any] = {"parameters": dict(params)}
        if self.stack.pipeline_root:
            config["pipeline_root"] = self.stack.pipeline_root
        found = {
            "experiment_id": self._experiment(),
            "pipeline_version_reference": {
                "pipeline_id": version["pipeline_id"],
                "pipeline_version_id": version["pipeline_version_id"],
            },
            "runtime_config": config,
        }
        return {**found, "service_account": self.stack.service_account} if self.stack.service_account else found

    def _typed(self, version: Any, params: Mapping[str, Any]) -> dict[str, Any]:
        """As the inputs of the spec take them: some as JSON in a text, and what is None not at all."""
        return typed(params, version.get("pipeline_spec") or {})

    def status(self, pipeline: str, run: str) -> EngineStatus:  # noqa: ARG002  # its id says all
        """How far KFP says that a run is."""
        found = self.api.find(f"{V2}/runs/{part(run)}")
        return "gone" if found is None else _STATES.get(found.get("state") or "PENDING", "running")

    def tasks(self, pipeline: str, run: str, states: Collection[str] = ()) -> Iterator[EngineTask]:  # noqa: ARG002
        """Its tasks: all, or those in these states."""
        found = self.api.get(f"{V2}/runs/{part(run)}")
        details = (found.get("run_details") or {}).get("task_details") or []
        if run not in self._steps:
            self._steps[run] = steps_of(self._spec(found))
        for one in tasks(details, self._steps[run], self.stack.max_map_length):
            if not states or one.state in states:
                yield one

    def _spec(self, run: Mapping[str, Any]) -> Mapping[str, Any]:
        reference = run.get("pipeline_version_reference") or {}
        if not reference.get("pipeline_version_id"):
            return run.get("pipeline_spec") or {}
        pipeline, version = part(reference["pipeline_id"]), part(reference["pipeline_version_id"])
        found = self.api.find(f"{V2}/pipelines/{pipeline}/versions/{version}")
        return (found or {}).get("pipeline_spec") or {}

    def log(self, pipeline: str, run: str, task: EngineTask) -> str:  # noqa: ARG002
        """What the latest attempt of a task has printed so far, as long as its pod, or KFP's archive, has it."""
        path = f"{V1}/runs/{part(run)}/nodes/{part(task.id)}/log"
        found = self.api.send("GET", path, None, {}, "*/*")
        if found.status == 404:
            return ""
        if found.status >= 300:
            raise self.api.refused("GET", path, found)
        return found.content if isinstance(found.content, str) else json.dumps(found.content or "")

    def cancel(self, pipeline: str, run: str) -> None:
        """End it: all that runs is told so, and nothing more starts. One that has ended stays as it is."""
        if self.status(pipeline, run) in ("waiting", "running"):
            self.api.post(f"{V2}/runs/{part(run)}:terminate", {})

    def url(self, pipeline: str, run: str) -> str:  # noqa: ARG002
        """Where a person looks at a run."""
        return f"{self.api.url}/#/runs/details/{part(run)}"

    # --- what is asked before -----------------------------------------------------------------------------------------

    def problems(self, source: Source) -> Iterator[Problem]:
        """What of this pipeline the live KFP cannot have."""
        found = schedules.problem(source.pipeline.schedule, self.stack.backend)
        if found is not None:
            yield found

    def checks(self, deployed: Collection[Pipeline]) -> Iterator[Check]:
        """Whether this KFP is what the stack says."""
        where = self.api.where
        yield Check("api", f"{self.api.url} answers, and lets us in")
        if where:
            yield Check("namespace", f"runs belong to `{self.stack.namespace}`")
        experiment = self.stack.experiment or DEFAULT
        known = self._find_experiment() is not None
        yield Check("experiment", f"`{experiment}` is {'there' if known else 'not there yet: the first run makes it'}")
        for one in deployed:
            if one.schedule is not None and self.is_paused(one.name):
                told = "its schedule is disabled, and starts nothing"
                yield Check(f"pipeline {one.name}", told, ok=False, hint="its page in KFP enables it: `Recurring Runs`")

    # --- what is there ------------------------------------------------------------------------------------------------

    def _name(self, pipeline: str) -> str:
        """Of small letters, digits and `-`, as Kubernetes wants them."""
        text = f"{pipeline}-{self.stack.name}"
        found = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
        if re.fullmatch(r"[a-z0-9_-]+", text) and len(found) <= 100:
            return found
        return f"{found[:90].rstrip('-')}-{sha256(text.encode()).hexdigest()[:8]}"

    def _find(self, name: str) -> Any | None:
        return self.api.named(f"{V2}/pipelines", "pipelines", name, **self.api.where)

    def _all_versions(self, pipeline: Any) -> Iterator[Any]:
        path = f"{V2}/pipelines/{part(pipeline['pipeline_id'])}/versions"
        return self.api.pages(path, "pipeline_versions", sort_by="created_at desc")

    def _newest(self, pipeline: Any) -> Any | None:
        path = f"{V2}/pipelines/{part(pipeline['pipeline_id'])}/versions"
        found = self.api.get(path, page_size=1, sort_by="created_at desc")
        return next(iter(found.get("pipeline_versions") or ()), None)

    def _version(self, pipeline: str) -> Any:
        """The one that was deployed from here, or else the newest."""
        if pipeline not in self._versions:
            name = self._name(pipeline)
            found = self._find(name)
            newest = None if found is None else self._newest(found)
            if newest is None:
                raise Away(f"{self.api.name} has no pipeline `{name}`")
            self._versions[pipeline] = newest
        return self._versions[pipeline]

    def _schedules(self, pipeline: str) -> Iterator[Any]:
        path, name = f"{V2}/recurringruns", self._name(pipeline)
        return self.api.all_named(path, "recurringRuns", name, **self.api.where)

    def _find_experiment(self) -> Any | None:
        wanted = self.stack.experiment or DEFAULT
        return self.api.named(f"{V2}/experiments", "experiments", wanted, **self.api.where)

    def _experiment(self) -> str:
        found = self._find_experiment()
        if found is None:
            body = {"display_name": self.stack.experiment or DEFAULT, **self.api.where}
            found = self.api.post(f"{V2}/experiments", body)
        return str(found["experiment_id"])


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}-{number}"
        number += 1


def _is(version: Mapping[str, Any], digest: str) -> bool:
    return bool(re.fullmatch(rf"{re.escape(digest[:DIGITS])}(-\d+)?", version.get("display_name") or ""))


def _is_same(one: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Whether a schedule that is there is the one that is asked for."""
    reference = one.get("pipeline_version_reference") or {}
    return (
        reference.get("pipeline_version_id") == body["pipeline_version_reference"]["pipeline_version_id"]
        and schedules.same(one.get("trigger") or {}, body["trigger"])
        and bool(one.get("no_catchup")) == body["no_catchup"]
        and (one.get("service_account") or "") == body.get("service_account", "")
        and (one.get("runtime_config") or {}).get("pipeline_root", "")
        == body["runtime_config"].get("pipeline_root", "")
    )
