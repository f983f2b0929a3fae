from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeglot.core.store import bucket, open_store
from pipeglot.core.store.base import Store
from pipeglot.core.store.bucket import BucketStore
from pipeglot.core.store.folder import FolderStore
from tests.servers import azurite as azure_names
from tests.servers import gcs as gcs_names
from tests.servers import seaweed as s3_names
from tests.servers.azurite import Azurite
from tests.servers.gcs import Gcs
from tests.servers.seaweed import Seaweed

CLOUD_VARIABLES = ("AWS_", "AZURE_", "GOOGLE_", "STORAGE_EMULATOR_HOST", "IDENTITY_ENDPOINT")


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


@pytest.fixture
def no_clouds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As on a machine where nobody has logged in anywhere."""
    for name in list(os.environ):
        if name.startswith(CLOUD_VARIABLES):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def s3(
    seaweed: Seaweed, tmp_path: Path, no_clouds: None, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., BucketStore]:
    """Opens a store on the S3 server, by default in a prefix of its own."""
    name = os.urandom(6).hex()

    def opened(who: str = "all", endpoint: str = "", prefix: str = name, copies: str = "copies") -> BucketStore:
        for variable, value in seaweed.environment(who, endpoint).items():
            monkeypatch.setenv(variable, value)
        found = open_store(f"s3://{s3_names.BUCKET}/{prefix}", copies=tmp_path / copies)
        assert isinstance(found, BucketStore)
        return found

    return opened


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without long pauses between the tries."""
    monkeypatch.setattr(bucket, "_WAIT", 0.001)


@pytest.fixture
def gcs(no_clouds: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gcs]:
    """Where clients of GCS look, too."""
    with Gcs() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
        yield server


@pytest.fixture(params=["folder", "s3", "azure", "gcs"])
def opener(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Store]:
    """Opens one and the same store, of each kind, as another process would."""
    if request.param == "folder":
        return lambda: open_store(tmp_path / "store")
    if request.param == "s3":
        s3: Callable[..., BucketStore] = request.getfixturevalue("s3")
        return lambda: s3(copies=f"copies-{os.urandom(4).hex()}")
    if request.param == "gcs":
        request.getfixturevalue("gcs")
        return lambda: open_store(f"gs://{gcs_names.BUCKET}/x", copies=tmp_path / f"copies-{os.urandom(4).hex()}")
    request.getfixturevalue("no_clouds")
    azurite: Azurite = request.getfixturevalue("azurite")
    for variable, value in azurite.environment().items():
        monkeypatch.setenv(variable, value)
    uri = f"az://{azure_names.CONTAINER}/{os.urandom(6).hex()}"
    return lambda: open_store(uri, copies=tmp_path / f"copies-{os.urandom(4).hex()}")


@pytest.fixture
def any_store(opener: Callable[[], Store]) -> Store:
    return opener()
