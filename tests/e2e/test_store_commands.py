"""`runs`, `artifact`, `cache explain`: reading what runs left in the store."""

from __future__ import annotations

import csv
import io
import re
import shlex
import subprocess

import pytest

from tests.e2e.conftest import ENVIRONMENT, Project


def test_before_the_first_run(flow: Project) -> None:
    done = flow("runs", "list")
    assert done.out == ""
    assert done.err == "there are no runs yet: `pipeglot run TARGET` makes the first\n"
    assert flow("runs", "list", "--json").json == []
    done = flow("runs", "show", "latest", code=2)
    assert "has no runs" in done.err
    assert "`-C DIR` looks elsewhere" in done.err
    assert not (flow.root / ".pipeglot/store").exists()


def test_runs_are_listed_the_latest_first(flow: Project) -> None:
    ids = [flow("run", "flow.py", "--json", "-p", f"count={count}").json["run_id"] for count in (1, 2, 3)]
    found = flow("runs", "list", "--json").json
    assert [run["run_id"] for run in found] == ids[::-1]
    assert found[0]["status"] == "succeeded"
    assert found[0]["lineage_digest"].startswith("sha256:")
    assert len(flow("runs", "list", "-n", "2").out.splitlines()) == 3
    assert flow("runs", "list").out.splitlines()[1].startswith(ids[2][:10])
    assert "fewer than no runs" in flow("runs", "list", "-n", "-1", code=2).err


def test_a_run_is_found_by_its_beginning(flow: Project) -> None:
    ids = [flow("run", "flow.py", "--json").json["run_id"] for _ in range(2)]
    assert flow("runs", "show", ids[0][:8], "--json").json["run_id"] == ids[0]
    assert flow("runs", "show", "latest", "--json").json["run_id"] == ids[1]
    done = flow("runs", "show", "nosuchrun", code=2)
    assert "has no run `nosuchrun`" in done.err
    assert flow("runs", "show", "", code=2).err.startswith("error: ")


def test_show(flow: Project) -> None:
    flow("run", "flow.py", "-p", "count=2")
    text = flow("runs", "show", "latest").out
    assert "params    count=2, bar=10" in text
    assert "small      succeeded  1 " in text
    assert "large      skipped" in text


def test_logs(flow: Project) -> None:
    flow("run", "flow.py")
    assert flow("runs", "logs", "latest", "numbers").out == "counting to 3\n"
    assert flow("runs", "logs", "latest").out == "--- numbers, attempt 1 ---\ncounting to 3\n"
    assert (
        flow("runs", "logs", "latest", "double", "--index", "1").err == "step `double` printed nothing (1 execution)\n"
    )
    first = flow("runs", "list", "--json").json[0]["run_id"]
    flow("run", "flow.py")
    hint = f"what it printed when it ran: `pipeglot runs logs {first[:10]} numbers`"
    assert hint in flow("runs", "logs", "latest", "numbers").err
    assert "did you mean `numbers`?" in flow("runs", "logs", "latest", "number", code=2).err
    assert "`--index` is of a step" in flow("runs", "logs", "latest", "--index", "3", code=2).err
    assert "`x` is no index" in flow("runs", "logs", "latest", "double", "--index", "x", code=2).err
    assert "has no item `7`" in flow("runs", "logs", "latest", "double", "--index", "7", code=2).err


TELLS = """\
from pipeglot import pipeline, step

@step
def tells() -> None:
    print("hi")

@pipeline
def inlined() -> None:
    tells()
"""


def test_an_inline_run_has_no_logs(project: Project) -> None:
    project.write("s.py", TELLS)
    project("run", "s.py", "--inline")
    told = "ran with `--inline`: what steps print is shown then, and not kept\n"
    assert project("runs", "logs", "latest", "tells").err == f"step `tells` {told}"
    assert project("runs", "logs", "latest").err == f"this run {told}"


def test_a_damaged_run_is_left_out_and_told(flow: Project) -> None:
    ids = [flow("run", "flow.py", "--json").json["run_id"] for _ in range(2)]
    start = flow.root / f".pipeglot/store/runs/{ids[0]}/start"
    start.chmod(0o600)
    start.write_bytes(start.read_bytes()[:-5])
    done = flow("runs", "list", "--json")
    assert [run["run_id"] for run in done.json] == [ids[1]]
    assert done.err.startswith(f"note: a run is left out: `runs/{ids[0]}/start` does not match its checksum")
    done = flow("runs", "show", ids[0], code=1)
    assert done.err.startswith("error: `runs/")
    assert "Traceback" not in done.err


KILLED = """\
import os, signal, time
from pipeglot import pipeline, step

@step
def first() -> int:
    return 1

@step
def second(n: int, parent: int) -> int:
    os.kill(parent, signal.SIGKILL)
    time.sleep(60)
    return n

@pipeline
def killed(parent: int) -> None:
    second(first(), parent)
"""


def test_a_killed_run_is_lost_and_its_steps_are_not(project: Project) -> None:
    project.write("killed.py", KILLED)
    command = shlex.join(project.command("run", "killed.py", "-p", "parent="))
    shell = ["bash", "-c", f"exec {command}$$"]
    subprocess.run(shell, cwd=project.root, env=ENVIRONMENT, check=False, capture_output=True)
    found = project("runs", "list", "--json").json
    assert [run["status"] for run in found] == ["lost"]
    assert project("runs", "show", "latest", "--json").json["steps"][1]["status"] == "lost"
    assert "lost" in project("runs", "show", "latest").out
    project.replace("killed.py", "    os.kill(parent, signal.SIGKILL)\n    time.sleep(60)\n", "")
    steps = project("run", "killed.py", "-p", "parent=0", "--json").json["steps"]
    assert [step["cached"] for step in steps] == [True, False]


RETRIED = """\
from pathlib import Path
from pipeglot import Retry, pipeline, step

@step(retry=Retry(3))
def flaky() -> int:
    tries = Path("tries")
    count = len(tries.read_text()) if tries.exists() else 0
    tries.write_text("x" * (count + 1))
    print("try", count + 1)
    if count < 2:
        raise OSError(f"not yet {count}")
    return count

@pipeline
def retried() -> None:
    flaky()
"""


def test_logs_of_failed_attempts_are_kept(project: Project) -> None:
    project.write("retried.py", RETRIED)
    text = project("run", "retried.py").err
    assert "flaky: attempt 1 of 3 failed (OSError: not yet 0), the next in 0 ms" in text
    assert "(attempt 3 of 3)" in text
    out = project("runs", "logs", "latest", "flaky").out
    assert out.index("attempt 1 ---\ntry 1\n") < out.index("OSError: not yet 0") < out.index("attempt 3 ---\ntry 3\n")


VALUES = """\
from datetime import date
from pathlib import Path
from pipeglot import pipeline, step

@step
def plain() -> dict[str, object]:
    return {"day": date(2013, 1, 31), "pair": (1, 2), "text": "ü", "nan": float("nan")}

@step
def raw() -> bytes:
    return b"\\x00\\xff"

@step
def file() -> Path:
    path = Path("out.txt")
    path.write_text("hello")
    return path

@step
def folder() -> Path:
    path = Path("made")
    (path / "deep").mkdir(parents=True, exist_ok=True)
    (path / "deep/a.txt").write_text("a")
    return path

class Thing:
    size = 3

@step
def thing() -> Thing:
    return Thing()

@pipeline
def values() -> None:
    plain()
    raw()
    file()
    folder()
    thing()
"""


@pytest.fixture
def values(project: Project) -> Project:
    project.write("values.py", VALUES)
    project("run", "values.py")
    return project


def test_artifacts_are_listed(values: Project) -> None:
    lines = values("artifact", "list").out.splitlines()
    kinds = {line.split("/")[1]: re.split("  +", line)[1] for line in lines[1:]}
    assert kinds == {"plain": "plain data", "raw": "bytes", "file": "file", "folder": "folder", "thing": "pickle"}
    found = values("artifact", "list", "latest", "--json").json
    assert found[0]["id"].endswith("/plain/output")
    assert found[0]["value"].startswith("sha256:")
    shown = values("artifact", "show", found[4]["id"], "--json").json
    assert shown["opaque"] is True
    assert shown["exists"] is True
    assert "python" in shown["needs"]
    assert "kind      pickle (pickle/1), opaque" in values("artifact", "show", "latest/thing/output").out


def test_get(values: Project) -> None:
    found = values("artifact", "get", "latest/plain/output").json
    assert found == {"day": "2013-01-31", "pair": [1, 2], "text": "ü", "nan": "nan"}
    values("artifact", "get", "latest/plain/output", "-o", "plain.json")
    assert '"text": "ü"' in (values.root / "plain.json").read_text()
    values("artifact", "get", "latest/raw/output", "-o", "raw.bin")
    assert (values.root / "raw.bin").read_bytes() == b"\x00\xff"
    assert values("artifact", "get", "latest/file/output").out == "hello"
    values("artifact", "get", "latest/file/output", "-o", "copy.txt")
    (values.root / "copy.txt").write_text("changed")
    assert values("artifact", "get", "latest/file/output").out == "hello"
    values("artifact", "get", "latest/folder/output", "-o", "copied")
    (values.root / "copied/deep/b.txt").write_text("b")
    assert (values.root / "copied/deep/a.txt").read_text() == "a"
    values("artifact", "get", "latest/thing/output", "-o", "thing.pkl")
    assert (values.root / "thing.pkl").stat().st_size > 10
    assert not [path for path in values.root.iterdir() if path.name.startswith(".pipeglot-")]


REFUSED = [
    (["latest/thing/output"], "this is a pickled Python object, which has no form to print"),
    (["latest/folder/output"], "this is a folder, which has no form to print"),
    (["latest/raw/output", "-o", "values.py"], "values.py` is there already"),
    (["latest/raw/output", "-o", "made", "--force"], "made` is a folder, which is not replaced"),
    (["latest/raw/output", "-o", "no/raw.bin"], "there is no folder `"),
    (["latest/thing/output", "-o", "thing.json"], "a pickled object is written as `.pkl` or `.pickle`"),
    (["latest/raw/other"], "step `raw` has no output `other`"),
    (["latest/row/output"], "did you mean `raw`?"),
    (["latest/raw/3/output"], "step `raw` has no item `3` in this run"),
    (["raw"], "`raw` is no artifact id"),
    (["../../x/raw/output"], "is no artifact id"),
]


@pytest.mark.parametrize(("words", "message"), REFUSED)
def test_get_refuses(values: Project, words: list[str], message: str) -> None:
    done = values("artifact", "get", *words, code=2)
    assert message in done.err
    assert done.out == ""
    assert (values.root / "values.py").read_text() == VALUES


def test_force_replaces_a_file(values: Project) -> None:
    values.write("raw.bin", "old")
    values("artifact", "get", "latest/raw/output", "-o", "raw.bin", "--force")
    assert (values.root / "raw.bin").read_bytes() == b"\x00\xff"


def test_frames_and_arrays(project: Project) -> None:
    import numpy as np
    import pandas as pd

    project.write(
        "tables.py",
        "import numpy as np\nimport pandas as pd\nfrom pipeglot import pipeline, step\n"
        "@step\ndef frame() -> pd.DataFrame:\n    return pd.DataFrame({'a': [1, 2], 'b': ['x', 'y']})\n"
        "@step\ndef series() -> pd.Series:\n    return pd.Series([1.5, 2.5], index=['p', 'q'], name='s')\n"
        "@step\ndef array() -> np.ndarray:\n    return np.arange(4.0)\n"
        "@step\ndef mixed() -> pd.DataFrame:\n    return pd.DataFrame({'a': [1, 'x']})\n"
        "@step\ndef twice() -> pd.DataFrame:\n    return pd.DataFrame([[1, 2]], columns=['a', 'a'])\n"
        "@pipeline\ndef tables() -> None:\n    frame()\n    series()\n    array()\n    mixed()\n    twice()\n",
    )
    project("run", "tables.py")
    project("artifact", "get", "latest/frame/output", "-o", "f.csv")
    assert list(csv.reader(io.StringIO((project.root / "f.csv").read_text()))) == [["a", "b"], ["1", "x"], ["2", "y"]]
    project("artifact", "get", "latest/frame/output", "-o", "f.parquet")
    assert pd.read_parquet(project.root / "f.parquet")["b"].tolist() == ["x", "y"]
    project("artifact", "get", "latest/series/output", "-o", "s.csv")
    assert (project.root / "s.csv").read_text() == ",s\np,1.5\nq,2.5\n"
    project("artifact", "get", "latest/array/output", "-o", "a.npy")
    assert np.load(project.root / "a.npy").tolist() == [0, 1, 2, 3]
    done = project("artifact", "get", "latest/frame/output", "-o", "f.xlsx", code=2)
    assert "a frame is written as `.csv` or `.parquet`" in done.err
    for name in ("mixed", "twice"):  # neither has a form in Parquet
        done = project("artifact", "get", f"latest/{name}/output", "-o", "f2.parquet", code=2)
        assert "error: it cannot be written as `.parquet`: " in done.err
        assert "hint: try `.csv`" in done.err
        assert not (project.root / "f2.parquet").exists()
    assert (
        "this is a frame, which has no form to print" in project("artifact", "get", "latest/frame/output", code=2).err
    )


# --- cache explain ----------------------------------------------------------------------------------------------------


def test_explain_names_the_helper_that_changed(flow: Project) -> None:
    flow("run", "flow.py")
    flow.replace("helper.py", "return FACTOR * n", "return FACTOR * n + 0")
    flow("run", "flow.py")
    told = flow("cache", "explain", "latest", "double", "--index", "1")
    assert "double[1] ran: nothing was computed from these inputs yet" in told.out
    assert "code `flow:double` differs: changed `helper:twice`" in told.out
    assert flow("cache", "explain", "latest", "numbers").out.startswith("numbers was reused from numbers of run ")
    flow.replace("helper.py", "FACTOR = 2", "FACTOR = 3")
    flow("run", "flow.py")
    found = flow("cache", "explain", "latest", "double", "--index", "0", "--json").json
    assert [(change["part"], change["detail"]) for change in found["changes"]] == [("code", "changed `helper:FACTOR`")]


def test_a_comment_and_an_unrelated_function_change_nothing(flow: Project) -> None:
    flow("run", "flow.py")
    flow.replace("helper.py", "    pass", "    # nothing\n    return None")
    flow.replace("helper.py", "FACTOR = 2", "FACTOR = 2  # twice")
    steps = flow("run", "flow.py", "--json").json["steps"]
    assert all(step["cached"] for step in steps if step["status"] != "skipped")


def test_explain_shows_inputs_that_changed(flow: Project) -> None:
    flow("run", "flow.py")
    flow("run", "flow.py", "-p", "count=4")
    told = flow("cache", "explain", "latest", "numbers").out
    assert "input `count` differs: parameter `count`\n    3 → 4\n" in told
    told = flow("cache", "explain", "latest", "total").out
    assert "input `ns` differs: from step `double`" in told
    assert "double[1] was reused" in flow("cache", "explain", "latest", "double", "--index", "1").out


def test_explain_without_a_lookup(flow: Project) -> None:
    flow("run", "flow.py")
    assert (
        flow("cache", "explain", "latest", "numbers").out == "numbers ran: nothing was computed from these inputs yet\n"
    )
    assert "large is skipped" in flow("cache", "explain", "latest", "large").out
    flow("run", "flow.py", "--no-cache")
    told = flow("cache", "explain", "latest", "numbers").out
    assert "numbers ran: the run was started with --no-cache" in told
    assert "nothing in its key differs" in told


def test_explain_names_what_is_declared(flow: Project) -> None:
    flow("run", "flow.py")
    flow.replace("flow.py", "@step\ndef numbers", '@step(cache=Cache(version="2"), env={"A": "b"})\ndef numbers')
    flow.replace("flow.py", "from pipeglot import each", "from pipeglot import Cache, each")
    flow("run", "flow.py")
    told = flow("cache", "explain", "latest", "numbers").out
    assert 'version differs\n    "" → "2"' in told
    assert 'env differs\n    {} → {"A": "b"}' in told
