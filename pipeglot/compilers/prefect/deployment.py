"""A deployment: what of a pipeline Prefect's server is told."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pipeglot.compilers.base import File, Source
from pipeglot.compilers.prefect import signature
from pipeglot.compilers.prefect.flow_file import flow_function
from pipeglot.compilers.prefect.names import deployment_name, flow_key
from pipeglot.compilers.prefect.stack import PrefectStack
from pipeglot.core.ir import Schedule

PULL = "pipeglot.compilers.prefect.pulling.pull"


def deployment(source: Source, stack: PrefectStack, files: Collection[File]) -> dict[str, Any]:
    """As the API takes it, but for the flow's id."""
    pipeline = source.pipeline
    file = next(one for one in files if one.version)
    found: dict[str, Any] = {
        "name": deployment_name(stack),
        "description": pipeline.doc,
        "version": file.version,
        "tags": list(pipeline.tags),
        "entrypoint": f"{file.name}:{flow_function(pipeline)}",
        "pull_steps": pull_steps(stack, file),
        "parameters": {},
        "parameter_openapi_schema": signature.json_schema(pipeline.params),
        "enforce_parameter_schema": True,
        "schedules": schedules(pipeline.schedule),
        "job_variables": stack.job_variables,
        "work_pool_name": stack.work_pool or None,
    }
    if stack.work_queue:
        found["work_queue_name"] = stack.work_queue
    if stack.concurrency_limit:
        found["concurrency_limit"] = stack.concurrency_limit
        found["concurrency_options"] = {"collision_strategy": stack.collision.upper()}
    return found


def pull_steps(stack: PrefectStack, file: File) -> list[dict[str, Any]]:
    """How a worker gets the flow file."""
    if stack.pull:
        return stack.pull
    if stack.flows_folder:
        return [{"prefect.deployments.steps.set_working_directory": {"directory": stack.flows_folder}}]
    return [{PULL: {"store": stack.store, "key": flow_key(file.version), "name": file.name}}]


def schedules(schedule: Schedule | None) -> list[dict[str, Any]]:
    """One at most, under a name of ours: what somebody has added by hand stays."""
    if schedule is None or schedule.assets:
        return []
    found: dict[str, Any] = {"timezone": schedule.timezone}
    if schedule.cron is not None:
        found["cron"] = schedule.cron
    else:
        found["interval"] = schedule.interval
        found["anchor_date"] = schedule.start or "2024-01-01T00:00:00"
    return [{"schedule": found, "active": True, "slug": "pipeglot"}]
