"""The packages that project code uses, by version."""

from __future__ import annotations

from importlib import metadata

import pytest

from pipeglot.core import environment
from pipeglot.core.environment import note_names, packages, version_here

SOURCE = """
import numpy as np
from sklearn.dummy import DummyClassifier

def inside():
    import pandas.api
    return json

class Holder:
    def method(self):
        return lambda: pyarrow
"""


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy
    import pandas
    import pyarrow
    import sklearn

    assert all((numpy, pandas, pyarrow, sklearn))
    monkeypatch.setattr(environment, "_names", {})
    note_names("flow", compile(SOURCE, "flow.py", "exec"))


@pytest.mark.usefixtures("noted")
def test_packages_that_the_code_names_wherever_it_does() -> None:
    found = packages(["flow", "unknown"])
    assert {"numpy", "pandas", "pyarrow", "sklearn"} <= found.keys()
    assert found["pandas"] == metadata.version("pandas")
    assert found["sklearn"] == metadata.version("scikit-learn")
    assert "json" not in found
    assert packages([]) == {}


@pytest.mark.usefixtures("noted")
def test_what_was_recorded_is_found_here() -> None:
    for name, version in packages(["flow"]).items():
        assert version_here(name) == version
    assert version_here("no-such-package") is None
