"""Parameters that KFP would not carry, by `pipeglot run`: they come to the steps as they were given."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeglot.core.artifacts.blobs import blob_key
from pipeglot.core.lineage import keys
from tests.conformance.backends.kfp import OnKfp
from tests.conformance.suite import STACK
from tests.e2e.conftest import ENVIRONMENT, Project
from tests.servers.kfp import Kfp
from tests.servers.sandbox import PATIENCE

FLOW = '''\
import hashlib
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from pipeglot import pipeline, step


@dataclass
class Size:
    width: int = 1
    parts: list[float] = field(default_factory=list)


class Limits(BaseModel):
    low: int | float = 0
    more: Any = None


@step
def digest(values: list[object]) -> str:
    """Of what it is given, to the type of each number."""
    return hashlib.sha256(repr(values).encode("utf-8", "surrogatepass")).hexdigest()


@step
def join(digest: str, text: str) -> str:
    return f"{digest} {len(text)}"


@pipeline
def carried(
    need: str,
    text: str = "{{tasks.x}} {{$}} python3 'x' \\"y\\"",
    large: str = "é" * 20_000,
    number: int = 3,
    ratio: float = 1.0,
    names: list[str] = ["a"],
    table: dict[str, float] = {"a": 1.0},
    bare: list = [1, 2.0, 2**60],
    anything: Any = None,
    maybe: int | None = 5,
    size: Size = Size(2, [1.0, 0.5]),
    limits: Limits = Limits(low=1.0, more=[1, 1.0]),
) -> None:
    told = digest([need, text, large, number, ratio, names, table, bare, anything, maybe, size, limits])
    join(told, text)
'''

HOSTILE = "{{workflow.name}} {{$}} {{inputs.parameters.x}} python3 'it''s' \"so\" \\ $HOME `x` \n \u2028 é😀 <&> NaN"
CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "defaults": ({"need": ""}, ["large", "text"]),
    "braces": ({"need": HOSTILE, "text": HOSTILE, "large": ""}, ["need", "text"]),
    "no braces": ({"need": HOSTILE.replace("{{", "{"), "text": "python3", "large": ""}, []),
    "empty": (
        {"need": "", "text": "", "large": "", "number": 0, "names": [], "table": {}, "bare": [], "anything": ""},
        [],
    ),
    "big ints": ({"need": "x", "text": "", "large": "", "number": 2**53 + 1, "bare": [2**70, -1.0]}, ["number"]),
    "huge ints": ({"need": "x", "text": "", "large": "", "number": -(2**200), "ratio": -0.0}, ["number", "ratio"]),
    "nothing": ({"need": "x", "text": "", "large": "", "maybe": None, "anything": [None, {"a": 1.0}]}, ["maybe"]),
    "just small enough": ({"need": "n" * 9_000, "text": "", "large": ""}, []),
    "100 kB": ({"need": "n" * 100_000, "text": "t", "large": "l", "names": ["n" * 5_000]}, ["need"]),
}


class Far:
    """A project with a stack of KFP, and one of this machine on another store."""

    def __init__(self, server: Kfp, folder: Path) -> None:
        self.server = server
        self.project = Project(folder)
        self.project.patience = PATIENCE
        self.project.write("flow.py", FLOW)
        self.store = folder / "far"
        local = f"{{backend: local, store: '{folder}/local'}}"
        stacks = f"  local: {local}\n  {STACK}: {{{server.stack(self.store)}}}\n"
        self.project.write("pipeglot.yaml", f"stacks:\n{stacks}")

    def run(self, stack: str, params: dict[str, Any], *words: str) -> dict[str, Any]:
        given = [
            word
            for name, value in params.items()
            for word in (
                "-p",
                f"{name}={value if isinstance(value, str) and name != 'anything' else json.dumps(value)}",
            )
        ]
        done = self.project("run", "flow.py:carried", "--stack", stack, "--no-cache", "--json", *given, *words)
        found: dict[str, Any] = done.json
        return found

    def sent(self, run: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self.server.ask("GET", f"/runs/{run['engine']['run']}")[1]["runtime_config"]
        return dict(found["parameters"])

    def again(self, run: dict[str, Any], **changed: Any) -> str:
        """The same run once more, as `Clone run` of KFP's own pages starts it."""
        _, before = self.server.ask("GET", f"/runs/{run['engine']['run']}")
        config = {"parameters": {**self.sent(run), **changed}}
        body = {"display_name": "clone", "pipeline_version_reference": before["pipeline_version_reference"]}
        status, made = self.server.ask("POST", "/runs", {**body, "runtime_config": config})
        assert status == 200, made
        return str(made["run_id"])

    def shown(self, engine_run: str) -> dict[str, Any]:
        run = keys.run_id(STACK, "carried", engine_run)
        found: dict[str, Any] = self.project("runs", "show", run, "--stack", STACK, "--json").json
        return found


@pytest.fixture(scope="module")
def far(kfp: Kfp, tmp_path_factory: pytest.TempPathFactory) -> Far:
    return Far(kfp, tmp_path_factory.mktemp("values"))


@pytest.mark.parametrize("case", CASES)
def test_they_come_as_they_were_given(far: Far, case: str) -> None:
    params, held = CASES[case]
    there, here = far.run(STACK, params), far.run("local", params)
    assert there["params"] == here["params"]
    assert there["lineage_digest"] == here["lineage_digest"] is not None
    sent = far.sent(there)
    away = sent.get("pipeglot", {}).get("held", {}).get("names", [])
    assert sorted(away) == sorted(held)
    assert len(json.dumps(sent, ensure_ascii=False).encode()) <= 10_000
    assert [sent[name] for name in ("need",) if name in away] == [""] * ("need" in away), "it has no default there"
    assert "{{" not in json.dumps(sent)


def test_a_megabyte(far: Far) -> None:
    """From Python, for no command line takes as much."""
    script = """\
import sys
from flow import carried
run = carried.on(sys.argv[1]).run(need="né{{ " * 200_000, names=["python3"] * 100_000)
print(run.status, run.lineage_digest, len(run.params["need"]))
"""
    far.project.write("start.py", script)
    told = []
    for stack in (STACK, "local"):
        done = subprocess.run(
            [sys.executable, "start.py", stack],
            cwd=far.project.root,
            env=ENVIRONMENT,
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told.append(done.stdout.split())
    assert told[0] == told[1]
    assert told[0][::2] == ["succeeded", "1000000"]


def test_a_run_that_is_cloned_takes_them_from_the_store(far: Far) -> None:
    """Nobody of ours has joined it before its first task does."""
    first = far.run(STACK, {"need": HOSTILE, "number": 2**60}, "--tag", "word={{x}}")
    run = far.again(first)
    assert far.server.state(run) == "SUCCEEDED"
    found = far.shown(run)
    assert (found["params"], found["lineage_digest"]) == (first["params"], first["lineage_digest"])
    assert found["tags"] == {"word": "{{x}}"}


def test_what_has_gone_from_the_store(far: Far) -> None:
    first = far.run(STACK, {"need": "{{gone}}"})
    held = far.sent(first)["pipeglot"]["held"]
    (far.store / blob_key(held["week"], held["blob"])).unlink()
    run = far.again(first)
    assert far.server.state(run) == "FAILED"
    remote = OnKfp(far.server).remote
    (task,) = remote.tasks(first["pipeline"], run, ("failed",))
    log = remote.log(first["pipeline"], run, task)
    assert "what this run was given for `need`, `text`, `large` is gone: the store" in log
    assert "hint: start the run anew: `pipeglot run` puts it there again" in log


def test_who_starts_a_run_in_kfp_s_own_pages_gets_the_defaults(far: Far) -> None:
    """Also those that only the pipeline has."""
    there = far.run(STACK, {"need": "plain"})
    _, before = far.server.ask("GET", f"/runs/{there['engine']['run']}")
    body = {"display_name": "by hand", "pipeline_version_reference": before["pipeline_version_reference"]}
    config = {"parameters": {"need": "plain", "pipeglot": {"cache": False}}}
    status, made = far.server.ask("POST", "/runs", {**body, "runtime_config": config})
    assert status == 200, made
    assert far.server.state(made["run_id"]) == "SUCCEEDED"
    found = far.shown(made["run_id"])
    assert found["params"] == there["params"]
    assert found["lineage_digest"] == far.run("local", {"need": "plain"})["lineage_digest"]
