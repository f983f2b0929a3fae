"""KFP's API on this machine, with `kfp.local` behind it."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from tests.servers.sandbox import PATIENCE, Server, shared

OVER = ("SUCCEEDED", "FAILED", "CANCELED")


class Kfp(Server):
    """A sandbox that is up, and its API."""

    services = ("server",)
    """What it consists of."""

    def __init__(self, home: Path, *settings: str) -> None:
        super().__init__("kfp", "2", home, *settings)

    @property
    def words(self) -> str:
        """What a stack of `pipeglot.yaml` says of it."""
        auth = f"{{token_file: '{self.view['password_file']}'}}"
        return f"backend: kfp, api_url: '{self.view['url']}', auth: {auth}, image: python"

    def stack(self, store: Path) -> str:
        """What a stack says with which runs are started and followed."""
        return f"{self.words}, store: '{store}', trusted: true"

    def stranger(self) -> int:
        """What somebody without a password is told."""
        return self.send("GET", "/apis/v2beta1/experiments", None, {})[0]

    def ask(self, method: str, path: str, body: Any = None, **query: str) -> tuple[int, Any]:
        """The status, and the answer."""
        asked = f"?{urlencode(query)}" if query else ""
        key = {"Authorization": f"Bearer {self.password}"}
        return self.send(method, f"/apis/v2beta1{path}{asked}", body, key)

    def log(self, run: str, pod: str) -> str:
        """What a pod has printed; or, of one that is not there, why there is nothing."""
        path = f"/apis/v1alpha1/runs/{run}/nodes/{pod}/log"
        asked = Request(f"{self.view['url']}{path}", headers={"Authorization": f"Bearer {self.password}"})
        with urlopen(asked) as answer:
            return str(answer.read().decode())

    def run(self, spec: dict[str, Any], **params: Any) -> str:
        """Start a run of a spec. Returns its id."""
        body = {"display_name": "by hand", "pipeline_spec": spec, "runtime_config": {"parameters": params}}
        status, made = self.ask("POST", "/runs", body)
        assert status == 200, made
        return str(made["run_id"])

    def state(self, run: str) -> str:
        """The state in which the run ended."""
        deadline = time.monotonic() + PATIENCE
        while (state := self.ask("GET", f"/runs/{run}")[1]["state"]) not in OVER:
            assert time.monotonic() < deadline, f"`{run}` is {state}"
            time.sleep(0.2)
        return str(state)

    def details(self, run: str) -> list[dict[str, Any]]:
        """What it says of the tasks."""
        found: list[dict[str, Any]] = self.ask("GET", f"/runs/{run}")[1].get("run_details", {}).get("task_details", [])
        return found

    def tasks(self, run: str) -> dict[str, dict[str, Any]]:
        """Its tasks, by name."""
        return {one["display_name"]: one for one in self.details(run)}

    def logs(self, run: str) -> list[str]:
        """What its containers have printed: their pods, somebody with `kubectl` would find."""
        folder = Path(self.view["folders"]["runs"], "work", run)
        return [self.log(run, path.stem) for path in sorted(folder.glob("*-impl-*.log"))]


def shared_kfp(base: Path, who: str) -> AbstractContextManager[Kfp]:
    """One for all processes of a test run."""
    return shared(Kfp, "kfp-2", base, who)
