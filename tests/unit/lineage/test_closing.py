"""A run whose process is gone is ended in the ledger: once, by whoever comes first."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.errors import NotFound
from pipeglot.core.ir import Pipeline
from pipeglot.core.lineage.closing import close
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.records import Cancel, Start
from pipeglot.core.lineage.view import StepView, read_view
from pipeglot.core.store import open_store
from pipeglot.core.task import closing
from pipeglot.core.task.closing import look_before
from tests.unit.lineage.build import RUN, item, mapped, out, pipeline, step, verdict

MADE = pipeline(
    step("numbers"),
    mapped("m", out("numbers"), step("double", x=item("m"))),
    step("total", xs=out("double")),
    step("tidy", after=("total",), trigger="all_done"),
)


class Left:
    """A run in a store, as its process left it."""

    def __init__(self, folder: Path, made: Pipeline = MADE) -> None:
        store = open_store(folder / "store")
        self.ledger, self.artifacts = Ledger(store), Artifacts(store)
        self.start = self.ledger.start(
            Start(
                run=RUN,
                pipeline="p",
                stack="local",
                backend="local",
                ir=self.ledger.put_ir(made),
                params={},
                created="2026-01-01T00:00:00+00:00",
                logical_date="2026-01-01T00:00:00+00:00",
            )
        )

    def close(self) -> str:
        return close(self.ledger, self.artifacts, RUN).status

    def steps(self) -> dict[tuple[str, tuple[int, ...]], StepView]:
        return {(one.id, one.index): one for one in read_view(self.ledger, self.artifacts, RUN).steps}


@pytest.fixture
def left(tmp_path: Path) -> Left:
    return Left(tmp_path)


def test_open_cells_are_lost_and_what_needs_them_is_skipped(left: Left) -> None:
    left.ledger.commit(verdict(("numbers", ()), [1, 2]))
    left.ledger.commit(verdict(("double", (1,)), 4))
    assert left.close() == "lost"
    found = {cell: one.status for cell, one in left.steps().items()}
    assert found == {
        ("numbers", ()): "succeeded",
        ("double", (0,)): "lost",
        ("double", (1,)): "succeeded",
        ("total", ()): "skipped",
        ("tidy", ()): "lost",
    }
    ended = left.ledger.ended(RUN)
    assert ended is not None
    assert (ended.status, ended.digest) == ("lost", None)


def test_after_a_request_to_stop_they_are_cancelled(left: Left) -> None:
    left.ledger.cancel(Cancel(run=RUN, at="2026-01-01T00:00:00+00:00", by="a person"))
    assert left.close() == "cancelled"
    assert {one.status for one in left.steps().values()} == {"cancelled", "skipped"}


@pytest.mark.parametrize("ended_beside", [(), ("lost",)], ids=["not begun", "killed"])
@pytest.mark.parametrize("asked", [False, True])
def test_what_an_engine_ends_after_a_failure_does_not_hide_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: bool, ended_beside: tuple[str, ...]
) -> None:
    """Unless somebody asked for its end. Either way it has no digest, for not all of it ran."""
    monkeypatch.setattr(closing, "PATIENCE", 0.0)
    left = Left(tmp_path, pipeline(step("bad"), step("beside"), step("later")))
    left.ledger.commit(verdict(("bad", ()), status="failed"))
    for status in ended_beside:
        left.ledger.commit(verdict(("beside", ()), status=status))
    if asked:
        left.ledger.cancel(Cancel(run=RUN, at="2026-01-01T00:00:00+00:00"))
    before = look_before(left.ledger, left.artifacts, left.start)
    status = left.close()
    assert status == ("cancelled" if asked else "failed")
    assert before.outcome == status
    ended = left.ledger.ended(RUN)
    assert ended is not None
    assert ended.digest is None
    view = read_view(left.ledger, left.artifacts, RUN)
    assert (view.status, view.lineage_digest) == (status, None)


def test_a_run_with_nothing_left_to_do_only_gets_its_end(tmp_path: Path) -> None:
    left = Left(tmp_path, pipeline(step("a")))
    left.ledger.commit(verdict(("a", ()), 1))
    assert left.close() == "succeeded"
    ended = left.ledger.ended(RUN)
    assert ended is not None
    assert ended.digest is not None


def test_a_second_one_finds_the_first(left: Left) -> None:
    assert left.close() == "lost"
    left.ledger.cancel(Cancel(run=RUN, at="2026-01-02T00:00:00+00:00"))
    assert left.close() == "lost"


def test_a_process_that_comes_back_is_fenced(left: Left) -> None:
    left.ledger.commit(verdict(("numbers", ()), [1]))
    left.close()
    assert left.ledger.commit(verdict(("double", (0,)), 2)).status == "lost"
    assert left.steps()["double", (0,)].status == "lost"


def test_a_run_that_is_not_there(left: Left) -> None:
    with pytest.raises(NotFound, match="has no run"):
        close(left.ledger, left.artifacts, RUN[::-1])
