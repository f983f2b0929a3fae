"""Vertex AI's REST API, as far as we need it."""

from __future__ import annotations

from pathlib import Path

from pipeglot.compilers.kfp import tokens
from pipeglot.compilers.kfp.stack import VertexStack
from pipeglot.compilers.rest import Rest
from pipeglot.core.errors import ConfigError


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
