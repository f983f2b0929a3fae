"""Texts that Metaflow hands to tasks of Argo Workflows and Step Functions: through a line that a shell reads.

Metaflow writes `export NAME="…"` as JSON has it, so the shell would run what stands in `$(…)`, and know no `\\u00fc`.
"""

from __future__ import annotations

import json
import re
from typing import Any

_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+=,#() -]*")
_ODD = re.compile(r"[$`]|\{(?=\{)")
"""What JSON has within its texts only."""


def quoted(text: str) -> str:
    """A plain word as it is, and all else as JSON that a shell leaves alone."""
    return text if _PLAIN.fullmatch(text) else in_json(text)


def in_json(value: Any) -> str:
    """As JSON in which a shell has nothing to do between its double quotes, and Argo Workflows no `{{`."""
    return _ODD.sub(lambda found: f"\\u{ord(found.group()):04x}", json.dumps(value))
