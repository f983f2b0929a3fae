"""What pipeglot keeps is for this user's eyes only, whatever the umask says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeglot.core.lineage.index.sqlite import FileDatabase
from pipeglot.core.store.copies import Copies
from pipeglot.stacks.config_cache import cached_config
from pipeglot.stacks.models import Config
from pipeglot.stacks.reading import read_config
from tests.e2e.conftest import ENVIRONMENT
from tests.unit.safety.conftest import Bench

WATCH = '''\
"""A step that looks at the modes of all files while its run goes on, and says which are open to others."""

import os
from pathlib import Path

from pipeglot import checkpoint, pipeline, secret, step


def open_to_others(folder):
    for path, folders, files in os.walk(folder):
        for name in [".", *folders, *files]:
            info = os.lstat(os.path.join(path, name))
            if info.st_mode & 0o077 and not os.path.islink(os.path.join(path, name)):
                yield f"{oct(info.st_mode)} {os.path.join(path, name)}"


@step
def first() -> Path:
    Path("large.bin").write_bytes(bytes(300_000))
    return Path("large.bin")


@step(secrets=["TOKEN"])
def look(path: Path) -> list[str]:
    print("told", secret("TOKEN"))
    with checkpoint() as c:
        (c.dir / "state").write_text("x")
        c.save()
    return [*open_to_others(".pipeglot"), *open_to_others(os.environ["TMPDIR"]), *open_to_others(path.parent)]


@step
def fail(found: list[str]) -> None:
    raise ValueError(found)


@pipeline
def flow() -> None:
    fail(look(first()))
'''
CONFIG = 'stacks:\n  local: {backend: local, secrets: {TOKEN: "env:TOKEN"}}\n'


def exposed(folder: Path) -> Iterator[str]:
    for path in (folder, *folder.rglob("*")):
        if path.lstat().st_mode & 0o077 and not path.is_symlink():
            yield f"{path.lstat().st_mode:o} {path}"


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_all_that_commands_leave(tmp_path: Path, no_umask: None) -> None:
    (tmp_path / "flow.py").write_text(WATCH)
    (tmp_path / "pipeglot.yaml").write_text(CONFIG)

    def command(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "pipeglot", *words],
            cwd=tmp_path,
            env={**ENVIRONMENT, "TOKEN": "hunter2-hunter2"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout + done.stderr

    assert "ValueError: []" in command("run", "flow.py")
    command("replay", "latest", "fail")
    for words in (("runs", "list"), ("stack", "set", "local"), ("store", "verify"), ("runs", "logs", "latest")):
        command(*words)
    assert sorted(path.name for path in (tmp_path / ".pipeglot").iterdir()) == [
        *(".gitignore", "cache", "index", "pipeglot.schema.json", "run", "stack", "store")
    ]
    assert list(exposed(tmp_path / ".pipeglot")) == []


def test_an_index_that_was_open_to_others(tmp_path: Path, no_umask: None) -> None:
    path = tmp_path / "index" / "a.sqlite"
    with FileDatabase(path) as database:
        database.connection.execute("SELECT 1")
    assert list(exposed(path.parent)) == []
    path.chmod(0o644)
    with FileDatabase(path) as database, database.transaction() as connection:
        connection.execute("INSERT INTO journal VALUES (1, 'x', 1)")
        assert [name for name in sorted(os.listdir(path.parent)) if name != "a.sqlite.lock"] == [
            *("a.sqlite", "a.sqlite-shm", "a.sqlite-wal")
        ]
        assert list(exposed(path.parent)) == []


def test_local_copies(tmp_path: Path, no_umask: None) -> None:
    copies = Copies(str(tmp_path / "state" / "copies" / "name"))
    temp = copies.temp()
    os.close(os.open(temp, os.O_CREAT | os.O_WRONLY, 0o600))
    copies.take("key", temp)
    assert list(exposed(tmp_path / "state" / "copies")) == []


# --- the configuration that is kept -----------------------------------------------------------------------------------


def test_a_kept_configuration_that_came_with_a_checkout(tmp_path: Path) -> None:
    """Git makes files with mode 0644: they do not stand for the YAML that a person reads."""
    data = b"stacks:\n  local: {backend: local, trusted: false}\n"
    forged = read_config(data.replace(b"false", b"true"))
    state = tmp_path / ".pipeglot"
    assert cached_config(state, data, lambda _: forged) == forged  # as if it was kept under the key of the other
    kept = state / "cache" / "config.json"
    assert cached_config(state, data, read_config) == forged, "it counts as long as it is private"
    kept.chmod(0o644)
    found = cached_config(state, data, read_config)
    assert found.stacks["local"].trusted is False
    assert not kept.stat().st_mode & 0o077


@pytest.mark.parametrize("damage", [b"", b"x", b"\xff" * 100, b"{" * 100_000])
def test_a_kept_configuration_that_is_damaged(tmp_path: Path, damage: bytes) -> None:
    data = b"stacks:\n  local: {backend: local}\n"
    state = tmp_path / ".pipeglot"
    right = cached_config(state, data, read_config)
    kept = state / "cache" / "config.json"
    head = kept.read_bytes().partition(b"\n")[0]
    for text in (damage, head + b"\n" + damage):
        kept.write_bytes(text)
        found: Config = cached_config(state, data, read_config)
        assert found == right


def test_an_index_that_is_none_of_ours(bench: Bench) -> None:
    """It is made anew from the store: nothing that stands in it is believed for long."""
    assert len(bench("runs", "list", "--json").json) == 3
    (path,) = (bench.root / ".pipeglot/index").glob("*.sqlite")
    for damage in (b"", b"x" * 5000, path.read_bytes()[:4096], os.urandom(20_000)):
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        path.write_bytes(damage)
        assert len(bench("runs", "list", "--json").json) == 3
