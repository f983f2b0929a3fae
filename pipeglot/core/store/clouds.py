"""Where a bucket is and who asks: the URI in `pipeglot.yaml`, and for the rest each cloud's own conventions.

Credentials, regions and endpoints come from the environment, from the clouds' own files, or from the machine's metadata
service, as their own tools have it. None of them is in a URI, in a record or in a message.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeglot.core.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

CLOUDS = {"s3": "S3", "gs": "GCS", "az": "Azure"}
"""By the scheme of a URI."""

_EXTRAS = {"s3": "s3", "gs": "gcs", "az": "azure"}
_MEANT = {
    "s3a": "s3",
    "s3n": "s3",
    "gcs": "gs",
    "azure": "az",
    "abfs": "az",
    "abfss": "az",
    "wasb": "az",
    "wasbs": "az",
}
_NAME = re.compile(r"[A-Za-z0-9$][A-Za-z0-9._-]{0,254}")
_SEGMENT = re.compile(r"[^\x00-\x1f\x7f\\?#]+")
_CONNECT = "5s"


class Place(NamedTuple):
    """A bucket, and the prefix of all keys in it; empty, or without a slash at either end."""

    scheme: str
    bucket: str
    prefix: str

    @property
    def cloud(self) -> str:
        return CLOUDS[self.scheme]

    @property
    def bucket_uri(self) -> str:
        return f"{self.scheme}://{self.bucket}"

    @property
    def uri(self) -> str:
        return f"{self.bucket_uri}/{self.prefix}" if self.prefix else self.bucket_uri


def is_bucket(scheme: str) -> bool:
    return scheme.lower() in CLOUDS


def parse_place(uri: str) -> Place:
    """Raises `StoreError`, whose text repeats nothing that may be a credential."""
    scheme, _, rest = uri.partition("://")
    scheme = scheme.lower()
    bucket, _, prefix = rest.partition("/")
    form = "container" if scheme == "az" else "bucket"
    hint = f"as in `{scheme}://{form}/prefix`"
    if "@" in bucket:
        raise StoreError(
            f"the URI of a store, `{scheme}://…`, holds credentials",
            hint=f"{hint}: take them out; `{_VARIABLES[scheme]}` and the like are read from the environment",
        )
    if "?" in rest or "#" in rest:
        raise StoreError(f"the URI of a store, `{scheme}://…`, has a `?` or `#` in it", hint=hint)
    if not _NAME.fullmatch(bucket):
        named = f"`{bucket}` cannot be the name of a {form}" if bucket else f"the store `{uri}` names no {form}"
        raise StoreError(named, hint=hint)
    prefix = prefix.removesuffix("/")
    parts = prefix.split("/") if prefix else []
    if any(part in (".", "..") or not _SEGMENT.fullmatch(part) for part in parts):
        raise StoreError(f"`{prefix!r}` cannot be the prefix of a store", hint=f"{hint}, of plain names")
    return Place(scheme, bucket, prefix)


def unknown_scheme(scheme: str) -> StoreError:
    """For a URI of which only the scheme is told: the rest may hold credentials."""
    meant = _MEANT.get(scheme.lower())
    hint = f"write `{meant}://…`" if meant else "give a folder, or a bucket: `s3://…`, `gs://…`, `az://…`"
    return StoreError(f"there are no stores at `{scheme}://…`", hint=hint)


def connect(place: Place, *, tries: int, timeout: str) -> Any:
    """A client of the bucket; nothing is asked of it yet.

    tries: how often the client itself repeats a request. timeout: how long one may take, as `20s`.
    """
    try:
        import obstore.store as clients
    except ImportError as error:
        if error.name is None or not error.name.startswith("obstore"):
            raise
        raise StoreError(
            f"the store `{place.uri}` is in a bucket, and the package `obstore` that reads it is not installed",
            hint=f"pip install 'pipeglot[{_EXTRAS[place.scheme]}]'",
        ) from None
    make, settings = _MAKERS[place.scheme](clients)
    plain = str(settings.get("endpoint") or settings.get("base_url") or "").lower().startswith("http://")
    options = {"timeout": timeout, "connect_timeout": _CONNECT, **({"allow_http": True} if plain else {})}
    try:
        return make(place.bucket, client_options=options, retry_config={"max_retries": tries - 1}, **settings)
    except Exception as error:  # the client's own kinds of errors, of which it keeps adding  # noqa: BLE001
        from pipeglot.core.store.answers import bucket_error, read_answer

        raise bucket_error(read_answer(error), "open the store", place.uri, place.bucket_uri, place.cloud) from None


def endpoint_of(place: Place) -> str:
    """What tells two servers with a bucket of the same name apart on this machine."""
    names = {"s3": _S3_ENDPOINT, "gs": ("STORAGE_EMULATOR_HOST",), "az": (*_AZ_ENDPOINT, *_AZ_ACCOUNT)}[place.scheme]
    return "\n".join(os.environ.get(name, "") for name in names)


# --- the clouds -------------------------------------------------------------------------------------------------------

_VARIABLES = {"s3": "AWS_ACCESS_KEY_ID", "gs": "GOOGLE_APPLICATION_CREDENTIALS", "az": "AZURE_STORAGE_KEY"}
_S3_ENDPOINT = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_AZ_ENDPOINT = ("AZURE_STORAGE_ENDPOINT", "AZURE_STORAGE_CONNECTION_STRING")
_AZ_ACCOUNT = ("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME")
_AZ_CREDENTIALS = (
    *("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY"),
    *("AZURE_STORAGE_TOKEN", "AZURE_CLIENT_SECRET", "AZURE_STORAGE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE"),
    *("AZURE_MSI_ENDPOINT", "AZURE_IDENTITY_ENDPOINT", "IDENTITY_ENDPOINT", "AZURE_USE_AZURE_CLI"),
)

_Made = tuple["Callable[..., Any]", dict[str, Any]]


def _s3(clients: Any) -> _Made:
    """The client reads `AWS_…`, web identities, containers' and machines' roles; profiles it does not know."""
    from pipeglot.core.store.aws_profile import profile_settings

    settings = profile_settings(os.environ)
    endpoint = _first(_S3_ENDPOINT)
    if endpoint:
        settings["endpoint"] = endpoint
    if "endpoint" in settings and not _first(("AWS_REGION", "AWS_DEFAULT_REGION")):
        settings.setdefault("region", "us-east-1")
    return clients.S3Store, settings


def _gs(clients: Any) -> _Made:
    """The client reads `GOOGLE_APPLICATION_CREDENTIALS`, what `gcloud` has left, and machines' service accounts."""
    emulator = os.environ.get("STORAGE_EMULATOR_HOST", "")
    if emulator:
        base = emulator if "://" in emulator else f"http://{emulator}"
        return clients.GCSStore, {"base_url": base.rstrip("/"), "credential_provider": _for_emulators}
    from pipeglot.core.store.google_credentials import google_settings

    return clients.GCSStore, google_settings(os.environ)


def _for_emulators() -> dict[str, Any]:
    """They look at none, but for writes the client sends some, and would ask the machine's metadata service for it."""
    return {"token": "none", "expires_at": None}


def _az(clients: Any) -> _Made:
    """The client reads `AZURE_…`, workload and managed identities; `az`'s own names of variables it does not know."""
    settings = _connection_string(os.environ.get("AZURE_STORAGE_CONNECTION_STRING", ""))
    account = _first(_AZ_ACCOUNT)
    if account:
        settings["account_name"] = account
    if "account_name" not in settings:
        raise StoreError(
            "which storage account the container is in is not known",
            hint="export AZURE_STORAGE_ACCOUNT=…, or AZURE_STORAGE_CONNECTION_STRING",
        )
    key = os.environ.get("AZURE_STORAGE_KEY", "")
    if key:
        settings["account_key"] = key
    endpoint = os.environ.get("AZURE_STORAGE_ENDPOINT", "")
    if endpoint:
        settings["endpoint"] = endpoint
    if not {"account_key", "sas_key"} & settings.keys() and not _first(_AZ_CREDENTIALS) and _has_azure_cli():
        settings["use_azure_cli"] = True
    return clients.AzureStore, settings


def _connection_string(text: str) -> dict[str, Any]:
    """`AccountName=…;AccountKey=…;…`, as Azure's portal shows it. What else it may say is not for us."""
    fields = dict(part.partition("=")[::2] for part in text.split(";") if part)
    known = {"AccountName": "account_name", "AccountKey": "account_key", "SharedAccessSignature": "sas_key"}
    found = {name: fields[field] for field, name in known.items() if fields.get(field)}
    if fields.get("BlobEndpoint"):
        found["endpoint"] = fields["BlobEndpoint"].rstrip("/")
    elif fields.get("AccountName") and fields.get("EndpointSuffix"):
        scheme = fields.get("DefaultEndpointsProtocol", "https")
        found["endpoint"] = f"{scheme}://{fields['AccountName']}.blob.{fields['EndpointSuffix']}"
    return found


def _has_azure_cli() -> bool:
    """Is somebody logged in with `az`?"""
    import shutil

    folder = os.environ.get("AZURE_CONFIG_DIR") or os.path.expanduser("~/.azure")
    return os.path.exists(f"{folder}/azureProfile.json") and shutil.which("az") is not None


def _first(names: tuple[str, ...]) -> str:
    return next((value for name in names if (value := os.environ.get(name, ""))), "")


_MAKERS: dict[str, Callable[[Any], _Made]] = {"s3": _s3, "gs": _gs, "az": _az}
