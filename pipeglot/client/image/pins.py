"""The versions of all packages of an image, by `uv`, which asks the index; chosen before where they may be."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

from pipeglot.compilers.sandboxes.environment import find_uv
from pipeglot.core.errors import SandboxError, UsageError

PLATFORM = "x86_64-manylinux_2_28"
"""What the versions are chosen for. A package has the same versions for other processors, with few exceptions."""

_PIN = re.compile(r"^\s*'?([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s'\\]+)", re.MULTILINE)
_LINE = re.compile(r"[A-Za-z0-9][^\n\r]*")
_EXTRA = re.compile(r"(.+?)\s*;\s*extra\s*==\s*[\"']([\w-]+)[\"']\s*")
_SHOWN = 1500


def pinned(lines: Iterable[str], extras: Iterable[str], python: str, before: str, *, upgrade: bool) -> tuple[str, ...]:
    """All that these requirements need, and pipeglot with its extras, but pipeglot itself: one line each.

    python: its version in the image. before: the text in which versions were chosen before: they stay, as far as they
    may; else, and with `upgrade`, those that are installed here are taken, and of what is not here the newest.
    Raises `UsageError`.
    """
    wanted = list(lines)
    for line in wanted:
        if not _LINE.fullmatch(line):
            raise UsageError(f"`{line[:60]}` of `packages=` is no requirement", hint="write it as for pip: `pandas>=2`")
    chosen = {_normal(one.name): one.version for one in metadata.distributions()}
    if not upgrade:
        chosen |= {_normal(name): version for name, version in _PIN.findall(before)}
    known = set(extras)
    while True:
        found = _resolved([*_own(known), *wanted], chosen, python)
        more = _fitting(found) - known
        if not more:
            return found
        known |= more


def _own(extras: set[str]) -> list[str]:
    """What pipeglot itself needs, with these extras. It need not be on an index for that."""
    found = []
    for line in metadata.requires("pipeglot") or ():
        of_extra = _EXTRA.fullmatch(line)
        if of_extra is None or of_extra[2] in extras:
            found.append(of_extra[1] if of_extra else line)
    return found


def _fitting(found: Iterable[str]) -> set[str]:
    """The extras of pipeglot that are for a package that is there, as pandas, whose values it stores by pyarrow."""
    names = {line.partition("==")[0] for line in found}
    return {extra for extra in metadata.metadata("pipeglot").get_all("Provides-Extra") or () if extra in names}


def _resolved(lines: list[str], chosen: Mapping[str, str], python: str) -> tuple[str, ...]:
    try:
        uv = find_uv()
    except SandboxError as error:
        raise UsageError("there is no `uv` on the PATH, and uv is what finds the versions", hint=error.hint) from None
    words = ["pip", "compile", "--quiet", "--no-annotate", "--no-header", "--no-emit-index-url"]
    words += ["--no-emit-find-links", "--python-version", python, "--python-platform", PLATFORM]
    environment = {"UV_SYSTEM_CERTS": "true", "NO_COLOR": "1", **os.environ}
    with tempfile.TemporaryDirectory(prefix="pipeglot-") as folder:
        given, out = Path(folder, "given.txt"), Path(folder, "pins.txt")
        given.write_text("\n".join(lines), encoding="utf-8")
        out.write_text("".join(f"{name}=={version}\n" for name, version in sorted(chosen.items())), encoding="utf-8")
        words += ["--output-file", str(out), str(given)]
        done = subprocess.run(
            [*uv, *words],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise UsageError(
                f"no versions can be had for all of {_shown(lines)}, on Python {python}:\n"
                f"{done.stderr.strip()[-_SHOWN:]}",
                hint="uv reads its index from `UV_DEFAULT_INDEX`, `UV_INDEX` and `uv.toml`, not from pip's settings; "
                "of packages that contradict each other, give a step its own image",
            )
        return tuple(line for line in out.read_text(encoding="utf-8").splitlines() if line and line[0] != "#")


def _shown(lines: list[str]) -> str:
    return ", ".join(f"`{line}`" for line in lines)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
