"""KFP on this machine: no cluster, but a server of ours with KFP's API, which runs specs by KFP's own `kfp.local`."""

from __future__ import annotations

import http.client
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from pipeglot.compilers.kfp.stack import SANDBOX_IMAGE
from pipeglot.compilers.sandboxes.asking import ask
from pipeglot.compilers.sandboxes.engine import Engine, Release
from pipeglot.compilers.sandboxes.home import Home
from pipeglot.compilers.sandboxes.records import State
from pipeglot.compilers.sandboxes.running import PASSWORD
from pipeglot.compilers.sandboxes.starting import Starting
from pipeglot.compilers.sandboxes.waiting import LOCALHOST
from pipeglot.core.errors import UsageError

_HERE = Path(__file__).parent
_USER = "admin"
_MOST_RUNS = "max_runs"


class Kfp(Engine):
    """KFP 2, by `kfp.local`."""

    name = "kfp"
    title = "KFP"
    user = _USER
    ports = 1
    releases: ClassVar[Mapping[str, Release]] = MappingProxyType(
        {"2": Release("2", "2.17.3", _HERE / "sandbox_v2.txt", ("3.11", "3.12", "3.13"))}
    )

    def check_settings(self, version: str, settings: Mapping[str, str]) -> None:  # noqa: ARG002  # there is one
        for name, value in settings.items():
            if name != _MOST_RUNS:
                raise UsageError(f"`{name}` is no setting of this sandbox", hint=f"it has one: `-o {_MOST_RUNS}=4`")
            if not value.isdecimal() or int(value) < 1:
                raise UsageError(f"`{name}` is how many runs there are at once, and not `{value}`", hint="as `4`")

    def url(self, ports: tuple[int, ...]) -> str:
        return f"http://{LOCALHOST}:{ports[0]}"

    def folders(self, home: Home) -> dict[str, str]:
        return {"runs": str(home.folder("kfp")), "logs": str(home.folder("logs"))}

    def start(self, run: Starting) -> None:
        home = run.home
        home.secret(PASSWORD)
        most = run.state.settings.get(_MOST_RUNS) or str(max(2, os.cpu_count() or 1))
        words = [str(run.state.ports[0]), run.state.folders["runs"], str(home.path / PASSWORD), most]
        python = str(run.bin / "python")
        run.serve("server", [python, "-m", "pipeglot.compilers.kfp.local.server", *words], run.environment())
        run.wait(f"{self.title} {run.state.release}", lambda: self.trouble(run.state, home), "server")

    def trouble(self, state: State, home: Home) -> str:
        key = {"Authorization": f"Bearer {home.secret(PASSWORD)}"}
        try:
            ask(state.ports[0], "GET", "/apis/v2beta1/experiments", None, key)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return f"it does not answer as it should: {type(error).__name__}: {error}"
        return ""

    def stack(self, state: State, home: Home) -> dict[str, Any]:
        return {
            "backend": self.name,
            "api_url": state.url,
            "auth": {"token_file": str(home.path / PASSWORD)},
            "image": SANDBOX_IMAGE,
        }
