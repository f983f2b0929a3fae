"""The Python that has Metaflow: how it is called, and whether all is there that flows import."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec

from pipeglot.compilers.metaflow.stack import MetaflowStack
from pipeglot.compilers.remote import Check
from pipeglot.compilers.sandboxes.home import cache
from pipeglot.compilers.sandboxes.processes import MARK
from pipeglot.core.errors import EngineError
from pipeglot.core.variables import expand

PATIENCE = 120.0
"""Seconds that it has to import Metaflow. A busy machine takes long."""

_DROPPED = ("PYTHONHOME", "PYTHONPATH", "PYTHONSAFEPATH", "PYTHONSTARTUP", "VIRTUAL_ENV")
"""What would lead it to the packages of this very process."""

_USERS = ("METAFLOW_USER", "SUDO_USER", "USERNAME", "USER")
"""Where Metaflow reads who its user is. It takes no `root`."""

_SANDBOX = "sandbox.json"

OLDEST = (2, 18)
"""The first Metaflow that flows are known to run with: older ones have no switch."""

_LOOK = """\
import importlib.metadata as about, json, platform
import metaflow
import metaflow.metaflow_config as config
import pipeglot.compilers.metaflow.worker
images = {"argo-workflows": config.KUBERNETES_CONTAINER_IMAGE, "step-functions": config.BATCH_CONTAINER_IMAGE}
images = {there: image for there, image in images.items() if image}
print(json.dumps({"python": platform.python_version(), "metaflow": about.version("metaflow"), "images": images}))
"""


class Found(msgspec.Struct, frozen=True):
    """What it says of itself. images: of tasks that name none, by what deploys them."""

    python: str
    metaflow: str
    images: dict[str, str] = {}

    @property
    def version(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.metaflow.split(".")[:2] if part.isdecimal())


class Interpreter:
    """That of a stack."""

    def __init__(self, stack: MetaflowStack) -> None:
        self.stack = stack
        self.path = Path(expand(stack.python, f"stack `{stack.name}`: `python`")).expanduser().absolute()

    @property
    def kept(self) -> Path:
        """The folder of all flows and runs: of a sandbox its own, so that it goes with it."""
        if self._sandbox is not None:
            return self._sandbox
        return Path(os.environ.get("PIPEGLOT_METAFLOW") or cache() / "metaflow").absolute()

    @property
    def _sandbox(self) -> Path | None:
        """The folder of the sandbox that it belongs to, if it does."""
        home = self.path.parents[2] if len(self.path.parents) > 2 else self.path.parent
        return home if (home / _SANDBOX).exists() else None

    def flow(self, file: Path) -> list[str]:
        """The beginning of every command to a flow. Raises `EngineError` if there is no such Python."""
        if not os.access(self.path, os.X_OK):
            raise self._missing()
        datastore = ["--datastore", kept] if (kept := self.stack.kept_in(self._root())) else []
        metadata = ["--metadata", "service"] if self.stack.service_url else []
        return [str(self.path), str(file), "--no-pylint", *datastore, *metadata]

    def environment(self) -> dict[str, str]:
        """The user's, with what the stack says of Metaflow."""
        name = f"stack `{self.stack.name}`"
        found = {key: value for key, value in os.environ.items() if key not in _DROPPED}
        if all(found.get(one, "root") == "root" for one in _USERS):
            found["METAFLOW_USER"] = "pipeglot"
        if self.stack.profile:
            found["METAFLOW_PROFILE"] = self.stack.profile
        if self.stack.service_url:
            found["METAFLOW_SERVICE_URL"] = expand(self.stack.service_url, f"{name}: `service_url`")
        if root := self._root():
            kind = self.stack.kept_in(root).upper()
            found[f"METAFLOW_DATASTORE_SYSROOT_{kind}"] = str(_folder(root)) if kind == "LOCAL" else root
        if self._sandbox is not None:
            found[MARK] = str(self._sandbox)  # it is ended with the sandbox
        return found | {key: expand(value, f"{name}: `{key}`") for key, value in self.stack.environment.items()}

    def checks(self) -> Iterator[Check]:
        """Whether it is there, and can import what flows import; and whether the datastore can be written to."""
        try:
            found = self._look()
        except EngineError as error:
            yield Check("python", error.message, ok=False, hint=error.hint)
            return
        yield Check("python", f"`{self.path}` is Python {found.python}, with Metaflow {found.metaflow} and pipeglot")
        if found.version < OLDEST:
            told = f"flows need Metaflow {_dotted(OLDEST)} or newer"
            yield Check("metaflow", told, ok=False, hint=f"`{self.path} -m pip install --upgrade metaflow`")
        if self.stack.deploy_to:
            yield self._image(found)
        if (text := self._root()) and self.stack.kept_in(text) == "local":
            root = _folder(text)
            if os.access(root, os.W_OK | os.X_OK):
                yield Check("datastore", f"`{root}` can be written")
            else:
                told = f"there is no folder `{root}` that can be written"
                yield Check("datastore", told, ok=False, hint="make it, or name another one")

    def refuse_unfit(self) -> None:
        """Raises `EngineError` if Metaflow is too old, or has no image for tasks that name none."""
        for check in self.checks():
            if not check.ok:
                raise EngineError(f"stack `{self.stack.name}`: {check.said}", hint=check.hint)

    def _image(self, found: Found) -> Check:
        """Of the tasks whose step names none."""
        image = self.stack.image or found.images.get(self.stack.deploy_to, "")
        if image:
            return Check("image", f"tasks that name none run in `{image}`")
        return Check(
            "image",
            "tasks that name no image would run in Metaflow's own one, which has no pipeglot",
            ok=False,
            hint="say `image:` in the stack: one with pipeglot and what steps import",
        )

    def _root(self) -> str:
        return expand(self.stack.datastore_root, f"stack `{self.stack.name}`: `datastore_root`")

    def _look(self) -> Found:
        if not os.access(self.path, os.X_OK):
            raise self._missing()
        done = self.call([str(self.path), "-c", _LOOK], PATIENCE)
        try:
            return msgspec.convert(json.loads(done.stdout.splitlines()[-1] if done.stdout else b""), Found)
        except (ValueError, msgspec.ValidationError):
            said = done.stderr.strip().splitlines()
            told = said[-1] if said else f"exit code {done.returncode}"
            raise EngineError(
                f"`{self.path}` cannot import what flows import: {told}",
                hint=f"`{self.path} -m pip install metaflow pipeglot` installs both",
            ) from None

    def call(self, words: list[str], patience: float) -> subprocess.CompletedProcess[str]:
        """Run a command of it to its end. Raises `EngineError` if that does not come."""
        try:
            return subprocess.run(
                words,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=patience,
                check=False,
            )
        except OSError as error:
            raise EngineError(f"`{self.path}` cannot be started: {error.strerror}") from None
        except subprocess.TimeoutExpired:
            raise EngineError(f"`{self.path}` has given no answer within {patience:.0f} s") from None

    def _missing(self) -> EngineError:
        return EngineError(
            f"stack `{self.stack.name}`: there is no program `{self.path}`",
            hint="`python:` names the Python that has Metaflow; `pipeglot sandbox up metaflow` makes one",
        )


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _folder(text: str) -> Path:
    return Path(text).expanduser().absolute()
