"""The live Vertex AI: a job for each run, a schedule for pipelines that have one; how far it is, and its end."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterator, Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from pipeglot.compilers.base import File, Source
from pipeglot.compilers.kfp.names import LONGEST
from pipeglot.compilers.kfp.params import uncarried
from pipeglot.compilers.kfp.stack import VertexStack
from pipeglot.compilers.kfp.tasks_there import steps_of, typed
from pipeglot.compilers.kfp.vertex_api import Api
from pipeglot.compilers.kfp.vertex_jobs import job, schedule
from pipeglot.compilers.remote import Away, Check, EngineStatus, EngineTask, TaskState
from pipeglot.compilers.rest import CAMEL, part
from pipeglot.core.errors import EngineError, Problem
from pipeglot.core.ir import Pipeline
from pipeglot.core.task.joining import EngineRun

_STATES: Mapping[str, EngineStatus] = {
    "PIPELINE_STATE_UNSPECIFIED": "waiting",
    "PIPELINE_STATE_QUEUED": "waiting",
    "PIPELINE_STATE_PENDING": "waiting",
    "PIPELINE_STATE_PAUSED": "waiting",
    "PIPELINE_STATE_SUCCEEDED": "succeeded",
    "PIPELINE_STATE_FAILED": "failed",
    "PIPELINE_STATE_CANCELLED": "failed",
}
_TASK_STATES: Mapping[str, TaskState] = {
    "RUNNING": "running",
    "CANCEL_PENDING": "running",
    "CANCELLING": "running",
    "SUCCEEDED": "succeeded",
    "CANCELLED": "failed",
    "FAILED": "failed",
    "SKIPPED": "skipped",
    "NOT_TRIGGERED": "skipped",
}
_CHANGED = ("cron", "startTime", "endTime", "maxConcurrentRunCount", "createPipelineJobRequest")
"""What of a schedule follows the pipeline. What has a value once cannot be without one again."""
_CONSOLE = "https://console.cloud.google.com"


class VertexDeployer:
    """Talks to one project of Vertex AI. Every call raises `EngineError`, `ConfigError`.

    Nothing of a pipeline lies there: each job, and each schedule, has the whole spec in it. So what was registered is
    kept here, and a run is started by whoever has deployed.
    """

    wakes = False

    def __init__(self, stack: VertexStack) -> None:
        self.stack = stack
        self.api = Api(stack)
        self._specs: dict[str, tuple[str, Mapping[str, Any]]] = {}
        """Of each pipeline, the version and the spec that was registered."""

    # --- deploying ----------------------------------------------------------------------------------------------------

    def register(self, source: Source, files: Collection[File]) -> None:
        """Keep the spec for the runs to come; and make its schedule, or change it. One that is paused stays so."""
        import yaml

        file = next(one for one in files if one.version)
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        spec = yaml.load(file.text, Loader=loader)  # noqa: S506  # a safe one
        self._specs[source.pipeline.name] = file.version, spec
        self._schedule(source.pipeline, spec)

    def _schedule(self, pipeline: Pipeline, spec: Mapping[str, Any]) -> None:
        """One that is there is changed, if it can become what is asked for; else another one takes its place."""
        known = list(self._schedules(pipeline.name))
        kept = None
        if pipeline.schedule is not None:
            name = self._name(pipeline.name)
            body = schedule(name, pipeline.schedule, self.api.parent, job(spec, self.stack, {}))
            kept = next((one for one in known if _can_become(one, body)), None)
            if kept is None:
                self._make_schedule(pipeline.name, body, known)
            else:
                mask = quote(",".join(one for one in _CHANGED if one in body))
                self.api.patch(f"{_path(kept['name'])}?updateMask={mask}", {"name": kept["name"], **body})
        for one in known:
            if one is not kept:
                self.api.delete(_path(one["name"]))

    def _make_schedule(self, pipeline: str, body: Any, known: Collection[Any]) -> None:
        before = {one["name"] for one in known}

        def new() -> Any | None:
            return next((one for one in self._schedules(pipeline) if one["name"] not in before), None)

        found = self.api.created("/schedules", body, {}, new)
        made = self.api.checked("POST", "/schedules", found).content
        if _is_paused(known):
            self.api.post(f"{_path(made['name'])}:pause", {})

    def is_live(self, pipeline: str, version: str) -> bool:
        """Whether a run from here would be of this very version."""
        return self._specs.get(pipeline, ("", {}))[0] == version

    def is_paused(self, pipeline: str) -> bool:
        """Whether its schedule is paused. A run that is started from here is none of it."""
        return _is_paused(list(self._schedules(pipeline)))

    # --- runs ---------------------------------------------------------------------------------------------------------

    def uncarried(self, pipeline: Pipeline, params: Mapping[str, Any]) -> Collection[str]:
        """What is too large, what it would fill something into, and what it has no exact form of."""
        return uncarried(pipeline, params)

    def start(self, pipeline: str, run: str, params: Mapping[str, Any]) -> EngineRun:
        """Start a job under this id, in the letters that Vertex takes: once, whatever becomes of an answer."""
        if pipeline not in self._specs:
            raise Away(f"{self.api.name}: `{pipeline}` was not deployed from here, so its spec is not known")
        spec = self._specs[pipeline][1]
        body = {"displayName": _short(pipeline), **job(spec, self.stack, typed(params, spec))}
        name = re.sub(r"[^a-z0-9-]", "-", run.lower())
        path = "/pipelineJobs"
        found = self.api.created(path, body, {"pipelineJobId": name}, lambda: self.api.find(f"{path}/{name}"))
        if found.status == 400:
            raise EngineError(f"{self.api.name} refuses the job: {found.detail}")
        is_there = found.status == 409  # by a request before, whose answer was lost
        made = self.api.get(f"{path}/{name}") if is_there else self.api.checked("POST", path, found).content
        created = made.get("createTime")
        return EngineRun(
            id=name,
            params=params,
            logical_date=dt.datetime.fromisoformat(created) if created else None,
            about={"job": f"{self.api.parent}/pipelineJobs/{name}"},
        )

    def status(self, pipeline: str, run: str) -> EngineStatus:  # noqa: ARG002  # its id says all
        """How far Vertex says that a job is."""
        found = self.api.find(f"/pipelineJobs/{part(run)}")
        return "gone" if found is None else _STATES.get(found.get("state") or "PIPELINE_STATE_PENDING", "running")

    def tasks(self, pipeline: str, run: str, states: Collection[str] = ()) -> Iterator[EngineTask]:  # noqa: ARG002
        """Its tasks: all, or those in these states. Which item of a loop one is for, Vertex does not tell."""
        found = self.api.get(f"/pipelineJobs/{part(run)}")
        steps = steps_of(found.get("pipelineSpec") or {})
        for one in (found.get("jobDetail") or {}).get("taskDetails") or ():
            name = one.get("taskName", "")  # of which Google does not say whether it is the key, or what people read
            step = steps.get(name) or (name if name in steps.values() else None)
            state = _task_state(one)
            if step is not None and (not states or state in states):
                jobs = _jobs(one)
                yield EngineTask(step, -1, state, len(jobs), id=f"{one.get('taskId', '')}/{jobs[-1] if jobs else ''}")

    def log(self, pipeline: str, run: str, task: EngineTask) -> str:  # noqa: ARG002
        """Why it failed, as Vertex says; and where in Cloud Logging its output is, which has an API of its own."""
        known, _, own = task.id.partition("/")
        found = self.api.get(f"/pipelineJobs/{part(run)}")
        details = (found.get("jobDetail") or {}).get("taskDetails") or ()
        error = next((one.get("error") or {} for one in details if str(one.get("taskId", "")) == known), {})
        told = [error["message"]] if error.get("message") else []
        if own:
            told.append(f"what it printed is in Cloud Logging: {self._log_url(own)}")
        return "".join(f"{line}\n" for line in told)

    def _log_url(self, own: str) -> str:
        query = f'resource.type="ml_job" resource.labels.job_id="{own}"'
        return f"{_CONSOLE}/logs/query;query={quote(query, safe='')}?project={part(self.stack.project)}"

    def cancel(self, pipeline: str, run: str) -> None:
        """End it: all that runs is told so, and nothing more starts. One that has ended stays as it is."""
        if self.status(pipeline, run) in ("waiting", "running"):
            self.api.post(f"/pipelineJobs/{part(run)}:cancel", {})

    def url(self, pipeline: str, run: str) -> str:  # noqa: ARG002
        """Where a person looks at a run."""
        place = f"{_CONSOLE}/vertex-ai/locations/{part(self.stack.location)}/pipelines/runs/{part(run)}"
        return f"{place}?project={part(self.stack.project)}"

    # --- what is asked before -----------------------------------------------------------------------------------------

    def problems(self, source: Source) -> Iterator[Problem]:  # noqa: ARG002  # the compiler tells what there is to tell
        """Nothing that Vertex can be asked."""
        yield from ()

    def checks(self, deployed: Collection[Pipeline]) -> Iterator[Check]:
        """Whether this project is what the stack says."""
        self.api.get("/pipelineJobs", pageSize=1)
        yield Check("api", f"{self.api.url} answers, and lets us into project `{self.stack.project}`")
        for one in deployed:
            if one.schedule is not None and self.is_paused(one.name):
                told = "its schedule is paused, and starts nothing"
                yield Check(
                    f"pipeline {one.name}", told, ok=False, hint="its page resumes it: `Schedules` of Pipelines"
                )

    def _name(self, pipeline: str) -> str:
        return _short(f"{pipeline} of {self.stack.name}")

    def _schedules(self, pipeline: str) -> Iterator[Any]:
        return self.api.listed("/schedules", "schedules", CAMEL, filter=f'display_name="{self._name(pipeline)}"')


def _is_paused(known: Collection[Mapping[str, Any]]) -> bool:
    """Of those that are not over."""
    states = {one.get("state") for one in known} - {"COMPLETED"}
    return states == {"PAUSED"}


def _can_become(one: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Whether a schedule can be changed to this. One that says no start has the time when it was made as one."""
    if one.get("state") == "COMPLETED" or (one.get("endTime") and "endTime" not in body):
        return False
    start = one.get("startTime")
    return not start or "startTime" in body or dt.datetime.fromisoformat(start) <= dt.datetime.now(dt.UTC)


def _path(name: str) -> str:
    """Below the project and the location: `/schedules/7`."""
    return f"/{'/'.join(name.rsplit('/', 2)[-2:])}"


def _short(name: str) -> str:
    """A name that Vertex takes, and that no other one has."""
    digest = sha256(name.encode()).hexdigest()[:8]
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 9]}-{digest}"


def _task_state(task: Mapping[str, Any]) -> TaskState:
    """A container that has failed, and is tried again, is pending meanwhile."""
    state = _TASK_STATES.get(task.get("state") or "", "waiting")
    return "retrying" if state == "waiting" and _failed(task) else state


def _jobs(task: Mapping[str, Any]) -> list[str]:
    """The jobs of its tries, by their ids."""
    detail = (task.get("executorDetail") or {}).get("containerDetail") or {}
    names = [*_failed(task), *([detail["mainJob"]] if detail.get("mainJob") else [])]
    return [name.rpartition("/")[2] for name in dict.fromkeys(names)]


def _failed(task: Mapping[str, Any]) -> list[str]:
    detail = (task.get("executorDetail") or {}).get("containerDetail") or {}
    return list(detail.get("failedMainJobs") or ())
