"""The other end of a bundle."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest
from msgspec import structs

from pipeglot.core.bundle.archive import make_bundle
from pipeglot.core.bundle.unpack import bundle_key, unpacked
from pipeglot.core.errors import Corrupt, NotFound, Untrusted
from pipeglot.core.store import open_store
from pipeglot.core.store.base import Store
from tests.unit.runtime_local.conftest import work
from tests.unit.task.conftest import Engine


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


def pushed(store: Store, data: bytes) -> str:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    store.put(bundle_key(digest), data)
    return digest


def archive(name: str, kind: bytes = tarfile.REGTYPE) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, "/etc/passwd"
        tar.addfile(info, io.BytesIO(b""))
    return held.getvalue()


def test_a_bundle_is_laid_out_once(store: Store, tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "inner").mkdir(parents=True)
    (project / "inner/steps.py").write_text("A = 1\n")
    bundle = make_bundle(project)
    digest = pushed(store, bundle.data)
    assert digest == bundle.digest
    folder = unpacked(store, digest, tmp_path / "bundles")
    assert (folder / "inner/steps.py").read_text() == "A = 1\n"
    store.delete(bundle_key(digest))
    assert unpacked(store, digest, tmp_path / "bundles") == folder
    assert [path.name for path in (tmp_path / "bundles").iterdir()] == [folder.name]


@pytest.mark.parametrize(
    ("name", "kind"), [("../out.py", tarfile.REGTYPE), ("/out.py", tarfile.REGTYPE), ("link", tarfile.SYMTYPE)]
)
def test_what_is_no_bundle(store: Store, tmp_path: Path, name: str, kind: bytes) -> None:
    digest = pushed(store, archive(name, kind))
    with pytest.raises(Corrupt, match="which is no plain file of a project"):
        unpacked(store, digest, tmp_path / "bundles")
    assert not (tmp_path / "out.py").exists()


def test_a_bundle_that_was_changed(store: Store, tmp_path: Path) -> None:
    digest = f"sha256:{'0' * 64}"
    store.put(bundle_key(digest), archive("a.py"))
    with pytest.raises(Corrupt, match=r"`bundles/0+` does not match its name: it was cut or changed"):
        unpacked(store, digest, tmp_path / "bundles")


def test_a_bundle_that_is_not_there(store: Store, tmp_path: Path) -> None:
    with pytest.raises(NotFound) as caught:
        unpacked(store, f"sha256:{'0' * 64}", tmp_path / "bundles")
    assert str(caught.value) == (
        f"the store `{store.uri}` has no bundle `sha256:000000000000`, in which the project's code travels\n\n"
        "hint: `pipeglot deploy TARGET` puts it there, or `pipeglot bundle TARGET --push`"
    )


def test_no_digest(store: Store, tmp_path: Path) -> None:
    with pytest.raises(Corrupt, match=r"`\.\./x` is no digest of a bundle"):
        unpacked(store, "../x", tmp_path / "bundles")


def test_a_folder_that_others_write_to(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "bundles"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(Untrusted, match="others could change the code that is run from there"):
        unpacked(store, pushed(store, archive("a.py")), folder)


def test_a_step_is_run_from_its_bundle(engine: Engine, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "far.py").write_text("import os\n\n\ndef where() -> str:\n    return os.getcwd()\n")
    bundle = make_bundle(project)
    pushed(engine.store, bundle.data)
    step = work("where")

    step = structs.replace(step, code=structs.replace(step.code, module="far"))
    engine.deploy(step)
    engine.deployed = structs.replace(engine.deployed, bundle=bundle.digest)
    assert engine.step("where").status == "succeeded"
    assert engine.value("where") == str(unpacked(engine.store, bundle.digest, tmp_path / "cache/bundles"))
