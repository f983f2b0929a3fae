"""What each command prints under `--json`: the type of it, as `module:name`, read when it is asked for.

The reference, and the test that holds commands to their word, are made from this table.
"""

from __future__ import annotations

from typing import Any

SCHEMAS: dict[str, str] = {
    "init": "pipeglot.client.views:Made",
    "run": "pipeglot.core.lineage.view:RunView",
    "plan": "pipeglot.client.plan:RunPlan",
    "check": "pipeglot.client.views:Checked",
    "compile": "pipeglot.client.views:Compiled",
    "deploy": "pipeglot.client.deploying:Installed",
    "backfill": "pipeglot.client.backfill.backfill:Backfill",
    "bundle": "pipeglot.core.bundle.archive:BundleView",
    "stack list": "pipeglot.client.views:Stacks",
    "stack show": "pipeglot.client.views:StackView",
    "stack set": "pipeglot.client.views:StackView",
    "stack add": "pipeglot.client.views:StackView",
    "stack remove": "pipeglot.client.views:StackView",
    "stack check": "pipeglot.client.stack_checks:StackChecked",
    "stack schema": "pipeglot.client.views:Schema",
    "runs list": "pipeglot.client.listing:RunSummaries",
    "runs show": "pipeglot.core.lineage.view:RunView",
    "runs logs": "pipeglot.client.views:Logs",
    "runs resume": "pipeglot.core.lineage.view:RunView",
    "runs cancel": "pipeglot.client.cancel:Cancellation",
    "runs diff": "pipeglot.client.diff.model:RunDiff",
    "replay": "pipeglot.client.replay:Replayed",
    "artifact list": "pipeglot.client.views:ArtifactList",
    "artifact show": "pipeglot.client.views:ArtifactDetails",
    "artifact get": "pipeglot.client.views:ArtifactValue",
    "lineage": "pipeglot.client.lineage:Graph",
    "lineage export": "pipeglot.client.openlineage:OpenLineageEvents",
    "cache explain": "pipeglot.client.explain:Explanation",
    "store verify": "pipeglot.client.verify:Verified",
    "store gc": "pipeglot.core.lineage.gc.passes:Collected",
    "store size": "pipeglot.client.size:StoreSize",
    "store reindex": "pipeglot.client.indexed:Rebuilt",
    "sandbox up": "pipeglot.compilers.sandboxes.records:SandboxView",
    "sandbox down": "pipeglot.compilers.sandboxes.records:SandboxViews",
    "sandbox status": "pipeglot.compilers.sandboxes.records:SandboxViews",
    "worker requirements": "pipeglot.client.worker:WorkerRequirements",
    "worker dockerfile": "pipeglot.client.image.dockerfile:Dockerfile",
    "matrix": "pipeglot.client.matrix:Matrix",
    "completion": "pipeglot.client.views:Completion",
    "explain": "pipeglot.client.views:ErrorPage",
}

VARIANTS: dict[str, str] = {"lineage --digest": "pipeglot.client.lineage:DigestCheck"}
"""Options that change what is printed."""

ERROR = "pipeglot.client.views:ErrorReport"
"""What every command prints under `--json` if it fails before it has a result."""


def type_of(path: str) -> Any:
    """The type that `module:name` means."""
    from importlib import import_module

    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


def schema_of(path: str) -> dict[str, Any]:
    """Its JSON schema."""
    import msgspec

    return msgspec.json.schema(type_of(path))
