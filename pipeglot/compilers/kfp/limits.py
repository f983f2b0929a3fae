"""What Kubeflow and Vertex AI refuse, or would take for something else: told before anything is emitted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pipeglot.compilers import elsewhere
from pipeglot.compilers.base import Source
from pipeglot.compilers.kfp import schedules
from pipeglot.compilers.kfp.containers import accelerator
from pipeglot.compilers.kfp.names import CHANNEL
from pipeglot.compilers.kfp.spec import spec
from pipeglot.compilers.kfp.stack import KfpStack, VertexStack
from pipeglot.compilers.kfp.workflow import ARGO, KUBERNETES, workflow_size
from pipeglot.compilers.kubernetes import unnamed_secrets
from pipeglot.core.errors import Location, Problem
from pipeglot.core.features import PARAM
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.stack import IMAGE


class Dialect(NamedTuple):
    """Who reads the spec, and how much of it.

    title: what people call it. largest: the bytes that it takes of a run; 0 if nobody says. usual: those that it takes
    if nobody has set more. source: who says so.
    """

    title: str
    largest: int = 0
    usual: int = 0
    source: str = ""


KFP = Dialect(
    "Kubeflow",
    largest=KUBERNETES,
    usual=ARGO,
    source="its engine, Argo, keeps a run in one object of Kubernetes (kubeflow/pipelines#13738)",
)
VERTEX = Dialect("Vertex AI", source="Google's pages on quotas name no size")

EARLY = 0.6
"""The part of what is usual from which on its user is told."""

_SMALLER = "map over a list in place of so many steps, or make several pipelines of it"
_PLACEHOLDER = "{{"
"""KFP and Argo take what begins so for something to be filled in."""


def problems(source: Source, stack: KfpStack | VertexStack, dialect: Dialect) -> Iterator[Problem]:
    """Everything of a pipeline that this one cannot take."""
    plan = Plan(source.pipeline)
    yield from elsewhere.problems(source, stack, plan, dialect.title)
    images = list(_images(source, stack, plan))
    yield from images
    yield from _schedule(source, stack)
    yield from unnamed_secrets(stack)
    yield from _params(source, stack, dialect)
    if isinstance(stack, VertexStack):
        yield from _vertex(source, stack, plan)
    yield from _braces(stack, dialect)
    if dialect.largest and not images and source.pipeline.nodes:
        yield from _whole(source, stack, dialect)
    elif not source.pipeline.nodes:
        yield Problem(stack.backend, f"pipeline `{source.pipeline.name}` has no steps, and {dialect.title} takes none")


def notes(source: Source, stack: KfpStack | VertexStack, dialect: Dialect) -> Iterator[Problem]:
    """What is worth a word: an image that may be another one tomorrow, and a pipeline that is nearly too large."""
    images = {stack.image_of(step): None for step in Plan(source.pipeline).steps()}
    moving = [image for image in images if image and "@sha256:" not in image]
    if moving:
        shown = ", ".join(f"`{image}`" for image in moving[:3]) + (f" and {len(moving) - 3} more" if moving[3:] else "")
        told = f"stack `{stack.name}`: {shown} may be another image tomorrow"
        yield Problem(stack.backend, told, None, "name an image with its digest: `NAME@sha256:…`")
    size = workflow_size(spec(source, stack).pipeline) if dialect.usual else 0
    if size > EARLY * dialect.usual:
        yield Problem(
            stack.backend,
            f"a run of this pipeline is an object of about {size:,} bytes in {dialect.title}, whose engine takes"
            f" {dialect.usual:,} if nobody has set its `MAX_WORKFLOW_SIZE`, and Kubernetes {dialect.largest:,}",
            None,
            _SMALLER,
        )


def _images(source: Source, stack: KfpStack | VertexStack, plan: Plan) -> Iterator[Problem]:
    """Each step has one; what only lists items or asks a condition runs in the stack's, or in that of a step in it."""
    without: list[tuple[str, Location | None]] = []
    for step in plan.steps():
        at = source.locations.get(step.id)
        image = stack.image_of(step)
        if image == "":
            without.append((f"`{step.id}`", at))
        elif image and not IMAGE.fullmatch(image):
            hint = "letters, digits and `._/:@-` make one"
            yield Problem(stack.backend, f"`{step.id}` cannot run in `{image[:60]}`, which is no image", at, hint)
    yield from elsewhere.without_image(without, source, stack)


def _schedule(source: Source, stack: KfpStack | VertexStack) -> Iterator[Problem]:
    schedule = source.pipeline.schedule
    if isinstance(stack, KfpStack) and schedule is not None and not schedule.assets:
        found = schedules.problem(schedule)
        if found is not None:
            yield found


def _params(source: Source, stack: KfpStack | VertexStack, dialect: Dialect) -> Iterator[Problem]:
    for one in source.pipeline.params:
        if one.name.startswith(CHANNEL):
            told = f"parameter `{one.name}` has a name that {dialect.title} keeps for itself"
            yield Problem(stack.backend, told, source.locations.get(PARAM + one.name), "give it another name")


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


def _whole(source: Source, stack: KfpStack | VertexStack, dialect: Dialect) -> Iterator[Problem]:
    size = workflow_size(spec(source, stack).pipeline)
    if size > dialect.largest:
        yield Problem(
            stack.backend,
            f"a run of this pipeline would be an object of about {size:,} bytes in {dialect.title}, and Kubernetes"
            f" takes {dialect.largest:,}",
            None,
            _SMALLER,
        )


def _braces(stack: KfpStack | VertexStack, dialect: Dialect) -> Iterator[Problem]:
    if _PLACEHOLDER in stack.store or any(_PLACEHOLDER in place for place in stack.secrets.values()):
        told = (
            f"stack `{stack.name}` has `{_PLACEHOLDER}` in its store or a secret, which {dialect.title} would fill in"
        )
        yield Problem(stack.backend, told, None, "`${VARIABLE}` names a variable where tasks run")
