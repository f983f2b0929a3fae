from __future__ import annotations

from pathlib import Path

import pytest

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.store.folder import FolderStore


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


@pytest.fixture
def artifacts(store: FolderStore) -> Artifacts:
    return Artifacts(store)
