"""AWS profiles (`~/.aws/config`, `~/.aws/credentials`), which the bucket's client does not read by itself.

Keys, `credential_process`, region and endpoint are read here; for SSO and assumed roles boto3 is asked, if it is there.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pipeglot.core.errors import StoreError
from pipeglot.core.suggest import meant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_BY_BOTO3 = ("sso_session", "sso_start_url", "role_arn", "login_session")
_WAIT = 60.0


def profile_settings(environment: Mapping[str, str]) -> dict[str, Any]:
    """What the chosen profile says, as the client takes it. Keys in the environment win, as with AWS's own tools."""
    chosen = environment.get("AWS_PROFILE") or environment.get("AWS_DEFAULT_PROFILE") or ""
    profiles = _profiles(environment)
    if chosen and chosen not in profiles:
        hint = meant(chosen, profiles, "the profiles are") if profiles else "`aws configure` makes one"
        raise StoreError(f"there is no AWS profile `{chosen}`", hint=hint)
    name = chosen or "default"
    profile = profiles.get(name, {})
    settings: dict[str, Any] = {}
    if profile.get("region") and not environment.get("AWS_REGION") and not environment.get("AWS_DEFAULT_REGION"):
        settings["region"] = profile["region"]
    if profile.get("endpoint_url"):
        settings["endpoint"] = profile["endpoint_url"]
    if not environment.get("AWS_ACCESS_KEY_ID"):
        settings |= _credentials(name, profile, explicit=bool(chosen), environment=environment)
    return settings


def _credentials(
    name: str, profile: dict[str, str], *, explicit: bool, environment: Mapping[str, str]
) -> dict[str, Any]:
    if not explicit and environment.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
        return {}  # a role of Kubernetes', which the client reads
    if any(profile.get(field) for field in _BY_BOTO3):
        return {"credential_provider": _boto3_provider(name)}
    if profile.get("aws_access_key_id") and profile.get("aws_secret_access_key"):
        found = {"access_key_id": profile["aws_access_key_id"], "secret_access_key": profile["aws_secret_access_key"]}
        token = profile.get("aws_session_token")
        return {**found, "session_token": token} if token else found
    if profile.get("credential_process"):
        return {"credential_provider": _process_provider(name, profile["credential_process"])}
    return {}


def _profiles(environment: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """By name. What both files say of a profile, the file of credentials says better."""
    config = environment.get("AWS_CONFIG_FILE") or "~/.aws/config"
    credentials = environment.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials"
    found: dict[str, dict[str, str]] = {}
    for section, fields in _sections(os.path.expanduser(config)).items():
        kind, _, name = section.partition(" ")
        if section == "default" or (kind == "profile" and name.strip()):
            found[name.strip() or "default"] = fields
    for name, fields in _sections(os.path.expanduser(credentials)).items():
        found[name] = {**found.get(name, {}), **fields}
    return found


def _sections(path: str) -> dict[str, dict[str, str]]:
    if not os.path.exists(path):
        return {}
    import configparser

    parser = configparser.RawConfigParser(default_section="\0", strict=False, allow_no_value=True)
    try:
        with open(path, encoding="utf-8") as file:
            parser.read_file(file)
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise StoreError(f"`{path}` cannot be read: {type(error).__name__}", hint="`aws configure` writes it") from None
    return {name: {key: value or "" for key, value in parser.items(name)} for name in parser.sections()}


def _boto3_provider(name: str) -> Any:
    try:
        import boto3
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        raise StoreError(
            f"the AWS profile `{name}` uses single sign-on or a role, and that needs the package `boto3`",
            hint="pip install boto3, or export them: `eval $(aws configure export-credentials --format env)`",
        ) from None
    try:
        return Boto3CredentialProvider(boto3.Session(profile_name=name))
    except Exception as error:  # whatever botocore raises for a login that has expired  # noqa: BLE001
        raise StoreError(
            f"the AWS profile `{name}` gives no credentials: {type(error).__name__}",
            hint=f"aws sso login --profile {name}",
        ) from None


def _process_provider(name: str, command: str) -> Callable[[], dict[str, Any]]:
    def credentials() -> dict[str, Any]:
        import datetime as dt
        import json
        import shlex
        import subprocess

        try:
            done = subprocess.run(shlex.split(command), capture_output=True, timeout=_WAIT, check=True)
            found = json.loads(done.stdout)
            expires = found.get("Expiration")
            return {
                "access_key_id": found["AccessKeyId"],
                "secret_access_key": found["SecretAccessKey"],
                "token": found.get("SessionToken"),
                "expires_at": dt.datetime.fromisoformat(expires) if expires else None,
            }
        except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"`credential_process` of the AWS profile `{name}` gives no credentials: {type(error).__name__}",
                hint="run that command by itself and look at what it prints",
            ) from None

    credentials()  # a command that does not work is told now, and by us
    return credentials
