"""Compile all pipelines of the suite for Kubeflow and Vertex AI: `python -m tests.conformance.emitting FOLDER`.

The specs are written into `FOLDER/specs`. Printed is, as JSON, what each one that is refused is refused for.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from pipeglot.client.compiling import compiled
from pipeglot.core.errors import Unsupported
from pipeglot.stacks.target import load, locate

HERE = Path(__file__).parent
FILES = ("flows.py", "flows_live.py", "native.py")
_IMAGE = 'image: "acme/steps:1"'
STACKS = {
    "kfp": f'{{backend: kfp, store: "s3://ml/prod", {_IMAGE}, '
    'secrets: {TOKEN: "k8s:api/token", PASSWORD: "k8s:api/password", LACKS: "env:LACKS"}}',
    "vertex": f'{{backend: vertex, store: "gs://ml/prod", {_IMAGE}, project: acme, location: europe-west4, '
    'pipeline_root: "gs://ml/vertex", secrets: {TOKEN: "env:TOKEN", PASSWORD: "env:PASSWORD", LACKS: "env:LACKS"}}',
}


def main(folder: Path) -> None:
    project, specs = folder / "project", folder / "specs"
    project.mkdir()
    specs.mkdir()
    for name in FILES:
        shutil.copy(HERE / name, project)
    lines = "".join(f"  {name}: {words}\n" for name, words in STACKS.items())
    (project / "pipeglot.yaml").write_text(f"stacks:\n{lines}")
    refused = {}
    for file, pipeline in pipelines():
        target = locate(f"{file}:{pipeline}", project)
        loaded = load(target)
        for stack in STACKS:
            try:
                (spec, *_) = compiled(target, loaded, target.workspace.stack(stack))
            except Unsupported as error:
                refused[f"{pipeline} for {stack}"] = [one.message for one in error.problems]
            else:
                (specs / f"{stack}-{file}-{pipeline}.yaml").write_text(spec.text, encoding="utf-8")
    json.dump(refused, sys.stdout)


def pipelines() -> Iterator[tuple[str, str]]:
    """The file of each, and its name."""
    for file in FILES:
        text = (HERE / file).read_text(encoding="utf-8")
        for name in re.findall(r"^@pipeline(?:\(.*?\))?\ndef (\w+)", text, re.MULTILINE | re.DOTALL):
            yield file, name


if __name__ == "__main__":
    main(Path(sys.argv[1]))
