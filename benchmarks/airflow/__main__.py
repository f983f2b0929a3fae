"""What a task of pipeglot costs on Airflow, beside one that stores its result by hand: `make bench-airflow`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmarks.engines import PATIENCE, Engine, main
from pipeglot.compilers.airflow.api import Api
from pipeglot.compilers.airflow.stack import AirflowStack

HERE = Path(__file__).parent


class OnAirflow(Engine):
    """A sandbox of Airflow."""

    name = "airflow"
    title = "Airflow"
    flows = HERE / "flows.py"
    cases = MappingProxyType({"chain of 20 steps": "chain", "map of 100 items": "wide"})

    def prepare(self, view: Any) -> None:
        dags = Path(view["folders"]["dags"])
        auth = {"user": view["user"], "password_file": view["password_file"]}
        self.api = Api(AirflowStack(name="bench", version=int(self.version), api_url=view["url"], auth=auth))  # type: ignore[arg-type]
        text = (HERE / "dags/by_hand.py").read_text().replace('"STORE"', repr(str(self.folder / "by-hand")))
        (dags / "by_hand.py").write_text(text)
        for pipeline in self.cases.values():
            self.pipeglot("deploy", f"flows.py:{pipeline}", "--stack", view["stack"])
            for dag in (pipeline, f"{pipeline}_by_hand"):
                self._wait_for(dag)
                self.api.patch(f"/dags/{dag}", {"is_paused": False})

    def start(self, flow: str, start: int) -> str:
        body: dict[str, Any] = {"conf": {"start": start}} | ({"logical_date": None} if self.version == "3" else {})
        return str(self.api.post(f"/dags/{flow}/dagRuns", body)["dag_run_id"])

    def state(self, flow: str, run: str) -> bool | None:
        found = self.api.get(f"/dags/{flow}/dagRuns/{run}")["state"]
        return None if found in ("queued", "running") else bool(found == "success")

    def _wait_for(self, dag: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while self.api.find(f"/dags/{dag}") is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"Airflow has not read `{dag}`: look into {self.home}")
            time.sleep(1)


if __name__ == "__main__":
    sys.exit(main(OnAirflow, ("3", "2")))
