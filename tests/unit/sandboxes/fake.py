"""An engine that is a web server, with a child in a session of its own that does not end when it is asked to."""

from __future__ import annotations

import sys
import textwrap
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeglot.compilers.sandboxes.engine import Engine, Release
from pipeglot.compilers.sandboxes.home import Home
from pipeglot.compilers.sandboxes.records import State
from pipeglot.compilers.sandboxes.starting import Starting
from pipeglot.core.errors import UsageError

_STUBBORN = """
    import os, signal, time
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    time.sleep(600)
"""


class Fake(Engine):
    """`script` is what a second part runs."""

    name = "fake"
    title = "Fake"
    user = "me"
    ports = 1

    def __init__(self, requirements: Path, script: str = _STUBBORN) -> None:
        self.releases = {"1": Release("1", "1.0", requirements, ("3.11", "3.12", "3.13", "3.14"))}  # type: ignore[misc]
        self.script = textwrap.dedent(script)

    def check_settings(self, version: str, settings: Mapping[str, str]) -> None:
        if "wrong" in settings:
            raise UsageError("`wrong` is no setting")

    def url(self, ports: tuple[int, ...]) -> str:
        return f"http://127.0.0.1:{ports[0]}"

    def folders(self, home: Home) -> dict[str, str]:
        return {"files": str(home.folder("files"))}

    def start(self, run: Starting) -> None:
        environment = run.environment()
        run.call("look", [sys.executable, "-c", "assert input() == 'given'"], environment, given="given\n")
        run.serve("other", [sys.executable, "-c", self.script], environment)
        server = ["-m", "http.server", str(run.state.ports[0]), "--bind", "127.0.0.1", "--directory", "files"]
        run.serve("web", [sys.executable, *server], environment, last=True)
        run.wait("Fake 1.0", lambda: self.trouble(run.state, run.home), "web")

    def trouble(self, state: State, home: Home) -> str:
        try:
            with urllib.request.urlopen(state.url, timeout=2):
                return ""
        except OSError as error:
            return str(error)

    def stack(self, state: State, home: Home) -> dict[str, Any]:
        return {"backend": "local", "store": str(home.path / "store")}
