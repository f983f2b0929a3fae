"""Print the published definition of KFP's API v2beta1, as far as we use it, as JSON: what a request may say.

Its source are the models of `kfp_server_api`, which the project generates from its own definition. Run it with the
Python of the sandbox's environment: `python requirements/engines/kfp_api.py > pipeglot/compilers/kfp/api.json`.
"""

from __future__ import annotations

import json
import re
import sys
from importlib.metadata import version
from typing import Any

import kfp_server_api

ROOTS = (
    "V2beta1Experiment",
    "V2beta1GetHealthzResponse",
    "V2beta1ListExperimentsResponse",
    "V2beta1ListPipelineVersionsResponse",
    "V2beta1ListPipelinesResponse",
    "V2beta1ListRecurringRunsResponse",
    "V2beta1ListRunsResponse",
)


def main() -> None:
    models: dict[str, Any] = {}
    waiting = list(ROOTS)
    while waiting:
        name = waiting.pop()
        cls = getattr(kfp_server_api, name, None)
        if name in models or cls is None:
            continue
        enum = getattr(cls, "allowable_values", None)
        models[name] = enum or {cls.attribute_map[field]: kind for field, kind in cls.openapi_types.items()}
        if isinstance(models[name], dict):
            waiting += [found for kind in models[name].values() for found in re.findall(r"[A-Z]\w+", kind)]
    found = {"source": f"kfp-server-api {version('kfp-server-api')}", "models": dict(sorted(models.items()))}
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


main()
