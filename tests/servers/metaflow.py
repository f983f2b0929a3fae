"""Metaflow in the sandbox's environment: no server, but the runs that its own runner makes there."""

from __future__ import annotations

import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

from pipeglot.compilers.metaflow.interpreter import Interpreter
from pipeglot.compilers.metaflow.stack import MetaflowStack
from tests.servers.sandbox import Server, shared


class Metaflow(Server):
    """A sandbox that is up."""

    services: tuple[str, ...] = ()

    def __init__(self, home: Path) -> None:
        super().__init__("metaflow", "2", home)
        self.interpreter = str(home / "environment/bin/python")
        self.datastore = self.view["folders"]["datastore"]

    @property
    def words(self) -> str:
        """What a stack of `pipeglot.yaml` says of it."""
        return f"backend: metaflow, python: '{self.interpreter}', datastore: local, datastore_root: '{self.datastore}'"

    def stack(self, store: Path) -> str:
        """What a stack says with which runs are started and followed."""
        return f"{self.words}, store: '{store}', trusted: true"

    def model(self, name: str) -> MetaflowStack:
        """That stack, as it is read."""
        return MetaflowStack(name=name, python=self.interpreter, datastore="local", datastore_root=self.datastore)

    def flow(self, file: Path, *words: str) -> subprocess.Popen[bytes]:
        """A command to a flow, as a user of Metaflow types it. What it prints is in `FILE.log`."""
        found = Interpreter(self.model("by-hand"))
        with file.with_suffix(".log").open("ab") as log:
            return subprocess.Popen(
                [*found.flow(file), *words],
                env=found.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


def shared_metaflow(base: Path, who: str) -> AbstractContextManager[Metaflow]:
    """One for all processes of a test run."""
    return shared(Metaflow, "metaflow-2", base, who)
