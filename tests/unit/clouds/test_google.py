"""Secrets at Google: asked for as its API has it, by whoever this process stands for."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from pipeglot.core.clouds import google as tokens
from pipeglot.core.clouds.asking import Trouble
from pipeglot.core.clouds.secrets import Managers, _google_host
from pipeglot.core.secret_places import InCloud
from tests.servers.canned import Server

NAME = "projects/acme/secrets/warehouse"
TOKEN = "/computeMetadata/v1/instance/service-accounts/default/token"


def stored(text: str | bytes) -> tuple[int, object]:
    data = text.encode() if isinstance(text, str) else text
    payload = {"data": base64.b64encode(data).decode(), "dataCrc32c": "0"}
    return 200, {"name": f"{NAME}/versions/1", "payload": payload}


def read(name: str = NAME, key: str = "") -> str:
    return Managers().read(InCloud("gcp", name, key))


def test_the_latest_version(google: Server) -> None:
    google.answers[f"GET /v1/{NAME}/versions/latest:access"] = [stored('pa"ss/wörd\n')]
    assert read() == 'pa"ss/wörd'
    (_, path, _, _), asked = google.asked
    assert (path, google.heads[0]["Metadata-Flavor"]) == (TOKEN, "Google")
    assert asked == ("GET", f"/v1/{NAME}/versions/latest:access", None, "Bearer ya29.token")


def test_one_version_and_a_part_of_it(google: Server) -> None:
    google.answers[f"GET /v1/{NAME}/versions/3:access"] = [stored('{"user": "me", "password": "correct-horse"}')]
    assert read(f"{NAME}/versions/3", "password") == "correct-horse"


def test_several_ask_for_one_token(google: Server) -> None:
    google.answers[f"GET /v1/{NAME}/versions/latest:access"] = [stored("x")]
    managers = Managers()
    for _ in range(3):
        managers.read(InCloud("gcp", NAME, ""))
    assert [one[1] for one in google.asked].count(TOKEN) == 1
    google.answers[f"GET {TOKEN}"] = [(200, {"access_token": "short", "expires_in": 30})]
    managers = Managers()
    for _ in range(2):
        managers.read(InCloud("gcp", NAME, ""))
    assert [one[1] for one in google.asked].count(TOKEN) == 3


def test_a_secret_of_one_region_is_asked_for_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _google_host(NAME) == "https://secretmanager.googleapis.com"
    there = "projects/acme/locations/europe-west4/secrets/warehouse"
    assert _google_host(there) == "https://secretmanager.europe-west4.rep.googleapis.com"


@pytest.mark.parametrize(
    ("status", "told", "hint"),
    [
        (403, f"does not let us read `{NAME}`: Permission denied", "roles/secretmanager.secretAccessor"),
        (404, f"has no `{NAME}`: Permission denied", "gcloud secrets versions list"),
        (401, "does not know us: Permission denied", "still good?"),
        (400, f"answered 400 for `{NAME}`: Permission denied", ""),
        (503, f"answered 503 for `{NAME}`: Permission denied", ""),
    ],
)
def test_what_is_refused(google: Server, status: int, told: str, hint: str) -> None:
    said = {"error": {"code": status, "message": "Permission denied", "status": "X"}}
    google.answers[f"GET /v1/{NAME}/versions/latest:access"] = [(status, said)]
    with pytest.raises(Trouble) as caught:
        read()
    assert caught.value.message == f"Google's Secret Manager {told}"
    assert hint in caught.value.hint


def test_a_secret_that_is_no_text(google: Server) -> None:
    for answer in (stored(b"\xff\xfe"), (200, {"payload": {"data": "%"}}), (200, {"payload": {"data": 1}})):
        google.answers[f"GET /v1/{NAME}/versions/latest:access"] = [answer]
        with pytest.raises(Trouble, match=f"`{NAME}` is no text in UTF-8"):
            read()


def test_a_page_in_place_of_an_answer(google: Server) -> None:
    google.answers[f"GET /v1/{NAME}/versions/latest:access"] = [(200, "<html>log in</html>")]
    with pytest.raises(Trouble, match=f"Google's Secret Manager does not answer as it should for `{NAME}`"):
        read()


# --- who we are -------------------------------------------------------------------------------------------------------


def test_a_person_who_has_logged_in(server: Server, tmp_path: Path) -> None:
    kept = tmp_path / ".config/gcloud/application_default_credentials.json"
    kept.parent.mkdir(parents=True)
    words = {"client_id": "id", "client_secret": "s", "refresh_token": "again", "token_uri": f"{server.url}/token"}
    kept.write_text(json.dumps({"type": "authorized_user", **words}))
    server.answers["POST /token"] = [(200, {"access_token": "mine", "expires_in": 3599})]
    assert tokens.of_whoever() == ("mine", 3599.0)
    form = {"grant_type": ["refresh_token"], "client_id": ["id"], "client_secret": ["s"], "refresh_token": ["again"]}
    assert parse_qs(server.asked[0][2]) == form


def test_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Trouble) as caught:
        tokens.of_whoever()
    assert caught.value.message == "nothing says who we are at Google: this is no machine of Google's, which would know"
    assert "gcloud auth application-default login" in caught.value.hint


def test_a_file_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere.json")
    with pytest.raises(Trouble, match=r"`/nowhere\.json` cannot be read: No such file or directory"):
        tokens.of_whoever()


def test_another_kind_of_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are left to google-auth, which this environment lacks."""
    file = tmp_path / "other.json"
    file.write_text('{"type": "external_account"}')
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    with pytest.raises(Trouble, match="are of the kind `external_account`, and that needs the package `google-auth`"):
        tokens.of_whoever()


def test_no_openssl(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key.json"
    words = {"client_email": "runner@x", "private_key": "none", "token_uri": f"{server.url}/token"}
    file.write_text(json.dumps({"type": "service_account", **words}))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Trouble, match="there is no `openssl` on the PATH") as caught:
        tokens.of_file(file)
    assert caught.value.hint == "install it"
