"""OpenLineage's events of a run, without what they may differ in from backend to backend."""

from __future__ import annotations

import json
from typing import Any


def portable(events: list[dict[str, Any]]) -> list[str]:
    """What does not depend on where the run was, and when. Steps that ran side by side end in any order."""
    text = json.dumps(events)
    for number, uuid in enumerate(dict.fromkeys(event["run"]["runId"] for event in sorted(events, key=_place))):
        text = text.replace(uuid, f"run {number}")
    found = json.loads(text)
    for event in found:
        event.pop("eventTime")
        for name in ("processing_engine", "pipeglot_execution", "nominalTime"):
            event["run"]["facets"].pop(name, None)
    return sorted(json.dumps(event, sort_keys=True) for event in found)


def _place(event: dict[str, Any]) -> tuple[str, str]:
    index = event["run"]["facets"].get("pipeglot_lineage", {}).get("index", [])
    return event["job"]["name"], f"{event['eventType'] == 'START'} {index}"
