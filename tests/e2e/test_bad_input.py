"""What nobody wants in a store, a parameter or a record: a clear message, the right exit code, nothing lost."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from pipeglot.core.lineage.ledger import Ledger, pack
from pipeglot.core.lineage.records import Verdict
from pipeglot.core.store.folder import FolderStore
from tests.e2e.conftest import CONFIG, ENVIRONMENT, Project, Result

SCREEN = 24

ECHO = '''\
"""Steps that give back what they are given."""

from pathlib import Path

from pipeglot import pipeline, step


@step
def echo(text: str, x: float) -> dict[str, object]:
    print("given", text)
    return {"text": text, "x": x}


@step
def large(text: str) -> bytes:
    return b"0123456789" * 10_000


@step
def file(text: str) -> Path:
    path = Path("made.csv")
    path.write_text("made")
    return path


@pipeline
def flow(text: str = "plain", x: float = 1.0) -> None:
    echo(text, x)
    large(text)
    file(text)
'''

AS_A_USER = """
import ctypes, os, sys
for capability in (1, 2):  # to pass over the modes of files: what root has, and a user has not
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
os.execv(sys.executable, [sys.executable, "-m", "pipeglot", *sys.argv[1:]])
"""


class Bad(Project):
    """A project with a run in its store."""

    @property
    def store(self) -> Path:
        return self.root / ".pipeglot/store"

    def as_user(self, *words: str) -> Result:
        """A command that modes of files mean something to, whoever runs the tests."""
        command = [sys.executable, "-c", AS_A_USER, *words]
        done = subprocess.run(
            command, cwd=self.root, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def python(self, code: str) -> Result:
        env = {**ENVIRONMENT, "PYTHONPATH": str(self.root)}
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=self.root, env=env, capture_output=True, text=True, timeout=120, check=False)
        return Result(done.returncode, done.stdout, done.stderr)

    def value(self, where: str = "latest/echo/output") -> Any:
        return self("artifact", "get", where).json


@pytest.fixture
def bad(tmp_path: Path) -> Iterator[Bad]:
    found = Bad(tmp_path)
    found.write("flow.py", ECHO)
    found.write("pipeglot.yaml", CONFIG)
    found("run", "flow.py")
    yield found
    for path in (found.root, *found.root.rglob("*")):  # or nobody can remove it
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)


def clear(result: Result, code: str, *words: str, exit_code: int = 1) -> None:
    """An error as a user can read it."""
    assert result.code == exit_code, result.err
    assert result.out == ""
    first, _, rest = result.err.partition("\n")
    assert first.startswith("error: ")
    assert first.endswith(f"[{code}]")
    assert result.err.count("\n") < SCREEN
    assert "Traceback" not in result.err
    for word in words:
        assert word in first + rest


# --- the store --------------------------------------------------------------------------------------------------------


def test_a_store_that_nobody_may_read(bad: Bad) -> None:
    bad.store.chmod(0)
    for words in (("run", "flow.py"), ("runs", "list"), ("artifact", "get", "latest/echo/output"), ("store", "verify")):
        clear(bad.as_user(*words), "store", f"cannot open the store `{bad.store}`: Permission denied", "`ls -ld`")
    bad.store.chmod(0o700)
    assert bad.value() == {"text": "plain", "x": 1.0}


@pytest.mark.parametrize("part", ["runs", "cache", "tmp"])
def test_a_part_of_it_that_nobody_may_read(bad: Bad, part: str) -> None:
    (bad.store / part).chmod(0)
    clear(bad.as_user("run", "flow.py", "-p", "text=other"), "store", "Permission denied")
    (bad.store / part).chmod(0o700)
    assert bad("run", "flow.py", "-p", "text=other").code == 0
    assert bad("store", "verify").code == 0


def test_a_store_of_a_newer_version(bad: Bad) -> None:
    mark = bad.store / "store.json"
    before = mark.read_bytes()
    mark.chmod(0o600)
    mark.write_text('{"format": 2, "needs": "pipeglot>=9"}')
    for words in (("run", "flow.py"), ("runs", "list"), ("store", "verify"), ("runs", "resume", "latest")):
        clear(bad(*words, code=None), "newer-format", "has format 2", "hint: install `pipeglot>=9`")
    mark.write_bytes(before)
    assert len(bad("runs", "list", "--json").json) == 1


def test_a_store_that_nobody_may_write_to(bad: Bad) -> None:
    """What is there can be read; what is new cannot be begun."""
    for path in (bad.store, *bad.store.rglob("*")):
        path.chmod(0o500 if path.is_dir() else 0o400)
    clear(bad.as_user("run", "flow.py", "-p", "text=other"), "store", "cannot write", "Permission denied")
    assert bad.as_user("artifact", "get", "latest/echo/output").json == {"text": "plain", "x": 1.0}
    assert bad.as_user("store", "verify").code == 0
    assert [run["status"] for run in json.loads(bad.as_user("runs", "list", "--json").out)] == ["succeeded"]


def test_a_project_that_nobody_may_write_to(bad: Bad) -> None:
    shutil.rmtree(bad.root / ".pipeglot")
    bad.root.chmod(0o500)
    clear(bad.as_user("run", "flow.py"), "os", "Permission denied", "`ls -ld`")
    assert bad.as_user("plan", "flow.py").code == 0


FULL = """
import sys
from pipeglot.cli.main import main
from tests.faults.points import Board, Fault, Injector
Injector({root!r}, Board(), Fault({point}, {kind!r})).install()
sys.exit(main({words!r}))
"""


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("over quota from here on", "Disk quota exceeded"),
        ("full from here on", "No space left on device"),
        ("read-only from here on", "Read-only file system"),
        ("dead from here on", "Input/output error"),
    ],
)
def test_a_disk_that_takes_no_more(bad: Bad, kind: str, says: str) -> None:
    """In the middle of a run, seen by a process as a user starts it."""
    words = ["run", "flow.py", "-p", "text=other"]
    code = FULL.format(root=str(bad.store), point=60, kind=kind, words=words)
    env = {**ENVIRONMENT, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=bad.root, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") < 2 * SCREEN
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert "bug in pipeglot" not in done.stderr
    assert bad("store", "verify").code == 0
    assert {run["status"] for run in bad("runs", "list", "--json").json} <= {"succeeded", "failed", "lost"}
    again = bad("run", "flow.py", "-p", "text=other", "--json").json
    assert again["status"] == "succeeded"
    assert bad.value() == {"text": "other", "x": 1.0}


def test_files_that_may_not_grow(bad: Bad) -> None:
    """A limit of the system's own, not a made-up one. What is small fits, and what is large says why not."""
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))\n"
    done = bad.python(f"{limited}from flow import flow\nflow.run(text='other')")
    assert done.code == 1
    assert "step `large`" in done.err or "cannot write" in done.err
    assert "File too large" in done.err
    assert "`ulimit -f`" in done.err
    assert "bug in pipeglot" not in done.err
    again = bad("run", "flow.py", "-p", "text=other", "--json").json
    assert again["status"] == "succeeded"
    assert bad("store", "verify").code == 0
    listed = bad.python(f"{limited}from pipeglot.cli.main import main\nmain(['runs', 'list'])")
    assert "Traceback" not in listed.err
    assert "`ulimit -f`" in listed.err


# --- parameters -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "'; rm -rf $HOME; $(touch pwned) `touch pwned`",
        '"; touch pwned #|&>pwned\n$(touch pwned)\ttouch pwned\n\n',
        "{{ x }}\r\n\x1b[31mred \u202e",
        "{% x %} ${text} %(text)s {text!r} {0.__class__} %n \\ ' \" \u2028 \u2066 \ufeff \x9b2J \x7f",
        "../../../etc/passwd\x1b]0;title\x07\x1b[2J",
        "--help",
        "",
    ],
)
def test_a_hostile_text(bad: Bad, text: str) -> None:
    bad("run", "flow.py", "-p", f"text={text}")
    assert bad.value() == {"text": text, "x": 1.0}
    assert bad("runs", "show", "latest", "--json").json["params"]["text"] == text
    assert bad("runs", "list", "--param", f"text={text}", "--json").json[0]["params"]["text"] == text
    shown = bad("runs", "show", "latest").out
    shown += bad("lineage", "latest").out + bad("runs", "diff", "latest", "latest").out + bad("runs", "list").out
    assert not set("\x1b\r\u202e\u2066\x9b\x07\x7f") & set(shown)
    assert not (bad.root / "pwned").exists()


def test_a_text_with_lone_surrogates(bad: Bad) -> None:
    """As an argument has that is not UTF-8. It comes back as it was, and is in nobody's way."""
    text = os.fsdecode(b"\xff\xfe")
    made = bad("run", "flow.py", "-p", f"text={text}", "--json")
    assert json.loads(made.out)["params"]["text"] == text
    assert bad.value()["text"] == text
    assert bad("runs", "show", "latest", "--json").json["params"]["text"] == text
    assert len(bad("runs", "list", "--json").json) == 2
    assert len(bad("runs", "list", "--param", f"text={text}", "--json").json) == 1
    assert bad("lineage", "latest").code == 0
    assert bad("store", "reindex").code == 0
    assert json.loads(bad("run", "flow.py", "-p", f"text={text}", "--json").out)["steps"][0]["cached"]


@pytest.mark.parametrize("option", ["--pipeline", "--sort"])
def test_a_filter_with_lone_surrogates(bad: Bad, option: str) -> None:
    found = bad("runs", "list", option, os.fsdecode(b"a=\xff"))
    assert "bug in pipeglot" not in found.err


def test_nul_and_ten_megabytes(bad: Bad) -> None:
    """No command line takes them; Python does."""
    code = """
from flow import flow
for text in ("a\\0b", "x" * 10_000_000):
    run = flow.run(text=text)
    assert run.status == "succeeded"
    assert run.steps["echo"].outputs["output"].load()["text"] == text
"""
    done = bad.python(code)
    assert done.code == 0, done.err
    for words in (("runs", "list"), ("runs", "show", "latest"), ("lineage", "latest")):
        assert len(bad(*words).out) < 5000
    assert bad("store", "verify").code == 0


def test_a_parameter_that_no_record_can_hold(bad: Bad) -> None:
    done = bad.python("from flow import flow\nflow.run(text='x' * 40_000_000)")
    assert done.code == 1
    assert done.err.splitlines()[-3:] == [
        "pipeglot.core.errors.ParamError: parameter `text` has 38 MB; all parameters together may have 32 MB",
        "",
        "hint: put it into a file, and give its path; or let a step make it",
    ]
    assert len(bad("runs", "list", "--json").json) == 1


@pytest.mark.parametrize("number", ["nan", "-inf"])
def test_a_number_that_is_none(bad: Bad, number: str) -> None:
    clear(bad("run", "flow.py", "-p", f"x={number}", code=2), "param", "must be a finite number", exit_code=2)
    assert len(bad("runs", "list", "--json").json) == 1


def test_minus_zero_is_not_zero(bad: Bad) -> None:
    for number in ("-0.0", "0.0"):
        run = bad("run", "flow.py", "-p", f"x={number}", "--json").json
        assert not run["steps"][0]["cached"]
        assert str(bad.value()["x"]) == number
    assert bad("run", "flow.py", "-p", "x=-0.0", "--json").json["steps"][0]["cached"]


ODD = """
from pipeglot import pipeline, step

@step
def odd() -> dict[str, object]:
    return {"nan": float("nan"), "inf": float("-inf"), "zero": -0.0, "half": "\\ud800", "nul": "a\\0b"}

@step
def same(given: dict[str, object]) -> bool:
    nan, zero = given["nan"], given["zero"]
    return nan != nan and str(zero) == "-0.0" and given["half"] == "\\ud800" and given["nul"] == "a\\0b"

@pipeline
def odds() -> None:
    same(odd())
"""


def test_values_that_json_lacks(bad: Bad) -> None:
    """They come back as they were, are equal to themselves for the cache, and are shown somehow."""
    bad.write("odd.py", ODD)
    bad("run", "odd.py")
    assert bad.value("latest/same/output") is True
    shown = bad("artifact", "get", "latest/odd/output")
    assert json.loads(shown.out)["nan"] == "nan"
    again = bad("run", "odd.py", "--json").json
    assert [step["cached"] for step in again["steps"]] == [True, True]
    assert bad("runs", "diff", again["run_id"], "latest").code == 0
    assert bad("store", "verify").code == 0


def test_a_project_in_a_folder_that_is_not_utf8(tmp_path: Path) -> None:
    odd = Bad(tmp_path / os.fsdecode(b"odd\xff"))
    odd.write("flow.py", ECHO)
    odd.write("pipeglot.yaml", CONFIG)
    done = odd("run", "flow.py", code=2)
    clear(done, "usage", "has a name that is not UTF-8", exit_code=2)
    assert odd("runs", "list", "--json").json == []


# --- forged records ---------------------------------------------------------------------------------------------------


def forge(bad: Bad, step: str, **changes: Any) -> None:
    """Change what a verdict says of its output, with a good checksum."""
    ledger = Ledger(FolderStore(bad.store))
    (run,) = ledger.runs()
    verdict = ledger.verdict(run, step, ())
    assert verdict is not None
    ref = structs.replace(verdict.observed.refs["output"], **changes)
    put(bad, structs.replace(verdict, observed=structs.replace(verdict.observed, refs={"output": ref})), step)


def put(bad: Bad, verdict: Verdict, step: str) -> None:
    path = bad.store / f"runs/{verdict.run}/v/{step}/-/1"
    path.unlink()
    path.write_bytes(pack(verdict))


@pytest.mark.parametrize(
    ("step", "changes"),
    [
        ("large", {"week": "../../../../outside"}),
        ("large", {"blob": "../" * 10 + "etc/passwd"}),
        ("file", {"meta": {"suffix": "/../../outside"}}),
    ],
)
def test_a_forged_record_that_names_a_path(bad: Bad, tmp_path: Path, step: str, changes: dict[str, Any]) -> None:
    (bad.root / "outside").write_text("secret")
    forge(bad, step, **changes)
    where = f"latest/{step}/output"
    load = f"import pipeglot\nprint(pipeglot.load({where!r}))"
    before = {path for path in bad.root.rglob("*") if ".pipeglot" not in path.parts}
    for done in (bad("artifact", "get", where, code=None), bad.python(load)):
        assert "secret" not in done.out
        assert "root:" not in done.out
    if step == "large":
        clear(bad("artifact", "get", where, code=None), "corrupt", "damaged")
        told = bad("store", "verify", code=1)
        assert "damaged" in told.out + told.err
    assert {path for path in bad.root.rglob("*") if not {".pipeglot", "__pycache__"} & set(path.parts)} <= before


@pytest.mark.parametrize("name", ["../../../outside", "%2e%2e%2fx", "a\0b\n"])
def test_a_forged_record_of_another_step(bad: Bad, name: str) -> None:
    ledger = Ledger(FolderStore(bad.store))
    (run,) = ledger.runs()
    verdict = ledger.verdict(run, "echo", ())
    assert verdict is not None
    put(bad, structs.replace(verdict, step=name), "echo")
    clear(bad("runs", "show", "latest", code=None), "corrupt", "is the record of another cell")
    assert bad("store", "verify", code=1).code == 1
    assert bad("run", "flow.py").code == 0


def test_a_forged_record_without_bounds(bad: Bad) -> None:
    """Deep enough that a parser would fall."""
    ledger = Ledger(FolderStore(bad.store))
    (run,) = ledger.runs()
    path = bad.store / f"runs/{run}/v/echo/-/1"
    _, _, body = path.read_bytes().partition(b"\n")
    deep = body.replace(b'"inline":', b'"deep":' + b"[" * 100_000 + b"]" * 100_000 + b',"inline":')
    assert deep != body
    path.chmod(0o600)
    path.write_bytes(b"pipeglot 1 %s\n%s" % (hashlib.sha256(deep).hexdigest().encode(), deep))
    done = bad("runs", "show", "latest", code=None)
    assert done.code in (0, 1)
    assert "Traceback" not in done.err
    assert bad("run", "flow.py").code == 0


def test_a_record_that_is_not_utf8(bad: Bad) -> None:
    ledger = Ledger(FolderStore(bad.store))
    (run,) = ledger.runs()
    path = bad.store / f"runs/{run}/v/echo/-/1"
    body = path.read_bytes().partition(b"\n")[2].replace(b'"echo"', b'"ech\xff"')
    path.chmod(0o600)
    path.write_bytes(b"pipeglot 1 %s\n%s" % (hashlib.sha256(body).hexdigest().encode(), body))
    clear(bad("runs", "show", "latest", code=None), "newer-format", "does not know")
    assert bad("runs", "list").code == 0
