"""The packages that project code uses, by version: recorded with what it computed, to be compared when that is redone.

Cheap, for every worker pays for it: names come from code that is compiled anyway, versions from the names of the
`.dist-info` folders, and nothing is imported or opened.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterable
from types import CodeType

_names: dict[str, frozenset[str]] = {}
"""The names that each project module's code looks up or imports, by module."""


def note_names(module: str, code: CodeType) -> None:
    """Keep the names in a module's code, when it is imported."""
    _names[module] = frozenset(_tops(code))


def packages(modules: Iterable[str]) -> dict[str, str]:
    """The installed packages that these project modules name and this process has imported, by version."""
    named = frozenset[str]().union(*(_names.get(module, ()) for module in modules))
    found: dict[str, str] = {}
    for name in sorted(named):
        known = name in sys.modules and name not in sys.stdlib_module_names and name != "pipeglot"
        told = _package(name) if known else None
        if told is not None:
            found[told[0]] = told[1]
    return found


def _tops(code: CodeType) -> Iterable[str]:
    """Of every name: what stands before its first dot. Attributes are among them: few are called as a package is."""
    for name in code.co_names:
        yield name.partition(".")[0]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _tops(constant)


def _package(module: str) -> tuple[str, str] | None:
    """Name and version; None for what no package manager has installed."""
    found = sys.modules[module]
    file = getattr(found, "__file__", None) or ""
    folder = os.path.dirname(file)
    if os.path.basename(file).startswith("__init__."):
        folder = os.path.dirname(folder)
    if os.path.basename(folder) not in ("site-packages", "dist-packages"):
        return None
    known = _installed(folder).get(_normal(module))
    if known is not None:
        return known
    version = getattr(found, "__version__", None)  # a package called otherwise than its module, as scikit-learn is
    return (module, version) if type(version) is str else None


@functools.cache
def _installed(folder: str) -> dict[str, tuple[str, str]]:
    """All distributions in a folder, by name."""
    try:
        names = os.listdir(folder)
    except OSError:
        return {}
    parts = (name.removesuffix(".dist-info").partition("-") for name in names if name.endswith(".dist-info"))
    return {_normal(name): (name.replace("_", "-"), version) for name, _, version in parts}


def _normal(name: str) -> str:
    return name.replace("_", "-").replace(".", "-").lower()


def version_here(name: str) -> str | None:
    """The version of a package that `packages` has named, as it is installed here; nothing is imported."""
    for folder in sys.path:
        known = _installed(folder).get(_normal(name)) if folder.endswith(("site-packages", "dist-packages")) else None
        if known is not None:
            return known[1]
    from importlib import metadata

    names = metadata.packages_distributions().get(name, ())
    return metadata.version(names[0]) if names else None
