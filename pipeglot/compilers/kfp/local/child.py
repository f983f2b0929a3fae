"""The process of one run: `kfp.local` executes the spec, and what becomes of each task is written as it happens.

It is started by `runs.py`, in a session of its own, with the folder of the run. SIGTERM lets its tasks end, and starts
no more.

Of `kfp.local` this much is set right, as a cluster has it: `python3` in a text stays what it is; the placeholders of a
run are filled; an optional parameter may be left out; a failed task stops only what depends on it, also in a pipeline
without loops and branches; and each task's output is in a file of its own, where threads do not mix it.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TextIO

from kfp import local
from kfp.local import (
    logging_utils,
    pipeline_orchestrator,
    status,
    subprocess_task_handler,
    task_dispatcher,
)
from kfp.local.orchestrator import dag_orchestrator, enhanced_dag_orchestrator, task_executor

from pipeglot.compilers.kfp.local.absent import drop_absent
from pipeglot.compilers.kfp.local.kept import now

FAILURE = status.Status.FAILURE


class Nodes:
    """The tasks of the run, as a tree, told line by line. Each thread has the node that it is at."""

    def __init__(self, folder: Path, run: str) -> None:
        self.folder = folder
        self.run = run
        self.ending = threading.Event()
        self.loops: dict[tuple[int, str], str] = {}
        """The node of a loop, by the scope that it is in and its name: its items run in threads of their own."""
        self._here = threading.local()
        self._lock = threading.Lock()
        self._count = 0
        self._file: TextIO = (folder / "tasks.jsonl").open("a", encoding="utf-8")

    @property
    def here(self) -> str:
        return str(getattr(self._here, "node", ""))

    @contextmanager
    def at(self, node: str) -> Iterator[None]:
        before, self._here.node = self.here, node
        try:
            yield
        finally:
            self._here.node = before

    def open(self, parent: str, name: str) -> str:
        with self._lock:
            self._count += 1
            node = f"{self.run[:8]}-{self._count}"
            self._tell({"node": node, "parent": parent, "name": name, "state": "RUNNING", "at": now()})
        return node

    def close(self, node: str, *, good: bool) -> None:
        with self._lock:
            self._tell({"node": node, "state": "SUCCEEDED" if good else "FAILED", "at": now()})

    def _tell(self, line: dict[str, str]) -> None:
        self._file.write(f"{json.dumps(line)}\n")
        self._file.flush()

    @contextmanager
    def task(self, parent: str, name: str) -> Iterator[list[Any]]:
        """A node for as long as something is done; what is put into the list is its status."""
        node, found = self.open(parent, name), [FAILURE]
        try:
            with self.at(node):
                yield found
        finally:
            self.close(node, good=found[-1] == status.Status.SUCCESS)


def main(folder: Path) -> int:
    job = json.loads((folder / "job.json").read_bytes())
    nodes = Nodes(folder, job["run_id"])
    signal.signal(signal.SIGTERM, lambda *_: nodes.ending.set())
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(levelname)s %(message)s")
    sys.executable = "python3"  # which is the environment's own: it is the first of the PATH
    _patch(nodes)
    local.init(
        local.SubprocessRunner(use_venv=False),
        pipeline_root=str(folder / "root"),
        workspace_root=str(folder / "workspace"),
    )
    try:
        pipeline_orchestrator.run_local_pipeline(_spec(job), job["arguments"])
    except Exception as error:  # noqa: BLE001  # whatever it was, it is told, and the run has failed
        print(f"{type(error).__name__}: {error}", flush=True)
        return 1
    return 0


def _spec(job: dict[str, Any]) -> Any:
    """As a message of KFP's own, with the placeholders of the run filled."""
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2

    spec, placeholders = job["spec"], job["placeholders"]
    drop_absent(spec, job["arguments"])
    for executor in spec["deploymentSpec"].get("executors", {}).values():
        container = executor.get("container", {})
        for name in ("command", "args"):
            if name in container:
                container[name] = [_filled(word, placeholders) for word in container[name]]
    for dag in (spec["root"], *spec["components"].values()):
        for task in dag.get("dag", {}).get("tasks", {}).values():
            for one in task.get("inputs", {}).get("parameters", {}).values():
                constant = one.get("runtimeValue", {}).get("constant")
                if isinstance(constant, str):
                    one["runtimeValue"]["constant"] = _filled(constant, placeholders)
    return json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())


def _filled(word: str, placeholders: dict[str, str]) -> str:
    for name, value in placeholders.items():
        word = word.replace(f"{{{{$.{name}}}}}", value)
    return word


# --- what of kfp.local is ours ----------------------------------------------------------------------------------------


def _patch(nodes: Nodes) -> None:
    logging_utils.indented_print = nullcontext
    logging_utils.local_logger_context = nullcontext
    task_executor.time = SimpleNamespace(sleep=nodes.ending.wait)
    dag_orchestrator.run_dag = enhanced_dag_orchestrator.run_enhanced_dag
    enhanced_dag_orchestrator.execute_task = _task(nodes, enhanced_dag_orchestrator.execute_task)
    enhanced_dag_orchestrator._run_parallel_for_task = _loop(nodes, enhanced_dag_orchestrator._run_parallel_for_task)
    task_executor.execute_single_task = _single(nodes, task_executor.execute_single_task)
    task_dispatcher.run_single_task_implementation = _attempt(nodes, task_dispatcher.run_single_task_implementation)
    subprocess_task_handler.run_local_subprocess = _process(nodes)


def _task(nodes: Nodes, real: Any) -> Any:
    """A task, or an item of a loop: then its name ends in the item's number, as `kfp.local` has it."""

    def execute_task(task_name: str, *, io_store: Any, **words: Any) -> Any:
        if nodes.ending.is_set():
            return {}, FAILURE
        parent, name = nodes.here, task_name
        loop, _, number = task_name.rpartition("-iteration-")
        if (id(io_store), loop) in nodes.loops:
            parent, name = nodes.loops[id(io_store), loop], f"iteration-iterations({number}:{number})"
        with nodes.task(parent, name) as found:
            outputs, ended = real(task_name=task_name, io_store=io_store, **words)
            found.append(ended)
        return outputs, ended

    return execute_task


def _loop(nodes: Nodes, real: Any) -> Any:
    def run_parallel_for_task(task_name: str, *, io_store: Any, **words: Any) -> Any:
        with nodes.task(nodes.here, task_name) as found:
            nodes.loops[id(io_store), task_name] = nodes.here
            failed = real(task_name=task_name, io_store=io_store, **words)
            found.append(FAILURE if failed else status.Status.SUCCESS)
        return failed

    return run_parallel_for_task


def _single(nodes: Nodes, real: Any) -> Any:
    """A container, with all its attempts."""

    def execute_single_task(task_spec: Any, **words: Any) -> Any:
        nodes._here.attempt = 0 if task_spec.retry_policy.max_retry_count > 0 else -1
        return real(task_spec=task_spec, **words)

    return execute_single_task


def _attempt(nodes: Nodes, real: Any) -> Any:
    def run_single_task_implementation(**words: Any) -> Any:
        if nodes.ending.is_set():
            return {}, FAILURE
        number = nodes._here.attempt
        nodes._here.attempt = number + 1 if number >= 0 else -1
        with nodes.task(nodes.here, f"executor({number})" if number >= 0 else "executor") as found:
            outputs, ended = real(**words)
            found.append(ended)
        return outputs, ended

    return run_single_task_implementation


def _process(nodes: Nodes) -> Any:
    def run_local_subprocess(full_command: list[str], env_vars: dict[str, str] | None = None) -> int:
        with (nodes.folder / f"{nodes.here}.log").open("ab") as log:
            try:
                done = subprocess.Popen(
                    full_command,
                    env={**os.environ, **(env_vars or {})},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            except OSError as error:
                log.write(f"it cannot be started: {error.strerror}\n".encode())
                return 1
            return done.wait()

    return run_local_subprocess


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
