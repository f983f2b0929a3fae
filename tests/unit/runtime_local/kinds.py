"""A step that makes one value of each kind that is stored in a way of its own, and one that tells what it received."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

KINDS = (
    "text",
    "list",
    "bytes",
    "file",
    "folder",
    "array",
    "arrays",
    "frame",
    "table",
    "polars",
    "record",
    "opaque",
)


@dataclass
class Model:
    """Plain data around an array, which is stored apart from it."""

    name: str
    weights: np.ndarray


class Opaque:
    """Nothing that is known of: it is pickled."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __reduce__(self) -> tuple[type[Opaque], tuple[str]]:
        return Opaque, (self.text,)


def make(kind: str) -> object:
    numbers = np.arange(3000.0)
    match kind:
        case "text":
            return "ab" * 5000
        case "list":
            return list(range(4000))
        case "bytes":
            return bytes(range(256)) * 40
        case "file":
            Path("made.txt").write_text("ab" * 5000)
            return Path("made.txt")
        case "folder":
            for name in ("made/a", "made/b/c"):
                Path(name).parent.mkdir(parents=True, exist_ok=True)
                Path(name).write_text(name * 2000)
            return Path("made")
        case "array":
            return numbers
        case "arrays":
            return [numbers, numbers + 1]
        case "frame":
            return pd.DataFrame({"a": numbers, "b": [str(n) for n in numbers]})
        case "table":
            return pa.table({"a": numbers})
        case "polars":
            return pl.DataFrame({"a": numbers})
        case "record":
            return Model("m", numbers)
    return Opaque("ab" * 5000)


def told(x: object) -> str:
    """A digest of all that there is to a value."""
    return hashlib.sha256("\n".join(_parts(x)).encode()).hexdigest()


def _parts(x: object) -> list[str]:
    match x:
        case Path() if x.is_dir():
            return [f"{file.relative_to(x)} {file.read_text()}" for file in sorted(x.rglob("*")) if file.is_file()]
        case Path():
            return [x.read_text()]
        case np.ndarray():
            return [str(x.dtype), x.tobytes().hex()]
        case list():
            return [part for one in x for part in _parts(one)]
        case pd.DataFrame():
            return [x.to_csv()]
        case pa.Table():
            return [str(x.to_pydict())]
        case pl.DataFrame():
            return [str(x.to_dict(as_series=False))]
        case Model():
            return [x.name, *_parts(x.weights)]
        case Opaque():
            return [x.text]
    return [repr(x)]
