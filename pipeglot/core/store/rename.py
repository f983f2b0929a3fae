"""Rename a file only if nothing has the new name: for file systems without hard links."""

from __future__ import annotations

import errno
import os
from typing import Any

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1

_call: Any = None


def rename_new(source: str, target: str) -> None:
    """Raises `FileExistsError`, other `OSError`s, and `ENOSYS` where the system cannot do it."""
    function = _renameat2()
    if function(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), _RENAME_NOREPLACE):
        import ctypes

        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), target)


def _renameat2() -> Any:
    """The C function, looked up once: ctypes is imported only on the file systems that need it."""
    global _call
    if _call is None:
        import ctypes

        try:
            _call = ctypes.CDLL(None, use_errno=True).renameat2
        except (AttributeError, OSError):
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from None
        _call.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    return _call
