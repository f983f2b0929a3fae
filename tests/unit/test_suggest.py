"""What somebody may have meant."""

from __future__ import annotations

import pytest

from pipeglot.core.suggest import LONGEST, close, did_you_mean, listed, meant

KNOWN = {"train": 1, "score": 2, "publish": 3}


@pytest.mark.parametrize(
    ("name", "found"),
    [("trian", "train"), ("train", "train"), ("publishes", "publish"), ("x", ""), ("", ""), (3, ""), (None, "")],
)
def test_close(name: object, found: str) -> None:
    assert close(name, KNOWN) == found
    assert close(name, ()) == ""


def test_how_close() -> None:
    assert close("scores", KNOWN, cutoff=0.9) == "score"
    assert close("sore", KNOWN, cutoff=0.9) == ""


def test_what_nobody_mistypes_is_not_compared() -> None:
    name = "n" * LONGEST
    assert close(name, [name + "n"]) == name + "n"
    assert close(name + "n", [name + "n"]) == ""


def test_hints() -> None:
    assert did_you_mean("trian", KNOWN) == "did you mean `train`?"
    assert did_you_mean("x", KNOWN) == ""
    assert did_you_mean("x", KNOWN, "look around") == "look around"
    assert meant("trian", KNOWN, "its steps are") == "did you mean `train`?"
    assert meant("x", KNOWN, "its steps are") == "its steps are: `train`, `score`, `publish`"
    assert meant("x", KNOWN, "its steps are", 2) == "its steps are: `train`, `score`, …"
    assert meant("x", (), "its steps are") == ""


def test_listed() -> None:
    assert listed(str(i) for i in range(3)) == "`0`, `1`, `2`"
    assert listed(str(i) for i in range(13)) == ", ".join(f"`{i}`" for i in range(12)) + ", …"
