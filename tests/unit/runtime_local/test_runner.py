"""The local runner does what the design says a run means."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from pipeglot.core.ir import (
    Branch,
    Cache,
    Condition,
    IsIn,
    IsNone,
    ListOf,
    Map,
    Output,
    Resources,
    Retry,
    Returns,
    Truth,
)
from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.records import Failure
from pipeglot.core.store import open_store
from pipeglot.core.store.base import Store
from pipeglot.runtime_local.listener import Silent
from tests.unit.lineage.build import const, item, mapped, out
from tests.unit.runtime_local.conftest import NONE, Bench, work

PAIR = Returns(
    form="namedtuple",
    ref="tests.unit.runtime_local.work:Pair",
    outputs=(Output(name="left", type="int"), Output(name="right")),
)


def test_values_pass_from_step_to_step(bench: Bench) -> None:
    nodes = (
        work("numbers", given={"n": 4}),
        Map(
            id="plus",
            over={"x": out("numbers")},
            body=(work("plus", "add", given={"y": 10}, inputs={"x": item("plus")}),),
        ),
        work("total", inputs={"xs": out("plus")}),
        work("pair", given={"x": 3}, returns=PAIR),
        work("use_pair", inputs={"p": out("pair")}),
        work("left", "add", inputs={"x": out("pair", "left")}),
        work("waits", given={"x": 5}),
    )
    view = bench.run(*nodes)
    assert view.status == "succeeded"
    assert view.lineage_digest is not None
    assert bench.value(view, "plus", 2) == 12
    assert bench.value(view, "total") == 46
    assert bench.value(view, "use_pair") == 9
    assert bench.value(view, "left") == 3
    assert bench.value(view, "waits") == 5


def test_a_map_over_nothing_gives_an_empty_list(bench: Bench) -> None:
    nodes = (
        work("numbers", given={"n": 0}),
        mapped("add", out("numbers"), work("add", inputs={"x": item("add")})),
        work("total", inputs={"xs": out("add")}),
    )
    view = bench.run(*nodes)
    assert bench.states(view) == {"numbers": "succeeded", "total": "succeeded"}
    assert bench.value(view, "total") == 0


def test_two_lists_of_unlike_lengths_fail_with_both(bench: Bench) -> None:
    both = Map(
        id="add",
        over={"x": const([1, 2]), "y": const([1])},
        body=(work("add", inputs={"x": item("add", "x"), "y": item("add", "y")}),),
    )
    view = bench.run(both)
    error = bench.step(view, "add").error
    assert error is not None
    assert error.message == "map `add` steps through its lists together, but `x` has 2, `y` has 1 items"


def test_the_context_tells_where_a_step_is(bench: Bench) -> None:
    view = bench.run(mapped("context", const([0]), work("context")), n=7)
    assert bench.value(view, "context", 0) == ["p", "context", [0], 1, 7, "local"]


def test_a_failure_is_shown_from_the_users_first_line(bench: Bench) -> None:
    view = bench.run(work("fail", given={"x": 2}), work("one"), work("after", "one", after=("fail",)))
    assert bench.states(view) == {"fail": "failed", "one": "succeeded", "after": "skipped"}
    error = bench.step(view, "fail").error
    assert error is not None
    assert (error.cause, error.type, error.message) == ("raised", "ValueError", "no good: 2")
    lines = error.traceback.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1].endswith(", in fail")
    assert lines[-1] == "ValueError: no good: 2"


# --- retries ------------------------------------------------------------------------------------------------------


def test_a_flaky_step_succeeds_at_its_third_attempt(bench: Bench, marks: Path) -> None:
    heard: list[tuple[int, str]] = []

    class Ears(Silent):
        def retrying(self, cell: Cell, attempt: int, failure: Failure, delay: float) -> None:
            heard.append((attempt, failure.message))

    flaky = work("flaky", given={"folder": str(marks), "times": 2}, retry=Retry(attempts=3, delay=0.01))
    view = bench.run(flaky, listener=Ears())
    assert view.status == "succeeded"
    assert bench.step(view, "flaky").attempts == 3
    assert sorted(mark.read_text() for mark in marks.iterdir()) == ["1", "2", "3"]
    assert heard == [(2, "attempt 1"), (3, "attempt 2")]
    assert [one.observed.attempt for one in bench.ledger.attempts(view.run_id, "flaky", ())] == [1, 2]


def test_retries_run_out(bench: Bench, marks: Path) -> None:
    flaky = work("flaky", given={"folder": str(marks), "times": 9}, retry=Retry(attempts=2))
    view = bench.run(flaky)
    assert view.status == "failed"
    assert bench.step(view, "flaky").attempts == 2


def test_only_the_named_exceptions_are_tried_again(bench: Bench, marks: Path) -> None:
    given = {"folder": str(marks), "times": 9}
    assert bench.run(work("flaky", given=given, retry=Retry(attempts=3, on=("ValueError",)))).status == "failed"
    assert len(list(marks.iterdir())) == 1


def test_permanent_is_never_tried_again(bench: Bench, marks: Path) -> None:
    bench.run(work("permanent", given={"folder": str(marks)}, retry=Retry(attempts=3)))
    assert len(list(marks.iterdir())) == 1


# --- timeouts and dead processes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("function", ["busy_in_c", "busy_in_python", "sleeps_in_a_thread"])
def test_a_timeout_ends_whatever_the_step_is_doing(bench: Bench, function: str) -> None:
    view = bench.run(work(function, timeout=0.3), work("one"))
    error = bench.step(view, function).error
    assert error is not None
    assert (error.cause, error.message) == ("timeout", "ran longer than its timeout of 0.3 s")
    assert bench.step(view, "one").status == "succeeded"


def test_a_timeout_ends_child_processes(bench: Bench, marks: Path) -> None:
    bench.run(work("child_process", given={"folder": str(marks)}, timeout=0.5))
    assert not _runs(int((marks / "pid").read_text()))


def test_a_timeout_lets_finally_blocks_run(bench: Bench, marks: Path) -> None:
    bench.run(work("leaves_a_mark", given={"folder": str(marks)}, timeout=0.3))
    assert (marks / "finally").exists()


def test_a_timeout_is_tried_again(bench: Bench) -> None:
    view = bench.run(work("busy_in_python", timeout=0.2, retry=Retry(attempts=2)))
    assert bench.step(view, "busy_in_python").attempts == 2


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("killed", "the process that ran the step was ended by SIGKILL"),
        ("segfault", "the process that ran the step was ended by SIGSEGV"),
        ("exits", "the process that ran the step ended with exit code 7 in the middle of the step"),
        ("sys_exits", "the step called `sys.exit(3)`"),
    ],
)
def test_a_step_whose_process_ends_has_failed(bench: Bench, function: str, message: str) -> None:
    view = bench.run(work(function), work("one"), work("two", "one"))
    error = bench.step(view, function).error
    assert error is not None
    assert error.message == message
    assert bench.states(view) == {function: "failed", "one": "succeeded", "two": "succeeded"}


def test_a_step_that_forks_has_one_result(bench: Bench) -> None:
    view = bench.run(work("forks"))
    assert bench.value(view, "forks") == 2


def _runs(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


# --- what a step prints, its secrets and environment --------------------------------------------------------------


def test_all_that_a_step_prints_is_in_its_log(bench: Bench) -> None:
    view = bench.run(work("says", given={"words": "hello"}, returns=NONE))
    lines = bench.log(view, "says").splitlines()
    assert lines[:3] == ["print hello", "raw hello", "child hello"]
    assert lines[3].endswith("INFO mine: logged hello")


def test_the_log_of_a_killed_step_is_kept(bench: Bench) -> None:
    view = bench.run(work("busy_in_python", "says_then_hangs", timeout=0.5))
    assert bench.log(view, "busy_in_python") == "last words\n"


def test_a_secret_is_nowhere_in_the_store(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "correct-horse")
    step = work("tells_its_secret", secrets=("PASSWORD",))
    view = bench.run(step, secrets={"PASSWORD": "env:DB_PASSWORD"})
    error = bench.step(view, "tells_its_secret").error
    assert error is not None
    assert error.message == "cannot log in with ***"
    assert bench.log(view, "tells_its_secret") == "the password is ***\n"
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"correct-horse" in path.read_bytes()]


@pytest.mark.parametrize(
    ("secrets", "message"),
    [
        ({}, "the stack maps no secret `PASSWORD`"),
        ({"PASSWORD": "env:NOT_SET"}, "secret `PASSWORD`: the environment variable `NOT_SET` is not set"),
        ({"PASSWORD": "file:/no/such"}, "secret `PASSWORD`: `/no/such` cannot be read: No such file or directory"),
        ({"PASSWORD": "k8s:a/b"}, "secret `PASSWORD`: this backend cannot read `k8s:`"),
    ],
)
def test_a_secret_that_cannot_be_had(bench: Bench, secrets: dict[str, str], message: str) -> None:
    view = bench.run(work("tells_its_secret", secrets=("PASSWORD",)), secrets=secrets)
    error = bench.step(view, "tells_its_secret").error
    assert error is not None
    assert error.message == message


def test_env_is_set_for_its_step_only_and_steps_run_at_the_root(bench: Bench) -> None:
    nodes = (work("a", "environment", env={"GREETING": "hi"}), work("b", "environment", after=("a",)))
    view = bench.run(*nodes, max_parallel=1)
    root = Path(__file__).parents[3].name
    assert bench.value(view, "a") == ["hi", root]
    assert bench.value(view, "b") == ["", root]


def test_metrics_are_recorded_and_come_from_the_cache_too(bench: Bench) -> None:
    steps = [bench.step(bench.run(work("measures", returns=NONE)), "measures") for _ in range(2)]
    assert [step.metrics for step in steps] == [{"auc": 0.75, "rows": 3.0}] * 2
    assert [step.cached for step in steps] == [False, True]


def test_files_go_from_step_to_step(bench: Bench) -> None:
    nodes = (work("makes_a_file", given={"text": "hello"}), work("reads_a_file", inputs={"path": out("makes_a_file")}))
    assert bench.value(bench.run(*nodes), "reads_a_file") == ".txt:hello"


@pytest.mark.parametrize(
    ("function", "returns", "message"),
    [
        ("wrong_shape", PAIR, "step `a` is declared to return a tuple of `left`, `right`, but returned a `tuple` of 3"),
        ("one", NONE, "step `a` is declared to return nothing (`-> None`), but returned a `int`"),
    ],
)
def test_a_result_that_is_not_what_was_declared(bench: Bench, function: str, returns: Returns, message: str) -> None:
    error = bench.step(bench.run(work("a", function, returns=returns)), "a").error
    assert error is not None
    assert error.message == message


def test_a_value_that_cannot_be_stored_names_its_output(bench: Bench) -> None:
    error = bench.step(bench.run(work("unpicklable")), "unpicklable").error
    assert error is not None
    assert error.cause == "output"
    assert "output of step `unpicklable`" in error.message


# --- limits -------------------------------------------------------------------------------------------------------


def _most_at_once(marks: Path) -> int:
    spans = [tuple(map(float, mark.read_text().split())) for mark in marks.iterdir()]
    return max(sum(began <= at < ended for began, ended in spans) for at, _ in spans)


@pytest.mark.parametrize(
    ("settings", "options", "most"),
    [
        ({"max_parallel": 3}, {}, 3),
        ({"max_parallel": 1}, {}, 1),
        ({"max_parallel": 3, "pipeline_limit": 2}, {}, 2),
        ({"max_parallel": 3}, {"max_parallel": 2}, 2),
        ({"max_parallel": 3, "pools": {"gpu": 1}}, {"pool": "gpu"}, 1),
    ],
)
def test_no_more_run_at_once_than_is_allowed(
    bench: Bench, marks: Path, settings: dict[str, Any], options: dict[str, Any], most: int
) -> None:
    seconds = 0.1 if most == 1 else 0.6  # on a busy machine a worker comes late, and has to meet the others
    body = work("who", given={"folder": str(marks), "seconds": seconds}, resources=Resources(cpu=1), **options)
    view = bench.run(mapped("who", const(list(range(6))), body), **settings)
    assert view.status == "succeeded"
    assert _most_at_once(marks) == most


def test_urgent_steps_go_first(bench: Bench, marks: Path) -> None:
    nodes = [work(f"s{i}", "who", given={"folder": str(marks), "seconds": i / 100}, priority=i) for i in range(4)]
    order: list[str] = []

    class Ears(Silent):
        def running(self, cell: Cell, attempt: int) -> None:
            order.append(cell[0])

    bench.run(*nodes, max_parallel=1, listener=Ears())
    assert order == ["s3", "s2", "s1", "s0"]


# --- the cache ----------------------------------------------------------------------------------------------------


def test_a_second_run_takes_all_from_the_cache(bench: Bench, marks: Path) -> None:
    nodes = (work("who", given={"folder": str(marks)}), work("add", inputs={"x": out("who")}))
    first, second = bench.run(*nodes), bench.run(*nodes)
    assert [step.cached for step in first.steps] == [False, False]
    assert [step.cached for step in second.steps] == [True, True]
    assert first.lineage_digest == second.lineage_digest
    assert bench.value(second, "who") == bench.value(first, "who")
    assert len(list(marks.iterdir())) == 1


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ({"cache": Cache(enabled=False)}, {}),
        ({}, {"cache": False}),
        ({"trigger": "all_done"}, {}),
    ],
)
def test_what_is_not_cached_runs_again(
    bench: Bench, marks: Path, options: dict[str, Any], settings: dict[str, Any]
) -> None:
    step = work("who", given={"folder": str(marks)}, **options)
    for _ in range(2):
        assert not bench.run(step, **settings).steps[0].cached
    assert len(list(marks.iterdir())) == 2


@pytest.mark.parametrize(
    "changed",
    [{"cache": Cache(version="2")}, {"env": {"A": "1"}}, {"packages": ("x==1",)}, {"given": {"x": 2}}],
)
def test_what_changes_the_key_makes_the_step_run_again(bench: Bench, changed: dict[str, Any]) -> None:
    bench.run(work("add", given={"x": 1}))
    assert not bench.run(work("add", **({"given": {"x": 1}} | changed))).steps[0].cached


@pytest.mark.parametrize(
    "changed",
    [
        {"retry": Retry(attempts=2)},
        {"timeout": 9.0},
        {"resources": Resources(cpu=2)},
        {"tags": ("a",)},
        {"priority": 1},
    ],
)
def test_what_does_not_change_the_key_leaves_it_cached(bench: Bench, changed: dict[str, Any]) -> None:
    bench.run(work("add", given={"x": 1}))
    assert bench.run(work("add", given={"x": 1}, **changed)).steps[0].cached


def test_an_expired_result_is_computed_again(bench: Bench) -> None:
    step = work("one", cache=Cache(expires=0.0))
    bench.run(step)
    again = bench.run(step).steps[0]
    assert not again.cached
    assert again.why.startswith("the cached result expired")


def test_a_result_whose_artifact_is_gone_is_computed_again(bench: Bench, tmp_path: Path) -> None:
    step = work("makes_a_file", given={"text": "x" * 10_000})
    bench.run(step)
    for blob in (tmp_path / "store" / "blobs").rglob("*"):
        if blob.is_file():
            blob.unlink()
    again = bench.run(step).steps[0]
    assert (again.cached, again.why) == (False, "the artifact of output `output` is gone")


def test_a_damaged_artifact_fails_its_consumer_and_is_made_anew_by_the_next_run(bench: Bench, tmp_path: Path) -> None:
    nodes = (
        work("makes_a_file", given={"text": "x" * 10_000}),
        work("reads_a_file", inputs={"path": out("makes_a_file")}, cache=Cache(enabled=False)),
    )
    bench.run(nodes[0])
    blob = next(path for path in (tmp_path / "store" / "blobs").rglob("*") if path.is_file())
    blob.chmod(0o600)
    blob.write_bytes(b"y" * blob.stat().st_size)
    broken = bench.run(*nodes)
    assert bench.states(broken) == {"makes_a_file": "succeeded", "reads_a_file": "failed"}
    error = bench.step(broken, "reads_a_file").error
    assert error is not None
    assert error.cause == "input"
    again = bench.run(*nodes)
    assert again.status == "succeeded"
    assert bench.value(again, "reads_a_file").startswith(".txt:xxx")


def test_a_failed_step_is_not_cached(bench: Bench) -> None:
    assert bench.run(work("fail")).status == "failed"
    assert bench.run(work("fail")).status == "failed"


# --- clean-up and cancelling --------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["one", "fail"])
def test_clean_up_runs_after_success_and_failure(bench: Bench, marks: Path, first: str) -> None:
    tidy = work("tidy", given={"folder": str(marks)}, trigger="all_done", after=(first,), returns=NONE)
    bench.run(work(first), tidy)
    assert (marks / "tidied").read_text() == str(first == "fail")


def test_cancelling_ends_what_runs_and_still_cleans_up(bench: Bench, marks: Path) -> None:
    folder = {"folder": str(marks)}
    nodes = (
        work("one"),
        work("leaves_a_mark", given=folder, after=("one",), returns=NONE),
        work("child_process", given=folder, after=("one",), returns=NONE),
        work("waiting", "fail", after=("one",), returns=NONE),
        work("after", "one", after=("leaves_a_mark",)),
        work("tidy", given=folder, trigger="all_done", after=("leaves_a_mark",), returns=NONE),
    )

    class Interrupter(Silent):
        def tick(self) -> None:
            if (marks / "pid").exists() and not self.done:
                self.done = True
                signal.raise_signal(signal.SIGINT)

        done = False

    view = bench.run(*nodes, listener=Interrupter())
    assert view.status == "cancelled"
    assert view.lineage_digest is None
    assert bench.states(view) == {
        "one": "succeeded",
        "leaves_a_mark": "cancelled",
        "child_process": "cancelled",
        "waiting": "cancelled",
        "after": "skipped",
        "tidy": "succeeded",
    }
    assert (marks / "finally").exists()
    assert (marks / "tidied").read_text() == "True"
    assert not _runs(int((marks / "pid").read_text()))
    assert bench.run(work("one")).steps[0].cached


def test_a_condition_looks_into_what_a_map_gave_and_into_a_written_list(bench: Bench) -> None:
    """Both are lists of what is in the records."""
    given = mapped("add", const([1, 2]), work("add", inputs={"x": item("add")}))
    written = ListOf(items=(out("one"), const(7)))

    def branch(number: int, when: Condition) -> Branch:
        return Branch(id=f"b{number}", when=when, then=(work(f"then{number}", "one"),))

    view = bench.run(
        work("one"),
        given,
        branch(1, IsIn(value=const(2), among=out("add"))),
        branch(2, IsIn(value=const(3), among=out("add"))),
        branch(3, IsIn(value=const(1), among=written)),
        branch(4, Truth(value=out("add"))),
        branch(5, IsNone(value=out("add"))),
    )
    states = bench.states(view)
    assert [states[f"then{number}"] for number in range(1, 6)] == [
        *("succeeded", "skipped", "succeeded", "succeeded", "skipped"),
    ]


def test_workers_of_a_durable_store_are_durable(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they write is to survive a power cut as what the runner writes does."""
    opened = list[bool]()

    def noted(uri: str, *, durable: bool, **options: Any) -> Store:
        opened.append(durable)
        return open_store(uri, durable=durable, **options)

    monkeypatch.setattr("pipeglot.core.workers.worker.open_store", noted)
    for durable in (True, False):
        assert bench.run(work("numbers", given={"n": 1 + durable}), inline=True, durable=durable).status == "succeeded"
    assert opened == [True, False]
