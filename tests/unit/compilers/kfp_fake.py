"""KFP's API as its deployer sees it, in this process: a server that refuses what the API does not have.

It is the sandbox's own, which holds every request against the published definition, and here its answers too. It starts
nothing: a test says what becomes of runs.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from msgspec import structs

from pipeglot.compilers.base import File, Source
from pipeglot.compilers.kfp.local.api import Api
from pipeglot.compilers.kfp.local.fields import check
from pipeglot.compilers.kfp.local.server import Server
from pipeglot.core.ir import Pipeline, Schedule
from tests.unit.lineage.build import step

PIPELINE = Pipeline(name="flights", doc="All flights.", nodes=(step("a"),))
DAILY = structs.replace(PIPELINE, schedule=Schedule(cron="0 6 * * *"))
PARAMETERS = {
    "year": {"parameterType": "NUMBER_INTEGER", "defaultValue": 2013},
    "names": {"parameterType": "LIST", "isOptional": True},
    "day": {"parameterType": "STRING", "isOptional": True},
    "pipeglot": {"parameterType": "STRUCT", "defaultValue": {}},
}
TASKS = {"a": {"componentRef": {"name": "comp-a"}, "taskInfo": {"name": "a"}}}
LOOPED = {"in-b": {"componentRef": {"name": "comp-b"}, "taskInfo": {"name": "in.b"}}}
SPEC = {
    "pipelineInfo": {"name": "flights"},
    "schemaVersion": "2.1.0",
    "root": {
        "inputDefinitions": {"parameters": PARAMETERS},
        "dag": {"tasks": {**TASKS, "loop": {"componentRef": {"name": "comp-loop"}}}},
    },
    "deploymentSpec": {"executors": {"a": {"container": {"args": ["step", "a", "--json=day,night"]}}, "b": {}}},
    "components": {
        "comp-a": {"executorLabel": "a"},
        "comp-b": {"executorLabel": "b"},
        "comp-loop": {"dag": {"tasks": LOOPED}},
    },
}


_MODELS = {
    "experiments": "Experiment",
    "pipelines": "Pipeline",
    "versions": "PipelineVersion",
    "runs": "Run",
    "recurringruns": "RecurringRun",
}


def _model_of(method: str, path: str) -> str:
    """The published message that such a request is answered with; none if it has nothing to tell."""
    if not path:
        return ""
    if path == "healthz":
        return "V2beta1GetHealthzResponse"
    if method == "DELETE" or ":" in path or path.endswith("/log"):
        return ""
    if path.startswith("pipelines/upload"):
        return "V2beta1PipelineVersion" if path.endswith("_version") else "V2beta1Pipeline"
    words = path.split("/")
    is_list = method == "GET" and len(words) % 2
    name = _MODELS[words[-1 if len(words) % 2 else -2]]
    return f"V2beta1List{name}sResponse" if is_list else f"V2beta1{name}"


class Fake:
    """A KFP that answers at `url`; `asked` has the method, path and body of what changed something."""

    def __init__(self, folder: Path) -> None:
        self.api = Api(folder, 0)
        self.http = Server(0, self.api, "secret")
        self.asked: list[tuple[str, str]] = []
        real = self.api.find

        def find(method: str, path: str) -> Any:
            if method != "GET":
                self.asked.append((method, path.removeprefix("/apis/v2beta1")))
            route, words = real(method, path)

            def answer(*asked: Any) -> Any:
                found = route(*asked)
                model = _model_of(method, path.partition("/apis/v2beta1/")[2])
                if model:
                    check(model, found)
                return found

            return answer, words

        self.api.find = find  # type: ignore[method-assign]  # it notes what was asked
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}"

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()

    def become(self, run: str, state: str) -> None:
        self.api.runs._set(self.api.runs.kept.get(run), state)

    @property
    def schedules(self) -> list[dict[str, Any]]:
        return list(self.api.schedules.records.values())


def files(version: str) -> tuple[File, ...]:
    return (File("flights.yaml", f"# {version}\n{json.dumps(SPEC)}\n", version),)


def source(pipeline: Pipeline = PIPELINE) -> Source:
    return Source(pipeline, "flights.py:flights", "0" * 64)
