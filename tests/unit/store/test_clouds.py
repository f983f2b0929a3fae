"""From a URI and an environment to a client's settings."""

from __future__ import annotations

import datetime as dt
import json
import stat
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeglot.core.errors import StoreError
from pipeglot.core.store import aws_profile, clouds, open_store
from pipeglot.core.store.clouds import Place, connect, parse_place

pytestmark = pytest.mark.usefixtures("no_clouds")

# --- URIs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "place", "again"),
    [
        ("s3://b", Place("s3", "b", ""), "s3://b"),
        ("s3://b/", Place("s3", "b", ""), "s3://b"),
        ("S3://My.Bucket-1/a/b c/", Place("s3", "My.Bucket-1", "a/b c"), "s3://My.Bucket-1/a/b c"),
        ("gs://b/ü", Place("gs", "b", "ü"), "gs://b/ü"),
        ("az://$root/x", Place("az", "$root", "x"), "az://$root/x"),
    ],
)
def test_places(uri: str, place: Place, again: str) -> None:
    assert parse_place(uri) == place
    assert place.uri == again
    assert parse_place(again) == place


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("s3://", "the store `s3://` names no bucket\n\nhint: as in `s3://bucket/prefix`"),
        ("s3:///x", "the store `s3:///x` names no bucket\n\nhint: as in `s3://bucket/prefix`"),
        ("az://", "the store `az://` names no container\n\nhint: as in `az://container/prefix`"),
        ("s3://a b/x", "`a b` cannot be the name of a bucket\n\nhint: as in `s3://bucket/prefix`"),
        ("gs://b/a//b", "`'a//b'` cannot be the prefix of a store\n\nhint: as in `gs://bucket/prefix`, of plain names"),
        ("gs://b/../c", "`'../c'` cannot be the prefix of a store\n\nhint: as in `gs://bucket/prefix`, of plain names"),
        (
            "gs://b/a\nb",
            "`'a\\nb'` cannot be the prefix of a store\n\nhint: as in `gs://bucket/prefix`, of plain names",
        ),
        (
            "az://c/x?sig=SECRET",
            "the URI of a store, `az://…`, has a `?` or `#` in it\n\nhint: as in `az://container/prefix`",
        ),
        (
            "s3://key:SECRET@b/x",
            (
                "the URI of a store, `s3://…`, holds credentials\n\nhint: as in `s3://bucket/prefix`: take them out; "
                "`AWS_ACCESS_KEY_ID` and the like are read from the environment"
            ),
        ),
        ("s3a://key:SECRET@b", "there are no stores at `s3a://…`\n\nhint: write `s3://…`"),
        ("gcs://b", "there are no stores at `gcs://…`\n\nhint: write `gs://…`"),
        ("abfss://c@a.dfs.core.windows.net/x", "there are no stores at `abfss://…`\n\nhint: write `az://…`"),
        (
            "https://me:SECRET@host/x",
            "there are no stores at `https://…`\n\nhint: give a folder, or a bucket: `s3://…`, `gs://…`, `az://…`",
        ),
    ],
)
def test_uris_that_name_no_bucket(uri: str, told: str) -> None:
    with pytest.raises(StoreError) as caught:
        open_store(uri)
    assert str(caught.value) == told
    assert "SECRET" not in told


# --- clients ----------------------------------------------------------------------------------------------------------


def settings(uri: str) -> dict[str, Any]:
    """What the client would be made with."""
    place = parse_place(uri)
    names = ("S3Store", "GCSStore", "AzureStore")
    return clouds._MAKERS[place.scheme](SimpleNamespace(**dict.fromkeys(names, None)))[1]


@pytest.mark.parametrize("uri", ["s3://b/x", "gs://b/x", "az://b/x"])
def test_the_client_takes_them(uri: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The real one, which refuses settings that it does not know."""
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "account")
    monkeypatch.setenv("AZURE_STORAGE_KEY", "a2V5")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "127.0.0.1:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id=a\naws_secret_access_key=SECRET\n")
    assert "SECRET" not in repr(connect(parse_place(uri), tries=1, timeout="1s"))


def test_s3_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings("s3://b") == {}
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert settings("s3://b") == {"endpoint": "http://127.0.0.1:1", "region": "us-east-1"}
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:2")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert settings("s3://b") == {"endpoint": "http://127.0.0.1:2"}


@pytest.mark.parametrize("host", ["127.0.0.1:4443", "http://127.0.0.1:4443", "http://127.0.0.1:4443/"])
def test_gcs(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    assert settings("gs://b") == {}
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", host)
    found = settings("gs://b")
    assert found["base_url"] == "http://127.0.0.1:4443"
    assert found["credential_provider"]()["token"] == "none"


def adc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> Path:
    path = tmp_path / "adc.json"
    path.write_text(text)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    return path


@pytest.mark.parametrize("kind", ["service_account", "authorized_user"])
def test_google_credentials_that_the_client_reads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str) -> None:
    adc(monkeypatch, tmp_path, json.dumps({"type": kind}))
    assert settings("gs://b") == {}


def test_google_credentials_that_gcloud_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "home/.config/gcloud/application_default_credentials.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"type": "impersonated_service_account"}')
    monkeypatch.setitem(sys.modules, "google.auth", None)
    with pytest.raises(StoreError, match="`impersonated_service_account`, and that needs the package `google-auth`"):
        settings("gs://b")
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", "{}")
    assert settings("gs://b") == {}


@pytest.mark.parametrize("text", ["{", "[]", "{}", '"x"', "\udcff"])
def test_files_that_are_no_google_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    path = adc(monkeypatch, tmp_path, "")
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(StoreError) as caught:
        settings("gs://b")
    assert str(caught.value) == (
        f"`{path}` is no file of Google's credentials\n\nhint: `gcloud auth application-default login` makes one"
    )
    path.unlink()
    with pytest.raises(StoreError, match=r"adc\.json` cannot be read: No such file or directory"):
        settings("gs://b")


def test_google_credentials_by_google_auth(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of google-auth there are only the names here, as it has them."""
    path = adc(monkeypatch, tmp_path, '{"type": "external_account"}')
    asked: list[object] = []

    class Found:
        token, expiry = "", None

        def refresh(self, request: object) -> None:
            asked.append(request)
            self.token, self.expiry = "secret", dt.datetime(2030, 1, 1)  # noqa: DTZ001  # as google-auth gives it

    def loaded(file: str, scopes: list[str]) -> tuple[Found, str]:
        assert (file, scopes) == (str(path), ["https://www.googleapis.com/auth/devstorage.read_write"])
        return Found(), "project"

    auth = SimpleNamespace(load_credentials_from_file=loaded)
    monkeypatch.setitem(sys.modules, "google", SimpleNamespace(auth=auth))
    monkeypatch.setitem(sys.modules, "google.auth", auth)
    monkeypatch.setitem(sys.modules, "google.auth.transport.requests", SimpleNamespace(Request=lambda: "request"))
    provider = settings("gs://b")["credential_provider"]
    assert provider() == {"token": "secret", "expires_at": dt.datetime(2030, 1, 1, tzinfo=dt.UTC)}
    assert asked == ["request"]

    def refused(*_: object, **__: object) -> None:
        raise ValueError("the file says SECRET")

    auth.load_credentials_from_file = refused
    with pytest.raises(StoreError) as caught:
        settings("gs://b")
    assert str(caught.value).startswith(
        f"Google's credentials `{path}` (`external_account`) are refused: ValueError\n\nhint: "
    )


def test_azure(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        StoreError, match="which storage account the container is in is not known\n\nhint: export AZURE_"
    ):
        settings("az://c")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "one")
    assert settings("az://c") == {"account_name": "one"}
    monkeypatch.setenv("AZURE_STORAGE_KEY", "key")
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", "http://127.0.0.1:1/one")
    assert settings("az://c") == {"account_name": "one", "account_key": "key", "endpoint": "http://127.0.0.1:1/one"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("AccountName=a;AccountKey=k==;", {"account_name": "a", "account_key": "k=="}),
        (
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=k;EndpointSuffix=core.chinacloudapi.cn",
            {"account_name": "a", "account_key": "k", "endpoint": "https://a.blob.core.chinacloudapi.cn"},
        ),
        (
            "AccountName=a;BlobEndpoint=http://h:1/a/;SharedAccessSignature=sv=1&sig=x%3D",
            {"account_name": "a", "endpoint": "http://h:1/a", "sas_key": "sv=1&sig=x%3D"},
        ),
    ],
)
def test_connection_strings(monkeypatch: pytest.MonkeyPatch, text: str, expected: dict[str, str]) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
    assert settings("az://c") == expected


def test_who_is_logged_in_with_az(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tool = tmp_path / "bin/az"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tool.parent))
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "one")
    assert settings("az://c") == {"account_name": "one"}
    (tmp_path / "home/.azure").mkdir(parents=True)
    (tmp_path / "home/.azure/azureProfile.json").write_text("{}")
    assert settings("az://c") == {"account_name": "one", "use_azure_cli": True}
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", "sv=1")
    assert settings("az://c") == {"account_name": "one"}


# --- profiles of AWS --------------------------------------------------------------------------------------------------

CONFIG = """\
[default]
region = eu-west-1

[profile lab]
region = eu-central-1
endpoint_url = https://s3.lab.example
aws_access_key_id = from-config
s3 =
    max_concurrent_requests = 20

[profile sso]
sso_session = corp

[profile made]
credential_process = {command}

[sso-session corp]
sso_region = us-east-1
"""

CREDENTIALS = """\
[default]
aws_access_key_id = AKIADEFAULT
aws_secret_access_key = secret/+%default

[lab]
aws_access_key_id = AKIALAB
aws_secret_access_key = lab
aws_session_token = token
"""


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "home/.aws"
    folder.mkdir(parents=True)
    found = {"Version": 1, "AccessKeyId": "made", "SecretAccessKey": "by", "SessionToken": "it"}
    (tmp_path / "made.json").write_text(json.dumps({**found, "Expiration": "2030-01-01T00:00:00Z"}))
    command = f"{sys.executable} -c 'print(open(\"{tmp_path}/made.json\").read())'"
    (folder / "config").write_text(CONFIG.format(command=command))
    (folder / "credentials").write_text(CREDENTIALS)
    return folder


def test_the_default_profile(files: Path) -> None:
    keys = {"access_key_id": "AKIADEFAULT", "secret_access_key": "secret/+%default"}
    assert settings("s3://b") == {"region": "eu-west-1", **keys}


def test_a_chosen_profile(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "lab")
    keys = {"access_key_id": "AKIALAB", "secret_access_key": "lab", "session_token": "token"}
    assert settings("s3://b") == {"region": "eu-central-1", "endpoint": "https://s3.lab.example", **keys}


def test_the_environment_wins(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENV")
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    assert settings("s3://b") == {}


def test_a_role_of_kubernetes_wins_over_the_default_profile(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/token")
    assert settings("s3://b") == {"region": "eu-west-1"}


def test_files_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "c").write_text("[x]\naws_access_key_id=a\naws_secret_access_key=b\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "c"))
    monkeypatch.setenv("AWS_DEFAULT_PROFILE", "x")
    assert settings("s3://b") == {"access_key_id": "a", "secret_access_key": "b"}


def test_a_profile_that_is_not_there(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "lav")
    with pytest.raises(StoreError, match="there is no AWS profile `lav`\n\nhint: did you mean `lab`"):
        settings("s3://b")
    for name in ("config", "credentials"):
        (files / name).unlink()
    with pytest.raises(StoreError, match="there is no AWS profile `lav`\n\nhint: `aws configure` makes one"):
        settings("s3://b")


def test_files_that_cannot_be_read(files: Path) -> None:
    (files / "config").write_text("region = nowhere\n")
    with pytest.raises(StoreError, match=r"config` cannot be read: MissingSectionHeaderError\n\nhint: `aws configure`"):
        settings("s3://b")


def test_credentials_of_a_process(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "made")
    provider = settings("s3://b")["credential_provider"]
    expires = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
    assert provider() == {"access_key_id": "made", "secret_access_key": "by", "token": "it", "expires_at": expires}


def test_a_process_that_fails(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "made")
    (files / "config").write_text("[profile made]\ncredential_process = false\n")
    with pytest.raises(StoreError) as caught:
        settings("s3://b")
    assert str(caught.value) == (
        "`credential_process` of the AWS profile `made` gives no credentials: CalledProcessError\n\n"
        "hint: run that command by itself and look at what it prints"
    )


def test_single_sign_on_needs_boto3(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "sso")
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(StoreError) as caught:
        settings("s3://b")
    assert str(caught.value) == (
        "the AWS profile `sso` uses single sign-on or a role, and that needs the package `boto3`\n\n"
        "hint: pip install boto3, or export them: `eval $(aws configure export-credentials --format env)`"
    )


def test_single_sign_on_by_boto3(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of boto3 there are only the names here; the client's own module that asks it has to be there."""
    monkeypatch.setenv("AWS_PROFILE", "sso")
    asked: list[str] = []

    def session(profile_name: str) -> str:
        asked.append(profile_name)
        return f"session of {profile_name}"

    monkeypatch.setitem(sys.modules, "boto3", SimpleNamespace(Session=session))
    provider = SimpleNamespace(Boto3CredentialProvider=lambda session: f"credentials of {session}")
    monkeypatch.setitem(sys.modules, "obstore.auth.boto3", provider)
    assert settings("s3://b") == {"credential_provider": "credentials of session of sso"}
    assert asked == ["sso"]

    def expired(_: object) -> None:
        raise RuntimeError("the token has expired: SECRET")

    provider.Boto3CredentialProvider = expired
    with pytest.raises(StoreError) as caught:
        aws_profile.profile_settings({"AWS_PROFILE": "sso", "HOME": str(files.parent)})
    assert str(caught.value) == (
        "the AWS profile `sso` gives no credentials: RuntimeError\n\nhint: aws sso login --profile sso"
    )
