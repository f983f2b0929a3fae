"""Python's parser, for several threads: a notebook's, or those of an application that starts runs."""

from __future__ import annotations

import ast
import warnings

_TRIES = 50


def parse(source: str | bytes, path: str = "<unknown>") -> ast.Module:
    """The tree of it, without a word of warning: those are for whoever imports it.

    Before Python 3.12 all threads count the depth of their trees in one place, and one that finds another's count there
    is told so by a `SystemError` (python/cpython#106905): it parses anew.

    Raises what `ast.parse` does.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(_TRIES - 1):
            try:
                return ast.parse(source, path)
            except SystemError:
                continue
        return ast.parse(source, path)
