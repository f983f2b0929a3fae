"""Tokens for Google's APIs: from a key file, from what `gcloud` keeps, or from a machine of Google's.

The claim of a service account is signed by `openssl`, which is on every system that has TLS: no package is needed.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from pipeglot.core.clouds.asking import Answer, Trouble, ask, detail
from pipeglot.core.errors import PipeglotError

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
TIMEOUT = 30.0
_LIFE = 3600
_LONGEST_KEY = 1 << 15
"""Bytes: a pipe takes more, and a key of 16,384 bits has less."""
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_KEY = ("client_email", "private_key", "token_uri")
_USER = ("client_id", "client_secret", "refresh_token")
_OURS = ("service_account", "authorized_user")
_TOKENS = "https://oauth2.googleapis.com/token"
_METADATA = "/computeMetadata/v1/instance/service-accounts/default/token"
_NEAR_TIMEOUT = 3.0
_SHORT = 300.0
"""Seconds for which a token is taken of which is not known how long it lives."""
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Token(NamedTuple):
    """What opens Google's APIs, and for how many seconds."""

    text: str
    seconds: float


def of_whoever() -> Token:
    """Of whom this process stands for, as Google's own clients find it. Raises `Trouble`."""
    environment = os.environ
    named = environment.get("GOOGLE_APPLICATION_CREDENTIALS")
    if named:
        return of_file(Path(named).expanduser())
    kept = _gcloud() / "application_default_credentials.json"
    if kept.exists():
        return of_file(kept)
    try:
        return of_machine()
    except Trouble as trouble:
        raise Trouble(
            f"nothing says who we are at Google: {trouble.message}",
            "give the pod or machine a service account; or let `GOOGLE_APPLICATION_CREDENTIALS` name a key's file;"
            " or log in: `gcloud auth application-default login`",
        ) from None


def of_file(file: Path) -> Token:
    """Of a service account's key, or of a person who has logged in with `gcloud`. Raises `Trouble`."""
    found = _read(file)
    kind = found.get("type")
    if _has(found, _USER) and kind == "authorized_user":
        words = {name: found[name] for name in _USER}
        form = {"grant_type": "refresh_token", **words}
        return _token(ask("POST", found.get("token_uri") or _TOKENS, _FORM, urlencode(form).encode()), file)
    if isinstance(kind, str) and kind not in _OURS:
        return _by_google_auth(file, kind)
    if not _has(found, _KEY):
        raise Trouble(
            f"`{file}` is no key of a service account",
            "`gcloud iam service-accounts keys create FILE --iam-account …` makes one",
        )
    form = {"grant_type": _GRANT, "assertion": _signed(found, int(time.time()))}
    return _token(ask("POST", found["token_uri"], _FORM, urlencode(form).encode()), file)


def of_machine() -> Token:
    """Of the service account that this machine of Google's runs as, or this pod. Raises `Trouble` on any other."""
    host = os.environ.get("GCE_METADATA_HOST") or "metadata.google.internal"
    flavor = {"Metadata-Flavor": "Google"}
    try:
        found = ask("GET", f"http://{host}{_METADATA}", flavor, near=True, timeout=_NEAR_TIMEOUT)
    except Trouble:
        raise Trouble("this is no machine of Google's, which would know") from None
    if found.status != 200 or "access_token" not in found.content:
        raise Trouble(f"this machine's metadata server gives no token: {detail(found)}")
    return _told(found)


def _by_google_auth(file: Path, kind: str) -> Token:
    """Of what has another form, such as an identity that Google takes another's word for."""
    from pipeglot.core.store.google_credentials import by_google_auth

    try:
        return Token(str(by_google_auth(str(file), kind, SCOPE)()["token"]), _SHORT)
    except PipeglotError as error:
        raise Trouble(error.message, error.hint) from None
    except Exception as error:  # google-auth's own kinds of errors, whose texts quote the file  # noqa: BLE001
        raise Trouble(f"Google's credentials `{file}` (`{kind}`) give no token: {type(error).__name__}") from None


def _gcloud() -> Path:
    """Where `gcloud` keeps what it knows."""
    said = os.environ.get("CLOUDSDK_CONFIG")
    return Path(said) if said else Path("~/.config/gcloud").expanduser()


def _has(found: Mapping[str, Any], names: tuple[str, ...]) -> bool:
    return all(isinstance(found.get(name), str) for name in names)


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise Trouble(f"`{file}` cannot be read: {error.strerror}") from None
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _token(found: Answer, file: Path) -> Token:
    if found.status != 200 or "access_token" not in found.content:
        raise Trouble(
            f"Google gives no token for the key in `{file}`: {detail(found)}",
            "is the key still there, in Google's list of those of the service account?"
            " and is the clock of this machine right? the claim says when it was made",
        )
    return _told(found)


def _told(found: Answer) -> Token:
    seconds = found.content.get("expires_in")
    return Token(str(found.content["access_token"]), float(seconds) if isinstance(seconds, int | float) else 0.0)


# --- the claim of a service account -----------------------------------------------------------------------------------


def _signed(key: Mapping[str, str], at: int) -> str:
    """Who we are, and that we ask for a token, as a JSON web token."""
    head = {"alg": "RS256", "typ": "JWT", "kid": key.get("private_key_id", "")}
    claim = {"iss": key["client_email"], "scope": SCOPE, "aud": key["token_uri"], "iat": at, "exp": at + _LIFE}
    text = ".".join(_part(json.dumps(one).encode()) for one in (head, claim))
    return f"{text}.{_part(_signature(text.encode(), key['private_key']))}"


def _part(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _signature(data: bytes, key: str) -> bytes:
    """The key goes through a pipe, which it fits into: it lies in no file of ours."""
    reading, writing = os.pipe()
    try:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(key.encode()[:_LONGEST_KEY])
        words = ["openssl", "dgst", "-sha256", "-sign", f"/dev/fd/{reading}"]
        done = subprocess.run(words, input=data, capture_output=True, timeout=TIMEOUT, check=False, pass_fds=[reading])
    except FileNotFoundError:
        raise Trouble(
            "there is no `openssl` on the PATH, which signs with a service account's key", "install it"
        ) from None
    except subprocess.TimeoutExpired:
        raise Trouble(
            f"`openssl`, which is to sign with the account's key, has not ended after {TIMEOUT:.0f} s",
            "does `openssl version` answer?",
        ) from None
    finally:
        os.close(reading)
    if done.returncode:
        raise Trouble("the private key of the service account is none that `openssl` takes")
    return done.stdout
