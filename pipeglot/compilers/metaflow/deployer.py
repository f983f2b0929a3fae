"""Runs of Metaflow's own runner, in the Python that has it: start one, see how far it is, end it.

There is no server to ask. What is known of a run lies in a folder of this user's, on the machine that it runs on.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pipeglot.compilers.base import File, Source
from pipeglot.compilers.metaflow import run_log
from pipeglot.compilers.metaflow.flows import Flows, FlowText, read_flow
from pipeglot.compilers.metaflow.interpreter import Interpreter
from pipeglot.compilers.metaflow.names import MOST_SPLITS
from pipeglot.compilers.metaflow.processes import RunFolder, RunFolders
from pipeglot.compilers.metaflow.stack import MetaflowStack
from pipeglot.compilers.metaflow.texts import quoted
from pipeglot.compilers.remote import Away, Check, EngineTask
from pipeglot.core.errors import EngineError, Problem
from pipeglot.core.ir import Pipeline
from pipeglot.core.task.joining import RESERVED, EngineRun

ARGUMENT = 100_000
"""Bytes of a parameter on a command line; Linux takes 131,071, with its name before it."""

ALL_ARGUMENTS = 1_000_000
"""Bytes of all of them; Linux takes 2 MiB with the environment, macOS the half of it."""


DEPLOYED = 900.0
"""Seconds that Metaflow has to package and deploy a flow."""

_TITLES = {"argo-workflows": "Argo Workflows", "step-functions": "AWS Step Functions"}


class MetaflowDeployer:
    """Runs flows here. Every call raises `EngineError`, `ConfigError`."""

    wakes = False

    def __init__(self, stack: MetaflowStack) -> None:
        self.stack = stack
        self.interpreter = Interpreter(stack)
        self._flows = Flows(self.interpreter.kept, stack.name)
        self._logs: dict[Path, run_log.RunLog] = {}

    # --- deploying ----------------------------------------------------------------------------------------------------

    def register(self, source: Source, files: Collection[File]) -> None:
        """Keep the flow's file, for runs that are started from here."""
        self._flows.keep(source.pipeline.name, files)

    def is_live(self, pipeline: str, version: str) -> bool:
        return self._flows.is_newest(pipeline, version)

    def is_paused(self, pipeline: str) -> bool:  # noqa: ARG002  # nobody starts it but a person
        return False

    def install(self, pipeline: str) -> str:
        """Deploy the flow by Metaflow's own deployer, if the stack names one. Returns what it is called there."""
        there = self.stack.deploy_to
        flow = self._flows.newest(pipeline)
        if not there or flow is None:
            return ""
        self.interpreter.refuse_unfit()
        limit = read_flow(flow).most or self.stack.max_workers
        most = ["--max-workers", str(limit)] if limit else []
        with tempfile.TemporaryDirectory() as folder:
            about = Path(folder, "about.json")
            words = [*self.interpreter.flow(flow), there, "create", *most, "--deployer-attribute-file", str(about)]
            done = self.interpreter.call(words, DEPLOYED)
            name = str(json.loads(about.read_bytes()).get("name", "")) if about.exists() else ""
        if done.returncode:
            said = "\n".join(f"{done.stdout}\n{done.stderr}".strip().splitlines()[-20:])
            raise EngineError(
                f"Metaflow does not deploy `{pipeline}` to {_TITLES[there]}: exit code {done.returncode}\n{said}",
                hint="the pipeline and its code are in the store; deploy again when that is mended",
            )
        return f"`{pipeline}` is deployed to {_TITLES[there]}, as `{name or pipeline}`"

    # --- runs ---------------------------------------------------------------------------------------------------------

    def uncarried(self, pipeline: Pipeline, params: Mapping[str, Any]) -> Collection[str]:
        """What a command line does not take, or has no words for."""
        flow = self._flows.newest(pipeline.name)
        known = read_flow(flow) if flow is not None else FlowText("", {}, ())
        return [name for name, value in params.items() if name != RESERVED and _against(_text(known, name, value))]

    def start(self, pipeline: str, run: str, params: Mapping[str, Any]) -> EngineRun:
        """Start a run, and wait until Metaflow has given it an id."""
        flow = self._flows.newest(pipeline)
        if flow is None:
            raise Away(
                f"there is no flow of `{pipeline}` here", hint=f"`pipeglot deploy` brings it, to `{self.stack.name}`"
            )
        known = read_flow(flow)
        words = [
            *self.interpreter.flow(flow),
            "run",
            *("--run-id-file", "{id}"),
            *("--max-workers", str(known.most or self.stack.max_workers or os.cpu_count() or 1)),
            *("--max-num-splits", str(MOST_SPLITS)),
            *_arguments(known, params),
        ]
        found = self._folders(pipeline).start(run, words, self.interpreter.environment())
        return EngineRun(id=found, params=params, about={"name": run, "flow": known.name})

    def status(self, pipeline: str, run: str) -> Literal["waiting", "running", "succeeded", "failed", "gone"]:
        """How far it is; `gone` if it was not started from here, or long ago."""
        folder = self._folder(pipeline, run)
        if folder is None:
            return "gone"
        if folder.is_alive():
            return "running"
        return "succeeded" if self._log(folder).is_done() else "failed"

    def tasks(self, pipeline: str, run: str, states: Collection[str] = ()) -> Iterator[EngineTask]:
        """Its tasks that have begun: all, or those in these states. What a run that was killed has left is failed."""
        folder = self._folder(pipeline, run)
        if folder is None:
            return
        is_alive = folder.is_alive()
        for seen in self._log(folder).tasks():
            state = _state(seen, is_alive=is_alive)
            if not states or state in states:
                yield EngineTask(seen.step, -1, state, seen.attempt, item=seen.item, id=seen.task)

    def log(self, pipeline: str, run: str, task: EngineTask) -> str:
        """What the latest attempt of a task has printed so far."""
        folder = self._folder(pipeline, run)
        return run_log.printed(folder.log, task.id) if folder is not None else ""

    def cancel(self, pipeline: str, run: str) -> None:
        """Tell its tasks to end. What cleans up goes on, and Metaflow comes to its own end.

        Those of a run that was not started from here read it in the ledger.
        """
        folder = self._folder(pipeline, run)
        if folder is not None and folder.is_alive():
            folder.ends.touch()

    def url(self, pipeline: str, run: str) -> str:
        """Where a person looks at a run: in Metaflow's own pages if there are some, else in its log."""
        folder = self._folder(pipeline, run)
        pages = self.interpreter.environment().get("METAFLOW_UI_URL", "")
        flow = self._flows.newest(pipeline)
        if pages and flow is not None:
            return f"{pages.rstrip('/')}/{read_flow(flow).name}/{run}"
        return str(folder.log) if folder is not None else f"run {run} of Metaflow"

    # --- what is asked before -----------------------------------------------------------------------------------------

    def problems(self, source: Source) -> Iterator[Problem]:  # noqa: ARG002  # nothing of it is of this machine
        yield from ()

    def checks(self, deployed: Collection[Pipeline]) -> Iterator[Check]:  # noqa: ARG002  # it knows none
        """Whether the interpreter has what flows import, and whether its datastore can be written."""
        yield from self.interpreter.checks()

    # --- what is there ------------------------------------------------------------------------------------------------

    def _folders(self, pipeline: str) -> RunFolders:
        return RunFolders(self.interpreter.kept, self.stack.name, pipeline)

    def _folder(self, pipeline: str, run: str) -> RunFolder | None:
        return self._folders(pipeline).find(run)

    def _log(self, folder: RunFolder) -> run_log.RunLog:
        return self._logs.setdefault(folder.log, run_log.RunLog(folder.log))


def _state(
    seen: run_log.Seen, *, is_alive: bool
) -> Literal["waiting", "running", "retrying", "succeeded", "failed", "skipped"]:
    if seen.state == "failed" and is_alive:
        return "retrying"  # or Metaflow is about to end the run
    return "failed" if seen.state == "running" and not is_alive else seen.state


# --- parameters -------------------------------------------------------------------------------------------------------


def _arguments(known: FlowText, params: Mapping[str, Any]) -> Iterator[str]:
    """Each as one word. Raises `EngineError` for what no command line takes."""
    size = 0
    for name, value in params.items():
        text = _text(known, name, value)
        if text is None:
            continue  # as if it were not given
        if name not in known.words:
            raise EngineError(
                f"the flow that is kept here has no parameter `{name}`",
                hint="deploy it again: `pipeglot deploy TARGET`",
            )
        if against := _against(text):
            raise EngineError(
                f"parameter `{name}` cannot be given to Metaflow: {against}",
                hint="keep what is large in a file, or take it as an `Artifact`",
            )
        word = f"--{known.words[name]}={text}"
        size += len(word.encode())
        yield word
    if size > ALL_ARGUMENTS:
        raise EngineError(
            f"the parameters have {size:,} bytes, and a command line takes {ALL_ARGUMENTS:,}",
            hint="keep what is large in a file, or take it as an `Artifact`",
        )


def _text(known: FlowText, name: str, value: Any) -> str | None:
    """As it stands on the command line; None for what is not to be there."""
    if name == RESERVED or name in known.texts:
        return json.dumps(value)
    if name in known.quoted and isinstance(value, str):
        return quoted(value)
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)


def _against(text: str | None) -> str:
    """Why it cannot stand there; "" if it can."""
    if text is None:
        return "it is `None`, which Metaflow takes for one that was not given"
    if "\0" in text:
        return "it has a NUL character"
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "it has half of a surrogate pair"
    return f"it has {size:,} bytes, and a command line takes {ARGUMENT:,}" if size > ARGUMENT else ""
