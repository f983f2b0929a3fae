"""Messages that a newcomer met, as they are read on the screen."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.project import Project

TWO = """
from pipeglot import each, pipeline, step

@step
def two() -> tuple[int, int]:
    return 1, 2

@step
def use(x: int) -> int:
    return x

@pipeline
def unpacks() -> None:
    a, b = two()
    use(a)

@pipeline
def maps() -> None:
    use.map(each([5, 6, 7]))
"""


def test_a_plain_tuple_is_one_value_and_the_hint_says_how_to_make_it_two(tmp_path: Path) -> None:
    done = Project(tmp_path, f=TWO).call("check", "f.py:unpacks")
    assert done.returncode == 2
    assert "f.py:14: `a, b = two()` unpacks 2 values, and the result of step `two` is one value" in done.stderr
    assert 'hint: return a `NamedTuple`, or `tuple[Annotated[int, "a"]' in done.stderr


def test_an_artifact_of_a_map_needs_its_item(tmp_path: Path) -> None:
    made = Project(tmp_path, f=TWO)
    made.run("f.py:maps")
    for place in ("latest/use/output", "latest/use/9/output"):
        done = made.call("artifact", "get", place)
        assert done.returncode == 2
        assert "step `use` is a map: say which item" in done.stderr
        assert "hint: `latest/use/0/output` is the first, `latest/use/2/output` the last" in done.stderr
    assert made.call("artifact", "get", "latest/use/1/output").stdout == "6\n"
