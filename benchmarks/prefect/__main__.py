"""What a task of pipeglot costs on Prefect, beside one that stores its result by hand: `make bench-prefect`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmarks.engines import Engine, main
from pipeglot.compilers.prefect.api import Api
from pipeglot.compilers.prefect.stack import PrefectStack

HERE = Path(__file__).parent
OVER = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


class OnPrefect(Engine):
    """A sandbox of Prefect: a server on PostgreSQL, and a worker with a process for each run."""

    name = "prefect"
    title = "Prefect"
    flows = HERE / "flows.py"
    cases = MappingProxyType({"chain of 100 steps": "chain", "map of 100 items": "wide"})

    def prepare(self, view: Any) -> None:
        auth = {"user": view["user"], "password_file": view["password_file"]}
        self.api = Api(PrefectStack(name="bench", api_url=f"{view['url']}/api", auth=auth))
        shutil.copy(HERE / "flows_by_hand/by_hand.py", self.folder)
        self.deployments: dict[str, str] = {}
        for pipeline in self.cases.values():
            self.pipeglot("deploy", f"flows.py:{pipeline}", "--stack", view["stack"])
            found = self.api.get(f"/deployments/name/{pipeline}/{view['stack']}")
            self.deployments[pipeline] = found["id"]
            self.deployments[f"{pipeline}_by_hand"] = self._by_hand(f"{pipeline}_by_hand", found["work_pool_name"])

    def start(self, flow: str, start: int) -> str:
        path = f"/deployments/{self.deployments[flow]}/create_flow_run"
        return str(self.api.post(path, {"parameters": {"start": start}})["id"])

    def state(self, flow: str, run: str) -> bool | None:  # noqa: ARG002  # its id says all
        found = self.api.get(f"/flow_runs/{run}")["state_type"]
        return found == "COMPLETED" if found in OVER else None

    def _by_hand(self, flow: str, pool: str) -> str:
        place = {"prefect.deployments.steps.set_working_directory": {"directory": str(self.folder)}}
        body = {
            "name": "by-hand",
            "flow_id": self.api.post("/flows/", {"name": flow})["id"],
            "entrypoint": f"by_hand.py:{flow}",
            "pull_steps": [place],
            "work_pool_name": pool,
            "job_variables": {"env": {"BY_HAND": str(self.folder / "by-hand")}},
        }
        return str(self.api.post("/deployments/", body)["id"])


if __name__ == "__main__":
    sys.exit(main(OnPrefect, ("3",)))
