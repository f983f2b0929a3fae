"""Cases run on an engine and on the local runner, each with an empty store of its own, and what both recorded."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from pipeglot.core.lineage import keys
from tests.conformance.cases import CASES
from tests.e2e.conftest import Project
from tests.servers.sandbox import PATIENCE, Server

HERE = Path(__file__).parent
STACK = "far"


class Backend(Protocol):
    """An engine that is up. `words` are what a stack in `pipeglot.yaml` says of it, but for its store."""

    server: Server

    @property
    def words(self) -> str: ...

    def start(self, pipeline: str, params: Mapping[str, Any], *, cache: bool = False) -> str:
        """Start a run of what is deployed; returns the engine's own id of it. cache: whether it may take from there."""

    def wait(self, pipeline: str, run: str) -> bool:
        """Whether the engine says that the run has succeeded, once it is over."""

    def cancel(self, pipeline: str, run: str) -> None:
        """End it, as somebody does in the engine's pages."""

    def again(self, pipeline: str, run: str, step: str) -> None:
        """Have a run that has failed at a step go on, as somebody does in the engine's pages."""


class Both(NamedTuple):
    """A case as it was recorded on both. good: whether the engine called it a success."""

    far: dict[str, Any]
    local: dict[str, Any]
    good: bool


class Suite:
    """All cases, deployed and, but for large ones, started at once; each is waited for when it is asked for.

    lacks: those that the backend refuses.
    """

    def __init__(
        self, backend: Backend, folder: Path, cases: Mapping[str, Any], lacks: frozenset[str] = frozenset()
    ) -> None:
        self.backend = backend
        self.lacks = lacks
        self.folder = folder
        self.project = Project(folder / "project")
        self.project.patience = PATIENCE
        self.project.root.mkdir()
        shutil.copy(HERE / "flows.py", self.project.root)
        (folder / "token").write_text("a secret of the suite")
        secrets = f"secrets: {{TOKEN: 'file:{folder}/token'}}"
        here = f"{{backend: local, store: '{folder}/local', pools: {{default_pool: 4}}, {secrets}}}"
        stacks = f"  local: {here}\n  {STACK}: {{{backend.words}, store: '{folder}/store', trusted: true, {secrets}}}\n"
        self.project.write("pipeglot.yaml", f"stacks:\n{stacks}")
        cases = {name: case for name, case in cases.items() if name not in lacks}
        for pipeline in dict.fromkeys(CASES[case].pipeline for case in cases):
            self.project("deploy", f"flows.py:{pipeline}", "--stack", STACK)
        self.started = {name: self._start(name) for name in cases if not CASES[name].alone}

    def refused(self, name: str) -> None:
        """A case that the backend says it cannot do."""
        self.project("deploy", f"flows.py:{CASES[name].pipeline}", "--stack", STACK, code=33)

    def both(self, name: str) -> Both:
        case, run = CASES[name], self.started.get(name) or self._start(name)
        good = self.backend.wait(case.pipeline, run)
        here = [word for key, value in case.params.items() for word in ("-p", f"{key}={_text(value)}")]
        words = ["run", f"flows.py:{case.pipeline}", "--stack", "local", "--no-cache", "--json", *here]
        local = self.project(*words, code=None, PYTHONHASHSEED="3").json
        far = self.project("runs", "show", keys.run_id(STACK, case.pipeline, run), "--stack", STACK, "--json").json
        return Both(far, local, good)

    def _start(self, name: str) -> str:
        return self.backend.start(CASES[name].pipeline, CASES[name].params)

    def value(self, found: dict[str, Any], stack: str, step: str) -> Any:
        """What a step returned."""
        (artifact,) = next(one for one in found["steps"] if one["id"] == step)["outputs"].values()
        return self.project("artifact", "get", artifact, "--stack", stack, "--json").json["value"]


def _text(value: object) -> str:
    """As a command line has it."""
    import json

    return value if isinstance(value, str) else json.dumps(value)


def summary(run: dict[str, Any]) -> dict[str, Any]:
    """What must be equal: states, attempts, errors. Of hooks, what became of them."""
    return {
        f"{one['id']}{one['index']}": (
            one["status"],
            one["attempts"],
            (one["error"] or {}).get("type"),
            one["metrics"],
        )
        for one in run["steps"]
    }
