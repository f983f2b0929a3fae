"""Maps of nothing, and maps that have no list: what comes after them is told apart."""

from __future__ import annotations

from pipeglot.core.ir import Branch, Map
from tests.unit.lineage.build import above, const, item, mapped, out
from tests.unit.runtime_local.conftest import work
from tests.unit.task.conftest import Engine


def test_after_an_empty_map(engine: Engine) -> None:
    engine.deploy(mapped("m", const([]), work("add", inputs={"x": item("m")})), work("last", "one", after=("add",)))
    assert engine.step("last").status == "succeeded"


def test_after_an_empty_map_in_an_arm_that_is_not_taken(engine: Engine) -> None:
    arm = mapped("m", const([]), work("add", inputs={"x": item("m")}))
    branch = Branch(id="branch", when=above("one", 5), then=(arm,), otherwise=())
    engine.deploy(work("one"), branch, work("last", "one", after=("add",)))
    engine.step("one")
    assert engine.step("last").status == "skipped"
    assert engine.states == {"one": "succeeded", "add": "skipped", "last": "skipped"}


def test_after_a_map_whose_lists_differ_in_length(engine: Engine) -> None:
    body = (work("add", inputs={"x": item("m"), "y": item("m", "y")}),)
    uneven = Map(id="m", over={"x": const([1]), "y": out("numbers")}, body=body)
    engine.deploy(work("numbers", given={"n": 3}), uneven, work("last", "one", after=("add",)))
    engine.step("numbers")
    (index,) = engine.task().items("add")
    assert engine.step("add", *index).status == "failed"
    assert engine.step("last").status == "skipped"


def test_what_a_map_has_made(engine: Engine) -> None:
    nothing = mapped("none", const([]), work("never", "add", inputs={"x": item("none")}))
    engine.deploy(nothing, mapped("m", const([1, 2]), work("add", inputs={"x": item("m")})))
    assert engine.task().cells.successes("add") == []
    engine.step("add", 1)
    assert [one.index for one in engine.task().cells.successes("add")] == [(1,)]
    assert engine.task().cells.successes("never") == []
