"""What a failed system call means to a user: the path, the operating system's reason, and a way out."""

from __future__ import annotations

import errno

from pipeglot.core.errors import StoreError

_HINTS = {
    errno.ENOSPC: "the disk is full: free some space and run it again; finished steps are kept",
    errno.EDQUOT: "the disk quota is used up: free some space and run it again; finished steps are kept",
    errno.EFBIG: "no file may be so large here: look at `ulimit -f`, and at the file system's own limit",
    errno.EROFS: "the file system is mounted read-only; a run needs a store that it can write to",
    errno.EACCES: "this user may not do that here: look at owner and mode with `ls -ld`",
    errno.EPERM: "this user may not do that here: look at owner and mode with `ls -ld`",
    errno.ENOTDIR: "something on this path is a file and should be a folder",
    errno.EISDIR: "a folder stands where a file should be",
    errno.ENAMETOOLONG: "a part of this path is longer than the file system allows",
    errno.EMFILE: "too many files are open: raise the limit with `ulimit -n`",
    errno.ENFILE: "too many files are open on this machine",
    errno.EIO: "the disk or its connection fails: look at the system's log",
    errno.ESTALE: "the network file system lost this file: is it still mounted?",
    errno.ELOOP: "symbolic links on this path lead in a circle",
}


def store_error(error: OSError, doing: str, path: str) -> StoreError:
    """`doing` completes "cannot …", such as "write". The reason is the operating system's own word."""
    reason = error.strerror or str(error)
    return StoreError(f"cannot {doing} `{path}`: {reason}", hint=hint_of(error))


def hint_of(error: OSError) -> str:
    """The way out, where there is one to name."""
    return _HINTS.get(error.errno or 0, "")
