"""`pipeglot.yaml`: what it may say, and what is said of everything else, with the line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeglot.core.errors import ConfigError, NotFound
from pipeglot.core.stack import Stack
from pipeglot.stacks.models import Config, LocalStack
from pipeglot.stacks.reading import read_config
from pipeglot.stacks.workspace import Workspace, bare_workspace, workspace_at, workspace_of

FULL = b"""\
name: demo
include: ["*.sql", "data/*.csv"]
stacks:
  local:
    backend: local
    store: ${STORE}/x
    trusted: true
    durable: true
    strict: true
    pools: {gpu: 2}
    max_parallel: 3
    secrets: {TOKEN: "env:MY_TOKEN", KEY: file:keys/key}
  other: {backend: local}
"""


def test_everything_that_it_may_say() -> None:
    found = read_config(FULL)
    assert found.name == "demo"
    assert found.include == ("*.sql", "data/*.csv")
    assert found.stacks["other"] == LocalStack(name="other")
    assert found.stacks["other"].backend == "local"
    assert found.stacks["local"] == LocalStack(
        name="local",
        store="${STORE}/x",
        trusted=True,
        durable=True,
        strict=True,
        pools={"gpu": 2},
        max_parallel=3,
        secrets={"TOKEN": "env:MY_TOKEN", "KEY": "file:keys/key"},
    )


def test_json_is_yaml() -> None:
    assert read_config(b'{"stacks": {"a": {"backend": "local"}}}').stacks == {"a": LocalStack(name="a")}
    with pytest.raises(ConfigError, match="stack `a` has no setting `x`"):
        read_config(b'{"stacks": {"a": {"backend": "local", "x": 1}}}')


WRONG = [
    ("", "pipeglot.yaml: it is empty", "write at least:"),
    ("# nothing\n", "it is empty", "write at least:"),
    ("just text", "pipeglot.yaml: it holds text, and a mapping is expected", "write at least:"),
    ("- a\n- b\n", "it holds a list, and a mapping is expected", ""),
    ("name: x\n", "pipeglot.yaml: it has no `stacks:`", "write at least:"),
    ("stacks:\n", "it has no `stacks:`", ""),
    ("stacks: [a]\n", "pipeglot.yaml:1: it has a list as its `stacks:`", ""),
    ("stacks:\n\tlocal: {}\n", "pipeglot.yaml:2: ", "indent with spaces: YAML takes no tabs"),
    ("stacks:\n  a: {backend: local}\n  a: {backend: local}\n", "pipeglot.yaml:3: the key `a` stands twice", ""),
    ("stacks: {a: {backend: local}\n", "it is no YAML", ""),
    (
        "stacks:\n  a: {backend: local}\nstakcs: 1\n",
        "yaml:3: the file has no setting `stakcs`",
        "mean `stacks`?",
    ),
    ("stacks:\n  a:\n", "stack `a` is nothing, and a mapping is expected", "`a: {backend: local}`"),
    ("stacks:\n  a: local\n", "pipeglot.yaml:2: stack `a` is text, and a mapping is expected", ""),
    ("stacks:\n  a: {store: x}\n", "pipeglot.yaml:2: stack `a` has no `backend:`", "the backends are: `local`"),
    ("stacks:\n  a:\n    backend: kubeflow\n", "pipeglot.yaml:3: stack `a` names the backend `kubeflow`", "`local`"),
    ("stacks:\n  a: {backend: [local]}\n", "names the backend `['local']`", ""),
    ("stacks:\n  a: {backend: local, pool: {}}\n", "stack `a` has no setting `pool`", "did you mean `pools`?"),
    ("stacks:\n  a: {backend: local, zzz: {}}\n", "has no setting `zzz`", "the settings are: `backend`, `store`"),
    ("stacks:\n  a/b: {backend: local}\n", "`a/b` cannot name a stack", ""),
    ("stacks:\n  a: {backend: local, trusted: 1}\n", "`trusted` must be true or false, and is `1`", ""),
    ("stacks:\n  a: {backend: local, trusted: 'yes'}\n", "`trusted` must be true or false, and is text", ""),
    ("stacks:\n  a: {backend: local, store: 3}\n", "`store` must be a folder or a bucket, and is `3`", ""),
    ("stacks:\n  a: {backend: local, store: ''}\n", "`store` must be a folder or a bucket: it is empty", ""),
    ("stacks:\n  a: {backend: local, max_parallel: 0}\n", "`max_parallel` must be a whole number: 1 is the least", ""),
    ("stacks:\n  a: {backend: local, max_parallel: 1.5}\n", "must be a whole number, and is `1.5`", ""),
    ("stacks:\n  a: {backend: local, pools: {gpu: 0}}\n", "`gpu` has the size 0, and 1 is the least", ""),
    ("stacks:\n  a: {backend: local, pools: [gpu]}\n", "`pools` must be a mapping of names to sizes", ""),
    ("stacks:\n  a: {backend: local, secrets: {T: hunter2}}\n", "secret `T` does not say where", "`env:…` or `file:…`"),
    ("stacks:\n  a: {backend: local, secrets: {T: 'k8s:x'}}\n", "secret `T` does not say where", "never the value"),
    ("stacks:\n  a: {backend: local, secrets: {'T T': 'env:x'}}\n", "`T T` cannot name a secret", ""),
    ("name: [x]\nstacks: {a: {backend: local}}\n", "pipeglot.yaml:1: `name` must be a name, and is a list", ""),
    ("include: x\nstacks: {a: {backend: local}}\n", "`include` must be a list", ""),
    ("stacks:\n  a: &x {backend: local}\n", "pipeglot.yaml:2: `&x`: anchors are not read", "write it out"),
]


@pytest.mark.parametrize(("text", "message", "hint"), WRONG)
def test_wrong(text: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read_config(text.encode())
    assert message in raised.value.message
    assert hint in str(raised.value)
    assert "hunter2" not in str(raised.value)


CREDENTIALS = [
    "s3://key:hunter2@bucket/x",
    "postgresql://me:hunter2@db/x",
    "https://hunter2@host/x",
    "postgresql://db/x?user=me&password=hunter2",
    "https://host/x?sig=hunter2",
]


@pytest.mark.parametrize("uri", CREDENTIALS)
@pytest.mark.parametrize("place", ["store", "other"])
def test_credentials_are_refused_and_not_repeated(uri: str, place: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read_config(f"stacks:\n  a:\n    backend: local\n    {place}: {uri}\n".encode())
    assert f"pipeglot.yaml:4: `stacks.a.{place}` is a URI with credentials in it" in str(raised.value)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("uri", ["s3://bucket/a@b", "x://${USER}:${PASS}@host", "x://h/?password=${P}", "a@b:c/d"])
def test_what_holds_no_credentials_is_fine(uri: str) -> None:
    assert read_config(f"stacks:\n  a: {{backend: local, store: '{uri}'}}\n".encode()).stacks["a"].store == uri


def test_all_problems_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        read_config(b"stacks:\n  a: {backend: local, x: 1, trusted: 3}\n  b: {}\nnmae: x\n")
    assert str(raised.value).count("pipeglot.yaml:") == 4


def test_a_file_that_is_not_utf8_or_too_large() -> None:
    with pytest.raises(ConfigError, match=r"pipeglot\.yaml:2: it is not UTF-8"):
        read_config(b"stacks:\n  \xff: {}\n")
    with pytest.raises(ConfigError, match="are the most"):
        read_config(b"#" * 2_000_000)


# --- the project on disk ----------------------------------------------------------------------------------------------

YAML = "stacks:\n  local: {backend: local}\n"


def test_the_root_is_the_nearest_folder_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "a/b/c").mkdir(parents=True)
    (tmp_path / "pipeglot.yaml").write_text(YAML)
    (tmp_path / "a/b/pipeglot.yaml").write_text(YAML.replace("local:", "inner:"))
    assert workspace_at(tmp_path / "a").root == tmp_path
    assert workspace_at(tmp_path / "a/b/c").root == tmp_path / "a/b"
    assert list(workspace_at(tmp_path / "a/b/c").config.stacks) == ["inner"]


def test_without_a_file_the_nearest_store_counts(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    assert workspace_of(tmp_path / "a/b") is None
    assert workspace_at(tmp_path / "a/b").root == tmp_path / "a/b"
    (tmp_path / ".pipeglot/store").mkdir(parents=True)
    assert workspace_at(tmp_path / "a/b") == bare_workspace(tmp_path)
    assert bare_workspace(tmp_path).stack().name == "local"


def test_the_file_may_be_a_folder_or_unreadable(tmp_path: Path) -> None:
    (tmp_path / "pipeglot.yaml").mkdir()
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        workspace_at(tmp_path)


def test_import_roots(tmp_path: Path) -> None:
    space = bare_workspace(tmp_path)
    assert list(space.roots) == [str(tmp_path)]
    (tmp_path / "src").mkdir()
    assert list(space.roots) == [str(tmp_path / "src"), str(tmp_path)]
    (tmp_path / "src/__init__.py").touch()
    assert list(space.roots) == [str(tmp_path)]


def _with(root: Path, *stacks: str, **fields: str) -> Workspace:
    found: dict[str, Stack] = {name: LocalStack(name=name, **fields) for name in stacks}  # type: ignore[arg-type]  # texts
    return Workspace(root, Config(stacks=found), root / "pipeglot.yaml")


def test_the_active_stack(tmp_path: Path) -> None:
    assert _with(tmp_path, "only").active() == "only"
    assert _with(tmp_path, "a", "local").active() == "local"
    with pytest.raises(ConfigError, match=r"several stacks \(`a`, `b`\), and none is active"):
        _with(tmp_path, "a", "b").active()
    with pytest.raises(NotFound, match="there is no stack `c`"):
        _with(tmp_path, "a", "b").choose("c")
    _with(tmp_path, "a", "b").choose("b")
    assert (tmp_path / ".pipeglot/stack").read_text() == "b\n"
    assert _with(tmp_path, "a", "b").active() == "b"
    with pytest.raises(ConfigError, match="the active stack is `b`, and there is no such stack"):
        _with(tmp_path, "a").active()
    assert _with(tmp_path, "a").stack("a").name == "a"


def test_where_the_store_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def uri(store: str) -> str:
        space = _with(tmp_path, "a", store=store)
        return space.store_uri(space.stack())

    assert uri(".pipeglot/store") == f"{tmp_path}/.pipeglot/store"
    assert uri("../x") == f"{tmp_path.parent}/x"
    assert uri("/srv/x") == "/srv/x"
    assert uri("~/x") == "~/x"
    assert uri("s3://b/x") == "s3://b/x"
    monkeypatch.setenv("STORE", "/srv")
    assert uri("${STORE}/x") == "/srv/x"
    monkeypatch.delenv("STORE")
    with pytest.raises(ConfigError, match="the environment variable `STORE` is not set"):
        uri("${STORE}/x")


def test_secret_files_lie_in_the_project(tmp_path: Path) -> None:
    stack = LocalStack(name="a", secrets={"A": "env:X", "B": "file:k/b", "C": "file:~/c", "D": "file:/d"})
    assert bare_workspace(tmp_path).secrets(stack) == {
        "A": "env:X",
        "B": f"file:{tmp_path}/k/b",
        "C": "file:~/c",
        "D": "file:/d",
    }


# --- the cache of the configuration -----------------------------------------------------------------------------------


def test_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pipeglot.yaml").write_bytes(FULL)
    first = workspace_at(tmp_path)
    cache = tmp_path / ".pipeglot/cache/config.json"
    assert cache.exists()
    monkeypatch.setattr("pipeglot.stacks.reading.read_config", None)
    assert workspace_at(tmp_path) == first
    (tmp_path / "pipeglot.yaml").write_bytes(FULL + b"#")
    with pytest.raises(TypeError):
        workspace_at(tmp_path)
    monkeypatch.undo()
    assert workspace_at(tmp_path).config == first.config


@pytest.mark.parametrize("damage", [b"", b"x", b"\xff\xfe\n{}", b"cut", b"flip"])
def test_a_damaged_cache_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "pipeglot.yaml").write_bytes(FULL)
    first = workspace_at(tmp_path)
    cache = tmp_path / ".pipeglot/cache/config.json"
    good = cache.read_bytes()
    cache.write_bytes({b"cut": good[:-5], b"flip": good.replace(b"gpu", b"gpx")}.get(damage, damage))
    assert workspace_at(tmp_path) == first
    assert cache.read_bytes() == good


def test_another_pipeglot_reads_the_file_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pipeglot.yaml").write_bytes(FULL)
    workspace_at(tmp_path)
    good = (tmp_path / ".pipeglot/cache/config.json").read_bytes()
    monkeypatch.setattr("pipeglot.stacks.config_cache.__version__", "9")
    workspace_at(tmp_path)
    assert (tmp_path / ".pipeglot/cache/config.json").read_bytes() != good


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "pipeglot.yaml").write_bytes(FULL)
    (tmp_path / ".pipeglot").write_text("a file is in the way")
    assert workspace_at(tmp_path).config.name == "demo"
    assert sorted(os.listdir(tmp_path)) == [".pipeglot", "pipeglot.yaml"]
