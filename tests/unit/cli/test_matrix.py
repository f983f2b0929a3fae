"""The support matrix: complete, and the page of the documentation is the one that would be made now."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeglot.cli.main import main
from pipeglot.client.matrix import backends, markdown, matrix
from pipeglot.core.features import Feature
from tests.conformance.results import page

PAGE = Path(__file__).parents[3] / "docs" / "support-matrix.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make matrix`"


def test_every_feature_of_every_backend() -> None:
    rows = matrix()
    assert [row.feature for row in rows] == [feature.value for feature in Feature]
    assert all(row.backends.keys() == backends().keys() for row in rows)
    page = markdown()
    assert all(f"| {row.feature} | {row.backends['local'].level}" in page for row in rows)
    assert all(cell.note in page for row in rows for cell in row.backends.values())


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["matrix"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["FEATURE", "LOCAL", "AIRFLOW", "KFP", "METAFLOW", "PREFECT", "VERTEX", "NOTE"]
    assert lines[1].split()[:7] == ["retry", *["native"] * 6]
    assert main(["matrix", "--markdown"]) == 0
    assert capsys.readouterr().out == markdown()


def test_both_forms_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["matrix", "--json", "--markdown"]) == 2
    assert "`--json` and `--markdown` exclude each other" in capsys.readouterr().err


def test_json(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["matrix", "--json"]) == 0
    assert json.loads(capfdbinary.readouterr().out)[0] == {
        "feature": "retry",
        "request": False,
        "backends": {
            "local": {"level": "native", "note": ""},
            "airflow": {"level": "native", "note": ""},
            "kfp": {"level": "native", "note": ""},
            "metaflow": {
                "level": "native",
                "note": "up to 4 more tries; of more than these, the task itself makes all",
            },
            "prefect": {"level": "native", "note": ""},
            "vertex": {"level": "native", "note": ""},
        },
    }
