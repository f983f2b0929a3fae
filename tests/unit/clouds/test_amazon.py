"""Secrets at Amazon: asked and signed as its own client does, by whoever this process stands for."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pipeglot.core.clouds import amazon as api
from pipeglot.core.clouds.amazon import Keys
from pipeglot.core.clouds.asking import Trouble
from pipeglot.core.clouds.secrets import Managers
from pipeglot.core.secret_places import InCloud
from tests.servers.canned import Server

CAUGHT = json.loads(Path(__file__).with_name("aws_requests.json").read_text())
AT = dt.datetime.fromisoformat(CAUGHT["at"])
*SECRETS, ROLE = CAUGHT["requests"]
ROLE_KEYS = {"AccessKeyId": "ASIA1", "SecretAccessKey": "role's", "Token": "role's token"}
ROLES = "/latest/meta-data/iam/security-credentials/"


def read(name: str = "prod/db", key: str = "") -> str:
    return Managers().read(InCloud("aws", name, key))


def scope(server: Server) -> str:
    found = re.match(r"AWS4-HMAC-SHA256 Credential=([^,]+), ", server.asked[-1][3])
    assert found is not None
    return found[1]


# --- against Amazon's own client --------------------------------------------------------------------------------------


@pytest.mark.parametrize("caught", SECRETS, ids=[one["url"] for one in SECRETS])
def test_signed_as_botocore_signs(caught: dict[str, Any]) -> None:
    region = urlsplit(caught["url"]).netloc.split(".")[1]
    keys = Keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfi", caught["headers"].get("X-Amz-Security-Token", ""))
    given = {name: caught["headers"][name] for name in ("Content-Type", "X-Amz-Target")}
    url = f"{api.host('secrets_manager', region)}/"
    found = api.signed(url, given, caught["body"].encode(), keys, "secretsmanager", region, AT)
    assert url == caught["url"]
    assert found.pop("Host") == urlsplit(caught["url"]).netloc
    assert found == caught["headers"]


def test_asked_as_botocore_asks(amazon: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same method, headers and body; the address, the time and so the signature are this test's."""
    amazon.answers["POST /"] = [(200, {"Name": "prod/db", "SecretString": "correct-horse"})]
    assert read() == "correct-horse"
    method, path, body, authorization = amazon.asked[-1]
    caught = SECRETS[0]
    assert (method, path, body) == (caught["method"], "/", json.loads(caught["body"]))
    names = [name for name in caught["headers"] if name not in ("X-Amz-Date", "Authorization")]
    assert {name: amazon.heads[-1][name] for name in names} == {name: caught["headers"][name] for name in names}
    assert re.fullmatch(r"\d{8}T\d{6}Z", amazon.heads[-1]["X-Amz-Date"])
    told = caught["headers"]["Authorization"]
    shape = (r"\d{8}(?=/)", r"(?<=Signature=)[0-9a-f]{64}")
    for pattern in shape:
        authorization, told = (re.sub(pattern, "", text) for text in (authorization, told))
    assert authorization == told


# --- what is asked for ------------------------------------------------------------------------------------------------


def test_an_arn_names_its_region(amazon: Server) -> None:
    amazon.answers["POST /"] = [(200, {"SecretString": '{"password": "correct-horse", "port": 5432}'})]
    arn = "arn:aws:secretsmanager:us-east-2:123456789012:secret:prod/db-AbCdEf"
    assert read(arn, "password") == "correct-horse"
    assert read(arn, "port") == "5432"
    assert scope(amazon).endswith("/us-east-2/secretsmanager/aws4_request")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("correct-horse", "`prod/db` is no object of JSON, of which `password` could be taken"),
        ('["correct-horse"]', "`prod/db` is no object of JSON, of which `password` could be taken"),
        ('{"user": "correct-horse"}', "`prod/db` has no text under `password`"),
        ('{"password": ["correct-horse"]}', "`prod/db` has no text under `password`"),
    ],
)
def test_a_part_that_is_not_there(amazon: Server, text: str, told: str) -> None:
    amazon.answers["POST /"] = [(200, {"SecretString": text})]
    with pytest.raises(Trouble) as caught:
        read(key="password")
    assert (caught.value.message, "horse" in repr(caught.value.__context__)) == (told, False)


def test_a_secret_of_bytes(amazon: Server) -> None:
    amazon.answers["POST /"] = [(200, {"SecretBinary": "AAEC"})]
    with pytest.raises(Trouble, match="`prod/db` is no text: it was stored as bytes"):
        read()


@pytest.mark.parametrize(
    ("status", "kind", "told", "hint"),
    [
        (400, "AccessDeniedException", "does not let us read `prod/db`: User: x is not authorized", "kms:Decrypt"),
        (400, "x.y#ResourceNotFoundException", "has no `prod/db`: User: x is not authorized", "its ARN says both"),
        (400, "InvalidSignatureException", "does not know us: User: x", "this machine's clock"),
        (400, "DecryptionFailure", "answered 400 for `prod/db`: User: x", ""),
    ],
)
def test_what_is_refused(amazon: Server, status: int, kind: str, told: str, hint: str) -> None:
    amazon.answers["POST /"] = [(status, {"__type": kind, "Message": "User: x is not authorized"})]
    with pytest.raises(Trouble) as caught:
        read()
    assert caught.value.message.startswith(f"Amazon's Secrets Manager {told}")
    assert hint in caught.value.hint


def test_a_manager_that_is_busy(amazon: Server) -> None:
    amazon.answers["POST /"] = [(503, {}), (500, {}), (200, {"SecretString": "at last\n"})]
    assert read() == "at last"
    amazon.answers["POST /"] = [(503, {})]
    with pytest.raises(Trouble, match="Amazon's Secrets Manager answered 503 for `prod/db`: it answered 503"):
        read()


def test_nobody_there(amazon: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:1")
    with pytest.raises(Trouble, match=r"^127\.0\.0\.1 cannot be reached: Connection refused$"):
        read()


def test_nothing_comes_in_the_clear(amazon: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://secrets.example.com")
    with pytest.raises(Trouble, match=r"`http://secrets.example.com/` is no address for what must stay secret"):
        read()


# --- who we are -------------------------------------------------------------------------------------------------------


def test_keys_that_run_out(amazon: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "for an hour")
    amazon.answers["POST /"] = [(200, {"SecretString": "x"})]
    read()
    assert amazon.heads[-1]["X-Amz-Security-Token"] == "for an hour"
    assert "host;x-amz-date;x-amz-security-token;x-amz-target" in amazon.asked[-1][3]


def test_a_profile(amazon: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_REGION")
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/config").write_text(
        "[profile mine]\nregion = ap-south-1\naws_access_key_id = AKMINE\naws_secret_access_key = s\n"
        '[profile command]\nregion = ap-south-1\ncredential_process = echo \'{"AccessKeyId": "AKRUN", '
        '"SecretAccessKey": "s", "SessionToken": "t"}\'\n'
    )
    amazon.answers["POST /"] = [(200, {"SecretString": "x"})]
    for name, id in (("mine", "AKMINE"), ("command", "AKRUN")):  # noqa: A001
        monkeypatch.setenv("AWS_PROFILE", name)
        read()
        assert scope(amazon).startswith(f"{id}/")
        assert "/ap-south-1/" in scope(amazon)
    monkeypatch.setenv("AWS_PROFILE", "other")
    with pytest.raises(Trouble, match="there is no AWS profile `other`"):
        read()


def test_a_role_of_kubernetes(amazon: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent is what Amazon's own client sends; what comes back is the JSON that is asked for."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    (tmp_path / "token").write_text("eyJ.x.y\n")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/steps")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"{amazon.url}/sts")
    keys = {"AccessKeyId": "ASIA2", "SecretAccessKey": "s", "SessionToken": "web's", "Expiration": 1.7e9}
    told = {"AssumeRoleWithWebIdentityResponse": {"AssumeRoleWithWebIdentityResult": {"Credentials": keys}}}
    amazon.answers["POST /sts/"] = [(200, told)]
    amazon.answers["POST /"] = [(200, {"SecretString": "x"})]
    read()
    assert parse_qs(amazon.asked[0][2]) == parse_qs(ROLE["body"])
    assert (amazon.asked[0][3], amazon.heads[0]["Accept"]) == ("", "application/json")
    assert scope(amazon).startswith("ASIA2/")
    assert amazon.heads[-1]["X-Amz-Security-Token"] == "web's"

    refused = {
        "Error": {"Code": "AccessDenied", "Message": "Not authorized to perform this"},
        "message": "Not authorized",
    }
    amazon.answers["POST /sts/"] = [(403, refused)]
    with pytest.raises(Trouble, match="the role `arn:aws:iam::123456789012:role/steps` gives no keys: Not authorized"):
        read()
    (tmp_path / "token").unlink()
    with pytest.raises(Trouble, match="token` cannot be read: No such file"):
        read()


def test_a_role_of_a_container(amazon: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{amazon.url}/v1/credentials")
    (tmp_path / "opens").write_text("pod's")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "opens"))
    amazon.answers["GET /v1/credentials"] = [(200, ROLE_KEYS)]
    amazon.answers["POST /"] = [(200, {"SecretString": "x"})]
    read()
    assert (amazon.asked[0][1], amazon.asked[0][3]) == ("/v1/credentials", "pod's")
    assert scope(amazon).startswith("ASIA1/")
    amazon.answers["GET /v1/credentials"] = [(404, {"message": "no such pod"})]
    with pytest.raises(Trouble, match="the role of this container gives no keys: no such pod"):
        read()
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/v1")
    with pytest.raises(Trouble, match="is no address for what must stay secret"):
        read()


def test_a_role_of_a_machine(amazon: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the second version of its metadata service, and in its region."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", amazon.url)
    amazon.answers |= {
        "PUT /latest/api/token": [(200, "opens")],
        f"GET {ROLES}": [(200, "steps")],
        f"GET {ROLES}steps": [(200, ROLE_KEYS)],
        "GET /latest/meta-data/placement/region": [(200, "sa-east-1")],
        "POST /": [(200, {"SecretString": "x"})],
    }
    read()
    assert scope(amazon).startswith("ASIA1/")
    assert "/sa-east-1/" in scope(amazon)
    assert amazon.heads[0]["X-aws-ec2-metadata-token-ttl-seconds"] == "300"
    for (_, path, _, _), heads in zip(amazon.asked, amazon.heads, strict=True):
        assert (heads.get("X-aws-ec2-metadata-token") == "opens") == ("meta-data" in path)
    amazon.answers[f"GET {ROLES}"] = [(404, "")]
    with pytest.raises(Trouble) as caught:
        read()
    assert caught.value.message == "nothing says who we are at Amazon: this machine of Amazon's has no role"
    assert "give the pod or machine a role" in caught.value.hint


def test_nobody(amazon: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(Trouble, match="nothing says who we are at Amazon: there is no metadata service of a machine"):
        read()
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(Trouble, match=r"is not to be asked \(`AWS_EC2_METADATA_DISABLED`\)"):
        read()
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(Trouble, match="nothing says in which region") as caught:
        read()
    assert caught.value.hint == "export AWS_REGION=…, or name the secret by its ARN"
