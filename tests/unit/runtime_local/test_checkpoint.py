"""`checkpoint()`: what a step saved of itself is there when it is tried again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeglot.core.checkpoints import checkpoint
from pipeglot.core.errors import Corrupt, UsageError
from pipeglot.core.ir import Retry
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.checkpoints import Checkpoints
from pipeglot.core.lineage.records import Start
from tests.unit.lineage.build import RUN, const, item, mapped
from tests.unit.runtime_local.conftest import NONE, Bench, work

RETRY = Retry(attempts=3)


def test_what_was_saved_survives_a_killed_worker_and_a_failure(bench: Bench, marks: Path) -> None:
    step = work("counts", given={"folder": str(marks), "until": 6, "kill_at": 2}, retry=RETRY)
    view = bench.run(step)
    assert bench.value(view, "counts") == [3, 6, True, 3], "killed at 2, failed at 3, begun again at 3"
    assert bench.ledger.last_checkpoint(view.run_id, "counts", ()) == 6


def test_the_first_attempt_finds_nothing_and_each_run_begins_anew(bench: Bench, marks: Path) -> None:
    step = work("counts", given={"folder": str(marks), "until": 2})
    for _ in range(2):
        assert bench.value(bench.run(step, cache=False), "counts") == [0, 2, False, 1]


def test_the_items_of_a_map_have_their_own(bench: Bench, marks: Path) -> None:
    step = work(
        "counts", given={"folder": str(marks), "kill_at": 1}, inputs={"until": item("counts")}, retry=Retry(attempts=4)
    )
    view = bench.run(mapped("counts", const([3, 5]), step), max_parallel=1)
    assert [bench.value(view, "counts", i)[1] for i in range(2)] == [3, 5]


def test_checkpoints_are_no_part_of_lineage_or_of_the_cache(bench: Bench, marks: Path) -> None:
    step = work("counts", given={"folder": str(marks), "until": 2})
    first, second = bench.run(step), bench.run(step)
    assert bench.step(second, "counts").cached
    assert first.lineage_digest == second.lineage_digest


@pytest.mark.parametrize(
    ("kind", "message", "hint"),
    [
        (
            "outside",
            "`save()` of a checkpoint was used outside its `with` block",
            "write `with checkpoint() as c:`, and use `c` in the lines below it",
        ),
        (
            "nested",
            "step `odd_checkpoint` opens a checkpoint within a checkpoint",
            "an execution has one saved state: keep all of it in one `c.dir`",
        ),
        (
            "gone",
            "the folder of the checkpoint is gone: `",
            "write into `c.dir`, and leave the folder itself where it is",
        ),
        ("link", "checkpoint of step `odd_checkpoint` cannot be stored: `", "copy what it points to into the folder"),
        ("socket", "checkpoint of step `odd_checkpoint` cannot be stored: `", ""),
    ],
)
def test_what_cannot_be_saved_says_why(bench: Bench, kind: str, message: str, hint: str) -> None:
    view = bench.run(work("odd_checkpoint", given={"kind": kind}, returns=NONE))
    error = bench.step(view, "odd_checkpoint").error
    assert error is not None
    assert error.message.startswith(message)
    assert error.hint.startswith(hint)


# --- resuming ---------------------------------------------------------------------------------------------------------


class Again:
    """Attempts at one cell, in this process."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.scratch = bench.folder / "scratch"
        self.scratch.mkdir()

    def at(self, run: str = RUN, resumes: str | None = None, key: str = "k") -> Checkpoints:
        start = Start(
            run=run,
            pipeline="p",
            stack="s",
            backend="local",
            ir="",
            params={},
            created="2026-01-01T00:00:00+00:00",
            logical_date="2026-01-01T00:00:00+00:00",
            resumes=resumes,
        )
        return Checkpoints(
            self.bench.ledger, self.bench.artifacts, start, ("a", ()), attempt=1, key=lambda: key, scratch=self.scratch
        )

    def save(self, text: str, keeper: Checkpoints) -> None:
        folder, _ = keeper.restore()
        (folder / "state").write_text(text)
        keeper.save(folder)

    def found(self, keeper: Checkpoints) -> str | None:
        folder, restored = keeper.restore()
        return (folder / "state").read_text() if restored else None


@pytest.fixture
def again(bench: Bench) -> Again:
    return Again(bench)


OTHER, THIRD = keys.run_id("s", "p", "2"), keys.run_id("s", "p", "3")


def test_a_resumed_run_goes_on_from_the_run_before(again: Again) -> None:
    again.save("old", again.at())
    assert again.found(again.at(OTHER)) is None, "a run that resumes none has its own states only"
    assert again.found(again.at(OTHER, resumes=RUN)) == "old"
    assert again.found(again.at(THIRD, resumes=OTHER)) == "old", "though it saved none of its own"
    again.save("new", again.at(OTHER, resumes=RUN))
    assert again.found(again.at(OTHER, resumes=RUN)) == "new"


def test_a_run_that_was_stopped_before_it_came_to_it_does_not_cost_the_state(again: Again) -> None:
    again.save("old", again.at())
    stopped = again.at(OTHER, resumes=RUN).start
    again.bench.ledger.start(stopped)
    assert again.bench.ledger.last_checkpoint(OTHER, "a", ()) == 0
    assert again.found(again.at(THIRD, resumes=OTHER)) == "old"


def test_a_state_of_other_code_or_inputs_is_not_put_back(again: Again) -> None:
    again.save("old", again.at())
    assert again.found(again.at(OTHER, resumes=RUN, key="other")) is None


def test_two_who_save_at_once_do_not_lose_a_state(again: Again) -> None:
    one, two = again.at(), again.at()
    folder, _ = one.restore()
    two.restore()
    for number, keeper in enumerate((one, two, one, two)):
        (folder / "state").write_text(str(number))
        keeper.save(folder)
    assert again.bench.ledger.last_checkpoint(RUN, "a", ()) == 4
    assert again.found(again.at()) == "3"


def test_a_damaged_state_is_passed_over(again: Again, capsys: pytest.CaptureFixture[str]) -> None:
    again.save("good", again.at())
    again.save("x" * 10_000, again.at())
    for blob in (again.bench.folder / "store" / "blobs").rglob("*"):
        if blob.is_file():
            blob.unlink()
    assert again.found(again.at()) == "good"
    assert "checkpoint 2 is passed over: " in capsys.readouterr().err
    record = again.bench.folder / "store" / keys.checkpoint(RUN, "a", (), 1)
    record.chmod(0o600)
    record.write_bytes(b"torn")
    assert again.found(again.at()) is None


def test_links_empty_folders_and_executables_come_back_and_can_be_written(again: Again) -> None:
    keeper = again.at()
    folder, _ = keeper.restore()
    (folder / "bin").mkdir()
    (folder / "empty").mkdir()
    (folder / "bin" / "run").write_text("#!/bin/sh")
    (folder / "bin" / "run").chmod(0o755)
    (folder / "large").write_bytes(os.urandom(300_000))
    (folder / "here").symlink_to("bin/run")
    keeper.save(folder)
    back, restored = again.at().restore()
    assert restored
    assert sorted(path.relative_to(back).as_posix() for path in back.rglob("*")) == [
        "bin",
        "bin/run",
        "empty",
        "here",
        "large",
    ]
    assert (back / "here").readlink() == Path("bin/run")
    assert os.access(back / "bin" / "run", os.X_OK)
    with (back / "large").open("ab") as file:  # and not into the store's own file
        file.write(b"more")
    assert (again.at().restore()[0] / "large").stat().st_size == 300_000


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7, 8, 100])
def test_the_latest_is_found_without_a_listing(bench: Bench, count: int) -> None:
    for number in range(1, count + 1):
        assert bench.store.put(keys.checkpoint(RUN, "a", (3,), number), b"")
    assert bench.ledger.last_checkpoint(RUN, "a", (3,)) == count


def test_a_record_of_another_cell_is_refused(again: Again) -> None:
    again.save("good", again.at())
    data = again.bench.store.get(keys.checkpoint(RUN, "a", (), 1))
    assert data is not None
    again.bench.store.put(keys.checkpoint(RUN, "b", (), 1), data)
    with pytest.raises(Corrupt, match="is the record of another cell"):
        again.bench.ledger.checkpoint(RUN, "b", (), 1)


# --- without a run ----------------------------------------------------------------------------------------------------


def test_the_plain_function_has_a_folder_and_finds_nothing() -> None:
    with checkpoint() as c:
        assert (c.restored, list(c.dir.iterdir())) == (False, [])
        (c.dir / "x").write_text("1")
        c.save()
        folder = c.dir
    assert not folder.exists()
    with pytest.raises(UsageError, match=r"`dir` of a checkpoint was used outside its `with` block"):
        _ = c.dir
    with checkpoint() as c, pytest.raises(UsageError, match="open already"), c:
        pass
