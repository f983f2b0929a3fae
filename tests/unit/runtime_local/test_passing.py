"""What a step of the same process is handed: never what another can change, and always what is on record too."""

from __future__ import annotations

from typing import Any

import pytest

from pipeglot.core.ir import Cache, Step
from tests.unit.lineage.build import out
from tests.unit.runtime_local.conftest import Bench, work


def passing(name: str, function: str, **more: Any) -> Step:
    return work(name, function, module="passing", **more)


def test_a_text_is_handed_over_and_recorded(bench: Bench) -> None:
    view = bench.run(
        passing("make", "makes_text"),
        passing("back", "gives_back", inputs={"x": out("make")}),
        passing("same", "is_that_text", inputs={"x": out("back")}),
        max_parallel=1,
    )
    assert bench.value(view, "same") is True
    assert bench.value(view, "make") == bench.value(view, "back") == "ab" * 5000
    assert len(list(bench.store.list("blobs/"))) == 1


def test_after_a_run_it_is_read_from_the_store(bench: Bench) -> None:
    """A run that has the text from the cache gets the same value as the process that made it."""
    made = passing("make", "makes_text")
    bench.run(made)
    view = bench.run(made, passing("same", "is_that_text", inputs={"x": out("make")}))
    assert bench.step(view, "make").cached
    assert bench.value(view, "same") is False


@pytest.mark.parametrize("what", ["makes_rows", "makes_array"])
def test_nobody_sees_what_another_does_to_a_value(bench: Bench, what: str) -> None:
    """One worker for all: the producer, and two consumers that change what they got."""
    view = bench.run(
        passing("make", what),
        passing("one", "changes", inputs={"x": out("make")}, cache=Cache(enabled=False)),
        passing("two", "changes", inputs={"x": out("make")}, cache=Cache(enabled=False), after=("one",)),
        passing("back", "gives_back", inputs={"x": out("make")}, after=("two",)),
        max_parallel=1,
    )
    assert view.status == "succeeded"
    assert not any(one.cached for one in view.steps)
    assert (bench.value(view, "one"), bench.value(view, "two")) == (0.0, 0.0)
    assert view.lineage_digest is not None
    assert len(list(bench.store.list("blobs/"))) == 1, "what was given back is stored once"
