"""A sandbox of any engine: brought up, ended, and looked at.

There is no process of ours that watches it. What was started stands in its folder, whatever that started is found by
the mark that all of it inherits; so a killed `up`, or a part that died, leaves nothing that `down` or `up` cannot mend.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from pipeglot.compilers.sandboxes.engine import Engine
from pipeglot.compilers.sandboxes.environment import ensure
from pipeglot.compilers.sandboxes.home import Holder, Home
from pipeglot.compilers.sandboxes.processes import (
    TERMINATE,
    Process,
    end,
    marked,
    memory,
    strays,
    table,
    with_descendants,
)
from pipeglot.compilers.sandboxes.records import SandboxView, Service, ServiceView, State
from pipeglot.compilers.sandboxes.starting import Starting
from pipeglot.compilers.sandboxes.waiting import free_ports
from pipeglot.core.errors import SandboxError, UsageError

PASSWORD = "password"  # noqa: S105  # the name of a file
"""The file in the sandbox's folder that holds it."""

_SLOW = 60.0
"""Seconds after which one that runs and does not answer is taken to be broken."""

_BY_ITSELF = ((signal.SIGINT, 15.0), (signal.SIGKILL, 5.0))
_AT_ONCE = ((signal.SIGKILL, 10.0),)


class Sandbox:
    """One version of an engine, in one folder."""

    def __init__(self, engine: Engine, version: str, home: Home, environments: Path) -> None:
        self.engine = engine
        self.version = version
        self.home = home
        self._environments = environments

    # --- up -----------------------------------------------------------------------------------------------------------

    def up(self, settings: Mapping[str, str], tell: Callable[[str], None]) -> SandboxView:
        """Start what does not run yet, and wait until all of it is well. Raises `SandboxError`, `UsageError`."""
        self.engine.check_settings(self.version, settings)
        self.home.make()
        with self.home.lock("up", lambda _: tell(f"another command is at work in {self.home.path}; waiting for it")):
            environment = self.prepare(tell)
            before = self.home.read_state()
            if before is not None and self._is_well(before):
                self._hold_against(before, environment, settings)
                tell(f"{self._title(before.release)} is up already")
                return self.view()
            if self._members(before):
                tell("a part of it runs, and a part is gone: ending what is left")
                self._end(before)
            self._start(environment, settings, before, tell)
        return self.view()

    def prepare(self, tell: Callable[[str], None]) -> Path:
        """The folder of its environment, which is made if it is not there."""
        return ensure(self.engine.pins(self.version), self._environments, tell)

    def _start(
        self, environment: Path, settings: Mapping[str, str], before: State | None, tell: Callable[[str], None]
    ) -> None:
        ports = free_ports(self.engine.ports, before.ports if before else ())
        if self.engine.user:
            self.home.secret(PASSWORD)
        state = State(
            engine=self.engine.name,
            version=self.version,
            release=self.engine.releases[self.version].exact,
            environment=str(environment),
            settings=dict(settings),
            started=dt.datetime.now(dt.UTC).isoformat(),
            url=self.engine.url(ports),
            user=self.engine.user,
            ports=ports,
            folders=self.engine.folders(self.home),
        )
        self.home.write_state(state)
        run = Starting(self.home, state, tell)
        tell(f"starting {self._title(state.release)}")
        try:
            self.engine.start(run)
            self.home.write_state(msgspec.structs.replace(run.state, whole=True))
        except BaseException:
            self._end(run.state)
            raise

    def _is_well(self, state: State) -> bool:
        """Whether all of it is. One that is only slow is given time: others may be working with it."""
        deadline = time.monotonic() + _SLOW
        while self._trouble(state):
            if len(_alive(state, table())) < len(state.services) or not state.whole or time.monotonic() >= deadline:
                return False
            time.sleep(0.5)
        return True

    def _hold_against(self, before: State, environment: Path, settings: Mapping[str, str]) -> None:
        """What is up must be what is asked for: to change it would end what somebody has running there."""
        differing = [
            what
            for what, differs in (
                ("other settings", before.settings != dict(settings)),
                (f"the release {before.release}", before.release != self.engine.releases[self.version].exact),
                ("another pipeglot", before.environment != str(environment)),
            )
            if differs
        ]
        if differing:
            raise UsageError(
                f"the sandbox in `{self.home.path}` is up with {differing[0]}",
                hint=f"end it first: `pipeglot sandbox down {self.engine.name}`; or have a second: `--home DIR`",
            )

    # --- down ---------------------------------------------------------------------------------------------------------

    def down(self, *, purge: bool = False) -> SandboxView:
        """End all of it, also an `up` that is under way. Its data stay, unless they are to be purged."""

        def busy(holder: Holder) -> None:
            if holder.what == "up":
                holder.stop()

        with self.home.lock("down", busy):
            state = self.home.read_state()
            self._end(state)
            self.engine.end(self.home)
            if state is not None and not self.engine.serves:
                self.home.write_state(msgspec.structs.replace(state, whole=False))
            view = self.view()
            if purge:
                self.home.purge()
        return view

    def _end(self, state: State | None) -> None:
        """The parts, then those that the parts need, and then what is left, if anything is."""
        last = {service.pid for service in _alive(state, table()) if service.last}

        def parts() -> set[int]:
            processes = table()
            return self._members(state, processes) - with_descendants(last, processes)

        def needed() -> set[int]:
            return {service.pid for service in _alive(state, table()) if service.last}

        end(parts, TERMINATE)
        with contextlib.suppress(SandboxError):  # the next line tells what does not end
            end(needed, _BY_ITSELF)
        end(lambda: self._members(state), _AT_ONCE)

    # --- how it is ----------------------------------------------------------------------------------------------------

    def view(self) -> SandboxView:
        """All that there is to tell."""
        state = self.home.read_state()
        processes = table()
        members = self._members(state, processes)
        is_there = bool(members) or (not self.engine.serves and state is not None and state.whole)
        trouble = self._trouble(state) if is_there else ""
        ports: tuple[int, ...] = (0,) * self.engine.ports
        status: Literal["up", "starting", "broken", "down"] = "up" if is_there else "down"
        if trouble:
            starting = state is not None and not state.whole and self.home.is_worked_on()
            status = "starting" if starting else "broken"
        return SandboxView(
            engine=self.engine.name,
            version=self.version,
            release=state.release if state else self.engine.releases[self.version].exact,
            status=status,
            trouble=trouble if status == "broken" else "",
            stack=self.engine.stack_name(self.version),
            url=state.url if state else self.engine.url(ports),
            user=self.engine.user,
            password_file=str(self.home.path / PASSWORD) if self.engine.user else "",
            folders=state.folders if state else {},
            home=str(self.home.path),
            environment=state.environment if state else "",
            services=tuple(_view(service, processes) for service in state.services) if state and members else (),
            memory=memory(members, processes),
        )

    def _trouble(self, state: State | None) -> str:
        """What is not well; "" if all of it is."""
        if state is None or not state.whole:
            return "it was not started to its end"
        alive = _alive(state, table())
        gone = [service.name for service in state.services if service not in alive]
        return f"not running: {', '.join(gone)}" if gone else self.engine.trouble(state, self.home)

    def _members(self, state: State | None, processes: Mapping[int, Process] | None = None) -> set[int]:
        """The numbers of all its processes."""
        if processes is None:
            processes = table()
        roots = {service.pid for service in _alive(state, processes)} | marked(self.home.path, processes.keys())
        if state is not None:
            roots |= strays(self.home.path, Path(state.environment), processes.keys())
        return with_descendants(roots, processes) - {os.getpid()}

    def _title(self, release: str) -> str:
        return f"{self.engine.title} {release}"


def _alive(state: State | None, processes: Mapping[int, Process]) -> list[Service]:
    """The parts that were started and still run."""
    services = state.services if state else ()
    return [one for one in services if one.pid in processes and processes[one.pid].born == one.born]


def _view(service: Service, processes: Mapping[int, Process]) -> ServiceView:
    runs = service.pid in processes and processes[service.pid].born == service.born
    tree = with_descendants([service.pid], processes) if runs else set()
    return ServiceView(name=service.name, pid=service.pid if runs else None, memory=memory(tree, processes))
