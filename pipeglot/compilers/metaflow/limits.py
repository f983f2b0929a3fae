"""What Metaflow refuses, or would take for something else: told before anything is emitted, all at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from pipeglot.compilers import elsewhere
from pipeglot.compilers.base import Source
from pipeglot.compilers.metaflow.decorators import CONTAINERS, decorators
from pipeglot.compilers.metaflow.flow import Flow, flow
from pipeglot.compilers.metaflow.layout import DEEPEST
from pipeglot.compilers.metaflow.paths import MOST_CHAINED
from pipeglot.compilers.metaflow.schedules import for_eventbridge
from pipeglot.compilers.metaflow.stack import MetaflowStack
from pipeglot.core.errors import Problem
from pipeglot.core.features import PARAM
from pipeglot.core.lineage.plan import Plan

_BESIDE = frozenset({"boto3", "botocore", "dateutil", "jmespath", "metaflow", "pipeglot", "requests", "urllib3"})
"""What Metaflow imports that is no part of Python: a file beside the flow's would come first."""

_TITLES = {"argo-workflows": "Argo Workflows", "step-functions": "Step Functions"}
_MOST_DEPLOYED = 180
"""Steps of Metaflow's. For each, its deployers write some 8 kB for Argo Workflows, and 5.5 kB for Step Functions."""

_ROOM = {
    "argo-workflows": "Argo Workflows keeps all of them in one object of Kubernetes, of 1.5 MB",
    "step-functions": "Step Functions takes a definition of 1 MB",
}

_SAY = "say `datastore: s3`, or what else Metaflow is set up for"

_DEPLOYED_BY = {where: there for there, where in CONTAINERS.items()}


def problems(source: Source, stack: MetaflowStack) -> Iterator[Problem]:
    """Everything of a pipeline that this Metaflow cannot take."""
    plan = Plan(source.pipeline)
    yield from elsewhere.problems(source, stack, plan, "Metaflow")
    yield from _name(source)
    yield from _stack(stack)
    yield from _schedule(source, stack)
    yield from _containers(source, stack, plan)
    yield from _ways(source, flow(source, stack))


def notes(source: Source, stack: MetaflowStack) -> Iterator[Problem]:
    """What nothing stands against, and a user should know all the same."""
    found = flow(source, stack)
    for option in found.options:
        if option.attribute != option.name:
            told = f"parameter `{option.name}` is `--{option.attribute}` to Metaflow, which has another `{option.name}`"
            yield Problem("metaflow", told, source.locations.get(PARAM + option.name))
        is_date = any(param.name == option.name and param.logical_date for param in source.pipeline.params)
        if is_date and source.pipeline.schedule is not None and stack.deploy_to:
            told = f"parameter `{option.name}` is the time when a run begins: {_TITLES[stack.deploy_to]} tells no other"
            yield Problem("metaflow", told, source.locations.get(PARAM + option.name))
    if stack.deploy_to and not stack.profile and not _has_image(stack):
        told = (
            f"tasks on {_TITLES[stack.deploy_to]} whose step names no image, those between steps too, run in the one "
            "of Metaflow's settings, which has to have pipeglot"
        )
        yield Problem("metaflow", told, None, f"`image:` of stack `{stack.name}` names one for all of them")
    if stack.deploy_to and len(found.tasks) > _MOST_DEPLOYED:
        told = (
            f"the flow has {len(found.tasks)} steps in Metaflow: {_ROOM[stack.deploy_to]}, "
            f"which has room for about {_MOST_DEPLOYED}"
        )
        yield Problem("metaflow", told, None, "map over a list in place of so many steps, or make several pipelines")
    if any(body.is_flat for body in found.root.all()):
        told = (
            f"more than {DEEPEST} blocks would stand in each other in this flow: its steps run a level after the other"
        )
        yield Problem("metaflow", told)
    if found.before is None:
        return
    done = []
    if found.grouped:
        done.append(f"steps of {_count(found.grouped, 'block')} share a foreach, a level after the other")
    if found.inlined:
        done.append(f"steps of {_count(found.inlined, 'branch')} whose arm is not taken start, and skip themselves")
    told = f"Metaflow's own code would walk {_ways_of(found.before.number)} through this flow: {'; '.join(done)}"
    yield Problem("metaflow", told)


def _has_image(stack: MetaflowStack) -> bool:
    """Whether it says one for tasks that name none."""
    kinds = (CONTAINERS[stack.deploy_to].upper(), "DEFAULT")
    return bool(stack.image) or any(f"METAFLOW_{kind}_CONTAINER_IMAGE" in stack.environment for kind in kinds)


def _name(source: Source) -> Iterator[Problem]:
    name = source.pipeline.name
    if name in sys.stdlib_module_names or name in _BESIDE:
        yield Problem(
            "metaflow",
            f"pipeline `{name}` would be the file `{name}.py`, which Python takes for its module `{name}`",
            None,
            f'give it another name: `@pipeline(name="{name}_flow")`',
        )


def _stack(stack: MetaflowStack) -> Iterator[Problem]:
    kept, root = stack.kept_in(stack.datastore_root), stack.datastore_root
    if stack.deploy_to and (why := _is_here(stack)):
        told = f"stack `{stack.name}` {why}, where {_TITLES[stack.deploy_to]} does not find it"
        yield Problem("metaflow", told, None, _SAY)
    if "${" not in root and _misses(kept, root):
        told = f"stack `{stack.name}` says `datastore_root: {root}`, which is none of a datastore `{kept}`"
        yield Problem("metaflow", told, None, "say in `datastore:` what it is: `local`, `s3`, `azure` or `gs`")
    if stack.deploy_to == "step-functions" and kept in ("azure", "gs"):
        told = f"stack `{stack.name}` deploys to Step Functions, which takes Metaflow's datastore in S3 only"
        yield Problem("metaflow", told, None, "say `datastore: s3`")
    if not stack.project and (stack.branch or stack.production):
        said = "branch" if stack.branch else "production"
        told = f"stack `{stack.name}` says `{said}`, and not of which project of Metaflow's"
        yield Problem("metaflow", told, None, f"say `project: NAME`, or take `{said}` out")


def _is_here(stack: MetaflowStack) -> str:
    """Why no container finds Metaflow's datastore; empty if it does, or if that is not known here."""
    kept = stack.kept_in(stack.datastore_root)
    if kept == "local" and "${" not in stack.datastore_root:
        return "keeps Metaflow's datastore on this machine"
    if not kept and not stack.profile:
        return "does not say where Metaflow's datastore is, and by itself it is on this machine"
    return ""


def _misses(kept: str, root: str) -> bool:
    """Whether a datastore cannot have that root."""
    return bool(root) and (not root.startswith(f"{kept}://") if kept in ("s3", "gs") else "://" in root)


def _schedule(source: Source, stack: MetaflowStack) -> Iterator[Problem]:
    schedule = source.pipeline.schedule
    if schedule is None or not schedule.cron or stack.deploy_to != "step-functions":
        return
    if schedule.timezone != "UTC":
        told = f"the pipeline is scheduled in `{schedule.timezone}`, and Metaflow's schedules on Step Functions in UTC"
        yield Problem("metaflow", told, None, 'say it in UTC: `Cron("…", timezone="UTC")`')
    try:
        for_eventbridge(schedule.cron)
    except ValueError:
        yield Problem(
            "metaflow",
            f"the schedule `{schedule.cron}` names days of the month and of the week, and AWS takes only one of them",
            None,
            "make two pipelines of it, each with one of the two",
        )


def _containers(source: Source, stack: MetaflowStack, plan: Plan) -> Iterator[Problem]:
    """Metaflow would refuse them itself, when it is too late."""
    for step in plan.steps():
        names = [one.name for one in decorators(stack, step) if one.name in _DEPLOYED_BY]
        at = source.locations.get(step.id)
        if len(names) > 1:
            told = f"`{step.id}` has `batch` and `kubernetes` in `steps:` of stack `{stack.name}`, and can run in one"
            yield Problem("metaflow", told, at, "take one of them out")
        elif names and stack.deploy_to and _DEPLOYED_BY[names[0]] != stack.deploy_to:
            told = f"`{step.id}` has `{names[0]}` in `steps:`, which {_TITLES[stack.deploy_to]} does not run"
            yield Problem("metaflow", told, at, f"say `{_other(names[0])}`")
        elif names and not stack.deploy_to and (why := _is_here(stack)):
            told = f"`{step.id}` runs in a container, and stack `{stack.name}` {why}, where no container finds it"
            yield Problem("metaflow", told, at, _SAY)


def _other(name: str) -> str:
    return "kubernetes" if name == "batch" else "batch"


def _ways(source: Source, found: Flow) -> Iterator[Problem]:
    """What Metaflow's own code does not come through."""
    if found.ways.longest > MOST_CHAINED:
        yield Problem(
            "metaflow",
            f"pipeline `{source.pipeline.name}` has {found.ways.longest} steps one after the other in Metaflow, whose "
            f"code comes through {MOST_CHAINED}",
            None,
            "map over a list in place of so many steps, or make several pipelines of it",
        )
    elif not found.ways.is_fine:
        yield Problem(
            "metaflow",
            f"Metaflow's own code would walk {_ways_of(found.ways.number)} through pipeline `{source.pipeline.name}`, "
            f"each time that a task starts",
            None,
            "map over a list in place of so many steps, or make several pipelines of it",
        )


def _ways_of(count: int) -> str:
    return f"{count:,} ways" if count < 10**9 else "more than a billion ways"


def _count(number: int, word: str) -> str:
    plural = f"{word}es" if word.endswith("h") else f"{word}s"
    return f"1 {word}" if number == 1 else f"{number} {plural}"
