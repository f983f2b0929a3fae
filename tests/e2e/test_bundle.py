"""`bundle` as a user drives it: what would travel, its digest, and the archive as a file."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path

import msgspec
import pytest

from pipeglot.core.bundle.archive import BundleView
from tests.e2e.conftest import Project


def test_the_list(flow: Project) -> None:
    flow.write("notes.md", "hi")
    lines = flow("bundle", "flow.py", "--list").out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["FILE", "flow.py", "helper.py"]
    assert lines[4].startswith("2 files, ")
    assert lines[5].startswith("sha256:")
    assert lines[-1] == "2 files left out, which are no Python: `-v` shows them"
    verbose = flow("bundle", "flow.py", "--list", "-v").out
    assert "notes.md       it is no Python file, and `include:` does not name it" in verbose


def test_the_archive(flow: Project) -> None:
    flow.write("data/t.csv", "1\n")
    flow.write("pipeglot.yaml", "stacks:\n  local: {backend: local}\ninclude: [data]\n")
    done = flow("bundle", "flow.py", "--out", "code.tar", "--json")
    view = msgspec.json.decode(done.out, type=BundleView, strict=True)
    archive = flow.root / "code.tar"
    assert view.digest == f"sha256:{hashlib.sha256(archive.read_bytes()).hexdigest()}"
    assert (view.size, view.out) == (archive.stat().st_size, str(archive))
    with tarfile.open(archive) as tar:
        assert tar.getnames() == [file.path for file in view.files] == ["data/t.csv", "flow.py", "helper.py"]
    again = flow("bundle", "flow.py").out.splitlines()
    assert again[0].split() == ["digest", view.digest]


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["-v"], "`--verbose` is of the list", "say `--list -v`"),
        (["--out", "."], "is a folder", "name a file in it"),
        (["--out", "no/x.tar"], "there is no folder", "make it first"),
    ],
)
def test_what_is_refused(flow: Project, words: list[str], message: str, hint: str) -> None:
    done = flow("bundle", "flow.py", *words, code=2)
    assert message in done.err
    assert f"hint: {hint}" in done.err


def test_code_that_would_stay_behind(flow: Project, tmp_path: Path) -> None:
    flow.write("flow.py", (flow.root / "flow.py").read_text().replace("import helper", "from dist import helper"))
    flow.write("dist/helper.py", (flow.root / "helper.py").read_text())
    done = flow("bundle", "flow.py", code=2)
    assert "the pipeline uses `dist/helper.py`, which would not travel: git ignores it" in done.err
    assert list(tmp_path.glob("*.tar")) == []


def test_a_pattern_that_names_nothing(flow: Project) -> None:
    flow.write("pipeglot.yaml", "stacks:\n  local: {backend: local}\ninclude: [modles]\n")
    assert "`include: modles` names no file" in flow("bundle", "flow.py", code=2).err
