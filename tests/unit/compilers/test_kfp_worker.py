"""What a container of a pipeline spec does with KFP's ExecutorInput, and what it writes for KFP."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from pipeglot.compilers.kfp import worker
from pipeglot.core import plain
from pipeglot.core.ir import Branch, Param, Retry, ScalarType
from pipeglot.core.task.held import hold
from pipeglot.core.task.joining import RESERVED
from tests.unit.lineage.build import above, item, mapped, out
from tests.unit.runtime_local.conftest import work
from tests.unit.task.conftest import ROOT, Engine

RUN = "7d1f3c9e-0000-4000-8000-1a2b3c4d5e6f"


class Kfp:
    """Runs containers of one run, as KFP starts them."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder

    def run(
        self,
        kind: str,
        node: str = "",
        *words: str,
        index: str = "",
        shared: str = "",
        first: bool = True,
        **params: Any,
    ) -> int:
        given: dict[str, Any] = {"pipeglot-run": RUN, **({"pipeglot-index": index} if index else {})}
        given |= {"pipeglot-step": shared} if shared else {}
        given |= {"n": 7.0, "pipeglot": {}, **params} if first else {}
        outputs = {
            "parameters": {"Output": {"outputFile": str(self.folder / "deep/Output")}},
            "artifacts": {"lineage": {"artifacts": [{"name": "lineage", "uri": "s3://kfp/x", "metadata": {}}]}},
            "outputFile": str(self.folder / "deep/executor_output.json"),
        }
        executor = {"inputs": {"parameterValues": given}, "outputs": outputs}
        pipeline = json.dumps(msgspec.to_builtins(self.engine.deployed))
        asked = [kind, *([node] if node else []), *words, pipeline, json.dumps(executor), "kfp.dsl.executor_main"]
        return worker.main(asked)

    @property
    def output(self) -> str:
        return (self.folder / "deep/Output").read_text()

    @property
    def lineage(self) -> dict[str, Any]:
        (found,) = json.loads((self.folder / "deep/executor_output.json").read_text())["artifacts"]["lineage"][
            "artifacts"
        ]
        assert (found["name"], found["uri"]) == ("lineage", "s3://kfp/x")
        metadata: dict[str, Any] = found["metadata"]
        return metadata


@pytest.fixture
def kfp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kfp:
    monkeypatch.setenv("PIPEGLOT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(ROOT)
    return Kfp(Engine(tmp_path), tmp_path)


def test_a_step_tells_kfp_its_artifacts(kfp: Kfp, capfd: pytest.CaptureFixture[str]) -> None:
    kfp.engine.deploy(work("one"))
    assert kfp.run("step", "one") == 0
    run = kfp.lineage["run"]
    assert kfp.lineage == {
        "run": run,
        "step": "one",
        "status": "succeeded",
        "output": f"{run}/one/output",
        "output digest": plain.digest(1),
    }
    assert capfd.readouterr().out.splitlines()[0] == f"pipeglot: run {run[:10]}"


def test_numbers_of_kfp_are_doubles(kfp: Kfp) -> None:
    kfp.engine.deploy(work("one"))
    kfp.run("step", "one", n=9.0)
    assert kfp.engine.ledger.started(kfp.lineage["run"]).params == {"n": 9}  # type: ignore[union-attr]  # it has begun


@pytest.mark.parametrize(("text", "value"), [("9007199254740993", 9007199254740993), ("12", 12)])
def test_a_parameter_that_stands_as_json_in_a_text(kfp: Kfp, text: str, value: int) -> None:
    kfp.engine.deploy(work("one"))
    assert kfp.run("step", "one", "--json=n", n=text) == 0
    assert kfp.engine.ledger.started(kfp.lineage["run"]).params == {"n": value}  # type: ignore[union-attr]  # it has begun


def test_what_an_optional_parameter_is_told_on_a_newer_kubeflow(kfp: Kfp) -> None:
    """Null, where nobody has given it: then the pipeline says what it is."""
    params = (
        Param(name="n", type=ScalarType(name="int"), default=5),
        Param(name="x", type=ScalarType(name="any"), default=[1]),
    )
    kfp.engine.deploy(work("one"))
    pipeline = structs.replace(kfp.engine.ledger.ir(kfp.engine.deployed.ir), params=params)
    kfp.engine.deployed = structs.replace(kfp.engine.deployed, ir=kfp.engine.ledger.put_ir(pipeline))
    assert kfp.run("step", "one", "--json=x", n=None, x=None) == 0
    assert kfp.engine.ledger.started(kfp.lineage["run"]).params == {"n": 5, "x": [1]}  # type: ignore[union-attr]


def test_steps_that_share_a_container_are_told_apart_by_an_input(kfp: Kfp) -> None:
    kfp.engine.deploy(work("one"), work("two", "one"))
    assert kfp.run("step", "one") == 0
    assert kfp.run("step", first=False, shared="two") == 0
    assert kfp.lineage["step"] == "two"


def test_what_the_engine_did_not_carry_comes_from_the_store(kfp: Kfp) -> None:
    kfp.engine.deploy(work("one"))
    held = hold({"n": 2**60, RESERVED: {"tags": {"a": "{{"}}}, kfp.engine.store)
    assert kfp.run("step", "one", n=0.0, pipeglot={"held": msgspec.to_builtins(held)}) == 0
    start = kfp.engine.ledger.started(kfp.lineage["run"])
    assert start is not None
    assert (start.params, start.tags) == ({"n": 2**60}, {"a": "{{"})


def test_a_number_that_a_double_does_not_hold_is_refused(kfp: Kfp, capsys: pytest.CaptureFixture[str]) -> None:
    kfp.engine.deploy(work("one"))
    assert kfp.run("step", "one", n=float(2**60)) == 2
    assert "`n`" in capsys.readouterr().err


def test_a_kubeflow_that_does_not_fill_in_the_run_s_id(kfp: Kfp, capsys: pytest.CaptureFixture[str]) -> None:
    kfp.engine.deploy(work("one"))
    unfilled: dict[str, Any] = {"pipeglot-run": "{{$.pipeline_job_uuid}}"}
    assert kfp.run("step", "one", **unfilled) == 2
    assert capsys.readouterr().err == (
        "this Kubeflow does not fill in the run's id: it says `{{$.pipeline_job_uuid}}` as it stands in the spec\n\n"
        "hint: it takes Kubeflow Pipelines 2.5 or later\n"
    )


def test_a_task_that_knows_no_parameters_begins_no_run(kfp: Kfp, capsys: pytest.CaptureFixture[str]) -> None:
    kfp.engine.deploy(work("one"), work("two", "one"))
    assert kfp.run("step", "one", first=False) == 1
    assert "has not begun: no task that knows its parameters" in capsys.readouterr().err
    assert kfp.run("step", "one") == 0
    assert kfp.run("step", "two", first=False) == 0


def test_the_items_of_a_map_are_texts(kfp: Kfp) -> None:
    kfp.engine.deploy(
        work("numbers", given={"n": 3}), mapped("each", out("numbers"), work("add", inputs={"x": item("each")}))
    )
    kfp.run("step", "numbers")
    assert kfp.run("list", "each", "--most=100") == 0
    assert json.loads(kfp.output) == ["[0]", "[1]", "[2]"]
    assert kfp.run("list", "each", "--most=2") == 0
    assert json.loads(kfp.output) == ["[[0], [1]]", "[[2]]"]
    assert kfp.run("step", "add", index="[[0], [1]]", first=False) == 0
    assert [kfp.lineage[name] for name in ("output 0", "output 1")] == [
        f"{kfp.lineage['run']}/add/{index}/output" for index in (0, 1)
    ]
    assert kfp.run("step", "add", index="[2]", first=False) == 0
    assert kfp.lineage["output 2 digest"] == plain.digest(2)


def test_a_branch_tells_a_text(kfp: Kfp) -> None:
    branch = Branch(id="when", when=above("numbers", 1), then=(work("one"),))
    kfp.engine.deploy(work("numbers", "one"), branch)
    assert kfp.run("choose", "when") == 0
    assert kfp.output == "none", "what it needs is not there"
    kfp.run("step", "numbers")
    kfp.run("choose", "when", first=False)
    assert kfp.output == "true"


def test_items_that_take_different_arms(kfp: Kfp) -> None:
    branch = Branch(id="when", when=above("add", 1), then=(work("one"),))
    body = (work("add", inputs={"x": item("each")}), branch)
    kfp.engine.deploy(work("numbers", given={"n": 2}), mapped("each", out("numbers"), *body))
    kfp.run("step", "numbers")
    kfp.run("step", "add", index="[[0], [1]]", first=False)
    told = []
    for index in ("[0]", "[1]", "[[0], [1]]"):
        assert kfp.run("choose", "when", index=index, first=False) == 0
        told.append(kfp.output)
    assert told == ["false", "true", "both"]


def test_a_failure_is_tried_again_as_often_as_the_step_says(kfp: Kfp, capfd: pytest.CaptureFixture[str]) -> None:
    kfp.engine.deploy(work("fail", retry=Retry(attempts=2)))
    assert [kfp.run("step", "fail") for _ in range(3)] == [1, 1, 1]
    assert capfd.readouterr().err.count("ValueError: no good: 0") >= 2
    assert kfp.lineage["status"] == "failed"
    assert kfp.engine.ledger.verdict(kfp.lineage["run"], "fail", (), 2) is None, "a third try did nothing"


def test_a_task_that_others_come_after_ends_well(kfp: Kfp, capfd: pytest.CaptureFixture[str]) -> None:
    kfp.engine.deploy(work("fail", retry=Retry(attempts=2)), work("add", inputs={"x": out("fail")}))
    assert [kfp.run("step", "fail", "--mute") for _ in range(2)] == [1, 0]
    assert "pipeglot: failed: this task ends well" in capfd.readouterr().out
    assert kfp.run("step", "add", first=False) == 0
    assert kfp.lineage["status"] == "skipped"
    assert kfp.run("outcome", first=False) == 1
    assert "a step has failed" in capfd.readouterr().err


def test_a_list_that_cannot_be_had_is_empty(kfp: Kfp) -> None:
    kfp.engine.deploy(work("numbers", "one"), mapped("each", out("numbers"), work("add", inputs={"x": item("each")})))
    kfp.run("step", "numbers")
    assert kfp.run("list", "each", "--most=100", "--mute") == 0
    (index,) = json.loads(kfp.output)
    assert kfp.run("step", "add", "--mute", index=index, first=False) == 0, "there is an item to fail at"
    assert kfp.lineage["status"] == "failed"


@pytest.mark.parametrize(
    "words",
    [
        ["step", "one"],
        ["step", "one", "{}", "{"],
        ["step", "one", "{}", '{"inputs": {"parameterValues": {"pipeglot-run": "x"}}}'],
        ["step", "one", "--most=many", "{}", "{}"],
        ["dance", "one", '{"pipeline": "p", "ir": "i", "stack": "s", "backend": "kfp", "store": "/x"}', "{}"],
    ],
)
def test_what_no_spec_of_ours_asks(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert worker.main(words) == 2
    assert capsys.readouterr().err


def test_a_planned_time_is_taken_where_there_is_one() -> None:
    assert str(worker._time("2026-01-02T03:04:05Z")) == "2026-01-02 03:04:05+00:00"
    assert str(worker._time("2026-01-02T03:04:05")) == "2026-01-02 03:04:05+00:00"
    assert worker._time("{{$.pipeline_job_schedule_time_utc}}") is None


def test_the_worker_imports_little() -> None:
    code = (
        "import sys; import pipeglot.compilers.kfp.worker, pipeglot.core.task.main; "
        "found = {one.partition('.')[0] for one in sys.modules} & {'yaml', 'rich', 'pandas', 'numpy', 'kfp'}; "
        "print(sorted(found), 'pipeglot.compilers.kfp.spec' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "[] False"
