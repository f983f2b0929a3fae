"""What Vertex AI is asked for: a job of a pipeline, and a schedule of jobs; the same as Google's own SDK asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeglot.compilers.kfp.schedules import five_fields, in_utc, text
from pipeglot.compilers.kfp.stack import VertexStack
from pipeglot.core.ir import Schedule

FAILURE_POLICIES = {"slow": 1, "fast": 2}
"""`PIPELINE_FAILURE_POLICY_FAIL_SLOW` and `…_FAST`, by their numbers, as the SDK sends them."""

MOST_AT_ONCE = "10"
"""How many jobs of a schedule there are at once."""

_OF_SPEC = (
    "pipelineInfo",
    "root",
    "components",
    "deploymentSpec",
    "schemaVersion",
    "sdkVersion",
    "defaultPipelineRoot",
)


def job(spec: Mapping[str, Any], stack: VertexStack, params: Mapping[str, Any]) -> dict[str, Any]:
    """A job, but for its name."""
    found: dict[str, Any] = {
        "pipelineSpec": {name: spec[name] for name in _OF_SPEC if name in spec},
        "runtimeConfig": {
            "gcsOutputDirectory": stack.pipeline_root,
            "parameterValues": dict(params),
            "failurePolicy": FAILURE_POLICIES[stack.failure_policy],
        },
    }
    more = {"labels": stack.labels, "serviceAccount": stack.service_account, "network": stack.network}
    return found | {name: value for name, value in more.items() if value}


def schedule(name: str, asked: Schedule, parent: str, made: Mapping[str, Any]) -> dict[str, Any]:
    """A schedule of such a job."""
    found: dict[str, Any] = {
        "displayName": name,
        "cron": f"TZ={asked.timezone} {five_fields(asked.cron or '')}",
        "maxConcurrentRunCount": MOST_AT_ONCE,
        "createPipelineJobRequest": {"parent": parent, "pipelineJob": dict(made)},
    }
    for key, moment in (("startTime", asked.start), ("endTime", asked.end)):
        if moment is not None:
            found[key] = text(in_utc(moment, asked.timezone))
    return found
