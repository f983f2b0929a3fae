"""Python's parser, for several threads: a notebook's, or those of an application that starts runs.

Before Python 3.12 all threads count the depth of their trees in one place, and one that finds another's count there is
told so by a `SystemError` (python/cpython#106905): it parses anew.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

_TRIES = 50


def parse(source: str | bytes, path: str = "<unknown>") -> ast.Module:
    """The tree of it, without a word of warning: those are for whoever imports it. Raises what `ast.parse` does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _anew(lambda: ast.parse(source, path))


def literal(text: str) -> Any:
    """The value that a literal stands for. Raises what `ast.literal_eval` does."""
    return _anew(lambda: ast.literal_eval(text))


def _anew(work: Callable[[], T]) -> T:
    for _ in range(_TRIES - 1):
        try:
            return work()
        except SystemError:
            continue
    return work()
