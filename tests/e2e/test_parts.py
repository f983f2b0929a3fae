"""`run --from`, `--until`, `--tag`, `--inline`, `--no-wait`; `plan`."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Any

import jsonschema
import msgspec
import pytest

from pipeglot.client.plan import RunPlan
from tests.e2e.conftest import ENVIRONMENT, Project
from tests.e2e.test_terminal import Terminal


def states(found: dict[str, Any]) -> dict[str, str]:
    return {
        step["id"] + "".join(f"[{i}]" for i in step["index"]): "cached" if step["cached"] else step["status"]
        for step in found["steps"]
    }


# --- parts ------------------------------------------------------------------------------------------------------------


def test_until_runs_what_a_step_needs(flow: Project) -> None:
    found = flow("run", "flow.py", "--until", "total", "--json", "-p", "count=1").json
    assert states(found) == {"numbers": "succeeded", "double[0]": "succeeded", "total": "succeeded"}
    found = flow("run", "flow.py", "--until", "small", "--json", "-p", "count=1").json
    assert states(found)["small"] == "succeeded"
    assert "large" not in states(found)
    found = flow("run", "flow.py", "--until", "small", "--until", "large", "--json", "-p", "count=1").json
    assert states(found)["large"] == "skipped"
    assert flow("runs", "show", found["run_id"], "--json").json == found


def test_from_runs_a_step_and_all_that_depends_on_it_anew(flow: Project) -> None:
    flow("run", "flow.py", "-p", "count=1")
    found = flow("run", "flow.py", "--from", "total", "-p", "count=1", "--json").json
    assert states(found) == {
        "numbers": "cached",
        "double[0]": "cached",
        "total": "succeeded",
        "large": "skipped",
        "small": "succeeded",
        "tell": "succeeded",
    }
    found = flow("run", "flow.py", "--from", "double", "--until", "total", "-p", "count=1", "--json").json
    assert states(found) == {"numbers": "cached", "double[0]": "succeeded", "total": "succeeded"}


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["--until", "totl"], "pipeline `flow` has no step `totl`", "did you mean `total`?"),
        (["--from", "nothing"], "pipeline `flow` has no step `nothing`", "its steps are: `numbers`, `double`, "),
        (
            ["--from", "tell", "--until", "total"],
            "`--from tell`: with `--until` only what `total` needs is run, and that is no part of it",
            "leave out `--from tell`, or `--until`",
        ),
        (["--tag", "x"], "`--tag x`: there is no `=` after a name", "write `--tag K=V`, as `--tag team=risk`"),
        (["--tag", "a=1", "--tag", "a=2"], "tag `a` is given twice: `1` and `2`", "a tag has one value: give it once"),
        (["--tag", f"a={'x' * 1001}"], "tag `a`: its value has 1001 characters; at most 1000 are taken", "tags are"),
        (["--tag", "a=\t"], "tag `a`: its value has characters that cannot be printed", "tags are short"),
        (["--tag", "a\x07=1"], "it has characters that cannot be printed", "as in `--tag team=risk`"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_runs(
    flow: Project, words: list[str], message: str, hint: str
) -> None:
    refused = flow("run", "flow.py", *words, code=2)
    assert message in refused.err
    assert f"hint: {hint}" in refused.err
    assert flow("runs", "list", "--json").json == []


def test_no_wait_is_not_for_a_local_stack(flow: Project) -> None:
    refused = flow("run", "flow.py", "--no-wait", code=33)
    assert refused.err == (
        "error: `--no-wait`: stack `local` runs pipelines in this very process,"
        " so there is nobody to go on without it  [no-wait]\n"
        "\nhint: let the shell do it: `nohup pipeglot run … &`; `pipeglot runs list` and `runs cancel` work as ever\n"
    )


def test_what_is_shown_to_run_again_keeps_the_parts(flow: Project) -> None:
    flow.replace("helper.py", "return FACTOR * n", "return 1 / 0")
    words = ["--until", "total", "--from", "double", "--tag", "a=b c"]
    assert flow("run", "flow.py", *words, code=1).err.rstrip().splitlines()[-2] == (
        "  pipeglot run flow.py --until total --tag 'a=b c'"
    )


# --- plan -------------------------------------------------------------------------------------------------------------


def test_a_plan_without_a_store_makes_none(flow: Project) -> None:
    text = flow("plan", "flow.py").out
    assert text == (
        "STEP       STATE      WHY\n"
        "numbers    would run  nothing was computed from these inputs yet\n"
        "double[…]  depends    one for each item that `numbers` will give\n"
        "total      depends    it runs, unless what `double` will give was seen before\n"
        "large      depends    `total` will decide whether its branch is taken\n"
        "small      depends    `total` will decide whether its branch is taken\n"
        "tell       depends    it runs, unless what `large`, `small` will give was seen before\n"
        "\n"
        "1 step would run, 0 cached, 5 depend on what those give\n"
    )
    assert not (flow.root / ".pipeglot" / "store").exists()


def test_what_follows_from_the_cache_is_decided(flow: Project) -> None:
    run = flow("run", "flow.py", "--json").json["run_id"][:10]
    before = {path: path.read_bytes() for path in flow.root.rglob("*") if path.is_file()}
    text = flow("plan", "flow.py", "--from", "tell").out
    assert text == (
        "STEP       STATE      WHY\n"
        f"numbers    cached     code and inputs are the same (run {run})\n"
        f"double[0]  cached     code and inputs are the same (run {run})\n"
        f"double[1]  cached     code and inputs are the same (run {run})\n"
        f"double[2]  cached     code and inputs are the same (run {run})\n"
        f"total      cached     code and inputs are the same (run {run})\n"
        "large      skipped    its branch is not taken\n"
        f"small      cached     code and inputs are the same (run {run})\n"
        "tell       would run  the run was told to run it anew, with --from\n"
        "\n"
        "1 step would run, 6 cached\n"
    )
    assert flow("plan", "flow.py").out.endswith("\nnothing would run: 7 steps cached\n")
    assert {path: path.read_bytes() for path in flow.root.rglob("*") if path.is_file()} == before


def test_an_edit_is_seen_and_the_run_does_what_the_plan_said(flow: Project) -> None:
    flow("run", "flow.py")
    flow.replace("flow.py", 'return f"{n} is small"', 'return f"{n} is quite small"')
    planned = {step["id"]: step for step in flow("plan", "flow.py", "--json").json["steps"] if step["id"] != "double"}
    assert {name: step["state"] for name, step in planned.items()} == {
        "numbers": "cached",
        "total": "cached",
        "large": "skipped",
        "small": "run",
        "tell": "open",
    }
    assert planned["tell"]["waits_for"] == ["small"]
    ran = states(flow("run", "flow.py", "--json").json)
    assert [name for name, state in ran.items() if state == "succeeded"] == ["small", "tell"]


def test_many_items_are_told_in_a_line_for_each_state(flow: Project) -> None:
    flow("run", "flow.py", "-p", "count=12")
    text = flow("plan", "flow.py", "-p", "count=20").out
    assert "double[…]  depends    one for each item that `numbers` will give\n" in text
    flow("run", "flow.py", "--until", "numbers", "-p", "count=20")
    text = flow("plan", "flow.py", "-p", "count=20").out
    assert "double[…]  12 cached    code and inputs are the same (run " in text
    assert "double[…]  8 would run  nothing was computed from these inputs yet\n" in text


def test_json_is_as_its_schema_says(flow: Project) -> None:
    flow("run", "flow.py", "--until", "double")
    found = flow("plan", "flow.py", "--json").json
    jsonschema.validate(found, msgspec.json.schema(RunPlan))
    assert found["pipeline"] == "flow"
    assert found["params"] == {"count": 3, "bar": 10}
    assert (
        flow("plan", "flow.py", "--no-cache", "--json").json["steps"][0]["why"] == "the run was started with --no-cache"
    )
    assert flow("plan", "flow.py", "--until", "numbers").out.endswith("nothing would run: 1 step cached\n")


def test_a_condition_that_is_no_good_is_told(project: Project) -> None:
    project.write(
        "bad.py",
        "from pipeglot import pipeline, step, when\n"
        "@step\ndef nothing() -> None:\n    pass\n@step\ndef some() -> int | None:\n    return None\n"
        "@step\ndef then() -> None:\n    pass\n"
        "@pipeline\ndef bad() -> None:\n    with when(some() > 3):\n        then()\n",
    )
    project("run", "bad.py", code=1)
    text = project("plan", "bad.py").out
    lines = [line.split(maxsplit=3) for line in text.splitlines()]
    assert lines[2] == ["when_1", "would", "fail", "the condition compares `None`"]
    assert lines[3] == ["then", "skipped", "what", "it needs is skipped or fails"]
    assert text.endswith("\n0 steps would run, 1 cached, 1 would fail\n")


# --- inline -----------------------------------------------------------------------------------------------------------

DEBUGGED = """\
from pipeglot import Retry, pipeline, step

@step(retry=Retry(3), timeout="1h")
def stop(x: int) -> int:
    print("before")
    y = x + 41
    breakpoint()
    return y

@pipeline
def debugged(x: int = 1) -> None:
    stop(x)
"""


@pytest.fixture
def debugged(project: Project) -> Project:
    project.write("debugged.py", DEBUGGED)
    return project


def inline(project: Project, typed: str, *words: str, sigint: Any = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        project.command("run", "debugged.py", "--inline", *words),
        cwd=project.root,
        env=ENVIRONMENT,
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=(lambda: signal.signal(signal.SIGINT, sigint)) if sigint is not None else None,
        check=False,
    )


def test_breakpoint_stops_at_the_users_line(debugged: Project) -> None:
    done = inline(debugged, "p y\nc\n")
    assert done.returncode == 0
    assert done.stdout.startswith("before\n")
    assert "debugged.py(8)stop()\n-> return y\n(Pdb) 42\n" in done.stdout
    assert done.stderr.splitlines()[0] == (
        "note: inline: steps run one by one in this process; what they print is shown and not kept,"
        " and no timeout ends them (`stop` has one)"
    )
    assert "stop: succeeded in " in done.stderr


def test_under_json_the_prompt_is_on_stderr(debugged: Project) -> None:
    done = inline(debugged, "c\n", "--json")
    assert msgspec.json.decode(done.stdout)["status"] == "succeeded"
    assert "(Pdb) " in done.stderr


@pytest.mark.parametrize("sigint", [signal.SIG_DFL, signal.SIG_IGN])
def test_leaving_the_debugger_cancels_the_run(debugged: Project, sigint: signal.Handlers) -> None:
    done = inline(debugged, "q\n", sigint=sigint)
    assert done.returncode == 130
    assert done.stdout.count("before") == 1
    assert "debugged was cancelled after " in done.stderr
    assert "  pipeglot run debugged.py --inline\n" in done.stderr


def test_on_a_terminal(debugged: Project) -> None:
    terminal = Terminal(debugged, "run", "debugged.py", "--inline")
    terminal.read(until="(Pdb) ")
    os.write(terminal.fd, b"y + 1\n")
    terminal.read(until="43")
    os.write(terminal.fd, b"c\n")
    assert terminal.close() == 0
    assert "succeeded in" in terminal.text


def test_a_worker_says_how_to_come_to_a_prompt(debugged: Project) -> None:
    done = debugged("run", "debugged.py", code=1)
    assert "step stop failed (attempt 1 of 3)" in done.err
    assert "`breakpoint()` finds no terminal: steps run in processes of their own\n" in done.err
    assert (
        "hint: run all steps in the terminal's own process: `pipeglot run TARGET --inline`;"
        " or this one again, under the debugger: `pipeglot replay RUN STEP --pdb`\n"
    ) in done.err
    assert debugged("run", "debugged.py", PYTHONBREAKPOINT="0").code == 0


def test_resume_works_inline(debugged: Project) -> None:
    debugged("run", "debugged.py", code=1)
    done = subprocess.run(
        debugged.command("runs", "resume", "latest", "--inline"),
        cwd=debugged.root,
        env=ENVIRONMENT,
        input="c\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert "(Pdb) " in done.stdout
    assert debugged("runs", "show", "latest", "--json").json["status"] == "succeeded"
