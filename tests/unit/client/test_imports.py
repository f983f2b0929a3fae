"""What a project's files import: which installed packages have it, through all files of its own."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from pipeglot.client.image.imports import Imports
from pipeglot.core.errors import UsageError


def packages(folder: Path, **files: str) -> set[str]:
    """Of the first one of these files, in a project with a `src`."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    first = folder / f"{next(iter(files)).replace('__', '/')}.py"
    found = Imports((folder / "src", folder), [first])
    assert all(version(name) == told for name, told in found.packages.items())
    return set(found.packages)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import google.protobuf.json_format", {"protobuf"}),
        ("from google import protobuf", {"protobuf"}),
        ("from google.api import annotations_pb2", {"googleapis-common-protos"}),
        ("import sklearn.linear_model as lm", {"scikit-learn"}),
        ("import yaml, os.path", {"PyYAML"}),
        ("def f():\n    from rich.text import Text", {"rich"}),
        ("try:\n    import polars\nexcept ImportError:\n    polars = None", {"polars"}),
        ("import typing\nif typing.TYPE_CHECKING:\n    import polars\nelse:\n    import rich", {"rich"}),
        ("import pipeglot", set()),
    ],
)
def test_one_file(tmp_path: Path, text: str, found: set[str]) -> None:
    assert {name.lower() for name in packages(tmp_path, flow=text)} == {name.lower() for name in found}


def test_the_projects_own_files_are_read_in_turn(tmp_path: Path) -> None:
    found = packages(
        tmp_path,
        flow="import tools.deep\nfrom one import two",
        one="import rich\ntwo = 2",
        src__tools____init__="",
        src__tools__deep="from . import beside\nfrom .beside import x\nfrom .. import nothing",
        src__tools__beside="import numpy\nfrom tools import deep\nx = 1",
    )
    assert found == {"rich", "numpy"}


def test_what_is_not_installed(tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_text("import json\n\nimport not_here.part\nimport rich\n")
    (told,) = Imports((tmp_path,), [tmp_path / "flow.py"]).missing
    assert (told.name, str(told.at)) == ("not_here.part", "flow.py:3")


def test_a_file_that_is_no_python(tmp_path: Path) -> None:
    """One that nothing has imported yet: else the pipeline could not have been read."""
    (tmp_path / "flow.py").write_text("def f():\n    import broken\n")
    (tmp_path / "broken.py").write_text("x = 1\ndef (:\n")
    with pytest.raises(UsageError, match=r"^broken\.py:2: this is no Python, so what it imports cannot be told"):
        Imports((tmp_path,), [tmp_path / "flow.py"])
