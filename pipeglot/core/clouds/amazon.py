"""Who we are at Amazon, by the conventions of its own tools; and requests that are signed so (version 4)."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from pipeglot.core.clouds.asking import Answer, Trouble, ask, detail
from pipeglot.core.errors import PipeglotError

_CONTAINERS = "http://169.254.170.2"
_AGENTS = ("169.254.170.2", "169.254.170.23", "fd00:ec2::23")
"""Where ECS and EKS answer, which do without TLS."""
_MACHINE = "http://169.254.169.254"
_ROLES = "/latest/meta-data/iam/security-credentials/"
_REGION = "/latest/meta-data/placement/region"
_NEAR_TIMEOUT = 2.0
_SESSION = "pipeglot"


class Keys(NamedTuple):
    """What requests are signed with. token: of those that run out."""

    id: str
    secret: str
    token: str = ""


def whoever() -> Keys:
    """Of whom this process stands for: variables, a profile, a role of Kubernetes, a container's, a machine's.

    Raises `Trouble`.
    """
    environment = os.environ
    if environment.get("AWS_ACCESS_KEY_ID"):
        named = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        return Keys(*(environment.get(name, "") for name in named))
    profile = _profile()
    if "credential_provider" in profile:
        return _provided(profile["credential_provider"])
    if "access_key_id" in profile:
        return Keys(profile["access_key_id"], profile["secret_access_key"], profile.get("session_token", ""))
    if environment.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
        return _of_kubernetes(environment)
    if environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") or environment.get(
        "AWS_CONTAINER_CREDENTIALS_FULL_URI"
    ):
        return _of_container(environment)
    return _of_machine()


def region() -> str:
    """Where this process is at home. Raises `Trouble`."""
    environment = os.environ
    found = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or _profile().get("region", "")
    if found:
        return str(found)
    try:
        return _machine(_REGION).text.strip()
    except Trouble:
        raise Trouble("nothing says in which region", "export AWS_REGION=…, or name the secret by its ARN") from None


def host(service: str, region: str) -> str:
    """Of a service in a region. A variable of Amazon's may name another, as for a private endpoint."""
    named = os.environ.get(f"AWS_ENDPOINT_URL_{service.upper()}")
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return named.rstrip("/") if named else f"https://{service.replace('_', '')}.{region}.{domain}"


def signed(
    url: str, headers: Mapping[str, str], body: bytes, keys: Keys, service: str, region: str, at: dt.datetime
) -> dict[str, str]:
    """The headers of a `POST`, with the signature of all of it. The path is taken as it is: it has plain names only."""
    place = urlsplit(url)
    day, time = f"{at:%Y%m%d}", f"{at:%Y%m%dT%H%M%SZ}"
    known = {**headers, "Host": place.netloc, "X-Amz-Date": time}
    if keys.token:
        known["X-Amz-Security-Token"] = keys.token
    lines = sorted((name.lower(), " ".join(value.split())) for name, value in known.items())
    names = ";".join(name for name, _ in lines)
    shown = "".join(f"{name}:{value}\n" for name, value in lines)
    asked = "\n".join(("POST", place.path or "/", "", shown, names, hashlib.sha256(body).hexdigest()))
    scope = f"{day}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{time}\n{scope}\n{hashlib.sha256(asked.encode()).hexdigest()}"
    key = f"AWS4{keys.secret}".encode()
    for part in scope.split("/"):
        key = _hash(key, part)
    signature = _hash(key, text).hex()
    words = f"Credential={keys.id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**known, "Authorization": f"AWS4-HMAC-SHA256 {words}"}


def _hash(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


# --- who we are -------------------------------------------------------------------------------------------------------


def _profile() -> dict[str, Any]:
    from pipeglot.core.store.aws_profile import profile_settings

    try:
        return profile_settings(os.environ)
    except PipeglotError as error:
        raise Trouble(error.message, error.hint) from None


def _provided(provider: Callable[[], Mapping[str, Any]]) -> Keys:
    """Of a command of the user's, or of a log-in or role that boto3 knows."""
    try:
        found = provider()
    except PipeglotError as error:
        raise Trouble(error.message, error.hint) from None
    except Exception as error:  # whatever botocore raises for a login that has expired  # noqa: BLE001
        raise Trouble(f"the AWS profile gives no credentials: {type(error).__name__}", "`aws sso login`") from None
    return Keys(found["access_key_id"], found["secret_access_key"], found.get("token") or "")


def _of_kubernetes(environment: Mapping[str, str]) -> Keys:
    """Of a role that Amazon lets this pod's service account have. This request has no signature, but a token."""
    form = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": environment.get("AWS_ROLE_ARN", ""),
        "RoleSessionName": environment.get("AWS_ROLE_SESSION_NAME") or _SESSION,
        "WebIdentityToken": _file(environment["AWS_WEB_IDENTITY_TOKEN_FILE"]),
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    found = ask("POST", f"{host('sts', region())}/", headers, urlencode(form).encode())
    whole = found.content.get("AssumeRoleWithWebIdentityResponse") or {}
    result = whole.get("AssumeRoleWithWebIdentityResult") or {}
    role = form["RoleArn"] or "of `AWS_ROLE_ARN`, which is not set"
    return _keys(found, result.get("Credentials") or {}, f"the role `{role}`", "SessionToken")


def _of_container(environment: Mapping[str, str]) -> Keys:
    """As ECS and EKS have it: an address near this container, and what opens it."""
    relative = environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
    url = f"{_CONTAINERS}{relative}" if relative else environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
    file = environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
    opens = _file(file) if file else environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
    headers = {"Accept": "application/json", **({"Authorization": opens} if opens else {})}
    found = ask("GET", url, headers, near=urlsplit(url).hostname in _AGENTS, timeout=_NEAR_TIMEOUT)
    return _keys(found, found.content, "the role of this container", "Token")


def _of_machine() -> Keys:
    """Of the role of this machine of Amazon's, by the second version of its metadata service."""
    try:
        role = _machine(_ROLES).text.strip().partition("\n")[0]
        found = _machine(f"{_ROLES}{role}")
    except Trouble as trouble:
        raise Trouble(
            f"nothing says who we are at Amazon: {trouble.message}",
            "give the pod or machine a role; or export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; or name a profile:"
            " AWS_PROFILE=…",
        ) from None
    return _keys(found, found.content, f"the machine's role `{role}`", "Token")


def _machine(path: str) -> Answer:
    """What the metadata service of this machine has under a path."""
    environment = os.environ
    if environment.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        raise Trouble("the machine's metadata service is not to be asked (`AWS_EC2_METADATA_DISABLED`)")
    base = (environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or _MACHINE).rstrip("/")
    lasting = {"X-aws-ec2-metadata-token-ttl-seconds": "300"}
    try:
        opens = ask("PUT", f"{base}/latest/api/token", lasting, near=True, timeout=_NEAR_TIMEOUT, pauses=())
        given = {"X-aws-ec2-metadata-token": opens.text}
        found = ask("GET", f"{base}{path}", given, near=True, timeout=_NEAR_TIMEOUT) if opens.status == 200 else opens
    except Trouble:
        raise Trouble("there is no metadata service of a machine of Amazon's") from None
    if found.status == 404:
        raise Trouble("this machine of Amazon's has no role")
    if found.status != 200:
        raise Trouble(f"the metadata service of this machine answered {found.status}")
    return found


def _keys(found: Answer, said: Mapping[str, Any], what: str, token: str) -> Keys:
    texts = [said.get(name) for name in ("AccessKeyId", "SecretAccessKey", token)]
    if found.status != 200 or not all(isinstance(text, str) and text for text in texts):
        raise Trouble(f"{what} gives no keys: {detail(found)}")
    return Keys(*map(str, texts))


def _file(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Trouble(f"`{name}` cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}") from None
