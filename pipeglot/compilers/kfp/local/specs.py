"""Pipeline specs as they are uploaded, and the parameters of a run of one."""

from __future__ import annotations

import json
from typing import Any

import yaml

from pipeglot.compilers.kfp.local.fields import Refused

MOST = 10_000
"""Bytes of the parameters of a run, as KFP's own server takes them if nobody has set its `MAX_PARAMETER_BYTES`."""

_KINDS: dict[str, tuple[type, ...]] = {
    "STRING": (str,),
    "NUMBER_INTEGER": (int,),
    "NUMBER_DOUBLE": (int, float),
    "BOOLEAN": (bool,),
    "LIST": (list,),
    "STRUCT": (dict,),
}


def read_upload(data: bytes) -> dict[str, Any]:
    """The one document, or both, of a file as it is uploaded: as a version tells of them. Raises `Refused`."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        documents = [one for one in yaml.load_all(data, Loader=loader) if one is not None]  # a safe one
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Refused(f"the file is no YAML: {error}") from None
    specs = [one for one in documents if isinstance(one, dict) and "pipelineInfo" in one]
    others = [one for one in documents if one not in specs]
    if (
        len(specs) != 1
        or len(others) > 1
        or any(not isinstance(one, dict) or set(one) != {"platforms"} for one in others)
    ):
        raise Refused("the file is to hold one pipeline spec, and at most one platform spec")
    check_spec(specs[0])
    return {"pipeline_spec": specs[0], "platform_spec": others[0]} if others else specs[0]


def split(found: dict[str, Any]) -> dict[str, Any]:
    """The pipeline spec alone, of what a version or a run says."""
    spec: dict[str, Any] = found.get("pipeline_spec", found)
    check_spec(spec)
    return spec


def check_spec(spec: Any) -> None:
    """What every spec has. Raises `Refused`."""
    if not isinstance(spec, dict) or not isinstance(spec.get("pipelineInfo"), dict):
        raise Refused("pipeline_spec is no pipeline spec: it has no pipelineInfo")
    for name, kind in (("root", dict), ("deploymentSpec", dict), ("components", dict)):
        if not isinstance(spec.get(name), kind):
            raise Refused(f"pipeline_spec has no {name}")
    if not spec["pipelineInfo"].get("name") or spec.get("schemaVersion") != "2.1.0":
        raise Refused("pipeline_spec is to have pipelineInfo.name, and schemaVersion 2.1.0")


def check_parameters(spec: dict[str, Any], given: dict[str, Any]) -> None:
    """Raises `Refused` for one that is unknown, missing, or of another type; and for too much."""
    if len(json.dumps(given, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")) > MOST:
        raise Refused(f"The input parameter length exceed maximum size of {MOST}.")
    known = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    for name, value in given.items():
        if name not in known:
            raise Refused(f"parameter {name} is none of the pipeline's: {', '.join(known) or 'it has none'}")
        kind = known[name].get("parameterType", "")
        if not _fits(kind, value):
            raise Refused(f"parameter {name} is to be a {kind}, and is {json.dumps(value)[:100]}")
    for name, one in known.items():
        if name not in given and "defaultValue" not in one and not one.get("isOptional"):
            raise Refused(f"parameter {name} is not optional, yet has neither default value nor user provided value")


def _fits(kind: str, value: Any) -> bool:
    if kind not in _KINDS or value is None:
        return kind not in _KINDS
    if kind == "NUMBER_INTEGER" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _KINDS[kind]) and (kind == "BOOLEAN" or not isinstance(value, bool))
