"""Pipelines that people write as YAML: the same as in Python, and held against their functions in the same way."""

from __future__ import annotations

import json
import re

import pytest

from pipeglot.core import wire
from tests.unit.stacks.conftest import Here

CONFIG = "stacks:\n  local: {backend: local}\n"
MODULE = '''
from datetime import date
from enum import Enum
from typing import Annotated, NamedTuple

from pipeglot import LogicalDate, Retry, each, one_of, otherwise, pipeline, step, when


class Mode(Enum):
    FAST = 1
    SLOW = 2


class Trained(NamedTuple):
    model: str
    auc: float


@step(tags=["io"], retry=Retry(2))
def ingest(year: int) -> tuple[Annotated[list[str], "carriers"], Annotated[list[int], "rows"]]:
    """Read a year."""
    return ["a", "bb"], [year]


@step
def train(rows: list[int], carrier: str, depth: int = 2, mode: Mode = Mode.FAST) -> Trained:
    return Trained(f"{carrier}-{mode.name}", len(carrier) / 4)


def best(models: list[Trained]) -> Trained:
    return max(models, key=lambda trained: trained.auc)


best_step = step(best)


@step
def register(model: str) -> str:
    return model


@step
def reject(auc: float) -> str:
    return "no"


@step
def publish(text: str, day: date) -> str:
    return f"{text} {day.year}"


@step
def notify(channel: str, year: int) -> None: ...


@pipeline(on_failure=notify.partial(channel="#ml"))
def flights(year: int, bar: float = 0.3, day: date = LogicalDate()) -> None:
    carriers, rows = ingest(year)
    tuned = train.with_options(retry=Retry(3), timeout="2h")
    winner = best_step(tuned.map(rows, each(carriers), depth=3, mode=Mode.SLOW))
    with when(winner.auc >= bar):
        good = register(winner.model)
    with otherwise():
        bad = reject(winner.auc)
    publish(one_of(good, bad), day)
'''
HAND = """\
name: flights
params:
  year: int
  bar: {type: float, default: 0.3}
  day: {logical_date: true}
nodes:
  - code: work:ingest
    inputs: {year: {param: year}}
  - over: {carrier: {step: ingest, output: carriers}}
    body:
      - code: work:train
        inputs: {mode: SLOW, carrier: {item: carrier}, rows: {step: ingest, output: rows}, depth: 3}
        retry: 3
        timeout: 2h
  - code: work:best
    inputs: {models: {step: train}}
  - when: {left: {step: best, output: auc}, op: ">=", right: {param: bar}}
    then:
      - {code: "work:register", inputs: {model: {step: best, output: model}}}
    otherwise:
      - {code: "work:reject", inputs: {auc: {step: best, output: auc}}}
  - code: work:publish
    inputs: {text: {one_of: [{step: register}, {step: reject}]}, day: {param: day}}
on_failure:
  - {code: "work:notify", inputs: {channel: "#ml", year: {param: year}}}
"""


@pytest.fixture
def project(here: Here) -> Here:
    here.write("pipeglot.yaml", CONFIG)
    here.write("work.py", MODULE)
    return here


def told(project: Here, nodes: str, more: str = "") -> list[str]:
    """What is said of a file with these nodes, without the codes and the frame that a command puts around it."""
    project.write("y.yaml", f"name: it\nparams: {{year: int, name: str}}\nnodes:\n{nodes}{more}")
    said = project("check", "y.yaml")
    assert said.code == 2, said
    found = said.err.replace("error: ", "").replace("\n\nhint: ", "\n  hint: ").rstrip()
    found = re.sub(r"  \[[a-z-]+\]$", "", found, flags=re.MULTILINE)
    return [line for line in found.split("\n") if line and not line.endswith(" problems")]


def test_it_is_the_same_pipeline_as_in_python(project: Here) -> None:
    project.write("hand.yaml", HAND)
    by_hand, in_python = (project("compile", target, "--ir") for target in ("hand.yaml", "work.py:flights"))
    assert (by_hand.err, by_hand.code, in_python.code) == ("", 0, 0)
    assert wire.load(by_hand.out, source="it") == wire.load(in_python.out, source="it")
    assert project("check", "hand.yaml").out.startswith("flights is fine: 6 steps, 3 parameters")


def test_a_file_says_otherwise_than_the_step(project: Here) -> None:
    project.write(
        "it.yaml",
        "name: it\nnodes:\n- {code: 'work:ingest', id: one, inputs: {year: 1}}\n"
        "- {code: 'work:ingest', id: two, inputs: {year: 1}, tags: [mine], retry: 5, doc: Mine}\n",
    )
    one, two = json.loads(project("compile", "it.yaml", "--ir").out)["nodes"]
    assert (one["tags"], one["retry"]["attempts"], one["doc"]) == (["io"], 2, "Read a year.")
    assert (two["tags"], two["retry"]["attempts"], two["doc"]) == (["mine"], 5, "Mine")


SIGNATURE = "train(rows: list[int], carrier: str, depth: int = 2, mode: Mode = Mode.FAST) -> Trained"
AUC, TEXT = "`auc` of `reject` is `float`", "`model` of `register` is `str`"
INGEST = "- {code: 'work:ingest', inputs: {year: 1}}\n"
MAP = "{over: {c: {step: ingest, output: rows}}, body: [{code: 'work:register', inputs: {model: {item: c}}}]}"
TRAIN = "- {code: 'work:train', inputs: {rows: [1], carrier: x, MORE}}\n"


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        (
            TRAIN.replace("MORE", "dept: 3"),
            [
                "y.yaml:4: step `train`: `train` has no parameter `dept`",
                f"  hint: did you mean `depth`? its signature is `{SIGNATURE}`",
            ],
        ),
        (
            "- id: one\n  code: work:train\n",
            [
                "y.yaml:4: step `one`: `train` is called without `rows`, `carrier`",
                f"  hint: its signature is `{SIGNATURE}`",
            ],
        ),
        (
            TRAIN.replace("MORE", "depth: {param: name}"),
            [
                "y.yaml:4: step `train`: argument `depth` of `train` is `int` (work.py:26), and it is given `str`",
                "  hint: give it a value of that type",
            ],
        ),
        (
            TRAIN.replace("MORE", "depth: x, mode: MEDIUM"),
            [
                "y.yaml:4: step `train`: argument `depth` of `train` is `int` (work.py:26), and `'x'` is none",
                "  hint: give it a value of that type",
                "y.yaml:4: step `train`: argument `mode` of `train` is `Mode` (work.py:26), and `'MEDIUM'` is none",
                "  hint: give it a value of that type",
            ],
        ),
        (
            INGEST + "- {code: 'work:reject', inputs: {auc: {step: ingest, output: rows}}}\n",
            [
                f"y.yaml:5: step `reject`: argument {AUC} (work.py:43), and it is given `list[int]`",
                "  hint: give it a value of that type",
            ],
        ),
        (
            f"{INGEST}- {MAP}\n- {{code: 'work:register', id: b, inputs: {{model: {{step: register}}}}}}\n",
            [
                f"y.yaml:5: step `register`: argument {TEXT} (work.py:38), and it is given `int`",
                "  hint: give it a value of that type",
                f"y.yaml:6: step `b`: argument {TEXT} (work.py:38), and it is given `list[str]`",
                "  hint: give it a value of that type",
            ],
        ),
        ("- {code: 'work:gone'}\n", ["y.yaml:4: step `gone`: `work` has no `gone` of the project's at its top level"]),
        (
            "- {code: 'work:flights'}\n",
            [
                "y.yaml:4: step `flights`: `work:flights` is a pipeline, which a file cannot call",
                "  hint: name its steps here, one by one",
            ],
        ),
        (
            "- {code: 'work:Mode'}\n",
            [
                "y.yaml:4: step `Mode`: `@step` takes a function, and this is the class `Mode`",
                "  hint: write a function that calls it, with `@step`",
            ],
        ),
        (
            "- {code: 'work:register', inputs: {model: {step: best}}, after: [worst]}\n- {code: 'work', id: x y}\n",
            ["y.yaml:5: `$.nodes[1].code` must be `module:function`, not 'work'"],
        ),
        (
            "- {code: 'work:register', inputs: {model: {step: best}}, after: [worst]}\n",
            [
                "y.yaml:4: step `register`: it uses an output of `best`, but no step has that id",
                "y.yaml:4: step `register`: `after` names `worst`, but no step has that id",
            ],
        ),
        (
            "- {code: 'work:register', inputs: {model: x}, id: x y, timeout: -1}\n",
            [
                "y.yaml:4: step `x y`: `x y` is no name",
                "  hint: use letters, digits, `_` and `-`, as in `train_model`",
                "y.yaml:4: step `x y`: `timeout` must be more than 0, not -1.0",
            ],
        ),
    ],
)
def test_mistakes_have_their_line(project: Here, nodes: str, expected: list[str]) -> None:
    assert told(project, nodes) == expected


def test_hooks_and_schedules_are_checked_too(project: Here) -> None:
    more = "on_failure:\n- {code: 'work:notify', inputs: {channel: x}}\nschedule: every day\n"
    assert told(project, "- {code: 'work:register', inputs: {model: x}}\n", more) == [
        "y.yaml:6: step `notify`: `notify` is called without `year`",
        "  hint: its signature is `notify(channel: str, year: int) -> None`",
        "y.yaml:7: schedule: the cron line `every day` has 2 fields of 5",
        "  hint: write it as `0 6 * * *`: minute, hour, day of month, month, day of week",
    ]


def test_a_module_that_cannot_be_imported(project: Here) -> None:
    project.write("broken.py", "def f() -> None: ...\nraise ValueError('not today')\n")
    found = told(project, "- {code: 'broken:f'}\n")
    assert found[0] == "y.yaml:4: step `f`: `broken` cannot be imported:"
    assert found[-1] == "ValueError: not today"
    assert not any("importlib" in line for line in found)


@pytest.mark.parametrize("value", ['{"~x": 1}', '{"~d": 5}', '{"~s": [[1]]}', '["~t", {"~t": 3}]', '{"~o": 1}'])
def test_what_is_no_value_is_told_with_its_line(project: Here, value: str) -> None:
    found = told(project, f"- {{code: 'work:ingest', inputs: {{year: {{value: {value}}}}}}}\n")
    assert len(found) == 1
    assert found[0].startswith("y.yaml:4: step `ingest`: parameter `year`: ")
    assert " is no written value: " in found[0]
