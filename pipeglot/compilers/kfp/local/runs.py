"""Runs: each one a process; so many at once, and the others wait. What is known of them outlives the server."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import uuid
from collections import deque
from pathlib import Path
from typing import Any

from pipeglot.compilers.kfp.argo import node_id
from pipeglot.compilers.kfp.local.fields import Refused
from pipeglot.compilers.kfp.local.kept import Kept, Record, now
from pipeglot.core.store.files import make_private, write_private

GRACE = 40.0
"""Seconds that the tasks of a run have to end; our own take up to 30."""

NOT_PLANNED = "1970-01-01T00:00:00Z"
"""What KFP says of a run without a planned time."""

NOT_OVER = "0001-01-01T00:00:00Z"
"""What it says of the end of a task that has none."""

OWN = ("_workflow",)
"""What a record has that is the server's own."""

OVER = ("SUCCEEDED", "FAILED", "CANCELED")


class Runs:
    """The runs of a server, at most `limit` of them at once."""

    def __init__(self, kept: Kept, folder: Path, limit: int) -> None:
        self.kept = kept
        self.folder = make_private(folder)
        self.limit = limit
        self.lock = kept.lock
        self._waiting: deque[str] = deque()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        for one in sorted(kept.records.values(), key=lambda one: str(one["created_at"])):
            self._recall(one)

    def _recall(self, run: Record) -> None:
        """Of a server before: what it had running has ended with it."""
        if run["state"] == "PENDING":
            self._waiting.append(run["run_id"])
        elif run["state"] == "CANCELING":
            self._set(run, "CANCELED")
        elif run["state"] not in OVER:
            self._set(run, "FAILED", "the server was ended while it ran")

    def begin(self, run: Record, spec: dict[str, Any]) -> Record:
        """Take in a run that was asked for, and start it once there is room."""
        folder = make_private(self.folder / run["run_id"])
        placeholders = {
            "pipeline_job_uuid": run["run_id"],
            "pipeline_job_name": run["display_name"],
            "pipeline_job_resource_name": run["display_name"],
            "pipeline_job_create_time_utc": run["created_at"],
            "pipeline_job_schedule_time_utc": run["scheduled_at"] if run.get("recurring_run_id") else NOT_PLANNED,
        }
        arguments = run.get("runtime_config", {}).get("parameters", {})
        run["_workflow"] = f"{spec['pipelineInfo']['name']}-{run['run_id'][:5]}"
        job = {"workflow": run["_workflow"], "spec": spec, "arguments": arguments, "placeholders": placeholders}
        write_private(folder / "job.json", json.dumps(job).encode())
        with self.lock:
            self._set(run, "PENDING")
            self._waiting.append(run["run_id"])
        self.start_waiting()
        return run

    def start_waiting(self) -> None:
        """As many as there is room for."""
        with self.lock:
            while self._waiting and len(self._processes) < self.limit:
                run = self.kept.get(self._waiting.popleft())
                try:
                    self._start(run)
                except OSError as error:  # no memory, no place on the disk: it may be better with the next one
                    self._set(run, "FAILED", f"its process cannot be started: {error}")

    def _start(self, run: Record) -> None:
        folder = self.folder / run["run_id"]
        path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"
        with (folder / "run.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "pipeglot.compilers.kfp.local.child", str(folder)],
                cwd=folder,
                env={**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes[run["run_id"]] = process
        self._set(run, "RUNNING")
        threading.Thread(target=self._watch, args=(run, process), daemon=True).start()

    def _watch(self, run: Record, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        _kill(process.pid, signal.SIGKILL)  # what it has left
        with self.lock:
            del self._processes[run["run_id"]]
            if run["run_id"] in self.kept.records:
                self._end(run, code)
        self.start_waiting()

    def _end(self, run: Record, code: int) -> None:
        if run["state"] == "CANCELING":
            self._set(run, "CANCELED")
        elif code == 0:
            self._set(run, "SUCCEEDED")
        else:
            self._set(run, "FAILED", f"its process was killed by signal {-code}" if code < 0 else "a task has failed")

    def terminate(self, run: Record) -> None:
        """End it: its tasks first, and by force what does not end by itself."""
        with self.lock:
            process = self._processes.get(run["run_id"])
            if run["state"] in OVER:
                raise Refused(f"run {run['run_id']} has ended: it is {run['state']}")
            if process is None:
                self._waiting.remove(run["run_id"])
                self._set(run, "CANCELED")
                return
            if run["state"] != "CANCELING":
                self._set(run, "CANCELING")
                _kill(process.pid, signal.SIGTERM)
                timer = threading.Timer(GRACE, self._force, (run, process))
                timer.daemon = True
                timer.start()

    def _force(self, run: Record, process: subprocess.Popen[bytes]) -> None:
        with self.lock:
            if self._processes.get(run["run_id"]) is process:
                _kill(process.pid, signal.SIGKILL)

    def drop(self, run: Record) -> None:
        """Forget a run that has ended."""
        if run["state"] not in OVER:
            raise Refused(f"run {run['run_id']} has not ended: it is {run['state']}")
        self.kept.drop(run["run_id"])
        shutil.rmtree(self.folder / run["run_id"], ignore_errors=True)

    def running(self, recurring: str) -> int:
        """How many of a schedule have not ended."""
        with self.lock:
            return sum(
                one.get("recurring_run_id") == recurring and one["state"] not in OVER
                for one in self.kept.records.values()
            )

    def _set(self, run: Record, state: str, error: str = "") -> None:
        run["state"] = state
        run.setdefault("state_history", []).append({"update_time": now(), "state": state})
        if state in OVER:
            run["finished_at"] = now()
        if error:
            run["error"] = {"code": 2, "message": error}
        self.kept.keep(run)

    # --- tasks --------------------------------------------------------------------------------------------------------

    def details(self, run: Record) -> list[Record]:
        """The tasks so far, as the API tells of them: the nodes of an Argo workflow, in an order that says nothing."""
        tasks: dict[str, Record] = {}
        path = self.folder / run["run_id"] / "tasks.jsonl"
        for line in path.read_bytes().splitlines(keepends=True) if path.exists() else ():
            if line.endswith(b"\n"):  # the last one may be half written
                _apply(tasks, json.loads(line), run)
        if run["state"] in OVER:
            for one in tasks.values():
                if one["state"] == "RUNNING":  # of a process that was killed
                    one |= {"state": "FAILED", "end_time": run["finished_at"]}
        return sorted(tasks.values(), key=lambda one: str(one["task_id"]))

    def log(self, run: str, pod: str) -> Path | str:
        """The file of what a pod has printed so far; or why there is none."""
        why = f"Failed to read logs for run {run}"
        if run not in self.kept.records:
            return f"{why} due to run fetching error: Run {run} not found"
        path = self.folder / run / f"{pod}.log"
        if "/" in pod or not path.exists():
            return f'{why}: Failed to read logs from pod {pod} due to error opening log stream: pods "{pod}" not found'
        return path


def _apply(tasks: dict[str, Record], line: Record, run: Record) -> None:
    """KFP fills in no `pod_name` and no `parent_task_id` of its own; and an id of a task that nothing else names."""
    node = line["node"]
    if node not in tasks:
        tasks[node] = {
            "run_id": run["run_id"],
            "task_id": str(uuid.uuid5(uuid.UUID(run["run_id"]), node)),
            "display_name": line["name"],
            "create_time": line["at"],
            "start_time": line["at"],
            "end_time": NOT_OVER,
            "state": line["state"],
            "state_history": [],
        }
        if line["parent"]:
            child = {"pod_name": node_id(run["_workflow"], node)}
            tasks[line["parent"]].setdefault("child_tasks", []).append(child)
    else:
        tasks[node] |= {"state": line["state"], "end_time": line["at"]}
    tasks[node]["state_history"].append({"update_time": line["at"], "state": line["state"]})


def _kill(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return
