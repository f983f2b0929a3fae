"""Prefect's REST API, as far as we need it: that of a server, or of Prefect Cloud."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeglot.compilers.prefect.stack import PrefectStack
from pipeglot.compilers.rest import Answer, Rest

PAGE = 200


class Api(Rest):
    """The API of one Prefect."""

    title = "Prefect"
    example = "http://server:4200/api"

    def __init__(self, stack: PrefectStack) -> None:
        super().__init__(stack.name, stack.api_url, stack.auth)

    @property
    def root(self) -> str:
        return self.place.path

    def token(self) -> str:
        return self.key_or_password("api_key")

    def other_api(self, found: Answer) -> str:
        """Where there is no such API, something else than that API says so."""
        if found.status == 404 and (found.is_page or found.content == {"detail": "Not Found"}):
            return "Prefect's own address ends in `/api`, as `http://server:4200/api`; see `prefect config view`"
        return ""

    def filtered(self, path: str, **asked: Any) -> Iterator[Any]:
        """All that a filter finds, page by page."""
        offset = 0
        while True:
            found = self.post(path, {**asked, "limit": PAGE, "offset": offset})
            if not isinstance(found, list):
                raise self.foreign("POST", path, "something else than a list")
            yield from found
            offset += len(found)
            if len(found) < PAGE:
                return
