"""What Kubeflow and Vertex AI refuse, or would take for something else: told before anything is emitted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from msgspec import UNSET

from pipeglot.compilers import elsewhere
from pipeglot.compilers.base import Source
from pipeglot.compilers.kfp import params, schedules
from pipeglot.compilers.kfp.containers import accelerator, secret_place
from pipeglot.compilers.kfp.names import CHANNEL
from pipeglot.compilers.kfp.spec import Spec, spec
from pipeglot.compilers.kfp.stack import IMAGE, KfpStack, VertexStack, step_words
from pipeglot.core.errors import Problem
from pipeglot.core.features import PARAM
from pipeglot.core.ir import Step
from pipeglot.core.lineage.plan import Plan


class Dialect(NamedTuple):
    """Who reads the spec, and how much of it.

    title: what people call it. largest: the bytes that a spec may have, as JSON; 0 if nobody says. params: the bytes
    that all parameters of a run may have; 0 if nobody says. source: who says so.
    """

    title: str
    largest: int
    params: int
    source: str


KFP = Dialect(
    "Kubeflow",
    largest=1_000_000,
    params=10_000,
    source="the engine keeps a run in one object of Kubernetes, of 1.5 MiB, with more in it than the spec "
    "(kubeflow/pipelines#13738); the API server takes 10,000 bytes of parameters",
)
VERTEX = Dialect("Vertex AI", largest=0, params=0, source="Google's pages on quotas name neither")

_SECRET = re.compile(r"([a-z0-9][a-z0-9.-]{0,252})/([A-Za-z0-9._-]{1,253})")
"""Its name in Kubernetes, and the key in it."""
_PLACEHOLDER = "{{"
"""KFP and Argo take what begins so for something to be filled in."""


def problems(source: Source, stack: KfpStack | VertexStack, dialect: Dialect) -> Iterator[Problem]:
    """Everything of a pipeline that this one cannot take."""
    plan = Plan(source.pipeline)
    yield from elsewhere.problems(source, stack, plan, dialect.title)
    images = list(_images(source, stack, plan))
    yield from images
    yield from _schedule(source, stack)
    yield from _secrets(stack)
    yield from _params(source, stack, dialect)
    if isinstance(stack, VertexStack):
        yield from _vertex(source, stack, plan)
    if not images and source.pipeline.nodes:
        yield from _whole(spec(source, stack), stack, dialect)
    elif not source.pipeline.nodes:
        yield Problem(stack.backend, f"pipeline `{source.pipeline.name}` has no steps, and {dialect.title} takes none")


def notes(source: Source, stack: KfpStack | VertexStack) -> Iterator[Problem]:
    """What is worth a word: an image that may be another one tomorrow."""
    images = {_image(stack, step): None for step in Plan(source.pipeline).steps()}
    moving = [image for image in images if "@sha256:" not in image]
    if moving:
        shown = ", ".join(f"`{image}`" for image in moving[:3]) + (f" and {len(moving) - 3} more" if moving[3:] else "")
        told = f"stack `{stack.name}`: {shown} may be another image tomorrow"
        yield Problem(stack.backend, told, None, "name an image with its digest: `NAME@sha256:…`")


def _image(stack: KfpStack | VertexStack, step: Step) -> str:
    return step_words(stack, step.id, step.tags).image or step.image or stack.image


def _images(source: Source, stack: KfpStack | VertexStack, plan: Plan) -> Iterator[Problem]:
    """Each step has one; what only lists items or asks a condition runs in the stack's, or in that of a step in it."""
    for step in plan.steps():
        at = source.locations.get(step.id)
        image = _image(stack, step)
        if not image:
            hint = f"say in pipeglot.yaml: `{stack.name}: {{…, image: …}}`; or of a step, `@step(image=…)`"
            yield Problem(stack.backend, f"`{step.id}` has no image to run in", at, hint)
        elif not IMAGE.fullmatch(image):
            hint = "letters, digits and `._/:@-` make one"
            yield Problem(stack.backend, f"`{step.id}` cannot run in `{image[:60]}`, which is no image", at, hint)


def _schedule(source: Source, stack: KfpStack | VertexStack) -> Iterator[Problem]:
    schedule = source.pipeline.schedule
    if isinstance(stack, KfpStack) and schedule is not None and not schedule.assets:
        found = schedules.problem(schedule)
        if found is not None:
            yield found


def _secrets(stack: KfpStack | VertexStack) -> Iterator[Problem]:
    for name, place in stack.secrets.items():
        if place.startswith("k8s:") and not _SECRET.fullmatch("/".join(secret_place(place))):
            yield Problem(
                stack.backend,
                f"stack `{stack.name}`: secret `{name}` names no secret of Kubernetes",
                None,
                "write its name and its key, as `k8s:warehouse/password`",
            )


def _params(source: Source, stack: KfpStack | VertexStack, dialect: Dialect) -> Iterator[Problem]:
    size = 0
    for one in source.pipeline.params:
        at = source.locations.get(PARAM + one.name)
        default = params.definition(one).get("defaultValue")
        text = json.dumps(default, ensure_ascii=False) if one.default is not UNSET else ""
        size += len(text.encode())
        if one.name.startswith(CHANNEL):
            told = f"parameter `{one.name}` has a name that {dialect.title} keeps for itself"
            yield Problem(stack.backend, told, at, "give it another name")
        if _PLACEHOLDER in text:
            yield Problem(
                stack.backend,
                f"the default of parameter `{one.name}` has `{_PLACEHOLDER}` in it, "
                f"which {dialect.title} would take for something to fill in",
                at,
                "read such a text from a file of the project, in a step",
            )
    if dialect.params and size > dialect.params:
        yield Problem(
            stack.backend,
            f"the parameters' defaults have {size:,} bytes, and {dialect.title} takes {dialect.params:,} in all",
            None,
            "keep what is large in a file of the project, or take it as an `Artifact`",
        )


def _vertex(source: Source, stack: VertexStack, plan: Plan) -> Iterator[Problem]:
    for name in ("project", "location", "pipeline_root"):
        if not getattr(stack, name):
            hint = f"say in pipeglot.yaml: `{stack.name}: {{…, {name}: …}}`"
            yield Problem("vertex", f"stack `{stack.name}` does not say its `{name}`", None, hint)
    for step in plan.steps():
        if step.resources is not None and step.resources.gpu and not accelerator(stack, step):
            yield Problem(
                "vertex",
                f"`{step.id}` asks for a GPU, and Vertex AI has to be told which",
                source.locations.get(step.id),
                'name it, as `Resources(gpu=1, accelerator="t4")`; or in pipeglot.yaml, '
                f"as `steps: {{{step.id}: {{accelerator: NVIDIA_TESLA_T4}}}}`",
            )


def _whole(found: Spec, stack: KfpStack | VertexStack, dialect: Dialect) -> Iterator[Problem]:
    """What only the whole spec shows: its size, and what KFP would fill in."""
    size = len(json.dumps(found.pipeline, ensure_ascii=False, separators=(",", ":")).encode())
    if dialect.largest and size > dialect.largest:
        yield Problem(
            stack.backend,
            f"the pipeline's spec has {size:,} bytes, and {dialect.title} takes about {dialect.largest:,}",
            None,
            "map over a list in place of so many steps, or make several pipelines of it",
        )
    if _PLACEHOLDER in stack.store or any(_PLACEHOLDER in place for place in stack.secrets.values()):
        told = (
            f"stack `{stack.name}` has `{_PLACEHOLDER}` in its store or a secret, which {dialect.title} would fill in"
        )
        yield Problem(stack.backend, told, None, "`${VARIABLE}` names a variable where tasks run")
