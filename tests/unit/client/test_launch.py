"""One way to launch a run, for Python as for the command line: nothing is printed, everything is told."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeglot.client.launch import MOST_TAGS, Outcome, Request, check_tags, launch
from pipeglot.core.errors import ParamError, Problem, Unsupported, UsageError
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.records import Asked
from pipeglot.core.store import open_store
from pipeglot.runtime_local.listener import Silent
from pipeglot.stacks.target import Loaded, Target, load, locate, target_text
from tests.e2e.conftest import CONFIG, FLOW, HELPER

NAMES = ("flow", "helper")


class Script:
    """A script that has imported its pipeline, and runs it."""

    def __init__(self, root: Path) -> None:
        self.target: Target = locate("flow.py", root)
        self.loaded: Loaded = load(self.target)
        self.told: list[Problem | str] = []

    def __call__(self, **asked: Any) -> Outcome:
        request = Request(**asked)
        return launch(self.target.workspace, self.loaded, request, listener=Silent(), tell=self.told.append)

    @property
    def ledger(self) -> Ledger:
        return Ledger(open_store(self.target.workspace.root / ".pipeglot" / "store"))


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Script]:
    for name, text in (("flow.py", FLOW), ("helper.py", HELPER), ("pipeglot.yaml", CONFIG)):
        (tmp_path / name).write_text(text)
    path = sys.path[:]
    yield Script(tmp_path)
    sys.path[:] = path
    for name in NAMES:
        sys.modules.pop(name, None)


def test_values_and_texts(script: Script, capfd: pytest.CaptureFixture[str]) -> None:
    outcome = script(params={"count": 2}, texts={"bar": "1"}, tags={"team": "risk"}, target="flow.py:flow")
    assert outcome.view.status == "succeeded"
    assert outcome.view.params == {"count": 2, "bar": 1}
    assert outcome.view.tags == {"team": "risk"}
    start = script.ledger.started(outcome.view.run_id)
    assert start is not None
    assert start.asked == Asked(target="flow.py:flow")
    assert start.resumes is None
    assert script.told == []
    assert capfd.readouterr() == ("", "")


def test_workers_import_the_code_as_it_stands_in_the_files(script: Script) -> None:
    sys.modules["helper"].FACTOR = 100  # type: ignore[attr-defined]  # as an edit that this process has not seen
    outcome = script(params={"count": 2, "bar": 50})
    taken = {step.id for step in outcome.view.steps if step.status == "succeeded"}
    assert "small" in taken


def test_until_and_anew_are_recorded_as_they_were_asked_for(script: Script) -> None:
    outcome = script(until=("total",), anew=("double",), cache=False)
    start = script.ledger.started(outcome.view.run_id)
    assert start is not None
    assert start.asked == Asked(cache=False, until=("total",), anew=("double",))
    assert list(outcome.plan.places) == ["numbers", "double", "total"]


def test_a_resumed_run_has_the_logical_date_of_the_first(script: Script) -> None:
    first = script.ledger.started(script(tags={"a": "b"}, params={"count": 1}).view.run_id)
    assert first is not None
    second = script(resumes=first)
    start = script.ledger.started(second.view.run_id)
    assert start is not None
    assert (start.logical_date, start.tags, start.params) == (first.logical_date, first.tags, first.params)
    assert start.created > first.created
    assert all(step.cached for step in second.view.steps if step.status == "succeeded")


def test_inline_says_what_it_does_not_do(script: Script) -> None:
    assert script(inline=True).view.status == "succeeded"
    assert script.told == ["inline: steps run one by one in this process; what they print is shown and not kept"]


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"params": {"count": "x"}}, ParamError),
        ({"params": {"count": 1}, "texts": {"count": "1"}}, ParamError),
        ({"until": ("nothing",)}, UsageError),
        ({"stack": "nothing"}, UsageError),
        ({"tags": {"": "x"}}, UsageError),
    ],
)
def test_nothing_is_recorded_of_what_is_refused(script: Script, asked: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        script(**asked)
    assert script.ledger.runs() == []


def test_only_what_is_run_is_held_against_the_stack(script: Script) -> None:
    root = script.target.workspace.root
    (root / "flow.py").write_text(FLOW.replace("@step\ndef tell", '@step(pool="gpu")\ndef tell'))
    sys.modules.pop("flow")
    again = Script(root)
    with pytest.raises(Unsupported):
        again()
    assert again(until=("total",)).view.status == "succeeded"


def test_a_target_as_seen_from_the_root(script: Script) -> None:
    root = script.target.workspace.root
    (root / "sub").mkdir()
    for text, folder in (("../flow.py", "sub"), ("flow:flow", "sub"), ("flow.py:flow", ".")):
        assert target_text(locate(text, root / folder), script.loaded.pipeline) == "flow.py:flow"
    (root / "ir.json").write_text("{}")
    assert target_text(locate("../ir.json", root / "sub"), script.loaded.pipeline) == "ir.json"


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"a=b": "c"}, "`a=b` is no name for a tag: it has `=` in it"),
        ({1: "c"}, "`1` is no name for a tag: it is a `int`, not a text"),
        ({"": "c"}, "`` is no name for a tag: it is empty"),
        ({"x" * 101: "c"}, "it has 101 characters; at most 100 are taken"),
        ({"a": 3}, "tag `a`: its value is a `int`, not a text"),
        ({"a": "\x1b[31m"}, "tag `a`: its value has characters that cannot be printed"),
        ({str(i): "x" for i in range(MOST_TAGS + 1)}, "51 tags are too many: a run has at most 50"),
    ],
)
def test_tags_that_are_none(tags: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as found:
        check_tags(tags)
    assert message in found.value.message


def test_tags_may_be_of_any_language() -> None:
    check_tags({"équipe": "données", "empty": ""})
