"""How a worker of Prefect gets a flow file: from the store, and only the very one that was deployed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pipeglot.compilers.prefect.names import flow_key
from pipeglot.compilers.prefect.pulling import pull
from pipeglot.core.errors import Corrupt, NotFound
from pipeglot.core.store import open_store

TEXT = b"print('hello')\n"
DIGEST = hashlib.sha256(TEXT).hexdigest()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PIPEGLOT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PLACE", str(tmp_path))
    return str(tmp_path / "store")


def test_it_lies_in_a_folder_of_its_version(store: str, tmp_path: Path) -> None:
    open_store(store).put(flow_key(DIGEST), TEXT)
    for _ in range(2):
        found = pull("${PLACE}/store", flow_key(DIGEST), "p.py")
        assert found == {"directory": str(tmp_path / "cache/flows" / DIGEST)}
        assert [path.name for path in Path(found["directory"]).iterdir()] == ["p.py"]
        assert Path(found["directory"], "p.py").read_bytes() == TEXT


def test_another_one_is_not_run(store: str) -> None:
    key = flow_key("0" * 64)
    open_store(store).put(key, TEXT)
    with pytest.raises(Corrupt) as caught:
        pull(store, key, "p.py")
    assert caught.value.message == f"`{key}` in the store `{store}` is not what was deployed"


def test_none_is_there(store: str) -> None:
    with pytest.raises(NotFound) as caught:
        pull(store, flow_key(DIGEST), "p.py")
    assert str(caught.value) == (f"the store `{store}` has no `flows/{DIGEST}.py`\n\nhint: deploy the pipeline again")
