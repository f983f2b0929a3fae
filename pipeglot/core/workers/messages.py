"""What the runner and its workers say to each other, over one socket each."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from pipeglot.core.artifacts.blobs import Verified
from pipeglot.core.ir import Pipeline
from pipeglot.core.lineage.arguments import Arg
from pipeglot.core.lineage.records import Attempt, Start, Verdict
from pipeglot.core.run_step import Job
from pipeglot.core.secret_values import NONE_GIVEN


class Hello(Struct, frozen=True, tag="hello"):
    """The first message to a worker: the run that it works for."""

    pipeline: Pipeline
    start: Start
    store: str
    trusted: bool
    root: str
    roots: tuple[str, ...]
    sources: dict[str, str]
    secrets: dict[str, str]
    folder: str
    temp: str
    cache: bool
    anew: tuple[str, ...] = ()
    durable: bool = False
    copies: str = ""
    """Where local copies of what is read from a bucket lie."""
    session: str = ""
    """The file with what the caller's `__main__` defined, where that is no module that could be imported."""


class Run(Struct, frozen=True, tag="run", omit_defaults=True):
    """Execute a cell. `log` is the file for what it prints, `key` its cache key if it is known, `verified` what other
    workers have verified since the last order, `given` the values of its secrets that an engine holds: they go over
    this socket only."""

    step: str
    index: tuple[int, ...]
    args: dict[str, Arg]
    attempt: int
    failed: bool
    why: str
    started: str
    log: str
    key: str = ""
    verified: list[Verified] = []
    slot: int = 1
    first: int = 1
    engine: dict[str, str] = {}
    reopened: int = 0
    given: dict[str, str] = {}


def order_of(job: Job, verified: list[Verified], given: Mapping[str, str] = NONE_GIVEN) -> Run:
    """The order to execute a job."""
    return Run(
        step=job.step.id,
        index=job.index,
        args=dict(job.args),
        attempt=job.attempt,
        failed=job.failed,
        why=job.why,
        started=job.started,
        log=str(job.log),
        key=job.key,
        verified=verified,
        slot=job.slot,
        first=job.first,
        engine=dict(job.engine),
        reopened=job.reopened,
        given=dict(given),
    )


class Calling(Struct, frozen=True, tag="calling"):
    """The user's function begins: a timeout's clock starts."""


class Called(Struct, frozen=True, tag="called"):
    """The user's function is over."""


class Done(Struct, frozen=True, tag="done"):
    """What the ledger says of the attempt. `last`: this worker takes no more, for the step has left traces in it.
    `verified`: the large files whose hashes it knows from now on."""

    record: Verdict | Attempt
    last: bool = False
    verified: list[Verified] = []


class Broken(Struct, frozen=True, tag="broken"):
    """The worker could not record the attempt: the store's fault, or ours. Without `recording`: nor begin with it."""

    message: str
    hint: str = ""
    recording: bool = True


ToWorker: TypeAlias = Hello | Run
FromWorker: TypeAlias = Calling | Called | Done | Broken

_encode = msgspec.json.Encoder().encode
_to_worker = msgspec.json.Decoder(ToWorker).decode
_from_worker = msgspec.json.Decoder(FromWorker).decode


def send(sock: socket.socket, message: ToWorker | FromWorker) -> None:
    """Write a message; its length comes first."""
    body = _encode(message)
    sock.sendall(len(body).to_bytes(4, "big") + body)


def receive_order(sock: socket.socket) -> ToWorker | None:
    """The next message to a worker, or None when the runner is gone."""
    body = _receive(sock)
    return None if body is None else _to_worker(body)


def receive_report(sock: socket.socket) -> FromWorker | None:
    """The next message from a worker, or None when it is gone."""
    body = _receive(sock)
    return None if body is None else _from_worker(body)


def _receive(sock: socket.socket) -> bytes | None:
    head = _exactly(sock, 4)
    return None if head is None else _exactly(sock, int.from_bytes(head, "big"))


def _exactly(sock: socket.socket, count: int) -> bytes | None:
    parts: list[Any] = []
    while count:
        try:
            part = sock.recv(min(count, 1 << 20))
        except ConnectionError:
            return None
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
