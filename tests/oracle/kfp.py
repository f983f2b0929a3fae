"""KFP as hard as it can be: it runs an emitted spec by the rules of its two engines, in any order that these allow.

On Kubeflow a task begins only if all before it have succeeded, and none does in a DAG where one has failed. On Vertex
AI it may be told to begin when all before it are over. Numbers arrive as doubles on both.
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any, Literal
from unittest import mock

import yaml

from pipeglot.compilers.base import Source
from pipeglot.compilers.kfp import worker
from pipeglot.compilers.kfp.compiler import spec_text
from pipeglot.compilers.kfp.stack import KfpStack, VertexStack
from pipeglot.core.ir import Pipeline
from pipeglot.core.lineage.keys import run_id
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.store import open_store
from pipeglot.core.task import installed, places
from tests.oracle.engine import Here

Dialect = Literal["kfp", "vertex"]
_CONDITION = re.compile(r"inputs\.parameter_values\['([^']+)'\] == '(\w+)'")


def in_specs(
    pipeline: Pipeline, given: dict[str, Any], folder: Path, chance: random.Random, dialect: Dialect, most: int = 100
) -> tuple[str, bool]:
    """Run its spec. Returns the run's id, and whether the engine shows a success."""
    store = str(folder / "store")
    ledger = Ledger(open_store(store))
    common: dict[str, Any] = {"name": "far", "store": store, "image": "x", "code": "installed", "max_map_length": most}
    stack = KfpStack(**common) if dialect == "kfp" else VertexStack(**common)
    text = spec_text(Source(pipeline, "made.py", ledger.put_ir(pipeline)), stack)
    spec = next(iter(yaml.load_all(text, yaml.CSafeLoader)))
    engine = Engine(spec, folder, chance, dialect)
    with mock.patch.object(places, "Bench", Here), mock.patch.object(installed, "refuse_other_code"):
        engine.given = engine.defaults() | json.loads(json.dumps(given), parse_int=float)
        is_good = engine.dag(spec["root"], engine.given)
    return run_id("far", pipeline.name, engine.run), is_good


class Engine:
    def __init__(self, spec: dict[str, Any], folder: Path, chance: random.Random, dialect: Dialect) -> None:
        self.spec = spec
        self.folder = folder
        self.chance = chance
        self.dialect = dialect
        self.run = str(chance.random())
        self.given: dict[str, Any] = {}
        self.count = 0

    def defaults(self) -> dict[str, Any]:
        inputs = self.spec["root"]["inputDefinitions"]["parameters"]
        return {name: one["defaultValue"] for name, one in inputs.items() if "defaultValue" in one}

    def dag(self, component: dict[str, Any], inputs: dict[str, Any]) -> bool:
        """Run all tasks of one. Returns whether it has gone well."""
        tasks = component["dag"]["tasks"]
        states: dict[str, str] = {}
        outputs: dict[str, Any] = {}
        while len(states) < len(tasks):
            ready = [
                name
                for name, task in tasks.items()
                if name not in states and all(one in states for one in task.get("dependentTasks", ()))
            ]
            assert ready, "nothing is ready, and not all is over"
            name = self.chance.choice(ready)
            states[name] = self.task(tasks[name], inputs, states, outputs, name)
        return "failed" not in states.values()

    def task(
        self, task: dict[str, Any], inputs: dict[str, Any], states: dict[str, str], outputs: dict[str, Any], name: str
    ) -> str:
        if not self.begins(task, states):
            return "omitted"
        found = self.inputs(task, inputs, outputs)
        policy = task.get("triggerPolicy", {}).get("condition", "")
        if policy and not any(found.get(one) == value for one, value in _CONDITION.findall(policy)):
            return "skipped"
        component = self.spec["components"][task["componentRef"]["name"]]
        if "parameterIterator" in task:
            return self.loop(task, component, found)
        if "dag" in component:
            return "succeeded" if self.dag(component, found) else "failed"
        for _ in range(1 + task.get("retryPolicy", {}).get("maxRetryCount", 0)):
            if self.container(component, found, outputs, name) == 0:
                return "succeeded"
        return "failed"

    def begins(self, task: dict[str, Any], states: dict[str, str]) -> bool:
        strategy = task.get("triggerPolicy", {}).get("strategy")
        if self.dialect == "vertex" and strategy == "ALL_UPSTREAM_TASKS_COMPLETED":
            return True
        assert strategy is None, "Kubeflow makes something else of it"
        stops = self.dialect == "kfp" and "failed" in states.values()
        return not stops and all(states[one] == "succeeded" for one in task.get("dependentTasks", ()))

    def inputs(self, task: dict[str, Any], inputs: dict[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, one in task.get("inputs", {}).get("parameters", {}).items():
            if "taskOutputParameter" in one:
                found[name] = outputs[one["taskOutputParameter"]["producerTask"]]
            elif "componentInputParameter" in one:
                is_given = one["componentInputParameter"] in inputs
                assert is_given or inputs is self.given, "Kubeflow brings no input into a DAG that was not given"
                if is_given:
                    found[name] = inputs[one["componentInputParameter"]]
            else:
                constant = one["runtimeValue"]["constant"]
                is_run = constant in ("{{$.pipeline_job_uuid}}", "{{$.pipeline_job_name}}")
                assert is_run or "{{" not in constant, "it would be filled in"
                found[name] = self.run if is_run else constant
        return found

    def loop(self, task: dict[str, Any], component: dict[str, Any], inputs: dict[str, Any]) -> str:
        """On Kubeflow, no further item begins once one has failed."""
        iterator = task["parameterIterator"]
        items = inputs[iterator["items"]["inputParameter"]]
        state = "succeeded"
        for item in self.chance.sample(items, len(items)):
            if not self.dag(component, {**inputs, iterator["itemInput"]: item}):
                state = "failed"
                if self.dialect == "kfp":
                    break
        return state

    def container(self, component: dict[str, Any], inputs: dict[str, Any], outputs: dict[str, Any], name: str) -> int:
        self.count += 1
        folder = self.folder / "kfp" / str(self.count)
        defined = component.get("outputDefinitions", {})
        given = {
            "inputs": {"parameterValues": inputs},
            "outputs": {
                "parameters": {one: {"outputFile": str(folder / one)} for one in defined.get("parameters", {})},
                "artifacts": {
                    one: {"artifacts": [{"name": one, "uri": f"gs://x/{one}"}]} for one in defined.get("artifacts", {})
                },
                "outputFile": str(folder / "executor_output.json"),
            },
        }
        container = self.spec["deploymentSpec"]["executors"][component["executorLabel"]]["container"]
        code = self.run_container([json.dumps(given) if word == "{{$}}" else word for word in container["args"]])
        for one, output in defined.get("parameters", {}).items():
            if (folder / one).exists():
                text = (folder / one).read_text()
                outputs[name] = text if output["parameterType"] == "STRING" else json.loads(text)
        return code

    def run_container(self, words: list[str]) -> int:
        """Do what it does. Returns the exit code."""
        return worker.main(words)
