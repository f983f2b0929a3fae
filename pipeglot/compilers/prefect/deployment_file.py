"""The deployment as a file, for `prefect deploy --prefect-file`: for a reviewer to read, and for CI to apply."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipeglot.compilers.base import File, Source
from pipeglot.compilers.prefect.automation import automation_name, trigger
from pipeglot.compilers.prefect.deployment import deployment
from pipeglot.compilers.prefect.stack import PrefectStack
from pipeglot.core.bundle.archive import WRITTEN
from pipeglot.core.ir import IR_VERSION

_PLAIN = re.compile(r"[A-Za-z_/][\w./:@-]*(?<!:)")
_WORDS = frozenset(["true", "false", "null", "yes", "no", "on", "off", "y", "n"])
_BRACES = "{{"

_HEAD = """\
# `pipeglot deploy` puts code and flow into the store, and makes this deployment; so does, after it:
#   prefect deploy --prefect-file {name} --all
"""


def deployment_file(source: Source, stack: PrefectStack, flow: File) -> File:
    """In the schema of Prefect's own `prefect.yaml`; its flow has the parameters."""
    found = deployment(source, stack, [flow])
    name = f"{source.pipeline.name}.prefect.yaml"
    entry: dict[str, Any] = {"name": found["name"], "entrypoint": found["entrypoint"], "version": found["version"]}
    if found["tags"]:
        entry["tags"] = found["tags"]
    pool = {"name": stack.work_pool, "work_queue_name": stack.work_queue, "job_variables": stack.job_variables}
    pool = {key: value for key, value in pool.items() if value}
    if pool:
        entry["work_pool"] = pool
    entry["schedules"] = [{**one.pop("schedule"), **one} for one in found["schedules"]]
    if stack.concurrency_limit:
        entry["concurrency_limit"] = {"limit": stack.concurrency_limit, "collision_strategy": stack.collision.upper()}
    left: list[str] = []
    if assets := source.pipeline.schedule.assets if source.pipeline.schedule is not None else ():
        entry["triggers"] = [{"name": automation_name(source.pipeline.name, found["name"]), **trigger(assets)}]
    kept = _without_braces(entry, left)
    head = f"{WRITTEN.lstrip()}{IR_VERSION}). Change the source, and write it again:\n"
    head += f"#   pipeglot compile {source.target}\n"
    text = head + _HEAD.format(name=name) + "".join(_left(left))
    text += "\n".join(_block({"pull": found["pull_steps"], "deployments": [kept]}, 0)) + "\n"
    return File(name, text)


def _without_braces(value: Any, left: list[str]) -> Any:
    """Prefect takes `{{ }}` in this file for placeholders, and knows no way to write them."""
    if isinstance(value, Mapping):
        return {key: _without_braces(one, left) for key, one in value.items() if not _has_braces(one, left)}
    if isinstance(value, list):
        return [_without_braces(one, left) for one in value if not _has_braces(one, left)]
    return value


def _has_braces(value: Any, left: list[str]) -> bool:
    if isinstance(value, str) and _BRACES in value:
        left.append(value)
        return True
    return False


def _left(texts: list[str]) -> Iterator[str]:
    """Only the API takes these."""
    if texts:
        yield "# Left out here, for `prefect deploy` would take the braces for placeholders:\n"
        yield from (f"#   {json.dumps(text)}\n" for text in texts)


# --- YAML -------------------------------------------------------------------------------------------------------------


def _block(value: Mapping[str, Any], indent: int) -> Iterator[str]:
    """A mapping, an entry on each line."""
    space = " " * indent
    for key, one in value.items():
        if isinstance(one, Mapping) and one:
            yield f"{space}{_scalar(key)}:"
            yield from _block(one, indent + 2)
        elif isinstance(one, list) and one and isinstance(one[0], Mapping):
            yield f"{space}{_scalar(key)}:"
            for item in one:
                first, *rest = _block(item, indent + 4)
                yield f"{space}  - {first.strip()}"
                yield from rest
        else:
            yield f"{space}{_scalar(key)}: {_flow(one)}"


def _flow(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(one)}" for key, one in value.items()) + "}"
    return _scalar(value)


def _scalar(value: Any) -> str:
    """As it is if that is safe in YAML, else as JSON, which is."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    text = json.dumps(value, ensure_ascii=False)
    return "".join(one if one.isprintable() else f"\\U{ord(one):08x}" for one in text)
