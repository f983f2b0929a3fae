"""What is known of a sandbox: what it keeps of itself in its folder, and what commands tell of it."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct


class Service(Struct, frozen=True, kw_only=True):
    """A process that `up` started.

    name: what it is.
    pid: its number.
    born: what tells it from a later process of the same number.
    last: whether it is ended after all others, by itself and with SIGINT: it ends its own children.
    """

    name: str
    pid: int
    born: str
    last: bool = False


class State(Struct, frozen=True, kw_only=True):
    """A sandbox that was started, as it stands in its folder.

    engine: its name.
    version: which major version of it.
    release: the exact one.
    environment: the folder of the virtual environment that it runs in.
    settings: what the user has set of the engine's own settings.
    started: when, in UTC.
    url: where it answers.
    user: who may log in.
    ports: those that it listens on; they are taken again the next time, if they are free.
    folders: what lies where, by name.
    services: what was started.
    whole: whether all of it was, and got well.
    """

    engine: str
    version: str
    release: str
    environment: str
    settings: dict[str, str]
    started: str
    url: str
    user: str
    ports: tuple[int, ...]
    folders: dict[str, str]
    services: tuple[Service, ...] = ()
    whole: bool = False


class ServiceView(Struct, frozen=True, kw_only=True):
    """A part of a sandbox.

    name: what it is.
    pid: the number of its process; null if that does not run.
    memory: bytes, of the process and of all that it has started.
    """

    name: str
    pid: int | None
    memory: int


class SandboxView(Struct, frozen=True, kw_only=True):
    """A sandbox: a real engine on this machine.

    engine: its name, as `airflow`.
    version: which major version of it, as a stack names it.
    release: the exact version.
    status: `up` if all of it runs and answers, `starting` while another `up` is at it, `broken` if only a part of it is
        there, else `down`.
    trouble: what is wrong, if it is broken; empty otherwise.
    stack: the name of its stack.
    url: where it answers; empty if it has no server.
    user: who may log in; empty if there is nobody to let in.
    password_file: the file that holds the password, which only you may read; empty if there is none.
    folders: what lies where: `dags`, `logs` and the like.
    home: the folder that all of it lies in.
    environment: the folder of the virtual environment that it runs in; tasks run there too.
    services: its parts.
    memory: bytes, of all its processes, tasks included.
    """

    engine: str
    version: str
    release: str
    status: Literal["up", "starting", "broken", "down"]
    trouble: str
    stack: str
    url: str
    user: str
    password_file: str
    folders: dict[str, str]
    home: str
    environment: str
    services: tuple[ServiceView, ...]
    memory: int


SandboxViews: TypeAlias = list[SandboxView]
