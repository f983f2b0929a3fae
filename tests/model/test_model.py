"""A sample of schedules, with a fixed seed; do the rules notice what they are there for; does a seed reproduce?

`python -m tests.model 2000` plays more.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.faults.mutations import ROOT
from tests.model.drafts import DRAFTS

SEED = 7


def played(*words: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "tests.model", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_sample_breaks_no_rule() -> None:
    code, told = played("14", str(SEED))
    assert code == 0, told
    for what in ("killed: run", "without an answer", "echo", "runs closed", "runs that resumed another", "cached"):
        assert f" {what}" in told


@pytest.mark.parametrize("draft", DRAFTS)
def test_a_fault_in_the_code_is_noticed(draft: str) -> None:
    """Most often at once; how soon depends on all that is asked of a store."""
    code, told = played("30", "274", "--draft", draft)
    assert (code, "again: python -m tests.model 1" in told) == (1, True), told


def test_a_seed_plays_the_same_again() -> None:
    first, second = (played("1", "104", "--draft", "last-wins")[1].rpartition(" in ")[0] for _ in range(2))
    assert first == second
