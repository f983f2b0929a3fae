"""The values of secrets in Google's Secret Manager and in Amazon's Secrets Manager."""

from __future__ import annotations

import binascii
import datetime as dt
import json
import os
import time
from base64 import b64decode

from pipeglot.core.clouds import amazon, google
from pipeglot.core.clouds.asking import BUSY, Answer, Trouble, ask, detail
from pipeglot.core.clouds.google import Token
from pipeglot.core.secret_places import InCloud

_GOOGLE = "https://secretmanager.googleapis.com"
_EARLY = 60.0
"""Seconds before its end from which on a token is not used any more."""


class Managers:
    """Both of them. Who we are at Google is asked once for as long as its answer holds."""

    def __init__(self) -> None:
        self._token = Token("", 0.0)
        self._until = 0.0

    def read(self, place: InCloud) -> str:
        """The value of a secret. Raises `Trouble`, whose text has nothing of it."""
        value = self._google(place.name) if place.kind == "gcp" else _amazon(place.name)
        return (_part(value, place) if place.key else value).removesuffix("\n")

    # --- Google -------------------------------------------------------------------------------------------------------

    def _google(self, name: str) -> str:
        path = name if "/versions/" in name else f"{name}/versions/latest"
        headers = {"Authorization": f"Bearer {self._google_token()}", "Accept": "application/json"}
        found = ask("GET", f"{_google_host(name)}/v1/{path}:access", headers)
        if found.status != 200:
            raise _refused(found, "Google's Secret Manager", name, _GOOGLE_HINTS)
        payload = found.content.get("payload")
        if not isinstance(payload, dict):
            raise Trouble(f"Google's Secret Manager does not answer as it should for `{name}`")
        try:
            return b64decode(payload.get("data", ""), validate=True).decode("utf-8")
        except (binascii.Error, ValueError, TypeError):  # its text is not shown, which has a part of the secret
            raise Trouble(f"`{name}` is no text in UTF-8") from None

    def _google_token(self) -> str:
        if time.monotonic() >= self._until:
            self._token = google.of_whoever()
            self._until = time.monotonic() + self._token.seconds - _EARLY
        return self._token.text


def _google_host(name: str) -> str:
    """Secrets of one region are asked for there. A variable of `gcloud` may name another, as for a private endpoint."""
    named = os.environ.get("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER")
    if named:
        return named.rstrip("/")
    _, _, after = name.partition("/locations/")
    return f"https://secretmanager.{after.partition('/')[0]}.rep.googleapis.com" if after else _GOOGLE


_GOOGLE_HINTS = {
    401: "is the service account, or the log-in, still good?",
    403: "give the role `roles/secretmanager.secretAccessor` on it to whom the step runs as",
    404: "`gcloud secrets versions list NAME --project PROJECT` shows what is there",
}


# --- Amazon -----------------------------------------------------------------------------------------------------------


def _amazon(name: str) -> str:
    region = name.split(":")[3] if name.startswith("arn:") else amazon.region()
    keys = amazon.whoever()
    url = f"{amazon.host('secrets_manager', region)}/"
    body = json.dumps({"SecretId": name}).encode()
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "secretsmanager.GetSecretValue"}
    at = dt.datetime.now(dt.UTC)
    found = ask("POST", url, amazon.signed(url, headers, body, keys, "secretsmanager", region, at), body)
    if found.status != 200:
        raise _amazon_refused(found, name)
    if isinstance(found.content.get("SecretString"), str):
        return str(found.content["SecretString"])
    raise Trouble(f"`{name}` is no text: it was stored as bytes", "store it as a text: `--secret-string`")


def _amazon_refused(found: Answer, name: str) -> Trouble:
    """Its answers are all 400: what is wrong stands in their type."""
    kind = str(found.content.get("__type") or "").rpartition("#")[2]
    status = 403 if "Denied" in kind else 404 if kind == "ResourceNotFoundException" else found.status
    status = 401 if kind in _UNKNOWN else status
    return _refused(found._replace(status=status), "Amazon's Secrets Manager", name, _AMAZON_HINTS)


_UNKNOWN = ("UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException", "InvalidClientTokenId")
_AMAZON_HINTS = {
    401: "are the keys, and this machine's clock, right?",
    403: "allow `secretsmanager:GetSecretValue` on it to whom the step runs as, and `kms:Decrypt` if it has a key of"
    " its own",
    404: "is that its name, and is it in this region? its ARN says both",
}


# --- both -------------------------------------------------------------------------------------------------------------

_SAID = {401: "does not know us", 403: "does not let us read", 404: "has no"}


def _refused(found: Answer, manager: str, name: str, hints: dict[int, str]) -> Trouble:
    said = _SAID.get(found.status)
    if said is None:
        return Trouble(f"{manager} answered {found.status} for `{name}`: {detail(found)}", away=found.status in BUSY)
    what = said if found.status == 401 else f"{said} `{name}`"
    return Trouble(f"{manager} {what}: {detail(found)}", hints[found.status])


def _part(value: str, place: InCloud) -> str:
    """What an object of JSON has under a key, if that is a text, or a number as it stands there."""
    try:
        found = json.loads(value, parse_int=str, parse_float=str)
    except ValueError:  # not shown: it has a part of the secret
        found = None
    if not isinstance(found, dict):
        raise Trouble(f"`{place.name}` is no object of JSON, of which `{place.key}` could be taken")
    if not isinstance(found.get(place.key), str):
        raise Trouble(f"`{place.name}` has no text under `{place.key}`")
    return str(found[place.key])
