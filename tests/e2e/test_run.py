"""`pipeglot run`: results, JSON, exit codes, what is on which stream."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time

import pytest

from tests.e2e.conftest import ENVIRONMENT, Project

KEYS = ["run_id", "pipeline", "stack", "backend", "status", "lineage_digest", "params", "steps"]
STEP_KEYS = ["id", "index", "status", "cached", "attempts", "seconds", "outputs", "error"]


def test_json_is_the_object_of_the_design_and_nothing_else(flow: Project) -> None:
    flow.replace("flow.py", "import helper\n", 'import helper\n\nprint("at import")\n')
    done = flow("run", "flow.py", "--json", "-p", "count=2")
    found = done.json
    assert [key for key in KEYS if key not in found] == []
    assert found["pipeline"] == "flow"
    assert found["status"] == "succeeded"
    assert found["params"] == {"count": 2, "bar": 10}
    assert found["lineage_digest"].startswith("sha256:")
    steps = {(step["id"], tuple(step["index"])): step for step in found["steps"]}
    assert [key for key in STEP_KEYS if key not in steps["double", (1,)]] == []
    assert steps["double", (1,)]["outputs"] == {"output": f"{found['run_id']}/double/1/output"}
    assert steps["large", ()]["status"] == "skipped"
    assert steps["small", ()]["attempts"] == 1
    assert "at import" in done.err
    assert flow("runs", "show", found["run_id"], "--json").json == found


def test_the_second_run_comes_from_the_cache(flow: Project) -> None:
    first = flow("run", "flow.py", "--json").json
    second = flow("run", "flow.py", "--json").json
    assert all(step["cached"] for step in second["steps"] if step["status"] != "skipped")
    assert second["lineage_digest"] == first["lineage_digest"]
    third = flow("run", "flow.py", "--json", "--no-cache").json
    assert not any(step["cached"] for step in third["steps"])
    assert third["lineage_digest"] == first["lineage_digest"]
    assert flow("run", "flow.py", "--json", "-p", "count=4").json["lineage_digest"] != first["lineage_digest"]


def test_file_module_and_working_directory_make_no_difference(flow: Project) -> None:
    flow.write("sub/keep.txt", "")
    digests = {
        flow("run", *words, "--no-cache", "--json", cwd=cwd).json["lineage_digest"]
        for cwd, words in (
            (".", ["flow.py"]),
            (".", ["flow:flow"]),
            ("sub", ["../flow.py"]),
            ("sub", ["flow:flow"]),
            ("sub", ["-C", "..", "flow.py:flow"]),
        )
    }
    assert len(digests) == 1


def test_an_ir_file_is_a_target(flow: Project) -> None:
    flow("compile", "flow.py", "--ir", "--out", "ir")
    done = flow("run", "ir/flow.pipeglot.json", "--json", "-p", "count=2")
    assert done.json["lineage_digest"] == flow("run", "flow.py", "--json", "-p", "count=2").json["lineage_digest"]
    flow.replace("helper.py", "FACTOR * n", "FACTOR + n")
    refused = flow("run", "ir/flow.pipeglot.json", code=2)
    assert "step `double`: the code of `flow:double` here is not what the file was made from" in refused.err


def test_the_screen_without_a_terminal(flow: Project) -> None:
    done = flow("run", "flow.py")
    assert done.out == ""
    lines = done.err.splitlines()
    assert lines[0].startswith("numbers: succeeded in ")
    assert any(line.startswith("double: 3 of 3 succeeded in ") for line in lines)
    assert "large: skipped" in lines
    assert lines[-1].startswith("flow succeeded in ")
    assert ": 7 steps, 1 skipped (run " in lines[-1]
    assert ": 7 steps, 7 cached, 1 skipped (run " in flow("run", "flow.py").err


def test_many_items_are_folded(flow: Project) -> None:
    done = flow("run", "flow.py", "-p", "count=300")
    assert len(done.err.splitlines()) < 12
    assert "double: 300 of 300 succeeded" in done.err
    table = flow("runs", "show", "latest").out
    assert "double[…]  succeeded" in table
    assert "300 succeeded" in table


def test_what_a_user_prints_cannot_drive_the_terminal(project: Project) -> None:
    project.write(
        "evil.py",
        "from pipeglot import pipeline, step\n"
        "@step\n"
        "def evil() -> None:\n"
        "    print('\\x1b]0;title\\x07\\x1b[31mred\\x1b[0m\\rover \\x9b2Jc1 \\u202edrow')\n"
        "    raise ValueError('\\x1b[2J\\x08\\x00 gone')\n"
        "@pipeline\n"
        "def evils(name: str = 'x') -> None:\n"
        "    evil()\n",
    )
    text = project("run", "evil.py", "-p", "name=\x1b[31m", code=1).err
    assert "ValueError: \\x08\\x00 gone" in text
    assert "  | over c1 \\u202edrow" in text
    for bad in ("\x1b", "\x07", "\x08", "\x9b", "\u202e"):
        assert bad not in text
    assert "\x1b" not in project("runs", "show", "latest").out


PARAMS = [
    (["-p", "coumt=2"], "error: there is no parameter `coumt`; did you mean `count`?"),
    (["-p", "count=two"], "error: parameter `count` must be int, not 'two'"),
    (["-p", "count=1", "-p", "count=2"], "error: parameter `count` is given twice: `1` and `2`"),
    (["-p", "count"], "error: `-p count`: there is no `=` after a name"),
]


@pytest.mark.parametrize(("words", "message"), PARAMS)
def test_wrong_parameters(flow: Project, words: list[str], message: str) -> None:
    done = flow("run", "flow.py", *words, "--json", code=2)
    assert done.json["error"]["code"] == "param"
    assert message.removeprefix("error: ") in done.json["error"]["message"]
    assert done.err.startswith(message)
    assert "Traceback" not in done.err
    assert not (flow.root / ".pipeglot/store/runs").exists()


def test_definition_errors_are_told_all_at_once(project: Project) -> None:
    project.write(
        "bad.py",
        "from pipeglot import pipeline, step\n\n\n"
        "@step\ndef one(x: int) -> int:\n    return x\n\n\n"
        "@pipeline\ndef bad(n: int = 1) -> None:\n    a = one(n)\n    if a:\n        pass\n    one(a + 1)\n    one()\n",
    )
    for command in ("check", "run"):
        done = project(command, "bad.py", code=2)
        assert "error: bad.py:12: " in done.err
        assert "error: bad.py:14: " in done.err
        assert "  hint: " in done.err
        assert done.err.endswith("\n3 problems\n")
        assert "Traceback" not in done.err


def test_pickled_outputs_are_pointed_out_once(project: Project) -> None:
    project.write(
        "opaque.py",
        "from pipeglot import pipeline, step\n"
        "class Thing:\n    pass\n"
        "@step\ndef make() -> Thing:\n    return Thing()\n"
        "@step\ndef use(thing: Thing) -> int:\n    return 1\n"
        "@pipeline\ndef opaque() -> None:\n    use(make())\n",
    )
    text = project("run", "opaque.py").err
    assert text.count("note: `make.output` was stored as pickle") == 1
    assert "pickle" not in project("run", "opaque.py").err


def test_secrets_and_pools_must_be_declared(project: Project) -> None:
    project.write(
        "asks.py",
        "from pipeglot import pipeline, secret, step\n"
        "@step(secrets=['TOKEN'], pool='gpu')\ndef ask() -> int:\n    return len(secret('TOKEN'))\n"
        "@pipeline\ndef asks() -> None:\n    ask()\n",
    )
    refused = project("run", "asks.py", code=33)
    assert "`ask` runs in pool `gpu`, which stack `local` does not declare" in refused.err
    assert "`ask` asks for secret `TOKEN`, which stack `local` does not map" in refused.err
    assert project("check", "asks.py", code=33).err == refused.err
    project.write(
        "pipeglot.yaml",
        'stacks: \n  local: {backend: local, pools: {gpu: 1}, secrets: {TOKEN: "env:MY_TOKEN"}}\n',
    )
    found = project("run", "asks.py", "--json", MY_TOKEN="hunter22").json
    assert project("artifact", "get", found["steps"][0]["outputs"]["output"]).json == 8
    assert "`MY_TOKEN` is not set" in project("run", "asks.py", "--no-cache", code=1).err


def test_advice_is_noted_and_strict_refuses_it(project: Project) -> None:
    project.write(
        "big.py",
        "from pipeglot import Cron, Resources, pipeline, step\n"
        "@step(resources=Resources(cpu=64), image='python:3.12')\ndef big() -> int:\n    return 1\n"
        "@pipeline(schedule=Cron('0 6 * * *'))\ndef bigs() -> None:\n    big()\n",
    )
    text = project("run", "big.py").err
    assert text.count("note: ") == 3
    assert "note: big.py:7: `big`: backend `local` takes `cpu` as advice: it is recorded only" in text
    assert "the pipeline: backend `local` takes `cron schedule` as advice" in text
    project.write("pipeglot.yaml", "stacks: \n  local: {backend: local, strict: true}\n")
    text = project("run", "big.py", code=33).err
    assert text.count("hint: stack `local` says `strict: true`") == 3


SLEEPER = """\
import time
from pathlib import Path
from pipeglot import pipeline, step

@step
def quick() -> int:
    return 1

@step
def slow(n: int) -> int:
    Path("started").write_text("")
    time.sleep(60)
    return n

@step
def last(n: int) -> int:
    return n

@pipeline
def sleeper() -> None:
    last(slow(quick()))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_cancels_and_says_how_to_go_on(project: Project, number: signal.Signals) -> None:
    project.write("sleeper.py", SLEEPER)
    running = subprocess.Popen(
        project.command("run", "sleeper.py", "--json"),
        cwd=project.root,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    deadline = time.monotonic() + 30
    while not (project.root / "started").exists():
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.02)
    running.send_signal(number)
    out, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert json.loads(out)["status"] == "cancelled"
    assert "cancelling: running steps have 30.0 s to end" in err
    assert "sleeper was cancelled after " in err
    assert err.splitlines()[-2:] == [
        "  pipeglot run sleeper.py",
        "      run it again to go on: finished steps come from the cache",
    ]
    project.replace("sleeper.py", "time.sleep(60)", "pass")
    steps = project("run", "sleeper.py", "--json").json["steps"]
    assert [step["cached"] for step in steps] == [True, False, False]


def test_ctrl_c_while_the_module_is_imported_is_quiet(project: Project) -> None:
    project.write("slow.py", "import time, pathlib\npathlib.Path('started').write_text('')\ntime.sleep(60)\n")
    running = subprocess.Popen(
        project.command("run", "slow.py"), cwd=project.root, env=ENVIRONMENT, stderr=subprocess.PIPE, encoding="utf-8"
    )
    while not (project.root / "started").exists():
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert err == ""


def test_a_closed_pipe_is_quiet_and_does_not_end_a_run(flow: Project) -> None:
    flow("run", "flow.py", "-p", "count=200")
    command = " ".join(flow.command("runs", "show", "latest", "--json"))
    done = subprocess.run(
        ["bash", "-c", f"{command} | true; echo ${{PIPESTATUS[0]}}"],
        cwd=flow.root,
        env=ENVIRONMENT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.stdout == "141\n"
    assert done.stderr == ""
    command = " ".join(flow.command("run", "flow.py", "--no-cache"))
    subprocess.run(
        ["bash", "-c", f"{command} 2>&1 | true; exit ${{PIPESTATUS[0]}}"], cwd=flow.root, env=ENVIRONMENT, check=True
    )
    assert flow("runs", "list", "--json").json[0]["status"] == "succeeded"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams(flow: Project, closed: str) -> None:
    command = shlex.join(flow.command("run", "flow.py", "--json"))
    done = subprocess.run(["bash", "-c", f"{command} {closed}"], cwd=flow.root, env=ENVIRONMENT, check=False)
    assert done.returncode == 0
    assert flow("runs", "list", "--json").json[0]["status"] == "succeeded"


def test_runs_at_one_time_do_not_disturb_each_other(flow: Project) -> None:
    running = [
        subprocess.Popen(flow.command("run", "flow.py", "--json"), cwd=flow.root, env=ENVIRONMENT, stdout=-1, stderr=-1)
        for _ in range(4)
    ]
    found = [json.loads(process.communicate(timeout=60)[0]) for process in running]
    assert {run["status"] for run in found} == {"succeeded"}
    assert len({run["run_id"] for run in found}) == 4
    assert len({run["lineage_digest"] for run in found}) == 1
    assert len(flow("runs", "list", "--json").json) == 4


def test_what_killed_runs_left_behind_is_removed(flow: Project) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    work = flow.root / ".pipeglot/run" / os.uname().nodename
    for name in (f"abc-{dead.pid}", f"abc-{os.getpid()}"):
        (work / name).mkdir(parents=True)
        (work / name / "1.log").write_text("x")
    flow("run", "flow.py")
    assert [path.name for path in work.iterdir()] == [f"abc-{os.getpid()}"]


def test_a_bug_of_ours_says_so(flow: Project) -> None:
    flow.write("sitecustomize.py", "import pipeglot.cli.run\npipeglot.cli.run.params_of = None\n")
    done = flow("run", "flow.py", code=1, PYTHONPATH=str(flow.root))
    assert "Traceback" in done.err
    assert "error: this is a bug in pipeglot: TypeError: 'NoneType' object is not callable" in done.err


def test_debug_shows_our_traceback(flow: Project) -> None:
    done = flow("run", "nope.py", code=2, PIPEGLOT_DEBUG="1")
    assert "Traceback" in done.err
    assert "\nerror: there is no file `nope.py`  [target]\n" in done.err


def test_git_ignores_what_we_keep(flow: Project) -> None:
    flow("run", "flow.py")
    assert (flow.root / ".pipeglot/.gitignore").read_text() == "*\n"


def test_something_else_in_the_place_of_our_folder(flow: Project) -> None:
    flow.write(".pipeglot", "")
    done = flow("run", "flow.py", code=1)
    assert done.err == (
        f"error: cannot open the store `{flow.root}/.pipeglot/store`: Not a directory  [store]\n"
        "\nhint: something on this path is a file and should be a folder\n"
    )
    flow("check", "flow.py")


def test_a_root_that_cannot_be_written(flow: Project) -> None:
    if os.geteuid() == 0:
        pytest.skip("root writes anywhere")
    flow.root.chmod(0o500)
    try:
        assert "Traceback" not in flow("run", "flow.py", code=1).err
        flow("check", "flow.py")
    finally:
        flow.root.chmod(0o700)


def test_the_logical_date_of_a_run(project: Project) -> None:
    """The day is that of the very moment which the run records, in the zone of the schedule."""
    project.write("pipeglot.yaml", "stacks: \n  local: {backend: local}\n")
    project.write(
        "daily.py",
        "from datetime import date\n"
        "from pipeglot import Cron, LogicalDate, current_run, pipeline, step\n\n"
        "@step(cache=False)\ndef same(day: date) -> bool:\n    return current_run().logical_date.date() == day\n\n"
        "@pipeline(schedule=Cron('0 6 * * *', timezone='Pacific/Kiritimati'))\n"
        "def daily(day: date = LogicalDate()) -> None:\n    same(day)\n",
    )
    for more, expected in ((), "true"), (("-p", "day=2001-02-03"), "false"):
        run = project("run", "daily.py", *more, "--json").json
        assert project("artifact", "get", f"{run['run_id']}/same/output").out.strip() == expected
