"""What Metaflow's own code says of flow files, in its environment: all of them in one process.

python metaflow_lint.py names           what it keeps for itself
python metaflow_lint.py files FILE…     for each file what its check says against it (nothing is best), and seconds
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import re
import sys
import time
from typing import Any

from metaflow import FlowSpec
from metaflow import parameters as metaflow_parameters
from metaflow.cli import start
from metaflow.lint import linter

_DEPLOYING = ("argo-workflows", "step-functions")


def names() -> dict[str, list[str]]:
    """Attributes of flows, and the options beside which parameters stand."""
    attributes = [name for name in dir(FlowSpec) if not name.startswith("_")]
    source = inspect.getsource(metaflow_parameters.Parameter.init)
    reserved = source.partition("reserved_params = [")[2].partition("]")[0]
    found = {*re.findall(r'"([a-z-]+)"', reserved), "help"}
    for command in _commands():
        for one in command.params:
            words = [word for word in (*one.opts, *one.secondary_opts) if word.startswith("--")]
            found |= {one.name, *(word.lstrip("-") for word in words)}
    return {"flow": attributes, "options": sorted(name.replace("-", "_") for name in found)}


def _commands() -> list[Any]:
    """Those that take parameters."""
    found = [start.get_command(None, name) for name in ("run", "resume")]
    for name in ("argo-workflows", "step-functions"):
        deploying = start.get_command(None, name)
        found += [deploying.get_command(None, inner) for inner in ("create", "trigger")]
    return found


def said(file: str, number: int) -> tuple[str, float]:
    """What stands against a file."""
    begun = time.process_time()
    spec = importlib.util.spec_from_file_location(f"flow_{number}", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
        (flow,) = (one for one in vars(module).values() if isinstance(one, type) and one.__bases__ == (FlowSpec,))
        linter.run_checks(flow._graph)
    except Exception as error:  # noqa: BLE001  # whatever it is, it stands against the file
        return f"{type(error).__name__}: {error}", time.process_time() - begun
    return "", time.process_time() - begun


if __name__ == "__main__":
    if sys.argv[1] == "names":
        print(json.dumps(names()))
    else:
        print(json.dumps([said(file, number) for number, file in enumerate(sys.argv[2:])]))
