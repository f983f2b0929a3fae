"""Runs of Metaflow's runner as processes of their own: started, looked at, ended. The flow here only acts as one."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import stat
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pipeglot.compilers.base import File, Source
from pipeglot.compilers.metaflow import run_log
from pipeglot.compilers.metaflow.deployer import ALL_ARGUMENTS, MetaflowDeployer
from pipeglot.compilers.metaflow.ends import end_file
from pipeglot.compilers.metaflow.interpreter import Found, Interpreter
from pipeglot.compilers.metaflow.stack import MetaflowStack
from pipeglot.compilers.remote import Away, EngineTask
from pipeglot.core.errors import EngineError
from pipeglot.core.ir import Param, Pipeline, ScalarType

FLOW = """\
import json
import os
import sys
import time
from pathlib import Path


FlowSpec = object


def Parameter(*args, **kwargs):
    pass


def Worker(*args, **kwargs):
    pass


pipeglot = Worker({}, params={"text_2": "text"}, texts=["table"])


class shop_2(FlowSpec):
    text_2 = Parameter("text_2", type=str)
    table = Parameter("table", type=str)
    number = Parameter("number", type=int)
    pipeglot_wishes = Parameter("pipeglot", default="")


def say(text, task=""):
    print(f"2026-11-22 15:05:39.309 {task}{text}", flush=True)


def act():
    words = sys.argv[1:]
    if "create" in words:
        about = Path(words[words.index("--deployer-attribute-file") + 1])
        about.write_text(json.dumps({"name": "shop.there", "words": words}))
        print("pushed", *words)
        sys.exit(WHAT)
    Path("pid").write_text(str(os.getpid()))
    while WHAT == "hesitates":
        time.sleep(0.05)
    Path("words.json").write_text(json.dumps([words, os.environ.get("METAFLOW_USER", ""), os.getcwd()]))
    if WHAT == "refuses":
        sys.exit("no such thing")
    say("Workflow starting (run-id 17):")
    Path(words[words.index("--run-id-file") + 1]).write_text("17")
    say("Task is starting.", "[17/start/1 (pid 12)] ")
    say("Task finished successfully.", "[17/start/1 (pid 12)] ")
    say("Task is starting.", "[17/sales/2 (pid 13)] ")
    say("pipeglot: step sales, item 3.0", "[17/sales/2 (pid 13)] ")
    say("away", "[17/sales/2 (pid 13)] ")
    say("Task failed.", "[17/sales/2 (pid 13)] ")
    say("Task is starting (retry).", "[17/sales/2 (pid 14)] ")
    say("selling", "[17/sales/2 (pid 14)] ")
    while WHAT == "waits":
        time.sleep(0.05)
    if WHAT == "fails":
        say("Task failed.", "[17/sales/2 (pid 14)] ")
        sys.exit(1)
    say("Task finished successfully.", "[17/sales/2 (pid 14)] ")
    say("Done!")


act()
"""
PIPELINE = Pipeline(
    name="shop",
    params=tuple(Param(name=name, type=ScalarType(name="any")) for name in ("text", "table", "number")),
)


class Here(NamedTuple):
    """A deployer, and where it keeps what it starts."""

    remote: MetaflowDeployer
    folder: Path

    def register(self, what: object) -> None:
        text = FLOW.replace("WHAT", repr(what))
        version = hashlib.sha256(text.encode()).hexdigest()
        self.remote.register(Source(PIPELINE, "shop.py", "0" * 64), [File("shop.py", text, version)])
        assert self.remote.is_live("shop", version)
        assert not self.remote.is_live("shop", "0" * 64)

    def run(self, what: object, **params: Any) -> str:
        self.register(what)
        found = self.remote.start("shop", "pipeglot__1", params)
        assert (found.id, found.about["flow"]) == ("17", "shop_2")
        return found.id

    def await_over(self) -> str:
        deadline = time.monotonic() + 30
        while (status := self.remote.status("shop", "17")) == "running":
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return status

    def ends(self, run: str = "17") -> Path:
        """The file that tells the tasks of a run to end."""
        return end_file("mf", "shop", run, run)

    def words(self) -> list[str]:
        found: list[str] = json.loads((self.folder / "words.json").read_text())[0]
        return found


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIPEGLOT_METAFLOW", str(tmp_path / "kept"))
    monkeypatch.setenv("PIPEGLOT_CACHE", str(tmp_path / "cache"))
    return Here(MetaflowDeployer(MetaflowStack(name="mf", python=sys.executable, max_workers=3)), tmp_path)


def test_a_run_that_succeeds(here: Here) -> None:
    here.run("succeeds")
    assert here.await_over() == "succeeded"
    assert list(here.remote.tasks("shop", "17")) == [
        EngineTask("start", -1, "succeeded", 1, id="1"),
        EngineTask("sales", -1, "succeeded", 2, item=(3, 0), id="2"),
    ]
    assert here.remote.log("shop", "17", EngineTask("sales", -1, "succeeded", 2, id="2")) == "selling\n"
    log = Path(here.remote.url("shop", "17"))
    assert "Workflow starting" in log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    words = here.words()
    assert words[:2] == ["--no-pylint", "run"]
    assert words[words.index("--max-workers") + 1] == "3"
    assert int(words[words.index("--max-num-splits") + 1]) >= 1_000_000


def test_a_flow_that_says_how_many_tasks_run_at_once(here: Here) -> None:
    text = FLOW.replace("WHAT", "0").replace("Worker({}, ", "Worker({}, most=2, ")
    here.remote.register(Source(PIPELINE, "shop.py", "0" * 64), [File("shop.py", text, "1" * 64)])
    here.remote.start("shop", "pipeglot__1", {})
    here.await_over()
    assert here.words()[here.words().index("--max-workers") + 1] == "2"


def test_a_run_that_fails(here: Here) -> None:
    here.run("fails")
    assert here.await_over() == "failed"
    assert [one.state for one in here.remote.tasks("shop", "17", ["failed"])] == ["failed"]


def test_a_run_that_is_killed_has_failed_and_so_have_its_tasks(here: Here) -> None:
    here.run("waits")
    assert here.remote.status("shop", "17") == "running"
    assert [one.step for one in here.remote.tasks("shop", "17", ["running"])] == ["sales"]
    os.kill(_pid(here.folder / "kept"), signal.SIGKILL)
    assert here.await_over() == "failed"
    assert [one.step for one in here.remote.tasks("shop", "17", ["failed"])] == ["sales"]


def test_cancelling_tells_the_tasks_by_a_file(here: Here) -> None:
    here.run("waits")
    told = here.ends()
    assert not told.exists()
    here.remote.cancel("shop", "17")
    assert told.exists()
    os.kill(_pid(here.folder / "kept"), signal.SIGKILL)


def test_a_run_that_nobody_here_has_started(here: Here) -> None:
    assert here.remote.status("shop", "18") == "gone"
    assert here.remote.status("shop", "../shop") == "gone"
    assert list(here.remote.tasks("shop", "18")) == []
    here.remote.cancel("shop", "18")
    assert here.remote.url("shop", "18") == "run 18 of Metaflow"


def test_parameters_are_words_whatever_is_in_them(here: Here) -> None:
    text = "--help; $HOME `id` 'a' \"b\"\n-x\u2603"
    here.run("succeeds", text=text, table={"a": [None, "\ud83d"]}, number=-(2**70))
    here.await_over()
    words = here.words()
    assert f"--text_2={text}" in words
    assert '--table={"a": [null, "\\ud83d"]}' in words
    assert f"--number={-(2**70)}" in words


def test_a_parameter_that_is_json_if_it_is_no_plain_word(here: Here) -> None:
    """As the same flow takes it where it is deployed to."""
    text = FLOW.replace('texts=["table"]', 'texts=["table"], quoted=["text"]')
    for number, (value, word) in enumerate([("a b", "a b"), ("$x ü", r'"\u0024x \u00fc"')]):
        version = str(number) * 64
        here.remote.register(
            Source(PIPELINE, "shop.py", "0" * 64), [File("shop.py", text.replace("WHAT", '"succeeds"'), version)]
        )
        here.remote.start("shop", f"pipeglot__{number}", {"text": value})
        here.await_over()
        assert f"--text_2={word}" in here.words()
        (here.folder / "kept/runs/mf/shop/17").unlink()


def test_our_own_wishes_are_json(here: Here) -> None:
    here.run("succeeds", pipeglot={"cache": False}, text=None)
    here.await_over()
    assert '--pipeglot={"cache": false}' in here.words()
    assert not any(word.startswith("--text") for word in here.words()), "what is None was not given"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("a\0b", "it has a NUL character"),
        ("\ud83d", "it has half of a surrogate pair"),
        ("x" * 100_001, "it has 100,001 bytes, and a command line takes 100,000"),
    ],
    ids=["nul", "surrogate", "long"],
)
def test_what_no_command_line_takes(here: Here, value: str, why: str) -> None:
    here.register("succeeds")
    assert here.remote.uncarried(PIPELINE, {"text": value, "number": 3}) == ["text"]
    with pytest.raises(EngineError) as error:
        here.remote.start("shop", "pipeglot__1", {"text": value})
    assert error.value.message == f"parameter `text` cannot be given to Metaflow: {why}"


def test_all_parameters_together(here: Here) -> None:
    names = [f"p{number}" for number in range(11)]
    text = FLOW + "".join(f"\n# {name}" for name in names)
    more = "".join(f'    {name} = Parameter("{name}", type=str)\n' for name in names)
    text = text.replace("    pipeglot_wishes", f"{more}    pipeglot_wishes")
    here.remote.register(Source(PIPELINE, "shop.py", "0" * 64), [File("shop.py", text, "1" * 64)])
    with pytest.raises(EngineError, match=f"bytes, and a command line takes {ALL_ARGUMENTS:,}"):
        here.remote.start("shop", "pipeglot__1", dict.fromkeys(names, "x" * 99_000))


def test_a_flow_that_is_older_than_a_parameter(here: Here) -> None:
    here.register("succeeds")
    with pytest.raises(EngineError, match="the flow that is kept here has no parameter `year`"):
        here.remote.start("shop", "pipeglot__1", {"year": 1})


def test_no_flow(here: Here) -> None:
    with pytest.raises(Away, match="there is no flow of `shop` here"):
        here.remote.start("shop", "pipeglot__1", {})


def test_a_run_that_does_not_start(here: Here) -> None:
    here.register("refuses")
    with pytest.raises(EngineError) as error:
        here.remote.start("shop", "pipeglot__1", {})
    assert error.value.message == "Metaflow does not start the run: exit code 1\nno such thing"
    assert str(here.folder / "kept/runs/mf/shop/pipeglot__1/run.log") in error.value.hint


def test_no_interpreter(here: Here) -> None:
    here.register("succeeds")
    remote = MetaflowDeployer(MetaflowStack(name="mf", python="/nowhere/bin/python"))
    (check,) = remote.checks([])
    assert (check.ok, check.said) == (False, "stack `mf`: there is no program `/nowhere/bin/python`")
    assert "pipeglot sandbox up metaflow" in check.hint
    with pytest.raises(EngineError, match="there is no program `/nowhere/bin/python`"):
        remote.start("shop", "pipeglot__1", {})


def test_an_interpreter_without_metaflow(here: Here) -> None:
    (check,) = here.remote.checks([])
    assert not check.ok
    assert check.said.endswith("cannot import what flows import: ModuleNotFoundError: No module named 'metaflow'")
    assert check.hint == f"`{sys.executable} -m pip install metaflow pipeglot` installs both"


def test_what_the_flow_is_told_of_metaflow(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("METAFLOW_USER", "SUDO_USER", "USERNAME", "USER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WHERE", "there")
    stack = MetaflowStack(
        name="mf",
        python=sys.executable,
        datastore="s3",
        datastore_root="s3://ml/${WHERE}",
        service_url="http://${WHERE}:8080",
        profile="prod",
        environment={"METAFLOW_DEFAULT_ENVIRONMENT": "${WHERE}"},
    )
    interpreter = MetaflowDeployer(stack).interpreter
    found = interpreter.environment()
    assert found["METAFLOW_USER"] == "pipeglot"
    assert found["METAFLOW_PROFILE"] == "prod"
    assert found["METAFLOW_SERVICE_URL"] == "http://there:8080"
    assert found["METAFLOW_DATASTORE_SYSROOT_S3"] == "s3://ml/there"
    assert found["METAFLOW_DEFAULT_ENVIRONMENT"] == "there"
    assert interpreter.flow(Path("x.py"))[1:] == ["x.py", "--no-pylint", "--datastore", "s3", "--metadata", "service"]
    monkeypatch.setenv("USER", "ada")
    assert "METAFLOW_USER" not in interpreter.environment()


def test_a_run_is_forgotten_after_a_month(here: Here) -> None:
    """With what told its tasks to end."""
    here.run("succeeds")
    here.await_over()
    here.ends().touch()
    folder = here.folder / "kept/runs/mf/shop"
    old = time.time() - 31 * 86400
    os.utime(folder / "pipeglot__1/run.log", (old, old))
    here.remote.start("shop", "pipeglot__2", {})
    assert sorted(one.name for one in folder.iterdir()) == ["17", "pipeglot__2"]
    assert (folder / "17").resolve().name == "pipeglot__2"
    assert not here.ends().exists()


def test_ctrl_c_while_metaflow_starts_leaves_no_run(here: Here) -> None:
    here.register("hesitates")
    pid = here.folder / "pid"

    def interrupt() -> None:
        while not (pid.exists() and pid.read_text()):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        here.remote.start("shop", "pipeglot__1", {})
    thread.join()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_run_whose_starter_was_killed_before_it_heard_the_id(here: Here) -> None:
    """Its own first task has recorded it: so it is followed and ended as any other."""
    here.run("waits")
    folder = here.folder / "kept/runs/mf/shop"
    (folder / "17").unlink()
    assert here.remote.status("shop", "17") == "running"
    assert (folder / "17").resolve() == folder / "pipeglot__1"
    (folder / "17").unlink()
    here.remote.cancel("shop", "17")
    assert here.ends().exists()
    os.kill(_pid(here.folder / "kept"), signal.SIGKILL)
    assert here.await_over() == "failed"


def test_a_root_says_what_datastore_it_is_of(here: Here) -> None:
    for root, kind in (("s3://ml/x", "s3"), ("gs://ml/x", "gs"), ("there", "local")):
        interpreter = Interpreter(MetaflowStack(name="mf", python=sys.executable, datastore_root=root))
        whole = str(here.folder / root) if kind == "local" else root
        assert interpreter.environment()[f"METAFLOW_DATASTORE_SYSROOT_{kind.upper()}"] == whole
        assert interpreter.flow(Path("x.py"))[2:] == ["--no-pylint", "--datastore", kind]


@pytest.mark.parametrize(
    ("found", "stack", "said"),
    [
        ({"metaflow": "2.16.8"}, {}, ["metaflow", "flows need Metaflow 2.18 or newer"]),
        ({"metaflow": "2.17.10rc1"}, {}, ["metaflow", "flows need Metaflow 2.18 or newer"]),
        ({"metaflow": "2.18.0"}, {}, []),
        ({"metaflow": "3.0"}, {}, []),
        (
            {"metaflow": "2.19.39"},
            {"deploy_to": "argo-workflows"},
            ["image", "tasks that name no image would run in Metaflow's own one, which has no pipeglot"],
        ),
        ({"metaflow": "2.19.39"}, {"deploy_to": "argo-workflows", "image": "acme/x:1"}, []),
        ({"metaflow": "2.19.39", "images": {"step-functions": "acme/x:1"}}, {"deploy_to": "step-functions"}, []),
    ],
)
def test_what_metaflow_has_not(
    here: Here, monkeypatch: pytest.MonkeyPatch, found: dict[str, Any], stack: dict[str, Any], said: list[str]
) -> None:
    monkeypatch.setattr(Interpreter, "_look", lambda _: Found(**{"python": "3.11.9", "images": {}, **found}))
    remote = MetaflowDeployer(MetaflowStack(name="mf", python=sys.executable, **stack))
    assert [word for check in remote.checks([]) if not check.ok for word in (check.what, check.said)] == said
    if stack:
        Here(remote, here.folder).register(0)
        with pytest.raises(EngineError, match=f"stack `mf`: {said[1]}") if said else nullcontext():
            remote.install("shop")


@pytest.mark.parametrize("there", ["argo-workflows", "step-functions"])
def test_deploying_by_metaflow_itself(here: Here, monkeypatch: pytest.MonkeyPatch, there: Any) -> None:
    monkeypatch.setattr(Interpreter, "_look", lambda _: Found(python="3.11.9", metaflow="2.19.39", images={there: "x"}))
    remote = MetaflowDeployer(MetaflowStack(name="mf", python=sys.executable, deploy_to=there, max_workers=5))
    deployed = Here(remote, here.folder)
    deployed.register(0)
    title = {"argo-workflows": "Argo Workflows", "step-functions": "AWS Step Functions"}[there]
    assert remote.install("shop") == f"`shop` is deployed to {title}, as `shop.there`"
    deployed.register(3)
    with pytest.raises(EngineError) as error:
        remote.install("shop")
    assert error.value.message.startswith(f"Metaflow does not deploy `shop` to {title}: exit code 3\npushed ")
    assert f"{there} create --max-workers 5 --deployer-attribute-file" in error.value.message


def test_nothing_is_deployed_if_the_stack_does_not_say_where(here: Here) -> None:
    here.register(0)
    assert here.remote.install("shop") == ""


# --- what it prints ---------------------------------------------------------------------------------------------------

STAMP = "2026-11-22 15:05:39.309 "
TASK = f"{STAMP}[17/sales/2 (pid 13)] "


def test_only_metaflow_itself_says_that_a_run_is_done(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    log.write_bytes(f"Done!\n{TASK}Done!\n{TASK}50 %\r{STAMP}Done!\u2028{STAMP}Done!\x0b{STAMP}Done!\n".encode())
    found = run_log.RunLog(log)
    assert not found.is_done()
    with log.open("a") as more:
        more.write(f"{STAMP}Done! See the run in the UI at https://metaflow\n")
    assert found.is_done()


def test_what_a_step_prints_has_lines_of_its_own(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    printed = "1 %\r100 %\u2028a\x85b\x0cc"
    log.write_bytes(f"{TASK}Task is starting.\n{TASK}{printed}\n{TASK}Task finished successfully.\n".encode())
    assert run_log.printed(log, "2") == f"{printed}\n"
    assert run_log.RunLog(log).tasks() == [run_log.Seen("2", "sales", state="succeeded")]
    assert run_log.last_words(log, 2) == f"{TASK}{printed}\n{TASK}Task finished successfully."


def test_a_log_is_read_on_from_where_it_was_read_to(tmp_path: Path) -> None:
    """Half a line is not taken for a whole one."""
    log = tmp_path / "run.log"
    found = run_log.RunLog(log)
    assert found.tasks() == []
    log.write_bytes(f"{TASK}Task is starting.\n{TASK}pipeglot: step sales, item 3".encode())
    assert found.tasks() == [run_log.Seen("2", "sales")]
    with log.open("a") as more:
        more.write(".1\n")
    assert found.tasks() == [run_log.Seen("2", "sales", (3, 1))]
    log.write_bytes(b"\0" * log.stat().st_size)
    with log.open("a") as more:
        more.write(f"{TASK}Task failed.\n")
    assert found.tasks() == [run_log.Seen("2", "sales", (3, 1), "failed")], "what was read before is not read again"


def _pid(kept: Path) -> int:
    """Of the process that a flow below this folder is."""
    words = os.fsencode(kept / "flows")
    found = [path for path in Path("/proc").glob("[0-9]*/cmdline") if words in path.read_bytes()]
    return int(found[0].parent.name)
