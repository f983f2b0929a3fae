"""Every mistake that a user can make while writing a pipeline: what is said of it, where, and the way out.

The cases stand in `mistakes/`: the body of a pipeline, `---`, and all that is said of it. Before the body may stand its
parameters (`params: …`), and code that comes before the pipeline, which ends with `...`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.unit.authoring.conftest import PARAMS, Flow

FILES = sorted((Path(__file__).parent / "mistakes").glob("*.txt"))
UPDATE = os.environ.get("PIPEGLOT_UPDATE_GOLDEN") == "1"


class Case(NamedTuple):
    file: Path
    name: str
    params: str
    before: str
    body: str
    told: str


def cases() -> list[Case]:
    found = []
    for file in FILES:
        for text in file.read_text().split("\n=== ")[1:]:
            head, told = text.split("\n---\n")
            name, _, code = head.partition("\n")
            params = re.match(r"params: (.*)\n", code)
            code = code[params.end() :] if params else code
            before, _, body = code.rpartition("\n...\n")
            found.append(Case(file, name, params[1] if params else PARAMS, before, body, told.strip()))
    return found


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.file.stem}: {case.name}")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_mistake(flow: Flow, case: Case) -> None:
    told = flow.problems(case.body, case.params, case.before)
    if UPDATE:
        old = f"{case.body}\n---\n{case.told}\n"
        case.file.write_text(case.file.read_text().replace(old, f"{case.body}\n---\n{told}\n", 1))
    else:
        assert told == case.told


def test_no_case_is_there_twice() -> None:
    names = [(case.file, case.name) for case in cases()]
    assert len(names) == len(set(names)) > 200


def test_in_a_thread(flow: Flow) -> None:
    body = "t = threading.Thread(target=load, args=(1,))\nt.start(); t.join()\nload(2)"
    assert flow.problems(body).startswith(
        "+2: step `load` is called in a thread that the pipeline function has started\n"
    )


def test_a_symbolic_value_in_a_thread_that_was_there_before(flow: Flow) -> None:
    before = "pool = ThreadPoolExecutor(1)\npool.submit(int).result()"
    told = flow.problems("pool.submit(load, year).result()\nload(2)", before=before)
    assert told.startswith("+1: step `load` is called in a thread that the pipeline function has started\n")


def test_fifty_are_enough(flow: Flow) -> None:
    told = flow.problems("\n".join(f"load(year + {number})" for number in range(99))).splitlines()
    assert told[:2] == ["there are more than 50 problems", "  hint: mend these first"]
    assert len(told) == 2 * 51
