"""Short forms of the IR, for pipelines that people write as YAML.

    name: flights
    params:
      year: int                                      # must be given
      bar: {type: float, default: 0.7}
    nodes:
      - code: flights:ingest                         # a step; its id is `ingest`, its arguments are these inputs
        inputs: {year: {param: year}}
      - over: {carrier: {step: ingest, output: carriers}}
        body:                                        # once for each carrier
          - code: flights:train
            inputs: {rows: {step: ingest, output: rows}, carrier: {item: carrier}, depth: 3}
            retry: 3
            timeout: 2h
      - code: flights:best
        inputs: {models: {step: train}}
      - when: {left: {step: best, output: auc}, op: ">=", right: {param: bar}}
        then: [{code: "flights:register", inputs: {model: {step: best, output: model}}}]
        otherwise: [{code: "flights:reject", inputs: {auc: {step: best, output: auc}}}]

A mapping is a source of a value: `{param: P}`, `{step: S}`, `{step: S, output: O}`, `{item: I}`, `{one_of: […]}`, or
`{value: …}` for a constant that is a mapping itself. Whatever else is written is a constant; a list with sources in it
is a list of these. Conditions are `{left: …, op: "<", right: …}`, `{all_of: […]}`, `{any_of: […]}`, `{not: …}`,
`{is_in: [value, among]}`, `{is_none: …}`, and a source for its truth. `kind` may be left out, and so may the id of a
step (its function's name), of a map of one step (the step's) and of a branch (`when_1`, …). What the options of a
`@step` say, holds here too, unless it is said otherwise.

The long form, which `compile --ir` writes, means the same as ever; both may be mixed. What makes no sense is left as it
is, for whoever reads the tree next to refuse it.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from pipeglot.core.wire.reading import Path

Tree: TypeAlias = dict[str, Any]
_JOINS = ("all_of", "any_of", "not", "is_in", "is_none")
_SCALARS = ("any", "bool", "int", "float", "str", "date", "datetime", "timedelta")
_OPTIONAL = re.compile(r"(.+?)\s*\|\s*None|None\s*\|\s*(.+)")
_HOLDER = re.compile(r"(list|tuple|dict)\s*\[(.+)\]")


def expand(tree: Tree) -> Tree:
    """The long form of a pipeline, made of a copy of its parts."""
    found = dict(tree)
    if isinstance(found.get("params"), dict):
        found["params"] = [{"name": name, **_param(one)} for name, one in found["params"].items()]
    elif isinstance(found.get("params"), list):
        found["params"] = [_param(one) if isinstance(one, dict) else one for one in found["params"]]
    if isinstance(found.get("schedule"), str):
        found["schedule"] = {"cron": found["schedule"]}
    elif isinstance(found.get("schedule"), dict) and isinstance(found["schedule"].get("assets"), str):
        found["schedule"] = {**found["schedule"], "assets": [found["schedule"]["assets"]]}
    _each(found, "schedule", {"interval": _seconds})
    writer = _Nodes()
    for name in ("nodes", "on_failure", "on_success"):
        if isinstance(found.get(name), list):
            found[name] = writer.nodes(found[name], ())
    return found


def long_lines(tree: Any, lines: dict[Path, int]) -> dict[Path, int]:
    """The lines of the parts of the long form: a parameter has a place there, and a name in the short form."""
    params = tree.get("params") if isinstance(tree, dict) else None
    if not isinstance(params, dict):
        return lines
    places = {name: place for place, name in enumerate(params)}
    return {
        ("params", places[path[1]], *path[2:]) if path[:1] == ("params",) and len(path) > 1 else path: line
        for path, line in lines.items()
    }


# --- nodes ------------------------------------------------------------------------------------------------------------


class _Nodes:
    """Expands nodes; counts the branches that have no id."""

    def __init__(self) -> None:
        self.branches = 0

    def nodes(self, nodes: list[Any], maps: tuple[Tree, ...]) -> list[Any]:
        return [self.node(node, maps) if isinstance(node, dict) else node for node in nodes]

    def node(self, node: Tree, maps: tuple[Tree, ...]) -> Tree:
        kind = node.get("kind") or ("map" if "over" in node else "branch" if "when" in node else "step")
        found = {"kind": kind, **node}
        if kind == "map":
            return self.map(found, maps)
        if kind == "branch":
            return self.branch(found, maps)
        return _step(found, maps) if kind == "step" else found

    def map(self, node: Tree, maps: tuple[Tree, ...]) -> Tree:
        _sources(node, "over", maps)
        body = node.get("body")
        if "id" not in node and isinstance(body, list) and len(body) == 1 and isinstance(body[0], dict):
            name = body[0].get("id") or _function_name(body[0].get("code"))
            node |= {"id": name} if name else {}
        if isinstance(body, list):
            node["body"] = self.nodes(body, (*maps, node))
        return node

    def branch(self, node: Tree, maps: tuple[Tree, ...]) -> Tree:
        if "id" not in node:
            self.branches += 1
            node["id"] = f"when_{self.branches}"
        if "when" in node:
            node["when"] = _condition(node["when"], maps)
        for arm in ("then", "otherwise"):
            if isinstance(node.get(arm), list):
                node[arm] = self.nodes(node[arm], maps)
        return node


def _step(node: Tree, maps: tuple[Tree, ...]) -> Tree:
    name = _function_name(node.get("code"))
    if "id" not in node and name:
        node["id"] = name
    _sources(node, "inputs", maps)
    if type(node.get("retry")) is int:
        node["retry"] = {"attempts": node["retry"]}
    if type(node.get("cache")) is bool:
        node["cache"] = {"enabled": node["cache"]}
    if isinstance(node.get("after"), str):
        node["after"] = [node["after"]]
    if isinstance(node.get("asset"), str):
        node["asset"] = {"output": node["asset"]}
    _read(node, {"timeout": _seconds})
    _each(node, "retry", {"delay": _seconds, "max_delay": _seconds})
    _each(node, "cache", {"expires": _seconds})
    _each(node, "resources", {"memory": _memory})
    return node


def _function_name(code: Any) -> str:
    if isinstance(code, dict):
        code = f":{code.get('qualname')}" if isinstance(code.get("qualname"), str) else ""
    return code.partition(":")[2].rpartition(".")[2] if isinstance(code, str) else ""


# --- values -----------------------------------------------------------------------------------------------------------


def _sources(node: Tree, key: str, maps: tuple[Tree, ...]) -> None:
    if isinstance(node.get(key), dict):
        node[key] = {name: _source(one, maps) for name, one in node[key].items()}


def _source(value: Any, maps: tuple[Tree, ...]) -> Any:
    if isinstance(value, list):
        if _holds_mapping(value):
            return {"kind": "list", "items": [_source(one, maps) for one in value]}
        return {"kind": "constant", "value": value}
    if not isinstance(value, dict):
        return {"kind": "constant", "value": value}
    if value.get("kind") == "list" and isinstance(value.get("items"), list):
        return {**value, "items": [_source(one, maps) for one in value["items"]]}
    if "kind" in value:
        return value
    return _short_source(value, maps)


def _holds_mapping(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(map(_holds_mapping, value)))


def _short_source(value: Tree, maps: tuple[Tree, ...]) -> Any:
    rest = {key: one for key, one in value.items() if key not in ("param", "item", "one_of")}
    if "step" in value:
        return {"kind": "output", **value}
    if "value" in value:
        return {"kind": "constant", **value}
    if "param" in value:
        return {"kind": "param", "name": value["param"], **rest}
    if "item" in value:
        name = value["item"]
        level = next((one for one in reversed(maps) if name in _names(one.get("over"))), {})
        return {"kind": "item", "map": level.get("id", ""), "name": name, **rest}
    if isinstance(value.get("one_of"), list):
        return {"kind": "one_of", "options": [_source(one, maps) for one in value["one_of"]], **rest}
    return value


def _names(over: Any) -> list[str]:
    return list(over) if isinstance(over, dict) else []


def _condition(value: Any, maps: tuple[Tree, ...]) -> Any:
    if not isinstance(value, dict):
        return value
    kind = value.get("kind") or next((one for one in _JOINS if one in value), "")
    if kind in ("all_of", "any_of"):
        terms = value.get("terms", value.get(kind))
        listed = [_condition(one, maps) for one in terms] if isinstance(terms, list) else terms
        return {**_without(value, kind), "kind": kind, "terms": listed}
    if kind == "not":
        return {**_without(value, kind), "kind": kind, "term": _condition(value.get("term", value.get(kind)), maps)}
    if kind == "is_in" and isinstance(value.get(kind), list) and len(value[kind]) == 2:
        one, among = value[kind]
        return {**_without(value, kind), "kind": kind, "value": _source(one, maps), "among": _source(among, maps)}
    if kind == "is_none" and kind in value:
        return {**_without(value, kind), "kind": kind, "value": _source(value[kind], maps)}
    if "op" in value:
        sides = {side: _source(value[side], maps) for side in ("left", "right") if side in value}
        return {"kind": "compare", **value, **sides}
    if kind:
        return value
    found = _source(value, maps)
    return {"kind": "truth", "value": found} if "kind" in found else value


def _without(value: Tree, key: str) -> Tree:
    return {name: one for name, one in value.items() if name not in (key, "kind", "terms", "term")}


# --- parameters -------------------------------------------------------------------------------------------------------


def _param(value: Any) -> Any:
    if isinstance(value, str):
        return {"type": _type(value)}
    if not isinstance(value, dict):
        return {"type": value}
    found = dict(value)
    if isinstance(found.get("type"), str):
        found["type"] = _type(found["type"])
    elif "type" not in found and found.get("logical_date") is True:
        found["type"] = _type("date")
    return found


def _type(text: str) -> Any:
    """`int`, `list[str]`, `date | None`, `artifact`: what is none of these stays text."""
    text = text.strip()
    if text in _SCALARS:
        return {"kind": "scalar", "name": text}
    if text == "artifact":
        return {"kind": "artifact"}
    optional = _OPTIONAL.fullmatch(text)
    if optional:
        return _holder("optional", optional[1] or optional[2], text)
    found = _HOLDER.fullmatch(text)
    if not found:
        return text
    name, inner = found[1], found[2].strip()
    if name == "list":
        return _holder("list", inner, text)
    first, _, second = (part.strip() for part in inner.partition(","))
    if name == "tuple" and second == "...":
        held = _holder("list", first, text)
        return {**held, "tuple": True} if isinstance(held, dict) else text
    return _holder("dict", second, text) if name == "dict" and first == "str" and second else text


def _holder(kind: str, inner: str, text: str) -> Any:
    of = _type(inner)
    return text if isinstance(of, str) else {"kind": kind, "of": of}


# --- quantities -------------------------------------------------------------------------------------------------------


def _each(node: Tree, key: str, readers: dict[str, Any]) -> None:
    if isinstance(node.get(key), dict):
        node[key] = dict(node[key])
        _read(node[key], readers)


def _read(node: Tree, readers: dict[str, Any]) -> None:
    """A text that means a number becomes one."""
    for key, read in readers.items():
        if isinstance(node.get(key), str):
            node[key] = read(node[key])


def _seconds(text: str) -> Any:
    return _quantity("seconds", text)


def _memory(text: str) -> Any:
    return _quantity("memory", text)


def _quantity(name: str, text: str) -> Any:
    from pipeglot.core import units
    from pipeglot.core.errors import PipeglotError

    try:
        return getattr(units, name)(text)
    except (PipeglotError, ValueError):
        return text
