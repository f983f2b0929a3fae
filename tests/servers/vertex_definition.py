"""What a request to Vertex AI, and an answer of it, may say: nothing but what Google's published definition has.

`vertex_api.json` is a part of it; `requirements/engines/vertex_api.py` makes it.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

DEFINITION: dict[str, Any] = json.loads((Path(__file__).parent / "vertex_api.json").read_text(encoding="utf-8"))

STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}
"""Google's own names; what it calls FAILED_PRECONDITION comes as 400."""

JOB_ID = re.compile(r"[a-z][-a-z0-9]{0,127}")
"""Source: `google-cloud-aiplatform`, which takes no other one; the definition says "less than 128 characters"."""
LABEL = re.compile(r"[\w-]{0,64}")


class Refused(Exception):
    """An answer that is no good one."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = 400 if status == 412 else status
        self.body = {"error": {"code": self.status, "message": message, "status": STATUS[status]}}


class Method(NamedTuple):
    """What is asked: the name of the method, and the names in its path."""

    name: str
    names: dict[str, str]

    @property
    def words(self) -> dict[str, Any]:
        found: dict[str, Any] = DEFINITION["methods"][self.name]
        return found


def method(verb: str, path: str) -> Method:
    """Which one this is. Raises `Refused` if there is none."""
    for name, one in DEFINITION["methods"].items():
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/:]+)", re.escape(one["path"]))
        if verb == one["method"] and (match := re.fullmatch(pattern, path)):
            return Method(name, match.groupdict())
    raise Refused(f"The requested URL {path} was not found on this server.", 404)


def check_query(asked: Method, query: dict[str, str]) -> None:
    for name in query:
        if name not in (*asked.words["query"], *DEFINITION["query"], "$alt"):
            raise Refused(f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter.')
    if not query.get("pageSize", "1").isdecimal():
        raise Refused("Invalid value at 'page_size'")


def check_request(asked: Method, body: Any) -> None:
    """Raises `Refused` for what the definition does not have, and for what only the server may say."""
    kind = asked.words["request"]
    if not kind:
        if body is not None:
            raise Refused("there is a body, and this method has none")
        return
    _message(kind, body, "", is_answer=False)


def check_answer(asked: Method, body: Any) -> None:
    """Raises `Refused` for an answer that Google would not give: of ours, to be sure of it."""
    _message(asked.words["response"], body, "", is_answer=True)


def _message(name: str, value: Any, where: str, *, is_answer: bool) -> None:
    if not isinstance(value, dict):
        raise Refused(f"Invalid value at '{where}' ({name}): {_shown(value)}")
    if name == "GoogleLongrunningOperation" or name == "GoogleProtobufEmpty":
        return
    known = DEFINITION["schemas"][name]
    for key, one in value.items():
        at = f"{where}.{key}" if where else key
        if key not in known:
            raise Refused(f"Invalid JSON payload received. Unknown name \"{key}\" at '{where}': Cannot find field.")
        if known[key].get("output_only") and not is_answer:
            raise Refused(f"'{at}' is what only the server says")
        _check(known[key]["kind"], one, at, known[key], is_answer=is_answer)
    missing = [key for key, one in known.items() if one.get("required") and not value.get(key)]
    if missing and not is_answer:
        raise Refused(f"'{f'{where}.' if where else ''}{missing[0]}' is required")


def _check(kind: str, value: Any, where: str, field: dict[str, Any], *, is_answer: bool) -> None:
    if kind.startswith("<"):
        _message(kind[1:-1], value, where, is_answer=is_answer)
    elif kind.startswith("list "):
        for one in value if isinstance(value, list) else [_wrong(where, kind, value)]:
            _check(kind[5:], one, where, {}, is_answer=is_answer)
    elif kind.startswith("mapping "):
        for key, one in (value if isinstance(value, dict) else _wrong(where, kind, value)).items():
            _check(kind[8:], one, f"{where}[{key}]", {}, is_answer=is_answer)
    elif "enum" in field:
        if value not in field["enum"] and value not in range(len(field["enum"])):
            _wrong(where, "an enumeration", value)
    elif not _fits(kind, value) or len(str(value)) > field.get("most", 1 << 30):
        _wrong(where, kind, value)


def _fits(kind: str, value: Any) -> bool:
    match kind:
        case "any":
            return True
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "int64" | "int32":
            return bool(re.fullmatch(r"-?\d+", str(value))) and not isinstance(value, float)
        case "google-datetime":
            try:
                return dt.datetime.fromisoformat(value).tzinfo is not None
            except (TypeError, ValueError):
                return False
    return isinstance(value, int | float)


def _wrong(where: str, kind: str, value: Any) -> Any:
    raise Refused(f"Invalid value at '{where}' ({kind}), {_shown(value)}")


def _shown(value: Any) -> str:
    return json.dumps(value)[:100]
