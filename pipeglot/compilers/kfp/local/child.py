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

from pipeglot.compilers.kfp import argo
from pipeglot.compilers.kfp.local.absent import drop_absent
from pipeglot.compilers.kfp.local.kept import now

FAILURE = status.Status.FAILURE
_EXECUTOR = "executor"


class Nodes:
    """The tasks of the run, as nodes of an Argo workflow that are told line by line. Each thread has one that it is at.

    Which nodes there are, what they are called, and after which one each stands, is as KFP's compiler for Argo has it,
    of 2.14 and later: so a task comes after its driver, and not directly below the DAG that it is in.
    """

    def __init__(self, folder: Path, workflow: str) -> None:
        self.folder = folder
        self.workflow = workflow
        self.ending = threading.Event()
        self.loops: dict[tuple[int, str], str] = {}
        """The node of a loop, by the scope that it is in and its name: its items run in threads of their own."""
        self._here = threading.local()
        self._lock = threading.Lock()
        self._file: TextIO = (folder / "tasks.jsonl").open("a", encoding="utf-8")

    @property
    def here(self) -> str:
        return str(getattr(self._here, "node", argo.root(self.workflow)))

    @contextmanager
    def at(self, node: str) -> Iterator[None]:
        before, self._here.node = self.here, node
        try:
            yield
        finally:
            self._here.node = before

    @contextmanager
    def node(self, node: str, name: str, after: str) -> Iterator[list[Any]]:
        """A node for as long as something is done; what is put into the list is its status."""
        self._tell({"node": node, "parent": after, "name": name, "state": "RUNNING", "at": now()})
        found = [FAILURE]
        try:
            with self.at(node):
                yield found
        finally:
            state = "SUCCEEDED" if found[-1] == status.Status.SUCCESS else "FAILED"
            self._tell({"node": node, "state": state, "at": now()})

    def done(self, node: str, name: str, after: str) -> str:
        """A node of something that is done at once, such as a driver."""
        with self.node(node, name, after) as found:
            found.append(status.Status.SUCCESS)
        return node

    @contextmanager
    def task(self, dag: str, name: str) -> Iterator[list[Any]]:
        """A task of a DAG, after its driver."""
        driver = self.done(argo.below(dag, f"{name}-driver"), f"{name}-driver", dag)
        with self.node(argo.below(dag, name), name, driver) as found:
            yield found

    @contextmanager
    def item(self, loop: str, number: str) -> Iterator[list[Any]]:
        """An item of a loop, whose tasks are in a node of its own."""
        group = argo.below(loop, "iteration-iterations")
        dag, _, name = loop.rpartition(".")
        node, _ = argo.items(dag, name, int(number))[0]
        with self.node(node, node.rpartition(".")[2], group) as found, self.task(node, "iteration-item") as inner:
            yield inner
            found.append(inner[-1])

    def _tell(self, line: dict[str, str]) -> None:
        with self._lock:
            self._file.write(f"{json.dumps(line)}\n")
            self._file.flush()


def main(folder: Path) -> int:
    job = json.loads((folder / "job.json").read_bytes())
    nodes = Nodes(folder, job["workflow"])
    signal.signal(signal.SIGTERM, lambda *_: nodes.ending.set())
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(levelname)s %(message)s")
    sys.executable = "python3"  # which is the environment's own: it is the first of the PATH
    _patch(nodes)
    local.init(
        local.SubprocessRunner(use_venv=False),
        pipeline_root=str(folder / "root"),
        workspace_root=str(folder / "workspace"),
    )
    with nodes.node(nodes.workflow, nodes.workflow, "") as found, nodes.task(nodes.workflow, "root") as inner:
        try:
            pipeline_orchestrator.run_local_pipeline(_spec(job), job["arguments"])
        except Exception as error:  # noqa: BLE001  # whatever it was, it is told, and the run has failed
            print(f"{type(error).__name__}: {error}", flush=True)
            return 1
        for one in (inner, found):
            one.append(status.Status.SUCCESS)
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
        loop, _, number = task_name.rpartition("-iteration-")
        node = nodes.loops.get((id(io_store), loop))
        with nodes.item(node, number) if node else nodes.task(nodes.here, task_name) as found:
            outputs, ended = real(task_name=task_name, io_store=io_store, **words)
            found.append(ended)
        return outputs, ended

    return execute_task


def _loop(nodes: Nodes, real: Any) -> Any:
    def run_parallel_for_task(task_name: str, *, io_store: Any, **words: Any) -> Any:
        loop = argo.below(nodes.here, task_name)
        with nodes.node(loop, task_name, nodes.here) as found:
            driver = nodes.done(argo.below(loop, "iteration-driver"), "iteration-driver", loop)
            group = "iteration-iterations"
            with nodes.node(argo.below(loop, group), group, driver) as inner:
                nodes.loops[id(io_store), task_name] = loop
                failed = real(task_name=task_name, io_store=io_store, **words)
                for one in (found, inner):
                    one.append(FAILURE if failed else status.Status.SUCCESS)
        return failed

    return run_parallel_for_task


def _single(nodes: Nodes, real: Any) -> Any:
    """A container, with all its attempts."""

    def execute_single_task(task_spec: Any, **words: Any) -> Any:
        nodes._here.attempt = -1
        if task_spec.retry_policy.max_retry_count <= 0:
            return real(task_spec=task_spec, **words)
        nodes._here.attempt = 0
        dag = nodes.here
        with nodes.node(argo.below(dag, _EXECUTOR), _EXECUTOR, dag) as found:
            outputs, ended = real(task_spec=task_spec, **words)
            found.append(ended)
        return outputs, ended

    return execute_single_task


def _attempt(nodes: Nodes, real: Any) -> Any:
    def run_single_task_implementation(**words: Any) -> Any:
        if nodes.ending.is_set():
            return {}, FAILURE
        number, above = nodes._here.attempt, nodes.here
        node = argo.attempt(above, number) if number >= 0 else argo.below(above, _EXECUTOR)
        nodes._here.attempt = number + 1 if number >= 0 else -1
        nodes._here.pod = argo.pod_names(nodes.workflow, node, retries=number >= 0)[0]
        with nodes.node(node, node.rpartition(".")[2], above) as found:
            outputs, ended = real(**words)
            found.append(ended)
        return outputs, ended

    return run_single_task_implementation


def _process(nodes: Nodes) -> Any:
    def run_local_subprocess(full_command: list[str], env_vars: dict[str, str] | None = None) -> int:
        with (nodes.folder / f"{nodes._here.pod}.log").open("ab") as log:
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
