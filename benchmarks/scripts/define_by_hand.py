"""The same by hand: 1,000 nodes as plain dicts, each with a hash of its function's source; their JSON and digest."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable
from typing import Any


def first(start: int) -> int:
    return start


def add(x: int) -> int:
    return x + 1


nodes: list[dict[str, Any]] = []


def call(function: Callable[..., int], source: dict[str, str]) -> dict[str, str]:
    """Note a call, and give what stands for its result."""
    code = hashlib.sha256(inspect.getsource(function).encode()).hexdigest()
    name = f"{function.__name__}_{len(nodes)}"
    inputs = dict.fromkeys(inspect.signature(function).parameters, source)
    nodes.append({"step": name, "code": {"name": function.__name__, "digest": code}, "inputs": inputs})
    return {"output": name}


x = call(first, {"param": "start"})
for _ in range(999):
    x = call(add, x)
text = json.dumps({"name": "chain", "params": {"start": 0}, "nodes": nodes}, indent=2)
print(len(text), hashlib.sha256(json.dumps(nodes, separators=(",", ":")).encode()).hexdigest())
