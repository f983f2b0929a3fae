"""Artifacts by name: what a parameter of type `Artifact[T]` is given, and how that is written.

An artifact of one run is `RUN/STEP/OUTPUT`, or in a map `RUN/STEP/INDEX/OUTPUT` (`3`, in a map of a map `3.0`). By name
it is `PIPELINE/STEP.OUTPUT@latest`, of the latest run of that pipeline that has succeeded, or
`PIPELINE/STEP.OUTPUT:KEY=VALUE`, of the latest such run with that tag, or `PIPELINE/STEP.OUTPUT@RUN`, of that one. The
only output of a step is named `output`, and may be left out of a name.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, NamedTuple, TypeVar

from msgspec import Struct

T = TypeVar("T")


class ArtifactMarker:
    """Tells in an annotation that a parameter names an artifact."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Artifact"


_MARKER = ArtifactMarker()

Artifact = Annotated[T, _MARKER]
"""`def score(model: Artifact[Model])`: to the pipeline it is the model, to whoever runs it the name of an artifact."""


class ArtifactRef(NamedTuple):
    """The name of an artifact, for `score.run(model=artifact("…"))`."""

    text: str

    def __repr__(self) -> str:
        return f"artifact({self.text!r})"


def artifact(ref: str, /) -> Any:
    """An artifact by its id or name, where a parameter is `Artifact[T]`: to a type checker it is whatever is wanted."""
    return ArtifactRef(ref)


class ArtifactId(Struct, frozen=True):
    """An output of one execution: `RUN/STEP/INDEX/OUTPUT`, without the index outside maps."""

    run: str
    step: str
    index: tuple[int, ...]
    output: str


class ArtifactName(Struct, frozen=True):
    """An output of that run of a pipeline, or of its `latest` that has succeeded; with `tag`, of the latest tagged so.

    `path` is `STEP.OUTPUT`, or `STEP` if it has only one; which it is only the run can tell, for steps of nested
    pipelines have dots too. In a map it is `STEP[INDEX].OUTPUT`.
    """

    pipeline: str
    path: str
    run: str | None = None
    tag: tuple[str, str] | None = None


FORMS = "`RUN/STEP/OUTPUT`, `RUN/STEP/INDEX/OUTPUT`, `PIPELINE/STEP.OUTPUT@latest` or `PIPELINE/STEP.OUTPUT:KEY=VALUE`"

_WORD = r"[^\s/@:]+"
_ID = re.compile(rf"({_WORD})/({_WORD})(?:/([0-9]+(?:\.[0-9]+)*))?/({_WORD})")
_NAME = re.compile(rf"({_WORD})/({_WORD})(?:@({_WORD})|:([^=]+)=(.*))")


def parse_artifact(text: str) -> ArtifactId | ArtifactName | None:
    """What such a text means; None if it means nothing."""
    found = _ID.fullmatch(text)
    if found:
        run, step, index, output = found.groups()
        return ArtifactId(run, step, tuple(map(int, index.split("."))) if index else (), output)
    found = _NAME.fullmatch(text)
    if found:
        pipeline, path, run, key, value = found.groups()
        return ArtifactName(pipeline, path, run, None if run is not None else (key, value))
    return None


def is_marked(annotation: Any) -> bool:
    """Whether this is `Artifact[T]`, or `Annotated[T, Artifact]`."""
    return any(one is Artifact or type(one) is ArtifactMarker for one in getattr(annotation, "__metadata__", ()))
