"""What every sandbox is, whatever engine is in it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from pipeglot.cli.schemas import SCHEMAS
from pipeglot.client.sandboxes import find_engine
from pipeglot.compilers.sandboxes.processes import marked, table
from tests.conformance.backends import ENGINES
from tests.e2e.schemas import valid


@pytest.fixture(params=ENGINES)
def server(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def test_it_tells_what_it_is(server: Any) -> None:
    valid(SCHEMAS["sandbox up"], server.view)
    (view,) = server.command("status", "--json")
    valid(SCHEMAS["sandbox status"], [view])
    assert (view["status"], view["trouble"], view["url"]) == ("up", "", server.view["url"])
    assert tuple(part["name"] for part in view["services"]) == server.services
    assert view["memory"] < 3 << 30
    if find_engine(server.engine).user:
        assert stat.S_IMODE(os.stat(view["password_file"]).st_mode) == 0o600
    assert f"{server.engine} {view['release']} is up" in server.command("status")


def test_nobody_else_gets_in(server: Any) -> None:
    """It listens on the loopback only, and to who has the password; or it does not listen."""
    if not find_engine(server.engine).serves:
        assert server.view["url"] == server.view["password_file"] == ""
        return
    assert server.stranger() in (401, 403)
    listening = _listening(marked(server.home, table().keys()))
    assert urlsplit(server.view["url"]).port in {port for _, port in listening}
    assert {address for address, _ in listening} == {"127.0.0.1"}


def _listening(pids: set[int]) -> set[tuple[str, int]]:
    """The addresses that these processes listen on."""
    sockets = set()
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                sockets.add(os.readlink(entry))
            except FileNotFoundError:
                continue
    found = set()
    for file, width in (("/proc/net/tcp", 8), ("/proc/net/tcp6", 32)):
        for line in Path(file).read_text().splitlines()[1:]:
            words = line.split()
            address, port = words[1].split(":")
            if words[3] == "0A" and f"socket:[{words[9]}]" in sockets:
                parts = ".".join(str(byte) for byte in reversed(bytes.fromhex(address)))
                found.add((parts if width == 8 else address, int(port, 16)))
    return found
