"""`runs list` with its filters, `lineage`, `store`: as a user drives them, in processes of their own."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeglot.cli.schemas import SCHEMAS, VARIANTS
from tests.e2e.conftest import CONFIG, ENVIRONMENT, Project
from tests.e2e.schemas import valid
from tests.e2e.test_startup import modules

SCORED = """\
from pipeglot import each, log_metrics, pipeline, step

@step
def grid(count: int) -> list[float]:
    return [i / 10 for i in range(count)]

@step
def train(rate: float) -> object:
    log_metrics({"auc": 0.5 + rate})
    return {rate}.__iter__

@step
def best(models: list[object], bias: float) -> float:
    log_metrics({"auc": 0.9 + bias})
    return bias

@pipeline(tags=["ml"])
def scored(count: int = 3, bias: float = 0.0) -> None:
    best(train.map(each(grid(count))), bias)
"""


@pytest.fixture
def scored(project: Project) -> Project:
    project.write(
        "scored.py",
        SCORED.replace("{rate}.__iter__", "Model(rate)").replace(
            "@step\ndef grid",
            "class Model:\n    def __init__(self, rate: float) -> None:\n        self.rate = rate\n\n\n@step\ndef grid",
        ),
    )
    project.write("pipeglot.yaml", CONFIG)
    return project


def run(project: Project, *words: str) -> str:
    return str(project("run", "scored.py", "--json", *words).json["run_id"])


def ids(project: Project, *words: str) -> list[str]:
    return [one["run_id"] for one in project("runs", "list", "--json", *words).json]


def test_runs_are_chosen_by_what_they_are(scored: Project) -> None:
    one, two = run(scored), run(scored, "-p", "bias=0.05", "-p", "count=4")
    assert ids(scored) == [two, one]
    assert ids(scored, "--param", "bias=0.05") == [two]
    assert ids(scored, "--param", "bias=0", "--param", "count=3") == [one]
    assert ids(scored, "--tag", "ml") == [two, one]
    assert ids(scored, "--metric", "auc>0.94") == [two]
    assert ids(scored, "--metric", "train.auc>0.75") == [two]
    assert ids(scored, "--metric", "best.auc<=0.9") == [one]
    assert ids(scored, "--sort", "best.auc:asc") == [one, two]
    assert ids(scored, "--since", "1h", "--status", "succeeded", "--pipeline", "scored") == [two, one]
    assert ids(scored, "--until", "1h") == []
    assert ids(scored, "--status", "failed", "--status", "lost") == []
    assert ids(scored, "-n", "1") == [two]
    assert ids(scored, "-n", "1", "--before", two) == [one]
    valid(SCHEMAS["runs list"], scored("runs", "list", "--json").json)
    table = scored("runs", "list", "--metric", "auc", "--metric", "best.auc>0.1")
    assert table.out.splitlines()[0].split()[-2:] == ["AUC", "BEST.AUC"]
    assert table.out.splitlines()[1].split()[-3:] == ["0.5…0.95", "(5)", "0.95"]


def test_what_stops_and_what_finds_nothing_is_told(scored: Project) -> None:
    one, two = run(scored), run(scored)
    done = scored("runs", "list", "-n", "1")
    assert done.err == f"note: 1 of 2 runs are shown; `--before {two[:10]}` goes on; `-n 0` shows all\n"
    words = scored.command("runs", "list", "-n", "1")
    both = subprocess.run(
        words, cwd=scored.root, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True
    )
    assert both.stdout.splitlines()[-1].startswith(b"note: ")  # in order, where both go to one place
    assert len(done.out.splitlines()) == 2
    assert scored("runs", "list", "-n", "2").err == ""
    assert scored("runs", "list", "--param", "bais=1").err == (
        "no run fits: no run has the parameter `bais`: did you mean `bias`?\n"
    )
    assert scored("runs", "list", "--tag", "team").err == "no run fits: no run has the tag `team`; there are: `ml`\n"
    assert scored("runs", "list", "--metric", "auc>2").err == "no run fits\n"
    assert "no run is ever `done`" in scored("runs", "list", "--status", "done", code=2).err
    assert "has no run `xyz`" in scored("runs", "list", "--before", "xyz", code=2).err
    assert one != two


def test_lineage_of_an_artifact_in_both_directions(scored: Project) -> None:
    first, second = run(scored), run(scored, "-p", "bias=0.05")
    text = scored("lineage", "scored/best@latest").out
    assert text.splitlines()[:1] == [f"{second}/best/output  (plain data, 4 B)"]
    came, _, went = text.partition("went into")
    assert "● best (bias=0.05) → plain data, 4 B" in came
    assert f"train[0…2] of scored {first[:10]}" in came
    assert f"↑ grid of scored {first[:10]} (count=3)" in came
    assert "opaque" in came
    assert "nothing so far" in went
    down = scored("lineage", f"{first[:8]}/grid/output", "--down").out
    assert "came from" not in down
    assert f"best of scored {second[:10]}" in down
    near = scored("lineage", f"{second}/best/output", "--up", "--depth", "1").out
    assert "grid" not in near
    graph = scored("lineage", "scored/train[1]@latest", "--json").json
    valid(SCHEMAS["lineage"], graph)
    edges = {(edge["source"], edge["target"], edge["kind"]) for edge in graph["edges"]}
    assert (f"{first}/train/1/output", f"{second}/train/1/output", "reused") in edges
    assert "opaque: its bytes have no canonical value" in scored("lineage", "scored/train[1]@latest").out


def test_lineage_of_a_run(scored: Project) -> None:
    made = run(scored, "-p", "count=12")
    drawing = scored("lineage", "latest").out.splitlines()
    assert drawing[0] == f"run {made} of scored, succeeded"
    assert drawing[3].startswith("● grid (count=12) → plain data, ")
    assert drawing[4].startswith("↓ train[0…11] → 12 items, pickle, ")
    assert drawing[5].startswith("↓ best (bias=0.0) → plain data, 3 B")
    assert len(drawing) == 6
    table = scored("lineage", "latest", "--table").out.splitlines()
    assert len(table) == 2 + 1 + 1 + 14
    assert table[-1].split()[1:] == ["best", "succeeded", "train[…],", "bias", "best"]
    valid(SCHEMAS["lineage"], scored("lineage", made, "--json").json)


def test_the_digest_is_derived_anew_and_checked(scored: Project) -> None:
    made = scored("run", "scored.py", "--json").json
    assert scored("lineage", "latest", "--digest").out.strip() == made["lineage_digest"]
    told = scored("lineage", "latest", "--digest", "--json").json
    valid(VARIANTS["lineage --digest"], told)
    assert told["verified"] is True
    path = scored.root / f".pipeglot/store/runs/{made['run_id']}/v/best/-/1"
    path.unlink()
    done = scored("lineage", "latest", "--digest", code=1)
    assert "give no lineage digest, and when it ended it was sha256:" in done.err
    assert "`pipeglot store verify`" in done.err
    assert "`--digest` is of a run" in scored("lineage", "scored/best@latest", "--digest", code=2).err


def test_wrong_lineages(scored: Project) -> None:
    run(scored)
    assert "the nearest are at depth 1" in scored("lineage", "latest", "--depth", "0", code=2).err
    assert "has no run `no-run`" in scored("lineage", "no-run", code=2).err
    assert "did you mean `best`?" in scored("lineage", "scored/bst@latest", code=2).err


def test_names_where_an_id_is_asked_for(scored: Project) -> None:
    made = run(scored, "-p", "bias=0.05")
    assert scored("artifact", "get", "scored/best@latest").out == "0.05\n"
    assert scored("artifact", "show", f"scored/best.output@{made[:8]}", "--json").json["id"] == f"{made}/best/output"


def index_files(project: Project) -> list[Path]:
    return sorted((project.root / ".pipeglot/index").glob("*.sqlite"))


def test_the_index_is_never_the_truth(scored: Project) -> None:
    """Removed or broken, nothing is lost; made anew, it says the same; and a run does not touch it."""
    first, second = run(scored), run(scored, "-p", "count=4")
    assert not (scored.root / ".pipeglot/index").exists()
    before = scored("runs", "list", "--json").out, scored("lineage", second, "--json").out
    (path,) = index_files(scored)
    shutil.rmtree(path.parent)
    assert (scored("runs", "list", "--json").out, scored("lineage", second, "--json").out) == before
    path.write_bytes(b"broken" * 1000)
    done = scored("runs", "list", "--json")
    said = "note: the index was made anew from the store: it was damaged (file is not a database)\n"
    assert (done.out, done.err) == (before[0], said)
    built = scored("store", "reindex", "--json").json
    valid(SCHEMAS["store reindex"], built)
    assert {name: built[name] for name in ("path", "runs", "cells")} == {"path": str(path), "runs": 2, "cells": 11}
    assert (scored("runs", "list", "--json").out, scored("lineage", second, "--json").out) == before
    assert scored("store", "reindex").out == f"indexed 2 runs, 11 executions in `{path}`\n"
    assert first in before[0]


def test_a_checkout_that_cannot_hold_an_index(scored: Project) -> None:
    made = run(scored)
    scored.write(".pipeglot/index", "a file")
    done = scored("runs", "list", "--json")
    assert [one["run_id"] for one in done.json] == [made]
    assert "note: the index is made anew for this command only: `" in done.err


def test_a_copied_store_works_where_it_was_copied_to(scored: Project, tmp_path: Path) -> None:
    made = run(scored)
    listed = scored("runs", "list", "--json").json
    drawn = scored("lineage", "latest").out
    elsewhere = Project(tmp_path / "elsewhere")
    elsewhere.write("pipeglot.yaml", CONFIG)
    shutil.copytree(scored.root / ".pipeglot/store", elsewhere.root / ".pipeglot/store")
    shutil.rmtree(scored.root / ".pipeglot")
    assert elsewhere("runs", "list", "--json").json == listed
    assert elsewhere("lineage", "latest").out == drawn
    assert elsewhere("artifact", "get", f"{made}/best/output").out == "0.0\n"
    assert elsewhere("store", "verify").code == 0


def test_verify_names_what_is_damaged(scored: Project) -> None:
    scored.replace("scored.py", "return bias", 'return "x" * 9000')
    made = run(scored)
    whole = scored("store", "verify")
    assert whole.out.endswith("all is there, and whole\n")
    assert whole.out.startswith("1 run: read ")
    valid(SCHEMAS["store verify"], scored("store", "verify", "--json").json)
    blob = next(path for path in (scored.root / ".pipeglot/store/blobs").glob("*/*") if path.stat().st_size > 9000)
    blob.chmod(0o600)
    blob.write_bytes(blob.read_bytes()[:-1] + b"?")
    assert scored("store", "verify", "--quick").code == 0
    done = scored("store", "verify", code=1)
    assert done.out.startswith(f"damaged: `blobs/{blob.parent.name}/{blob.name}` does not match its name")
    assert f"  touches best of run {made[:10]} (`output`)" in done.out
    assert done.out.endswith("1 damaged or missing\n")
    assert "hint: compute a damaged or missing result again (`pipeglot run TARGET --from STEP`)" in done.err
    assert run(scored, "--from", "best") != made
    assert scored("store", "verify").out.endswith("all is there, and whole\n")
    blob.chmod(0o600)
    blob.write_bytes(b"?")
    next(scored.root.glob(".pipeglot/store/runs/*/end/1")).write_text("pipeglot 99 x\n{}")
    done = scored("store", "verify", code=1)
    assert done.err.startswith("hint: compute a damaged")
    assert "hint: a later pipeglot wrote what is newer: update this one to read it\n" in done.err
    report = scored("store", "verify", "--json", code=1).json
    valid(SCHEMAS["store verify"], report)
    assert report["troubles"][0]["touches"][0]["step"] == "best"


def test_verify_of_no_store_and_of_a_foreign_one(project: Project) -> None:
    project.write("pipeglot.yaml", CONFIG)
    done = project("store", "verify", code=2)
    assert "there is no store at `file://" in done.err
    assert "`-C DIR` and `--stack NAME` look elsewhere" in done.err
    assert project("store", "reindex").out == "indexed 0 runs, 0 executions\n"
    project.write(".pipeglot/store/notes.txt", "mine")
    assert "is not empty and is no store" in project("store", "verify", code=1).err


def test_only_commands_that_ask_import_a_database(scored: Project) -> None:
    assert "sqlite3" not in modules(scored, "run", "scored.py")
    assert "sqlite3" not in modules(scored, "runs", "show", "latest")
    assert "sqlite3" not in modules(scored, "artifact", "show", "scored/best@latest")
    assert "sqlite3" in modules(scored, "runs", "list")


def test_a_run_is_exported_for_other_catalogs(scored: Project) -> None:
    found = run(scored)
    lines = scored("lineage", "export", found[:8], "--openlineage").out.splitlines()
    events = [json.loads(line) for line in lines]
    assert [events[0]["job"]["name"], events[-1]["eventType"]] == ["scored", "COMPLETE"]
    assert {event["job"]["name"] for event in events} == {"scored", "scored.grid", "scored.train", "scored.best"}
    assert scored("lineage", "export", found, "--openlineage", "-o", "run.jsonl").out == ""
    assert (scored.root / "run.jsonl").read_text().splitlines() == lines
    scored("lineage", "export", found, "--openlineage", "-o", "run.jsonl", "--force", "--namespace", "risk")
    assert '"namespace":"risk"' in (scored.root / "run.jsonl").read_text()


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["latest"], "the format is not said", "`pipeglot lineage export latest --openlineage`"),
        (["latest", "--openlineage", "--namespace", " "], "`--namespace` is empty", "as `--namespace risk`"),
        (["latest", "--openlineage", "-o", "scored.py"], "`scored.py` is there already", "`--force` to replace it"),
        (["latest", "--openlineage", "-o", "no/such"], "`no/such` cannot be written: No such file or directory", ""),
        (["nothere", "--openlineage"], "has no run `nothere`", "`pipeglot runs list` shows them"),
    ],
)
def test_what_is_not_exported(scored: Project, words: list[str], message: str, hint: str) -> None:
    run(scored)
    done = scored("lineage", "export", *words, code=2)
    assert message in done.err
    assert hint in done.err
