"""A run that resumes another takes over what that had finished, and runs the rest."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from pipeglot.core.errors import NotFound
from pipeglot.core.ir import AnyNode, Cache, CodeRef, Step
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.lineage.records import Origin, Start, Verdict
from pipeglot.core.lineage.view import RunView, read_run
from pipeglot.runtime_local.listener import Silent
from pipeglot.runtime_local.runner import Origins
from tests.unit.lineage.build import const, item, mapped, out
from tests.unit.runtime_local.conftest import NONE, Bench, work

NEVER = Cache(enabled=False)


@pytest.fixture
def token(marks: Path) -> Step:
    """Gives the number of its process, and leaves a mark each time that it runs. It is never cached."""
    return work("token", "who", given={"folder": str(marks)}, cache=NEVER)


FAILS = work("fails", "fail", inputs={"x": out("token")}, returns=NONE)
PLUS = work("plus", "add", inputs={"x": out("token")})


def resume(bench: Bench, old: RunView, *nodes: AnyNode, **settings: Any) -> RunView:
    return bench.run(*nodes, origins=Origins(resumes=old.run_id), **settings)


def ran(marks: Path) -> int:
    return len(list(marks.iterdir()))


def changed(step: Step) -> Step:
    """The same step with other code."""
    return structs.replace(step, code=CodeRef(module=step.code.module, qualname=step.code.qualname, digest="1" * 64))


def test_what_is_never_cached_is_taken_over(bench: Bench, marks: Path, token: Step) -> None:
    old = bench.run(token, FAILS)
    assert old.status == "failed"
    new = resume(bench, old, token, FAILS)
    assert ran(marks) == 1
    assert new.resumes == old.run_id
    assert bench.value(new, "token") == bench.value(old, "token")
    taken = bench.step(new, "token")
    assert taken.outputs == {"output": f"{new.run_id}/token/output"}
    assert taken.origin == Origin(run=old.run_id, step="token")
    assert taken.why == f"taken from run {old.run_id}, which this one resumes"
    assert bench.step(new, "fails").why.endswith("; it had not succeeded in the run that this one resumes")


def test_the_fixed_run_has_the_digest_of_one_that_never_failed(bench: Bench, marks: Path) -> None:
    nodes = work("numbers", given={"n": 3}, cache=NEVER), work("total", inputs={"xs": out("numbers")}, cache=NEVER)
    whole = bench.run(*nodes)
    half = bench.run(nodes[0], changed(work("total", "fail", returns=NONE, inputs={"x": out("numbers")})))
    assert half.status == "failed"
    new = resume(bench, half, *nodes)
    assert new.status == "succeeded"
    assert bench.step(new, "numbers").origin == Origin(run=half.run_id, step="numbers")
    assert new.lineage_digest == whole.lineage_digest


def test_other_code_runs_again_and_so_does_what_gets_other_values(bench: Bench, marks: Path, token: Step) -> None:
    plus = structs.replace(PLUS, cache=NEVER)
    old = bench.run(token, plus, FAILS)
    new = resume(bench, old, changed(token), plus, FAILS)
    assert ran(marks) == 2
    why = "the step is never cached; its code or its inputs differ from those in the run that this one resumes"
    assert bench.step(new, "token").why == bench.step(new, "plus").why == why
    assert bench.value(new, "plus") == bench.value(new, "token")


@pytest.mark.parametrize("declared", [{"env": {"A": "1"}}, {"cache": Cache(enabled=False, version="2")}])
def test_what_a_step_declares_counts_as_in_the_cache(
    bench: Bench, marks: Path, token: Step, declared: dict[str, Any]
) -> None:
    old = bench.run(token, FAILS)
    resume(bench, old, structs.replace(token, **declared), FAILS)
    assert ran(marks) == 2


def test_the_old_run_comes_before_the_cache(bench: Bench, marks: Path, token: Step) -> None:
    cached = structs.replace(token, cache=Cache())
    old = bench.run(cached, FAILS)
    between = bench.run(cached, FAILS, cache=False)
    assert bench.value(between, "token") != bench.value(old, "token")
    new = resume(bench, old, cached, FAILS)
    assert bench.value(new, "token") == bench.value(old, "token")


def test_items_of_a_map_one_by_one(bench: Bench) -> None:
    def nodes(bad: int) -> tuple[AnyNode, ...]:
        one = work("at", "fail_at", given={"bad": 1}, inputs={"x": item("at")}, cache=NEVER)
        fixed = structs.replace(one, inputs={**one.inputs, "bad": const(bad)})
        return (
            work("numbers", given={"n": 3}),
            mapped("at", out("numbers"), fixed),
            work("total", inputs={"xs": out("at")}),
        )

    old = bench.run(*nodes(1))
    assert bench.states(old)["at[1]"] == "failed"
    new = resume(bench, old, *nodes(1))
    assert [bench.step(new, "at", i).cached for i in range(3)] == [True, False, True]
    assert bench.states(new)["total"] == "skipped"
    other = resume(bench, old, *nodes(9))
    assert bench.value(other, "total") == 3


def test_a_resumed_run_can_be_resumed_and_names_who_computed(bench: Bench, marks: Path, token: Step) -> None:
    first = bench.run(token, FAILS)
    second = resume(bench, first, token, FAILS)
    third = resume(bench, second, token, FAILS)
    assert ran(marks) == 1
    assert third.resumes == second.run_id
    assert bench.step(third, "token").origin == Origin(run=first.run_id, step="token")
    _, state = read_run(bench.ledger, bench.artifacts, third.run_id)
    assert isinstance(state.entries["token", ()].verdict, Verdict)


def test_clean_up_steps_run_in_every_run(bench: Bench, marks: Path) -> None:
    tidy = work("tidy", given={"folder": str(marks)}, returns=NONE, trigger="all_done", after=("fails",))
    fails = work("fails", "fail", returns=NONE)
    old = bench.run(fails, tidy)
    (marks / "tidied").unlink()
    resume(bench, old, fails, tidy)
    assert (marks / "tidied").exists()


def test_a_missing_blob_is_computed_again(bench: Bench, marks: Path) -> None:
    large = work("says", "makes_a_file", given={"text": "x" * 100_000}, cache=NEVER)
    old = bench.run(large, work("fail", returns=NONE))
    for path in (bench.folder / "store" / "blobs").rglob("*"):
        if path.is_file():
            path.unlink()
    new = resume(bench, old, large, work("fail", returns=NONE))
    assert not bench.step(new, "says").cached
    assert "in the run that this one resumes, the artifact of output `output` is gone" in bench.step(new, "says").why


def test_a_damaged_input_is_not_taken_over_for_ever(bench: Bench, marks: Path) -> None:
    made = work("made", "makes_a_file", given={"text": "x" * 100_000}, cache=NEVER)
    reads = work("reads", "reads_a_file", inputs={"path": out("made")})
    _, (blob,) = bench.run(made), [path for path in (bench.folder / "store" / "blobs").rglob("*") if path.is_file()]
    old = bench.run(made, work("fail", returns=NONE))
    blob.chmod(0o600)
    blob.write_bytes(b"y" * blob.stat().st_size)
    first = resume(bench, old, made, reads)
    assert bench.states(first) == {"made": "succeeded", "reads": "failed"}
    second = resume(bench, first, made, reads)
    assert bench.states(second) == {"made": "succeeded", "reads": "succeeded"}
    assert "its result in the run that this one resumes is damaged" in bench.step(second, "made").why


def test_anew_also_replaces_what_the_cache_has(bench: Bench, marks: Path, token: Step) -> None:
    cached = structs.replace(token, cache=Cache())
    first = bench.run(cached)
    anew = bench.run(cached, anew=("token",))
    assert bench.step(anew, "token").why == "the run was told to run it anew, with --from"
    third = bench.run(cached)
    assert bench.value(third, "token") == bench.value(anew, "token") != bench.value(first, "token")
    assert bench.value(third, "token") != os.getpid()


def test_a_run_that_is_not_there(bench: Bench, token: Step) -> None:
    with pytest.raises(NotFound, match="has no run"):
        bench.run(token, origins=Origins(resumes="a" * 24))
    assert bench.ledger.runs() == []


class Cancels(Silent):
    """Cancels the run when it begins."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def begun(self, start: Start, plan: Plan) -> None:
        signal.raise_signal(signal.SIGINT)


def test_one_that_was_stopped_at_once_does_not_cost_what_the_one_before_it_had(
    bench: Bench, marks: Path, token: Step
) -> None:
    first = bench.run(token, FAILS)
    stopped = resume(bench, first, work("one", cache=NEVER), work("two", "one", cache=NEVER), listener=Cancels(bench))
    assert stopped.status == "cancelled"
    third = resume(bench, stopped, token, FAILS)
    assert ran(marks) == 1
    assert bench.step(third, "token").origin == Origin(run=first.run_id, step="token")
    assert bench.step(third, "token").why == f"taken from run {first.run_id}, which this one resumes"


def test_the_run_before_the_one_that_is_resumed_may_be_gone(bench: Bench, marks: Path, token: Step) -> None:
    first = bench.run(token, FAILS)
    second = resume(bench, first, work("one"), work("fails", "fail", returns=NONE))
    (bench.folder / "store" / keys.start(first.run_id)).unlink()
    third = resume(bench, second, token, work("fails", "fail", returns=NONE))
    assert (ran(marks), bench.step(third, "token").cached) == (2, False)


def test_hooks_run_in_every_run(bench: Bench, marks: Path) -> None:
    told = work("told", "who", given={"folder": str(marks)})
    fails = work("fails", "fail", returns=NONE)
    old = bench.run(fails, on_failure=(told,))
    new = resume(bench, old, fails, on_failure=(told,))
    assert bench.states(old) == bench.states(new) == {"fails": "failed", "told": "succeeded"}
    assert not bench.step(new, "told").cached
