"""What a request may say: nothing but what the published definition of the API has, and each of the right kind."""

from __future__ import annotations

import datetime as dt
import json
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

_CODES = {
    HTTPStatus.BAD_REQUEST: 3,
    HTTPStatus.NOT_FOUND: 5,
    HTTPStatus.FORBIDDEN: 7,
    HTTPStatus.CONFLICT: 6,
    HTTPStatus.NOT_IMPLEMENTED: 12,
    HTTPStatus.UNAUTHORIZED: 16,
}
"""gRPC's own numbers for what HTTP says."""


class Refused(Exception):
    """An answer that is no good one."""

    def __init__(self, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(message)
        self.status = status

    @property
    def body(self) -> dict[str, Any]:
        """As gRPC's gateway has it."""
        return {"error": str(self), "code": _CODES.get(self.status, 2), "message": str(self), "details": []}


@cache
def models() -> dict[str, Any]:
    """By name: the kind of each field of a message, or the values of an enumeration."""
    found: dict[str, Any] = json.loads((Path(__file__).parents[1] / "api.json").read_text(encoding="utf-8"))["models"]
    return found


def check(model: str, value: Any, where: str = "") -> None:
    """Raises `Refused` for what the definition does not have."""
    known = models()[model]
    if isinstance(known, list):
        if value not in known:
            raise Refused(f"invalid value for enum field {where}: {json.dumps(value)}")
        return
    if not isinstance(value, dict):
        raise Refused(f"{where or 'the body'} must be an object")
    for name, one in value.items():
        if name not in known:
            raise Refused(f'unknown field "{f"{where}.{name}" if where else name}"')
        if one is not None:
            _check_kind(known[name], one, f"{where}.{name}" if where else name)


def _check_kind(kind: str, value: Any, where: str) -> None:
    if kind.startswith("list["):
        if not isinstance(value, list):
            raise Refused(f"{where} must be a list")
        for one in value:
            _check_kind(kind[5:-1], one, where)
    elif kind.startswith("dict("):
        if not isinstance(value, dict):
            raise Refused(f"{where} must be an object")
    elif kind in models():
        check(kind, value, where)
    elif kind == "datetime":
        _check_time(value, where)
    elif not isinstance(value, _TYPES[kind]) or (kind == "int" and isinstance(value, bool)):
        raise Refused(f"invalid value for {kind} field {where}: {json.dumps(value)[:100]}")


_TYPES: dict[str, type] = {"str": str, "int": int, "bool": bool, "object": dict}


def _check_time(value: Any, where: str) -> None:
    try:
        moment = dt.datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise Refused(f"invalid value for timestamp field {where}: {json.dumps(value)[:100]}") from None
    if moment.tzinfo is None:
        raise Refused(f"invalid value for timestamp field {where}: it has no offset")
