"""KFP's REST API v2beta1, as far as we need it; and of v1alpha1, which has the logs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

from pipeglot.compilers.kfp.stack import KfpStack
from pipeglot.compilers.rest import SNAKE, Answer, Rest, Sent

V2 = "/apis/v2beta1"
V1 = "/apis/v1alpha1"
_BOUNDARY = "pipeglot-b9d3c1e07a54"


class Api(Rest):
    """The API of one KFP."""

    title = "KFP"
    example = "http://ml-pipeline.kubeflow:8888"

    def __init__(self, stack: KfpStack) -> None:
        super().__init__(stack.name, stack.api_url, stack.auth)
        self._namespace = stack.namespace

    @property
    def root(self) -> str:
        return self.place.path

    def token(self) -> str:
        return self.key_or_password("token")

    def other_api(self, found: Answer) -> str:
        """Where there is no such path at all, something else than KFP's own errors says so."""
        if found.status == 404 and (found.is_page or found.detail == "Not Found"):
            return f"pipeglot needs KFP 2, whose API is at `{V2}` below `api_url`, as `{self.example}{V2}/healthz`"
        return ""

    @cached_property
    def where(self) -> dict[str, str]:
        """The namespace, as a query, where there is more than one."""
        return {"namespace": self._namespace} if self._health.get("multi_user") else {}

    @property
    def release(self) -> tuple[int, int] | None:
        """Of the KFP that answers, as (2, 17); None if it was built without one, as `unknown`."""
        found = re.match(r"v?(\d{1,4})\.(\d{1,4})(?!\d)", str(self._health.get("tag_name")))
        return (int(found[1]), int(found[2])) if found else None

    @cached_property
    def _health(self) -> dict[str, Any]:
        found = self.get(f"{V2}/healthz")
        return found if isinstance(found, dict) else {}

    def named(self, path: str, name: str, wanted: str, **query: Any) -> Any | None:
        """The entry of a list that has this display name."""
        return next(self.all_named(path, name, wanted, **query), None)

    def all_named(self, path: str, name: str, wanted: str, **query: Any) -> Iterator[Any]:
        """All of them, where several may have it."""
        return self.listed(path, name, SNAKE, filter=equal("display_name", wanted), **query)

    def upload(
        self, path: str, file: str, data: bytes, query: dict[str, Any], known: Callable[[], Any | None]
    ) -> Answer:
        """Send a file, as a form of a web page would. `known` finds it if only the answer is lost."""
        head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="uploadfile"; filename="{file}"\r\n'
        body = (
            f"{head}Content-Type: application/octet-stream\r\n\r\n".encode()
            + data
            + f"\r\n--{_BOUNDARY}--\r\n".encode()
        )
        sent = Sent(f"multipart/form-data; boundary={_BOUNDARY}", body)
        return self.created(path, sent, query, known)


def equal(key: str, wanted: str) -> str:
    """The filter of a list for what has this value."""
    return json.dumps({"predicates": [{"operation": 1, "key": key, "stringValue": wanted}]})  # 1 is EQUALS
