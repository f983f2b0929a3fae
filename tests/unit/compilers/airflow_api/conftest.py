"""A server that answers as it is told to, and a stack of Airflow that asks it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeglot.compilers.airflow.stack import AirflowStack
from tests.servers.canned import Server


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    found.answers["POST /auth/token"] = [(201, {"access_token": "one"}), (201, {"access_token": "two"})]
    yield found
    found.close()


@pytest.fixture
def stack(server: Server, tmp_path: Path) -> AirflowStack:
    (tmp_path / "password").write_text("secret\n")
    auth = {"user": "admin", "password_file": str(tmp_path / "password")}
    return AirflowStack(name="prod", store="s3://ml/prod", api_url=server.url, auth=auth)
