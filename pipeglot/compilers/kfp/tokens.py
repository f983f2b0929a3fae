"""Tokens for Vertex AI: from a service account's key file, or from the metadata server of a machine of Google's."""

from __future__ import annotations

from pathlib import Path

from pipeglot.compilers.remote import Away
from pipeglot.core.clouds import google
from pipeglot.core.clouds.asking import Trouble
from pipeglot.core.errors import ConfigError


def of_service_account(file: Path, stack: str) -> str:
    """Raises `ConfigError` for a file that is no such key, or one that Google does not know; `Away`."""
    try:
        return google.of_file(file).text
    except Trouble as trouble:
        if trouble.away:
            raise Away(f"no token for stack `{stack}`: {trouble.message}") from None
        raise ConfigError(f"stack `{stack}`: `auth`: {trouble.message}", hint=trouble.hint) from None


def of_metadata(stack: str) -> str:
    """Of the service account that this machine of Google's runs as. Raises `ConfigError` on any other machine."""
    try:
        return google.of_machine().text
    except Trouble as trouble:
        raise ConfigError(
            f"stack `{stack}` does not say who we are: {trouble.message}",
            hint="write `auth: {service_account_file: …}`, or"
            ' `auth: {token_command: "gcloud auth print-access-token"}`',
        ) from None
