"""Prefect 3: a server of its own beside the flows, as its docs recommend; and one case without."""

from __future__ import annotations

import subprocess
import time
import urllib.request
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from socket import socket

from benchmarks.measure import CommandFailed, Server, Tool
from benchmarks.peers.place import Place
from benchmarks.rows import (
    ARRAY,
    HELP,
    IMPORT,
    ITEMS_3,
    NO_SERVER,
    PEER_STEPS,
    SERVER,
    STEPS_3,
    STEPS_3_CACHED,
    cached_row,
    chain_row,
    map_row,
)

_PATIENCE = 120.0


def prefect_alone(place: Place) -> Tool:
    """What needs no server, or starts one for itself."""
    few = _flow(place, "chain", 3)
    cases = (
        place.case(HELP, place.program("prefect"), "--help"),
        place.case(IMPORT, *place.python("-c", "from prefect import flow, task")),
        place.case(NO_SERVER, *few),
    )
    return Tool(place.folder, _env(place), cases, warm_up=(few,))


def prefect_beside_server(place: Place) -> Tool:
    port = _free_port()
    url = f"http://127.0.0.1:{port}/api"
    env = {**_env(place), "PREFECT_API_URL": url}
    few, many = _flow(place, "chain", 3), _flow(place, "chain", PEER_STEPS)
    cases = (
        place.case(STEPS_3, *few),
        place.case(chain_row(PEER_STEPS), *many),
        place.case(STEPS_3_CACHED, *few, cached=True),
        place.case(cached_row(PEER_STEPS), *many, cached=True),
        place.case(ITEMS_3, *_flow(place, "wide", 3)),
        place.case(map_row(PEER_STEPS), *_flow(place, "wide", PEER_STEPS)),
        place.case(ARRAY, *_flow(place, "array", 12_500_000)),
    )
    server = [place.program("prefect"), "server", "start", "--host", "127.0.0.1", "--port", str(port)]

    @contextmanager
    def serving() -> Iterator[Collection[int]]:
        with (place.folder / "server.log").open("ab") as log:
            process = subprocess.Popen(server, cwd=place.folder, env=env, stdout=log, stderr=log)
        try:
            _wait_for(url, process)
            yield (process.pid,)
        finally:
            process.terminate()
            process.wait(_PATIENCE)

    return Tool(place.folder, env, cases, warm_up=(few,), server=Server(SERVER, place.name, serving))


def _env(place: Place) -> dict[str, str]:
    return {
        **place.env,
        "PREFECT_HOME": str(place.folder / "prefect"),
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }


def _flow(place: Place, kind: str, count: int) -> tuple[str, ...]:
    return place.python("prefect_flow.py", kind, "{start}", str(count))


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    began = time.monotonic()
    while time.monotonic() - began < _PATIENCE:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):  # noqa: S310  # our own server
                return
        except OSError:
            time.sleep(0.1)
    raise CommandFailed("Prefect's server does not answer")


def _free_port() -> int:
    with socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
