"""Tokens for Google's APIs: from a service account's key file, or from the metadata server of a machine of Google's.

The claim of a service account is signed by `openssl`, which is on every system that has TLS: no package is needed.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from pipeglot.compilers.remote import Away
from pipeglot.core.errors import ConfigError

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
TIMEOUT = 30.0
_LIFE = 3600
_LONGEST_KEY = 1 << 15
"""Bytes: a pipe takes more, and a key of 16,384 bits has less."""
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_NEEDED = ("client_email", "private_key", "token_uri")
_METADATA = "/computeMetadata/v1/instance/service-accounts/default/token"


def of_service_account(file: Path, stack: str) -> str:
    """Raises `ConfigError` for a file that is no such key, or one that Google does not know; `Away`."""
    key = _read_key(file, stack)
    claim = _signed(key, int(time.time()), stack)
    form = urlencode({"grant_type": _GRANT, "assertion": claim}).encode()
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    status, found = _ask("POST", key["token_uri"], form, kind, stack)
    if status != 200 or "access_token" not in found:
        why = found.get("error_description") or found.get("error") or f"it answered {status}"
        raise ConfigError(
            f"stack `{stack}`: Google gives no token for the key in `{file}`: {why}",
            hint="is the key still there, in Google's list of those of the service account?"
            " and is the clock of this machine right? the claim says when it was made",
        )
    return str(found["access_token"])


def of_metadata(stack: str) -> str:
    """Of the service account that this machine of Google's runs as. Raises `ConfigError` on any other machine."""
    host = os.environ.get("GCE_METADATA_HOST") or "metadata.google.internal"
    try:
        status, found = _ask("GET", f"http://{host}{_METADATA}", None, {"Metadata-Flavor": "Google"}, stack)
    except Away:
        status, found = 0, {}
    if status != 200 or "access_token" not in found:
        raise ConfigError(
            f"stack `{stack}` does not say who we are, and this is no machine of Google's, which would know",
            hint="write `auth: {service_account_file: …}`, or"
            ' `auth: {token_command: "gcloud auth print-access-token"}`',
        )
    return str(found["access_token"])


def _read_key(file: Path, stack: str) -> Mapping[str, str]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"stack `{stack}`: `auth`: `{file}` cannot be read: {error.strerror}") from None
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(found.get(name), str) for name in _NEEDED):
        raise ConfigError(
            f"stack `{stack}`: `auth`: `{file}` is no key of a service account",
            hint="`gcloud iam service-accounts keys create FILE --iam-account …` makes one",
        )
    return found


def _signed(key: Mapping[str, str], at: int, stack: str) -> str:
    """Who we are, and that we ask for a token, as a JSON web token."""
    head = {"alg": "RS256", "typ": "JWT", "kid": key.get("private_key_id", "")}
    claim = {"iss": key["client_email"], "scope": SCOPE, "aud": key["token_uri"], "iat": at, "exp": at + _LIFE}
    text = ".".join(_part(json.dumps(one).encode()) for one in (head, claim))
    return f"{text}.{_part(_signature(text.encode(), key['private_key'], stack))}"


def _part(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _signature(data: bytes, key: str, stack: str) -> bytes:
    """The key goes through a pipe, which it fits into: it lies in no file of ours."""
    reading, writing = os.pipe()
    try:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(key.encode()[:_LONGEST_KEY])
        words = ["openssl", "dgst", "-sha256", "-sign", f"/dev/fd/{reading}"]
        done = subprocess.run(words, input=data, capture_output=True, timeout=TIMEOUT, check=False, pass_fds=[reading])
    except FileNotFoundError:
        raise ConfigError(
            f"stack `{stack}`: there is no `openssl` on the PATH, which signs with a service account's key",
            hint='install it; or write `auth: {token_command: "gcloud auth print-access-token"}`',
        ) from None
    except subprocess.TimeoutExpired:
        raise ConfigError(
            f"stack `{stack}`: `openssl`, which is to sign with the account's key, has not ended after {TIMEOUT:.0f} s",
            hint='does `openssl version` answer? or write `auth: {token_command: "gcloud auth print-access-token"}`',
        ) from None
    finally:
        os.close(reading)
    if done.returncode:
        raise ConfigError(
            f"stack `{stack}`: `auth`: the private key of the service account is none that `openssl` takes"
        )
    return done.stdout


def _ask(
    method: str, url: str, body: bytes | None, headers: Mapping[str, str], stack: str
) -> tuple[int, dict[str, Any]]:
    """The status, and the answer, if it is JSON. Raises `Away`; `ConfigError` for what is no address."""
    place = urlsplit(url)
    is_here = place.hostname in ("127.0.0.1", "localhost")
    if not place.hostname or place.scheme not in ("http", "https") or (body and place.scheme == "http" and not is_here):
        raise ConfigError(
            f"stack `{stack}`: `auth`: `{url[:100]}` is no address that gets a claim: it is no `https://`"
        )
    kind = HTTPSConnection if place.scheme == "https" else HTTPConnection
    connection = kind(place.hostname, place.port, timeout=TIMEOUT)
    try:
        connection.request(method, place.path, body, dict(headers))
        answer = connection.getresponse()
        text = answer.read(1 << 20)
    except (OSError, HTTPException) as error:
        raise Away(f"no token for stack `{stack}`: {place.hostname} cannot be reached: {error}") from None
    finally:
        connection.close()
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    return answer.status, found if isinstance(found, dict) else {}
