"""What an engine starts itself with: commands that must succeed, parts that go on, and waiting until all is well."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from pipeglot.compilers.sandboxes.home import Home
from pipeglot.compilers.sandboxes.processes import MARK, Child, start, table
from pipeglot.compilers.sandboxes.records import Service, State
from pipeglot.compilers.sandboxes.waiting import LOCALHOST, tail, wait
from pipeglot.core.errors import SandboxError

PATIENCE = 300.0
"""Seconds until a sandbox must be well. A busy machine takes long."""

_DROPPED = ("PYTHONHOME", "PYTHONPATH", "PYTHONSAFEPATH", "PYTHONSTARTUP", "VIRTUAL_ENV", MARK)


class Starting:
    """One start of a sandbox. Every process is noted in its folder as soon as there is one."""

    def __init__(self, home: Home, state: State, tell: Callable[[str], None]) -> None:
        self.home = home
        self.state = state
        self.tell = tell
        self._children: dict[str, Child] = {}

    @property
    def bin(self) -> Path:
        """Where the programs of the environment are."""
        return Path(self.state.environment) / "bin"

    def environment(self, more: Mapping[str, str] = {}, without: str = "") -> dict[str, str]:
        """The user's, with its credentials, but nothing in it that would lead the engine elsewhere.

        without: the beginning of the names of variables that are left out as well.
        """
        kept = {name: value for name, value in os.environ.items() if name not in _DROPPED}
        if without:
            kept = {name: value for name, value in kept.items() if not name.startswith(without)}
        here = ",".join(filter(None, (kept.get("NO_PROXY") or kept.get("no_proxy"), LOCALHOST, "localhost")))
        found = {
            **kept,
            MARK: str(self.home.path),
            "PATH": f"{self.bin}:{kept.get('PATH', os.defpath)}",
            "NO_PROXY": here,
            "no_proxy": here,
            "SPT_NOENV": "1",  # setproctitle writes over the environment otherwise, and with it over the mark
        }
        if sys.platform == "darwin":
            found["OBJC_DISABLE_INITIALIZE_FORK_SAFETY"] = "YES"  # Airflow and others fork
        return found | dict(more)

    def call(self, what: str, words: Sequence[str], environment: Mapping[str, str], given: str = "") -> None:
        """Run a command to its end; `given` is what it reads. Raises `SandboxError` with its last words if it fails."""
        log = self._fresh(what)
        reads, writes = os.pipe()
        with os.fdopen(reads, "rb") as source, os.fdopen(writes, "wb") as sink:
            sink.write(given.encode())
            sink.close()
            child = start(words, self.home.path, environment, log, stdin=source.fileno())
        code = child.wait()
        if code:
            told = f"it was killed by signal {-code}" if code < 0 else f"exit code {code}"
            raise SandboxError(f"cannot {what}: {told}{tail(log)}", hint=f"see `{log}`")

    def serve(self, name: str, words: Sequence[str], environment: Mapping[str, str], *, last: bool = False) -> None:
        """Start a part that goes on."""
        child = start(words, self.home.path, environment, self._fresh(name))
        self._children[name] = child
        process = table().get(child.pid)
        service = Service(name=name, pid=child.pid, born=process.born if process else "", last=last)
        self.state = msgspec.structs.replace(self.state, services=(*self.state.services, service))
        self.home.write_state(self.state)

    def wait(self, what: str, trouble: Callable[[], str], log: str) -> None:
        """Until all is well. A part that ends fails at once, with what it said last."""

        def look() -> str:
            for name, child in self._children.items():
                if (code := child.poll()) is not None:
                    path = self.home.log(name)
                    told = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
                    raise SandboxError(f"{what}: its {name} {told}{tail(path)}", hint=f"see `{path}`")
            return trouble()

        wait(look, PATIENCE, what, self.home.log(log))

    def _fresh(self, name: str) -> Path:
        """A log for a new process; that of the one before is kept."""
        log = self.home.log(name.replace(" ", "-"))
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        return log
