"""`dir/1`: a `Path` to a folder. Stored as a list of what is in it; large files lie alone, small ones in one pack.

So a large file is stored once however many folders it is in, and needs no copy when the folder is read; and a folder of
a hundred thousand small ones costs a few files. The value: names, content, the executable bit, links, empty folders.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeglot.core import plain
from pipeglot.core.artifacts.codec import Dumped, quoted
from pipeglot.core.artifacts.files import link_or_copy, place, scratch, stem, stream, unreadable, write_small
from pipeglot.core.artifacts.saving import keep
from pipeglot.core.errors import Corrupt, ValueRefused
from pipeglot.core.store.failures import store_error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeglot.core.artifacts.codec import Loading, Saving
    from pipeglot.core.artifacts.spool import Spool

_PACKED = 256 << 10
"""Files up to this size go into the pack."""
_KINDS = frozenset({"d", "f", "x", "l"})


class Entry(NamedTuple):
    """Something in the folder.

    kind: "d" folder, "f" file, "x" executable file, "l" symbolic link.
    content: hash of a file; target of a link.
    at: where a small file begins in the pack; -1 for others.
    """

    path: str
    kind: str
    content: str = ""
    size: int = 0
    at: int = -1


class Pack(NamedTuple):
    """The small files, end to end. `inline` if all of them together are small."""

    sha: str
    size: int
    inline: bytes | None


# --- into the store ---------------------------------------------------------------------------------------------------


def dump(value: Path, out: Spool, job: Saving) -> Dumped:
    """Store what is in it, then the list of that."""
    root = os.path.realpath(value)
    with job.blobs.spool() as pack:
        entries = [_save(path, entry, root, pack, job) for path, entry in _walk(root, job)]
        small = Pack(pack.sha(), pack.size, keep(pack, job))
    listing = {"entries": [list(entry) for entry in entries], "pack": list(small)}
    out.write(plain.dumps_ordered(plain.encode(listing)))
    logical = [[entry.path, entry.kind, entry.content] for entry in entries]
    return Dumped(plain.digest(["dir/1", logical]), parts=True)


def _walk(root: str, job: Saving) -> list[tuple[str, os.DirEntry[str]]]:
    """Everything below, by relative path: a folder comes before what is in it."""
    found = []
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        try:
            with os.scandir(f"{root}/{prefix}") as entries:
                for entry in entries:
                    path = prefix + entry.name
                    found.append((path, entry))
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(f"{path}/")
        except OSError as error:
            raise unreadable(job.name, f"{root}/{prefix}", error) from error
    return sorted(found, key=lambda one: one[0])


def _save(path: str, entry: os.DirEntry[str], root: str, pack: Spool, job: Saving) -> Entry:
    if entry.is_symlink():
        return Entry(path, "l", _target(entry, root, job))
    if entry.is_dir(follow_symlinks=False):
        return Entry(path, "d")
    if not entry.is_file(follow_symlinks=False):
        raise ValueRefused(f"{quoted(job.name)} cannot be stored: `{entry.path}` is neither a file nor a folder")
    info = entry.stat(follow_symlinks=False)
    kind = "x" if info.st_mode & stat.S_IXUSR else "f"
    if info.st_size > _PACKED:
        with job.blobs.spool() as out:
            stream(entry.path, out.write, job.name)
            if keep(out, job) is None:
                return Entry(path, kind, out.sha(), out.size)
    start, content = pack.size, hashlib.sha256()

    def write(chunk: memoryview) -> None:
        content.update(chunk)
        pack.write(chunk)

    stream(entry.path, write, job.name)
    return Entry(path, kind, content.hexdigest(), pack.size - start, start)


def _target(entry: os.DirEntry[str], root: str, job: Saving) -> str:
    try:
        target = os.readlink(entry.path)
    except OSError as error:
        raise unreadable(job.name, entry.path, error) from error
    if os.path.isabs(target) or not _is_inside(entry.path, root):
        raise ValueRefused(
            f"{quoted(job.name)} cannot be stored: `{entry.path}` is a link to `{target}`, outside the folder",
            hint="copy what it points to into the folder, or make the link relative if it points inside",
        )
    return target


def _is_inside(path: str, root: str) -> bool:
    """Follows every link on the way, for one that leads inside may pass through another."""
    return f"{os.path.realpath(path)}/".startswith(f"{root}/")


# --- out of the store -------------------------------------------------------------------------------------------------


def load(job: Loading) -> Path:
    """A new folder in the scratch folder. Its files are read-only."""
    entries, pack = _read(job)
    root = place(scratch(job), stem(job.name), "", lambda path: os.mkdir(path, 0o700))
    try:
        _build(str(root), entries, pack, job)
    except OSError as error:
        raise store_error(error, "write", str(root)) from error
    return root


def parts(job: Loading) -> Iterator[tuple[str, int]]:
    """Hash and size of the blobs that the list refers to."""
    entries, pack = _read(job)
    large = {(entry.content, entry.size) for entry in entries if entry.kind in "fx" and entry.at < 0}
    return iter(large if pack.inline is not None else {*large, (pack.sha, pack.size)})


def listing(job: Loading) -> list[Entry]:
    """All that is in it, by path."""
    return _read(job)[0]


def _read(job: Loading) -> tuple[list[Entry], Pack]:
    """No name may lead out of the folder: each is new, and stands directly in a folder that was named before."""
    listing = plain.decode(json.loads(job.read()))
    pack = Pack(*listing["pack"])
    entries = [Entry(*entry) for entry in listing["entries"]]
    folders, seen = {"."}, {""}
    for entry in entries:
        path = entry.path
        parent, _, name = f"./{path}".rpartition("/")
        fits = entry.size >= 0 and (entry.at < 0 or entry.at + entry.size <= pack.size)
        known = parent in folders and path not in seen and entry.kind in _KINDS
        if not (fits and known) or name in ("", ".", "..") or "\0" in path:
            raise Corrupt(f"{job.what} cannot be read: `{path!r}` cannot be in a folder")
        seen.add(path)
        if entry.kind == "d":
            folders.add(f"./{path}")
    return entries, pack


def _build(root: str, entries: list[Entry], pack: Pack, job: Loading) -> None:
    """Links come last, so that nothing is written through one."""
    packed: int | bytes = pack.inline if pack.inline is not None else _open(pack.sha, pack.size, job)[0]
    try:
        for entry in entries:
            if entry.kind == "d":
                os.mkdir(f"{root}/{entry.path}", 0o700)
            elif entry.kind != "l":
                _build_file(f"{root}/{entry.path}", entry, packed, job)
    finally:
        if isinstance(packed, int):
            os.close(packed)
    _build_links(root, [entry for entry in entries if entry.kind == "l"], job)


def _build_file(path: str, entry: Entry, packed: int | bytes, job: Loading) -> None:
    mode = 0o500 if entry.kind == "x" else 0o400
    if entry.at >= 0:
        start, end = entry.at, entry.at + entry.size
        data = os.pread(packed, entry.size, start) if isinstance(packed, int) else packed[start:end]
        write_small(path, data, mode)
        return
    fd, source = _open(entry.content, entry.size, job)
    try:
        link_or_copy(fd, source, path, mode)
    finally:
        os.close(fd)


def _build_links(root: str, links: list[Entry], job: Loading) -> None:
    """All of them, and then one look at where each one leads: a link may lead elsewhere once another one is there."""
    for link in links:
        os.symlink(link.content, f"{root}/{link.path}")
    real = os.path.realpath(root)
    outside = [link for link in links if os.path.isabs(link.content) or not _is_inside(f"{root}/{link.path}", real)]
    if outside:
        for link in links:
            os.unlink(f"{root}/{link.path}")
        raise Corrupt(f"{job.what} cannot be read: it has a link to `{outside[0].content}`, outside the folder")


def _open(sha: str, size: int, job: Loading) -> tuple[int, Path]:
    return job.blobs.open(job.ref.week, sha, size, job.what)
