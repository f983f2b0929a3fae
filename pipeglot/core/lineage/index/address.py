"""Where a shared index is: how its URI is read, how it is shown, and what is never shown of it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeglot.core.errors import ConfigError

if TYPE_CHECKING:
    import psycopg

CONNECTING = 5
"""Seconds until a server that says nothing counts as out of reach, unless the URI says otherwise."""
_DEFAULTS: Mapping[str, Any] = {
    "application_name": "pipeglot",
    "client_encoding": "utf8",
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""A server that is switched off, or cut off, says nothing more: within half a minute the system finds out."""

_HOST = r"(?:\[[0-9A-Fa-f:.%]+\]|[\w.%~-]*)(?::[0-9]*)?"
_FORM = re.compile(rf"postgres(?:ql)?://(?:[^@/\s]*@)?{_HOST}(?:,{_HOST})*(?:/[^@/?\s]*)?(?:\?\S*)?", re.ASCII)
"""Stricter than libpq, to which what stands behind an `@` or a `/` in a password is the host or the database."""
_HIDDEN = ("password", "sslpassword", "oauth_client_secret")
_LEAST = 3
"""Letters of a secret that is looked for; a shorter one is in every text."""


class Address(NamedTuple):
    """The place of a database."""

    uri: str
    shown: str
    """Without user, password and options."""
    given: dict[str, Any]
    """What is said to the driver besides the URI."""
    hidden: tuple[str, ...]
    """What must be in no message."""

    def cleaned(self, text: str) -> str:
        """A message of the driver or the server, with nothing in it that is hidden."""
        for word in self.hidden:
            text = text.replace(word, "***")
        return text


def driver() -> Any:
    """The package, imported. It makes some thousand objects that stay: no garbage need be looked for among them."""
    import gc

    running = gc.isenabled()
    gc.disable()
    try:
        import psycopg
    finally:
        if running:
            gc.enable()
    return psycopg


def read_address(uri: str) -> Address:
    """Raises `ConfigError` for a URI that is none, and if there is no driver."""
    try:
        driver()
        from psycopg.conninfo import conninfo_to_dict
    except ImportError as error:
        raise ConfigError(
            "the stack's `metadata` is a PostgreSQL database, and the package `psycopg` that reads it cannot be used"
            f" ({error})",
            hint="pip install 'pipeglot[postgres]'",
        ) from None
    uri = uri.strip()
    found = _parts(uri, conninfo_to_dict)
    host, port = str(found.get("host") or os.environ.get("PGHOST") or "localhost"), found.get("port")
    shown = f"{host}{f':{port}' if port else ''}/{found.get('dbname', '')}"
    if "service" in found:
        shown = f"/?service={found['service']}"
    defaults = {**_DEFAULTS, "connect_timeout": CONNECTING}
    given = {name: value for name, value in defaults.items() if name not in found}
    return Address(uri, f"postgresql://{shown}", given, tuple(_secrets(found)))


def _parts(uri: str, parse: Callable[[str], Mapping[str, Any]]) -> Mapping[str, Any]:
    import psycopg

    try:
        if _FORM.fullmatch(uri):
            return parse(uri)
    except psycopg.ProgrammingError:
        pass  # what it says may have parts of the password in it
    raise ConfigError(
        "the stack's `metadata` is no URI of a PostgreSQL database",
        hint="as in `postgresql://USER:PASSWORD@HOST:5432/DATABASE?sslmode=verify-full`; in a password, "
        "`@` is written `%40`, `/` `%2F`, `%` `%25`, and a space `%20`",
    )


def _secrets(found: Mapping[str, Any]) -> list[str]:
    """Longest first, for one may be a part of another."""
    from urllib.parse import quote

    plain = [str(found.get(name) or "") for name in _HIDDEN] + [os.environ.get("PGPASSWORD", "")]
    forms = {form for one in plain for form in (one, quote(one), quote(one, safe=""))}
    return sorted((form for form in forms if len(form) >= _LEAST), key=lambda form: (-len(form), form))


def said(address: Address, error: psycopg.Error) -> str:
    """The first line of what the server or the driver said."""
    text = str(error).strip().splitlines() or [type(error).__name__]
    return address.cleaned(text[0].removeprefix("connection failed: ").strip())
