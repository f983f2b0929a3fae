"""Many processes on one store; a store that is copied or moved while an index of it lies there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.conftest import Project
from tests.e2e.crowd import AT_ONCE, Crowd

CONFIG = "stacks:\n  local: {{backend: local, store: {}}}\n"


def test_sixteen_processes_and_readers_on_one_store(tmp_path: Path) -> None:
    """`python -m tests.e2e.crowd 100` is more of the same."""
    crowd = Crowd(tmp_path)
    crowd.work(rounds=2)
    crowd.check()
    assert crowd.wrong == []
    assert len(crowd.made) == 2 * AT_ONCE
    assert min(crowd.done[what] for what in ("runs list", "store reindex", "store verify", "lineage latest")) > 0
    assert crowd.done["steps cached"] > crowd.done["steps run"] > 0


def test_a_crowd_that_gets_something_wrong_is_noticed(tmp_path: Path) -> None:
    crowd = Crowd(tmp_path)
    (tmp_path / "two/helper.py").write_text("FACTOR = 2\n")
    crowd.work(rounds=1)
    for path in tmp_path.glob("store/journal/*"):
        path.unlink()
        break
    crowd.check()
    assert any("is of other code" in one for one in crowd.wrong)
    assert any("was taken from the other checkout" in one for one in crowd.wrong)
    assert any("has no marker in the journal" in one for one in crowd.wrong)
    assert any("15 runs are listed, and 16 were made" in one for one in crowd.wrong)


# --- copied and moved -------------------------------------------------------------------------------------------------


@pytest.fixture
def made(flow: Project) -> Project:
    """With two runs, and an index of them."""
    flow.write("pipeglot.yaml", CONFIG.format("shared"))
    flow("run", "flow.py")
    flow("run", "flow.py", "-p", "count=4")
    flow("runs", "list")
    return flow


def ids(project: Project) -> list[str]:
    return [one["run_id"] for one in project("runs", "list", "--json").json]


def test_a_copy_and_what_it_was_copied_from_go_apart(made: Project) -> None:
    both = ids(made)
    shutil.copytree(made.root / "shared", made.root / "copy")
    made.write("pipeglot.yaml", CONFIG.format("copy"))
    assert ids(made) == both
    again = made("run", "flow.py", "--json").json
    assert all(one["cached"] for one in again["steps"] if one["status"] == "succeeded")
    assert ids(made) == [again["run_id"], *both]
    made.write("pipeglot.yaml", CONFIG.format("shared"))
    assert ids(made) == both
    made("runs", "show", again["run_id"], code=2)


def test_a_store_is_moved_and_another_comes_into_its_place(made: Project) -> None:
    both = ids(made)
    (made.root / "shared").rename(made.root / "moved")
    assert ids(made) == [], "its index was of what lay there before"
    other = made("run", "flow.py", "-p", "count=5", "--json").json["run_id"]
    assert ids(made) == [other]
    assert f"{other}/" in made("lineage", "flow/total@latest", "--json").out
    made.write("pipeglot.yaml", CONFIG.format("moved"))
    assert ids(made) == both
    assert made("store", "verify").out.endswith("all is there, and whole\n")
    (made.root / "shared").rename(made.root / "other")
    (made.root / "moved").rename(made.root / "shared")
    made.write("pipeglot.yaml", CONFIG.format("shared"))
    assert ids(made) == both


def test_after_a_backup_was_put_back_a_new_index_shows_what_is_there(made: Project) -> None:
    """A run that ended after the backup was made is open in it."""
    shutil.copytree(made.root / "shared", made.root / "backup")
    latest = ids(made)[0]
    (end,) = (made.root / "backup/runs" / latest / "end").iterdir()
    end.unlink()
    (verdict,) = (made.root / "backup/runs" / latest / "v/tell/-").iterdir()
    verdict.unlink()
    shutil.rmtree(made.root / "shared")
    (made.root / "backup").rename(made.root / "shared")
    assert made("runs", "show", latest, "--json").json["status"] == "lost"
    made("store", "reindex")
    assert made("runs", "list", "--json").json[0]["status"] == "lost"
