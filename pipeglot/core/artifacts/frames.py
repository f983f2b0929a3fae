"""`frame/1`: pandas frames and series, as Arrow IPC files, so that a reader maps them.

A frame that would not come back as it was (index, names, types, order, missing values) is refused, naming the column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeglot.core.artifacts.codec import Dumped, quoted
from pipeglot.core.errors import ValueRefused

if TYPE_CHECKING:
    from pipeglot.core.artifacts.codec import Loading, Saving
    from pipeglot.core.artifacts.spool import Spool


def dump(value: Any, out: Spool, job: Saving) -> Dumped:
    """Raises `ValueRefused` for what would come back different."""
    layout = _layouts(job.name)
    return Dumped(layout.write(value, out, quoted(job.name)))


def load(job: Loading) -> object:
    """A frame that may be written to: of a large one, only the pages that are changed are copied."""
    layout, buffer = _layouts(job.name), job.buffer()
    try:
        return layout.read(buffer, validate=not job.blobs.store.trusted)
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, NotImplementedError, OSError) as error:
        raise ValueRefused(  # the bytes are verified, so they are good
            f"{job.what} cannot be read with {layout.VERSIONS}: {type(error).__name__}: {error}",
            hint="install the versions of the step that made it, or newer ones",
        ) from error


def _layouts(name: str) -> Any:
    """The module that does it: here are no imports of Arrow and pandas."""
    try:
        from pipeglot.core.artifacts import layout
    except ImportError as error:
        missing = "pandas" if error.name == "pandas" else "pyarrow"
        raise ValueRefused(
            f"{quoted(name)} is a pandas frame, and to store or read one takes `{missing}`, which is not installed",
            hint="pip install 'pipeglot[pandas]'",
        ) from error
    return layout
