"""Pipelines run from Python; runs looked into."""

from __future__ import annotations

import asyncio
import datetime as dt
import subprocess
import sys
import threading
import time
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


def test_tags(flow: ModuleType) -> None:
    run = flow.flow.on(tags={"team": "risk"}).run()
    flow.flow.run()
    assert run.tags == {"team": "risk"}
    assert [one.id for one in pipeglot.runs(tags={"team": "risk"})] == [run.id]
    with pytest.raises(UsageError, match="`a=b` is no name for a tag: it has `=` in it"):
        flow.flow.on(tags={"a=b": "c"}).run()


def test_hooks_are_not_counted_unless_they_fail(flow: ModuleType) -> None:
    run = flow.hooked.run()
    assert repr(run).splitlines() == [
        f"<run {run.id[:10]} of hooked: succeeded; 1 succeeded, 1 failed>",
        "  picky: ValueError: no <b>1</b>",
    ]


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


def test_diff(flow: ModuleType) -> None:
    first, again, second = flow.flow.run(), flow.flow.on(cache=False).run(), flow.flow.run(count=2)
    assert first.diff(first).equal
    assert first.diff(again).equal
    found = first.diff(second)
    assert not found.equal
    assert (found.before.run_id, found.after.run_id) == (first.id, second.id)
    assert [(one.path, one.before, one.after) for one in found.params] == [("count", 3, 2)]
    assert [step.step for step in found.steps] == ["numbers", "train", "best", "good", "bad"]
    assert [step.step for step in first.diff(second, ignore="best").steps] == ["numbers", "train", "good", "bad"]
    assert "good" not in [step.step for step in first.diff(second, ignore=(name for name in ("good", "bad"))).steps]
    (cell,) = next(step for step in found.steps if step.step == "best").cells
    assert [one.name for one in cell.outputs] == ["output"]
    (cell,) = next(step for step in first.diff(second, atol=0.25).steps if step.step == "best").cells
    assert cell.outputs == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rtol": -1}, "`rtol=-1` is no tolerance"),
        ({"atol": float("nan")}, "`atol=nan` is no tolerance"),
        ({"atol": float("inf")}, "`atol=inf` is no tolerance"),
        ({"ignore": "bets"}, "`bets` cannot be ignored: neither run has such a step or output"),
    ],
)
def test_what_cannot_be_compared(flow: ModuleType, options: dict[str, Any], message: str) -> None:
    run = flow.flow.run(count=1)
    with pytest.raises((UsageError, NotFound)) as raised:
        run.diff(run, **options)
    assert message in str(raised.value)


def test_runs_of_two_stores_are_not_compared(flow: ModuleType) -> None:
    one, other = flow.flow.run(count=1), flow.flow.on("other").run(count=1)
    with pytest.raises(UsageError, match=f"run {other.id[:10]} is in another store, `.*two`"):
        one.diff(other)


def test_cancel(flow: ModuleType, tmp_path: Path) -> None:
    """A run of another process: it is asked to stop, and waited for."""
    (tmp_path / "slow.py").write_text(
        "import time\nfrom pathlib import Path\nfrom pipeglot import pipeline, step\n\n\n"
        "@step\ndef wait() -> None:\n    Path('waiting').touch()\n    time.sleep(600)\n\n\n"
        "@pipeline\ndef slow() -> None:\n    wait()\n"
    )
    with subprocess.Popen([sys.executable, "-m", "pipeglot", "run", "slow.py"], stderr=subprocess.DEVNULL) as process:
        try:
            while not list(tmp_path.rglob("waiting")):
                assert process.poll() is None
                time.sleep(0.02)
            run = pipeglot.get_run("latest")
            assert run.status == "running"
            assert run.cancel() is run
            assert run.status == "cancelled"
            assert run.finished is not None
            assert process.wait(60) == 130
        finally:
            process.kill()
    assert run.cancel().status == "cancelled"


def test_a_run_that_is_over_stays_as_it_is(flow: ModuleType) -> None:
    run = flow.flow.run(count=1)
    assert run.cancel(wait=False).status == "succeeded"


def test_get_artifact(flow: ModuleType, tmp_path: Path) -> None:
    first = flow.flow.on(tags={"stage": "old"}).run(count=3)
    found = pipeglot.get_artifact("flow/best.output@latest")
    assert (found.id, found.load()) == (f"{first.id}/best/output", 0.5)
    flow.flow.run(count=2)
    assert found.load() == 0.5, "it stands for what it was looked up as"
    assert pipeglot.get_artifact("flow/best@latest").load() == 0.25
    assert pipeglot.get_artifact("flow/best:stage=old").id == found.id
    assert pipeglot.get_artifact(f"{first.id[:8]}/train/2/auc", project=tmp_path).load() == 0.5
    flow.flow.on("other").run(count=1)
    assert pipeglot.get_artifact("latest/best/output", stack="other").load() == 0.0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("flow/best@latest", "has no run of a pipeline `flow`"),
        ("other/rwo@latest", "did you mean `row`?"),
        ("latest/row/auc", "step `row` has no output `auc`"),
        ("what", "`what` is no artifact id"),
        ("latest/row", "does not say of which run"),
    ],
)
def test_artifacts_that_are_not_there(flow: ModuleType, name: str, message: str) -> None:
    flow.clashing.run()
    with pytest.raises(NotFound) as raised:
        pipeglot.get_artifact(name)
    assert message in str(raised.value)


def test_logical_date(flow: ModuleType) -> None:
    before = dt.datetime.now(dt.UTC)
    run = flow.flow.run(count=1)
    assert before <= run.logical_date <= run.created, "nobody planned it: it stands for the time at which it began"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pipeglot.runs(status="suceeded"), "did you mean `succeeded`?"),
        (lambda: pipeglot.runs(since="yesterday"), "is no time"),
        (lambda: pipeglot.runs(since="999999999d"), "`since='999999999d'` is no time"),
        (lambda: pipeglot.runs(since=dt.date.min), "is no time"),
        (lambda: pipeglot.runs(since=dt.timedelta.max), "is no time"),
        (lambda: pipeglot.runs(since=5), "`since=5` is no time"),  # type: ignore[arg-type]
        (lambda: pipeglot.runs(limit=-1), "`limit=-1` is no number of runs"),
        (lambda: pipeglot.runs(limit=2.5), "`limit=2.5` is no number of runs"),  # type: ignore[arg-type]
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


def test_outputs_of_many_items_read_the_run_once(flow: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeglot.client.records import Found, Records

    made = flow.flow.on(quiet=True).run(count=4)
    asked: list[str] = []
    once = Records.run

    def counted(self: Records, run: str) -> Found:
        asked.append(run)
        return once(self, run)

    monkeypatch.setattr(Records, "run", counted)
    assert len(pipeglot.get_run(made.id).steps["train"].outputs["auc"].load()) == 4
    assert asked == [made.id]
