"""What an emitted file says of its pipeline: all that a worker needs to find the rest."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from pipeglot.core.errors import UsageError


class Deployed(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A pipeline as it was compiled for a stack. In an emitted file it stands as a literal, or as JSON.

    pipeline: its name. ir: the digest of its IR, which lies in the store. stack, backend: of the stack.
    store: the stack's; `${VARIABLE}` in it is read from the worker's environment.
    bundle: the digest of the archive of the project's code, which lies in the store; empty if the code is
    installed, and its digests are held against the pipeline's.
    trusted, durable: as the stack says. secrets: where each secret's value is.
    """

    pipeline: str
    ir: str
    stack: str
    backend: str
    store: str
    bundle: str = ""
    trusted: bool | None = None
    durable: bool = False
    secrets: dict[str, str] = {}


def read_deployed(given: Any) -> Deployed:
    """From the literal of an emitted file. Raises `UsageError` for one that another pipeglot has written."""
    try:
        return msgspec.convert(given, Deployed)
    except msgspec.ValidationError as error:
        raise UsageError(
            f"this pipeglot does not understand what the emitted file says of its pipeline: {error}",
            hint="compile and deploy it again, or upgrade pipeglot where this task runs",
        ) from None
