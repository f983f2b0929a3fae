"""Objects by name: `module:qualname`, as the IR and the ledger write them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

from pipeglot.core.errors import TargetError, Untrusted


def import_ref(ref: str) -> Any:
    """Import what `module:qualname` names. Raises `TargetError` if it is not there; the module's own errors pass.

    Asked anew each time: a cell that is run again, and a module that is reloaded, put another object under the name.
    """
    module, _, qualname = ref.partition(":")
    found: Any = importlib.import_module(module)
    for part in qualname.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise TargetError(
                f"module `{module}` has no `{qualname}`",
                hint="it was written in a notebook or a script: run it there"
                if module == "__main__"
                else "the code here is not the code that the pipeline was made from",
            ) from None
    return found


def refuse_import(ref: str, what: str) -> None:
    """For a name that a store says which is not trusted: raises `Untrusted` if its module is not imported already."""
    module = ref.partition(":")[0]
    if not is_imported(ref):
        raise Untrusted(
            f"{what} names the module `{module}`, and the store is not trusted: to import it could run code here",
            hint="import the module first, or, if only people you trust write there, `trusted: true` in the stack",
        )


def is_imported(ref: str) -> bool:
    """Whether the module of `module:qualname` is imported already."""
    return ref.partition(":")[0] in sys.modules


class Unimported:
    """A member of an enum whose module nobody has imported here. It is equal to itself; for more, `load` is asked."""

    __hash__ = None  # type: ignore[assignment]  # it is never kept

    def __init__(self, ref: str, member: str, load: Callable[[], Any]) -> None:
        self.ref = ref
        self.member = member
        self.load = load

    def __eq__(self, other: object) -> bool:
        if type(other) is Unimported and other.ref == self.ref:
            return self.member == other.member
        return NotImplemented

    def __bool__(self) -> bool:
        return bool(self.load())
