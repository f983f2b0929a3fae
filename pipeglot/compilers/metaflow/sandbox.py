"""Metaflow on this machine: it needs no server, so its sandbox is an environment, and a folder for its datastore."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from pipeglot.compilers.sandboxes.engine import Engine, Release
from pipeglot.compilers.sandboxes.home import Home
from pipeglot.compilers.sandboxes.records import State
from pipeglot.compilers.sandboxes.starting import Starting
from pipeglot.core.errors import UsageError

_HERE = Path(__file__).parent
_LINK = "environment"
"""In the sandbox's folder, to the environment: what its stack names, so that nothing starts on a sandbox that is down.
"""


class Metaflow(Engine):
    """Metaflow 2, with its own runner."""

    name = "metaflow"
    title = "Metaflow"
    user = ""
    ports = 0
    serves = False
    releases: ClassVar[Mapping[str, Release]] = MappingProxyType(
        {"2": Release("2", "2.19.39", _HERE / "sandbox_v2.txt", ("3.11", "3.12", "3.13"))}
    )

    def check_settings(self, version: str, settings: Mapping[str, str]) -> None:  # noqa: ARG002  # there is one
        for name in settings:
            raise UsageError(
                f"`{name}` is no setting of this sandbox: it has none",
                hint="`environment:` of its stack sets Metaflow's own, as `METAFLOW_USER`",
            )

    def url(self, ports: tuple[int, ...]) -> str:  # noqa: ARG002  # it listens on none
        return ""

    def folders(self, home: Home) -> dict[str, str]:
        return {"datastore": str(home.folder("datastore"))}

    def start(self, run: Starting) -> None:
        link = run.home.path / _LINK
        link.unlink(missing_ok=True)
        link.symlink_to(run.state.environment, target_is_directory=True)
        words = [str(_python(run.home)), "-c", "import metaflow, pipeglot.compilers.metaflow.worker"]
        run.call("import metaflow", words, run.environment())

    def trouble(self, state: State, home: Home) -> str:
        python = _python(home)
        if not python.exists():
            return f"there is no `{python}`"
        folder = Path(state.folders["datastore"])
        return "" if folder.is_dir() else f"there is no folder `{folder}`"

    def end(self, home: Home) -> None:
        (home.path / _LINK).unlink(missing_ok=True)

    def stack(self, state: State, home: Home) -> dict[str, Any]:
        return {
            "backend": self.name,
            "python": str(_python(home)),
            "datastore": "local",
            "datastore_root": state.folders["datastore"],
        }


def _python(home: Home) -> Path:
    return home.path / _LINK / "bin" / "python"
