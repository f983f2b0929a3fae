"""What is wrong is told here, before Kubeflow or Vertex AI sees it: by `pipeglot check`, all of it at once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.e2e.conftest import Project

STACKS = """
stacks:
  kfp: {backend: kfp, store: "s3://ml/prod", image: "acme/steps:1"}
  vertex: {backend: vertex, store: "gs://ml/prod", image: "acme/steps:1", project: acme, location: europe-west4,
           pipeline_root: "gs://ml/v"}
"""
PLAIN = """
from pipeglot import Cron, Interval, Resources, pipeline, step

@step
def a(n: int) -> int:
    return n

@step
def b(n: int) -> int:
    return n

@step
def words() -> str:
    return ""

@pipeline
def p(n: int = 3) -> None:
    b(a(n))
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    found = Project(tmp_path)
    found.root.mkdir(exist_ok=True)
    found.write("pipeglot.yaml", STACKS)
    found.write("f.py", PLAIN)
    return found


def check(project: Project, stack: str, code: int, target: str = "f.py") -> str:
    found = project("check", target, "--stack", stack, code=code)
    assert (found.out == "") == bool(code)
    return found.err


# --- what is no pipeline at all: the IR by hand -----------------------------------------------------------------------


def _turned(ir: Any) -> None:
    ir["nodes"].reverse()


def _own(ir: Any) -> None:
    ir["nodes"][0]["inputs"]["n"] = {"kind": "output", "step": "a"}


def _circle(ir: Any) -> None:
    ir["nodes"][0]["after"] = ["b"]


def _unknown(ir: Any) -> None:
    ir["nodes"][1]["inputs"]["n"] = {"kind": "output", "step": "c"}


def _named(name: str) -> Callable[[Any], None]:
    def change(ir: Any) -> None:
        ir["nodes"][1]["id"] = name

    return change


def _map(ir: Any) -> None:
    item = {"kind": "item", "map": "m", "name": "n"}
    body = {**ir["nodes"].pop(), "id": "m", "inputs": {"n": item}}
    over = {"n": {"kind": "output", "step": "m"}}
    ir["nodes"].append({"kind": "map", "id": "m", "over": over, "body": [body]})


BY_HAND: list[tuple[Callable[[Any], None], str]] = [
    (_turned, "step `b`: it uses an output of `a`, which comes later"),
    (_own, "step `a`: it uses an output of `a`, which is this step itself"),
    (_circle, "step `a`: `after` names `b`, which comes later"),
    (_unknown, "step `b`: it uses an output of `c`, but no step has that id"),
    (_named("a b"), "step `a b`: `a b` is no name"),
    (_named("{{x}}"), "step `{{x}}`: `{{x}}` is no name"),
    (_named(""), "step ``: `` is no name"),
    (_named("a"), "step `a`: a step has the same id"),
    (_named("b" * 201), "has 201 characters; 200 are the most"),
    (_map, "map `m`"),
]


@pytest.fixture(scope="module")
def ir(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("ir")
    found = Project(folder)
    found.write("pipeglot.yaml", STACKS)
    found.write("f.py", PLAIN)
    found("compile", "f.py", "--stack", "kfp", "--ir", "--out", ".")
    return (folder / "p.pipeglot.json").read_text()


@pytest.mark.parametrize(("change", "told"), BY_HAND, ids=[told[:40] for _, told in BY_HAND])
def test_what_is_no_pipeline(project: Project, ir: str, change: Callable[[Any], None], told: str) -> None:
    found = json.loads(ir)
    change(found)
    project.write("p.pipeglot.json", json.dumps(found))
    assert told in check(project, "kfp", 2, "p.pipeglot.json")


# --- what one of them does not take -----------------------------------------------------------------------------------


class Wrong(NamedTuple):
    """A change of the source or of the stacks; what is said of it for Kubeflow, and for Vertex AI: nothing if taken."""

    old: str
    new: str
    kfp: str
    vertex: str
    code: int = 33


def both(old: str, new: str, told: str, code: int = 33) -> Wrong:
    """What is said of it for both."""
    return Wrong(old, new, told, told, code)


_PIPELINE = "@pipeline\n"
_IMAGE = 'image: "acme/steps:1"'

WRONG = {
    "types": both(
        "b(a(n))",
        "b(words())",
        "argument `n` of `b` is `int` (f.py:9), and the result of step `words` is `str` (f.py:13)",
        code=2,
    ),
    "no image": both(_IMAGE, "strict: false", "`a`, `b` have no image to run in"),
    "a malformed image": both(
        _IMAGE,
        'image: "acme steps"',
        "`image` must be a container image: letters, digits and `._/:@-` make one",
        code=2,
    ),
    "a malformed image of a step": both(
        "@step\ndef b", '@step(image="acme/{{x}}")\ndef b', "`b` cannot run in `acme/{{x}}`, which is no image"
    ),
    "a gpu": Wrong(
        "@step\ndef b",
        "@step(resources=Resources(gpu=1))\ndef b",
        "",
        "`b` asks for a GPU, and Vertex AI has to be told which",
    ),
    "a gpu that is named": Wrong("@step\ndef b", '@step(resources=Resources(gpu=1, accelerator="t4"))\ndef b', "", ""),
    "our own parameter": both(
        "n: int = 3", "n: int = 3, pipeglot: int = 1", "parameter `pipeglot` has the name that pipeglot's own"
    ),
    "KFP's own parameter": Wrong(
        "n: int = 3",
        "n: int = 3, pipelinechannel__x: int = 1",
        "",
        "",
    ),
    "a time zone": Wrong(
        _PIPELINE,
        '@pipeline(schedule=Cron("0 6 * * *", timezone="Europe/Zurich"))\n',
        "the pipeline is scheduled in `Europe/Zurich`, and Kubeflow's recurring runs have no time zone",
        "",
    ),
    "a nickname": both(
        _PIPELINE, '@pipeline(schedule=Cron("@daily"))\n', "`@daily` is no cron line of five fields", code=2
    ),
    "six fields": both(_PIPELINE, '@pipeline(schedule=Cron("0 0 6 * * *"))\n', "has 6 fields of 5", code=2),
    "a Sunday that is 7": Wrong(_PIPELINE, '@pipeline(schedule=Cron("0 6 * * FRI-7/2"))\n', "", ""),
    "the last day": both(_PIPELINE, '@pipeline(schedule=Cron("0 6 L * *"))\n', "has `L` for the day of month", code=2),
    "an interval": Wrong(
        _PIPELINE,
        '@pipeline(schedule=Interval("1h", start="2026-01-01"))\n',
        "",
        "the pipeline asks for `interval schedule`, which backend `vertex` does not do yet",
    ),
    "catching up": Wrong(
        _PIPELINE,
        '@pipeline(schedule=Cron("0 6 * * *", start="2026-01-01", catchup=True))\n',
        "",
        "the pipeline asks for `schedule catchup`, which backend `vertex` does not do yet",
    ),
    "no bucket": Wrong(
        'pipeline_root: "gs://ml/v"', "strict: false", "", "stack `vertex` does not say its `pipeline_root`"
    ),
    "no project": Wrong("project: acme, ", "", "", "stack `vertex` does not say its `project`"),
    "a pipeline root elsewhere": both(
        'pipeline_root: "gs://ml/v"',
        'pipeline_root: "s3://ml/v"',
        "it is no bucket of Google's: `gs://…`",
        code=2,
    ),
    "a store in the project": Wrong(
        'store: "s3://ml/prod"', "store: runs", "stack `kfp` keeps its store in `runs`, which lies in the project", ""
    ),
    "two steps of one name to KFP": Wrong(
        "b(a(n))", 'a.with_options(name="a-1")(a.with_options(name="a_1")(n))', "", ""
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_one_of_them_does_not_take(project: Project, name: str) -> None:
    wrong = WRONG[name]
    file = next(one for one in ("f.py", "pipeglot.yaml") if wrong.old in (project.root / one).read_text())
    project.replace(file, wrong.old, wrong.new)
    for stack, told in (("kfp", wrong.kfp), ("vertex", wrong.vertex)):
        found = check(project, stack, wrong.code if told else 0)
        assert told in found, found


def test_all_that_is_wrong_is_told_at_once(project: Project) -> None:
    project.replace("f.py", "@step\ndef b", '@step(resources=Resources(gpu=1), pool="x", image="a b")\ndef b')
    project.replace("f.py", _PIPELINE, '@pipeline(max_parallel=2, schedule=Interval("1h", start="2026-01-01"))\n')
    project.replace("f.py", "n: int = 3", "n: int, pipeglot: int = 1")
    project.replace("pipeglot.yaml", "project: acme, ", "")
    found = check(project, "vertex", 33)
    told = [line.removeprefix("error: ").partition("  [")[0] for line in found.splitlines() if "error: " in line]
    assert told == [
        "the pipeline asks for `max_parallel of the pipeline`, which backend `vertex` does not do yet",
        "f.py:18: `b` asks for `pool`, which backend `vertex` does not do yet",
        "the pipeline asks for `interval schedule`, which backend `vertex` does not do yet",
        "parameter `pipeglot` has the name that pipeglot's own wishes travel by",
        "parameter `n` has no default, and Vertex AI starts scheduled runs without being told",
        "f.py:18: `b` cannot run in `a b`, which is no image",
        "stack `vertex` does not say its `project`",
        "f.py:18: `b` asks for a GPU, and Vertex AI has to be told which",
    ]
    assert found.count("  hint: ") == len(told)
    assert found.endswith("8 problems\n")


# --- what is emitted is kept ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stack", ["kfp", "vertex"])
def test_a_check_is_green_until_the_source_says_something_else(project: Project, stack: str) -> None:
    words = ["compile", "f.py", "--stack", stack, "--out", "out"]
    project(*words, PYTHONHASHSEED="1")
    files = {path.name: path.read_bytes() for path in project.root.glob("out/*")}
    project(*words, "--check", PYTHONHASHSEED="2")
    project.replace("f.py", "def b(n: int) -> int:\n    return n", "def b(n: int) -> int:\n    return n + 1")
    red = project(*words, "--check", code=1)
    changed = re.findall(r"^[+-] .*", red.err, re.MULTILINE)
    assert len(changed) == 2, "an edit of a step's code changes one line"
    assert all("&pipeline" in line for line in changed)
    project.replace("f.py", "@step\ndef b", "@step(retry=Retry(3))\ndef b")
    project.replace("f.py", "Interval, Resources", "Interval, Resources, Retry")
    more = re.findall(r"^\+ .*", project(*words, "--check", code=1).err, re.MULTILINE)
    assert any("retryPolicy" in line for line in more)
    assert {path.name: path.read_bytes() for path in project.root.glob("out/*")} == files
    project(*words, PYTHONHASHSEED="3")
    project(*words, "--check", PYTHONHASHSEED="4", TZ="Asia/Kathmandu", LC_ALL="C")


def test_vertex_that_begins_nothing_after_a_failure_takes_no_clean_up(project: Project) -> None:
    """`failure_policy: fast` would drop it in silence."""
    project.replace("f.py", "b(a(n))", 'a.after(b(n)).with_options(trigger="all_done")(n)')
    assert check(project, "vertex", 0) == check(project, "vertex", 0)
    project.replace("pipeglot.yaml", "project: acme", "failure_policy: fast, project: acme")
    found = check(project, "vertex", 33)
    assert "`a` asks for `all_done trigger`, which backend `vertex` does not do" in found
    assert "with `failure_policy: fast` no task begins once one has failed: take that line out of the stack" in found
