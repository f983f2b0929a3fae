"""What Airflow refuses, or would take for something else: told before anything is emitted, all at once."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeglot.compilers import elsewhere
from pipeglot.compilers.airflow import pods
from pipeglot.compilers.airflow.stack import AirflowStack
from pipeglot.compilers.base import Source
from pipeglot.core.errors import Problem
from pipeglot.core.lineage.plan import Plan

_LONGEST = 250
_LONGEST_TAG = 100
_ID = re.compile(r"[\w.-]+")


def problems(source: Source, stack: AirflowStack) -> Iterator[Problem]:
    """Everything of a pipeline that this Airflow cannot take."""
    pipeline, plan = source.pipeline, Plan(source.pipeline)
    for name in (pipeline.name, *plan.places):
        if len(name) > _LONGEST or not _ID.fullmatch(name):
            yield Problem(
                "airflow",
                f"`{name[:60]}` cannot be an id in Airflow: letters, digits, `_`, `-` and `.`, {_LONGEST} at most",
                source.locations.get(name),
                "give it another name",
            )
    for tag in pipeline.tags:
        if len(tag) > _LONGEST_TAG:
            yield Problem("airflow", f"tag `{tag[:60]}…` has more than {_LONGEST_TAG} characters", None, "shorten it")
    yield from elsewhere.problems(source, stack, plan, "Airflow")
    yield from _secrets_elsewhere(stack)
    yield from pods.problems(source, stack, plan)


def _secrets_elsewhere(stack: AirflowStack) -> Iterator[Problem]:
    """A process of another Python is outside Airflow; what pods reach they say themselves."""
    for name, where in stack.secrets.items() if stack.python and stack.run == "task" else ():
        if where.startswith("airflow:"):
            yield Problem(
                "airflow",
                f"stack `{stack.name}` has secret `{name}` in Airflow, which steps in another Python do not reach",
                None,
                "name a variable or a file of the workers (`env:NAME`, `file:/PATH`), or take `python:` out",
            )
