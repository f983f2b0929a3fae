"""Code that is installed where tasks run, beside the same code in a bundle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import msgspec
import pytest
from msgspec import structs

from pipeglot.core.bundle.archive import make_bundle
from pipeglot.core.bundle.unpack import bundle_key
from pipeglot.core.code import Project
from pipeglot.core.ir import CodeRef, Pipeline, Step
from pipeglot.core.task.deployed import Deployed
from pipeglot.core.task.installed import refuse_other_code
from tests.unit.task.conftest import ROOT, Engine
from tests.unit.task.test_main import RUN_STEP

HELPER = "import json\n\nFACTOR = 3\n\n\ndef times(x):\n    return x * FACTOR\n"
STEPS = "from far.helper import times\n\n\ndef work() -> int:\n    print(__file__)\n    return times(2)\n"


class Installed:
    """A project, deployed to an engine, and an environment in which it is installed, among others."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.project = engine.folder / "project"
        self.site = engine.folder / "site-packages"
        for folder in (self.project, self.site):
            (folder / "far").mkdir(parents=True)
            (folder / "far/__init__.py").write_text("")
            (folder / "far/helper.py").write_text(HELPER)
            (folder / "far/steps.py").write_text(STEPS)
        (self.site / "json5.py").write_text("FACTOR = 1\n")
        found = Project([self.project]).closure("far.steps", "work")
        code = CodeRef(module="far.steps", qualname="work", digest=found.digest)
        self.pipeline = Pipeline(name="p", nodes=(Step(id="work", code=code),), closures={found.digest: found.members})
        engine.run = structs.replace(engine.run, params={})
        engine.deployed = Deployed(
            pipeline="p",
            ir=engine.ledger.put_ir(self.pipeline),
            stack="far",
            backend="engine",
            store=str(engine.folder / "store"),
        )

    def run(self, run: str, *, attempt: int = 1, **deployed: Any) -> tuple[int, dict[str, Any], str]:
        """A task, in a process that has the environment. Returns its exit code, result and output."""
        result = self.engine.folder / "result.json"
        given = msgspec.to_builtins(self.engine.deployed) | deployed
        call = {"pipeline": given, "run": {"id": run}, "node": "work", "attempt": attempt}
        words = [*RUN_STEP, json.dumps(call), "--result", str(result)]
        paths = os.pathsep.join([str(self.site), str(ROOT)])
        done = subprocess.run(
            words,
            cwd=self.engine.folder,
            env={**os.environ, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        first, _, out = done.stdout.partition("\n")
        assert first.startswith("pipeglot: run ")
        return done.returncode, json.loads(result.read_text()), out + done.stderr

    def bundle(self) -> str:
        made = make_bundle(self.project)
        self.engine.store.put(bundle_key(made.digest), made.data)
        return made.digest

    @property
    def cached(self) -> list[str]:
        return sorted(self.engine.store.list("cache/"))


@pytest.fixture
def installed(engine: Engine) -> Installed:
    return Installed(engine)


def test_it_is_imported_from_where_it_is_installed(installed: Installed) -> None:
    code, result, told = installed.run("1")
    assert (code, result["status"]) == (0, "succeeded"), told
    assert told == f"{installed.site}/far/steps.py\n"


def test_it_shares_the_cache_with_the_same_code_in_a_bundle(installed: Installed) -> None:
    installed.run("1", bundle=installed.bundle())
    code, _, told = installed.run("2")
    assert code == 0
    assert told.startswith("pipeglot: cached: the result of run ")


def test_a_comment_makes_no_difference(installed: Installed) -> None:
    (installed.site / "far/helper.py").write_text(f"# installed by us\n{HELPER}")
    assert installed.run("1")[0] == 0


def test_an_edited_module_fails_with_both_digests_and_leaves_the_cache_alone(installed: Installed) -> None:
    installed.run("1")
    before = installed.cached
    assert len(before) == 1
    (installed.site / "far/helper.py").write_text(HELPER.replace("FACTOR = 3", "FACTOR = 4"))
    here = Project([installed.site]).closure("far.steps", "work").digest
    there = installed.pipeline.nodes[0].code.digest  # type: ignore[union-attr]  # a step
    code, result, told = installed.run("2")
    assert (code, result["status"]) == (100, "failed"), "another try would not help"
    assert told == (
        "StepError: the code of step `work` that is installed here is not what the pipeline was compiled from: its"
        f" digest is {here[:12]} here, and {there[:12]} there; other are `far.helper:FACTOR`\n\n"
        "hint: install here what the pipeline was compiled from;"
        " or compile and deploy it again, from what is installed\n"
    )
    assert installed.cached == before
    (installed.site / "far/helper.py").write_text(HELPER)
    assert installed.run("2", attempt=2)[2].startswith("pipeglot: cached"), "mended, and cleared by the engine's user"


def test_it_is_not_installed(installed: Installed) -> None:
    (installed.site / "far/steps.py").unlink()
    code, _, told = installed.run("1")
    assert code == 100
    assert told.startswith(
        "StepError: the code of step `work` is not installed here: no `far.steps:work` can be read by `"
    )


def test_other_packages_in_the_same_folder_are_not_of_the_project(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`json` is the standard library's, also where somebody has installed another one."""
    (installed.site / "json.py").write_text("FACTOR = 9\n")
    monkeypatch.setattr(sys, "path", [str(installed.site), *sys.path])
    step = installed.pipeline.nodes[0]
    assert isinstance(step, Step)
    refuse_other_code(step, installed.pipeline)
