"""What a user reads when a bucket cannot be used: one screen, with a way out, and never a credential."""

from __future__ import annotations

import builtins
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeglot.core.errors import StoreError
from pipeglot.core.store import open_store
from pipeglot.core.store.answers import bucket_error, read_answer
from pipeglot.core.store.bucket import BucketStore
from tests.servers.azurite import ACCOUNT, Azurite
from tests.servers.gcs import Gcs
from tests.servers.proxy import Proxy, Request
from tests.servers.seaweed import SECRET, Seaweed

pytestmark = pytest.mark.usefixtures("fast")
S3 = Callable[..., BucketStore]


def refused(call: Callable[[], Any]) -> str:
    with pytest.raises(StoreError) as caught:
        call()
    text = str(caught.value)
    assert SECRET not in text
    assert text.count("\n") <= 3
    assert max(map(len, text.splitlines())) < 300
    assert caught.value.__suppress_context__ or caught.value.__context__ is None, (
        "the client's own text holds addresses, which may be signed"
    )
    return text


# --- not installed, not known -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("uri", "extra"), [("s3://b/p", "s3"), ("gs://b/p", "gcs"), ("az://b/p", "azure")])
@pytest.mark.usefixtures("no_clouds")
def test_the_extra_is_not_installed(monkeypatch: pytest.MonkeyPatch, uri: str, extra: str) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "obstore"]:
        monkeypatch.delitem(sys.modules, name)
    import_module = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == "obstore":
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
        return import_module(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    assert refused(lambda: open_store(uri)) == (
        f"the store `{uri}` is in a bucket, and the package `obstore` that reads it is not installed\n\n"
        f"hint: pip install 'pipeglot[{extra}]'"
    )


# --- what the server says ---------------------------------------------------------------------------------------------


@pytest.fixture
def there(s3: S3) -> BucketStore:
    store = s3()
    store.put("a", b"")
    return store


def test_no_bucket(seaweed: Seaweed, no_clouds: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in seaweed.environment().items():
        monkeypatch.setenv(variable, value)
    assert refused(lambda: open_store("s3://not-there/x")) == (
        "cannot open the store `s3://not-there/x`: there is no bucket `s3://not-there`\n\n"
        "hint: is its name right, and its account? `aws s3 mb s3://not-there` makes it"
    )


def test_no_container(azurite: Azurite, no_clouds: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in azurite.environment().items():
        monkeypatch.setenv(variable, value)
    assert refused(lambda: open_store("az://not-there/x")) == (
        "cannot open the store `az://not-there/x`: there is no container `az://not-there`\n\n"
        "hint: is its name right, and its account? `az storage container create --name not-there` makes it"
    )


def test_no_right_to_list(s3: S3, there: BucketStore) -> None:
    store = s3("nolist")
    assert store.put("b", b"x")
    assert store.get("b") == b"x"
    store.delete("b")
    assert refused(lambda: store.list("runs/")) == (
        f"cannot list `{store.uri}/runs/`: the server answered 403 (AccessDenied: Access Denied.)\n\n"
        "hint: these credentials may not list the bucket: allow `s3:ListBucket`. "
        "Running steps needs no list, commands do"
    )


def test_no_right_to_list_makes_a_new_store_all_the_same(s3: S3) -> None:
    store = s3("nolist")
    assert store.put("a", b"x")
    assert s3().get("store.json") is not None


def test_no_right_to_write(s3: S3, there: BucketStore) -> None:
    store = s3("reader")
    assert store.get("a") == b""
    assert refused(lambda: store.put("b", b"x")) == (
        f"cannot write `{store.uri}/b`: the server answered 403 (AccessDenied: Access Denied.)\n\n"
        "hint: these credentials may not do that: allow `s3:GetObject, s3:PutObject, s3:DeleteObject`; "
        "without `s3:ListBucket` a missing key is refused too"
    )
    assert "cannot delete" in refused(lambda: store.delete("a"))


def test_credentials_that_nobody_knows(s3: S3) -> None:
    assert refused(lambda: s3("somebody", prefix="x")) == (
        "cannot open the store `s3://tests/x`: the server answered 403 "
        "(InvalidAccessKeyId: The access key ID you provided does not exist in our records.)\n\n"
        "hint: the credentials are wrong or have expired: log in again (`aws configure` or `aws sso login`), "
        "or look at `AWS_ACCESS_KEY_ID`"
    )


def test_a_wrong_key_of_azure(azurite: Azurite, no_clouds: None, monkeypatch: pytest.MonkeyPatch) -> None:
    text = azurite.environment()["AZURE_STORAGE_CONNECTION_STRING"].replace("AccountKey=", "AccountKey=AAAA")
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
    told = refused(lambda: open_store("az://tests/x"))
    assert told.startswith("cannot open the store `az://tests/x`: the server answered 403 (")
    assert "hint: the credentials are wrong or have expired: log in again (`az login`)" in told
    assert "AAAA" not in told


@pytest.mark.parametrize(
    ("what", "hint"),
    [
        ("301", "`export AWS_REGION=…`; `aws s3api get-bucket-location --bucket tests` tells it"),
        ("400", "`export AWS_REGION=eu-west-1`"),
    ],
)
def test_another_region(s3: S3, seaweed: Seaweed, what: str, hint: str) -> None:
    """Some answers tell which."""
    with Proxy(seaweed.endpoint, lambda _: what) as proxy:
        told = refused(lambda: s3(endpoint=proxy.endpoint, prefix="x"))
        assert len(proxy.requests) == 1
    assert told.startswith("cannot open the store `s3://tests/x`: ")
    assert "region" in told.splitlines()[0]
    assert told.endswith(f"hint: set its region: {hint}")


def test_nobody_is_there(s3: S3) -> None:
    assert refused(lambda: s3(endpoint="http://127.0.0.1:1", prefix="x")) == (
        "cannot open the store `s3://tests/x`: `127.0.0.1:1` cannot be reached\n\n"
        "hint: is the network up, and is the endpoint right? A proxy is read from `HTTPS_PROXY`"
    )


def test_a_name_that_is_not_known(s3: S3) -> None:
    told = refused(lambda: s3(endpoint="http://nobody.invalid", prefix="x"))
    assert told.startswith("cannot open the store `s3://tests/x`: the name `nobody.invalid` is not known here\n")


def test_a_prefix_with_other_things_in_it(s3: S3) -> None:
    outer, inner = s3(), s3()
    outer.put("inner/x", b"")
    store = s3(prefix=f"{inner.place.prefix}/inner")
    assert refused(lambda: store.put("a", b"")) == (
        f"`{store.uri}` is not empty and is no store (it has no `store.json`)\n\n"
        f"hint: give the store a prefix of its own, such as `{store.uri}/store`"
    )
    assert list(outer.list("inner/")) == ["inner/x"]


# --- texts that no server here gives ----------------------------------------------------------------------------------


def told(text: str, cloud: str = "S3", doing: str = "read") -> str:
    uri = {"S3": "s3://b", "GCS": "gs://b", "Azure": "az://b"}[cloud]
    return str(bucket_error(read_answer(Exception(text)), doing, f"{uri}/k", uri, cloud))


@pytest.mark.parametrize(
    ("cloud", "address", "login"),
    [
        ("S3", "http://169.254.169.254/latest/api/token", "AWS_ACCESS_KEY_ID"),
        ("GCS", "http://metadata.google.internal/computeMetadata/v1/x", "GOOGLE_APPLICATION_CREDENTIALS"),
        ("Azure", "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2019", "AZURE_STORAGE_KEY"),
    ],
)
def test_no_credentials(cloud: str, address: str, login: str) -> None:
    text = f"Generic error: Error performing PUT {address} in 5s - HTTP error: kind: Connect"
    assert not read_answer(Exception(text)).again, "a machine without that service would be asked for minutes"
    assert f"no credentials for {cloud} were found" in told(text, cloud)
    assert login in told(text, cloud)


def test_addresses_are_cut_at_the_question_mark() -> None:
    text = "Generic error: odd answer from https://a.blob.core.windows.net/c/k?sv=1&sig=SIGNED%3D and no more\n\nDebug"
    shown = told(text, "Azure")
    assert shown.startswith(
        "cannot read `az://b/k`: Generic error: odd answer from https://a.blob.core.windows.net/c/k and"
    )
    assert "SIGNED" not in shown


def test_a_user_in_an_address_is_not_shown() -> None:
    assert "secret" not in told('uri: "http://me:secret@host:1/x" kind: Connect')


@pytest.mark.parametrize(
    ("cloud", "hint"),
    [("S3", "allow `s3:ListBucket`"), ("GCS", "allow `storage.objects.list`"), ("Azure", "allow `Storage Blob Data")],
)
def test_the_right_to_list_by_cloud(cloud: str, hint: str) -> None:
    assert hint in told("Server returned non-2xx status code: 403 Forbidden: ", cloud, "list")


def test_an_answer_of_gcs() -> None:
    body = (
        "<?xml version='1.0'?><Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist.</Message>"
    )
    assert told(f"status code: 404 Not Found: {body}", "GCS") == (
        "cannot read `gs://b/k`: there is no bucket `gs://b`\n\n"
        "hint: is its name right, and its account? `gcloud storage buckets create gs://b` makes it"
    )


def test_plain_http_is_only_taken_where_it_is_said() -> None:
    assert "`h:1` is to be asked without encryption" in told(
        "uri: http://h:1/x, HttpError { kind: Unknown, BadScheme }"
    )


def test_the_right_region_is_named_where_the_server_tells_it() -> None:
    text = "status code: 301: <Error><Code>PermanentRedirect</Code><Message>Odd</Message><Region>eu-west-1</Region>"
    assert told(text).endswith("\n\nhint: set its region: `export AWS_REGION=eu-west-1`")


CLOCKS = {
    "S3": "status code: 403 Forbidden: <Error><Code>RequestTimeTooSkewed</Code><Message>The difference</Message>",
    "Azure": "status code: 403: <Error><Code>AuthenticationFailed</Code><Message>Server failed</Message>"
    "<AuthenticationErrorDetail>Request date header too old: 'Fri'</AuthenticationErrorDetail>",
    "GCS": 'status code: 400: {"error_description":"Invalid JWT: Token must be in a reasonable timeframe. '
    'Check your iat and exp values in the JWT claim."}',
}


@pytest.mark.parametrize(("cloud", "text"), CLOCKS.items())
def test_a_wrong_clock(cloud: str, text: str) -> None:
    assert "hint: the clock of this machine is wrong" in told(text, cloud)


def test_a_certificate_that_nobody_knows() -> None:
    text = (
        "Error performing GET https://h:1/b/x in 8ms - HTTP error: error sending request\n\nDebug source:\n"
        "kind: Connect, error: Custom {\n kind: InvalidData,\n error: InvalidCertificate(\n    UnknownIssuer,\n ),"
    )
    assert not read_answer(Exception(text)).again
    assert told(text) == (
        "cannot read `s3://b/k`: the certificate of `h:1` is refused (UnknownIssuer)\n\n"
        "hint: if it is signed by an authority of your own, name that one's certificate: `export SSL_CERT_FILE=…`"
    )


def test_https_to_a_server_of_http(s3: S3, seaweed: Seaweed) -> None:
    assert refused(lambda: s3(endpoint=seaweed.endpoint.replace("http:", "https:"), prefix="x")) == (
        f"cannot open the store `s3://tests/x`: `{seaweed.endpoint[7:]}` does not speak TLS\n\n"
        "hint: is the endpoint `http://…`, and not `https://…`?"
    )


def test_a_server_that_has_no_conditional_writes() -> None:
    text = "status code: 501 Not Implemented: <Error><Code>NotImplemented</Code><Message>A header</Message></Error>"
    assert "hint: stores need writes that create only (`If-None-Match: *`)" in told(text, doing="write")


def test_a_server_that_ignores_the_condition(gcs: Gcs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It says nothing, and would overwrite records."""
    monkeypatch.setattr(Gcs, "_is_late", lambda *_: False)
    for _ in range(2):
        assert refused(lambda: open_store("gs://tests/x", copies=tmp_path).put("a", b"x")) == (
            "the server of `gs://tests/x` overwrites objects that are to be created only (`If-None-Match: *`)\n\n"
            "hint: two runs could destroy each other's records there: take another server, or a newer version of it"
        )
        assert gcs.objects == {}, "and no store is left there"


def test_a_role_that_a_pod_may_not_have() -> None:
    shown = told(
        "Generic S3 error: Error performing POST https://sts.eu-west-1.amazonaws.com/?Action=AssumeRoleWithWebIdentity"
        "&WebIdentityToken=SIGNED in 90ms - status code: 403 Forbidden: <Error><Code>AccessDenied</Code>"
        "<Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message>"
    )
    assert shown == (
        "cannot read `s3://b/k`: the server answered 403 "
        "(AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity)\n\n"
        "hint: that is the answer to the web identity of this pod: look at its role, and at whom the role trusts"
    )


def test_words_of_the_client_that_are_none() -> None:
    assert told("").startswith("cannot read `s3://b/k`: the client does not say why")


# --- Azure's tokens ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["{}", "?{}", "connection string"])
def test_a_token_of_azure(
    azurite: Azurite, no_clouds: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str
) -> None:
    def log_in(token: str) -> None:
        if form == "connection string":
            text = f"BlobEndpoint={azurite.endpoint};AccountName={ACCOUNT};SharedAccessSignature={token}"
            monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
            return
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", ACCOUNT)
        monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", azurite.endpoint)
        monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", form.format(token))

    log_in(azurite.token())
    uri = f"az://tests/{os.urandom(4).hex()}"
    store = open_store(uri, copies=tmp_path)
    assert store.put("a", b"x")
    assert not store.put("a", b"y")
    assert list(store.list("")) == ["a", "store.json"]
    log_in(azurite.token("rl"))
    reader = open_store(uri, copies=tmp_path)
    assert reader.get("a") == b"x"
    shown = refused(lambda: reader.put("b", b""))
    assert "allow `Storage Blob Data Contributor`" in shown
    assert "sig=" not in shown


# --- GCS, of which there is no server here ---------------------------------------------------------------------------


def test_writes_to_gcs_are_create_only(no_clouds: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The condition is sent, and what its server answers then is understood."""

    def answer(one: Request) -> str:
        return "412" if one.method == "PUT" else "403" if "list-type" in one.query else "404"

    with Proxy("http://127.0.0.1:1", answer) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.endpoint)
        store = open_store("gs://b/p", copies=tmp_path)
        assert store.get("a") is None
        assert not store.put("a/b", b"x")
        puts = [one for one in proxy.requests if one.method == "PUT"]
    assert [one.path for one in puts] == ["/b/p/store.json", "/b/p/a/b"]
    assert all(one.headers["x-goog-if-generation-match"] == "0" for one in puts)


# --- the folder for copies --------------------------------------------------------------------------------------------


def test_a_folder_for_copies_that_cannot_be(s3: S3, there: BucketStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert refused(lambda: s3(copies="file").local("a")).startswith(
        f"`{tmp_path}/file` is not a folder of this user's own\n"
    )
    assert refused(lambda: s3(copies="file/below").local("a")).startswith(
        f"cannot make the folder for local copies `{tmp_path}/file/"
    )
