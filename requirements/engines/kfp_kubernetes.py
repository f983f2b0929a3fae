"""Print the published definition of what KFP tells Kubernetes of a task, as JSON: what a platform document may say.

Its source are the messages of `kfp-kubernetes`. Run it where that is installed:
`python requirements/engines/kfp_kubernetes.py > tests/conformance/kfp_kubernetes.json`.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from kfp.kubernetes.kubernetes_executor_config_pb2 import KubernetesExecutorConfig

KINDS = {
    FieldDescriptor.CPPTYPE_STRING: "str",
    FieldDescriptor.CPPTYPE_BOOL: "bool",
    FieldDescriptor.CPPTYPE_INT32: "int",
    FieldDescriptor.CPPTYPE_INT64: "int",
    FieldDescriptor.CPPTYPE_ENUM: "str",
}


def main() -> None:
    messages: dict[str, Any] = {}
    waiting = [KubernetesExecutorConfig.DESCRIPTOR]
    while waiting:
        one = waiting.pop()
        if one.name not in messages and one.full_name.startswith("kfp_kubernetes."):
            messages[one.name] = {field.json_name: _kind(field) for field in one.fields}
            waiting += [field.message_type for field in one.fields if field.message_type is not None]
    messages = {name: fields for name, fields in messages.items() if not name.endswith("Entry")}  # each a mapping's
    found = {"source": f"kfp-kubernetes {version('kfp-kubernetes')}", "messages": dict(sorted(messages.items()))}
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _kind(field: FieldDescriptor) -> str:
    if _is_map(field):
        return f"mapping {_kind(field.message_type.fields_by_name['value'])}"
    own = f"<{field.message_type.name}>" if field.message_type is not None else KINDS[field.cpp_type]
    return f"list {own}" if field.is_repeated else own


main()
