"""KFP's API as its deployer sees it, in this process: a server that refuses what the API does not have.

It is the sandbox's own, which holds every request against the published definition; here it starts nothing, and a test
says what becomes of runs.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from msgspec import structs

from pipeglot.compilers.base import File, Source
from pipeglot.compilers.kfp.local.api import Api
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
            return real(method, path)

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
