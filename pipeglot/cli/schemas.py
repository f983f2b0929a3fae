"""What each command prints with `--json`, by type: `module:name`, read lazily. A test holds the output against it."""

from __future__ import annotations

SCHEMAS: dict[str, str] = {
    "runs list": "pipeglot.client.listing:RunSummaries",
    "lineage": "pipeglot.client.lineage:Graph",
    "lineage --digest": "pipeglot.client.lineage:DigestCheck",
    "store verify": "pipeglot.client.verify:Verified",
    "store reindex": "pipeglot.client.indexed:Rebuilt",
}
