"""Values of all kinds from step to step and out of the store; and the example of `docs/values.md`."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pyarrow.feather
import pyarrow.parquet
import pytest

from tests.docs.pages import blocks
from tests.e2e.conftest import Project

PAGE = Path(__file__).parents[2] / "docs" / "values.md"

FLOW = """\
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from pydantic import BaseModel
from pipeglot import each, pipeline, step

class Kind(Enum):
    LINEAR = "linear"

@dataclass(frozen=True)
class Config:
    kind: Kind
    rate: float

class Report(BaseModel):
    config: Config
    scores: dict[str, float]

@dataclass
class Fitted:
    config: Config
    weights: np.ndarray

@step
def configs() -> list[Config]:
    return [Config(Kind.LINEAR, 0.5), Config(Kind.LINEAR, 0.25)]

@step
def fit(config: Config) -> Fitted:
    assert config.kind is Kind.LINEAR
    return Fitted(config, np.full(2000, config.rate))

@step
def report(fitted: list[Fitted]) -> Report:
    best = fitted[0]
    return Report(config=best.config, scores={"sum": float(best.weights.sum())})

@step
def table() -> pl.DataFrame:
    return pl.DataFrame({"a": [1, 2], "c": pl.Series(["x", "y"], dtype=pl.Categorical)})

@step
def arrow(frame: pl.DataFrame) -> pa.Table:
    return frame.to_arrow()

@step
def nested() -> pa.Table:
    return pa.table({"l": [[1], [2, 3]]})

@pipeline
def flow() -> None:
    report(fit.map(each(configs())))
    arrow(table())
    nested()
"""


@pytest.fixture
def flow(project: Project) -> Project:
    project.write("flow.py", FLOW)
    project("run", "flow.py")
    return project


def test_objects_and_tables_pass_from_step_to_step(flow: Project) -> None:
    assert flow("artifact", "get", "latest/configs/output").json == [
        {"kind": "linear", "rate": 0.5},
        {"kind": "linear", "rate": 0.25},
    ]
    shown = flow("artifact", "get", "latest/report/output").json
    assert shown == {"config": {"kind": "linear", "rate": 0.5}, "scores": {"sum": 1000.0}}
    listed = flow("artifact", "list").out
    assert re.search("table/output +polars frame", listed)
    assert re.search("arrow/output +Arrow table", listed)
    assert re.search(r"fit/0/output +object", listed)
    assert not any(found["opaque"] for found in flow("artifact", "list", "--json").json)
    again = flow("run", "flow.py", "--json").json
    assert all(step["cached"] for step in again["steps"])


def test_tables_as_files(flow: Project) -> None:
    flow("artifact", "get", "latest/table/output", "-o", "t.csv")
    assert (flow.root / "t.csv").read_text() == '"a","c"\n1,"x"\n2,"y"\n'
    flow("artifact", "get", "latest/table/output", "-o", "t.parquet")
    assert pl.read_parquet(flow.root / "t.parquet")["a"].to_list() == [1, 2]
    flow("artifact", "get", "latest/arrow/output", "-o", "t.feather")
    assert pyarrow.feather.read_table(flow.root / "t.feather")["c"].to_pylist() == ["x", "y"]


REFUSED = [
    (["latest/table/output"], "this is a polars frame, which has no form to print"),
    (["latest/arrow/output"], "this is an Arrow table, which has no form to print"),
    (
        ["latest/table/output", "-o", "t.xlsx"],
        "a table is written as `.csv`, `.parquet` or `.feather`, and `t.xlsx` ends",
    ),
    (["latest/nested/output", "-o", "t.csv"], "hint: try `.parquet` or `.feather`"),
    (["latest/fit/0/output", "-o", "f.json"], "this is a Python object with arrays, frames or files in it"),
]


def test_what_has_no_such_form(flow: Project) -> None:
    for words, message in REFUSED:
        done = flow("artifact", "get", *words, code=2)
        assert message in done.err
        assert done.out == ""


def test_a_class_whose_fields_have_changed(flow: Project) -> None:
    """The steps that make it run again, for their code has changed with it."""
    flow.replace("flow.py", "    rate: float\n", "    rate: float\n    extra: int = 1\n")
    again = flow("run", "flow.py", "--json").json
    cached = {step["id"]: step["cached"] for step in again["steps"]}
    assert cached == {"configs": False, "fit": False, "report": False, "table": True, "arrow": True, "nested": True}


def test_the_page_s_serializer(project: Project) -> None:
    (block,) = (one for one in blocks(PAGE.read_text(encoding="utf-8")) if one.caption == "networks.py")
    project.write("nets.py", "\n".join(block.lines))
    assert project("run", "nets.py", "--json").json["status"] == "succeeded"
    assert project("artifact", "get", "latest/total/output").json == 0.75
    assert re.search(r"train/output +acme.network v1", project("artifact", "list").out)
    project("artifact", "get", "latest/train/output", "-o", "net.txt")
    assert (project.root / "net.txt").read_text() == "0.5\n0.25"
    assert "has no form to print" in project("artifact", "get", "latest/train/output", code=2).err
    assert project("run", "nets.py", "--json").json["steps"][0]["cached"] is True
    project.replace("nets.py", "version=1", "version=2")
    done = project("run", "nets.py", "--json", code=None)
    assert done.json["status"] == "succeeded"
    assert [step["cached"] for step in done.json["steps"]] == [False, False]


def test_a_lazy_frame_is_refused(project: Project) -> None:
    project.write(
        "lazy.py",
        "import polars as pl\nfrom pipeglot import pipeline, step\n"
        "@step\ndef plan() -> pl.LazyFrame:\n    return pl.LazyFrame({'a': [1]})\n"
        "@pipeline\ndef lazy() -> None:\n    plan()\n",
    )
    done = project("run", "lazy.py", code=1)
    assert "output of step `plan` is a polars `LazyFrame`, which is a plan and not its result" in done.err + done.out
    assert "hint: return `.collect()` of it" in done.err + done.out
