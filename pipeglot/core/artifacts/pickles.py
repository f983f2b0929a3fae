"""`pickle/1`: cloudpickle, the visible last resort. Such a value is opaque: it has no hash of its own.

Large buffers in it (of NumPy arrays, say) lie after the pickle: a reader maps them, and copies what it changes.
What it needs to be read (Python, and the distributions whose classes it refers to) is noted with it, by version.
"""

from __future__ import annotations

import functools
import io
import os
import pickle
import sys
import types
from typing import TYPE_CHECKING, Any

from pipeglot.core.artifacts.codec import MAP_FROM, Dumped, quoted
from pipeglot.core.errors import PipeglotError, Untrusted, ValueRefused

if TYPE_CHECKING:
    from pipeglot.core.artifacts.codec import Loading, Saving
    from pipeglot.core.artifacts.spool import Spool

_NAMED = (type, types.FunctionType, types.BuiltinFunctionType)
_STREAMS = (io.TextIOWrapper, io.RawIOBase, io.BufferedReader, io.BufferedWriter, io.BufferedRandom)
_LOSES_FIELDS = "a dataclass that no module has comes back without its fields from cloudpickle before 3.0"
_OPEN_FILE = "an open file is of the process that opened it"
_ALIGNED = 64  # as NumPy and Arrow like it
_MOST_APART = 64  # their places stand in the reference, which is to stay small
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def dump(value: object, out: Spool, job: Saving) -> Dumped:
    """Pickle straight into the file. Raises `ValueRefused` with what could not be pickled."""
    pickler = _pickler()(out)
    try:
        pickler.dump(value)
        places = [_append(data, out) for data in pickler.buffers]
    except (PipeglotError, MemoryError):
        raise
    except Exception as error:  # whatever the value's own methods raise
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        raise ValueRefused(
            f"{quoted(job.name)} (a `{kind}`) cannot be stored: it is no plain data, and it cannot be pickled:"
            f" {type(error).__name__}: {error}",
            hint="return what it is made of (plain data, arrays, frames), or a `Path` to a file that you wrote",
        ) from error
    needs = {"python": _PYTHON, **versions(pickler.modules)}
    return Dumped("", needs=needs, meta={"buffers": places} if places else {})


def _append(data: memoryview, out: Spool) -> list[int]:
    """Where a buffer begins after the pickle, and its size."""
    out.write(bytes(-out.size % _ALIGNED))
    start = out.size
    out.write(data)
    return [start, data.nbytes]


def load(job: Loading) -> object:
    """Only from a store that is trusted: a pickle is a program."""
    if not job.blobs.store.trusted:
        raise Untrusted(
            f"{job.what} is stored as a pickle, and the store `{job.blobs.store.uri}` is not trusted:"
            " whoever can write to it could run code here",
            hint="if only you and people you trust can write to it, say `trusted: true` in the stack",
        )
    places = job.ref.meta.get("buffers")
    if places:
        memory = memoryview(job.buffer())
        return _unpickle(io.BytesIO(memory[: places[0][0]]), job, [memory[at : at + size] for at, size in places])
    small = job.small()
    if small is not None:
        return _unpickle(io.BytesIO(small), job)
    fd, _ = job.open()
    with os.fdopen(fd, "rb") as file:
        return _unpickle(file, job)


def _unpickle(file: Any, job: Loading, buffers: list[memoryview] | None = None) -> object:
    try:
        return pickle.load(file, buffers=buffers)
    except MemoryError:
        raise
    except Exception as error:  # whatever the classes' own methods raise
        made = ", ".join(f"{name} {version}" for name, version in job.ref.needs.items())
        raise ValueRefused(
            f"{job.what} cannot be unpickled here: {type(error).__name__}: {error}",
            hint=f"it was made with {made}; this is python {_PYTHON}",
        ) from error


def _home(obj: Any) -> Any:
    """Whose module a pickle names."""
    return obj if isinstance(obj, _NAMED) else type(obj)


@functools.cache
def _pickler() -> Any:
    """A cloudpickle pickler that notes, in `modules`, the top-level modules that the pickle refers to."""
    import cloudpickle

    loses_fields = int(cloudpickle.__version__.partition(".")[0]) < 3

    class Pickler(cloudpickle.CloudPickler):  # type: ignore[misc]  # cloudpickle ships no types
        def __init__(self, out: Spool) -> None:
            super().__init__(out, protocol=5, buffer_callback=self._keep)
            self.modules: set[str] = set()
            self.buffers: list[memoryview] = []

        def _keep(self, buffer: pickle.PickleBuffer) -> bool:
            """False for a large one, which is written after the pickle, where a reader can map it."""
            if len(self.buffers) >= _MOST_APART:
                return True
            try:
                data = buffer.raw()
            except BufferError:  # with gaps
                return True
            if data.nbytes < MAP_FROM:
                return True
            self.buffers.append(data)
            return False

        def reducer_override(self, obj: Any) -> Any:
            if isinstance(obj, _STREAMS) and obj is not sys.stdout and obj is not sys.stderr:
                raise pickle.PicklingError(_OPEN_FILE)  # cloudpickle would make a copy in memory of a text file
            module = obj.__name__ if isinstance(obj, types.ModuleType) else _home(obj).__module__
            if type(module) is str:
                self.modules.add(module.partition(".")[0])
            found = super().reducer_override(obj)
            by_value = isinstance(obj, type) and found is not NotImplemented
            if by_value and loses_fields and "__dataclass_fields__" in vars(obj):
                raise pickle.PicklingError(_LOSES_FIELDS)
            return found

    return Pickler


def versions(modules: set[str]) -> dict[str, str]:
    """The distributions of these modules, by version. Modules of the project and of Python itself have none."""
    found = {}
    for module in sorted(modules - sys.stdlib_module_names):
        if _is_installed(module):
            name, version = _distribution(module)
            found[name] = version
    return found


def _is_installed(module: str) -> bool:
    """Does it come from a distribution? Looked up in its path, for the question comes up with every class."""
    path = getattr(sys.modules.get(module), "__file__", None) or ""
    return f"{os.sep}site-packages{os.sep}" in path or f"{os.sep}dist-packages{os.sep}" in path


_distributions: dict[str, tuple[str, str]] = {}


def _distribution(module: str) -> tuple[str, str]:
    if module not in _distributions:
        from importlib import metadata

        try:
            found = (module, metadata.version(module))
        except metadata.PackageNotFoundError:  # it has another name than its module, as scikit-learn has
            names = metadata.packages_distributions().get(module, [module])
            version = getattr(sys.modules[module], "__version__", "unknown")
            found = (names[0], metadata.version(names[0]) if names != [module] else str(version))
        _distributions[module] = found
    return _distributions[module]
