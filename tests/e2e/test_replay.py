"""`replay` as a user drives it: the same inputs, what differs from then, the debugger on the user's line."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import msgspec
import pytest

from pipeglot.client.replay import Replayed
from tests.e2e.conftest import Project
from tests.e2e.test_terminal import Terminal

FLOW = """\
import os
import tempfile
from pathlib import Path

import numpy as np

import helper
from pipeglot import current_run, each, log_metrics, pipeline, secret, step, when


@step
def numbers() -> list[int]:
    return [4, 0, 2]


@step
def ratio(n: int, total: int) -> float:
    print(f"{n} of {total} in run {current_run().run_id}, item {current_run().index[0]}")
    log_metrics({"n": n})
    share = helper.divide(total, n)
    return share


@step
async def waited(total: int) -> int:
    doubled = total * 2
    return doubled


@step(secrets=["TOKEN"], env={"MODE": "fast"}, timeout="1h")
def private() -> str:
    return f"{len(secret('TOKEN'))} {os.environ['MODE']}"


@step
def written(total: int) -> Path:
    path = Path(tempfile.mkdtemp(), "made.txt")
    path.write_text(str(total))
    return path


@step
def read(path: Path) -> str:
    return path.read_text()


@step
def array(total: int) -> object:
    return np.arange(total)


@step
def never() -> None:
    raise AssertionError


@pipeline
def flow(total: int = 100) -> None:
    ratio.map(each(numbers()), total)
    length = waited(total)
    private()
    read(written(total))
    array(total)
    with when(length < 0):
        never()
"""
HELPER = """\
def divide(a: int, b: int) -> float:
    return a / b
"""
CONFIG = 'stacks:\n  local: {backend: local, store: .pipeglot/store, secrets: {TOKEN: "env:TOKEN"}}\n'


@pytest.fixture
def made(project: Project) -> Project:
    """A project whose latest run has a map with a failed item."""
    project.write("flow.py", FLOW)
    project.write("helper.py", HELPER)
    project.write("pipeglot.yaml", CONFIG)
    project("run", "flow.py", code=1, TOKEN="12345678")
    return project


def stored(project: Project) -> list[tuple[str, int]]:
    store = project.root / ".pipeglot" / "store"
    return sorted((str(path), path.stat().st_mtime_ns) for path in store.rglob("*") if path.is_file())


def test_a_failure_fails_again(made: Project) -> None:
    before = stored(made)
    done = made("replay", "latest", "ratio", "--index", "1", code=1)
    run = made("runs", "list", "--json").json[0]["run_id"]
    lines = done.out.splitlines()
    assert re.fullmatch(rf"ratio\[1\] of run {run[:10]} of flow: failed at .*: ZeroDivisionError: .*", lines[0])
    assert lines[1:8] == [
        "python, packages and code are as they were then",
        "inputs, as they were:",
        "  n      0",
        "  total  100",
        "--- what it prints ---",
        f"0 of 100 in run {run}, item 1",
        "--- what came of it ---",
    ]
    assert lines[8:10] == ["metrics: n=0.0", "Traceback (most recent call last):"]
    assert "ZeroDivisionError: division by zero" in lines
    assert lines[-1] == "failed, as it failed then"
    assert "pipeglot/core" not in done.out
    assert stored(made) == before


def test_an_edited_helper_is_named_and_what_it_changes_is_shown(made: Project) -> None:
    made.replace("helper.py", "return a / b", "return a / (b + 1)")
    mended = made("replay", "latest", "ratio", "--index", "1").out.splitlines()
    assert mended[1:3] == ["not as it was then:", "  code: changed `helper:divide`"]
    assert mended[-1] == "in that run it failed, and here it does not"
    other = made("replay", "latest", "ratio", "--index", "0").out.splitlines()
    assert other[-2:] == ["not what it gave then:", "  output: 25 → 20 (-5, -20 %)"]
    made.replace("helper.py", "return a / (b + 1)", 'raise KeyError("other")')
    failed = made("replay", "latest", "ratio", "--index", "1", code=1).out.splitlines()
    assert failed[-1] == "failed, another failure than then: ZeroDivisionError: division by zero"


def test_secrets_environment_and_timeout(made: Project) -> None:
    done = made("replay", "latest", "private", TOKEN="12345678")
    lines = done.out.splitlines()
    assert lines[2:5] == ["its timeout of 1 h is not enforced here", "secrets: `TOKEN`, from the stack", "env: `MODE`"]
    assert lines[-1] == "1 output equal to what it gave then"
    failed = made("replay", "latest", "private", code=1)
    assert "secret `TOKEN`: the environment variable `TOKEN` is not set" in failed.err + failed.out
    made.write("pipeglot.yaml", CONFIG.replace(', secrets: {TOKEN: "env:TOKEN"}', ""))
    unmapped = made("replay", "latest", "private", code=2)
    assert "step `private` needs secret `TOKEN`, which stack `local` does not map" in unmapped.err
    assert 'hint: say in pipeglot.yaml where it is: `local: {…, secrets: {TOKEN: "env:TOKEN"}}`' in unmapped.err


def test_files_are_named_and_left_for_the_user(made: Project) -> None:
    done = made("replay", "latest", "read")
    found = re.search(r"files among its inputs are in (\S+)", done.out)
    assert found is not None
    (file,) = Path(found[1]).iterdir()
    assert file.read_text() == "100"
    assert sorted(path.name for path in Path(found[1]).parent.iterdir()) == ["inputs"]


def test_nothing_is_left_behind(made: Project, tmp_path: Path) -> None:
    temp = tmp_path / "temp"
    temp.mkdir()
    made("replay", "latest", "array", TMPDIR=str(temp))
    assert list(temp.iterdir()) == []


def test_packages_and_python_of_then(made: Project) -> None:
    ledger = made.root / ".pipeglot" / "store" / "runs"
    (verdict,) = ledger.glob("*/v/array/-/1")
    assert b'"packages":{"numpy":"' in verdict.read_bytes()
    from pipeglot.core.lineage.ledger import pack, unpack
    from pipeglot.core.lineage.records import Verdict

    record = unpack(verdict.read_bytes(), "x")
    assert isinstance(record, Verdict)
    seen = msgspec.structs.replace(record.observed, python="3.9.1", packages={"numpy": "0.1", "no-such": "2"})
    verdict.chmod(0o600)
    verdict.write_bytes(pack(msgspec.structs.replace(record, observed=seen)))
    import numpy

    lines = made("replay", "latest", "array").out.splitlines()
    assert lines[1] == "not as it was then:"
    assert lines[2].startswith("  python: 3.9.1 → 3.")
    assert lines[3:5] == [f"  numpy: 0.1 → {numpy.__version__}", "  no-such: 2 → not installed"]


def test_a_cached_execution_is_replayed_as_the_one_that_computed_it(made: Project) -> None:
    made("run", "flow.py", code=1, TOKEN="12345678")
    done = made("replay", "latest", "array")
    assert done.out.splitlines()[1] == "python, packages and code are as they were then"
    assert done.out.splitlines()[-1] == "1 output equal to what it gave then"


def test_a_cached_execution_whose_origin_is_damaged(made: Project) -> None:
    """All that is lost is what the record told of Python and packages."""
    (verdict,) = (made.root / ".pipeglot" / "store" / "runs").glob("*/v/array/-/1")
    made("run", "flow.py", code=1, TOKEN="12345678")
    verdict.chmod(0o600)
    verdict.write_bytes(b"cut")
    done = made("replay", "latest", "array")
    assert done.out.splitlines()[1] == "python and packages of then are not known"
    assert done.out.splitlines()[-1] == "1 output equal to what it gave then"


def test_json(made: Project) -> None:
    done = made("replay", "latest", "ratio", "--index", "1", "--json", code=1)
    found = msgspec.json.decode(done.out, type=Replayed, strict=True)
    assert msgspec.json.decode(msgspec.json.encode(found)) == done.json
    assert (found.status, found.same_failure, found.index, found.metrics) == ("failed", True, (1,), {"n": 0.0})
    assert found.recorded.failure is not None
    assert done.err.startswith("0 of 100 in run ")


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["never"], "step `never` was skipped in run `", "tells which step before it is the cause"),
        (["ratio"], "step `ratio` has 3 items in this run", "say which: `--index 1`, which failed"),
        (["ratio", "--index", "7"], "step `ratio` has no item `7` in this run", "its last is `--index 2`"),
        (["raito"], "pipeline `flow` has no step `raito`", "did you mean `ratio`?"),
        (["ratio", "--code", "recorded"], "`--code recorded` cannot be done yet", "check out the code"),
        (["array", "--pdb", "--json"], "`--pdb` and `--json` exclude each other", ""),
    ],
)
def test_what_cannot_be_replayed(made: Project, words: list[str], message: str, hint: str) -> None:
    done = made("replay", "latest", *words, code=2)
    assert message in done.err
    assert hint in done.err


def test_code_that_is_not_here(made: Project) -> None:
    made.write("flow.py", FLOW.replace("def array(", "def renamed("))
    done = made("replay", "latest", "array", code=2)
    assert "the code of step `array`, `flow:array`, is not in this checkout" in done.err


def test_an_input_that_is_gone(made: Project) -> None:
    made.replace("flow.py", "path.write_text(str(total))", "path.write_text(str(total) * 9000)")
    made("run", "flow.py", code=1, TOKEN="12345678")
    shutil.rmtree(made.root / ".pipeglot" / "store" / "blobs")
    done = made("replay", "latest", "read", code=1)
    assert "`path` is gone: the store `" in done.err
    assert "hint: `pipeglot run TARGET --from written` computes it again; then replay the step of that run" in done.err
    made("run", "flow.py", "--from", "written", code=1, TOKEN="12345678")
    made("replay", "latest", "read")


def test_a_pickle_from_a_store_that_is_not_trusted(project: Project) -> None:
    project.write(
        "flow.py",
        "from pipeglot import pipeline, step\n\nclass Thing:\n    pass\n\n"
        "@step\ndef make() -> Thing:\n    return Thing()\n\n"
        "@step\ndef use(thing: Thing) -> int:\n    return 1\n\n@pipeline\ndef flow() -> None:\n    use(make())\n",
    )
    project("run", "flow.py")
    project.write("pipeglot.yaml", "stacks:\n  local: {backend: local, store: .pipeglot/store, trusted: false}\n")
    done = project("replay", "latest", "use", code=1)
    assert "is stored as a pickle, and the store" in done.err
    assert "hint: if only you and people you trust can write to it" in done.err


# --- the debugger -----------------------------------------------------------------------------------------------------


def test_pdb_of_a_failed_map_item_stops_at_the_users_line(made: Project) -> None:
    terminal = Terminal(made, "replay", "latest", "ratio", "--index", "1", "--pdb")
    shown = terminal.read(until="(Pdb) ")
    assert "helper.py(2)divide()\r\n-> return a / b\r\n(Pdb) " in shown
    os.write(terminal.fd, b"p (a, b)\n")
    assert "(100, 0)" in terminal.read(until="(100, 0)")
    os.write(terminal.fd, b"up\n")
    shown = terminal.read(until="flow.py(20)ratio()")
    assert "-> share = helper.divide(total, n)" in terminal.read(until="divide(total, n)\r\n(Pdb) ")
    os.write(terminal.fd, b"up\n")
    assert "*** Oldest frame" in terminal.read(until="*** Oldest frame")
    os.write(terminal.fd, b"q\n")
    assert terminal.close() == 1
    assert "pipeglot/core" not in shown


def test_pdb_opens_above_the_frames_of_libraries(made: Project) -> None:
    made.replace("helper.py", "return a / b", "import statistics\n    return statistics.mean([])")
    terminal = Terminal(made, "replay", "latest", "ratio", "--index", "1", "--pdb")
    shown = terminal.read(until="statistics.mean([])\r\n(Pdb) ")
    assert shown.endswith("-> return statistics.mean([])\r\n(Pdb) ")
    os.write(terminal.fd, b"q\n")
    assert terminal.close() == 1


@pytest.mark.parametrize(("step", "line"), [("array", "return np.arange(total)"), ("waited", "doubled = total * 2")])
def test_pdb_of_what_had_succeeded_stops_at_its_first_line(made: Project, step: str, line: str) -> None:
    terminal = Terminal(made, "replay", "latest", step, "--pdb")
    assert f"{step}()\r\n-> {line}\r\n(Pdb) " in terminal.read(until="(Pdb) ")
    os.write(terminal.fd, b"p total\n")
    assert "\r\n100\r\n" in terminal.read(until="\r\n100\r\n")
    os.write(terminal.fd, b"up\n")
    assert "*** Oldest frame" in terminal.read(until="*** Oldest frame")
    os.write(terminal.fd, b"c\n")
    assert terminal.close() == 0
    assert "1 output equal to what it gave then" in terminal.text


def test_leaving_the_debugger(made: Project) -> None:
    terminal = Terminal(made, "replay", "latest", "array", "--pdb")
    terminal.read(until="(Pdb) ")
    os.write(terminal.fd, b"q\n")
    assert terminal.close() == 1
    assert terminal.text.endswith("the debugger was left before the step ended\r\n")
