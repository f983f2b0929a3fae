"""Generated projects, run before and after a change: the digest changes if and only if the step's result does."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeglot.core.code import Project
from tests.unit.code.generate import CAUTIOUS, Plan, plans, result


def digest(files: dict[str, str], step: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        for module, text in files.items():
            package = module in ("p", "p.q")
            file = Path(folder, *module.split("."), *(["__init__"] if package else [])).with_suffix(".py")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return Project([folder]).closure("steps", step).digest


@given(plans(), st.data())
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_a_change_shows_if_and_only_if_the_step_reaches_it(plan: Plan, data: st.DataObject) -> None:
    changed = data.draw(st.integers(0, len(plan.definitions) - 1))
    before, after = plan.files(), plan.files(changed)
    step = f"v{len(plan.definitions) - 1}"
    reached = changed in plan.reached()
    assert (result(before) != result(after)) is reached, "the generator knows what it has made"
    if reached or CAUTIOUS.isdisjoint(one.kind for one in plan.definitions):
        assert (digest(before, step) != digest(after, step)) is reached
