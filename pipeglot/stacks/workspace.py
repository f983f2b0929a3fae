"""The project on disk: its root, its import roots, its configuration, and the folder where we keep its state.

The root is the nearest folder upwards that holds `pipeglot.yaml`. Without one, a target's own folder is the root, with
an implicit local stack.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from pipeglot.core.errors import ConfigError, NotFound
from pipeglot.core.sources import roots_of
from pipeglot.core.stack import Stack
from pipeglot.core.store.files import write_private
from pipeglot.core.suggest import did_you_mean, meant
from pipeglot.core.variables import expand
from pipeglot.stacks.config_cache import cached_config
from pipeglot.stacks.models import IMPLICIT, Config
from pipeglot.stacks.state import FILE, MAX_BYTES, STATE, make_state


class Workspace(NamedTuple):
    """A project. `file` is the path of its `pipeglot.yaml`, None if it has none."""

    root: Path
    config: Config
    file: Path | None

    @property
    def roots(self) -> tuple[str, ...]:
        """Where modules are imported from, first match first: `src`, unless it is a package itself, and the root."""
        return roots_of(self.root)

    def state(self, *parts: str) -> Path:
        """A folder for our own files, made if it is not there. Git ignores all of them."""
        return make_state(self.root).joinpath(*parts)

    # --- stacks -------------------------------------------------------------------------------------------------------

    def stack(self, name: str | None = None) -> Stack:
        """The stack of that name, or the active one. Raises `NotFound`, `ConfigError`."""
        name = name or self.active()
        if name in self.config.stacks:
            return self.config.stacks[name]
        raise NotFound(f"there is no stack `{name}`{self._where()}", hint=self._known_stacks(name))

    def active(self) -> str:
        """The name of the active stack: the chosen one, else the only one, else `local`."""
        chosen = self.chosen()
        if chosen is not None:
            if chosen in self.config.stacks:
                return chosen
            raise ConfigError(
                f"the active stack is `{chosen}`, and there is no such stack{self._where()}",
                hint=f"choose another: `pipeglot stack set {next(iter(self.config.stacks))}`",
            )
        if len(self.config.stacks) == 1:
            return next(iter(self.config.stacks))
        if "local" in self.config.stacks:
            return "local"
        listed = ", ".join(f"`{name}`" for name in self.config.stacks)
        raise ConfigError(
            f"`{FILE}` has several stacks ({listed}), and none is active",
            hint=f"choose one: `pipeglot stack set {next(iter(self.config.stacks))}`, or say `--stack` each time",
        )

    def chosen(self) -> str | None:
        """What `choose` was last told in this checkout, if anything."""
        try:
            return (self.root / STATE / "stack").read_text(encoding="utf-8", errors="replace").strip()[:100] or None
        except OSError:
            return None

    def choose(self, name: str) -> None:
        """Make a stack the active one of this checkout."""
        write_private(self.state("stack"), f"{self.stack(name).name}\n".encode())

    def forget_choice(self) -> None:
        """Let no stack be the chosen one of this checkout."""
        self.state("stack").unlink(missing_ok=True)

    def store_uri(self, stack: Stack) -> str:
        """Where a stack's store is; a relative folder lies in the project."""
        text = expand(stack.store, f"stack `{stack.name}`: `store`")
        if "://" in text or text.startswith("~"):
            return text
        return os.path.normpath(self.root / text)

    def secrets(self, stack: Stack) -> dict[str, str]:
        """Where a stack's secrets are; a relative file lies in the project."""
        return {name: self._secret(where) for name, where in stack.secrets.items()}

    def _secret(self, where: str) -> str:
        kind, _, place = where.partition(":")
        return where if kind != "file" or place.startswith("~") else f"file:{os.path.normpath(self.root / place)}"

    def _where(self) -> str:
        return f" in `{FILE}`" if self.file else ""

    def _known_stacks(self, name: str) -> str:
        if not self.file:
            none = f"without a `{FILE}` there is one stack, `local`; `pipeglot init` makes the file"
            return did_you_mean(name, self.config.stacks, none)
        return meant(name, self.config.stacks, "the stacks are")


def workspace_of(folder: Path) -> Workspace | None:
    """The project whose `pipeglot.yaml` is nearest upwards from a folder; None if there is no such file."""
    for root in (folder, *folder.parents):
        data = _read(root / FILE)
        if data is not None:
            return Workspace(root, cached_config(root / STATE, data, _parse), root / FILE)
    return None


def workspace_at(folder: Path) -> Workspace:
    """The project that a command without a target means, started in `folder`."""
    found = workspace_of(folder)
    if found is not None:
        return found
    used = next((root for root in (folder, *folder.parents) if (root / STATE / "store").is_dir()), folder)
    return bare_workspace(used)


def bare_workspace(root: Path) -> Workspace:
    """A project without a `pipeglot.yaml`."""
    return Workspace(root, IMPLICIT, None)


def _parse(data: bytes) -> Config:
    from pipeglot.stacks.reading import read_config

    return read_config(data)


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"`{path}` cannot be read: {error.strerror}") from None
