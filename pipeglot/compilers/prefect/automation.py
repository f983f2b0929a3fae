"""The automation of a deployment: what starts a run once assets are new, for which Prefect has no schedule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

NEW = "prefect.asset.materialization.succeeded"
"""What Prefect's own assets tell when they are made; so do the steps of ours."""


def automation_name(flow: str, deployment: str) -> str:
    """What it is called. A deployment has one at most."""
    return f"{flow}/{deployment}: assets"


def automation(flow: str, deployment: str, deployment_id: str, assets: Sequence[str]) -> dict[str, Any]:
    """As the API takes it."""
    return {
        "name": automation_name(flow, deployment),
        "description": f"Starts {flow} once its assets are new: {', '.join(assets)}",
        "trigger": trigger(assets),
        "actions": [{"type": "run-deployment", "source": "selected", "deployment_id": deployment_id}],
    }


def trigger(assets: Sequence[str]) -> dict[str, Any]:
    """When each of them was told to be new since the last time, however long ago."""
    each = [
        {"type": "event", "posture": "Reactive", "match": {"prefect.resource.id": uri}, "expect": [NEW]}
        for uri in assets
    ]
    return each[0] if len(each) == 1 else {"type": "compound", "require": "all", "within": None, "triggers": each}
