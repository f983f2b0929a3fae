"""The live KFP: tell it of a pipeline and its schedule, start a run, see how far it is, end it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterator, Mapping
from hashlib import sha256
from typing import Any

from pipeglot.compilers.base import File, Source
from pipeglot.compilers.kfp.api import V2, Api
from pipeglot.compilers.kfp.logs import log
from pipeglot.compilers.kfp.params import uncarried
from pipeglot.compilers.kfp.recurring import Recurring, is_paused
from pipeglot.compilers.kfp.stack import KfpStack
from pipeglot.compilers.kfp.tasks_there import tasks, typed
from pipeglot.compilers.remote import Away, Check, EngineStatus, EngineTask
from pipeglot.compilers.rest import Answer, part
from pipeglot.core.errors import EngineError, Problem
from pipeglot.core.ir import Pipeline
from pipeglot.core.task.joining import EngineRun

_STATES: Mapping[str, EngineStatus] = {
    "RUNTIME_STATE_UNSPECIFIED": "waiting",
    "PENDING": "waiting",
    "PAUSED": "waiting",
    "SUCCEEDED": "succeeded",
    "SKIPPED": "succeeded",
    "FAILED": "failed",
    "CANCELED": "failed",
}
_UPLOAD = f"{V2}/pipelines/upload_version"
DIGITS = 16
"""Of a text's digest, by which its version is named."""

OLDEST = (2, 5)
"""The first release that fills in a run's id, by which a task knows its run."""

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
        self._specs: dict[str, Mapping[str, Any]] = {}
        """Of each run that was looked at."""

    # --- deploying ----------------------------------------------------------------------------------------------------

    def register(self, source: Source, files: Collection[File]) -> None:
        """Make the pipeline if it is new, a version if this text is, and its schedule of that version."""
        file = next(one for one in files if one.version)
        name = self._name(source.pipeline.name)
        pipeline = self._find(name) or self._make(name, source.pipeline.doc)
        version = self._newest(pipeline)
        if version is None or not _is(version, file.version):
            version = self._upload(pipeline, file)
        self._versions[source.pipeline.name] = version
        recurring = Recurring(self.api, name)
        if source.pipeline.schedule is None:
            recurring.end()
        else:
            recurring.become(source.pipeline.schedule, self._asked(version, {}))

    def _make(self, name: str, doc: str) -> Any:
        path, body = f"{V2}/pipelines", {"name": name, "display_name": name, "description": doc, **self.api.where}
        found = self.api.created(path, body, {}, lambda: self._find(name))
        if found.status == 409:  # somebody else has made it just now
            return self._find(name) or self.api.checked("POST", path, found).content
        return self.api.checked("POST", path, found).content

    def _upload(self, pipeline: Any, file: File) -> Any:
        """A text that was there before, and is not the newest, comes once more, under a name with the time."""
        digest = file.version[:DIGITS]
        found = self._send(pipeline, file, digest)
        if found.status == 409:
            newest = self._newest(pipeline)
            if newest is not None and _is(newest, file.version):  # somebody else has sent it just now
                return newest
            found = self._send(pipeline, file, f"{digest}-{dt.datetime.now(dt.UTC):%Y%m%d%H%M%S%f}")
        return self.api.checked("POST", _UPLOAD, found).content

    def _send(self, pipeline: Any, file: File, name: str) -> Answer:
        query = {"name": name, "display_name": name, "pipelineid": pipeline["pipeline_id"]}
        versions = _versions(pipeline["pipeline_id"])
        return self.api.upload(
            _UPLOAD,
            file.name,
            file.text.encode(),
            query,
            lambda: self.api.named(versions, "pipeline_versions", name),
        )

    def is_live(self, pipeline: str, version: str) -> bool:
        """Whether a run from here is of this very version, and it is there."""
        known = self._versions.get(pipeline)
        if known is None:
            found = self._find(self._name(pipeline))
            known = None if found is None else self._newest(found)
        if known is None or not _is(known, version):
            return False
        self._versions[pipeline] = known
        return self._version_there(known) is not None

    def is_paused(self, pipeline: str) -> bool:
        """Whether its schedule is disabled. A run that is started from here is none of it."""
        return is_paused(Recurring(self.api, self._name(pipeline)).known)

    # --- runs ---------------------------------------------------------------------------------------------------------

    def uncarried(self, pipeline: Pipeline, params: Mapping[str, Any]) -> Collection[str]:
        """What is too large, what it would fill something into, and what it has no exact form of."""
        return uncarried(pipeline, params)

    def start(self, pipeline: str, run: str, params: Mapping[str, Any]) -> EngineRun:
        """Start a run. Its name is ours alone: if only the answer was lost, it finds the run that there is then."""
        version = self._version(pipeline)
        body = {"display_name": run, **self._asked(version, self._typed(version, params))}
        path = f"{V2}/runs"
        found = self.api.created(
            path, body, {}, lambda: self.api.named(path, "runs", run, experiment_id=body["experiment_id"])
        )
        if found.status == 400:
            raise EngineError(f"{self.api.name} refuses the run: {found.detail}")
        made = self.api.checked("POST", path, found).content
        created = made.get("created_at")
        return EngineRun(
            id=made["run_id"],
            params=params,
            logical_date=dt.datetime.fromisoformat(created) if created else None,
            about={"name": run, "pipeline": self._name(pipeline)},
        )

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
        if run not in self._specs:
            self._specs[run] = self._spec(found)
        for one in tasks(details, self._specs[run], self.stack.max_map_length):
            if not states or one.state in states:
                yield one

    def _spec(self, run: Mapping[str, Any]) -> Mapping[str, Any]:
        reference = run.get("pipeline_version_reference") or {}
        if not reference.get("pipeline_version_id"):
            return run.get("pipeline_spec") or {}
        return (self._version_there(reference) or {}).get("pipeline_spec") or {}

    def log(self, pipeline: str, run: str, task: EngineTask) -> str:  # noqa: ARG002
        """What the latest attempt of a task has printed so far, as long as its pod, or KFP's archive, has it."""
        return log(self.api, run, task.id.split())

    def cancel(self, pipeline: str, run: str) -> None:
        """End it: all that runs is told so, and nothing more starts. One that has ended stays as it is."""
        if self.status(pipeline, run) in ("waiting", "running"):
            self.api.post(f"{V2}/runs/{part(run)}:terminate", {})

    def url(self, pipeline: str, run: str) -> str:  # noqa: ARG002
        """Where a person looks at a run."""
        return f"{self.api.url}/#/runs/details/{part(run)}"

    # --- what is asked before -----------------------------------------------------------------------------------------

    def problems(self, source: Source) -> Iterator[Problem]:  # noqa: ARG002  # the compiler tells what there is to tell
        """Nothing that KFP can be asked."""
        yield from ()

    def checks(self, deployed: Collection[Pipeline]) -> Iterator[Check]:
        """Whether this KFP is what the stack says."""
        experiment = self.stack.experiment or DEFAULT
        known = self._find_experiment() is not None  # whether it is healthy, KFP tells everybody
        yield Check("api", f"{self.api.url} answers, and lets us in")
        if self.api.release is not None:
            yield _release(self.api.release)
        if self.api.where:
            yield Check("namespace", f"runs belong to `{self.stack.namespace}`")
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

    def _newest(self, pipeline: Any) -> Any | None:
        found = self.api.get(_versions(pipeline["pipeline_id"]), page_size=1, sort_by="created_at desc")
        return next(iter(found.get("pipeline_versions") or ()), None)

    def _version_there(self, reference: Mapping[str, Any]) -> Any | None:
        return self.api.find(f"{_versions(reference['pipeline_id'])}/{part(reference['pipeline_version_id'])}")

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

    def _find_experiment(self) -> Any | None:
        wanted = self.stack.experiment or DEFAULT
        return self.api.named(f"{V2}/experiments", "experiments", wanted, **self.api.where)

    def _experiment(self) -> str:
        found = self._find_experiment()
        if found is None:
            path, body = f"{V2}/experiments", {"display_name": self.stack.experiment or DEFAULT, **self.api.where}
            made = self.api.created(path, body, {}, self._find_experiment)
            there = self._find_experiment() if made.status == 409 else None  # somebody else has made it just now
            found = there or self.api.checked("POST", path, made).content
        return str(found["experiment_id"])


def _release(found: tuple[int, int]) -> Check:
    """What it says of itself: an older one takes our runs, whose tasks then refuse to begin."""
    told = f"KFP {found[0]}.{found[1]}"
    if found >= OLDEST:
        return Check("release", told)
    hint = f"pipeglot needs {OLDEST[0]}.{OLDEST[1]} or later: an older one does not tell a task which run it is of"
    return Check("release", f"{told} is too old", ok=False, hint=hint)


def _versions(pipeline: str) -> str:
    return f"{V2}/pipelines/{part(pipeline)}/versions"


def _is(version: Mapping[str, Any], digest: str) -> bool:
    return bool(re.fullmatch(rf"{re.escape(digest[:DIGITS])}(-\d+)?", version.get("display_name") or ""))
