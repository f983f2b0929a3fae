"""What an orchestrator is sent of a run's parameters, and what of them lies in the store."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from pipeglot.client.remote import set_apart
from pipeglot.compilers.remote import Remote, largest
from pipeglot.core.ir import Param, Pipeline, ScalarType
from pipeglot.core.store import open_store
from pipeglot.core.task.held import Held, read_held

STR = ScalarType(name="str")
PIPELINE = Pipeline(
    name="p",
    params=(
        Param(name="need", type=STR),
        Param(name="text", type=STR, default="t"),
        Param(name="day", type=ScalarType(name="date"), logical_date=True),
        Param(name="number", type=ScalarType(name="int")),
    ),
)
GIVEN = {"need": "n", "text": "x", "day": "2026-11-22", "number": 1, "pipeglot": {"tags": {"a": "b"}}}


def remote(*away: str) -> Remote:
    def uncarried(pipeline: Pipeline, params: Mapping[str, Any]) -> Collection[str]:
        assert (pipeline, params) == (PIPELINE, GIVEN)
        return away

    return cast(Remote, SimpleNamespace(uncarried=uncarried))


def test_all_of_it_is_carried(tmp_path: Path) -> None:
    assert set_apart(PIPELINE, GIVEN, remote(), open_store(str(tmp_path / "store"))) == GIVEN


def test_some_of_it_is_not(tmp_path: Path) -> None:
    """What has no default is to be given all the same; the day that a run is for has one."""
    store = open_store(str(tmp_path / "store"))
    sent = set_apart(PIPELINE, GIVEN, remote("need", "text", "day"), store)
    held = sent["pipeglot"].pop("held")
    assert sent == {"number": 1, "pipeglot": {"tags": {"a": "b"}}, "need": ""}
    assert list(held["names"]) == ["need", "text", "day"]
    found = read_held(msgspec.convert(held, Held), store)
    assert found == {"need": "n", "text": "x", "day": "2026-11-22"}


def test_what_is_ours_is_not(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    sent = set_apart(PIPELINE, GIVEN, remote("pipeglot"), store)
    assert list(sent["pipeglot"]) == ["held"]
    assert read_held(msgspec.convert(sent["pipeglot"]["held"], Held), store) == {"pipeglot": {"tags": {"a": "b"}}}


def test_the_largest_go_first() -> None:
    sizes = {"a": 3, "b": 5, "c": 5, "d": 1}
    assert [largest(sizes, most) for most in (14, 9, 4, 0)] == [[], ["b"], ["b", "c"], ["b", "c", "a", "d"]]
