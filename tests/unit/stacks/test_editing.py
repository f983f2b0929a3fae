"""A stack is written into pipeglot.yaml as a person would, or not at all, with the reason."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
import yaml

from pipeglot.core.errors import ConfigError
from pipeglot.stacks.editing import entry_of, with_stack, write_stack

FIELDS = {"backend": "local", "store": "s3://a/ü: b", "pools": {"gpu": 1}}
ENTRY = """\
  airflow-sandbox:
    backend: local
    store: 's3://a/ü: b'
    pools:
      gpu: 1
"""


def edited(text: str, **more: object) -> str:
    return with_stack(text.encode(), "airflow-sandbox", {**FIELDS, **more}).decode()


COMMENTED = """\
# top
name: a  # mine

stacks:
  # the first
  local:  # here
    backend: local  # last
+
  # below

# other
include: ['*.sql']
# end
"""
NESTED = """\
stacks:
  a: {backend: local,
      store: b}
  c:
    backend: local
    secrets:
      A: env:B
+name: x
"""
BLOCK = """\
stacks:
  a:
    backend: local
    store: |-
      x
+"""


@pytest.mark.parametrize(
    "text",
    [
        "stacks:\n  local: {backend: local}\n+",
        COMMENTED,
        NESTED,
        BLOCK,
        "---\nstacks:\n  a: {backend: local}\n+...\n",
    ],
)
def test_it_stands_below_the_others(text: str) -> None:
    assert edited(text.replace("+", "")) == text.replace("+", ENTRY)


def test_a_last_line_without_an_end_gets_one() -> None:
    assert edited("stacks:\n  local: {backend: local}") == f"stacks:\n  local: {{backend: local}}\n{ENTRY}"


def test_it_is_indented_as_the_others_are() -> None:
    text = edited("stacks:\n      local: {backend: local}\n")
    assert "\n      airflow-sandbox:\n        backend: local\n" in text


def test_lines_end_as_they_do() -> None:
    text = edited("stacks:\r\n  local: {backend: local}\r\n")
    assert text.replace("\r\n", "\n") == f"stacks:\n  local: {{backend: local}}\n{ENTRY}"
    assert text.count("\n") == text.count("\r\n")


def test_the_same_again_changes_nothing() -> None:
    text = edited("stacks:\n  local: {backend: local}\n")
    assert edited(text) == text


def test_another_port_changes_only_the_stack() -> None:
    text = edited("stacks:\n  airflow-sandbox: {backend: local}\n  # after\n  local: {backend: local} # x\n")
    assert text == f"stacks:\n{ENTRY}  # after\n  local: {{backend: local}} # x\n"
    again = edited(text, store="s3://c")
    assert yaml.safe_load(again)["stacks"]["airflow-sandbox"]["store"] == "s3://c"
    assert again.endswith("  # after\n  local: {backend: local} # x\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stacks: {local: {backend: local}}\n", "pipeglot.yaml has no `stacks:` with one stack a line below it"),
        (
            '{"stacks": {"local": {"backend": "local"}}}',
            "pipeglot.yaml has no `stacks:` with one stack a line below it",
        ),
        ("name: a\n", "pipeglot.yaml has no `stacks:` with one stack a line below it"),
        ("- a\n", "pipeglot.yaml has no `stacks:` with one stack a line below it"),
        ("", "pipeglot.yaml has no `stacks:` with one stack a line below it"),
        ("stacks:\n", "pipeglot.yaml has no `stacks:` with one stack a line below it"),
        ("stacks: [\n", "pipeglot.yaml is no YAML that can be edited"),
        (
            "stacks:\n  a: &a {backend: local}\n  b: *a\n",
            "pipeglot.yaml would not be right: pipeglot.yaml:2: `&a`: anchors are not read",
        ),
        (
            "stacks:\n  airflow-sandbox:\n    backend: local  # mine\n",
            "the stack `airflow-sandbox` says something else in pipeglot.yaml, and has comments in it",
        ),
    ],
)
def test_what_cannot_be_edited_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        edited(text)
    assert (caught.value.message, caught.value.hint) == (
        message,
        "write it out" if "&a" in text else "write the stack there yourself",
    )


def test_fields_that_no_stack_has_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"would not be right: .* has no setting `nosuch`"):
        edited("stacks:\n  local: {backend: local}\n", nosuch=1)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(ConfigError, match="is no YAML"):
        with_stack(b"stacks:\n  \xff: {}\n", "x", FIELDS)


def test_the_file_keeps_its_mode_and_its_link(tmp_path: Path) -> None:
    file = tmp_path / "real.yaml"
    file.write_text("stacks:\n  local: {backend: local}\n")
    file.chmod(0o640)
    link = tmp_path / "pipeglot.yaml"
    link.symlink_to(file.name)
    assert write_stack(link, "airflow-sandbox", FIELDS)
    assert not write_stack(link, "airflow-sandbox", FIELDS)
    assert link.is_symlink()
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o640
    assert file.read_text().endswith(ENTRY)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pipeglot.yaml", "real.yaml"]


def test_the_entry_for_writing_by_hand() -> None:
    assert entry_of("airflow-sandbox", FIELDS, "  ") == ENTRY
