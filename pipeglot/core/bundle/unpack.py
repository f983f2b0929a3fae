"""The other end of a bundle: fetched by its digest, verified, and laid out once for all tasks of this machine."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path, PurePosixPath

from pipeglot.core.errors import Corrupt, NotFound, Untrusted
from pipeglot.core.store.base import Store

_PREFIX = "sha256:"


def bundle_key(digest: str) -> str:
    """Where a bundle lies in a store. Raises `Corrupt` for what is no digest."""
    sha = digest.removeprefix(_PREFIX)
    if len(sha) != 64 or not frozenset("0123456789abcdef").issuperset(sha):
        raise Corrupt(f"`{digest[:80]}` is no digest of a bundle")
    return f"bundles/{sha}"


def unpacked(store: Store, digest: str, base: Path) -> Path:
    """The folder with the files of a bundle, below `base`; made now if it is not there. It must not be written to.

    Raises `NotFound` if the store has no such bundle, `Corrupt` if it has another one, `Untrusted` if the folder is
    somebody else's.
    """
    key = bundle_key(digest)
    target = base / key.rpartition("/")[2]
    refuse_others(base)
    if target.is_dir():
        return target
    data = store.get(key)
    if data is None:
        raise NotFound(
            f"the store `{store.uri}` has no bundle `{digest[:19]}`, in which the project's code travels",
            hint="`pipeglot deploy TARGET` puts it there, or `pipeglot bundle TARGET --push`",
        )
    if hashlib.sha256(data).hexdigest() != target.name:
        raise Corrupt(f"`{key}` does not match its name: it was cut or changed")
    temp = base / f".{target.name[:12]}-{os.getpid()}-{os.urandom(4).hex()}"
    _lay_out(data, temp, key)
    try:
        temp.rename(target)
    except OSError:  # another task was faster
        import shutil

        shutil.rmtree(temp, ignore_errors=True)
        if not target.is_dir():
            raise
    return target


def refuse_others(base: Path) -> None:
    """Make a folder if it is not there. Raises `Untrusted` for one that is, and that others may write to."""
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = base.lstat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o022 or base.is_symlink():
        raise Untrusted(
            f"`{base}` is not this user's own: others could change the code that is run from there",
            hint="remove it, or name another folder in the environment variable `PIPEGLOT_CACHE`",
        )


def _lay_out(data: bytes, folder: Path, key: str) -> None:
    import tarfile  # once for each machine: other tasks find the folder

    folder.mkdir(mode=0o700)
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            if not member.isreg() or path.is_absolute() or ".." in path.parts:
                raise Corrupt(f"`{key}` holds `{member.name[:80]}`, which is no plain file of a project")
            file = archive.extractfile(member)
            assert file is not None, "a regular file has content"
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read())
            target.chmod(0o400)
