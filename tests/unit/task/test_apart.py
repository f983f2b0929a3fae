"""Parameters that are objects of the project's classes, in a run that an engine starts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from msgspec import structs

from pipeglot.core.bundle.archive import make_bundle
from pipeglot.core.bundle.unpack import bundle_key
from pipeglot.core.errors import StepError
from pipeglot.core.ir import FieldType, Param, Pipeline, RecordType, ScalarType
from pipeglot.core.task.joining import EngineRun
from pipeglot.core.task.task import TaskRun
from tests.unit.runtime_local.conftest import work
from tests.unit.task.conftest import Engine

CLASSES = """\
from dataclasses import dataclass

@dataclass
class Size:
    width: int

    def __post_init__(self):
        assert self.width < 100, "too wide"
"""


@pytest.fixture
def sized(engine: Engine, tmp_path: Path) -> Engine:
    """A pipeline with a parameter of a class that lies in its bundle only."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project/sizes_of_things.py").write_text(CLASSES)
    bundle = make_bundle(tmp_path / "project")
    engine.store.put(bundle_key(bundle.digest), bundle.data)
    engine.deploy(work("one"))
    fields = (FieldType(name="width", type=ScalarType(name="int")),)
    kind = RecordType(ref="sizes_of_things:Size", style="dataclass", fields=fields)
    pipeline = Pipeline(name="p", params=(Param(name="size", type=kind),), nodes=(work("one"),))
    engine.deployed = structs.replace(engine.deployed, ir=engine.ledger.put_ir(pipeline), bundle=bundle.digest)
    return engine


def test_they_are_read_in_a_process_of_its_own(sized: Engine) -> None:
    task = TaskRun(sized.deployed, EngineRun(id="manual__1", params={"size": {"width": 3}}))
    assert task.start.params == {"size": {"width": 3}}
    assert "sizes_of_things" not in sys.modules
    again = TaskRun(sized.deployed, EngineRun(id="manual__1", params={"size": {"width": 4}}))
    assert again.start == task.start


def test_what_is_wrong_with_them_is_told(sized: Engine) -> None:
    with pytest.raises(StepError, match=r"parameter `size.width` must be int, not 'wide'"):
        TaskRun(sized.deployed, EngineRun(id="manual__1", params={"size": {"width": "wide"}}))
    with pytest.raises(StepError, match="too wide"):
        TaskRun(sized.deployed, EngineRun(id="manual__1", params={"size": {"width": 101}}))
