"""What runs a task: its image, what it asks of a machine, and on Kubeflow what only Kubernetes knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import msgspec
from msgspec import structs

from pipeglot.compilers.base import Source, deployed
from pipeglot.compilers.kfp.params import texts
from pipeglot.compilers.kfp.stack import KfpStack, VertexStack, step_words
from pipeglot.compilers.kfp.tasks import Task
from pipeglot.compilers.kfp.yaml_text import Repeated
from pipeglot.compilers.kubernetes import cores, memory, secret_place, variables
from pipeglot.core.ir import Resources, Step
from pipeglot.core.lineage.plan import inner_steps

COMMAND = ["python3", "-m", "pipeglot.compilers.kfp.worker"]
MARKER = "kfp.dsl.executor_main"
"""A word that `kfp.local` wants to see in what it runs; the worker passes over it."""

GPU = "nvidia.com/gpu"
"""What most clusters call their GPUs."""

VERTEX_GPUS = {
    "a100": "NVIDIA_TESLA_A100",
    "a100-80gb": "NVIDIA_A100_80GB",
    "h100": "NVIDIA_H100_80GB",
    "l4": "NVIDIA_L4",
    "p100": "NVIDIA_TESLA_P100",
    "p4": "NVIDIA_TESLA_P4",
    "t4": "NVIDIA_TESLA_T4",
    "v100": "NVIDIA_TESLA_V100",
}
"""What Vertex AI calls the GPUs that people name. Source: `AcceleratorType` of its API."""


class Containers:
    """The executors of a pipeline's tasks, on one stack."""

    def __init__(self, source: Source, stack: KfpStack | VertexStack) -> None:
        self.source = source
        self.stack = stack
        self.variables = variables(stack.secrets)

    def container(self, task: Task, *, named: bool = True) -> dict[str, Any]:
        """named: whether its arguments say which node it is for; an input does, where several tasks share one."""
        args = self._args(task, task.node if named else "")
        found: dict[str, Any] = {"image": self.image(task), "command": COMMAND, "args": args}
        if task.step is not None and task.step.resources is not None:
            asked = self._resources(task.step, task.step.resources)
            found |= {"resources": asked} if asked else {}
        return {"container": found}

    def image(self, task: Task) -> str:
        """The image of the step, or of the first one that hangs on a task; else the stack's."""
        step = task.step or self._first(task)
        if task.kind == "choose" or step is None:
            return self.stack.image or (self._own_image(step) if step is not None else "")
        return self._own_image(step)

    def platform(self, task: Task) -> dict[str, Any]:
        """What Kubernetes is told of a step's pods: secrets, and the nodes that they may run on."""
        step = task.step
        if step is None or not isinstance(self.stack, KfpStack):
            return {}
        secrets = [
            {"secretName": name, "keyToEnv": [{"secretKey": key, "envVar": self.variables[secret]}]}
            for secret in step.secrets
            if secret in self.variables
            for name, key in [secret_place(self.stack.secrets[secret])]
        ]
        labels = step_words(self.stack, step.id, step.tags).node_selector
        found = {"secretAsEnv": secrets, "nodeSelector": {"labels": labels} if labels else {}}
        return {name: one for name, one in found.items() if one}

    def _own_image(self, step: Step) -> str:
        return self.stack.image_of(step) or self.stack.image

    def _first(self, task: Task) -> Step | None:
        """The first step of the map that it lists, of the branch, or of all."""
        nodes = self.source.pipeline.nodes
        if task.kind == "list":
            nodes = (self._maps[task.node],)
        return next((step for node in nodes for step in inner_steps(node)), None)

    @cached_property
    def _maps(self) -> Mapping[str, Any]:
        from pipeglot.core.lineage.plan import Plan

        return {name: place.node for name, place in Plan(self.source.pipeline).maps.items()}

    # --- what it is told ----------------------------------------------------------------------------------------------

    def _args(self, task: Task, node: str) -> list[str]:
        words: list[str] = [task.kind, node] if node else [task.kind]
        if task.kind == "list":
            words.append(f"--most={self.stack.max_map_length}")
        if task.mute:
            words.append("--mute")
        if task.first and self._texts:
            words.append(f"--json={','.join(self._texts)}")
        return [*words, self._pipeline, "{{$}}", MARKER]

    @cached_property
    def _texts(self) -> list[str]:
        return texts(self.source.pipeline)

    @cached_property
    def _pipeline(self) -> str:
        """In each executor the same: whoever reads a change of the code sees one line of it."""
        found = deployed(self.source, self.stack)
        places = {name: f"env:{variable}" for name, variable in self.variables.items()}
        words = msgspec.to_builtins(structs.replace(found, secrets={**found.secrets, **places}))
        return Repeated(json.dumps(words, ensure_ascii=False, separators=(",", ":")), "pipeline")

    # --- what it asks for ---------------------------------------------------------------------------------------------

    def _resources(self, step: Step, asked: Resources) -> dict[str, Any]:
        """On Kubeflow at least so much, as on any Kubernetes; Vertex AI chooses a machine by the most."""
        bound = "Limit" if isinstance(self.stack, VertexStack) else "Request"
        found: dict[str, Any] = {}
        if asked.cpu is not None:
            found |= {f"cpu{bound}": float(asked.cpu), f"resourceCpu{bound}": cores(asked.cpu)}
        if asked.memory is not None:
            found |= {f"memory{bound}": asked.memory / 1e9, f"resourceMemory{bound}": memory(asked.memory)}
        if asked.gpu:
            kind, count = accelerator(self.stack, step), str(asked.gpu)
            found["accelerator"] = {"type": kind, "count": count, "resourceType": kind, "resourceCount": count}
        return found


def accelerator(stack: KfpStack | VertexStack, step: Step) -> str:
    """What the GPUs of a step are called there; empty if nobody says."""
    own = step_words(stack, step.id, step.tags).accelerator
    if own or isinstance(stack, KfpStack):
        return own or GPU
    asked = (step.resources.accelerator if step.resources is not None else None) or ""
    return VERTEX_GPUS.get(asked.lower().removeprefix("nvidia-"), asked)
