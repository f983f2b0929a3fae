"""What the server can be asked: the paths of KFP's API v2beta1 that it has, and what it does for each."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from pipeglot.compilers.kfp.local import recurring as schedules
from pipeglot.compilers.kfp.local.fields import Refused, check
from pipeglot.compilers.kfp.local.kept import Kept, Record, new_id, now, without
from pipeglot.compilers.kfp.local.page import page
from pipeglot.compilers.kfp.local.recurring import Recurring, check_trigger
from pipeglot.compilers.kfp.local.runs import NOT_PLANNED, OWN, Runs
from pipeglot.compilers.kfp.local.specs import check_parameters, read_upload, split

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_ONE = r"/([^/:]+)"
Query = dict[str, str]


class Api:
    """All that it knows lies in one folder."""

    def __init__(self, folder: Path, limit: int) -> None:
        lock = threading.RLock()
        self.experiments = Kept(folder / "experiments", "experiment_id", "Experiment", lock)
        self.pipelines = Kept(folder / "pipelines", "pipeline_id", "Pipeline", lock)
        self.versions = Kept(folder / "versions", "pipeline_version_id", "PipelineVersion", lock)
        self.schedules = Kept(folder / "recurringruns", "recurring_run_id", "RecurringRun", lock)
        self.runs = Runs(Kept(folder / "runs", "run_id", "Run", lock), folder / "work", limit)
        self.recurring = Recurring(self.schedules, self._scheduled, self.runs.running)
        self.lock = lock
        self._routes = [(method, re.compile(path), do) for method, path, do in self._table()]
        if not self.experiments.records:
            self._add_experiment({"display_name": "Default"})

    def begin(self) -> None:
        """Go on with what waits."""
        self.runs.start_waiting()
        self.recurring.begin()

    def find(self, method: str, path: str) -> tuple[Callable[..., Any], tuple[str, ...]]:
        """What a request asks for, and the words of its path. Raises `Refused`."""
        for known, pattern, do in self._routes:
            found = pattern.fullmatch(path)
            if known == method and found:
                return do, found.groups()
        raise Refused("Not Found", HTTPStatus.NOT_FOUND)

    def _table(self) -> list[tuple[str, str, Callable[..., Any]]]:
        at = "/apis/v2beta1"
        versions = f"{at}/pipelines{_ONE}/versions"
        return [
            ("GET", "/", lambda _: page(self.runs.kept.records.values())),
            ("GET", f"{at}/healthz", lambda _: {"multi_user": False, "pipeline_store": "database"}),
            ("GET", f"{at}/experiments", lambda query: self.experiments.page("experiments", query)),
            ("POST", f"{at}/experiments", lambda _, body: self._add_experiment(body)),
            ("GET", f"{at}/experiments{_ONE}", lambda _, one: self.experiments.get(one)),
            ("POST", f"{at}/pipelines/upload", self._upload),
            ("POST", f"{at}/pipelines/upload_version", self._upload_version),
            ("POST", f"{at}/pipelines", lambda _, body: self._add_pipeline(body)),
            ("GET", f"{at}/pipelines", lambda query: self.pipelines.page("pipelines", query)),
            ("GET", f"{at}/pipelines{_ONE}", lambda _, one: self.pipelines.get(one)),
            ("DELETE", f"{at}/pipelines{_ONE}", self._drop_pipeline),
            ("GET", versions, self._list_versions),
            ("GET", f"{versions}{_ONE}", lambda _, pipeline, one: self._version(pipeline, one)),
            ("DELETE", f"{versions}{_ONE}", self._drop_version),
            ("POST", f"{at}/runs", lambda _, body: self._add_run(body)),
            ("GET", f"{at}/runs", self._list_runs),
            ("GET", f"{at}/runs{_ONE}", lambda _, one: self._run(one)),
            ("DELETE", f"{at}/runs{_ONE}", lambda _, one: self.runs.drop(self._bare(one))),
            ("POST", f"{at}/runs{_ONE}:terminate", lambda _, one: self.runs.terminate(self._bare(one))),
            ("POST", f"{at}/runs{_ONE}:retry", self._refuse_retry),
            ("GET", f"/apis/v1alpha1/runs{_ONE}/nodes{_ONE}/log", lambda _, run, pod: self._log(run, pod)),
            ("POST", f"{at}/recurringruns", lambda _, body: self._add_schedule(body)),
            ("GET", f"{at}/recurringruns", self._list_schedules),
            ("GET", f"{at}/recurringruns{_ONE}", lambda _, one: schedules.told(self.schedules.get(one))),
            ("DELETE", f"{at}/recurringruns{_ONE}", lambda _, one: self.schedules.drop(one)),
            ("POST", f"{at}/recurringruns{_ONE}:enable", lambda _, one: self._switch(one, "ENABLE")),
            ("POST", f"{at}/recurringruns{_ONE}:disable", lambda _, one: self._switch(one, "DISABLE")),
        ]

    # --- experiments and pipelines ------------------------------------------------------------------------------------

    def _add_experiment(self, body: Any) -> Record:
        check("V2beta1Experiment", body)
        name = body.get("display_name") or ""
        if not name:
            raise Refused("Experiment name is empty. Please specify a valid experiment name")
        _refuse_namespace(body)
        made = {"experiment_id": new_id(), "display_name": name, "created_at": now(), "storage_state": "AVAILABLE"}
        return self._new(self.experiments, {**made, "description": body.get("description", "")})

    def _add_pipeline(self, body: Any) -> Record:
        check("V2beta1Pipeline", body)
        _refuse_namespace(body)
        name = _name(body)
        made = {"pipeline_id": new_id(), "name": name, "display_name": body.get("display_name") or name}
        return self._new(self.pipelines, made | {"description": body.get("description", ""), "created_at": now()})

    def _upload(self, query: Query, data: bytes) -> Record:
        _only(query, ("name", "display_name", "description", "namespace", "tags"))
        _refuse_namespace(query)
        spec, name = read_upload(data), _name(query)
        made = {"pipeline_id": new_id(), "name": name, "display_name": query.get("display_name") or name}
        made |= {"description": query.get("description", ""), "created_at": now()}
        pipeline = self._new(self.pipelines, made)
        self._add_version(pipeline, name, query.get("display_name") or name, spec)
        return pipeline

    def _upload_version(self, query: Query, data: bytes) -> Record:
        _only(query, ("name", "display_name", "pipelineid", "description", "tags"))
        pipeline, name = self.pipelines.get(query.get("pipelineid", "")), _name(query)
        return self._add_version(pipeline, name, query.get("display_name") or name, read_upload(data))

    def _add_version(self, pipeline: Record, name: str, display: str, spec: dict[str, Any]) -> Record:
        made = {"pipeline_id": pipeline["pipeline_id"], "pipeline_version_id": new_id(), "name": name}
        return self._new(
            self.versions,
            {**made, "display_name": display, "created_at": now(), "pipeline_spec": spec},
            lambda one: one["pipeline_id"] == pipeline["pipeline_id"],
        )

    def _list_versions(self, query: Query, pipeline: str) -> Record:
        self.pipelines.get(pipeline)
        return self.versions.page("pipeline_versions", query, only=lambda one: one["pipeline_id"] == pipeline)

    def _version(self, pipeline: str, version: str) -> Record:
        found = self.versions.get(version)
        if pipeline and found["pipeline_id"] != pipeline:
            raise Refused(f"PipelineVersion {version} is none of pipeline {pipeline}", HTTPStatus.NOT_FOUND)
        return found

    def _drop_pipeline(self, query: Query, pipeline: str) -> Record:
        own = [one for one, version in self.versions.records.items() if version["pipeline_id"] == pipeline]
        if own and query.get("cascade") != "true":
            raise Refused(f"pipeline {pipeline} still has versions")
        for one in own:
            self.versions.drop(one)
        self.pipelines.drop(pipeline)
        return {}

    def _drop_version(self, _: Query, pipeline: str, version: str) -> Record:
        self.versions.drop(self._version(pipeline, version)["pipeline_version_id"])
        return {}

    def _new(self, kept: Kept, made: Record, among: Callable[[Record], bool] = lambda _: True) -> Record:
        with self.lock:
            names = {one["display_name"] for one in kept.records.values() if among(one)}
            if made["display_name"] in names:
                message = f"Already exist error: Failed to create a new {kept.title.lower()}. The name "
                raise Refused(f"{message}{made['display_name']} already exists", HTTPStatus.CONFLICT)
            return kept.keep(made)

    # --- runs ---------------------------------------------------------------------------------------------------------

    def _add_run(self, body: Any) -> Record:
        check("V2beta1Run", body)
        spec, asked = self._asked(body)
        own = {"run_id": new_id(), "created_at": (at := now()), "scheduled_at": at, "storage_state": "AVAILABLE"}
        return _finished(self.runs.begin({**own, **asked}, spec))

    def _asked(self, body: Record) -> tuple[dict[str, Any], Record]:
        """Of a run or a schedule: its spec, and what else it says. Raises `Refused`."""
        kept = ("display_name", "description", "pipeline_version_reference", "runtime_config", "service_account")
        found = {name: body[name] for name in (*kept, "pipeline_spec") if body.get(name)}
        if not found.get("display_name"):
            raise Refused("the display name is empty")
        found["experiment_id"] = self._experiment(body.get("experiment_id") or "")
        spec = self._spec_of(found)
        check_parameters(spec, found.get("runtime_config", {}).get("parameters") or {})
        return spec, found

    def _experiment(self, asked: str) -> str:
        if asked:
            return str(self.experiments.get(asked)["experiment_id"])
        return next(key for key, one in self.experiments.records.items() if one["display_name"] == "Default")

    def _spec_of(self, found: Record) -> dict[str, Any]:
        reference, inline = found.get("pipeline_version_reference") or {}, found.get("pipeline_spec")
        if bool(reference) == bool(inline):
            raise Refused("either a pipeline_version_reference or a pipeline_spec is to be said")
        if inline:
            return split(inline)
        pipeline, version = reference.get("pipeline_id", ""), reference.get("pipeline_version_id", "")
        self.pipelines.get(pipeline)
        if not version:
            known = self._list_versions({"sort_by": "created_at desc"}, pipeline).get("pipeline_versions")
            if not known:
                raise Refused(f"pipeline {pipeline} has no version", HTTPStatus.NOT_FOUND)
            version = known[0]["pipeline_version_id"]
            reference["pipeline_version_id"] = version
        return split(self._version(pipeline, version)["pipeline_spec"])

    def _scheduled(self, schedule: Record, moment: str) -> Record:
        own = {"run_id": new_id(), "created_at": now(), "scheduled_at": moment, "storage_state": "AVAILABLE"}
        spec, asked = self._asked({**schedule, "display_name": f"{schedule['display_name']}-{moment}"})
        return self.runs.begin({**own, **asked, "recurring_run_id": schedule["recurring_run_id"]}, spec)

    def _list_runs(self, query: Query) -> Record:
        return _each(self.runs.kept.page("runs", query, only=_of_experiment(query)), "runs", _finished)

    def _bare(self, run: str) -> Record:
        return self.runs.kept.get(run)

    def _run(self, run: str) -> Record:
        found = self._bare(run)
        details = self.runs.details(found)
        return _finished(found) | ({"run_details": {"task_details": details}} if details else {})

    def _log(self, run: str, pod: str) -> bytes | Path:
        """KFP says that all is well before it looks: why it has none is in the answer then."""
        found = self.runs.log(run, pod)
        if isinstance(found, Path):
            return found
        return json.dumps({"error_message": found, "error_details": found}).encode()

    def _refuse_retry(self, _: Query, run: str) -> Record:
        self._bare(run)
        raise Refused("this server retries no runs: kfp.local has no way to go on with one", HTTPStatus.NOT_IMPLEMENTED)

    # --- schedules ----------------------------------------------------------------------------------------------------

    def _add_schedule(self, body: Any) -> Record:
        check("V2beta1RecurringRun", body)
        check_trigger(body.get("trigger") or {})
        most = body.get("max_concurrency") or ""
        if not most.isdecimal() or not 1 <= int(most) <= 10:
            raise Refused("max_concurrency is to be from 1 to 10")
        _refuse_namespace(body)
        _, asked = self._asked(body)
        mode = body.get("mode") or "MODE_UNSPECIFIED"
        if mode == "MODE_UNSPECIFIED":
            raise Refused("the mode is to be ENABLE or DISABLE")
        made = {
            "recurring_run_id": new_id(),
            **asked,
            "trigger": body["trigger"],
            "max_concurrency": most,
            "mode": mode,
        }
        made |= {"status": _status(mode), "no_catchup": bool(body.get("no_catchup")), "created_at": now()}
        return schedules.told(self.schedules.keep(made))

    def _list_schedules(self, query: Query) -> Record:
        found = self.schedules.page("recurringRuns", query, only=_of_experiment(query))
        return _each(found, "recurringRuns", schedules.told)

    def _switch(self, schedule: str, mode: str) -> Record:
        with self.lock:
            found = self.schedules.get(schedule)
            found |= {"mode": mode, "status": _status(mode), "updated_at": now()}
            self.schedules.keep(found)
        return {}


def _each(page: Record, name: str, told: Callable[[Record], Record]) -> Record:
    return page | ({name: [told(one) for one in page[name]]} if name in page else {})


def _finished(run: Record) -> Record:
    """With a time of its end, whatever: KFP tells of one that has none by the first of all times."""
    return {"finished_at": NOT_PLANNED, **without(run, OWN)}


def _of_experiment(query: Query) -> Callable[[Record], bool]:
    asked = query.get("experiment_id")
    return lambda one: asked in (None, "", one["experiment_id"])


def _status(mode: str) -> str:
    return "ENABLED" if mode == "ENABLE" else "DISABLED"


def _name(query: Query) -> str:
    name = query.get("name", "")
    if not _NAME.fullmatch(name):
        raise Refused(f"the name is to be of small letters, digits, - and .: {name[:200]}")
    return name


def _only(query: Query, known: tuple[str, ...]) -> None:
    for name in query:
        if name not in known:
            raise Refused(f"unknown parameter {name}")


def _refuse_namespace(said: Record) -> None:
    if said.get("namespace"):
        raise Refused("In single-user mode, a namespace is not to be said")
