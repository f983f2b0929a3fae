"""Artifacts by name: which run, which step, which output; and what is said where a name means nothing or too much."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from pipeglot.client.records import Records
from pipeglot.client.text import SHORT_ID
from pipeglot.core.errors import NotFound
from pipeglot.core.ir import Branch, Output, Returns
from pipeglot.core.lineage.naming import find_artifact
from pipeglot.core.lineage.records import Asked
from pipeglot.core.store import open_store
from pipeglot.stacks.workspace import bare_workspace
from tests.unit.lineage.build import Failed, above, mapped, out, pipeline, step
from tests.unit.lineage.index.ledgers import done

PAIR = Returns(form="namedtuple", outputs=(Output(name="model"), Output(name="auc")), ref="m:T")
FLOW = pipeline(
    step("a"),
    mapped("m", out("a")),
    structs.replace(step("best"), returns=PAIR),
    step("sub.best"),
    structs.replace(step("silent"), returns=Returns(form="none", outputs=())),
)
VALUES: dict[str, Any] = {"a": [1, 2], "best": {"model": 1, "auc": 0.5}, "silent": {}}


def answer(name: str, _: object) -> Any:
    return VALUES.get(name, 1)


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(bare_workspace(tmp_path), open_store(tmp_path / "store"))


def found(records: Records, text: str) -> tuple[str, str, tuple[int, ...], str]:
    artifact = find_artifact(records, text)
    return artifact.found.start.run, *artifact.cell, artifact.output


def refused(records: Records, text: str) -> tuple[str, str]:
    with pytest.raises(NotFound) as error:
        find_artifact(records, text)
    return error.value.message, error.value.hint


def test_the_latest_that_succeeded(records: Records) -> None:
    first = done(records.ledger, FLOW, answer).run
    failed = done(records.ledger, FLOW, lambda name, _: Failed if name == "a" else VALUES.get(name, 1)).run
    done(records.ledger, structs.replace(FLOW, name="q"), answer)
    assert found(records, "p/best.auc@latest") == (first, "best", (), "auc")
    assert found(records, "p/sub.best@latest") == (first, "sub.best", (), "output")
    assert found(records, "p/sub.best.output@latest") == (first, "sub.best", (), "output")
    assert found(records, "p/m[1]@latest") == found(records, "p/m[1].output@latest") == (first, "m", (1,), "output")
    assert found(records, f"p/best.model@{failed[:12]}")[0] == failed
    assert found(records, f"{first[:10]}/m/1/output") == (first, "m", (1,), "output")


def test_a_run_that_was_cut_hides_nothing_of_what_it_left_out(records: Records) -> None:
    cut, until = pipeline(step("a")), Asked(until=("a",))
    alone = done(records.ledger, cut, answer, asked=until).run
    message, hint = refused(records, "p/best.auc@latest")
    assert message == f"run `{alone[:SHORT_ID]}` of pipeline `p` has no step `best.auc`: it was cut by `--until a`"
    assert hint == "run the pipeline without `--until`"
    whole = done(records.ledger, FLOW, answer).run
    later = done(records.ledger, cut, answer, asked=until).run
    assert found(records, "p/a@latest")[0] == later
    assert found(records, "p/best.auc@latest") == (whole, "best", (), "auc")
    assert found(records, "p/m[1]@latest") == (whole, "m", (1,), "output")
    assert refused(records, "p/besst.auc@latest")[1] == "did you mean `best.auc`?"
    assert refused(records, f"p/best.auc@{later}")[0].endswith("it was cut by `--until a`")


def test_the_latest_that_took_the_branch(records: Records) -> None:
    gate = Branch(id="when", when=above("a", 0.5), then=(step("good"),), otherwise=(step("bad"),))
    flow = pipeline(step("a"), gate)
    first, later = (done(records.ledger, flow, lambda *_, auc=auc: auc).run for auc in (0.9, 0.1))
    assert found(records, "p/bad@latest")[0] == later
    assert found(records, "p/good@latest")[0] == first
    message, hint = refused(records, f"p/good@{later}")
    assert message == f"step `good` has no output `output` in run `{later}`"
    assert hint == "the step is skipped, and left none"


def test_by_tag(records: Records) -> None:
    one, two = (done(records.ledger, FLOW, answer, tags={"team": "risk", "n": n}).run for n in ("1", "2"))
    assert found(records, "p/a:n=1")[0] == one
    assert found(records, "p/a:team=risk")[0] == two
    message, hint = refused(records, "p/a:team=fraud")
    assert message == "no run of pipeline `p` has the tag `team=fraud`"
    assert hint == "its runs have the tags: `n=1`, `n=2`, `team=risk`"


def test_a_tag_that_only_a_failed_run_has(records: Records) -> None:
    done(records.ledger, FLOW, answer)
    done(records.ledger, FLOW, lambda *_: Failed, tags={"n": "1"})
    message, hint = refused(records, "p/a:n=1")
    assert message == "pipeline `p` has never succeeded with the tag `n=1` (1 run)"
    assert hint == "`pipeglot runs list --pipeline p` shows them; `…@RUN` takes it from one that failed"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("p/besst.auc@latest", "pipeline `p` has no step `besst.auc`", "did you mean `best.auc`?"),
        (
            "p/xyz@latest",
            "pipeline `p` has no step `xyz`",
            "its steps are: `a`, `m`, `best`, `sub.best`, `silent`",
        ),
        ("p/best@latest", "step `best` has several outputs: `model`, `auc`", "say which: `…best.OUTPUT`"),
        ("p/best.f1@latest", "step `best` of pipeline `p` has no output `f1`", "its outputs are: `model`, `auc`"),
        ("p/silent@latest", "step `silent` of pipeline `p` returns nothing", ""),
        ("p/a", "`p/a` does not say of which run", "the latest that succeeded: `p/a@latest`"),
        ("a@latest", "`a@latest` names no artifact", "a name is `PIPELINE/STEP.OUTPUT@latest`"),
        ("p/m[x]@latest", "`m[x]` names no output of a step", "a name is `PIPELINE/STEP.OUTPUT@latest`"),
        ("p/m[7]@latest", "step `m` is a map: say which item", ""),
        ("p/m@latest", "step `m` is a map: say which item", ""),
    ],
)
def test_what_means_nothing_is_refused(records: Records, text: str, message: str, hint: str) -> None:
    done(records.ledger, FLOW, answer)
    told = refused(records, text)
    assert told[0] == message
    assert told[1].startswith(hint)


def test_an_unknown_pipeline(records: Records) -> None:
    message, hint = refused(records, "train/a@latest")
    assert message.endswith("has no run of a pipeline `train`")
    assert hint == "`pipeglot run TARGET` makes one"
    done(records.ledger, structs.replace(FLOW, name="training"), answer)
    assert refused(records, "trainin/a@latest")[1] == "did you mean `training`?"
    assert refused(records, "xyz/a@latest")[1] == "its pipelines are: `training`"
    run = next(records.latest()).run
    assert refused(records, f"p/a@{run}")[0] == f"run `{run}` is of pipeline `training`, not of `p`"


def test_a_dot_may_be_of_a_nested_pipeline_or_of_an_output(records: Records) -> None:
    both = Returns(form="namedtuple", outputs=(Output(name="x"), Output(name="y")), ref="m:T")
    flow = pipeline(structs.replace(step("sub"), returns=both), step("sub.x"), mapped("sub.y", out("sub.x")))
    run = done(records.ledger, flow, lambda name, _: {"sub": {"x": 1, "y": 2}, "sub.x": [1]}.get(name, 3)).run
    message, hint = refused(records, "p/sub.x@latest")
    assert message == "`sub.x` may mean several outputs"
    assert hint == f"give the id: `{run}/sub/x` or `{run}/sub.x/output`"
    assert found(records, "p/sub.x.output@latest") == (run, "sub.x", (), "output")
    assert found(records, "p/sub.y[0]@latest") == (run, "sub.y", (0,), "output")
