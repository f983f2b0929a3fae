"""Count the points of a run, and let each kind of fault come to each of them, with a reader beside.

Every fault gets a store of its own and a process of its own, forked from one that has everything imported. The fault
comes; that process ends, or is killed; another one then holds what is left against what must hold (see `check`).
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import selectors
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from pipeglot.core.store import bucket, open_store
from pipeglot.core.store.base import Store
from pipeglot.core.workers import worker
from tests.faults import requests
from tests.faults.check import Told, after, after_power_cut
from tests.faults.points import Board, Fault, Injector, Point, kinds_at
from tests.faults.reader import Reader
from tests.faults.store import FaultyStore
from tests.faults.workloads import Place, Workload, quiet, session, workloads

PATIENCE = 180.0
"""Seconds that any process here may take; one that takes longer hangs."""

SHARE = 0.25
"""Of the time, the reader beside spends so much on looking: the rest is for whom it looks at."""

ENOUGH = 8
"""So many faults that went wrong are told of before the harness stops."""


SMALL = 32 << 10
"""Bytes of what goes into a bucket in one request, so that the values of a workload are large ones."""


class Case(NamedTuple):
    """A fault that is to come to a workload."""

    workload: Workload
    point: Point
    kind: str

    def __str__(self) -> str:
        return (
            f"{self.kind!r} at point {self.point.number} ({self.point.call} {self.point.where}) of {self.workload.name}"
        )


class Outcome(NamedTuple):
    """What became of a fault. `came`: whether the run passed its point; `looks`: those of the reader beside."""

    case: Case
    came: bool
    looks: int
    wrong: list[str]


class Ground:
    """Where stores are made: in folders of their own, below `base` where that is the URI of a bucket."""

    def __init__(self, base: str = "") -> None:
        self.base = base

    def place(self, folder: Path) -> Place:
        kept = folder / "kept"
        kept.mkdir(parents=True)
        (folder / "work").mkdir()
        store = f"{self.base.rstrip('/')}/{os.urandom(8).hex()}" if self.base else str(kept / "store")
        return Place(store, kept, folder / "work")

    def workloads(self, chosen: int) -> Iterator[Workload]:
        return workloads(chosen, bucket=bool(self.base))


def settle(place: Place) -> None:
    """In a process of its own: copies lie where they are watched, and buckets are not waited for long."""
    os.environ["TMPDIR"] = str(place.kept)
    bucket.SINGLE, bucket.PIECE, bucket._WAIT, bucket._LONGEST = SMALL, SMALL // 2, 0.001, 0.01


# --- points -----------------------------------------------------------------------------------------------------------


def points_of(workload: Workload, ground: Ground) -> list[Point]:
    """What the workload comes by when all goes well, as it must: or nothing that follows means anything."""
    with tempfile.TemporaryDirectory() as name:
        place = ground.place(Path(name))
        seen = Path(name, "seen")

        def watch() -> None:
            fd = os.open(seen, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            _session(workload, place, Board(), seen=lambda point: _WRITE(fd, f"{json.dumps(point)}\n".encode()))

        pid = forked(watch)
        assert ended(pid) == 0, f"the session of {workload.name} fails without any fault"
        wrong = _checked(workload, place, [], "", Path(name, "checked"))
        assert not wrong, f"{workload.name} goes wrong without any fault: {wrong}"
        found = [Point(*json.loads(line)) for line in seen.read_text().splitlines()]
    return [point for point in found if point.layer in workload.layers]


_WRITE = os.write


def witnessed(workload: Workload, ground: Ground, every: int = 1) -> tuple[int, list[str]]:
    """Look at the store between any two points of a run; returns how often, and what was wrong."""
    with tempfile.TemporaryDirectory() as name:
        place, report = ground.place(Path(name)), Path(name, "report")

        def watch() -> None:
            reader, count, found = Reader(workload, place.store, None), 0, list[str]()

            def look() -> None:
                nonlocal count
                count += 1
                if count % every == 0 and len(found) < ENOUGH:
                    found.extend(reader.look())

            _session(workload._replace(workers=False), place, Board(), between=look)
            report.write_text(json.dumps([reader.looks, found]))

        assert ended(forked(watch)) == 0, f"the session of {workload.name} fails with a reader in between"
        looks, found = json.loads(report.read_text())
    return looks, found


def cases(count: int, chosen: int, ground: Ground, word: str = "", fewest: int = 0) -> list[Case]:
    """So many faults. Where they are enough for it: every kind at every point of the first workloads, and of others an
    even sample; else an even sample of all. Only of kinds with `word` in their name; of `fewest` workloads at least."""
    fewest = fewest or (_IN_BUCKETS if ground.base else _FEWEST)
    chance = random.Random(chosen)
    every: list[Case] = []
    groups: dict[tuple[str, str], list[Case]] = {}
    for number, workload in enumerate(ground.workloads(chosen)):
        if number >= fewest and len(every) + sum(map(len, groups.values())) >= count:
            break
        found = [
            Case(workload, point, kind)
            for point in points_of(workload, ground)
            for kind in kinds_at(point, durable=workload.durable)
            if word in kind
        ]
        chance.shuffle(found)
        if number < _WHOLE and len(every) + len(found) <= count:
            every += found
            continue
        for case in found:
            where = f"{case.point.layer} {case.point.call}" if ground.base else workload.name
            groups.setdefault((where, case.kind), []).append(case)
    todo = list(groups.values())
    if ground.base:  # there, each call has all kinds even in a small sample; so it has something of each workload, too
        chance.shuffle(todo)
        for group in todo:
            chance.shuffle(group)
    every += _in_turn(todo, count - len(every))
    chance.shuffle(every)
    return every


_WHOLE = 2
"""So many workloads are covered as a whole, at every point with every kind."""

_FEWEST = 6
"""Workloads of the smallest run."""

_IN_BUCKETS = 4
"""The same where each takes longer."""


def _in_turn(groups: list[list[Case]], count: int) -> list[Case]:
    """One of each group after the other, so that a small number has all kinds."""
    found: list[Case] = []
    depth = 0
    while len(found) < count and any(depth < len(group) for group in groups):
        found += [group[depth] for group in groups if depth < len(group)]
        depth += 1
    return found[:count]


# --- faults -----------------------------------------------------------------------------------------------------------


def injected(case: Case, ground: Ground) -> Outcome:
    """Let a fault come, with a reader beside, and look what is left."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        place, board = ground.place(folder), Board()
        told, lost = folder / "told", folder / "lost"
        fault = Fault(case.point.number, case.kind, case.point.layer, case.point.call)
        beside = forked(lambda: _read_beside(case.workload, place, board, folder / "read"))
        pid = forked(lambda: _faulty(case.workload, place, board, fault, told, lost))
        wrong = _hangs(ended(pid), "the session")
        board.stop = True
        wrong += _hangs(ended(beside), "the reader")
        looks, seen = json.loads((folder / "read").read_text()) if not wrong else (0, [])
        wrong += [f"beside it: {one}" for one in seen]
        after_power_cut(lost)
        if not wrong:
            lines = Told.read(told) if told.exists() else []
            wrong += _checked(case.workload, place, lines, case.kind, folder / "checked")
        if wrong and ground.base == "" and KEEP:
            shutil.copytree(folder, Path(KEEP, f"{case.point.number}-{case.kind}"), dirs_exist_ok=True)
        return Outcome(case, board.fired, looks, wrong)


KEEP = os.environ.get("FAULTS_KEEP", "")
"""A folder for what faults that went wrong left behind."""


def _checked(workload: Workload, place: Place, told: list[dict[str, Any]], kind: str, report: Path) -> list[str]:
    def check() -> None:
        settle(place)
        report.write_text(json.dumps(after(workload, place, told, kind)))

    status = ended(forked(check, errors=report))
    found: list[str] = json.loads(report.read_text()) if report.exists() else []
    return found if found or status == 0 else [f"the check ended with status {status}"]


def _hangs(status: int | None, who: str) -> list[str]:
    return [] if status is not None else [f"{who} hangs: it was ended after {PATIENCE:.0f} s"]


def _faulty(workload: Workload, place: Place, board: Board, fault: Fault, told: Path, lost: Path) -> None:
    listener = Told(told)
    listener.listen()
    try:
        _session(workload, place, board, fault=fault, lost=str(lost) if workload.durable else "")
    except Exception as error:  # noqa: BLE001  # whatever a user would see
        listener.failed(error)


def _session(workload: Workload, place: Place, board: Board, **how: Any) -> None:
    settle(place)
    injector = Injector(str(place.kept), board, **how)

    def opened(uri: str, **how: Any) -> Store:
        return FaultyStore(open_store(uri, **how), injector)

    setattr(worker, "open_store", opened)  # noqa: B010  # workers open the store by themselves
    injector.install()
    requests.install(injector)
    session(workload, lambda: opened(place.store, durable=workload.durable), place)


def _read_beside(workload: Workload, place: Place, board: Board, report: Path) -> None:
    settle(place)
    reader, found, parent = Reader(workload, place.store, place.kept / "beside.sqlite"), list[str](), os.getppid()
    while not board.stop and not found and os.getppid() == parent:  # who is left alone has nobody to tell
        began = time.monotonic()
        found += reader.look(thorough=reader.looks % 4 == 3)
        time.sleep((time.monotonic() - began) * (1 / SHARE - 1))
    report.write_text(json.dumps([reader.looks, found]))


# --- processes --------------------------------------------------------------------------------------------------------


def forked(work: Callable[[], None], errors: Path | None = None) -> int:
    """A process that does this, quietly, and ends; what it raises is told where a file for it is named."""
    pid = os.fork()
    if pid == 0:
        _child(work, errors)
    return pid


def _child(work: Callable[[], None], errors: Path | None) -> NoReturn:
    code = 1
    try:
        quiet()
        work()
        code = 0
    except BaseException:  # noqa: BLE001  # nobody is above us
        if errors is not None:
            errors.write_text(json.dumps([traceback.format_exc()]))
    finally:
        os._exit(code)


def ended(pid: int) -> int | None:
    """Wait for it; its status, or None if it had to be ended."""
    deadline = time.monotonic() + PATIENCE
    pause = 0.0005
    while time.monotonic() < deadline:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return status
        time.sleep(pause)
        pause = min(2 * pause, 0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def spread(todo: list[Case], ground: Ground, hands: int) -> Iterator[Outcome]:
    """Let so many processes work at them; gives the outcomes as they come."""
    warm_up(todo[0].workload)
    waiting = selectors.DefaultSelector()
    pids = []
    for hand in range(hands):
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            for fd in (ours, *(key.fd for key in waiting.get_map().values())):  # who is gone must not seem to listen
                os.close(fd)
            _hand(todo[hand::hands], ground, theirs)
        os.close(theirs)
        pids.append(pid)
        waiting.register(os.fdopen(ours, "rb"), selectors.EVENT_READ, todo[hand::hands])
    try:
        while waiting.get_map():
            for key, _ in waiting.select():
                line = key.fileobj.readline()  # type: ignore[union-attr]
                if not line:
                    waiting.unregister(key.fileobj)
                    continue
                number, came, looks, wrong = json.loads(line)
                yield Outcome(key.data[number], came, looks, wrong)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGTERM)
            os.waitpid(pid, 0)


def warm_up(workload: Workload) -> None:
    """Import all that a session and a check need, once, so that each fork has it; and let forks share the memory."""

    def all_of_it() -> None:
        place = Ground().place(folder)
        settle(place)
        session(workload._replace(workers=False), lambda: open_store(place.store), place)
        after(workload, place, [], "")
        (folder / "modules").write_text("\n".join(set(sys.modules) - before))

    before = set(sys.modules)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        assert ended(forked(all_of_it)) == 0, f"the session of {workload.name} fails without any fault"
        for module in (folder / "modules").read_text().split():
            importlib.import_module(module)
    gc.collect()
    gc.freeze()


def _hand(todo: list[Case], ground: Ground, fd: int) -> NoReturn:
    try:
        for number, case in enumerate(todo):
            found = injected(case, ground)
            os.write(fd, json.dumps([number, found.came, found.looks, found.wrong]).encode() + b"\n")
    finally:
        os._exit(0)


class Tally:
    """What came of all of them."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.layers: Counter[str] = Counter()
        self.missed = 0
        self.looks = 0
        self.wrong: list[Outcome] = []

    def count(self, outcome: Outcome) -> None:
        self.looks += outcome.looks
        if outcome.came:
            self.kinds[outcome.case.kind] += 1
            self.layers[f"{outcome.case.point.layer} {outcome.case.point.call}"] += 1
        else:
            self.missed += 1
        if outcome.wrong:
            self.wrong.append(outcome)


def tried(todo: list[Case], ground: Ground, hands: int = 2, tell: Callable[[Tally], object] = id) -> Tally:
    """Inject them all, or fewer if too many went wrong. `tell` is called after each."""
    tally = Tally()
    for outcome in spread(todo, ground, hands):
        tally.count(outcome)
        tell(tally)
        if len(tally.wrong) >= ENOUGH:
            break
    return tally
