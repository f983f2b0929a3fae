"""Free ports, waiting until something answers, and the end of a log that tells why it does not."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from pathlib import Path

from pipeglot.core.errors import SandboxError

LOCALHOST = "127.0.0.1"
_LINES = 15
_MOST = 64 << 10
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def free_ports(count: int, wanted: tuple[int, ...] = ()) -> tuple[int, ...]:
    """Ports of the loopback that nobody listens on, all different: those `wanted` that are free, and others."""
    held: list[socket.socket] = []
    try:
        for port in (*wanted, *(0,) * count)[:count]:
            held.append(_hold(port))  # noqa: PERF401  # those that are held are let go of, also if the next fails
        return tuple(one.getsockname()[1] for one in held)
    finally:
        for one in held:
            one.close()


def _hold(port: int) -> socket.socket:
    try:
        return socket.create_server((LOCALHOST, port))
    except OSError:
        return socket.create_server((LOCALHOST, 0))


def wait(trouble: Callable[[], str], patience: float, what: str, log: Path, pause: float = 0.25) -> None:
    """Until `trouble` has none to tell. Raises `SandboxError` with what it told last, and the end of the log."""
    deadline = time.monotonic() + patience
    while told := trouble():
        if time.monotonic() >= deadline:
            raise SandboxError(f"{what} is not up after {patience:.0f} s: {told}{tail(log)}", hint=f"see `{log}`")
        time.sleep(pause)


def tail(log: Path) -> str:
    """The last lines of a log, to stand below a message; "" if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _MOST))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    lines = [line.rstrip() for line in _COLOURS.sub("", text).splitlines() if line.strip()]
    shown = "\n".join(f"  {line[:300]}" for line in lines[-_LINES:])
    return f"\n\n{shown}" if shown else ""
