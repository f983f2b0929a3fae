"""Where the value of a secret may be, as a stack says it: `env:VARIABLE`, `gcp:projects/P/secrets/S`, …"""

from __future__ import annotations

import re
from typing import NamedTuple

HERE = ("env", "file")
"""In the environment of a step's process, or in a file that it can read."""

CLOUDS = ("gcp", "aws")
"""In a secret manager, which whoever runs a step asks."""

KINDS = (*HERE, *CLOUDS)
"""All that pipeglot reads itself."""

_FORMS = {
    "gcp": re.compile(
        r"projects/[a-z0-9.:-]+/(?:locations/[a-z0-9-]+/)?secrets/[A-Za-z0-9_-]{1,255}(?:/versions/[A-Za-z0-9_-]+)?"
    ),
    "aws": re.compile(r"(?:arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:)?[A-Za-z0-9/_+=.@-]{1,512}"),
}
_WORDS = {
    "gcp": "as `gcp:projects/PROJECT/secrets/NAME`; `/versions/3` after it is for a version, `#key` for a part of JSON",
    "aws": "as `aws:NAME`, or `aws:` and its ARN; `#key` after it is for a part of JSON",
}


class InCloud(NamedTuple):
    """A secret of a cloud. key: what is taken of it, if it is an object of JSON."""

    kind: str
    name: str
    key: str


def in_cloud(where: str) -> InCloud | None:
    """None for what is in no cloud."""
    kind, _, place = where.partition(":")
    name, _, key = place.partition("#")
    return InCloud(kind, name, key) if kind in CLOUDS else None


def against(where: str) -> str:
    """How it should be written, if it is the place of no secret in a cloud."""
    found = in_cloud(where)
    if found is None or (_FORMS[found.kind].fullmatch(found.name) and bool(found.key) == ("#" in where)):
        return ""
    return _WORDS[found.kind]
