"""Vertex AI's REST API, as far as we need it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeglot.compilers.kfp import tokens
from pipeglot.compilers.kfp.stack import VertexStack
from pipeglot.compilers.rest import Rest
from pipeglot.core.errors import ConfigError

PAGE = 100


class Api(Rest):
    """The API of one project, in one location."""

    title = "Vertex AI"
    example = "https://europe-west4-aiplatform.googleapis.com"

    def __init__(self, stack: VertexStack) -> None:
        for name in ("project", "location"):
            if not getattr(stack, name):
                raise ConfigError(f"stack `{stack.name}` does not say its `{name}`", hint=f"write `{name}:` into it")
        endpoint = stack.api_endpoint or f"https://{stack.location}-aiplatform.googleapis.com"
        super().__init__(stack.name, endpoint if "://" in endpoint else f"https://{endpoint}", stack.auth)
        self.parent = f"projects/{stack.project}/locations/{stack.location}"

    @property
    def root(self) -> str:
        return f"{self.place.path}/v1/{self.parent}"

    def token(self) -> str:
        if "token_command" in self.auth:
            return f"Bearer {self.commanded()}"
        if "token" in self.auth:
            return f"Bearer {self.said('token')}"
        if "service_account_file" in self.auth:
            file = Path(self.said("service_account_file")).expanduser()
            return f"Bearer {tokens.of_service_account(file, self.stack_name)}"
        return f"Bearer {tokens.of_metadata(self.stack_name)}"

    def pages(self, path: str, name: str, **query: Any) -> Iterator[Any]:
        """All entries of a list, page by page."""
        token = ""
        while True:
            more = {"pageToken": token} if token else {}
            found = self.get(path, pageSize=PAGE, **query, **more)
            yield from found.get(name) or ()
            token = found.get("nextPageToken") or ""
            if not token:
                return

    def delete(self, path: str) -> None:
        self.checked("DELETE", path, self.send("DELETE", path, None, {}))
