"""What each command prints with `--json`, as the type that it is made from: `module:name`, imported by who asks."""

from __future__ import annotations

SCHEMAS: dict[str, str] = {
    "plan": "pipeglot.client.plan:RunPlan",
    "run": "pipeglot.core.lineage.view:RunView",
    "runs cancel": "pipeglot.client.cancel:Cancellation",
    "runs resume": "pipeglot.core.lineage.view:RunView",
    "runs diff": "pipeglot.client.diff.model:RunDiff",
    "replay": "pipeglot.client.replay:Replayed",
    "bundle": "pipeglot.core.bundle.archive:BundleView",
    "matrix": "pipeglot.client.matrix:Matrix",
    "runs list": "pipeglot.client.listing:RunSummaries",
    "lineage": "pipeglot.client.lineage:Graph",
    "lineage --digest": "pipeglot.client.lineage:DigestCheck",
    "store verify": "pipeglot.client.verify:Verified",
    "store reindex": "pipeglot.client.indexed:Rebuilt",
}
