"""What a notebook's `__main__` defined, sent to the workers by value.

A script's `__main__` is a file, and is imported by its name. A notebook has none: workers are sent its functions and
what these reach. Code digests are taken of its cells (`core.code.cells`).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from pipeglot.core.errors import DefinitionError, Problem

if TYPE_CHECKING:
    from pipeglot.core.ir import Pipeline

MAIN = "__main__"
_REF = re.compile(r'"ref":"__main__:([^".]+)')

# --- where we are -----------------------------------------------------------------------------------------------------

_worker = False


def become_worker() -> None:
    """From now on this process runs steps, and starts no runs."""
    global _worker
    _worker = True


def is_worker() -> bool:
    return _worker


_importing = 0


@contextmanager
def importing() -> Iterator[None]:
    """While a module of the user's is imported to find a pipeline in it. What it runs then would run with each look."""
    global _importing
    _importing += 1
    try:
        yield
    finally:
        _importing -= 1


def is_importing() -> bool:
    return _importing > 0


# --- the objects ------------------------------------------------------------------------------------------------------


def needed(pipeline: Pipeline) -> list[str]:
    """The names of `__main__` that running a pipeline asks for: of its steps, and of classes that it names."""
    import msgspec

    from pipeglot.core.lineage.plan import inner_steps

    codes = [
        step.code
        for node in (*pipeline.nodes, *pipeline.on_failure, *pipeline.on_success)
        for step in inner_steps(node)
    ]
    names = [code.qualname.partition(".")[0] for code in codes if code.module == MAIN]
    return list(dict.fromkeys([*names, *_REF.findall(msgspec.json.encode(pipeline).decode())]))


def save(names: Iterable[str]) -> bytes:
    """Objects of `__main__` and what they reach, by value. Raises `DefinitionError` for what cannot be sent."""
    main = sys.modules[MAIN]
    found = {name: _plain(getattr(main, name)) for name in dict.fromkeys(names)}
    try:
        return _dumps(found)
    except Exception as whole:
        problems = [problem for name, value in found.items() if (problem := _unsendable(name, value))]
        if not problems:
            raise
        raise DefinitionError(problems) from whole


def restore(data: bytes) -> None:
    """In a worker: make a `__main__` of what `save` gave."""
    import pickle

    main = ModuleType(MAIN)
    sys.modules[MAIN] = main
    found: dict[str, Any] = pickle.loads(data)
    vars(main).update(found)
    for value in found.values():
        if isinstance(value, FunctionType):
            for name, other in found.items():
                value.__globals__.setdefault(name, other)


def _plain(value: Any) -> Any:
    """A step's function: it is all of a step that a worker needs."""
    return getattr(value, "fn", value) if type(value).__module__ == "pipeglot.core.authoring.steps" else value


def _unsendable(name: str, value: Any) -> Problem | None:
    try:
        _dumps(value)
    except Exception as error:  # noqa: BLE001  # whatever the objects' own methods raise
        culprit = _culprit(value)
        told = f"`{name}` cannot be sent to a worker: {type(error).__name__}: {error}"
        hint = f"make `{culprit}` inside the step" if culprit else "make what it uses inside the step"
        return Problem("unsendable", told, None, f"{hint}, or pass it the plain data that it is made of")
    return None


def _culprit(value: Any) -> str:
    """The global of a function that is to blame."""
    code = getattr(value, "__code__", None)
    for name in code.co_names if code else ():
        if name in value.__globals__:
            try:
                _dumps(value.__globals__[name])
            except Exception:  # noqa: BLE001  # whatever the objects' own methods raise
                return str(name)
    return ""


def _dumps(value: object) -> bytes:
    import io

    import cloudpickle

    from pipeglot.core.authoring import pipelines
    from pipeglot.core.authoring.steps import Step

    class Pickler(cloudpickle.CloudPickler):  # type: ignore[misc]  # cloudpickle ships no types
        def reducer_override(self, obj: Any) -> Any:
            if (
                isinstance(obj, Step | pipelines.Pipeline) and obj.__module__ == MAIN
            ):  # by default they are pickled by name
                return type(obj), (obj.fn, {})
            return super().reducer_override(obj)

    out = io.BytesIO()
    Pickler(out, protocol=5).dump(value)
    return out.getvalue()
