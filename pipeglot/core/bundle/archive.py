"""The archive itself: a tar file without times, owners and modes, so that equal files give equal bytes everywhere."""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from pipeglot.core.bundle.listing import Candidate, LeftOut, candidates, holds_key
from pipeglot.core.errors import ConfigError, DefinitionError, Problem

LIMIT = 20_000_000
"""Bytes of an archive. What is larger is data, and belongs into the store."""
_SHOWN = 5

WRITTEN = "\n# Written by pipeglot (ir_version "
"""In every emitted file: it may lie in the project, and must not change the bundle that it names."""


class BundleFile(Struct, frozen=True, kw_only=True):
    """A file of the archive.

    path: from the project's root.
    size: of its content, in bytes.
    sha256: of its content, in hex.
    """

    path: str
    size: int
    sha256: str


class Stays(Struct, frozen=True, kw_only=True):
    """A file that does not travel.

    path: from the project's root.
    why: what keeps it here, in words.
    """

    path: str
    why: str


class BundleView(Struct, frozen=True, kw_only=True):
    """The archive of a project's code.

    digest: `sha256:` and the hash of the archive; equal for equal files.
    size: of the archive, in bytes.
    files: what is in it, sorted by path.
    left_out: what was found and stays, sorted by path.
    out: the file that `--out` wrote it to; null without.
    """

    digest: str
    size: int
    files: tuple[BundleFile, ...]
    left_out: tuple[Stays, ...]
    out: str | None = None


class Bundle(NamedTuple):
    """An archive in memory, and what is in it. `digest` is `sha256:` and the hash of `data`."""

    data: bytes
    files: tuple[BundleFile, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.data).hexdigest()}"

    def view(self, out: str | None = None) -> BundleView:
        left = tuple(
            Stays(path=one.path.encode("utf-8", "backslashreplace").decode(), why=one.why) for one in self.left_out
        )
        return BundleView(digest=self.digest, size=len(self.data), files=self.files, left_out=left, out=out)

    def write(self, target: Path) -> None:
        """The archive as a file, whole or not at all."""
        temp = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            temp.write_bytes(self.data)
            temp.replace(target)
        finally:
            temp.unlink(missing_ok=True)


def make_bundle(root: str | Path, include: Sequence[str] = (), needed: Collection[str] = ()) -> Bundle:
    """The archive of a project: all its `*.py`, and the files that the patterns in `include` name.

    `needed` are paths of files that the pipeline's code stands in: none may stay behind. Raises `DefinitionError` with
    all problems at once, `ConfigError` for a pattern that names nothing, `UsageError` if git cannot list the files.
    """
    root = os.path.realpath(root)
    found, left = candidates(root)
    chosen, left = _chosen(found, left, include)
    content, withheld, problems = _read(chosen)
    left = sorted([*left, *withheld])
    problems += _collisions(content)
    problems += _missing(root, needed, content, left)
    if problems:
        raise DefinitionError(problems)
    _refuse_patterns(include, content, left)
    files = tuple(
        BundleFile(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest()) for path, data in content.items()
    )
    data = _archive(content)
    if len(data) > LIMIT:
        raise DefinitionError([_too_large(len(data), [(file.path, file.size) for file in files])])
    return Bundle(data, files, tuple(left))


# --- which files ------------------------------------------------------------------------------------------------------


def _chosen(
    found: Iterable[Candidate], left: list[LeftOut], include: Sequence[str]
) -> tuple[list[Candidate], list[LeftOut]]:
    """Python files and what is included. Of what stays, only what somebody could have meant is told."""
    patterns = [_pattern(text) for text in include]

    def is_meant(path: str) -> bool:
        return path.endswith(".py") or any(pattern.fullmatch(path) for pattern in patterns)

    chosen = [one for one in found if is_meant(one.path)]
    others = [LeftOut(one.path, "it is no Python file, and `include:` does not name it") for one in found]
    return chosen, [*left, *(one for one in others if not is_meant(one.path))]


def _pattern(text: str) -> re.Pattern[str]:
    """As in `.gitignore`, from the root: `*` stays in a folder, `**` does not; a folder means all that is in it.

    Raises `ConfigError` for a pattern that leads out of the project.
    """
    parts = text.rstrip("/").split("/")
    if text.startswith(("/", "~")) or ".." in parts or not text.strip("/"):
        raise ConfigError(
            f"`include: {text}` leads out of the project", hint="give paths from the folder of `pipeglot.yaml` down"
        )
    expression = ""
    for part in parts:
        if part == ".":
            continue
        expression += "(?:.*/)?" if part == "**" else f"{_part(part)}/"
    body = expression[:-1] if expression.endswith("/") else f"{expression}[^/]*"
    return re.compile(f"{body}(?:/.*)?", re.DOTALL)


def _part(part: str) -> str:
    """One level: `*`, `?` and `[…]`."""
    found = re.split(r"(\*+|\?|\[[^\]]+\])", part)
    words = {"*": "[^/]*", "?": "[^/]"}
    return "".join(
        re.escape(one) if not i % 2 else words.get(one[0]) or f"[{'^' if one[1] == '!' else ''}{_members(one)}]"
        for i, one in enumerate(found)
    )


def _members(one: str) -> str:
    return one[1:-1].lstrip("!").replace("\\", "\\\\").replace("^", "\\^")


def _refuse_patterns(include: Sequence[str], content: dict[str, bytes], left: Sequence[LeftOut]) -> None:
    """Raises `ConfigError` for a pattern that brings nothing along: somebody will miss it where it runs."""
    for text in include:
        pattern = _pattern(text)
        if any(pattern.fullmatch(path) for path in content):
            continue
        stays = next((one for one in left if pattern.fullmatch(one.path)), None)
        if stays is not None:
            raise ConfigError(f"`include: {text}` names only what never travels: `{stays.path}`, for {stays.why}")
        raise ConfigError(
            f"`include: {text}` names no file",
            hint="files that git ignores do not travel; the others are in `git ls-files -co`",
        )


# --- their content ----------------------------------------------------------------------------------------------------


def _read(chosen: list[Candidate]) -> tuple[dict[str, bytes], list[LeftOut], list[Problem]]:
    """By path, sorted. Nothing is read if their sizes alone are too much."""
    sizes = [(one.path, os.stat(one.real).st_size) for one in chosen]
    total = sum(size for _, size in sizes)
    if total > LIMIT:
        return {}, [], [_too_large(total, sizes)]
    content: dict[str, bytes] = {}
    left: list[LeftOut] = []
    problems: list[Problem] = []
    for one in chosen:
        try:
            data = Path(one.real).read_bytes()
        except OSError as error:
            problems.append(
                Problem(
                    "bundle",
                    f"`{one.path}` cannot be read: {error.strerror}",
                    hint="make it readable, or let git ignore it",
                )
            )
            continue
        if holds_key(data):
            left.append(LeftOut(one.path, "a private key stands in it"))
        elif WRITTEN.encode() in data:
            left.append(LeftOut(one.path, "pipeglot has written it, and the digest of the bundle stands in it"))
        else:
            content[one.path] = data
    return dict(sorted(content.items(), key=lambda pair: pair[0].encode())), left, problems


def _too_large(total: int, sizes: list[tuple[str, int]]) -> Problem:
    largest = sorted(sizes, key=lambda pair: -pair[1])[:_SHOWN]
    shown = ", ".join(f"`{path}` ({size / 1e6:.1f} MB)" for path, size in largest)
    return Problem(
        "bundle",
        f"the bundle would have {total / 1e6:.1f} MB, and {LIMIT // 10**6} MB are the most; the largest: {shown}",
        hint="hand large data to steps as artifacts, and name fewer files in `include:`",
    )


def _collisions(content: dict[str, bytes]) -> list[Problem]:
    """Names that one file system takes for one, folders among them."""
    seen: dict[str, str] = {}
    problems: dict[str, Problem] = {}
    for path in content:
        parts = path.split("/")
        for end in range(1, len(parts) + 1):
            name = "/".join(parts[:end])
            folded = unicodedata.normalize("NFC", name).casefold()
            other = seen.setdefault(folded, name)
            if other != name and folded not in problems:
                problems[folded] = Problem(
                    "bundle",
                    f"`{other}` and `{name}` are one name where letters' case does not count, as on macOS",
                    hint="rename one of them",
                )
    return list(problems.values())


def _missing(root: str, needed: Collection[str], content: dict[str, bytes], left: Sequence[LeftOut]) -> list[Problem]:
    """Code of the pipeline's own that would stay behind."""
    reasons = {one.path: one.why for one in left}
    problems = []
    for file in sorted(needed):
        path = os.path.relpath(os.path.realpath(file), root)
        aliases = {path, os.path.relpath(os.path.abspath(file), root)}
        if aliases & content.keys():
            continue
        why = next(
            (reasons[one] for one in aliases if one in reasons),
            "git ignores it, or it lies where tools leave things behind",
        )
        problems.append(
            Problem("bundle", f"the pipeline uses `{path}`, which would not travel: {why}", hint="move or rename it")
        )
    return problems


def _archive(content: dict[str, bytes]) -> bytes:
    """In the order of the names' bytes; all else that tar keeps is the same for all files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8") as tar:
        for path, data in content.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            info.mode = 0o644
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()
