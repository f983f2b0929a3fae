"""Ports, and the part of a log that is shown."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from pipeglot.compilers.sandboxes.waiting import free_ports, tail, wait
from pipeglot.core.errors import SandboxError


def test_ports_are_taken_again_if_they_are_free() -> None:
    first = free_ports(3)
    assert len(set(first)) == 3
    assert free_ports(3, first) == first
    with socket.create_server(("127.0.0.1", first[1])):
        second = free_ports(3, first)
    assert (second[0], second[2]) == (first[0], first[2])
    assert second[1] != first[1]
    assert free_ports(2, first[:1])[0] == first[0]


def test_the_tail_is_short_and_plain(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert tail(log) == ""
    log.write_bytes(b"".join(b"line %d\n\n" % at for at in range(20_000)) + b"\x1b[1mlast\x1b[0m \xff\n")
    shown = tail(log).splitlines()
    assert shown[:3] == ["", "", "  line 19986"]
    assert shown[-1] == "  last \ufffd"
    assert len(shown) == 17


def test_what_never_gets_well(tmp_path: Path) -> None:
    reasons = iter(["not yet"])
    with pytest.raises(SandboxError, match=r"^the thing is not up after 0 s: still not\n"):
        wait(lambda: next(reasons, "still not"), 0.1, "the thing", tmp_path / "log", pause=0.01)
