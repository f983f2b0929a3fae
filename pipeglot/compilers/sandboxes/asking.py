"""Asking a server on this machine, by HTTP."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pipeglot.compilers.sandboxes.waiting import LOCALHOST

_TIMEOUT = 10.0


def ask(port: int, method: str, path: str, body: Any = None, headers: Mapping[str, str] = MappingProxyType({})) -> Any:
    """What it answers, of JSON. Not through a proxy, whatever the environment says. Raises `ValueError`, `OSError`."""
    connection = http.client.HTTPConnection(LOCALHOST, port, timeout=_TIMEOUT)
    try:
        data = None if body is None else json.dumps(body)
        sent = {"Accept": "application/json", **({"Content-Type": "application/json"} if data else {}), **headers}
        connection.request(method, path, data, sent)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status not in (200, 201):
            raise ValueError(f"{method} {path} answered {answer.status}")
        return json.loads(text)
    finally:
        connection.close()
