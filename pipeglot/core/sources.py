"""The project's modules are imported from the very source that their digests were taken of.

Python's own cache of bytecode goes by the second and the size of a file: an edit within one second that keeps the
length is not seen, and the results of old code would be kept under the digest of the new. So the project's modules are
compiled when they are imported. And somebody may edit while a run goes on: a worker that starts later refuses the file.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES, ExtensionFileLoader, FileFinder, SourceFileLoader
from types import CodeType
from typing import TYPE_CHECKING

from pipeglot.core.environment import note_names
from pipeglot.core.errors import TargetError

if TYPE_CHECKING:
    from pathlib import Path

    from _typeshed.importlib import PathEntryFinderProtocol as PathEntryFinder


def use_roots(roots: Sequence[str], digests: Mapping[str, str]) -> None:
    """Import from `roots` before all else, and compile what lies below them.

    `digests`: the sha256, by path, of files that must be as they were.
    """
    sys.path[:] = [*roots, *(path for path in sys.path if path not in roots)]
    _known.clear()
    _known.update(digests)
    _roots[:] = [os.path.join(os.path.abspath(root), "") for root in roots]
    if _hook not in sys.path_hooks:
        sys.path_hooks.insert(0, _hook)
    for path in [path for path in sys.path_importer_cache if _is_ours(path)]:
        del sys.path_importer_cache[path]


_known: dict[str, str] = {}
_roots: list[str] = []


def roots_of(root: Path) -> tuple[str, ...]:
    """Where a project's modules are imported from, first match first: `src`, unless it is a package, and root."""
    src = root / "src"
    if src.is_dir() and not (src / "__init__.py").exists():
        return (str(src), str(root))
    return (str(root),)


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        source = self.get_data(path)
        expected = _known.get(path)
        if expected is not None and hashlib.sha256(source).hexdigest() != expected:
            raise TargetError(
                f"`{os.path.basename(path)}` was changed while the run went on", hint="run again, with the new code"
            )
        code: CodeType = self.source_to_code(source, path)
        note_names(fullname, code)
        return code


def _is_ours(path: str) -> bool:
    below = os.path.join(path, "")
    return any(below.startswith(root) and "site-packages" not in below[len(root) :].split(os.sep) for root in _roots)


_finder: Callable[[str], PathEntryFinder] = FileFinder.path_hook(
    (ExtensionFileLoader, EXTENSION_SUFFIXES), (_Loader, SOURCE_SUFFIXES)
)


def _hook(path: str) -> PathEntryFinder:
    if not _is_ours(path):
        raise ImportError(path=path)
    return _finder(path)
