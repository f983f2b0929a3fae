"""Airflow's REST API, as far as we need it: v2 of Airflow 3 with tokens, v1 of Airflow 2 with a user and a password."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeglot.compilers.airflow.stack import AirflowStack
from pipeglot.compilers.rest import BUSY, Answer, Rest, basic

PAGE = 100


class Api(Rest):
    """The API of one Airflow."""

    title = "Airflow"
    example = "http://airflow:8080"

    def __init__(self, stack: AirflowStack) -> None:
        super().__init__(stack.name, stack.api_url, stack.auth)
        self.stack = stack

    @property
    def root(self) -> str:
        return f"{self.place.path}/api/v{2 if self.stack.version == 3 else 1}"

    def pages(self, path: str, name: str, **query: Any) -> Iterator[Any]:
        """All entries of a list, page by page."""
        offset = 0
        while True:
            found = self.get(path, limit=PAGE, offset=offset, **query)
            if name not in found:
                raise self.foreign("GET", path, f"JSON without `{name}`")
            yield from found[name]
            offset += len(found[name])  # a server may have a limit of its own
            if not found[name] or offset >= found.get("total_entries", 0):
                return

    def other_api(self, found: Answer) -> str:
        """Where there is no such API at all, something else than that API says so."""
        other = 2 if self.stack.version == 3 else 3
        hint = f"is it Airflow {other}? then say `version: {other}`"
        if found.status == 405 and found.is_page:
            return hint
        if found.status != 404:
            return ""
        return hint if found.is_page or found.content == {"detail": "Not Found"} or "error" in found.content else ""

    def token(self) -> str:
        if "token_command" in self.auth:
            return f"Bearer {self.commanded()}"
        user = self.said("user")
        if self.stack.version == 2:
            return basic(user, self.secret("password")) if user else ""
        path = f"{self.place.path}/auth/token"
        if user:
            found = self.request("POST", path, {"username": user, "password": self.secret("password")}, {}, {})
        else:  # an Airflow in which all are admins gives it to everybody
            found = self.request("GET", path, None, {}, {})
        method = "POST" if user else "GET"
        if found.status in BUSY or 300 <= found.status < 400:
            raise self.refused(method, "/auth/token", found)
        if found.status == 404:
            raise self.refused(method, "/auth/token", found._replace(content="nothing"))
        if found.status < 300 and found.is_page:
            raise self.foreign(method, "/auth/token", f"a page: {found.detail}")
        if found.status >= 300 or "access_token" not in found.content:
            raise self.refused(method, "/auth/token", found._replace(status=401))
        return f"Bearer {found.content['access_token']}"
