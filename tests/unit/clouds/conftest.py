"""A server that answers as the clouds do, and an environment in which nothing says who we are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.servers.canned import Server


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.close()


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home without settings of any cloud, and no waiting."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "GOOGLE_", "GCE_", "CLOUDSDK_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:1")
    monkeypatch.setattr("pipeglot.core.clouds.asking.time.sleep", lambda _: None)


@pytest.fixture
def google(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A machine of Google's, and its Secret Manager."""
    monkeypatch.setenv("GCE_METADATA_HOST", urlsplit(server.url).netloc)
    monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER", f"{server.url}/")
    token = {"access_token": "ya29.token", "expires_in": 3599, "token_type": "Bearer"}
    server.answers["GET /computeMetadata/v1/instance/service-accounts/default/token"] = [(200, token)]
    return server


@pytest.fixture
def amazon(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Somebody whom Amazon knows, and its Secrets Manager."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfi")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    return server
