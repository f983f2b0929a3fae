"""The archive of a project: which files are in it, and that its bytes depend on nothing but them."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from pipeglot.core.bundle import archive
from pipeglot.core.bundle.archive import Bundle, make_bundle
from pipeglot.core.errors import ConfigError, DefinitionError, UsageError


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def git(root: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True)


def paths(bundle: Bundle) -> list[str]:
    return [file.path for file in bundle.files]


def reasons(bundle: Bundle) -> dict[str, str]:
    return dict(bundle.left_out)


FILES = {"flow.py": "a = 1\n", "pkg/__init__.py": "", "pkg/mod.py": "b = 2\n", "data/t.csv": "1\n", "README.md": "hi\n"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project that is no git repository."""
    root = tmp_path / "project"
    write(root, FILES)
    return root


@pytest.fixture
def repository(root: Path) -> Path:
    git(root, "init", "-q")
    return root


# --- the bytes --------------------------------------------------------------------------------------------------------


def test_the_digest_is_of_names_and_contents_alone(root: Path, tmp_path: Path) -> None:
    first = make_bundle(root, ["data"])
    other = tmp_path / "elsewhere"
    mask = os.umask(0o077)
    try:
        for name in reversed(FILES):
            write(other, {name: FILES[name]})
            os.utime(other / name, (1, 1))
        (other / "flow.py").chmod(0o777)
    finally:
        os.umask(mask)
    assert make_bundle(other, ["data/*.csv"]).data == first.data
    write(other, {"flow.py": "a = 2\n"})
    assert make_bundle(other, ["data"]).digest != first.digest


def test_the_digest_is_the_same_everywhere_and_for_ever(tmp_path: Path) -> None:
    """Golden: another one would make every deployed pipeline refuse its code."""
    write(tmp_path, {"flow.py": "a = 1\n", "ünï/mod.py": "b = 2\n", f"{'long' * 40}.py": ""})
    assert make_bundle(tmp_path).digest == "sha256:37f9d891f499709d53a5c669530d6a2f00e957b5f28051156c57333f8127676d"


def test_git_and_no_git_agree(root: Path) -> None:
    plain = make_bundle(root, ["data"])
    git(root, "init", "-q")
    assert make_bundle(root, ["data"]).data == plain.data


def test_what_is_in_the_archive(root: Path) -> None:
    bundle = make_bundle(root)
    with tarfile.open(fileobj=io.BytesIO(bundle.data)) as tar:
        members = tar.getmembers()
        assert [member.name for member in members] == ["flow.py", "pkg/__init__.py", "pkg/mod.py"]
        assert {(member.mtime, member.uid, member.gid, member.uname, member.mode) for member in members} == {
            (0, 0, 0, "", 0o644)
        }
        file = tar.extractfile("pkg/mod.py")
        assert file is not None
        assert file.read() == b"b = 2\n"
    assert reasons(bundle)["README.md"] == "it is no Python file, and `include:` does not name it"


# --- which files ------------------------------------------------------------------------------------------------------


def test_what_git_ignores_stays(repository: Path) -> None:
    write(
        repository, {".gitignore": "secret*.py\n", "secret_one.py": "", "pkg/.gitignore": "made.py", "pkg/made.py": ""}
    )
    assert paths(make_bundle(repository)) == ["flow.py", "pkg/__init__.py", "pkg/mod.py"]


def test_tracked_files_that_are_gone_and_new_ones(repository: Path) -> None:
    git(repository, "add", "-A")
    (repository / "flow.py").unlink()
    write(repository, {"new.py": ""})
    assert paths(make_bundle(repository)) == ["new.py", "pkg/__init__.py", "pkg/mod.py"]


def test_a_repository_inside(repository: Path) -> None:
    write(repository, {"inner/a.py": "", "inner/b.py": "", "inner/.gitignore": "b.py"})
    git(repository / "inner", "init", "-q")
    assert "inner/a.py" in paths(make_bundle(repository))
    assert "inner/b.py" not in paths(make_bundle(repository))


def test_a_project_in_a_folder_of_a_repository(repository: Path) -> None:
    assert paths(make_bundle(repository / "pkg")) == ["__init__.py", "mod.py"]


def test_a_hook_of_git_does_not_point_elsewhere(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert paths(make_bundle(repository)) == ["flow.py", "pkg/__init__.py", "pkg/mod.py"]


def test_without_git_what_tools_leave_behind_stays(root: Path) -> None:
    junk = [".venv/a.py", "__pycache__/a.py", "node_modules/a.py", "myenv/lib/a.py", "x.egg-info/a.py", "build/a.py"]
    write(root, dict.fromkeys(junk, "") | {"myenv/pyvenv.cfg": ""})
    assert paths(make_bundle(root)) == ["flow.py", "pkg/__init__.py", "pkg/mod.py"]


def test_keys_and_hidden_files_never_travel(repository: Path) -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\nabc\n"
    write(repository, {"conf/.env": "A=1", "conf/tls.pem": "x", "conf/id_rsa": "x", "conf/odd.txt": f"\n{key}"})
    write(repository, {"conf/my-credentials.json": "{}", "conf/fine.txt": "x", ".hidden/a.py": ""})
    bundle = make_bundle(repository, ["conf"])
    assert "conf/fine.txt" in paths(bundle)
    assert not [path for path in paths(bundle) if path.startswith("conf/") and path != "conf/fine.txt"]
    told = reasons(bundle)
    assert told["conf/.env"] == "it is hidden (its name begins with a dot)"
    assert told["conf/tls.pem"] == told["conf/my-credentials.json"] == "it is named as a key or a credential is"
    assert told["conf/odd.txt"] == "a private key stands in it"


def test_links(repository: Path, tmp_path: Path) -> None:
    write(tmp_path, {"outside.py": "x"})
    write(repository, {".gitignore": "ignored.py", "ignored.py": "x", ".env": "x"})
    links = {
        "link.py": "pkg/mod.py",
        "alias": "pkg",
        "out.py": "../outside.py",
        "broken.py": "nowhere.py",
        "sneaky.py": ".env",
        "lazy.py": "ignored.py",
        "pkg/loop": "..",
    }
    for name, target in links.items():
        (repository / name).symlink_to(target)
    bundle = make_bundle(repository)
    assert paths(bundle) == [
        "alias/__init__.py",
        "alias/mod.py",
        "flow.py",
        "link.py",
        "pkg/__init__.py",
        "pkg/mod.py",
    ]
    with tarfile.open(fileobj=io.BytesIO(bundle.data)) as tar:
        assert all(member.isreg() for member in tar.getmembers())
    told = reasons(bundle)
    assert told["out.py"] == "it is a link out of the project"
    assert told["broken.py"] == "it is a link to nothing"
    assert told["sneaky.py"] == "it is hidden (its name begins with a dot), behind a link"
    assert told["lazy.py"] == "it is a link to a file that git ignores"
    assert told["pkg/loop"] == "it is a link to a folder that it lies in"


def test_a_pipe_is_not_waited_for(root: Path) -> None:
    os.mkfifo(root / "pipe.py")
    assert reasons(make_bundle(root))["pipe.py"] == "it is no regular file"


def test_a_name_that_is_not_utf8(root: Path) -> None:
    (root / os.fsdecode(b"\xff.py")).write_text("")
    bundle = make_bundle(root)
    assert paths(bundle) == ["flow.py", "pkg/__init__.py", "pkg/mod.py"]
    assert bundle.view().left_out[-1].path == "\\udcff.py"
    assert bundle.view().left_out[-1].why == "its name is not UTF-8"


# --- include ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("data", ["data/sub/b.csv", "data/sub/c.txt", "data/t.csv"]),
        ("data/", ["data/sub/b.csv", "data/sub/c.txt", "data/t.csv"]),
        ("data/*.csv", ["data/t.csv"]),
        ("data/**/*.csv", ["data/sub/b.csv", "data/t.csv"]),
        ("**/*.csv", ["data/sub/b.csv", "data/t.csv"]),
        ("./data/t.csv", ["data/t.csv"]),
        ("data/?.csv", ["data/t.csv"]),
        ("data/[!a-s].csv", ["data/t.csv"]),
        ("*.md", ["README.md"]),
    ],
)
def test_patterns(root: Path, pattern: str, found: list[str]) -> None:
    write(root, {"data/sub/b.csv": "", "data/sub/c.txt": ""})
    assert [path for path in paths(make_bundle(root, [pattern])) if not path.endswith(".py")] == found


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("../other", "`include: ../other` leads out of the project"),
        ("/etc/passwd", "`include: /etc/passwd` leads out of the project"),
        ("~/x", "`include: ~/x` leads out of the project"),
        ("modles", "`include: modles` names no file"),
        ("data/t.pem", "names only what never travels: `data/t.pem`, for it is named as a key or a credential is"),
    ],
)
def test_patterns_that_bring_nothing(root: Path, pattern: str, message: str) -> None:
    write(root, {"data/t.pem": "x"})
    with pytest.raises(ConfigError) as caught:
        make_bundle(root, [pattern])
    assert message in caught.value.message


# --- refusals ---------------------------------------------------------------------------------------------------------


def problems(root: Path, *include: str, needed: list[str] | None = None) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        make_bundle(root, include, needed or [])
    return [problem.message for problem in caught.value.problems]


def test_code_that_the_pipeline_needs_and_git_ignores(repository: Path) -> None:
    write(repository, {".gitignore": "made.py", "made.py": ""})
    told = problems(repository, needed=[str(repository / "made.py"), str(repository / "flow.py")])
    why = "git ignores it, or it lies where tools leave things behind"
    assert told == [f"the pipeline uses `made.py`, which would not travel: {why}"]


def test_names_that_differ_in_case(root: Path) -> None:
    write(root, {"Flow.py": "", "PKG/x.py": ""})
    assert problems(root) == [
        "`Flow.py` and `flow.py` are one name where letters' case does not count, as on macOS",
        "`PKG` and `pkg` are one name where letters' case does not count, as on macOS",
    ]


def test_too_much_is_refused_before_it_is_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (root / "data" / "huge.bin").open("wb") as file:
        file.truncate(50_000_000)
    monkeypatch.setattr(Path, "read_bytes", lambda self: pytest.fail(f"{self} was read"))
    (told,) = problems(root, "data")
    assert told.startswith(
        "the bundle would have 50.0 MB, and 20 MB are the most; the largest: `data/huge.bin` (50.0 MB)"
    )


def test_the_archive_itself_has_the_limit_too(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "LIMIT", 5_000)
    assert problems(root)[0].startswith("the bundle would have 0.0 MB")


def test_a_file_that_cannot_be_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Path.read_bytes

    def read(self: Path) -> bytes:
        if self.name == "flow.py":
            raise PermissionError(13, "Permission denied")
        return whole(self)

    monkeypatch.setattr(Path, "read_bytes", read)  # root may read everything
    assert problems(root) == ["`flow.py` cannot be read: Permission denied"]


def test_a_repository_without_git(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match=r"is in a git repository, and `git` cannot be run") as caught:
        make_bundle(repository)
    assert caught.value.hint.startswith("install git")


def test_a_repository_that_git_refuses(repository: Path) -> None:
    (repository / ".git" / "HEAD").write_text("garbage")
    shutil.rmtree(repository / ".git" / "refs")
    with pytest.raises(UsageError, match="git cannot list the files of"):
        make_bundle(repository)


def test_writing_replaces_the_file_whole(root: Path, tmp_path: Path) -> None:
    bundle = make_bundle(root)
    target = tmp_path / "out.tar"
    target.write_text("old")
    bundle.write(target)
    assert target.read_bytes() == bundle.data
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.tar", "project"]
