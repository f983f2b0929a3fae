"""Every flow that we write passes Metaflow's own check, and in a moment; and its names are what we take them for."""

from __future__ import annotations

import base64
import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeglot.client.sandboxes import find_engine
from pipeglot.compilers.base import Source
from pipeglot.compilers.metaflow.compiler import MetaflowCompiler
from pipeglot.compilers.metaflow.names import FLOW, OPTIONS, Names
from pipeglot.compilers.metaflow.params import options
from pipeglot.compilers.metaflow.stack import MetaflowStack
from pipeglot.compilers.sandboxes.environment import ensure
from pipeglot.core.ir import DictType, ListType, Param, Pipeline, ScalarType
from tests.conformance.cases import WHOLE
from tests.oracle.generate import pipelines
from tests.servers.sandbox import ENVIRONMENT
from tests.unit.lineage.build import step

COUNT = 200 if WHOLE else 60
LINT = Path(__file__).parent / "by_hand/metaflow_lint.py"
GOLDEN = sorted((Path(__file__).parents[1] / "golden").glob("metaflow*/*/*.py"))
LAYOUTS: tuple[dict[str, Any], ...] = (
    {},
    {"layout": "levels"},
    {"layout": "foreach"},
    {"layout": "linear", "on_failure": "carry"},
    {"deploy_to": "step-functions", "datastore": "s3"},
)


@pytest.fixture(scope="module")
def python() -> Path:
    return ensure(find_engine("metaflow").pins("2"), Path(ENVIRONMENT["PIPEGLOT_ENGINES"]), print) / "bin/python"


def call(python: Path, *words: object) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "USERNAME": "test", "METAFLOW_HOME": "/nonexistent"}
    return subprocess.run([python, "-B", *map(str, words)], env=env, capture_output=True, text=True, check=False)


def told(python: Path, files: list[Path]) -> list[tuple[str, float]]:
    """What stands against each, and the seconds that it takes to find out."""
    done = call(python, LINT, "files", *files)
    assert done.returncode == 0, done.stderr
    return [(said, seconds) for said, seconds in json.loads(done.stdout)]


def written(made: Pipeline, file: Path, **stack: Any) -> Path:
    source = Source(made, "made.py", "0" * 64)
    (flow, _) = MetaflowCompiler().compile(source, MetaflowStack(name="far", store="s3://ml/prod", **stack))
    file.write_text(flow.text)
    return file


def of_steps(needs: list[list[int]]) -> Pipeline:
    """A step for each list of those that it comes after."""
    return Pipeline(
        name="p", nodes=tuple(step(f"s{n}", after=tuple(f"s{one}" for one in ones)) for n, ones in enumerate(needs))
    )


def diamonds(count: int) -> Pipeline:
    needs: list[list[int]] = [[]]
    for _ in range(count):
        top = len(needs) - 1
        needs += [[top], [top], [top + 1, top + 2]]
    return of_steps(needs)


def test_names_that_metaflow_keeps(python: Path) -> None:
    found = json.loads(call(python, LINT, "names").stdout)
    assert {*found["flow"], "name"} == FLOW
    assert {*found["options"]} == OPTIONS


def test_golden_files(python: Path) -> None:
    assert len(GOLDEN) > 10
    assert [said for said, _ in told(python, GOLDEN)] == [""] * len(GOLDEN)


def test_generated_pipelines(python: Path, tmp_path: Path) -> None:
    """200 of all forms, and 100 of steps that come after any others, in each layout. `make test` has fewer."""
    files: list[Path] = []

    @given(made=pipelines(size=24))
    @settings(
        deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, max_examples=COUNT, database=None
    )
    def write(made: Pipeline) -> None:
        files.append(written(made, tmp_path / f"{len(files)}.py", **LAYOUTS[len(files) % len(LAYOUTS)]))

    @given(seed=st.integers(0, 2**32), size=st.integers(2, 60), share=st.floats(0.01, 0.5))
    @settings(
        deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, max_examples=COUNT // 2, database=None
    )
    def write_steps(seed: int, size: int, share: float) -> None:
        chance = random.Random(seed)
        made = of_steps([[one for one in range(n) if chance.random() < share] for n in range(size)])
        files.append(written(made, tmp_path / f"{len(files)}.py", **LAYOUTS[len(files) % 4]))

    write()
    write_steps()
    assert len(files) >= COUNT * 3 // 2
    found = told(python, files)
    assert [said for said, _ in found] == [""] * len(files)
    assert max(seconds for _, seconds in found) < 5


TEXTS = (
    *(
        "",
        "CH",
        "a b",
        " a ",
        "3",
        "null",
        "true",
        "1e3",
        "-x",
        "a,b=c",
        "ü",
        "😀",
        "line\nline\r\t",
        "it's",
        '"',
        '"quoted"',
    ),
    *("\\", "\\n", "\\u0024", "$HOME", "$(touch ran)", "`touch ran`", "${x:-y}", "!!", "~", "*", "; touch ran #"),
    *("{{workflow.name}}", "{{=toBase64('a')}}", "%s", "\x00", "<&|>", "x" * 1000),
)
"""Of users, which no shell is to change, nor to run."""


@pytest.mark.parametrize("there", ["argo-workflows", "step-functions"])
def test_texts_come_through_the_shell_that_metaflow_hands_them_to(python: Path, tmp_path: Path, there: str) -> None:
    """By its own programs, for Argo Workflows and for Step Functions: the value of each is what it was here."""
    text, table = ScalarType(name="str"), DictType(of=ListType(of=ScalarType(name="str")))
    made = [Param(name=f"t{number}", type=text, default=one) for number, one in enumerate(TEXTS)]
    made.append(Param(name="table", type=table, default={one or "-": [one] for one in TEXTS}))
    given = {one.name: one.default for one in options(Pipeline(name="p", params=tuple(made)), Names(), by_shell=True)}
    module = {"argo-workflows": "argo.set_parameters", "step-functions": "aws.step_functions.set_batch_environment"}
    if there == "argo-workflows":
        words = [f"{name},f,{base64.b64encode(json.dumps(value).encode()).decode()}" for name, value in given.items()]
    else:
        words = []
    done = subprocess.run(
        [python, "-m", f"metaflow.plugins.{module[there]}", *([] if words else ["parameters"]), "exports", *words],
        cwd=tmp_path,
        env={**ENVIRONMENT, "METAFLOW_USER": "test", "METAFLOW_DEFAULT_PARAMETERS": json.dumps(given)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for shell in ("sh", "bash"):
        words = [shell, "-c", ". ./exports && exec env -0"]
        said = subprocess.run(words, cwd=tmp_path, env={"PATH": os.environ["PATH"]}, capture_output=True, check=True)
        found = dict(one.split("=", 1) for one in said.stdout.decode().split("\0") if one)
        for name, value in given.items():
            assert found[f"METAFLOW_INIT_{name.upper()}"] == value
        read = [found[f"METAFLOW_INIT_T{number}"] for number in range(len(TEXTS))]
        assert [json.loads(one) if one.startswith('"') else one for one in read] == [*TEXTS]
        assert json.loads(found["METAFLOW_INIT_TABLE"]) == {one or "-": [one] for one in TEXTS}
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "count",
    [pytest.param(count, marks=[] if count in (14, 40) else [pytest.mark.whole]) for count in (12, 13, 14, 16, 20, 40)],
)
def test_diamonds_one_after_the_other_are_checked_in_a_moment(python: Path, tmp_path: Path, count: int) -> None:
    """Of 20, Metaflow's own code would walk a million ways, for a minute."""
    file = written(diamonds(count), tmp_path / "p.py")
    begun = os.times().children_user
    done = call(python, file, "--no-pylint", "check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert os.times().children_user - begun < 5


def test_a_long_chain(python: Path, tmp_path: Path) -> None:
    file = written(of_steps([[n - 1] if n else [] for n in range(498)]), tmp_path / "p.py")
    done = call(python, file, "--no-pylint", "check")
    assert done.returncode == 0, done.stdout + done.stderr
