"""What the local runner does with each feature of a pipeline, and what a stack must declare for it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from pipeglot.core.errors import Location, Problem
from pipeglot.core.features import Capabilities, Feature, Level, Support, advisory, declare, missing, needs
from pipeglot.core.ir import Pipeline, Step
from pipeglot.core.lineage.plan import Plan

_NATIVE = Support(Level.NATIVE)
_BY_HAND = Support(Level.ADVISORY, "here a pipeline runs when you run it; the schedule counts where it is deployed")
_SHARED = Support(
    Level.ADVISORY, "it is recorded only, for steps share this machine; `pool=` and `max_parallel=` keep them apart"
)
_HERE = Support(Level.ADVISORY, "it is recorded only, for steps run in this very environment")

CAPABILITIES: Capabilities = declare(
    {
        Feature.RETRY: _NATIVE,
        Feature.RETRY_DELAY: _NATIVE,
        Feature.RETRY_BACKOFF: _NATIVE,
        Feature.RETRY_MAX_DELAY: _NATIVE,
        Feature.RETRY_JITTER: _NATIVE,
        Feature.RETRY_ON: _NATIVE,
        Feature.TIMEOUT: _NATIVE,
        Feature.CACHE: _NATIVE,
        Feature.CACHE_EXPIRES: _NATIVE,
        Feature.SECRETS: _NATIVE,
        Feature.ENV: _NATIVE,
        Feature.AFTER: _NATIVE,
        Feature.ALL_DONE: _NATIVE,
        Feature.STEP_MAX_PARALLEL: _NATIVE,
        Feature.MAX_PARALLEL: _NATIVE,
        Feature.POOL: _NATIVE,
        Feature.MAP: _NATIVE,
        Feature.MAP_TOGETHER: _NATIVE,
        Feature.MAP_PIPELINE: _NATIVE,
        Feature.MAP_NESTED: _NATIVE,
        Feature.MAP_COLLECT: _NATIVE,
        Feature.BRANCH: _NATIVE,
        Feature.BRANCH_IN_MAP: _NATIVE,
        Feature.ONE_OF: _NATIVE,
        Feature.LIST: _NATIVE,
        Feature.PARAM_ANY: _NATIVE,
        Feature.PARAM_BOOL: _NATIVE,
        Feature.PARAM_INT: _NATIVE,
        Feature.PARAM_FLOAT: _NATIVE,
        Feature.PARAM_STR: _NATIVE,
        Feature.PARAM_DATE: _NATIVE,
        Feature.PARAM_DATETIME: _NATIVE,
        Feature.PARAM_TIMEDELTA: _NATIVE,
        Feature.PARAM_ENUM: _NATIVE,
        Feature.PARAM_LITERAL: _NATIVE,
        Feature.PARAM_OPTIONAL: _NATIVE,
        Feature.PARAM_LIST: _NATIVE,
        Feature.PARAM_TUPLE: _NATIVE,
        Feature.PARAM_DICT: _NATIVE,
        Feature.PARAM_DATACLASS: _NATIVE,
        Feature.PARAM_PYDANTIC: _NATIVE,
        Feature.PARAM_ARTIFACT: _NATIVE,
        Feature.PARAM_LOGICAL_DATE: _NATIVE,
        Feature.HOOKS: _NATIVE,
        Feature.SCHEDULE_CRON: _BY_HAND,
        Feature.SCHEDULE_INTERVAL: _BY_HAND,
        Feature.SCHEDULE_WINDOW: _BY_HAND,
        Feature.SCHEDULE_CATCHUP: _BY_HAND,
        Feature.SCHEDULE_ASSETS: _BY_HAND,
        Feature.ASSET: Support(Level.ADVISORY, "nothing waits for it here"),
        Feature.CPU: _SHARED,
        Feature.MEMORY: _SHARED,
        Feature.GPU: _SHARED,
        Feature.ACCELERATOR: _SHARED,
        Feature.PRIORITY: _NATIVE,
        Feature.IMAGE: _HERE,
        Feature.PACKAGES: _HERE,
        Feature.TAGS: Support(Level.NATIVE, "recorded with the run"),
        Feature.DOC: Support(Level.NATIVE, "recorded with the run"),
    }
)


class Findings(NamedTuple):
    """What stands against running a pipeline, and what its user should know."""

    problems: list[Problem]
    notes: list[Problem]


def check(
    pipeline: Pipeline,
    locations: Mapping[str, Location],
    *,
    stack: str,
    pools: Collection[str],
    secrets: Collection[str],
    strict: bool = False,
) -> Findings:
    """Hold a pipeline against this backend and a stack's pools and secrets. `strict` makes every note a problem."""
    needed = needs(pipeline)
    problems = missing(needed, CAPABILITIES, locations, "local")
    for step in Plan(pipeline).steps():
        problems += _undeclared(step, locations.get(step.id), stack, pools, secrets)
    notes = advisory(needed, CAPABILITIES, locations, "local")
    if strict:
        why = f"stack `{stack}` says `strict: true`: take the request out, or that line"
        return Findings(problems + [note._replace(hint=why) for note in notes], [])
    return Findings(problems, notes)


def _undeclared(
    step: Step, at: Location | None, stack: str, pools: Collection[str], secrets: Collection[str]
) -> Iterator[Problem]:
    if step.pool is not None and step.pool not in pools:
        yield Problem(
            "pool",
            f"`{step.id}` runs in pool `{step.pool}`, which stack `{stack}` does not declare",
            at,
            f"give it a size in pipeglot.yaml: `{stack}: {{…, pools: {{{step.pool}: 1}}}}`",
        )
    for name in step.secrets:
        if name not in secrets:
            yield Problem(
                "secret",
                f"`{step.id}` asks for secret `{name}`, which stack `{stack}` does not map",
                at,
                f'say in pipeglot.yaml where it is: `{stack}: {{…, secrets: {{{name}: "env:{name}"}}}}`',
            )
