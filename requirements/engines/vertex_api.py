"""Print the published definition of Vertex AI's API, as far as we use it, as JSON: what is asked and answered.

Its source is the discovery document that Google publishes, as `google-api-python-client` brings it. Run it where that
is installed: `python requirements/engines/vertex_api.py > tests/servers/vertex_api.json`.
"""

from __future__ import annotations

import json
import re
import sys
from importlib.metadata import version
from importlib.resources import files
from typing import Any

PREFIX = "GoogleCloudAiplatformV1"
USED = {
    "pipelineJobs": ("create", "get", "list", "cancel"),
    "schedules": ("create", "get", "list", "patch", "pause", "delete"),
}

UNUSED = ("createNotebookExecutionJobRequest",)


def main() -> None:
    folder = files("googleapiclient.discovery_cache.documents")
    document = json.loads(folder.joinpath("aiplatform.v1.json").read_text(encoding="utf-8"))
    resources = document["resources"]["projects"]["resources"]["locations"]["resources"]
    methods = {f"{name}.{one}": _method(resources[name]["methods"][one]) for name, used in USED.items() for one in used}
    schemas: dict[str, Any] = {}
    waiting = [one[key] for one in methods.values() for key in ("request", "response") if one.get(key)]
    while waiting:
        name = waiting.pop()
        if name not in schemas:
            schema = document["schemas"][name if name in document["schemas"] else f"{PREFIX}{name}"]
            schemas[name] = {
                field: _field(one) for field, one in schema.get("properties", {}).items() if field not in UNUSED
            }
            waiting += [found for one in schemas[name].values() for found in re.findall(r"<(\w+)>", one["kind"])]
    found = {
        "source": f"aiplatform v1 of {document['revision']}, in google-api-python-client "
        f"{version('google-api-python-client')}",
        "query": sorted(document["parameters"]),
        "methods": methods,
        "schemas": dict(sorted(schemas.items())),
    }
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


def _method(method: dict[str, Any]) -> dict[str, Any]:
    query = [name for name, one in method["parameters"].items() if one["location"] == "query"]
    return {
        "method": method["httpMethod"],
        "path": f"/{method['flatPath']}",
        "query": query,
        "request": _short(method.get("request", {}).get("$ref", "")),
        "response": _short(method["response"]["$ref"]),
    }


def _field(field: dict[str, Any]) -> dict[str, Any]:
    """Its kind: a basic one, `<a message>`, or a list or a mapping of these; and how it may be used."""
    words = field.get("description", "")
    found: dict[str, Any] = {"kind": _kind(field)}
    if "enum" in field:
        found["enum"] = field["enum"]
    if field.get("readOnly") or words.startswith("Output only."):
        found["output_only"] = True
    if words.startswith("Required."):
        found["required"] = True
    if words.startswith("Immutable."):
        found["immutable"] = True
    if most := re.search(r"up to (\d+) characters", words):
        found["most"] = int(most[1])
    return found


def _kind(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return f"<{_short(field['$ref'])}>"
    if field["type"] == "array":
        return f"list {_kind(field['items'])}"
    if field["type"] == "object":
        return f"mapping {_kind(field['additionalProperties'])}" if "additionalProperties" in field else "any"
    return str(field.get("format", field["type"]))


def _short(name: str) -> str:
    return name.removeprefix(PREFIX)


main()
