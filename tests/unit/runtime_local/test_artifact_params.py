"""Parameters that name an artifact of an earlier run: resolved once, passed by value, part of lineage."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from pipeglot.client.records import Records
from pipeglot.core.errors import ParamError
from pipeglot.core.ir import ArtifactType, Map, OptionalType, Param, ParamRef, Pipeline, ScalarType
from pipeglot.core.lineage import artifact_params
from pipeglot.core.lineage.artifact_params import resolve_artifacts
from pipeglot.core.lineage.records import Ref
from pipeglot.core.lineage.view import RunView, read_run, read_view
from tests.unit.lineage.build import item, mapped
from tests.unit.runtime_local.conftest import Bench, work


def made(bench: Bench, view: RunView, step: str) -> tuple[str, Ref]:
    """The id and the reference of what a step returned."""
    _, state = read_run(bench.ledger, bench.artifacts, view.run_id)
    verdict = state.entries[step, ()].verdict
    assert verdict is not None
    return bench.step(view, step).outputs["output"], verdict.observed.refs["output"]


TOTAL = work("total", inputs={"xs": ParamRef(name="xs")})


def test_a_step_takes_the_artifact_of_another_run(bench: Bench) -> None:
    named = made(bench, bench.run(work("numbers", given={"n": 5})), "numbers")
    view = bench.run(TOTAL, work("context"), named={"xs": named})
    assert bench.value(view, "total") == 10
    assert view.params == {"n": 0, "xs": named[0]}
    start = bench.ledger.started(view.run_id)
    assert start is not None
    assert (start.params["xs"], start.artifacts) == (named[0], {"xs": named[1]})
    assert read_view(bench.ledger, bench.artifacts, view.run_id) == view


def test_a_step_is_told_the_id(bench: Bench) -> None:
    named = made(bench, bench.run(work("numbers", given={"n": 5})), "numbers")
    view = bench.run(work("told_params"), named={"xs": named})
    assert bench.value(view, "told_params") == {"n": 0, "xs": named[0]}


def test_equal_artifacts_of_two_runs_are_one_to_lineage_and_to_the_cache(bench: Bench) -> None:
    source = work("numbers", given={"n": 5})
    first, second = (made(bench, bench.run(source, cache=False), "numbers") for _ in range(2))
    assert first[0] != second[0]
    one, two = (bench.run(TOTAL, named={"xs": named}) for named in (first, second))
    assert bench.step(two, "total").cached
    assert one.lineage_digest == two.lineage_digest
    other = bench.run(TOTAL, named={"xs": made(bench, bench.run(work("numbers", given={"n": 6})), "numbers")})
    assert not bench.step(other, "total").cached
    assert other.lineage_digest != one.lineage_digest


def test_a_map_steps_through_an_artifact(bench: Bench) -> None:
    named = made(bench, bench.run(work("numbers", given={"n": 3})), "numbers")
    view = bench.run(mapped("add", ParamRef(name="xs"), work("add", inputs={"x": item("add")})), named={"xs": named})
    assert [bench.value(view, "add", i) for i in range(3)] == [0, 1, 2]


@pytest.mark.parametrize("how", ["gone", "damaged"])
def test_a_lost_artifact_fails_its_consumer_and_is_made_anew_next_time(bench: Bench, how: str) -> None:
    source = work("lists", given={"lengths": [2], "width": 5000})
    named = made(bench, bench.run(source), "lists")
    blobs = bench.folder / "store" / "blobs"
    for blob in [path for path in blobs.rglob("*") if path.is_file()]:
        size = blob.stat().st_size
        blob.unlink()
        if how == "damaged":
            blob.write_bytes(b"x" * size)
    view = bench.run(work("size", inputs={"x": ParamRef(name="xs")}), work("one"), named={"xs": named})
    assert bench.states(view) == {"size": "failed", "one": "succeeded"}
    error = bench.step(view, "size").error
    assert error is not None
    assert error.cause == "input"
    assert error.message.startswith(f"`x` is {how}: ")
    assert error.hint.startswith(("it was removed from the store: run the step", "run the step that made it again"))
    again = bench.run(source)
    assert not bench.step(again, "lists").cached, "the cache does not offer what is damaged"
    after = bench.run(work("size", inputs={"x": ParamRef(name="xs")}), named={"xs": named})
    assert bench.value(after, "size") == 1


# --- from text to reference -------------------------------------------------------------------------------------------


def asking(*nodes: Any) -> Pipeline:
    return Pipeline(
        name="p",
        params=(
            Param(name="n", type=ScalarType(name="int")),
            Param(name="model", type=ArtifactType()),
            Param(name="old", type=OptionalType(of=ArtifactType()), default=None),
        ),
        nodes=nodes,
    )


@pytest.fixture
def records(bench: Bench) -> Records:
    return Records(None, bench.store)  # type: ignore[arg-type]  # no workspace is asked for here


def test_a_text_is_resolved_to_the_id_and_the_reference(bench: Bench, records: Records) -> None:
    view = bench.run(work("numbers", given={"n": 2}))
    full, ref = made(bench, view, "numbers")
    for text in (full, f"{view.run_id[:8]}/numbers/output", "latest/numbers/output"):
        found = resolve_artifacts(records, asking(), {"n": 1, "model": text, "old": None})
        assert found == ({"n": 1, "model": full, "old": None}, {"model": ref})
    both = resolve_artifacts(records, asking(), {"n": 1, "model": full, "old": "latest/numbers/output"})
    assert both.artifacts == {"model": ref, "old": ref}


def test_an_item_of_a_map_is_an_artifact(bench: Bench, records: Records) -> None:
    view = bench.run(mapped("add", ParamRef(name="n"), work("add")), work("one"))
    assert view.status == "failed"  # a number is no list
    numbers = work("numbers", given={"n": 3})
    mapped_over = Map(id="add", over={"x": ParamRef(name="xs")}, body=(work("add", inputs={"x": item("add")}),))
    view = bench.run(mapped_over, named={"xs": made(bench, bench.run(numbers), "numbers")})
    found = resolve_artifacts(records, asking(), {"n": 1, "model": "latest/add/2/output", "old": None})
    assert found.params["model"] == f"{view.run_id}/add/2/output"
    assert found.artifacts["model"].inline == 2


def test_a_parameter_whose_items_shape_the_run_brings_their_outline(bench: Bench, records: Records) -> None:
    bench.run(work("lists", given={"lengths": [2, 0, 1], "width": 3000}))
    inner = mapped("inner", item("outer"), work("leaf", "strip", inputs={"x": item("inner")}))
    node = mapped("outer", ParamRef(name="model"), inner)
    found = resolve_artifacts(records, asking(node), {"n": 1, "model": "latest/lists/output", "old": None})
    outline = found.artifacts["model"].outline
    assert outline is not None
    assert outline.lengths == [2, 0, 1]
    view = bench.run(node, named={"model": (found.params["model"], found.artifacts["model"])})
    assert [one.index for one in view.steps] == [(0, 0), (0, 1), (2, 0)]
    shutil.rmtree(bench.folder / "store" / "blobs")
    assert read_view(bench.ledger, bench.artifacts, view.run_id) == view


def test_all_that_name_no_artifact_are_told_at_once(bench: Bench, records: Records) -> None:
    view = bench.run(work("numbers", given={"n": 2}))
    with pytest.raises(ParamError) as found:
        resolve_artifacts(records, asking(), {"n": 1, "model": "what", "old": f"{view.run_id}/numbers/auc"})
    assert str(found.value.message) == (
        "parameter `model`: `what` is no artifact id\n"
        f"parameter `old`: step `numbers` has no output `auc` in run `{view.run_id}`"
    )
    assert "`pipeglot artifact list` shows them; its outputs are: output" in found.value.hint


def test_a_pipeline_without_such_parameters_looks_nothing_up(records: Records, monkeypatch: Any) -> None:
    monkeypatch.setattr(artifact_params, "find_artifact", lambda *_: pytest.fail("it was looked up"))
    assert resolve_artifacts(records, Pipeline(name="p"), {}) == ({}, {})
