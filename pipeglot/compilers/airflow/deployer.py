"""The live Airflow: is what was deployed there, start it, see how far it is, end it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from pipeglot.compilers.airflow.api import Api
from pipeglot.compilers.airflow.backfills import Backfills
from pipeglot.compilers.airflow.logs import v1_log, v2_log
from pipeglot.compilers.airflow.stack import AirflowStack, step_words
from pipeglot.compilers.base import File, Source
from pipeglot.compilers.remote import Away, Check, EngineStatus, EngineTask, TaskState, largest
from pipeglot.compilers.rest import part
from pipeglot.core.errors import EngineError, Problem
from pipeglot.core.ir import Pipeline
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.task.joining import EngineRun
from pipeglot.core.variables import expand

_TASK_STATES: Mapping[str, TaskState] = {
    "running": "running",
    "deferred": "running",
    "up_for_retry": "retrying",
    "success": "succeeded",
    "failed": "failed",
    "upstream_failed": "skipped",
    "skipped": "skipped",
    "removed": "skipped",
}

_STATES: Mapping[str, EngineStatus] = {
    "queued": "waiting",
    "running": "running",
    "success": "succeeded",
    "failed": "failed",
}

_MOST = 120_000
"""Bytes of the parameters of a run in pods: Linux takes 128 KiB in one argument, in which there is more."""


class AirflowDeployer:
    """Talks to one Airflow. Every call raises `EngineError`, `ConfigError`."""

    wakes = True  # a paused DAG runs nothing, whoever asks

    def __init__(self, stack: AirflowStack) -> None:
        self.stack = stack
        self.api = Api(stack)
        self._hastened = ""
        self._old_error: str | None = None
        self._counts: dict[str, int] = {}

    def register(self, source: Source, files: Collection[File]) -> None:
        """Nothing: it finds its files by itself."""

    def is_live(self, pipeline: str, version: str) -> bool:
        """Whether Airflow has read this very version. Raises `EngineError` if it cannot read the file."""
        found = self.api.find(f"/dags/{part(pipeline)}")
        if found is not None and any(tag["name"] == f"pipeglot:{version}" for tag in found["tags"]):
            return True
        self._refuse_broken(f"{pipeline}.py")
        if found is not None:
            self._hasten(found, version)
        return False

    def is_paused(self, pipeline: str) -> bool:
        """Whether its schedule starts nothing: so is every DAG that is new, if Airflow is not set otherwise."""
        return bool(self.api.get(f"/dags/{part(pipeline)}")["is_paused"])

    def uncarried(self, pipeline: Pipeline, params: Mapping[str, Any]) -> Collection[str]:  # noqa: ARG002
        """A run's `conf` is JSON that nobody fills anything into; but a pod is told all of it in one argument."""
        if self.stack.run != "pod":
            return ()
        texts = {name: json.dumps(value) for name, value in params.items()}
        return largest({name: len(text) + 5 * text.count("$") + len(name) for name, text in texts.items()}, _MOST)

    def start(self, pipeline: str, run: str, params: Mapping[str, Any]) -> EngineRun:
        """Start a run under this id. A DAG that is paused is woken, for else it would wait for ever."""
        dag = f"/dags/{part(pipeline)}"
        if self.is_paused(pipeline):
            self.api.patch(dag, {"is_paused": False})
        body: dict[str, Any] = {"dag_run_id": run, "conf": dict(params)}
        if self.stack.version == 3:
            body["logical_date"] = None
        found = self._trigger(dag, run, body)
        date = found.get("logical_date") or found.get("run_after")
        return EngineRun(
            id=run,
            params=params,
            logical_date=dt.datetime.fromisoformat(date) if date else None,
            about={"dag": pipeline, "type": found.get("run_type", "manual")},
        )

    def _trigger(self, dag: str, run: str, body: dict[str, Any]) -> Any:
        """Nobody else has our id: if a run has it, the request came through before, and only its answer was lost."""
        try:
            found = self.api.send("POST", f"{dag}/dagRuns", body, {})
        except Away:
            known = self.api.find(f"{dag}/dagRuns/{part(run)}")
            if known is None:
                raise
            return known
        if found.status == 409:
            return self.api.get(f"{dag}/dagRuns/{part(run)}")
        if found.status == 400:
            raise EngineError(f"{self.api.name} refuses the parameters: {found.detail}")
        return self.api.checked("POST", f"{dag}/dagRuns", found).content

    def status(self, pipeline: str, run: str) -> EngineStatus:
        """How far Airflow says that a run is."""
        found = self.api.find(f"/dags/{part(pipeline)}/dagRuns/{part(run)}")
        return "gone" if found is None else _STATES.get(found["state"], "running")

    def tasks(self, pipeline: str, run: str, states: Collection[str] = ()) -> Iterator[EngineTask]:
        """Its tasks: all, or those in these states."""
        path = f"/dags/{part(pipeline)}/dagRuns/{part(run)}/taskInstances"
        asked = [name for name, state in _TASK_STATES.items() if state in states]
        for one in self.api.pages(path, "task_instances", **({"state": asked} if asked else {})):
            state = _TASK_STATES.get(one["state"] or "", "waiting")
            among = self._among(f"{path}/{part(one['task_id'])}/listMapped") if one["map_index"] >= 0 else 0
            yield EngineTask(one["task_id"], one["map_index"], state, one["try_number"], among)

    def _among(self, path: str) -> int:
        """How many tasks a mapped one has become: asked once, for it stays so."""
        if path not in self._counts:
            self._counts[path] = int(self.api.get(path, limit=1)["total_entries"])
        return self._counts[path]

    def log(self, pipeline: str, run: str, task: EngineTask) -> str:
        """What an attempt of a task has printed so far, as Airflow has it."""
        path = f"/dags/{part(pipeline)}/dagRuns/{part(run)}/taskInstances/{part(task.step)}/logs/{task.attempt}"
        query = {"map_index": task.number, "full_content": "true"}
        if self.stack.version == 2:
            return v1_log(self.api.text(path, "text/plain", **query))
        return v2_log(self.api.text(path, "application/x-ndjson", **query))

    def cancel(self, pipeline: str, run: str) -> None:
        """End its tasks, and start no more but those that clean up; which turn a run green, until it is told again."""
        path = f"/dags/{part(pipeline)}/dagRuns/{part(run)}"
        if self.api.find(path) is not None:  # one that somebody has deleted needs no end
            self.api.patch(path, {"state": "failed"})

    def url(self, pipeline: str, run: str) -> str:
        """Where a person looks at a run."""
        if self.stack.version == 3:
            return f"{self.api.url}/dags/{part(pipeline)}/runs/{part(run)}"
        return f"{self.api.url}/dags/{part(pipeline)}/grid?dag_run_id={part(run)}"

    def backfilling(self, pipeline: str) -> Backfills | None:
        """Airflow 3's own; Airflow 2 has none in its API."""
        return Backfills(self.api, pipeline) if self.stack.version == 3 else None

    def checks(self, deployed: Collection[Pipeline]) -> Iterator[Check]:
        """Whether this Airflow is what the stack says."""
        from pipeglot.compilers.airflow.checking import checks

        return checks(self, deployed)

    def problems(self, source: Source) -> Iterator[Problem]:
        """What is missing on the live Airflow for this pipeline."""
        pools = {one["name"] for one in self.api.pages("/pools", "pools")}
        for step in Plan(source.pipeline).steps():
            pool = step_words(self.stack, step.id, step.tags).pool or step.pool
            if pool and pool not in pools:
                yield Problem(
                    "airflow",
                    f"`{step.id}` runs in pool `{pool}`, which {self.api.name} does not have",
                    source.locations.get(step.id),
                    f"`airflow pools set {pool} 1 ''` makes it; or name another in `steps:` of the stack",
                )

    def _hasten(self, found: Mapping[str, Any], version: str) -> None:
        """Ask once for the file to be read now: of one that changes while Airflow reads it, it sees that only late."""
        token = found.get("file_token")
        if self.stack.version == 3 and token and self._hastened != version:
            self._hastened = version
            self.api.send("PUT", f"/parseDagFile/{part(token)}", None, {})  # who may not, or is refused, waits

    def _refuse_broken(self, name: str) -> None:
        """An error may be of the file as it was before: it is believed once it was not there, or is found again."""
        errors = self.api.pages("/importErrors", "import_errors")
        error = next((one for one in errors if self._is_ours(str(one.get("filename", "")), name)), None)
        found = str(error.get("timestamp")) if error is not None else ""
        if self._old_error is None:
            self._old_error = found
        if error is not None and found != self._old_error:
            raise EngineError(f"{self.api.name} cannot read `{name}`:\n\n{error['stack_trace'].rstrip()}")

    def _is_ours(self, file: str, name: str) -> bool:
        """Another team may have a file of the same name, in another folder.

        Airflow 3 says where it lies in its bundle, which all ends as `dags_folder` does; Airflow 2 its full path on
        another machine, where only the last folder is sure to be called the same.
        """
        folder, _, base = file.rpartition("/")
        ours = PurePosixPath(expand(self.stack.dags_folder, f"stack `{self.stack.name}`: `dags_folder`")).parts
        there = PurePosixPath(folder).parts
        compared = there[-1:] if file.startswith("/") else there
        return base == name and (not ours or compared == ours[len(ours) - len(compared) :])
