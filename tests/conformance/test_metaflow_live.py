"""Runs of Metaflow that nobody of ours follows, and what can happen to them: both sides tell the truth."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeglot.compilers.metaflow.flows import Flows
from pipeglot.compilers.metaflow.interpreter import Interpreter
from tests.conformance.backends import ENGINES
from tests.conformance.backends.metaflow import SHARED, OnMetaflow
from tests.conformance.live import OnEngine, ancestor, is_alive, states, until, written
from tests.conformance.results import Tally
from tests.conformance.suite import HERE, STACK
from tests.e2e.conftest import ENVIRONMENT
from tests.servers.metaflow import Metaflow
from tests.servers.sandbox import PATIENCE, held

pytestmark = pytest.mark.whole

FLOW = """\
import os
import time
from pathlib import Path

from pipeglot import each, one_of, otherwise, pipeline, step, when


@step
def numbers(count: int) -> list[int]:
    return list(range(count))


@step
def double(x: int) -> int:
    return 2 * x


@step
def total(xs: list[int]) -> int:
    return sum(xs)


@pipeline
def wide(count: int = 3) -> None:
    total(double.map(each(numbers(count))))


@pipeline
def map_in_an_arm(count: int = 3) -> None:
    xs = numbers(count)
    with when(total(xs) > 1):
        found = total.with_options(name="all")(double.map(each(xs)))
    with otherwise():
        other = double.with_options(name="other")(1)
    double.with_options(name="last")(one_of(found, other))


@pipeline
def arm_after_a_map(count: int = 3) -> None:
    found = total(double.map(each(numbers(count))))
    with when(found > 4):
        double.with_options(name="large")(found)
    with otherwise():
        double.with_options(name="small")(found)


@step
def next(index: int) -> int:
    return index + 1


@pipeline
def input(name: int = 1, index: int = 2, obj: int = 3) -> None:
    \"\"\"Names that Metaflow has for itself.\"\"\"
    end = next.with_options(name="end")(name)
    start = next.with_options(name="start")(index)
    total.with_options(name="cmd")([next(obj), end, start])


@step
def bad() -> int:
    time.sleep(1)
    raise ValueError("no good")


@step
def first(folder: str) -> int:
    Path(folder, f"first-{time.monotonic_ns()}").touch()
    return 1


@step
def gate(folder: str, x: int) -> int:
    Path(folder, "gate").write_text(str(os.getpid()))
    while not Path(folder, "go").exists():
        time.sleep(0.1)
    return x


@pipeline
def gated(folder: str) -> None:
    double(gate(folder, first(folder)))


@step
def slow(folder: str) -> int:
    Path(folder, "slow").touch()
    time.sleep(600)
    return 1


@pipeline
def beside(folder: str) -> None:
    double(slow(folder))
    bad()
"""


class OnLive(OnEngine):
    """Metaflow, whose runs nobody follows."""

    backend: OnMetaflow

    def __init__(self, server: Metaflow, folder: Path) -> None:
        super().__init__(ENGINES["metaflow"], server, folder)
        self.server = server
        self.project.write("shapes.py", FLOW)
        shutil.copy(HERE / "native.py", self.project.root)

    def begin(self, target: str, **params: Any) -> str:
        """The id of a run of what is in another file."""
        self.project("deploy", target, "--stack", STACK)
        return self.backend.start(target.partition(":")[2], params, cache=True)

    def flow(self, pipeline: str) -> Path:
        """The file that is deployed."""
        found = Flows(self.backend.remote.interpreter.kept, STACK).newest(pipeline)
        assert found is not None
        return found

    def same(self, pipeline: str, count: int) -> dict[str, Any]:
        """What is recorded of a run, and as it is here."""
        run = self.begin(f"shapes.py:{pipeline}", count=count)
        assert self.backend.wait(pipeline, run)
        words = ("run", f"shapes.py:{pipeline}", "-p", f"count={count}", "--stack", "local", "--no-cache", "--json")
        found, here = self.shown(pipeline, run), self.project(*words).json
        assert (found["status"], found["lineage_digest"]) == ("succeeded", here["lineage_digest"])
        return found


@pytest.fixture(scope="module")
def live(metaflow: Metaflow, engines: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnLive]:
    with held(engines, "metaflow"):
        yield OnLive(metaflow, tmp_path_factory.mktemp("live-metaflow"))


def kill_run(step: int) -> None:
    """The process of a run, by that of a step: between them are what forks the step, and Metaflow's task."""
    os.kill(ancestor(step, 3), signal.SIGKILL)
    until(lambda: not is_alive(step))


def tagged(live: OnLive, pipeline: str, run: str) -> list[str]:
    """The runs that Metaflow's client finds by our id of one."""
    found = Interpreter(live.server.model(STACK))
    runs = f"Flow('{pipeline}').runs('pipeglot_run:{run}')"
    code = f"from metaflow import Flow, namespace; namespace(None); print(*[one.id for one in {runs}])"
    return found.call([str(found.path), "-c", code], PATIENCE).stdout.split()


# --- what happens to a run --------------------------------------------------------------------------------------------


def _is_tried_again(live: OnLive, marks: str, sent: signal.Signals) -> tuple[str, Any]:
    """The run whose task was sent a signal, by Metaflow's id, and how it is shown."""
    folder = live.marks(marks)
    run = live.start("killed", folder=str(folder))
    pid = int(until(lambda: written(folder / "again-1")))
    os.kill(ancestor(pid, 2), sent)
    assert live.backend.wait("killed", run)
    until(lambda: not is_alive(pid))
    found = live.shown("killed", run)
    assert found["status"] == "succeeded"
    assert states(found) == {"again": ("succeeded", 2)}
    return run, found


def test_a_task_process_that_is_killed_is_tried_again(live: OnLive, tally: Tally) -> None:
    with tally.of(live.title, "a task's process killed"):
        _is_tried_again(live, "killed", signal.SIGKILL)


def test_a_task_that_is_told_to_end_is_tried_again(live: OnLive) -> None:
    """As a machine that is taken away tells it: nobody has asked for the end of the run."""
    run, found = _is_tried_again(live, "told", signal.SIGTERM)
    assert tagged(live, "killed", found["run_id"]) == [run]


def test_a_step_that_is_told_to_end_and_is_not_tried_again(live: OnLive) -> None:
    """It has failed: what does not need it goes on."""
    folder = live.marks("told-once")
    run = live.start("long", folder=str(folder))
    pid = int(until(lambda: written(folder / "note-1")))
    os.kill(ancestor(pid, 2), signal.SIGTERM)
    assert not live.backend.wait("long", run)
    found = live.shown("long", run)
    assert {name: status for name, (status, _) in states(found).items()} == {
        "note": "failed",
        "double": "skipped",
        "tidy": "succeeded",
    }
    assert (folder / "tidy").exists()


def test_a_run_that_is_killed_is_lost_and_is_gone_on_with(live: OnLive) -> None:
    folder = live.marks("lost")
    words = ["run", "shapes.py:gated", "-p", f"folder={folder}", "--stack", STACK, "--json"]
    with subprocess.Popen(
        live.project.command(*words), cwd=live.project.root, env=ENVIRONMENT, stdout=subprocess.PIPE
    ) as followed:
        kill_run(int(until(lambda: written(folder / "gate"))))
        found = json.loads(followed.communicate(timeout=PATIENCE)[0])
    assert followed.returncode == 1
    assert found["status"] == "lost"
    assert {name: status for name, (status, _) in states(found).items()} == {
        "first": "succeeded",
        "gate": "lost",
        "double": "skipped",
    }
    (folder / "go").touch()
    resumed = live.project("runs", "resume", found["run_id"], "--stack", STACK, "--json").json
    assert (resumed["status"], resumed["resumes"]) == ("succeeded", found["run_id"])
    assert len(list(folder.glob("first-*"))) == 1


def test_a_run_that_is_killed_goes_on_by_metaflows_own_word(live: OnLive) -> None:
    """It is the same run of ours, and what had finished is not run again."""
    folder = live.marks("resumed")
    run = live.begin("shapes.py:gated", folder=str(folder))
    kill_run(int(until(lambda: written(folder / "gate"))))
    assert live.backend.remote.status("gated", run) == "failed"
    (folder / "go").touch()
    assert live.server.flow(live.flow("gated"), "resume", "--origin-run-id", run).wait(PATIENCE) == 0
    found = live.shown("gated", run)
    assert found["status"] == "succeeded"
    assert states(found)["gate"] == ("succeeded", 1)
    assert len(list(folder.glob("first-*"))) == 1


@pytest.mark.whole
def test_a_run_that_is_ended_between_two_tries(live: OnLive, tally: Tally) -> None:
    """The task itself waits, and hears of it."""
    with tally.of(live.title, "ended in the engine: nothing runs"):
        folder = live.marks("waiting")
        run = live.start("waiting", folder=str(folder))
        until((folder / "tried").exists)
        live.backend.cancel("waiting", run)
        assert not live.backend.wait("waiting", run)
        assert (folder / "tidy").exists()
        found = live.shown("waiting", run)
        assert found["status"] == "cancelled"
        assert {name: status for name, (status, _) in states(found).items()} == {
            "never": "cancelled",
            "double": "skipped",
            "tidy": "succeeded",
            "length": "succeeded",
        }


def test_ctrl_c_on_a_flow_that_somebody_has_started_himself(live: OnLive) -> None:
    """Metaflow kills its tasks after 5 s: their steps are recorded as cancelled by then."""
    folder = live.marks("interrupted")
    live.project("deploy", "flows_live.py:long", "--stack", STACK)
    flow = live.flow("long")
    ids = folder / "id"
    process = live.server.flow(flow, "run", "--run-id-file", str(ids), "--folder", str(folder))
    pid = int(until(lambda: written(folder / "note-1")))
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(PATIENCE) != 0
    assert not is_alive(pid)
    assert states(live.shown("long", ids.read_text()))["note"] == ("cancelled", 1)


def test_a_failure_that_ends_the_run(live: OnLive) -> None:
    """As Metaflow does by itself: what runs beside it is recorded as cancelled."""
    live.project.replace("pipeglot.yaml", f"{STACK}: {{", f"{STACK}: {{on_failure: native, ")
    try:
        folder = live.marks("native")
        run = live.begin("shapes.py:beside", folder=str(folder))
        assert not live.backend.wait("beside", run)
        found = {name: status for name, (status, _) in states(live.shown("beside", run)).items()}
        assert (found["bad"], found["slow"]) == ("failed", "cancelled")
    finally:
        live.project.replace("pipeglot.yaml", "on_failure: native, ", "")


# --- shapes and values ------------------------------------------------------------------------------------------------


@pytest.mark.whole
@pytest.mark.parametrize("count", [0, 1, 101, 500])
def test_maps_of_all_sizes(live: OnLive, count: int) -> None:
    assert len(live.same("wide", count)["steps"]) == count + 2


@pytest.mark.whole
def test_more_tasks_than_metaflow_takes_by_itself(live: OnLive) -> None:
    """Which is 100: whoever starts the run says that it may have more."""
    live.project.replace("pipeglot.yaml", SHARED, "max_map_length: 200")
    try:
        assert len(live.same("wide", 101)["steps"]) == 103
    finally:
        live.project.replace("pipeglot.yaml", "max_map_length: 200", SHARED)


@pytest.mark.whole
@pytest.mark.parametrize("pipeline", ["map_in_an_arm", "arm_after_a_map"])
@pytest.mark.parametrize("count", [0, 3])
def test_maps_and_arms(live: OnLive, pipeline: str, count: int) -> None:
    live.same(pipeline, count)


@pytest.mark.whole
def test_names_that_metaflow_has_for_itself(live: OnLive) -> None:
    run = live.begin("shapes.py:input", name=5, index=6, obj=7)
    assert live.backend.wait("input", run)
    found = live.shown("input", run)
    assert found["params"] == {"name": 5, "index": 6, "obj": 7}
    assert live.project("artifact", "get", f"{found['run_id']}/cmd/output", "--stack", STACK).out == "21\n"


def test_what_one_pipeline_hands_to_the_next(metaflow: Metaflow, tmp_path: Path, tally: Tally) -> None:
    """With secrets in files; no log shows them."""
    with tally.of(metaflow.title, "artifacts and secrets from pipeline to pipeline"):
        far = OnLive(metaflow, tmp_path)
        (tmp_path / "token").write_text("s3cret-token")
        (tmp_path / "password").write_text("pa55-word")
        named = f"secrets: {{TOKEN: 'file:{tmp_path}/token', PASSWORD: 'file:{tmp_path}/password'}}"
        far.project.replace("pipeglot.yaml", f"{STACK}: {{", f"{STACK}: {{{named}, ")
        run = far.begin("native.py:maker", count=4)
        assert far.backend.wait("maker", run)
        made = far.shown("maker", run)
        (artifact,) = made["steps"][0]["outputs"].values()
        assert far.project("artifact", "get", artifact, "--stack", STACK).out == "25\n"
        log = Path(far.backend.remote.url("maker", run)).read_text()
        assert "the token is ***" in log
        assert "s3cret" not in log

        run = far.begin("native.py:picker")
        assert far.backend.wait("picker", run)
        picked = far.shown("picker", run)
        assert picked["params"]["made"] == artifact
        (artifact,) = picked["steps"][0]["outputs"].values()
        assert f"25 on {dt.datetime.now(dt.UTC):%Y}" in far.project("artifact", "get", artifact, "--stack", STACK).out
