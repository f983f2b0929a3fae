"""Parameters that name an artifact: how it is written, and what is refused."""

from __future__ import annotations

from typing import Annotated, Any

import pytest

from pipeglot import Artifact, artifact
from pipeglot.core import params
from pipeglot.core.artifact_refs import ArtifactId, ArtifactName, parse_artifact
from pipeglot.core.errors import ParamError, StepError
from pipeglot.core.ir import ArtifactType, OptionalType, Param, ScalarType
from pipeglot.core.lineage.arguments import Given, load

MODEL = ArtifactType(type="dict[str, int]")
FORMS = "`RUN/STEP/OUTPUT`, `RUN/STEP/INDEX/OUTPUT`, `PIPELINE/STEP.OUTPUT@latest` or `PIPELINE/STEP.OUTPUT:KEY=VALUE`"


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (Artifact[dict[str, int]], MODEL),
        (Annotated[dict[str, int], Artifact], MODEL),
        (Annotated[dict[str, int], "doc", Artifact], MODEL),
        (Artifact[dict[str, int]] | None, OptionalType(of=MODEL)),
        (None | Artifact[dict[str, int]], OptionalType(of=MODEL)),
        (Artifact, ArtifactType()),
        (Annotated[Any, Artifact], ArtifactType()),
        (Annotated[int, "no artifact"], ScalarType(name="int")),
    ],
)
def test_types(annotation: Any, expected: Any) -> None:
    assert params.type_of(annotation, owner="it") == expected


def test_words() -> None:
    assert params.describe(OptionalType(of=MODEL)) == "artifact (dict[str, int]) | None"
    assert [params.artifact_type(kind) for kind in (MODEL, OptionalType(of=MODEL), ScalarType(name="str"))] == [
        MODEL,
        MODEL,
        None,
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20260101-ab/best/model", ArtifactId("20260101-ab", "best", (), "model")),
        ("latest/sub.train/output", ArtifactId("latest", "sub.train", (), "output")),
        ("r/train/12/auc", ArtifactId("r", "train", (12,), "auc")),
        ("r/sub.train/3.0/auc", ArtifactId("r", "sub.train", (3, 0), "auc")),
        ("train-flights/best.model@latest", ArtifactName("train-flights", "best.model", "latest")),
        ("p/sub.train.model@latest", ArtifactName("p", "sub.train.model", "latest")),
        ("p/best@latest", ArtifactName("p", "best", "latest")),
        ("p/best[3.0].model@latest", ArtifactName("p", "best[3.0].model", "latest")),
        ("p/best.model@ab12", ArtifactName("p", "best.model", "ab12")),
        ("p/best.model:stage=prod", ArtifactName("p", "best.model", tag=("stage", "prod"))),
        ("p/best.model:our stage=a=b: c/d", ArtifactName("p", "best.model", tag=("our stage", "a=b: c/d"))),
    ],
)
def test_how_an_artifact_is_written(text: str, expected: object) -> None:
    assert parse_artifact(text) == expected
    for given in (text, artifact(text)):
        assert params.normalise(MODEL, given, name="m") == text
    assert params.parse(MODEL, f" {text}\n", name="m") == text
    assert params.show(MODEL, text) == params.to_json(MODEL, text) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "best", "run/best", "run/best/3/", "/best/model", "run//model", "run/best/x/model", "run/best/3.x/model"),
        *("p/best", "p/best.model", "p/best.model@", "p/best.model:stage", "p/best.model:=x", "p/best@a/b"),
        *("a/b/c/d/e", "run/be st/model", "../../etc/passwd/x/y", "s3://bucket/key", "none"),
    ],
)
def test_what_names_no_artifact(text: str) -> None:
    assert parse_artifact(text) is None
    with pytest.raises(ParamError) as caught:
        params.parse(MODEL, text, name="m")
    told = f"parameter `m` must be artifact (dict[str, int]), not {text!r}: that names no artifact"
    assert (caught.value.message, caught.value.hint) == (told, f"write {FORMS}")


@pytest.mark.parametrize("value", [5, None, {"a": 1}, ["run/best/model"], b"run/best/model"])
def test_what_is_no_name(value: object) -> None:
    with pytest.raises(ParamError) as caught:
        params.normalise(MODEL, value, name="m")
    assert caught.value.message == (
        f"parameter `m` must be artifact (dict[str, int]), not {value!r}: it is given by its name"
    )
    assert caught.value.hint == f'write `artifact("…")`, with {FORMS}'


def test_resolving() -> None:
    declared = [
        Param(name="m", type=MODEL, default="p/best.model@latest"),
        Param(name="o", type=OptionalType(of=MODEL), default=None),
    ]
    assert params.resolve(declared, {}) == {"m": "p/best.model@latest", "o": None}
    given = params.resolve(declared, {"m": artifact("r/s/o")}, texts={"o": "r/s/1/o"})
    assert given == {"m": "r/s/o", "o": "r/s/1/o"}
    assert params.resolve(declared, {}, texts={"o": "none"})["o"] is None


def test_a_name_is_never_taken_for_the_value() -> None:
    with pytest.raises(StepError, match="`m` is an artifact, and this run has not looked up what it is"):
        load(Given("r/s/o", OptionalType(of=MODEL)), None, name="m")  # type: ignore[arg-type]  # it is not asked
    assert load(Given(None, OptionalType(of=MODEL)), None, name="m") is None  # type: ignore[arg-type]
