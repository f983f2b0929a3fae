"""What Prefect refuses, or would take for something else: told before anything is emitted, all at once."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeglot.compilers import elsewhere
from pipeglot.compilers.base import Source
from pipeglot.compilers.prefect.stack import PrefectStack
from pipeglot.core.errors import Problem
from pipeglot.core.features import PARAM
from pipeglot.core.lineage.plan import Plan

_BANNED = re.compile(r"[/%&><]")
"""In the name of a flow or a deployment."""

_PATTERN = re.compile(r"[*?[]|\{\{")
"""What stands for something else in what an automation waits for, and in `prefect.yaml`."""

_RESERVED = frozenset(
    [
        "wait_for",
        "return_state",
        "model_computed_fields",
        "model_config",
        "model_construct",
        "model_copy",
        "model_dump",
        "model_dump_json",
        "model_extra",
        "model_fields",
        "model_fields_set",
        "model_json_schema",
        "model_parametrized_name",
        "model_post_init",
        "model_rebuild",
        "model_validate",
        "model_validate_json",
        "model_validate_strings",
    ]
)
"""Names that a flow cannot give a parameter: they are Prefect's own, or those of the models that it makes."""


def problems(source: Source, stack: PrefectStack) -> Iterator[Problem]:
    """Everything of a pipeline that this Prefect cannot take."""
    pipeline, plan = source.pipeline, Plan(source.pipeline)
    for what, name in (("pipeline", pipeline.name), ("deployment", stack.deployment or stack.name)):
        if _BANNED.search(name):
            yield Problem("prefect", f"{what} `{name[:60]}`: Prefect takes no `/`, `%`, `&`, `<` and `>` in it")
    for param in pipeline.params:
        if param.name in _RESERVED or param.name.startswith("_"):
            yield Problem(
                "prefect",
                f"parameter `{param.name}` has a name that Prefect keeps for itself",
                source.locations.get(PARAM + param.name),
                "give it another name",
            )
    yield from _assets(source)
    yield from _flows_folder(stack)
    yield from elsewhere.problems(source, stack, plan, "Prefect")


def _assets(source: Source) -> Iterator[Problem]:
    for uri in source.pipeline.schedule.assets if source.pipeline.schedule is not None else ():
        if _PATTERN.search(uri):
            told = f"the schedule waits for asset `{uri[:80]}`, which Prefect takes for a pattern"
            yield Problem("prefect", told, None, "call it without `*`, `?`, `[` and `{{`, here and where it is made")


def _flows_folder(stack: PrefectStack) -> Iterator[Problem]:
    """The deployment tells every worker where it is, and nothing is worked out there."""
    place = stack.flows_folder
    if place and ("://" in place or "${" in place or not place.startswith("/")):
        yield Problem(
            "prefect",
            f"stack `{stack.name}` has its flows in `{place}`, which is no folder that workers know by its name",
            None,
            "name it by its full path, as workers see it; or leave `flows_folder:` out: they take flows from the store",
        )
