"""Google's files of credentials: the bucket's client reads two kinds of them; for all others google-auth is asked."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pipeglot.core.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_BY_CLIENT = frozenset({"service_account", "authorized_user"})
_FOR_CLIENT = ("GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH", "GOOGLE_SERVICE_ACCOUNT_KEY")
_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_LOGIN = "`gcloud auth application-default login` makes one"


def google_settings(environment: Mapping[str, str]) -> dict[str, Any]:
    """What the client has to be told, beyond what it finds by itself. Raises `StoreError` for a file of no use."""
    if any(environment.get(name) for name in _FOR_CLIENT):
        return {}
    named = environment.get("GOOGLE_APPLICATION_CREDENTIALS", "")
    path = named or os.path.expanduser("~/.config/gcloud/application_default_credentials.json")
    if not named and not os.path.exists(path):
        return {}  # a machine's service account, maybe
    kind = _kind(path)
    return {} if kind in _BY_CLIENT else {"credential_provider": by_google_auth(path, kind, _SCOPE)}


def _kind(path: str) -> str:
    """Such as `service_account`; of its text, nothing is ever shown."""
    import json

    try:
        with open(path, encoding="utf-8") as file:
            kind = json.load(file)["type"]
    except OSError as error:
        raise StoreError(f"Google's credentials `{path}` cannot be read: {error.strerror}", hint=_LOGIN) from None
    except (ValueError, KeyError, TypeError):
        raise StoreError(f"`{path}` is no file of Google's credentials", hint=_LOGIN) from None
    return str(kind)


def by_google_auth(path: str, kind: str, scope: str) -> Callable[[], dict[str, Any]]:
    """For workload identity federation, impersonation and the like. Raises `StoreError`."""
    try:
        import google.auth
        from google.auth.transport.requests import Request
    except ImportError:
        raise StoreError(
            f"Google's credentials `{path}` are of the kind `{kind}`, and that needs the package `google-auth`",
            hint="pip install google-auth requests",
        ) from None
    try:
        found, _ = google.auth.load_credentials_from_file(path, scopes=[scope])
    except Exception as error:  # google-auth's own kinds of errors, whose texts quote the file  # noqa: BLE001
        raise StoreError(
            f"Google's credentials `{path}` (`{kind}`) are refused: {type(error).__name__}", hint=_LOGIN
        ) from None

    def credentials() -> dict[str, Any]:
        import datetime as dt

        found.refresh(Request())
        expires = found.expiry  # in UTC, without saying so
        return {"token": found.token, "expires_at": expires and expires.replace(tzinfo=dt.UTC)}

    return credentials
