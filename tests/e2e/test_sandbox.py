"""`pipeglot sandbox` where there is none yet, and where it is asked for what cannot be."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Project

REFUSED: list[tuple[list[str], str]] = [
    (["up", "airfow"], "error: there is no sandbox of `airfow`  [usage]\n\nhint: did you mean `airflow`?\n"),
    (
        ["down", "vertex"],
        (
            "error: there is no sandbox of `vertex`  [usage]\n\n"
            "hint: there are those of: `airflow`, `prefect`, `kfp`, `metaflow`\n"
        ),
    ),
    (
        ["up", "airflow", "--version", "1"],
        "error: there is no sandbox of Airflow `1`  [usage]\n\nhint: the versions are: `3`, `2`\n",
    ),
    (
        ["up", "kfp", "-o", "max_run=4"],
        "error: `max_run` is no setting of this sandbox  [usage]\n\nhint: it has one: `-o max_runs=4`\n",
    ),
    (["up", "kfp", "-o", "max_runs=0"], "error: `max_runs` is how many runs there are at once, and not `0`  [usage]"),
    (
        ["up", "metaflow", "-o", "METAFLOW_USER=me"],
        (
            "error: `METAFLOW_USER` is no setting of this sandbox: it has none  [usage]\n\n"
            "hint: `environment:` of its stack sets Metaflow's own, as `METAFLOW_USER`\n"
        ),
    ),
    (["down", "airflow", "--version", "1"], "error: there is no sandbox of Airflow `1`  [usage]"),
    (["up", "airflow", "-o", "core.parallelism"], "error: `-o core.parallelism` has no `=`  [usage]"),
    (
        ["up", "airflow", "-o", "parallelism=4"],
        (
            "error: `parallelism` names no setting of Airflow  [usage]\n\n"
            "hint: write section and key: `-o core.max_map_length=16`\n"
        ),
    ),
    (
        ["up", "airflow", "-o", "core.executor=CeleryExecutor"],
        "error: `core.executor` is what the sandbox needs for itself  [usage]\n\nhint: leave it out\n",
    ),
    (
        ["up", "airflow", "--version", "2", "-o", "api.auth_backends=x"],
        "error: `api.auth_backends` is what the sandbox needs for itself  [usage]",
    ),
]


@pytest.mark.parametrize(("words", "message"), REFUSED)
def test_what_is_refused(project: Project, words: list[str], message: str) -> None:
    done = project("sandbox", *words, code=2, PIPEGLOT_SANDBOXES=str(project.root / "sandboxes"))
    assert done.err.startswith(message)
    assert not (project.root / "sandboxes").exists()


def test_a_home_that_is_the_users(project: Project) -> None:
    project.write("mine/thesis.tex", "")
    done = project("sandbox", "up", "airflow", "--home", "mine", code=1)
    assert done.err.startswith(f"error: `{project.root}/mine` holds files that are no sandbox's  [sandbox]\n")
    assert [path.name for path in (project.root / "mine").iterdir()] == ["thesis.tex"]


def test_without_uv(project: Project) -> None:
    done = project("sandbox", "up", "airflow", "--home", "home", code=1, PATH="", PIPEGLOT_ENGINES="engines")
    assert "there is no `uv` on the PATH, and uv is what makes environments  [sandbox]" in done.err
    assert "hint: install it, for example with `pip install uv`" in done.err


def test_where_there_is_none(project: Project) -> None:
    none = str(project.root / "sandboxes")
    assert project("sandbox", "status", PIPEGLOT_SANDBOXES=none).out.startswith(
        "no sandbox was started yet: `pipeglot sandbox up"
    )
    assert project("sandbox", "down", "airflow", PIPEGLOT_SANDBOXES=none).out == "no sandbox of airflow was started\n"
    assert project("sandbox", "down", "airflow", "--home", "nowhere", "--json").json == []
    assert not (project.root / "nowhere").exists()
