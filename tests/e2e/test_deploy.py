"""`pipeglot deploy` and `compile` for a stack of an orchestrator, as a user drives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import FLOW, HELPER, Project
from tests.servers.seaweed import BUCKET, Seaweed


@pytest.fixture
def far(tmp_path: Path) -> Project:
    """A project with a stack of Airflow, whose store and DAG files are folders here."""
    project = Project(tmp_path / "project")
    project.write("flow.py", FLOW)
    project.write("helper.py", HELPER)
    (project.root / "dags").mkdir()
    project.write(
        "pipeglot.yaml",
        "stacks:\n  local: {backend: local}\n"
        f"  prod: {{backend: airflow, store: '{tmp_path}/store', dags_folder: dags}}\n",
    )
    return project


def test_it_fills_the_store_and_writes_the_file(far: Project, tmp_path: Path) -> None:
    done = far("deploy", "flow.py", "--stack", "prod")
    lines = [line.split() for line in done.out.splitlines()]
    assert [line[0] for line in lines] == ["pipeline", "stack", "ir", "code", "written", "written"]
    assert done.err == "note: stack `prod` has no `api_url:`: whether they are read is not known here\n"
    assert sorted(path.name for path in (far.root / "dags").iterdir()) == [
        f"{lines[0][1]}.pipeglot.json",
        f"{lines[0][1]}.py",
    ]
    assert [path.name[:12] for path in (tmp_path / "store/bundles").iterdir()] == [lines[3][1]]
    assert [path.name[:12] for path in (tmp_path / "store/ir").iterdir()] == [lines[2][1]]
    again = far("deploy", "flow.py", "--stack", "prod")
    assert again.out == done.out


def test_code_that_is_installed_does_not_travel(far: Project, tmp_path: Path) -> None:
    far.replace("pipeglot.yaml", "backend: airflow,", "backend: airflow, code: installed,")
    done = far("deploy", "flow.py", "--stack", "prod")
    assert ["code", "installed"] in [line.split() for line in done.out.splitlines()]
    assert not (tmp_path / "store/bundles").exists()
    (file,) = (far.root / "dags").glob("*.py")
    assert "bundle" not in file.read_text()


def test_compile_check_shows_what_is_stale(far: Project) -> None:
    words = ("compile", "flow.py", "--stack", "prod", "--out", "dags")
    assert "wrote dags/" in far(*words).err
    assert "is up to date" in far(*words, "--check").err
    far.write("other.py", "A = 1\n")
    stale = far(*words, "--check", code=1)
    assert "is out of date" in stale.err
    assert "hint: `pipeglot compile flow.py --stack prod --out dags` writes it" in stale.err
    assert '-    "bundle": "sha256:' in stale.err
    assert '+    "bundle": "sha256:' in stale.err


@pytest.mark.parametrize(
    ("setting", "message", "hint"),
    [
        ("dags_folder: gone", "there is no folder `", "is it mounted here?"),
        (
            "dags_folder: 'ftp://ml/dags'",
            "stack `prod`: `dags_folder` is at `ftp://…`, where no files are written",
            "a folder, or a bucket: `s3://…`, `gs://…`, `az://…`",
        ),
    ],
)
def test_where_no_file_can_be_written(far: Project, tmp_path: Path, setting: str, message: str, hint: str) -> None:
    far.write(
        "pipeglot.yaml",
        f"stacks:\n  prod: {{backend: airflow, store: '{tmp_path}/store'{', ' if setting else ''}{setting}}}\n",
    )
    done = far("deploy", "flow.py", code=2)
    assert message in done.err
    assert hint in done.err
    assert not (tmp_path / "store").exists(), "nothing was begun"


def test_without_a_folder_it_tells_what_to_commit(far: Project, tmp_path: Path) -> None:
    far.write("pipeglot.yaml", f"stacks:\n  prod: {{backend: airflow, store: '{tmp_path}/store'}}\n")
    done = far("deploy", "flow.py")
    lines = [line.split(maxsplit=1) for line in done.out.splitlines()]
    assert lines[4:] == [["to", "commit  flow.py"], ["to", "commit  flow.pipeglot.json"]]
    assert done.err == (
        "note: code and pipeline are in the store; stack `prod` does not say where its files lie: commit `flow.py` and"
        " `flow.pipeglot.json` to where they come from, as `pipeglot compile flow.py --stack prod --out DIR` writes"
        " them; or write `dags_folder:` into the stack\n"
    )
    assert len(list((tmp_path / "store/bundles").iterdir())) == 1
    told = far("deploy", "flow.py", "--json").json
    assert (told["written"], told["live"], told["files"]) == (False, None, ["flow.py", "flow.pipeglot.json"])


def test_a_bucket_has_the_files_and_the_newest_of_them(far: Project, tmp_path: Path, seaweed: Seaweed) -> None:
    uri = f"s3://{BUCKET}/{tmp_path.name}/dags"
    far.write(
        "pipeglot.yaml", f"stacks:\n  prod: {{backend: airflow, store: '{tmp_path}/store', dags_folder: '{uri}'}}\n"
    )
    who = seaweed.environment()
    done = far("deploy", "flow.py", "--json", code=0, **who).json
    assert done["files"] == [f"{uri}/flow.py", f"{uri}/flow.pipeglot.json"]
    before = seaweed.read(f"{tmp_path.name}/dags/flow.py")
    assert done["ir"] in before
    far.replace("flow.py", "count: int = 3", "count: int = 4")
    again = far("deploy", "flow.py", "--json", code=0, **who).json
    after = seaweed.read(f"{tmp_path.name}/dags/flow.py")
    assert again["ir"] in after != before


def test_a_bucket_that_takes_nothing_from_us(far: Project, tmp_path: Path, seaweed: Seaweed) -> None:
    far.write(
        "pipeglot.yaml",
        f"stacks:\n  prod: {{backend: airflow, store: '{tmp_path}/store', dags_folder: 's3://{BUCKET}/dags'}}\n",
    )
    done = far("deploy", "flow.py", code=1, **seaweed.environment("reader"))
    assert f"error: cannot write `s3://{BUCKET}/dags/flow.py`: " in done.err


def test_a_local_stack_is_nothing_to_deploy_to(far: Project) -> None:
    done = far("deploy", "flow.py", "--stack", "local", code=2)
    assert "stack `local` runs pipelines as they are, so there is nothing to deploy" in done.err


def test_push_brings_the_code_only(far: Project, tmp_path: Path) -> None:
    far("bundle", "flow.py", "--push", "--stack", "prod")
    assert len(list((tmp_path / "store/bundles").iterdir())) == 1
    assert list((far.root / "dags").iterdir()) == []
