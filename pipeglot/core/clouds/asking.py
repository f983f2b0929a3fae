"""One request to a cloud's API: its answer, or what stands against it; asked again while it is too busy."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

TIMEOUT = 10.0
PAUSES = (0.5, 2.0)
"""Seconds before a request is made again that got no answer, or none for now."""

BUSY = (429, 500, 502, 503, 504)
_MOST = 1 << 20
"""Bytes of one answer: a secret has 64 kB at most."""

_HERE = ("127.0.0.1", "localhost", "::1")


class Trouble(Exception):
    """A cloud gives no answer, or not the one that is needed. Who asked says what for, and raises an error of ours.

    away: whether there was no answer at all, or none for now.
    """

    def __init__(self, message: str, hint: str = "", *, away: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.away = away


class Answer(NamedTuple):
    """The status, the answer if it is an object of JSON, and its text."""

    status: int
    content: dict[str, Any]
    text: str


def ask(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None = None,
    *,
    near: bool = False,
    timeout: float = TIMEOUT,
    pauses: tuple[float, ...] = PAUSES,
) -> Answer:
    """Raises `Trouble`.

    near: the address is the cloud's, of a service in this machine that does without TLS. To any other, nothing goes in
    the clear, nor comes so.
    """
    place = urlsplit(url)
    is_clear = place.scheme == "http" and (near or place.hostname in _HERE)
    if not place.hostname or not (place.scheme == "https" or is_clear):
        raise Trouble(f"`{url[:100]}` is no address for what must stay secret: it is no `https://`")
    left = list(pauses)
    while True:
        try:
            found = _asked(method, place, headers, body, timeout)
        except Trouble as trouble:
            if not trouble.away or not left:
                raise
        else:
            if found.status not in BUSY or not left:
                return found
        time.sleep(left.pop(0))


def _asked(method: str, place: SplitResult, headers: Mapping[str, str], body: bytes | None, timeout: float) -> Answer:
    assert place.hostname is not None, "it was looked at before"
    kind = HTTPSConnection if place.scheme == "https" else HTTPConnection
    connection = kind(place.hostname, place.port, timeout=timeout)
    path = f"{place.path or '/'}?{place.query}" if place.query else place.path or "/"
    try:
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        text = response.read(_MOST).decode("utf-8", "replace")
    except ssl.SSLCertVerificationError as error:
        raise Trouble(
            f"{place.hostname} is not who it says: {error.verify_message}",
            "of a certificate authority of your own: `SSL_CERT_FILE` names the file with its certificate",
        ) from None
    except (OSError, HTTPException) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Trouble(f"{place.hostname} cannot be reached: {why}", away=True) from None
    finally:
        connection.close()
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    return Answer(response.status, content if isinstance(content, dict) else {}, text)


def detail(found: Answer) -> str:
    """What a server says about a refusal, in whatever way it has."""
    said: Any = found.content.get("error") or found.content
    if isinstance(said, dict):
        said = next((said[name] for name in ("message", "Message", "error_description") if said.get(name)), "")
    words = found.content.get("error_description") or said
    return str(words)[:500] if words else f"it answered {found.status}"
