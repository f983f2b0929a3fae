"""Pipelines run from Python; runs looked into."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import pipeglot
from pipeglot.core.errors import NotFound, ParamError, RunFailed, UsageError


def test_run(flow: ModuleType) -> None:
    run = flow.flow.run(count=3)
    assert isinstance(run, pipeglot.Run)
    assert (run.pipeline, run.status, run.stack, run.tags, run.error) == ("flow", "succeeded", "local", {}, None)
    assert run.params == {"count": 3, "colour": flow.Colour.RED, "day": dt.date(2013, 1, 1)}
    assert run.steps["best"].outputs["output"].load() == 0.5
    assert run.steps["train"][1].outputs["auc"].load() == 0.25
    assert run.steps["train"].outputs["auc"].load() == [0.0, 0.25, 0.5]
    assert len(run.steps["train"].outputs["model"]) == 3
    assert [item.index for item in run.steps["train"]] == [(0,), (1,), (2,)]
    assert run.steps["bad"].status == "skipped"
    assert run.lineage_digest is not None
    assert run.finished is not None
    assert run.created <= run.finished


def test_logs_and_metrics(flow: ModuleType) -> None:
    run = flow.flow.run()
    assert run.steps["numbers"].logs() == "counting to 3\n"
    assert run.logs("train") == "training 0\ntraining 1\ntraining 2\n"
    assert run.steps["train"].metrics == {"auc": [0.0, 0.25, 0.5]}
    assert run.metrics["train[2]"] == {"auc": 0.5}


def test_the_same_as_the_command_line(flow: ModuleType, tmp_path: Path) -> None:
    """Same names, same digests: what one computed, the other takes from the cache."""
    from pipeglot.cli.main import main

    assert main(["run", "client_flow.py:flow"]) == 0
    run = flow.flow.run()
    assert all(step.cached for step in run.steps.values() if step.status == "succeeded")
    assert run.lineage_digest == pipeglot.runs()[1].lineage_digest


def test_positional_arguments_and_stack(flow: ModuleType, tmp_path: Path) -> None:
    assert flow.flow.run(2).params["count"] == 2
    assert flow.flow.run(2, stack="other").stack == "other"
    assert flow.flow.on("other").run(count=2).steps["numbers"].cached
    assert (tmp_path / "two").is_dir()
    assert flow.clashing.run(stack=7).params == {"stack": 7}


def test_without_cache(flow: ModuleType) -> None:
    flow.flow.run()
    assert flow.flow.run().steps["numbers"].cached
    assert not flow.flow.on(cache=False).run().steps["numbers"].cached


def test_a_failed_run_raises(flow: ModuleType) -> None:
    with pytest.raises(RunFailed) as caught:
        flow.failing.run()
    told = str(caught.value)
    assert "step `picky[1]`:" in told
    assert "ValueError: no <b>1</b>" in told
    assert "client_flow.py" in told
    assert "`.on(check=False).run(…)` returns a failed run" in told
    run = caught.value.run
    assert run.status == "failed"
    assert [item.status for item in run.steps["picky"]] == ["succeeded", "failed", "succeeded"]
    assert run.steps["picky"].error.message == "no <b>1</b>"


def test_a_failed_run_returned(flow: ModuleType) -> None:
    run = flow.failing.on(check=False, quiet=True).run()
    assert run.status == "failed"
    assert "picky[1]: ValueError: no <b>1</b>" in repr(run)
    assert run.steps["flaky"].attempts == 2
    assert run.steps["flaky"].logs() == "attempt 1\nattempt 2\n"
    with pytest.raises(NotFound, match=r"`picky\[1\]` has no `output` in run .*: it is failed"):
        run.steps["picky"][1].outputs["output"]


def test_files_live_as_long_as_this_python(flow: ModuleType, tmp_path: Path) -> None:
    output = flow.files.run().steps["write"].outputs["output"]
    path = output.load()
    assert path.read_text() == "hello"
    path.write_text("changed")
    assert output.load().read_text() == "hello"
    kept = output.load(to=tmp_path / "kept")
    assert kept.parent == tmp_path / "kept"
    with pytest.raises(UsageError, match="is no folder"):
        output.load(to=kept)


def test_quiet(flow: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    flow.flow.on(quiet=True).run()
    assert capfd.readouterr() == ("", "")
    flow.flow.run()
    out, err = capfd.readouterr()
    assert out == ""
    assert "flow succeeded in" in err


# --- where it is called from ------------------------------------------------------------------------------------------


def test_in_a_thread(flow: ModuleType) -> None:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(flow.flow.run()))
    thread.start()
    thread.join()
    assert found[0].status == "succeeded"


def test_in_two_threads_at_once(flow: ModuleType) -> None:
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(flow.flow.run(count=4))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [run.status for run in found] == ["succeeded", "succeeded"]
    assert found[0].id != found[1].id


def test_in_an_event_loop(flow: ModuleType) -> None:
    async def main() -> list[str]:
        return [flow.flow.run().status, (await asyncio.to_thread(flow.flow.run)).status]

    assert asyncio.run(main()) == ["succeeded", "succeeded"]


# --- runs -------------------------------------------------------------------------------------------------------------


def test_runs(flow: ModuleType) -> None:
    first, second = flow.flow.run(), flow.flow.run(count=2)
    third = flow.failing.on(check=False).run()
    assert [run.id for run in pipeglot.runs()] == [third.id, second.id, first.id]
    assert pipeglot.runs(pipeline="flow") == [second, first]
    assert pipeglot.runs(pipeline="flow", limit=1) == [second]
    assert pipeglot.runs(status="failed") == [third]
    assert pipeglot.runs(status=["failed", "succeeded"], limit=None) == [third, second, first]
    assert pipeglot.runs(params={"count": 2}) == [second]
    assert pipeglot.runs(params={"colour": flow.Colour.RED, "day": "2013-01-01"}) == [second, first]
    assert pipeglot.runs(params={"count": "two"}) == []
    assert pipeglot.runs(params={"other": 1}) == []
    assert pipeglot.runs(tags={"team": "ml"}) == []
    assert pipeglot.runs(since="1h") == [third, second, first]
    assert pipeglot.runs(since=dt.datetime.now(dt.UTC)) == []
    assert pipeglot.runs(since=third.created) == [third]
    assert pipeglot.runs(since=dt.timedelta(days=1), limit=0) == []
    assert pipeglot.runs(stack="other") == []


def test_a_run_that_was_damaged_is_left_out_and_told(flow: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    first, second = flow.flow.run(), flow.flow.run()
    assert pipeglot.runs(params={"count": 3}) == [second, first]
    (start,) = Path.cwd().glob(f".pipeglot/store/runs/{first.id}/start")
    start.chmod(0o600)
    start.write_bytes(start.read_bytes()[:-5])
    capfd.readouterr()
    assert pipeglot.runs(params={"count": 3}) == [second]
    told = f"note: a run is left out: `runs/{first.id}/start` does not match its checksum: it was cut or changed"
    assert told in capfd.readouterr().err


def test_get_run(flow: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = flow.flow.run()
    assert pipeglot.get_run(run.id) == pipeglot.get_run(run.id[:6]) == pipeglot.get_run("latest") == run
    monkeypatch.chdir("/")
    assert pipeglot.get_run("latest", project=tmp_path).steps["best"].outputs["output"].load() == 0.5
    assert pipeglot.get_run("latest", project=tmp_path).wait(timeout=1).status == "succeeded"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pipeglot.runs(status="suceeded"), "did you mean `succeeded`?"),
        (lambda: pipeglot.runs(since="yesterday"), "is no time"),
        (lambda: pipeglot.runs(limit=-1), "no fewer than no runs"),
        (lambda: pipeglot.runs(stack="locl"), "did you mean `local`?"),
        (lambda: pipeglot.runs(project="/nowhere"), "there is no such folder"),
        (lambda: pipeglot.get_run("zzz"), "has no run `zzz`"),
    ],
)
def test_wrong_questions(flow: ModuleType, call: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        call()
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("look", "message"),
    [
        (lambda run: run.steps["trian"], "did you mean `train`?"),
        (lambda run: run.steps["best"].outputs["auc"], "its outputs are: `output`"),
        (lambda run: run.steps["best"][0], "step `best` is no map"),
        (lambda run: run.steps["train"]["a"], "an item is chosen by its number"),
    ],
)
def test_wrong_looks(flow: ModuleType, look: Any, message: str) -> None:
    run = flow.flow.run()
    with pytest.raises(UsageError) as caught:
        look(run)
    assert message in str(caught.value)
    with pytest.raises(IndexError, match="step `train` has 3 items, and no item 3"):
        run.steps["train"][3]
    assert run.steps["train"][-1].index == (2,)
    assert run.steps.get("nothing") is None
    assert run.steps["best"].outputs.get("auc") is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda flow: flow.flow.run(counts=1), "did you mean `count`?"),
        (lambda flow: flow.flow.run(count="three"), "count"),
        (lambda flow: flow.flow.run(1, count=1), "is given `count` twice"),
        (lambda flow: flow.clashing.run(1, 2), "is given 2 arguments, and `other` has 1 parameter"),
        (lambda flow: flow.flow.run(stack="prod"), "there is no stack `prod`"),
    ],
)
def test_wrong_runs(flow: ModuleType, call: Any, message: str) -> None:
    with pytest.raises((UsageError, ParamError)) as caught:
        call(flow)
    assert message in str(caught.value)
    assert pipeglot.runs() == []


def test_a_pipeline_of_no_file(flow: ModuleType) -> None:
    made = ModuleType("made")
    exec("from pipeglot import *\n@pipeline\ndef p() -> None: ...", vars(made))  # as a plugin might
    with pytest.raises(UsageError, match="is of the module `made`, which has no file"):
        made.p.run()
