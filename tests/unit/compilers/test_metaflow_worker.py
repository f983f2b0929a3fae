"""What a task of Metaflow's does with the item that it has, and what it puts on its flow. Metaflow is a fake here."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import msgspec
import pytest

from pipeglot.compilers.metaflow.ends import end_file
from pipeglot.compilers.metaflow.place import TaskPlace
from pipeglot.core.ir import Branch, Retry
from pipeglot.core.lineage.keys import run_id
from pipeglot.core.lineage.records import Cancel
from tests.unit.lineage.build import above, item, mapped, out
from tests.unit.runtime_local.conftest import NONE, work
from tests.unit.task.conftest import ROOT, Engine

MODULE = "pipeglot.compilers.metaflow.worker"


class Flow:
    """Tasks of one flow: each has a fresh flow object, with what a join or a task before has put on it."""

    def __init__(self, engine: Engine, module: Any, current: SimpleNamespace) -> None:
        self.engine = engine
        self.module = module
        self.current = current
        self.run = ""
        self.tags: list[tuple[str, str]] = []
        self.untaggable = ""

    def tag(self, run: str, tag: str) -> None:
        if self.untaggable:
            raise ConnectionError(self.untaggable)
        self.tags.append((run, tag))

    def ends(self, began: str = "17", run: str = "17") -> Path:
        """The file that tells the tasks of a run to end."""
        return end_file("far", "p", began, run)

    def worker(self, **words: Any) -> Any:
        return self.module.Worker(msgspec.to_builtins(self.engine.deployed), **words)

    def task(self, given: Any = None, **params: Any) -> Any:
        self.current.parameter_names = list(params)
        return SimpleNamespace(input=given, pipeglot_run=self.run, _foreach_stack=[], **params)

    def begin(self, worker: Any, **params: Any) -> None:
        flow = self.task(**{"n": 7, "pipeglot_wishes": "", **params})
        worker.begin(flow)
        self.run = flow.pipeglot_run


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flow]:
    monkeypatch.setenv("PIPEGLOT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(ROOT)
    current = SimpleNamespace(run_id="17", origin_run_id=None, flow_name="p", pathspec="p/17/x/1", retry_count=0)
    metaflow, exception = ModuleType("metaflow"), ModuleType("metaflow.exception")
    metaflow.current = current  # type: ignore[attr-defined]
    exception.MetaflowException = type("MetaflowException", (Exception,), {})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "metaflow", metaflow)
    monkeypatch.setitem(sys.modules, "metaflow.exception", exception)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    monkeypatch.setattr(os, "environ", os.environ.copy())  # of what a worker puts there, nothing stays
    found = Flow(Engine(tmp_path), importlib.import_module(MODULE), current)
    metaflow.Run = lambda name, _namespace_check: SimpleNamespace(  # type: ignore[attr-defined]
        add_tag=lambda tag: found.tag(name, tag)
    )
    yield found
    sys.modules.pop(MODULE, None)


def test_a_step_leaves_the_ids_of_its_artifacts(flow: Flow, capfd: pytest.CaptureFixture[str]) -> None:
    flow.engine.deploy(work("one"))
    worker, task = flow.worker(), flow.task()
    flow.begin(worker)
    task = flow.task()
    worker.step(task, "one")
    run = run_id("far", "p", "17")
    assert task.ref_one == {"output": f"{run}/one/output"}
    told = capfd.readouterr().out.splitlines()
    assert told[:3] == [f"pipeglot: run {run[:10]}", "pipeglot: step one", f"pipeglot: run {run[:10]}"]
    worker.end(flow.task())


def test_parameters(flow: Flow) -> None:
    """By their names in the pipeline; those that are None were not given."""
    flow.engine.deploy(work("one"))
    worker = flow.worker(params={"n_2": "n"}, texts=["n"])
    begun = flow.task(n_2="12", pipeglot_wishes='{"tags": {"a": "b"}}', logical=None)
    worker.begin(begun)
    start = flow.engine.ledger.started(run_id("far", "p", "17"))
    assert start is not None
    assert (start.params, start.tags) == ({"n": 12}, {"a": "b"})


@pytest.mark.parametrize(
    ("given", "found"),
    [("CH", "CH"), ("3", "3"), ("null", "null"), (r'"\u0024{x}"', "${x}"), ('"half', '"half'), ("", "")],
)
def test_texts_that_are_json_if_they_are_no_plain_word(flow: Flow, given: str, found: str) -> None:
    flow.engine.deploy(work("one"))
    worker = flow.worker(params={"n_2": "n"}, quoted=["n"])
    assert worker._given(flow.task(n_2=given)) == {"n": found}


def test_what_is_refused_is_told_without_a_traceback(flow: Flow) -> None:
    flow.engine.deploy(work("one"))
    worker = flow.worker(texts=["n"])
    with pytest.raises(flow.module.StepFailed, match=r"parameter `n`.*hello") as error:
        worker.begin(flow.task(n='"hello"'))
    assert error.value.__suppress_context__


def test_items_and_those_that_share_a_task(flow: Flow) -> None:
    flow.engine.deploy(
        work("numbers", given={"n": 3}), mapped("each", out("numbers"), work("add", inputs={"x": item("each")}))
    )
    worker = flow.worker()
    flow.begin(worker)
    worker.step(flow.task(), "numbers")
    assert worker.items(flow.task(), "each") == [[0], [1], [2]]
    assert worker.items(flow.task(), "each", most=2) == [[[0], [1]], [[2]]]
    for given in ([0], [[1], [2]]):
        worker.step(flow.task(given), "add")
    worker.end(flow.task())
    verdicts = [flow.engine.ledger.verdict(run_id("far", "p", "17"), "add", (index,)) for index in range(3)]
    assert [one and one.status for one in verdicts] == ["succeeded"] * 3


def test_an_empty_list_has_one_item_with_which_nothing_is_done(flow: Flow, capfd: pytest.CaptureFixture[str]) -> None:
    flow.engine.deploy(
        work("numbers", given={"n": 0}), mapped("each", out("numbers"), work("add", inputs={"x": item("each")}))
    )
    worker = flow.worker()
    flow.begin(worker)
    worker.step(flow.task(), "numbers")
    (nothing,) = worker.items(flow.task(), "each")
    assert nothing == []
    task = flow.task(nothing)
    worker.step(task, "add")
    assert not hasattr(task, "ref_add")
    assert worker.items(flow.task(nothing), "each") == [[]], "nor has a map in it any"
    assert worker.choose(flow.task(nothing), "each") == "otherwise"
    assert "skipped: the map has no items" in capfd.readouterr().out
    worker.end(flow.task())


def test_steps_of_a_foreach(flow: Flow) -> None:
    """Each task has the name of its step, and the item of the map around it."""
    flow.engine.deploy(
        work("numbers", given={"n": 2}), mapped("each", out("numbers"), work("add", inputs={"x": item("each")}))
    )
    worker = flow.worker()
    flow.begin(worker)
    (first,) = worker.steps(flow.task(), ["numbers"])
    worker.step(flow.task(first))
    for index in ([0], [1]):
        (inner,) = worker.steps(flow.task(index), ["add"])
        task = flow.task(inner)
        worker.step(task)
        assert task.ref_add["output"].endswith(f"/add/{index[0]}/output")
    worker.end(flow.task())


def test_a_join_hands_on_the_items_around_it(flow: Flow) -> None:
    flow.engine.deploy(work("one"))
    joined = flow.task()
    joined._foreach_stack = [SimpleNamespace(var="each_row")]
    before = SimpleNamespace(pipeglot_run="17", each_row=[[0], [1]])
    flow.worker().join(joined, [before])
    assert (joined.pipeglot_run, joined.each_row) == ("17", [[0], [1]])


def test_arms(flow: Flow) -> None:
    branch = Branch(id="when", when=above("numbers", 1), then=(work("one"),))
    flow.engine.deploy(work("numbers", "one"), branch)
    worker = flow.worker()
    flow.begin(worker)
    assert worker.choose(flow.task(), "when") == "otherwise", "what it needs is not there"
    worker.step(flow.task(), "numbers")
    assert worker.choose(flow.task(), "when") == "then"


def test_a_failure_is_carried_to_the_end(flow: Flow, capfd: pytest.CaptureFixture[str]) -> None:
    flow.engine.deploy(work("fail", retry=Retry(attempts=2)), work("add", inputs={"x": out("fail")}))
    worker = flow.worker()
    flow.begin(worker)
    with pytest.raises(flow.module.StepFailed, match="step `fail` is tried again: ValueError: no good: 0"):
        worker.step(flow.task(), "fail")
    flow.current.retry_count = 1
    worker.step(flow.task(), "fail")
    assert "pipeglot: failed: this task ends well" in capfd.readouterr().out
    flow.current.retry_count = 0
    worker.step(flow.task(), "add")
    with pytest.raises(flow.module.StepFailed, match="a step has failed: `pipeglot runs show` tells which"):
        worker.end(flow.task())


def test_all_tries_in_one_task(flow: Flow) -> None:
    flow.engine.deploy(work("fail", retry=Retry(attempts=7)))
    worker = flow.worker()
    flow.begin(worker)
    worker.step(flow.task(), "fail", tries="here")
    verdict = flow.engine.ledger.verdict(run_id("far", "p", "17"), "fail", ())
    assert verdict is not None
    assert (verdict.status, verdict.observed.attempt) == ("failed", 7)


def test_all_tries_in_a_task_that_was_killed_before(flow: Flow) -> None:
    """Metaflow starts it a second time, and says so: the tries are those that left a record, not its own."""
    flow.engine.deploy(work("fail", retry=Retry(attempts=7)))
    worker = flow.worker()
    flow.begin(worker)
    flow.current.retry_count = 3
    worker.step(flow.task(), "fail", tries="here")
    ledger, run = flow.engine.ledger, run_id("far", "p", "17")
    assert [one.observed.attempt for one in ledger.attempts(run, "fail", ())] == [1, 2, 3, 4, 5, 6]
    verdict = ledger.verdict(run, "fail", ())
    assert verdict is not None
    assert (verdict.status, verdict.observed.attempt) == ("failed", 7)


def test_limits_are_metaflows_as_if_the_command_line_said_so(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flow that is run by hand has them, too; what its user says comes first."""
    flow.engine.deploy(work("one"))
    names = [name for name in os.environ if name.endswith(("_MAX_WORKERS", "_MAX_NUM_SPLITS"))]
    for name in names:
        monkeypatch.delenv(name)
    monkeypatch.setenv("METAFLOW_RESUME_MAX_WORKERS", "7")
    flow.worker(most=3)
    assert os.environ["METAFLOW_RUN_MAX_WORKERS"] == os.environ["METAFLOW_ARGO_WORKFLOWS_CREATE_MAX_WORKERS"] == "3"
    assert os.environ["METAFLOW_RESUME_MAX_WORKERS"] == "7"
    assert int(os.environ["METAFLOW_RUN_MAX_NUM_SPLITS"]) > 100


def test_a_failure_that_ends_the_run_and_tells_the_others(flow: Flow) -> None:
    flow.engine.deploy(work("fail"), work("one"))
    worker = flow.worker(on_failure="native")
    flow.begin(worker)
    with pytest.raises(flow.module.StepFailed, match="`fail` has failed: ValueError: no good: 0"):
        worker.step(flow.task(), "fail")
    assert flow.ends().exists()


def test_a_run_that_metaflow_resumes_goes_on_with_ours(flow: Flow) -> None:
    """Its tasks count from one again: a step that has failed runs again, in an attempt of its own."""
    flow.engine.deploy(work("fail"))
    worker = flow.worker()
    flow.begin(worker)
    worker.step(flow.task(), "fail")
    flow.current.run_id, flow.current.origin_run_id = "18", "17"
    worker.step(flow.task(), "fail")
    verdict = flow.engine.ledger.verdict(run_id("far", "p", "17"), "fail", (), 2)
    assert verdict is not None
    assert verdict.observed.attempt == 2


def test_a_run_that_is_resumed_before_it_kept_its_id(flow: Flow) -> None:
    flow.engine.deploy(work("one"))
    worker = flow.worker()
    flow.begin(worker)
    flow.current.run_id, flow.current.origin_run_id = "18", "17"
    flow.begin(worker)
    assert flow.run == "17"
    flow.current.run_id, flow.current.origin_run_id = "20", "19"
    flow.begin(worker)
    assert flow.run == "20", "the one before had not begun"


# --- told to end ------------------------------------------------------------------------------------------------------


@contextmanager
def once_there(marks: Path, do: Any) -> Iterator[None]:
    """Do it as soon as a step has left a mark."""

    def wait() -> None:
        while not any(marks.iterdir()):
            time.sleep(0.02)
        do()

    thread = threading.Thread(target=wait)
    thread.start()
    yield
    thread.join()


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder


def naps(flow: Flow, marks: Path, **more: Any) -> Any:
    """A worker whose step sleeps, and has begun its run."""
    flow.engine.deploy(work("nap_first", given={"folder": str(marks)}, returns=NONE, **more))
    worker = flow.worker()
    flow.begin(worker)
    return worker


def send(number: signal.Signals) -> Any:
    return lambda: os.kill(os.getpid(), number)


def test_a_signal_to_one_task_is_a_lost_attempt_and_metaflow_tries_again(flow: Flow, marks: Path) -> None:
    worker = naps(flow, marks, retry=Retry(attempts=2))
    with (
        once_there(marks, send(signal.SIGTERM)),
        pytest.raises(flow.module.StepFailed, match=r"`nap_first` is tried again: WorkerDied: .* was ended by SIGTERM"),
    ):
        worker.step(flow.task(), "nap_first")
    run = run_id("far", "p", "17")
    assert flow.engine.ledger.verdict(run, "nap_first", ()) is None
    assert [one.observed.attempt for one in flow.engine.ledger.attempts(run, "nap_first", ())] == [1]
    flow.current.retry_count = 1
    worker.step(flow.task(), "nap_first")
    verdict = flow.engine.ledger.verdict(run, "nap_first", ())
    assert verdict is not None
    assert (verdict.status, verdict.observed.attempt) == ("succeeded", 2)
    worker.end(flow.task())


def test_a_signal_where_all_tries_are_made_in_one_task(flow: Flow, marks: Path) -> None:
    worker = naps(flow, marks, retry=Retry(attempts=7))
    with once_there(marks, send(signal.SIGTERM)):
        worker.step(flow.task(), "nap_first", tries="here")
    verdict = flow.engine.ledger.verdict(run_id("far", "p", "17"), "nap_first", ())
    assert verdict is not None
    assert (verdict.status, verdict.observed.attempt) == ("succeeded", 2)


def test_a_signal_in_the_last_attempt(flow: Flow, marks: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It has failed, as if its own process had died: what does not need it goes on."""
    worker = naps(flow, marks)
    with once_there(marks, send(signal.SIGTERM)):
        worker.step(flow.task(), "nap_first")
    assert "pipeglot: failed: this task ends well" in capfd.readouterr().out
    verdict = flow.engine.ledger.verdict(run_id("far", "p", "17"), "nap_first", ())
    assert verdict is not None
    assert verdict.status == "failed"
    assert verdict.observed.failure is not None
    assert verdict.observed.failure.message == "the process that ran the step was ended by SIGTERM"


def test_a_signal_between_two_tries_is_one_of_them(
    flow: Flow, marks: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    given = {"folder": str(marks), "times": 1}
    flow.engine.deploy(work("flaky", given=given, retry=Retry(attempts=2, delay=600)))
    worker = flow.worker()
    flow.begin(worker)
    with pytest.raises(flow.module.StepFailed, match="ConnectionError: attempt 1"):
        worker.step(flow.task(), "flaky")
    flow.current.retry_count = 1
    monkeypatch.setattr(TaskPlace, "show", lambda _, text: send(signal.SIGTERM)() if "begins in" in text else None)
    worker.step(flow.task(), "flaky")
    assert "pipeglot: failed: this task ends well" in capfd.readouterr().out
    verdict = flow.engine.ledger.verdict(run_id("far", "p", "17"), "flaky", ())
    assert verdict is not None
    assert (verdict.status, verdict.observed.attempt) == ("failed", 2)
    assert len([*marks.iterdir()]) == 1


def test_ctrl_c_is_a_cancelled_step_whose_task_ends_badly(flow: Flow, marks: Path) -> None:
    worker = naps(flow, marks)
    with (
        once_there(marks, send(signal.SIGINT)),
        pytest.raises(flow.module.StepFailed, match="step `nap_first` was cancelled, for this task was interrupted"),
    ):
        worker.step(flow.task(), "nap_first")
    verdict = flow.engine.ledger.verdict(run_id("far", "p", "17"), "nap_first", ())
    assert verdict is not None
    assert verdict.status == "cancelled"


@pytest.mark.parametrize("on_failure", ["carry", "native"])
@pytest.mark.parametrize("how", ["file", "ledger"])
def test_whoever_ends_the_run_lets_its_tasks_end_well(
    flow: Flow, marks: Path, how: str, on_failure: str, capfd: pytest.CaptureFixture[str]
) -> None:
    flow.engine.deploy(work("nap_first", given={"folder": str(marks)}, returns=NONE))
    worker = flow.worker(on_failure=on_failure)
    flow.begin(worker)
    run = run_id("far", "p", "17")

    def tell() -> None:
        if how == "file":
            flow.ends().touch()
        else:
            flow.engine.ledger.cancel(Cancel(run=run, at="2026-11-22T12:00:00+00:00", by="test"))
            os.kill(os.getpid(), signal.SIGTERM)  # as a container is ended with its run

    with once_there(marks, tell):
        worker.step(flow.task(), "nap_first")
    verdict = flow.engine.ledger.verdict(run, "nap_first", ())
    assert verdict is not None
    assert verdict.status == "cancelled"
    assert "pipeglot: cancelled: this task ends well" in capfd.readouterr().out
    if how == "file":
        assert flow.ends().exists()
    with pytest.raises(flow.module.StepFailed, match="the run was cancelled"):
        worker.end(flow.task())
    assert not flow.ends().exists(), "nothing comes after the last task"


def test_a_signal_is_for_the_attempt_that_it_comes_to(tmp_path: Path) -> None:
    place = TaskPlace(tmp_path / "ends", 30)
    with place.listening(cleans=False) as told:
        assert not told()
        send(signal.SIGTERM)()
        assert told()
        assert (place.ends_alone, place.grace) == (True, 3), "whoever sends it may kill soon"
        (tmp_path / "ends").touch()
        assert told()
        assert (place.ends_alone, place.was_told) == (False, True), "it was for the run"
        (tmp_path / "ends").unlink()
    other = TaskPlace(tmp_path / "ends", 30)
    with other.listening(cleans=False) as told:
        send(signal.SIGTERM)()
        assert told()
    with other.listening(cleans=False) as told:
        assert (other.ends_alone, other.was_signalled) == (False, False)
        assert not told()
        assert other.grace == 30


# --- the file that tells them -----------------------------------------------------------------------------------------


def test_runs_of_one_number_have_files_of_their_own(flow: Flow) -> None:
    """A metadata service counts anew for each flow, and there are several of them."""
    assert len({end_file("far", "p", "1", "1"), end_file("far", "q", "1", "1"), end_file("near", "p", "1", "1")}) == 3
    assert end_file("far", "p", "1", "1") != end_file("far", "p", "1", "2"), "what resumes a run that was cancelled"


def test_a_run_begins_without_the_file_of_another_one(flow: Flow, tmp_path: Path) -> None:
    flow.engine.deploy(work("one"))
    worker = flow.worker()
    long_ago, lately = flow.ends("3", "3"), flow.ends("4", "4")
    for file in (flow.ends(), long_ago, lately):
        file.touch()
    os.utime(long_ago, (0, 0))
    flow.begin(worker)
    assert [*(tmp_path / "cache").glob("metaflow-end-*")] == [lately]


# --- as Metaflow finds it ---------------------------------------------------------------------------------------------


def test_the_tag_is_our_id_of_the_run(flow: Flow) -> None:
    flow.engine.deploy(work("one"))
    flow.begin(flow.worker())
    assert flow.tags == [("p/17", f"pipeglot_run:{run_id('far', 'p', '17')}")]


def test_a_run_that_cannot_be_tagged_goes_on(flow: Flow, capfd: pytest.CaptureFixture[str]) -> None:
    flow.engine.deploy(work("one"))
    flow.untaggable = "the service is away"
    worker = flow.worker()
    flow.begin(worker)
    tag = f"pipeglot_run:{run_id('far', 'p', '17')}"
    assert f"pipeglot: Metaflow's run has no tag `{tag}`: the service is away" in capfd.readouterr().out
    worker.step(flow.task(), "one")
    worker.end(flow.task())
