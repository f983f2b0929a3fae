"""A task of an engine as a process: what it exits with, what it writes, and what it says."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from pipeglot.core import plain
from pipeglot.core.ir import IR_VERSION, Branch, Retry
from pipeglot.core.lineage import keys
from pipeglot.core.task import main
from tests.unit.lineage.build import above, item, mapped, out
from tests.unit.runtime_local.conftest import NONE, work
from tests.unit.task.conftest import ROOT, Engine
from tests.unit.task.test_processes import is_gone, wait_for

RUN_STEP = [sys.executable, "-m", "pipeglot.core.run_step"]


class Done:
    """A process that is over: its exit code, the result that it wrote, and what it printed."""

    def __init__(self, code: int, result: Path, out: str, err: str) -> None:
        self.code = code
        self.result: dict[str, Any] = json.loads(result.read_text()) if result.exists() else {}
        self.out = out
        self.err = err


def document(engine: Engine, node: str, /, *index: int, **more: Any) -> str:
    run = {"id": engine.run.id, "params": dict(engine.run.params), "about": {"dag": "p"}}
    call = {"pipeline": msgspec.to_builtins(engine.deployed), "run": run, "node": node, "index": index}
    return json.dumps(call | more)


def ended(engine: Engine, text: str, *words: str, given: str = "", **environment: str) -> Done:
    result = engine.folder / "result.json"
    result.unlink(missing_ok=True)
    done = subprocess.run(
        [*RUN_STEP, text, "--result", str(result), *words],
        cwd=ROOT,
        env={**os.environ, **environment},
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Done(done.returncode, result, done.stdout, done.stderr)


def perform(engine: Engine, node: str, /, *index: int, **more: Any) -> Done:
    return ended(engine, document(engine, node, *index, **more))


def test_a_step_that_succeeds(engine: Engine) -> None:
    engine.deploy(work("says", given={"words": "hello"}))
    value = engine.folder / "return.json"
    done = ended(engine, document(engine, "says", engine={"pod": "says-1"}), "--value", str(value))
    run = engine.task().start.run
    assert (done.code, done.out.splitlines()[:2], done.err) == (0, [f"pipeglot: run {run[:10]}", "print hello"], "")
    assert done.result == {
        "status": "succeeded",
        "value": {"output": f"{run}/says/output"},
        "label": "",
        "message": "",
        "assets": [],
    }
    assert json.loads(value.read_text()) == done.result["value"]
    start, state = engine.read
    verdict = state.entries["says", ()].verdict
    assert verdict is not None
    assert (start.engine, verdict.observed.engine) == ({"run": "manual__1", "dag": "p"}, {"pod": "says-1"})


def test_what_was_computed_before_says_so(engine: Engine) -> None:
    engine.deploy(work("one"))
    engine.step("one")
    before = engine.task().start.run
    engine.run = structs.replace(engine.run, id="manual__2")
    done = perform(engine, "one")
    assert done.code == 0
    assert done.out.endswith(f"\npipeglot: cached: the result of run {before} is taken\n")


def test_a_failure_that_is_tried_again(engine: Engine, marks: Path) -> None:
    engine.deploy(work("flaky", given={"folder": str(marks), "times": 1}, retry=Retry(attempts=2)))
    first, second = (perform(engine, "flaky", attempt=number) for number in (1, 2))
    assert (first.code, first.result["status"], first.result["value"]) == (1, "retry", None)
    assert first.err.startswith("Traceback (most recent call last):\n")
    assert first.err.rstrip().splitlines()[-1] == first.result["message"]
    assert str(ROOT / "pipeglot") not in first.err
    assert (second.code, second.result["status"], second.err) == (0, "succeeded", "")


@pytest.mark.parametrize("step", [work("fail", returns=NONE), work("permanently", given={"kind": "x"}, returns=NONE)])
def test_a_failure_for_good(engine: Engine, step: Any) -> None:
    engine.deploy(step)
    value = engine.folder / "return.json"
    done = ended(engine, document(engine, step.id), "--value", str(value))
    assert (done.code, done.result["status"]) == (100, "failed")
    assert not value.exists()


def test_what_is_not_to_be_run(engine: Engine) -> None:
    engine.deploy(work("fail", returns=NONE), work("one", after=("fail",)))
    perform(engine, "fail")
    done = perform(engine, "one")
    assert (done.code, done.result["status"]) == (99, "skipped")
    assert done.out.endswith("\npipeglot: skipped: what it needs has not succeeded, or its branch was not taken\n")


def test_items_and_each_of_them(engine: Engine) -> None:
    engine.deploy(
        work("numbers", given={"n": 2}),
        mapped("add", out("numbers"), work("add", inputs={"x": item("add")}, given={"y": 10})),
    )
    perform(engine, "numbers")
    listed = perform(engine, "add", do="items")
    assert (listed.code, listed.result["value"]) == (0, [[0], [1]])
    assert perform(engine, "add", 1).result["label"] == "1: 1"
    assert engine.value("add", 1) == 11
    assert ended(engine, document(engine, "add"), "--index=AT", AT="[0]").result["label"] == "0: 0"
    several = ended(engine, document(engine, "add"), "--index", "AT", AT="[[0], [1]]")
    assert (several.code, several.result["label"]) == (0, "0…1")
    assert ended(engine, document(engine, "add"), "--index", "AT", AT='[["0"]]').code == 2
    lacking = ended(engine, document(engine, "add"), "--index", "AT", AT="0")
    assert lacking.code == 2
    assert lacking.err.startswith("the environment variable `AT` holds no index: Expected `array`, got `int`")


def test_the_arm_of_a_branch(engine: Engine) -> None:
    def arms(limit: int) -> Branch:
        return Branch(id="when", when=above("one", limit), then=(work("who", given={"folder": "/"}),))

    engine.deploy(work("one"), arms(0))
    assert perform(engine, "when", do="choose").code == 99, "what it needs is not there"
    perform(engine, "one")
    assert perform(engine, "when", do="choose").result["value"] is True
    engine.run = structs.replace(engine.run, id="manual__2")
    engine.deploy(work("one"), arms(5))
    perform(engine, "one")
    done = perform(engine, "when", do="choose")
    assert (done.code, done.result["value"]) == (0, False)


def test_hostile_values_arrive_as_they_are(engine: Engine) -> None:
    words = "{{ ti }} ${HOME} $(ls) 'a' \"b\" \\ \n ü 日 " + "x" * 100_000
    engine.deploy(work("one"))
    file = engine.folder / "asked.json"
    file.write_text(document(engine, "one", run={"id": "file", "params": {"n": 2**70}, "about": {"dag": words}}))
    assert ended(engine, f"@{file}").code == 0
    assert ended(engine, "-", given=file.read_text().replace('"file"', '"stdin"')).code == 0
    for name in ("file", "stdin"):
        start = engine.ledger.started(keys.run_id("far", "p", name))
        assert start is not None
        assert (start.engine["dag"], start.params) == (words, {"n": plain.encode(2**70)})


def test_a_later_task_of_a_run_reads_the_same_parameters(engine: Engine) -> None:
    engine.deploy(work("context"))
    run = {"id": "r", "params": {"n": 2.0}, "logical_date": "2024-05-01T06:00:00+02:00"}
    assert perform(engine, "context", run=run).code == 0
    engine.run = structs.replace(engine.run, id="r")
    start = engine.task().start
    assert (start.params, start.logical_date) == ({"n": 2}, "2024-05-01T04:00:00+00:00")


# --- its end ----------------------------------------------------------------------------------------------------------


def begun(engine: Engine, *words: str) -> list[str]:
    return [*RUN_STEP, document(engine, "child_process"), *words]


def test_it_is_told_to_end(engine: Engine, marks: Path) -> None:
    engine.deploy(work("child_process", given={"folder": str(marks)}, returns=NONE))
    process = subprocess.Popen(begun(engine), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    pid = wait_for(marks)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=30)
    assert (process.returncode, told) == (100, "step `child_process` was cancelled\n")
    assert is_gone(pid)
    assert engine.states == {"child_process": "cancelled"}


FIRST = "import os; os.getpid = lambda: 1; from pipeglot.core.task.main import main; main()"


def test_the_first_process_of_a_container_is_told_to_end(tmp_path: Path) -> None:
    """Before there is a step, too: while it reads its document, say."""
    os.mkfifo(tmp_path / "document")
    process = subprocess.Popen([sys.executable, "-c", FIRST, f"@{tmp_path}/document"], cwd=ROOT)
    with (tmp_path / "document").open("w"):  # it is opened there, too
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 100


def test_the_outcome_of_a_run(engine: Engine) -> None:
    engine.deploy(work("one"), work("fail", returns=NONE))
    first = ended(engine, document(engine, "one"))
    assert (first.code, first.out) == (0, f"pipeglot: run {engine.task().start.run[:10]}\n")
    assert ended(engine, document(engine, "fail")).code == 100
    done = ended(engine, document(engine, "", do="outcome"))
    assert (done.code, done.err) == (100, "a step has failed: `pipeglot runs show` tells which\n")
    assert done.result["message"] == "a step has failed: `pipeglot runs show` tells which"


def test_what_assets_are_now(engine: Engine) -> None:
    engine.deploy(structs.replace(work("one"), asset={"output": "s3://a"}))
    done = ended(engine, document(engine, "one"))
    assert done.result["assets"] == [done.result["value"]["output"]]


STARTS = """
import os, subprocess, sys, time
child = subprocess.Popen([*sys.argv[1:], "--parent", str(os.getpid())], stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
time.sleep(60)
"""


def test_it_ends_with_the_process_that_started_it(engine: Engine, marks: Path) -> None:
    engine.deploy(work("child_process", given={"folder": str(marks)}, returns=NONE))
    parent = subprocess.Popen([sys.executable, "-c", STARTS, *begun(engine)], cwd=ROOT, stdout=subprocess.PIPE)
    with parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        pid = wait_for(marks)
        parent.kill()
    assert is_gone(pid)
    assert is_gone(child)
    assert engine.states == {"child_process": "running"}, "as when a task is killed: the next try goes on in its place"


def test_it_ends_by_itself_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """An alarm that is left behind ends a Python that is on its way out."""
    monkeypatch.setattr(main, "LOOK", 30.0)
    before = signal.getsignal(signal.SIGALRM)
    try:
        assert main.main(["--parent", str(os.getppid()), "{}"]) == 2
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
        monkeypatch.setattr(main, "read_call", lambda _: None)
        monkeypatch.setattr(main, "perform", lambda _: main.Result(status="succeeded"))
        assert main.main(["--parent", str(os.getppid()), "{}"]) == 0
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    finally:
        signal.signal(signal.SIGALRM, before)


# --- what means nothing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"what": 1}, "does not understand what it is asked to do: Object contains unknown field `what`"),
        ({"attempt": "1"}, "to do: Expected `int | null`, got `str` - at `$.attempt`"),
        ({"run": {"id": "r", "params": {"n": "x"}}}, "parameter `n`"),
        ({"run": {"id": "r", "logical_date": "today"}}, "to do: Invalid RFC3339 encoded datetime - at"),
    ],
)
def test_what_cannot_be_asked(engine: Engine, change: dict[str, Any], told: str) -> None:
    engine.deploy(work("one"))
    done = perform(engine, "one", **change)
    assert done.code == 2
    assert told in done.err
    assert "Traceback" not in done.err
    assert done.result == {}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"node": "two"}, "pipeline `p`, as this run has it, has no step `two`"),
        ({"node": "two", "do": "items"}, "has no step `two`\n\nhint: a run keeps the code that it began with"),
        ({"do": "choose"}, "pipeline `p`, as this run has it, has no branch `one`"),
        ({"index": [0]}, "`one` stands in 0 maps, and `index` has 1 positions"),
    ],
)
def test_what_the_pipeline_of_the_run_does_not_have(engine: Engine, change: dict[str, Any], told: str) -> None:
    engine.deploy(work("one"))
    done = perform(engine, "one", **change)
    assert done.code == 100
    assert told in done.err
    assert "Traceback" not in done.err
    assert done.result["status"] == "failed"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "one document says what is to be done\n\nhint: python -m pipeglot.core.run_step DOCUMENT"),
        (["a", "b"], "one document says what is to be done"),
        (["{"], "does not understand what it is asked to do: Expecting property name"),
        (["[" * 100_000], "does not understand what it is asked to do"),
        (["[]"], "to do: Expected `object`, got `array`"),
        (["@/no/such/file"], "the document cannot be read: [Errno 2] No such file"),
        (["{}", "--result"], "`--result` names nothing"),
        (["{}", "--parent=x"], "`--parent` is the number of a process, not `x`"),
    ],
)
def test_command_lines_that_mean_nothing(words: list[str], told: str, tmp_path: Path) -> None:
    done = subprocess.run([*RUN_STEP, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_result_that_has_no_place(engine: Engine) -> None:
    engine.deploy(work("one"))
    done = ended(engine, document(engine, "one"), "--value", "/no/such/return.json")
    assert (done.code, done.err) == (2, "`/no/such/return.json` cannot be written: there is no such folder\n")
    assert not list(engine.store.list("runs/")), "it was told before anything ran"


def test_a_pipeline_of_a_later_pipeglot(engine: Engine) -> None:
    engine.deploy(work("one"))
    later = engine.store.get(f"ir/{engine.deployed.ir}") or b""
    changed = later.replace(f'"ir_version":{IR_VERSION}'.encode(), b'"ir_version":99')
    assert changed != later
    sha = hashlib.sha256(changed).hexdigest()
    engine.store.put(f"ir/{sha}", changed)
    engine.deployed = structs.replace(engine.deployed, ir=sha)
    done = perform(engine, "one")
    assert done.code == 2
    assert "has ir_version 99, and this pipeglot reads none above" in done.err


def test_a_store_that_is_not_there_is_worth_another_try(engine: Engine, tmp_path: Path) -> None:
    engine.deploy(work("one"))
    (tmp_path / "file").write_text("")
    engine.deployed = structs.replace(engine.deployed, store=str(tmp_path / "file" / "store"))
    assert perform(engine, "one").code == 1


def test_nothing_of_an_engine_is_imported(engine: Engine) -> None:
    engine.deploy(work("one"))
    program = (
        "import json, sys\nfrom pipeglot.core.task.main import main\n"
        "code = main(sys.argv[1:])\nprint(json.dumps(sorted(sys.modules)))\nsys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, document(engine, "one")],
        cwd=ROOT,
        env={**os.environ},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert not {name for name in loaded if name.startswith(("pipeglot.compilers", "pipeglot.cli", "pipeglot.client"))}
    assert not loaded & {"yaml", "rich", "pydantic", "pandas", "numpy", "obstore", "argparse"}
