"""Have KFP's own SDK load pipeline specs: `python requirements/engines/kfp_loads.py FILE…` prints what is against each.

A file is loaded as one that KFP's compiler has written; what it is then must say all that stands in the file. Run it
with the Python of the sandbox's environment.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format
from kfp import components
from kfp.pipeline_spec import pipeline_spec_pb2

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def main() -> None:
    found = {file: told for file in sys.argv[1:] if (told := against(Path(file)))}
    sys.stdout.write(json.dumps(found) + "\n")


def against(file: Path) -> str:
    """What is said against a file; empty if nothing."""
    spec, *platforms = yaml.load_all(file.read_text(encoding="utf-8"), LOADER)
    try:
        loaded = components.load_component_from_file(str(file))
        json_format.ParseDict(spec["deploymentSpec"], pipeline_spec_pb2.PipelineDeploymentConfig())
    except Exception as error:  # noqa: BLE001  # whatever it is: the file is none to KFP
        return f"{type(error).__name__}: {error}"
    kept = json_format.MessageToDict(loaded.pipeline_spec)
    if sparse(kept) != sparse(spec):
        return f"KFP reads something else: {difference(sparse(kept), sparse(spec))}"
    platform = json_format.MessageToDict(loaded.platform_spec) if platforms else {}
    if sparse(platform) != sparse(platforms[0] if platforms else {}):
        return f"KFP reads another platform: {platform}"
    return ""


def sparse(value: Any) -> Any:
    """Without what a message does not write, for it is the default."""
    if isinstance(value, dict):
        return {key: found for key, one in value.items() if (found := sparse(one)) not in ({}, False, "")}
    return [sparse(one) for one in value] if isinstance(value, list) else value


def difference(one: Any, other: Any, where: str = "") -> str:
    if isinstance(one, dict) and isinstance(other, dict):
        names = [*one, *(name for name in other if name not in one)]
        parts = (difference(one.get(name), other.get(name), f"{where}.{name}") for name in names)
        return next((part for part in parts if part), "")
    return "" if one == other else f"{where}: {one} and {other}"


main()
