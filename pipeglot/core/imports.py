"""Objects by name: `module:qualname`, as the IR and the ledger write them."""

from __future__ import annotations

import importlib
from typing import Any

from pipeglot.core.errors import TargetError


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
