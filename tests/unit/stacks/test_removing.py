"""A stack is taken out of pipeglot.yaml with all its lines, and with nothing else."""

from __future__ import annotations

import pytest

from pipeglot.core.errors import ConfigError
from pipeglot.stacks.editing import without_stack

FILE = """\
# top
stacks:
  # the first
  local: {backend: local}  # here
  prod:  # ours
    backend: airflow
    # which one
    secrets:
      A: env:B
  # below
  last: {backend: local}
name: x
"""


def without(name: str, text: str = FILE) -> str:
    return without_stack(text.encode(), name).decode()


def test_its_lines_go_and_all_others_stay() -> None:
    assert without("prod") == FILE.replace(FILE[FILE.index("  prod:") : FILE.index("  # below")], "")
    assert without("local") == FILE.replace("  local: {backend: local}  # here\n", "")
    assert without("last") == FILE.replace("  last: {backend: local}\n", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stacks:\n  prod: {backend: local}\n", "`prod` is the only stack of pipeglot.yaml"),
        ("stacks: {prod: {backend: local}, b: {backend: local}}\n", "has no `stacks:` with one stack a line below it"),
        (
            "stacks:\n  prod: &a {backend: local}\n  b: *a\n",
            "pipeglot.yaml is no YAML that can be edited",
        ),
    ],
)
def test_what_cannot_be_edited(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        without("prod", text)
    assert message in caught.value.message
    assert caught.value.hint
