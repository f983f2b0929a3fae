"""The files below a project's root that may travel: those that git does not ignore, without what is never sent.

In a git repository git itself is asked, so that its rules (nested `.gitignore`, `info/exclude`) are followed to the
letter. Where there is none, everything counts but hidden folders, environments and what tools leave behind.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

from pipeglot.core.errors import UsageError

_JUNK = frozenset({"__pycache__", "node_modules", "site-packages", "build", "dist", "venv", "env"})
_KEYS = re.compile(
    r".*\.(pem|key|p12|pfx|jks|keystore|kdbx|ppk|asc|gpg|der)|id_(rsa|dsa|ecdsa|ed25519)(\..*)?"
    r"|.*credentials.*\.json|.*service[-_]account.*\.json|.*\.tfstate(\..*)?|htpasswd",
    re.IGNORECASE,
)
_PRIVATE_KEY = re.compile(rb"^-----BEGIN [A-Z ]*PRIVATE KEY", re.MULTILINE)
_SETTINGS_OF_HOOKS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")


class Candidate(NamedTuple):
    """A file by its path below the root, and the path of what is read: another one, if it is a link."""

    path: str
    real: str


class LeftOut(NamedTuple):
    """A file that stays, and why."""

    path: str
    why: str


def candidates(root: str) -> tuple[list[Candidate], list[LeftOut]]:
    """All files that may travel, sorted by path, and those that never do. Raises `UsageError` if git cannot tell."""
    root = os.path.realpath(root)
    paths = sorted(_of_git(root) if _in_repository(root) else _walk(root, ""))
    found: list[Candidate] = []
    left: list[LeftOut] = []
    for path in paths:
        for one in _resolved(root, path, paths):
            if isinstance(one, LeftOut):
                left.append(one)
            else:
                found.append(one)
    return sorted(set(found)), sorted(set(left))


def holds_key(data: bytes) -> bool:
    """Whether a private key stands in it."""
    return _PRIVATE_KEY.search(data) is not None


# --- one path ---------------------------------------------------------------------------------------------------------


def _resolved(root: str, path: str, paths: list[str]) -> Iterator[Candidate | LeftOut]:
    """What a path stands for: itself, what it links to, or all that is in a folder that it links to."""
    why = _never(path)
    full = os.path.join(root, path)
    if why:
        yield LeftOut(path, why)
    elif not os.path.islink(full):
        real = os.path.realpath(full)
        if _inside(real, root) and os.path.lexists(full):
            yield from _plain(path, full)
    else:
        yield from _link(root, path, paths)


def _plain(path: str, full: str) -> Iterator[Candidate | LeftOut]:
    if stat.S_ISREG(os.lstat(full).st_mode):
        yield Candidate(path, full)
    else:
        yield LeftOut(path, "it is no regular file")


def _link(root: str, path: str, paths: list[str]) -> Iterator[Candidate | LeftOut]:
    """A link is replaced by what it leads to: nobody has to make links where it is unpacked."""
    real = os.path.realpath(os.path.join(root, path))
    if not os.path.exists(real):
        yield LeftOut(path, "it is a link to nothing")
    elif _inside(os.path.join(root, path), real):
        yield LeftOut(path, "it is a link to a folder that it lies in")
    elif not _inside(real, root):
        yield LeftOut(path, "it is a link out of the project")
    elif os.path.isdir(real):
        below = f"{os.path.relpath(real, root)}/"
        for other in paths:
            if other.startswith(below) and not os.path.islink(os.path.join(root, other)):
                yield from (
                    Candidate(f"{path}/{other[len(below) :]}", one.real)
                    for one in _resolved(root, other, paths)
                    if isinstance(one, Candidate)
                )
    else:
        target = os.path.relpath(real, root)
        why = _never(target) or ("" if target in paths else "it is a link to a file that git ignores")
        yield LeftOut(path, f"{why}, behind a link" if _never(target) else why) if why else Candidate(path, real)


def _never(path: str) -> str:
    """Why a path never travels; empty for others."""
    parts = path.split("/")
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    if any(part.startswith(".") for part in parts):
        return "it is hidden (its name begins with a dot)"
    if _KEYS.fullmatch(parts[-1]):
        return "it is named as a key or a credential is"
    return ""


def _inside(path: str, root: str) -> bool:
    return path.startswith(os.path.join(root, ""))


# --- with git ---------------------------------------------------------------------------------------------------------


def _in_repository(root: str) -> bool:
    folder = root
    while not os.path.lexists(os.path.join(folder, ".git")):
        parent = os.path.dirname(folder)
        if parent == folder:
            return False
        folder = parent
    return True


def _of_git(root: str) -> list[str]:
    """Tracked files and those that git would offer to add; also of repositories inside, which git lists as folders."""
    command = ["git", "-C", root, "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", "."]
    environment = {name: value for name, value in os.environ.items() if name not in _SETTINGS_OF_HOOKS}
    try:
        done = subprocess.run(command, capture_output=True, env=environment, stdin=subprocess.DEVNULL, check=False)
    except OSError as error:
        raise UsageError(
            f"`{root}` is in a git repository, and `git` cannot be run: {error.strerror}",
            hint="install git: only it can tell which files it ignores, and those never travel",
        ) from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "backslashreplace").strip().splitlines()
        raise UsageError(
            f"git cannot list the files of `{root}`: {said[0] if said else f'exit code {done.returncode}'}",
            hint=said[-1].strip() if len(said) > 1 else f"`git -C {root} ls-files` shows what is wrong",
        )
    found: dict[str, None] = {}
    for raw in done.stdout.split(b"\0"):
        path = os.fsdecode(raw).rstrip("/")
        full = os.path.join(root, path)
        if path and os.path.isdir(full) and not os.path.islink(full):
            nested = _of_git(full) if os.path.lexists(os.path.join(full, ".git")) else []
            found |= dict.fromkeys(f"{path}/{inner}" for inner in nested)
        elif path and os.path.lexists(full):  # tracked, and removed by hand: it is not there to travel
            found[path] = None
    return list(found)


# --- without git ------------------------------------------------------------------------------------------------------


def _walk(root: str, prefix: str) -> Iterator[str]:
    with os.scandir(os.path.join(root, prefix)) as entries:
        for entry in entries:
            path = f"{prefix}{entry.name}"
            if not entry.is_dir(follow_symlinks=False):
                if not entry.name.endswith((".pyc", ".pyo")):
                    yield path
            elif not _is_junk(entry):
                yield from _walk(root, f"{path}/")


def _is_junk(entry: os.DirEntry[str]) -> bool:
    name = entry.name
    if name.startswith(".") or name in _JUNK or name.endswith(".egg-info"):
        return True
    return os.path.exists(os.path.join(entry.path, "pyvenv.cfg"))
