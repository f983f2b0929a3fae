"""Parameters that name an artifact: what each is resolved to, once, when a run begins."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from pipeglot.core.errors import Corrupt, NotFound, ParamError
from pipeglot.core.ir import Pipeline
from pipeglot.core.lineage.naming import find_artifact
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.lineage.records import Ref, Start
from pipeglot.core.lineage.runs import Runs
from pipeglot.core.params import artifact_type


class Resolved(NamedTuple):
    """The parameters of a run, and what each of them that names an artifact was resolved to."""

    params: dict[str, Any]
    artifacts: dict[str, Ref]


def same_artifacts(before: Start, given: Mapping[str, Any]) -> dict[str, Ref]:
    """What the parameters that are as they were in an earlier run were resolved to there."""
    return {name: ref for name, ref in before.artifacts.items() if given.get(name) == before.params.get(name)}


def resolve_artifacts(
    runs: Runs, pipeline: Pipeline, given: Mapping[str, Any], *, known: Mapping[str, Ref] = MappingProxyType({})
) -> Resolved:
    """Turn what artifact parameters were given as into ids and references: once, before the run is recorded.

    `known`: what some are resolved to already. Raises one `ParamError` with all that name no artifact of this store.
    """
    params, found, problems = dict(given), {}, []
    asked = [one for one in pipeline.params if artifact_type(one.type) is not None and given[one.name] is not None]
    looks = Plan(pipeline).looks_of_params() if asked else {}
    for param in asked:
        try:
            ref = known.get(param.name)
            if ref is None:
                artifact = find_artifact(runs, given[param.name])
                params[param.name], ref = artifact.id, artifact.ref
            found[param.name] = runs.artifacts.outlined(ref, looks.get(param.name))
        except (NotFound, Corrupt) as error:
            problems.append(ParamError(f"parameter `{param.name}`: {error.message}", hint=error.hint))
    if problems:
        hints = dict.fromkeys(problem.hint for problem in problems if problem.hint)
        raise ParamError("\n".join(problem.message for problem in problems), hint="; ".join(hints))
    return Resolved(params, found)
