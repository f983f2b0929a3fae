"""Pipelines compiled for KFP, as its tests read them."""

from __future__ import annotations

import json
from typing import Any

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from msgspec import structs

from pipeglot.compilers.base import Source
from pipeglot.compilers.kfp.compiler import KfpCompiler, VertexCompiler
from pipeglot.compilers.kfp.stack import KfpStack, VertexStack
from pipeglot.core.ir import Pipeline

IMAGE = f"ghcr.io/acme/steps@sha256:{'1' * 64}"
KFP = KfpStack(name="prod", store="s3://ml/prod", image=IMAGE)
VERTEX = VertexStack(
    name="prod", store="gs://ml/prod", image=IMAGE, project="acme", location="europe-west4", pipeline_root="gs://ml/v"
)


def source(pipeline: Pipeline) -> Source:
    return Source(pipeline, "p.py:p", "0" * 64, f"sha256:{'1' * 64}")


def documents(pipeline: Pipeline, stack: KfpStack | VertexStack = KFP, **changed: Any) -> list[dict[str, Any]]:
    """The documents of its file."""
    return list(yaml.safe_load_all(text(pipeline, stack, **changed)))


def text(pipeline: Pipeline, stack: KfpStack | VertexStack = KFP, **changed: Any) -> str:
    if isinstance(stack, KfpStack):
        return KfpCompiler().compile(source(pipeline), structs.replace(stack, **changed))[0].text
    return VertexCompiler().compile(source(pipeline), structs.replace(stack, **changed))[0].text


def problems(pipeline: Pipeline, stack: KfpStack | VertexStack = KFP, **changed: Any) -> list[str]:
    """What stands against it."""
    if isinstance(stack, KfpStack):
        found = KfpCompiler().check(source(pipeline), structs.replace(stack, **changed))
    else:
        found = VertexCompiler().check(source(pipeline), structs.replace(stack, **changed))
    return [one.message for one in found.problems]


def tasks(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """All tasks by name, whatever DAG they stand in."""
    dags = [spec["root"], *spec["components"].values()]
    return {name: task for one in dags for name, task in one.get("dag", {}).get("tasks", {}).items()}


def args(spec: dict[str, Any], task: str) -> list[str]:
    found: list[str] = spec["deploymentSpec"]["executors"][f"exec-{task}"]["container"]["args"]
    return found


def parsed(spec: dict[str, Any]) -> Any:
    """As KFP's own message: what it does not know is refused, and so is what it would read as something else."""
    message = json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
    config = pipeline_spec_pb2.PipelineDeploymentConfig()
    json_format.ParseDict(spec["deploymentSpec"], config)
    assert _sparse(json_format.MessageToDict(message)) == _sparse(spec)
    containers = [json.dumps(one, sort_keys=True) for one in spec["deploymentSpec"]["executors"].values()]
    assert len({*containers}) == len(containers), "Kubeflow's backend finds a component by what its container says"
    return message


def _sparse(value: Any) -> Any:
    """Without what a protobuf message does not write, for it is the default; a `Struct` keeps it."""
    if isinstance(value, dict):
        return {key: found for key, one in value.items() if (found := _sparse(one)) not in ({}, False, "")}
    if isinstance(value, list):
        return [_sparse(one) for one in value]
    return value
