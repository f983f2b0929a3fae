"""Vertex AI's API on this machine: it holds what it is asked, and what it answers, against the published definition.

It runs nothing: a test says what becomes of a job.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from pipeglot.compilers.kfp.local.fields import Refused as NotTaken
from pipeglot.compilers.kfp.local.specs import check_parameters
from tests.servers.vertex_definition import (
    JOB_ID,
    LABEL,
    Method,
    Refused,
    check_answer,
    check_query,
    check_request,
    method,
)

PROJECT, NUMBER, LOCATION = "my-project", "12345", "europe-west4"
"""The project as people write it, and by its number, as answers have it."""
PARENT = f"projects/{PROJECT}/locations/{LOCATION}"
OVER = ("SUCCEEDED", "FAILED", "CANCELLED")
BILLING = "vertex-ai-pipelines-run-billing-id"
"""A label that Vertex AI gives each job itself."""


class Asked(NamedTuple):
    """A request, and what it was answered with."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    status: int


class Vertex:
    """One project. Who has a token of `tokens` is let in.

    troubles: statuses that are given first, each with what `Retry-After` says; lost: answers that never arrive, though
    what was asked is done. begins: what is called with the id of each new job.
    """

    def __init__(self) -> None:
        self.tokens = {"secret"}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.schedules: dict[str, dict[str, Any]] = {}
        self.asked: list[Asked] = []
        self.troubles: list[tuple[int, str]] = []
        self.lost = 0
        self.begins: Callable[[str], None] = lambda _: None
        self._numbers = itertools.count(7)
        self._lock = threading.Lock()
        vertex = self

        class Handler(BaseHTTPRequestHandler):
            def _do(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                data = self.rfile.read(length)
                place = urlsplit(self.path)
                query = dict(parse_qsl(place.query, keep_blank_values=True))
                headers: dict[str, str] = {}
                with vertex._lock:
                    try:
                        status, content = 200, vertex.answer(self.command, place.path, query, data, dict(self.headers))
                    except Refused as refused:
                        status, content = refused.status, refused.body
                    except _Busy as busy:
                        status, content, headers = busy.status, busy.body, {"Retry-After": busy.pause}
                    body = json.loads(data) if data else None
                    vertex.asked.append(Asked(self.command, place.path, query, body, status))
                    if vertex.lost and status == 200:
                        vertex.lost -= 1
                        self.close_connection = True
                        return
                sent = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json; charset=UTF-8")
                self.send_header("Content-Length", str(len(sent)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(sent)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _do  # noqa: N815  # as the base class calls them

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}"

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()

    def changes(self) -> list[str]:
        """What has changed something: methods and paths below the location."""
        return [f"{one.method} {one.path.partition(LOCATION)[2]}" for one in self.asked if one.method != "GET"]

    # --- what becomes of jobs -----------------------------------------------------------------------------------------

    def become(self, job: str, state: str, tasks: Mapping[str, str] | None = None, error: str = "") -> None:
        """The state of a job; and of its tasks, each by its name in the spec, what they are in."""
        found = self.jobs[job]
        found |= {"state": f"PIPELINE_STATE_{state}", "updateTime": _now()}
        if state != "PENDING":
            found.setdefault("startTime", _now())
        if state in OVER:
            found["endTime"] = _now()
        if error or state == "CANCELLED":
            found["error"] = {"code": 9 if error else 1, "message": error or "The job was cancelled."}
        details = _details(found["pipelineSpec"], dict(tasks or {}), state)
        found["jobDetail"] = {"taskDetails": list(details)}

    # --- what is asked ------------------------------------------------------------------------------------------------

    def answer(self, verb: str, path: str, query: dict[str, str], data: bytes, headers: Mapping[str, str]) -> Any:
        if self.troubles:
            raise _Busy(*self.troubles.pop(0))
        asked = method(verb, path)
        self._let_in(headers.get("Authorization") or "", asked)
        check_query(asked, query)
        if data and headers.get("Content-Type") != "application/json":
            raise Refused("the body is no JSON")
        body = json.loads(data) if data else None
        check_request(asked, body)
        found = getattr(self, f"_{asked.name.replace('.', '_')}")(asked.names, query, body)
        check_answer(asked, found)
        return found

    def _let_in(self, authorization: str, asked: Method) -> None:
        token = authorization.removeprefix("Bearer ")
        if token not in self.tokens:
            raise Refused("Request had invalid authentication credentials.", 401)
        if (asked.names["projectsId"], asked.names["locationsId"]) != (PROJECT, LOCATION):
            raise Refused(f"Permission denied on resource project {asked.names['projectsId']}.", 403)

    def _pipelineJobs_create(self, names: dict[str, str], query: dict[str, str], body: Any) -> Any:  # noqa: N802
        name = query.get("pipelineJobId", "")
        if not JOB_ID.fullmatch(name):
            raise Refused(f"'{name}' is no id of a job")
        if name in self.jobs:
            raise Refused(f"PipelineJob {name} already exists.", 409)
        _check_job(body)
        place = f"projects/{NUMBER}/locations/{LOCATION}/pipelineJobs/{name}"
        labels = {**body.get("labels", {}), BILLING: "1"}
        self.jobs[name] = {**body, "name": place, "labels": labels, "createTime": _now(), "updateTime": _now()}
        self.jobs[name]["state"] = "PIPELINE_STATE_PENDING"
        self.begins(name)
        return dict(self.jobs[name])

    def _pipelineJobs_get(self, names: dict[str, str], query: dict[str, str], body: Any) -> Any:  # noqa: N802
        return self._job(names)

    def _pipelineJobs_list(self, names: dict[str, str], query: dict[str, str], body: Any) -> Any:  # noqa: N802
        found = [{key: one for key, one in job.items() if key != "jobDetail"} for job in self.jobs.values()]
        return _page("pipelineJobs", found, query)

    def _pipelineJobs_cancel(self, names: dict[str, str], query: dict[str, str], body: Any) -> Any:  # noqa: N802
        job = self._job(names)
        if job["state"].removeprefix("PIPELINE_STATE_") in OVER:
            raise Refused(f"the job is {job['state']}", 412)
        job["state"] = "PIPELINE_STATE_CANCELLING"
        return {}

    def _job(self, names: dict[str, str]) -> dict[str, Any]:
        if names["pipelineJobsId"] not in self.jobs:
            raise Refused(f"PipelineJob {names['pipelineJobsId']} is not found.", 404)
        return self.jobs[names["pipelineJobsId"]]

    # --- schedules ----------------------------------------------------------------------------------------------------

    def _schedules_create(self, names: dict[str, str], query: dict[str, str], body: Any) -> Any:
        _check_schedule(body)
        number = str(next(self._numbers))
        place = f"projects/{NUMBER}/locations/{LOCATION}/schedules/{number}"
        times = {"createTime": _now(), "updateTime": _now(), "nextRunTime": _now(), "startTime": _now()}
        self.schedules[number] = {**times, **body, "name": place, "state": "ACTIVE", "catchUp": False}
        return self.schedules[number]

    def _schedules_get(self, names: dict[str, str], query: dict[str, str], body: Any) -> Any:
        return self._schedule(names)

    def _schedules_list(self, names: dict[str, str], query: dict[str, str], body: Any) -> Any:
        wanted = re.fullmatch(r'display_name="([^"]*)"', query.get("filter", ""))
        if wanted is None and "filter" in query:
            raise Refused(f"Invalid filter: {query['filter']}")
        found = [one for one in self.schedules.values() if wanted is None or one["displayName"] == wanted[1]]
        return _page("schedules", found, query)

    def _schedules_patch(self, names: dict[str, str], query: dict[str, str], body: Any) -> Any:
        schedule = self._schedule(names)
        fields = [name for name in query.get("updateMask", "").split(",") if name]
        known = {"cron", "startTime", "endTime", "maxConcurrentRunCount", "maxRunCount", "displayName"}
        if not fields or {*fields} - known - {"createPipelineJobRequest", "allowQueueing"}:
            raise Refused(f"Invalid update mask: {','.join(fields)}")
        if schedule["state"] == "COMPLETED":
            raise Refused("only an active or a paused schedule can be updated", 412)
        if body.get("name", schedule["name"]) != schedule["name"]:
            raise Refused("the name of a schedule is immutable")
        _check_schedule(body)
        for name in fields:
            schedule.pop(name, None)
            schedule |= {name: body[name]} if name in body else {}
        return schedule

    def _schedules_pause(self, names: dict[str, str], query: dict[str, str], body: Any) -> Any:
        found = self._schedule(names)
        if found["state"] == "COMPLETED":
            raise Refused("A completed schedule cannot be paused.", 400)
        found["state"] = "PAUSED"
        return {}

    def _schedules_delete(self, names: dict[str, str], query: dict[str, str], body: Any) -> Any:
        schedule = self._schedule(names)
        del self.schedules[names["schedulesId"]]
        return {"name": f"{schedule['name']}/operations/1", "done": True, "response": {}}

    def _schedule(self, names: dict[str, str]) -> dict[str, Any]:
        if names["schedulesId"] not in self.schedules:
            raise Refused(f"Schedule {names['schedulesId']} is not found.", 404)
        return self.schedules[names["schedulesId"]]


class _Busy(Exception):
    def __init__(self, status: int, pause: str) -> None:
        super().__init__(pause)
        self.status = status
        self.pause = pause
        self.body = Refused("try later", status).body


def _page(name: str, found: list[Any], query: dict[str, str]) -> dict[str, Any]:
    first, size = int(query.get("pageToken", "0")), min(int(query.get("pageSize", "50")), 100)
    page = {name: found[first : first + size]} if found else {}
    return page | ({"nextPageToken": str(first + size)} if first + size < len(found) else {})


def _check_job(body: Any) -> None:
    """What is no matter of types."""
    for key, value in body.get("labels", {}).items():
        if (
            key == BILLING
            or not LABEL.fullmatch(key)
            or not LABEL.fullmatch(value)
            or f"{key}{value}".lower() != f"{key}{value}"
        ):
            raise Refused(f"Invalid label: {key}={value}")
    spec, config = body.get("pipelineSpec", {}), body.get("runtimeConfig", {})
    if not config.get("gcsOutputDirectory", "").startswith("gs://"):
        raise Refused("'runtimeConfig.gcsOutputDirectory' is to be a bucket")
    if spec.get("schemaVersion") != "2.1.0":
        raise Refused(f"schema version {spec.get('schemaVersion')} has no parameterValues")
    try:
        json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
        config_ = pipeline_spec_pb2.PipelineDeploymentConfig()
        json_format.ParseDict(spec["deploymentSpec"], config_)
        check_parameters(spec, config.get("parameterValues", {}))
    except (json_format.ParseError, NotTaken) as error:
        raise Refused(f"Invalid pipeline spec: {error}") from None


def _check_schedule(body: Any) -> None:
    request = body.get("createPipelineJobRequest", {})
    if request.get("parent") != PARENT:
        raise Refused("'createPipelineJobRequest.parent' is another one's")
    if "pipelineJobId" in request:
        raise Refused("each run of a schedule has an id of its own")
    _check_job(request["pipelineJob"])
    zone, _, line = (
        body.get("cron", "").partition(" ") if "TZ=" in body.get("cron", "") else ("", "", body.get("cron", ""))
    )
    try:
        ZoneInfo(zone.partition("=")[2] or "UTC")
    except (ValueError, KeyError):
        raise Refused(f"Invalid time zone: {zone}") from None
    if not re.fullmatch(r"(?:[\d*/,-]+ ){4}[\d*/,-]+", line):
        raise Refused(f"Invalid cron: {body.get('cron')}")
    if int(body.get("maxConcurrentRunCount", "0")) < 1:
        raise Refused("'maxConcurrentRunCount' is to be at least 1")
    times = [dt.datetime.fromisoformat(body[name]) for name in ("startTime", "endTime") if name in body]
    if times != sorted(times):
        raise Refused("'endTime' is before 'startTime'")


def _details(spec: Mapping[str, Any], states: dict[str, str], state: str) -> Iterator[dict[str, Any]]:
    """What Vertex AI tells of tasks: of the pipeline itself, of those that have begun, and of each its parent."""
    numbers = itertools.count(1001)
    root = str(next(numbers))
    yield _detail(
        root, spec["pipelineInfo"]["name"], {"SUCCEEDED": "SUCCEEDED", "FAILED": "FAILED"}.get(state, "RUNNING")
    )
    yield from _details_in(spec, spec["root"], root, states, numbers)
    assert not states, f"the spec has no {[*states]}"


def _details_in(
    spec: Mapping[str, Any], dag: Mapping[str, Any], parent: str, states: dict[str, str], numbers: Iterator[int]
) -> Iterator[dict[str, Any]]:
    for name, task in dag["dag"]["tasks"].items():
        component = spec["components"][task["componentRef"]["name"]]
        number = str(next(numbers))
        if name in states:
            tries, _, now = states.pop(name).rpartition(" ")
            yield {**_detail(number, name, now, int(tries or 0), "dag" in component), "parentTaskId": parent}
        if "dag" in component:
            yield from _details_in(spec, component, number, states, numbers)


def _detail(number: str, name: str, state: str, failed: int = 0, is_dag: bool = True) -> dict[str, Any]:
    """failed: tries before the one that it tells of."""
    place = f"projects/{NUMBER}/locations/{LOCATION}/customJobs/{number}"
    found: dict[str, Any] = {"taskId": number, "taskName": name, "state": state, "createTime": _now()}
    found["pipelineTaskStatus"] = [{"updateTime": _now(), "state": state}]
    if state not in ("PENDING", "NOT_TRIGGERED"):
        found["startTime"] = _now()
    if state in ("SUCCEEDED", "FAILED", "CANCELLED", "SKIPPED"):
        found["endTime"] = _now()
    if state == "FAILED":
        found["error"] = {
            "code": 9,
            "message": f"The DAG failed because some tasks failed. The failed tasks are: [{name}].",
        }
    if not is_dag and state != "NOT_TRIGGERED":
        now = {"mainJob": f"{place}{failed}"} if state != "PENDING" else {}
        earlier = {"failedMainJobs": [f"{place}{one}" for one in range(failed)]} if failed else {}
        found["executorDetail"] = {"containerDetail": {**now, **earlier}}
    return found


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat().replace("+00:00", "Z")
