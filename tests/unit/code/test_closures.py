"""The table of closures, held against digests alone. `tests/e2e/test_closures.py` runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.code.closures import Edit, edits

if TYPE_CHECKING:
    from tests.unit.code.conftest import Close


@pytest.mark.parametrize("edit", edits(), ids=str)
def test_an_edit_changes_the_digest_only_if_it_matters(edit: Edit, close: Close) -> None:
    start = f"{edit.package}.steps:run"
    before, after = close(edit.before, start), close(edit.after, start)
    assert (before.digest != after.digest) is edit.runs
