"""Hooks, nested maps, artifact parameters and checkpoints, as a user drives them."""

from __future__ import annotations

from tests.e2e.conftest import Project

FLOWS = """\
import os
import signal

from pipeglot import Artifact, Retry, checkpoint, current_run, each, one_of, otherwise, pipeline, step, when


@step
def groups(n: int) -> list[list[float]]:
    return [[float(i) for i in range(300 * k)] for k in range(n)]


@step
def total(xs: list[float]) -> float:
    return sum(xs)


@step
def half(x: float) -> float:
    return x / 2


@step
def name(x: float, word: str) -> str:
    return word


@step
def kept(word: str) -> str:
    return word


@pipeline
def row(xs: list[float]) -> str:
    sum_ = total(xs)
    with when(sum_ > 100_000):
        high = name(sum_, "high")
    with otherwise():
        low = name(sum_, "low")
    return kept(one_of(high, low))


@step
def words(found: list[str]) -> list[str]:
    return found


@pipeline
def nested(n: int = 3) -> None:
    words(row.map(each(groups(n))))


@step
def tell(word: str, n: int) -> None:
    print(word, n, current_run().failed)


@step
def nobody() -> None:
    raise OSError("nobody home")


@step
def odd(n: int) -> int:
    if n % 2:
        raise ValueError(f"{n} is odd")
    return n


@pipeline(on_failure=tell.partial(word="sad"), on_success=[tell.partial(word="glad"), nobody])
def hooked(n: int = 2) -> None:
    odd(n)


@step(retry=Retry(3))
def counts(until: int) -> int:
    with checkpoint() as c:
        at = len(list(c.dir.iterdir()))
        while at < until:
            at += 1
            (c.dir / str(at)).write_text("x" * 10_000)
            c.save()
            if at == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            if at == 4:
                raise ConnectionError("lost it")
        return current_run().attempt * 100 + at


@pipeline
def counting(until: int = 6) -> None:
    counts(until)


@pipeline
def halves(x: Artifact[float], xs: Artifact[list[list[float]]]) -> None:
    half(x)
    row.map(each(xs))
"""


def test_a_mapped_pipeline_with_a_branch_in_it(project: Project) -> None:
    project.write("flows.py", FLOWS)
    run = project("run", "flows.py:nested", "--json").json["run_id"]
    assert project("artifact", "get", f"{run}/words/output").json == ["low", "low", "high"]
    show = project("runs", "show", "latest").out
    assert "row.name[2]" in show


def test_hooks_are_shown_and_change_nothing(project: Project) -> None:
    project.write("flows.py", FLOWS)
    done = project("run", "flows.py:hooked")
    assert "hook nobody: failed: OSError: nobody home\n" in done.err
    assert "\nhook nobody failed\n" in done.err
    assert "hooked succeeded in " in done.err.splitlines()[-1]
    assert ": 1 step, 1 hook failed (run " in done.err.splitlines()[-1]
    good = project("runs", "show", "latest", "--json").json
    assert (good["status"], [(one["id"], one["hook"], one["status"]) for one in good["steps"]]) == (
        "succeeded",
        [
            ("odd", None, "succeeded"),
            ("tell", "on_failure", "skipped"),
            ("tell_2", "on_success", "succeeded"),
            ("nobody", "on_success", "failed"),
        ],
    )
    shown = project("runs", "show", "latest").out
    assert "tell_2 (on_success)  succeeded" in shown
    assert project("runs", "logs", "latest", "tell_2").out == "glad 2 False\n"

    failed = project("run", "flows.py:hooked", "-p", "n=3", code=1)
    assert "hook tell: succeeded in " in failed.err
    assert "tell_2" not in failed.err, "a hook that has nothing to do is not told of"
    assert project("runs", "logs", "latest", "tell").out == "sad 3 True\n"


def test_a_checkpoint_survives_a_kill_and_a_failure(project: Project) -> None:
    project.write("flows.py", FLOWS)
    run = project("run", "flows.py:counting", "--json").json["run_id"]
    assert project("artifact", "get", f"{run}/counts/output").json == 306


def test_a_parameter_names_an_artifact_of_another_run(project: Project) -> None:
    project.write("flows.py", FLOWS)
    source = project("run", "flows.py:nested", "--json").json["run_id"]
    given = ["-p", f"x={source[:10]}/row.total/1/output", "-p", "xs=latest/groups/output"]
    done = project("run", "flows.py:halves", *given, "--json").json
    assert done["params"] == {"x": f"{source}/row.total/1/output", "xs": f"{source}/groups/output"}
    assert project("artifact", "get", f"{done['run_id']}/half/output").json == sum(range(300)) / 2
    assert {tuple(one["index"]) for one in done["steps"] if one["id"] == "row.total"} == {(0,), (1,), (2,)}

    wrong = project("run", "flows.py:halves", "-p", "x=latest/half/auc", "-p", f"xs={source}/groups/output", code=2)
    assert "error: parameter `x`: step `half` has no output `auc` in run `" in wrong.err
    assert "hint: its outputs are: output" in wrong.err
