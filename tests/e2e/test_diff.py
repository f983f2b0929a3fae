"""`runs diff` as a user reads it: two real runs, what differs in them and nothing else."""

from __future__ import annotations

import shutil
from typing import Any

import msgspec
import pytest

from pipeglot.client.diff.model import RunDiff
from tests.e2e.conftest import Project, Result


def run(project: Project, *words: str, target: str = "flow.py", code: int = 0) -> str:
    return str(project("run", target, "--json", *words, code=code).json["run_id"])


def diff(project: Project, *words: str, code: int = 1) -> Result:
    return project("runs", "diff", *words, code=code)


def body(done: Result) -> list[str]:
    """Without the two lines that name the runs."""
    return done.out.splitlines()[2:]


def test_a_run_does_not_differ_from_its_like(flow: Project) -> None:
    one, two = run(flow), run(flow, "--no-cache")
    done = diff(flow, one, two, code=0)
    assert done.out.splitlines()[0].startswith(f"A  {one[:10]}  flow  succeeded  ")
    assert body(done) == ["", "no difference: 6 steps compared"]
    assert body(diff(flow, one, one, code=0))[0] == "note: this is one and the same run"


def test_another_parameter(flow: Project) -> None:
    one, two = run(flow), run(flow, "-p", "count=4", "-p", "bar=12")
    assert body(diff(flow, one, two)) == [
        "",
        "parameters",
        "  count: 3 → 4 (+1, +33 %)",
        "  bar: 10 → 12 (+2, +20 %)",
        "",
        "numbers",
        "  input count: 3 → 4 (+1, +33 %), parameter `count`",
        "  output: 2 places differ",
        "    3 items → 4",
        "    [3]: new: 3",
        "",
        "double  3 items → 4",
        "",
        "total",
        "  input ns: another one, from step `double`",
        "  output: 6 → 12 (+6, +100 %)",
        "",
        "large  skipped → succeeded",
        "",
        "small  succeeded → skipped",
        "",
        "tell",
        '  input text: "6 is small" → "12 is large", from `large`, `small`',
        '  output: text: "6 is small" → "12 is large"',
        "",
        "they differ in 2 parameters, 6 steps in what they did; 0 steps equal",
    ]


def test_another_helper(flow: Project) -> None:
    one = run(flow)
    flow.replace("helper.py", "FACTOR = 2", "FACTOR = 2.5")
    lines = body(diff(flow, one, run(flow)))
    assert lines[1:3] == ["code", "  changed `helper:FACTOR`: step `double`"]
    assert lines[4:9] == [
        "double  3 of 3 items differ",
        "  output",
        "    [0] 0 → 0.0 (`int` → `float`)",
        "    [1] 2 → 2.5 (+0.5, +25 %, `int` → `float`)",
        "    [2] 4 → 5.0 (+1, +25 %, `int` → `float`)",
    ]
    assert lines[-1] == "they differ in 1 step in code, 4 steps in what they did; 2 steps equal"


FAILING = """
from pipeglot import each, pipeline, step, log_metrics

@step
def check(n: int, bad: int) -> int:
    log_metrics({"n": n + bad})
    if n == bad:
        raise ValueError(f"{n} is bad")
    return 1

@pipeline
def checks(bad: int) -> None:
    check.map(each([10, 11, 12, 13]), bad)
"""


def test_failures_of_map_items(project: Project) -> None:
    project.write("flow.py", FAILING)
    one, two, three = (run(project, "-p", f"bad={n}", code=int(n < 20)) for n in (10, 11, 20))
    lines = body(diff(project, one, two))
    assert lines[4:7] == [
        "check  4 of 4 items differ",
        "  [0] failed (ValueError: 10 is bad) → succeeded",
        "  [1] succeeded → failed (ValueError: 11 is bad)",
    ]
    assert "  input bad: 10 → 11 (+1, +10 %), parameter `bad` (in 4 items)" in lines
    assert "    [0] 20 → 21 (+1, +5 %)" in lines
    assert "  [0] failed (ValueError: 10 is bad) → succeeded" in body(diff(project, one, three))


NUMBERS = """
from pipeglot import pipeline, step

@step(cache=False)
def noise(n: float) -> dict[str, float]:
    return {"a": 1.0 + n, "b": 2.0}

@step(cache=False)
def use(x: dict[str, float]) -> float:
    return x["a"] * 2

@pipeline
def numbers(n: float = 0.0) -> None:
    use(noise(n))
"""


def test_tolerances_and_what_is_left_out(project: Project) -> None:
    project.write("flow.py", NUMBERS)
    one, two = run(project), run(project, "-p", "n=0.001")
    assert "  output: a: 1 → 1.001 (+0.001, +0.1 %)" in body(diff(project, one, two))
    within = body(diff(project, one, two, "--rtol", "0.01"))
    assert within[-1] == "they differ within --rtol 0.01 in 1 parameter, 1 step in what they did; 1 step equal"
    left = body(diff(project, one, two, "--ignore", "noise.output", "--ignore", "use"))
    assert left[-1] == (
        "they differ in 1 parameter, 1 step in what they did; 0 steps equal, `noise.output`, `use` left out"
    )
    assert body(diff(project, one, two, "--ignore", "noise", "--ignore", "use.output"))[-1].startswith(
        "they differ in 1 parameter; 1 step equal"
    )


def test_quiet(flow: Project) -> None:
    one, two = run(flow), run(flow, "-p", "count=1")
    assert diff(flow, one, two, "-q").out == ""
    assert diff(flow, one, one, "--quiet", code=0).out == ""


def test_other_pipelines_are_named_first(flow: Project) -> None:
    one = run(flow)
    flow.write("other.py", NUMBERS)
    done = diff(flow, one, run(flow, target="other.py"))
    assert body(done)[0] == (
        "note: these are runs of two pipelines, `flow` and `numbers`: steps of the same name are compared"
    )
    assert "numbers  only in A: succeeded" in body(done)
    assert "double  only in A: 3 succeeded" in body(done)
    assert "noise  only in B: succeeded" in body(done)


def test_a_map_that_never_came_to_be(project: Project) -> None:
    project.write(
        "flow.py",
        "from pipeglot import each, pipeline, step\n"
        "@step\ndef numbers(bad: bool) -> list[int]:\n    assert not bad, 'no numbers'\n    return [1, 2]\n"
        "@step\ndef double(n: int) -> int:\n    return 2 * n\n"
        "@pipeline\ndef flow(bad: bool = False) -> None:\n    double.map(each(numbers(bad)))\n",
    )
    lines = body(diff(project, run(project), run(project, "-p", "bad=true", code=1)))
    assert "numbers  succeeded → failed (AssertionError: no numbers)" in lines
    assert "double  2 succeeded → skipped" in lines


def test_a_missing_blob_is_told_and_the_rest_is_compared(project: Project) -> None:
    project.write("flow.py", NUMBERS.replace('"b": 2.0}', '"b": 2.0, **{str(i): n + i for i in range(2000)}}'))
    one, two = run(project), run(project, "-p", "n=1")
    shutil.rmtree(project.root / ".pipeglot" / "store" / "blobs")
    lines = body(diff(project, one, two))
    assert any("is gone: the store" in line for line in lines)
    assert "  output: 2 → 4 (+2, +100 %)" in lines


def test_json_is_what_its_type_says(flow: Project) -> None:
    one, two = run(flow), run(flow, "-p", "count=4")
    done = diff(flow, one, two, "--json")
    found = msgspec.json.decode(done.out, type=RunDiff, strict=True)
    assert msgspec.json.decode(msgspec.json.encode(found)) == done.json
    assert (found.before.run_id, found.after.run_id, found.equal) == (one, two, False)
    assert [change.path for change in found.params] == ["count"]
    assert diff(flow, one, one, "--json", code=0).json["equal"] is True


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["--rtol", "x"], "`--rtol x` is no tolerance", "give a number from 0 up, as `--rtol 1e-6`"),
        (["--atol=-1"], "`--atol -1` is no tolerance", "give a number from 0 up, as `--atol 1e-6`"),
        (["--rtol", "nan"], "`--rtol nan` is no tolerance", ""),
        (["--ignore", "toatl"], "`toatl` cannot be ignored: neither run has such a step", "did you mean `total`?"),
        (["--ignore", "total.x"], "`total.x` cannot be ignored: neither run has such", "its outputs are: output"),
    ],
)
def test_what_means_nothing(flow: Project, words: list[str], message: str, hint: str) -> None:
    made = run(flow)
    done = diff(flow, made, made, *words, code=2)
    assert message in done.err
    assert hint in done.err


def test_no_such_run(flow: Project) -> None:
    run(flow)
    done: Any = diff(flow, "latest", "zzz", code=2)
    assert "has no run `zzz`" in done.err
