"""Which ready cell runs next."""

from __future__ import annotations

from typing import Any

from pipeglot.core.ir import Pipeline
from pipeglot.core.lineage.plan import Plan
from pipeglot.runtime_local.queue import ReadyQueue
from tests.unit.runtime_local.conftest import work


def queue(**options: dict[str, Any]) -> ReadyQueue:
    """A queue of steps with these options, all ready."""
    steps = tuple(work(name, "one", **given) for name, given in options.items())
    made = ReadyQueue(Plan(Pipeline(name="p", nodes=steps)), {"two": 2, "one": 1})
    for name in options:
        made.push((name, ()))
    return made


def taken(made: ReadyQueue) -> list[str]:
    """Everything that may run now."""
    found = []
    while (ready := made.pop()) is not None:
        found.append(ready.step)
    return found


def test_by_priority_and_then_as_written() -> None:
    assert taken(queue(a={}, b={"priority": 2}, c={}, d={"priority": -1})) == ["b", "a", "c", "d"]


def test_priority_holds_within_a_pool() -> None:
    made = queue(a={"pool": "one"}, b={"pool": "one"})
    assert taken(made) == ["a"]
    late = work("late", "one", pool="one", priority=9)
    made._plan = Plan(Pipeline(name="p", nodes=(*made._plan.pipeline.nodes, late)))
    made.push(("late", ()))
    assert taken(made) == []
    made.release("a")
    assert taken(made) == ["late"]


def test_room_that_one_cell_cannot_use_is_anothers() -> None:
    pool: dict[str, Any] = {"pool": "two"}
    made = queue(y0=pool, y1=pool, x={**pool, "max_parallel": 1}, x2=pool, y2=pool)
    assert taken(made) == ["y0", "y1"]
    made._running["step x"] = 1  # an item of the same step runs elsewhere
    made.release("y0")
    assert taken(made) == ["x2"]


def test_clear_takes_out_all_that_waits() -> None:
    made = queue(a={"pool": "one"}, b={"pool": "one"}, c={})
    made.pop()
    assert {ready.step for ready in made.clear()} == {"b", "c"}
    assert len(made) == 0
