"""`${VARIABLE}` in a setting: read from the environment by whoever talks to something, never by whoever compiles."""

from __future__ import annotations

import os

from pipeglot.core.errors import ConfigError


def expand(text: str, what: str) -> str:
    """Put in the values of `${VARIABLE}`. Raises `ConfigError`, which says `what` the text is."""
    if "${" not in text:
        return text
    import re

    def value(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise ConfigError(f"{what}: the environment variable `{match[1]}` is not set", hint=f"export {match[1]}=…")
        return os.environ[match[1]]

    return re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", value, text)
