"""The virtual environment of an engine: made by `uv` from pinned requirements, kept, and used again.

Its folder is named after all that it is made from, so that another version of pipeglot, or another checkout, makes one
of its own and changes none that is in use. `uv` links files from its cache, so a second one costs little.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pipeglot
from pipeglot.compilers.sandboxes.waiting import tail
from pipeglot.core.errors import SandboxError
from pipeglot.core.store.files import make_private

_READY = ".ready"


class Pins(NamedTuple):
    """What an environment is made from.

    name: of its folder.
    requirements: the file of pinned packages.
    pythons: the versions of Python that the engine runs on, the best first.
    """

    name: str
    requirements: Path
    pythons: tuple[str, ...]


def ensure(pins: Pins, folder: Path, tell: Callable[[str], None]) -> Path:
    """The folder of the environment, below `folder`; made if it is not there. Raises `SandboxError`."""
    python = _python(pins)
    made = folder / f"{pins.name}-{_digest(pins, python)}"
    if (made / _READY).exists():
        return made
    make_private(folder)
    with _locked(folder / f"{made.name}.lock"):
        if not (made / _READY).exists():
            uv = find_uv()
            tell(f"making the environment for {pins.name} in {made}, once; this takes a minute or more")
            _make(pins, made, python, uv)
    return made


def _make(pins: Pins, made: Path, python: str, uv: list[str]) -> None:
    log = made.with_suffix(".log")
    log.unlink(missing_ok=True)
    _run([*uv, "venv", "--quiet", "--allow-existing", "--python", python, str(made)], made, log, python)
    _run([*uv, "pip", "sync", "--quiet", "--compile-bytecode", str(pins.requirements)], made, log, python)
    _link(made)
    (made / _READY).touch()
    log.unlink(missing_ok=True)


def find_uv() -> list[str]:
    """How `uv` is called: from the PATH, or as a package of this Python. Raises `SandboxError`."""
    if found := shutil.which("uv"):
        return [found]
    if importlib.util.find_spec("uv") is not None:
        return [sys.executable, "-m", "uv"]
    raise SandboxError(
        "there is no `uv` on the PATH, and uv is what makes environments",
        hint="install it, for example with `pip install uv`",
    )


def _run(words: list[str], made: Path, log: Path, python: str) -> None:
    """uv's own settings hold; beyond them, it takes the certificates that the system trusts."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH")}
    environment |= {"VIRTUAL_ENV": str(made), "UV_SYSTEM_CERTS": os.environ.get("UV_SYSTEM_CERTS", "true")}
    with log.open("ab") as file:
        done = subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file, check=False)
    if done.returncode:
        what = f"Python {python}" if "venv" in words else "the packages"
        raise SandboxError(
            f"{what} of the environment `{made.name}` cannot be had: `uv` ended with exit code {done.returncode}"
            f"{tail(log)}",
            hint="uv reads its index and its certificates from `UV_DEFAULT_INDEX`, `SSL_CERT_FILE` and `uv.toml`, "
            "not from pip's settings",
        )


def _link(made: Path) -> None:
    """Let the environment import the very pipeglot that runs here, and nothing else of this Python."""
    (packages,) = made.glob("lib/python3*/site-packages")
    link = packages / "pipeglot"
    link.unlink(missing_ok=True)
    link.symlink_to(_own_folder(), target_is_directory=True)


def _own_folder() -> Path:
    assert pipeglot.__file__ is not None
    return Path(pipeglot.__file__).resolve().parent


def _python(pins: Pins) -> str:
    """This very interpreter if it is of a fitting version, else the best version, which uv looks for."""
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    return os.path.realpath(sys.executable) if running in pins.pythons else pins.pythons[0]


def _digest(pins: Pins, python: str) -> str:
    parts = (pins.requirements.read_bytes(), python.encode(), platform.machine().encode(), bytes(_own_folder()))
    return sha256(b"\0".join(parts)).hexdigest()[:10]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One makes an environment, and all others that want the same one wait."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
