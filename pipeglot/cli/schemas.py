"""The type of what each command prints with `--json`, read when somebody asks: `module:name`, by command."""

from __future__ import annotations

SCHEMAS: dict[str, str] = {
    "plan": "pipeglot.client.plan:RunPlan",
    "run": "pipeglot.core.lineage.view:RunView",
    "runs cancel": "pipeglot.client.cancel:Cancellation",
    "runs resume": "pipeglot.core.lineage.view:RunView",
}
