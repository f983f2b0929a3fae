"""Steps in pods of Kubernetes: the words of each, and what stands against them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipeglot.compilers.airflow.stack import AirflowStack
from pipeglot.compilers.airflow.tasks import Task
from pipeglot.compilers.base import Source
from pipeglot.compilers.elsewhere import without_image
from pipeglot.compilers.kubernetes import cores, memory, secret_place, unnamed_secrets
from pipeglot.compilers.python_text import WIDTH, Code, call, literal, named
from pipeglot.core.errors import Location, Problem
from pipeglot.core.ir import Branch, Resources, Step
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.stack import IMAGE

POD = "KubernetesPodOperator"


def pod(task: Task, name: str, image: str, stack: AirflowStack) -> str:
    """What is the same for all pods, told of this one: `**pod("train")`. name: what it is called in its group."""
    words = [literal(one) for one in dict.fromkeys((name, task.node if task.kind != "outcome" else name))]
    if task.kind != "step":
        words.append(f"do={literal(task.kind)}")
    if task.over:
        words.append("item=True")
    if image != stack.image:
        words.append(f"image={literal(image)}")
    return f"**pod({', '.join(words)})"


def defaults(stack: AirflowStack) -> dict[str, bool]:
    """What `default_args` may say otherwise. Of a pod that failed, what happened to it is told, and not all its words:
    the log has the reason, and that stands last."""
    return {"log_pod_spec_on_failure": False, "log_events_on_failure": True} if stack.run == "pod" else {}


def image_of(step: Step | None, stack: AirflowStack) -> str:
    """The step's own goes before the stack's."""
    return (step.image if step is not None else None) or stack.image


def words(step: Step, stack: AirflowStack, variables: Mapping[str, str], indent: int) -> dict[str, Any]:
    """What a step asks of its pod. variables: of each secret of Kubernetes, the variable that it comes in."""
    found: dict[str, Any] = {}
    if step.resources is not None and (asked := _resources(step.resources)):
        head = "container_resources=V1ResourceRequirements"
        text = call(head, named(asked, indent=indent), indent=indent, tail=",").strip()
        found["container_resources"] = Code(text.partition("=")[2].removesuffix(","))
    secrets = [
        Code(f"Secret({', '.join(map(literal, ('env', variables[name], *secret_place(stack.secrets[name]))))})")
        for name in step.secrets
        if name in variables
    ]
    return found | ({"secrets": secrets} if secrets else {})


def doc(step: Step, indent: int) -> str:
    """The first line of its docstring, or as many words of it as there is room for."""
    text = step.doc.strip().partition("\n")[0].rstrip()
    room = WIDTH - indent - len("doc_md=,")
    while len(literal(text)) > room:
        shown = text.removesuffix("…").rstrip()
        text = f"{shown.rpartition(' ')[0].rstrip() or shown[:-1]}…"
    return text


def _resources(asked: Resources) -> dict[str, dict[str, str]]:
    """Of GPUs a pod gets as many as its limit says, and no request of its own."""
    requests = {}
    if asked.cpu is not None:
        requests["cpu"] = cores(asked.cpu)
    if asked.memory is not None:
        requests["memory"] = memory(asked.memory)
    limits = {"nvidia.com/gpu": str(asked.gpu)} if asked.gpu else {}
    given = {"requests": requests, "limits": limits}
    return {name: one for name, one in given.items() if one}


# --- what stands against it -------------------------------------------------------------------------------------------


def problems(source: Source, stack: AirflowStack, plan: Plan) -> Iterator[Problem]:
    """Everything about pods: that they lack, or that nobody has asked for."""
    if stack.run == "task":
        yield from _without(stack)
        return
    if "${" in stack.python:
        yield Problem(
            "airflow",
            f"stack `{stack.name}`: `python: {stack.python[:60]}` names a variable, and its steps run in pods",
            None,
            "write the full path in the image, or leave it out: `python` is looked for there then",
        )
    yield from _secrets(stack)
    yield from _images(source, stack, plan)


def _without(stack: AirflowStack) -> Iterator[Problem]:
    """What only pods have."""
    for name in ("image", "namespace", "service_account", "kubernetes_conn_id"):
        if getattr(stack, name):
            yield _only_pods(stack, f"says `{name}:`")
    for name, own in stack.steps.items():
        for word in ("node_selector", "tolerations"):
            if getattr(own, word):
                yield _only_pods(stack, f"says `{word}` of `{name[:60]}`")
    for name, place in stack.secrets.items():
        if place.startswith("k8s:"):
            yield _only_pods(stack, f"has secret `{name}` in Kubernetes")


def _only_pods(stack: AirflowStack, says: str) -> Problem:
    why = "and its steps run in Airflow's own tasks"
    return Problem("airflow", f"stack `{stack.name}` {says}, {why}", None, "say `run: pod`, or take it out")


def _secrets(stack: AirflowStack) -> Iterator[Problem]:
    for name, place in stack.secrets.items():
        if place.startswith("airflow:"):
            yield Problem(
                "airflow",
                f"stack `{stack.name}` has secret `{name}` in Airflow, which pods do not reach",
                None,
                "name a secret of Kubernetes: `k8s:NAME/KEY`",
            )
    yield from unnamed_secrets(stack)


def _images(source: Source, stack: AirflowStack, plan: Plan) -> Iterator[Problem]:
    without: list[tuple[str, Location | None]] = []
    for id_, place in plan.places.items():
        node, at = place.node, source.locations.get(id_)
        what = f"the condition of branch `{id_}`" if isinstance(node, Branch) else f"`{id_}`"
        if not isinstance(node, Step) and (not isinstance(node, Branch) or place.scope):
            continue
        if not re.search("[A-Za-z0-9]", id_.rpartition(".")[2]):
            hint = "Kubernetes names it after the step: give it a letter"
            yield Problem("airflow", f"{what} has no letter or digit in its name, and runs in a pod", at, hint)
        image = image_of(node if isinstance(node, Step) else None, stack)
        if not image:
            without.append((what, at))
        elif not IMAGE.fullmatch(image):
            hint = "letters, digits and `._/:@-` make one"
            yield Problem("airflow", f"{what} cannot run in `{image[:60]}`, which is no image", at, hint)
    yield from without_image(without, source, stack)
