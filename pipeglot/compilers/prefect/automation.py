"""The automation of a deployment: what starts a run once assets are new, for which Prefect has no schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeglot.compilers.remote import Check
from pipeglot.compilers.rest import part

if TYPE_CHECKING:
    from pipeglot.compilers.prefect.api import Api

FORBIDDEN = 403

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


class Automations:
    """Those of a live Prefect."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def put(self, flow: str, deployment: str, deployment_id: str, assets: Sequence[str]) -> None:
        """Have what a pipeline waits for start it, and nothing that it waited for before.

        One that is as it should be is left alone: Prefect forgets with each change which assets were new already. What
        somebody has paused stays so. Raises `EngineError`.
        """
        there = self.find(flow, deployment, needed=bool(assets))
        if not assets:
            self._delete(there)
            return
        body = automation(flow, deployment, deployment_id, assets)
        if not there:
            owner = {"owner_resource": f"prefect.deployment.{deployment_id}"}  # who deletes that deletes both
            self.api.post("/automations/", {**body, **owner})
        elif not _is_as(there[0], body):
            self._change("PUT", there[0], {**body, "enabled": there[0]["enabled"]})
        self._delete(there[1:])

    def find(self, flow: str, deployment: str, *, needed: bool = False) -> list[Any]:
        """That of a deployment. Who may not look finds none, unless it is needed."""
        path = "/automations/filter"
        body = {"automations": {"name": {"any_": [automation_name(flow, deployment)]}}}
        found = self.api.send("POST", path, body, {})
        if found.status == FORBIDDEN and not needed:
            return []
        return list(self.api.checked("POST", path, found).content)

    def check(self, flow: str, deployment: str) -> Check | None:
        """What keeps it from starting runs; None if nothing does."""
        there = self.find(flow, deployment, needed=True)
        if not there:
            told = "nothing starts it: it has no automation for its assets"
            return Check(f"pipeline {flow}", told, ok=False, hint="`pipeglot deploy` makes it")
        if not there[0]["enabled"]:
            hint = f"`prefect automation resume '{there[0]['name']}'`, or its page"
            return Check(f"pipeline {flow}", "its automation is paused: no asset starts it", ok=False, hint=hint)
        return None

    def _delete(self, there: Sequence[Any]) -> None:
        for one in there:
            self._change("DELETE", one, None)

    def _change(self, method: str, one: Any, body: Any) -> None:
        path = f"/automations/{part(one['id'])}"
        self.api.checked(method, path, self.api.send(method, path, body, {}))


def _is_as(found: Any, wanted: Any) -> bool:
    """Whether all that is wanted is there, beside what Prefect adds."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(_is_as(found.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        alike = isinstance(found, list) and len(found) == len(wanted)
        return alike and all(map(_is_as, found, wanted))
    return bool(found == wanted)
