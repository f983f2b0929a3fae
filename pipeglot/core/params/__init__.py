"""Typed parameters: from a Python annotation to the IR, and from what people and engines pass to one canonical value.

A *wire* value is the tagged JSON (`core.plain`) of a simple value: an enum member is its name, a dataclass a dict of
all its fields in order, a pydantic model what `model_dump(mode="json")` says. Equal values have equal wire forms,
whichever way they came: as Python objects, as text of a command line, or as JSON of an engine. So:

- a bool is no number, and text is no number; but an integral float below 2**53 is an int: some engines have no ints;
- floats are finite: NaN equals nothing, and no engine's JSON carries an infinity;
- a datetime has a UTC offset, and keeps it; a named zone becomes the offset that it has then;
- without an annotation, a parameter takes what JSON can say, and nothing else;
- an artifact is the text that names it, until a run starts and looks it up in its store.
"""

from __future__ import annotations

from pipeglot.core.params.annotations import type_of
from pipeglot.core.params.describing import describe
from pipeglot.core.params.resolving import moment_in_zone, resolve
from pipeglot.core.params.texts import parse, show
from pipeglot.core.params.values import artifact_type, check, decode, normalise, to_json

__all__ = [
    "artifact_type",
    "check",
    "decode",
    "describe",
    "moment_in_zone",
    "normalise",
    "parse",
    "resolve",
    "show",
    "to_json",
    "type_of",
]
