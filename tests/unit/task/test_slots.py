"""Who works when: as many as there may be, the most urgent first, and nobody waits for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from pipeglot.core.task.slots import Slots

PATIENCE = 20.0


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Crowd:
    """Threads that each hold a slot until they are let go."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.order: list[str] = []
        self.threads: list[threading.Thread] = []
        self.gates: dict[str, threading.Event] = {}

    def add(self, name: str, step: str = "", priority: int = 0, told: Callable[[], bool] = lambda: False) -> None:
        self.gates[name] = threading.Event()

        def work() -> None:
            with self.slots.one(step or name, priority, told):
                self.order.append(name)
                self.gates[name].wait(PATIENCE)

        before = self._seen()
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        self.threads.append(thread)
        until(lambda: self._seen() > before)

    def _seen(self) -> int:
        """How many work or wait, or did."""
        return len(self.order) + len(self.slots._waiting)

    def let_go(self, name: str) -> None:
        self.gates[name].set()

    def await_order(self, *names: str) -> None:
        until(lambda: len(self.order) >= len(names))
        assert self.order == list(names)

    def end(self) -> None:
        for gate in self.gates.values():
            gate.set()
        for thread in self.threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()


def test_the_most_urgent_come_first_and_then_who_came_first() -> None:
    crowd = Crowd(Slots(1, {}))
    crowd.add("first")
    for name, priority in (("low", -1), ("a", 0), ("b", 0), ("high", 5)):
        crowd.add(name, priority=priority)
    crowd.await_order("first")
    for name in ("first", "high", "a", "b"):
        crowd.let_go(name)
    crowd.await_order("first", "high", "a", "b", "low")
    crowd.end()


def test_a_step_with_a_limit_holds_up_nobody_else() -> None:
    crowd = Crowd(Slots(3, {"narrow": 1}))
    for name in ("n1", "n2"):
        crowd.add(name, "narrow", priority=9)
    crowd.add("other")
    crowd.await_order("n1", "other")
    crowd.let_go("n1")
    crowd.await_order("n1", "other", "n2")
    crowd.end()


def test_who_is_told_to_end_goes_on_without_a_slot_and_gives_none_back() -> None:
    slots = Slots(1, {})
    ends = threading.Event()
    crowd = Crowd(slots)
    crowd.add("first")
    crowd.add("told", told=ends.is_set)
    crowd.add("patient")
    ends.set()
    crowd.await_order("first", "told")
    crowd.let_go("told")
    crowd.threads[1].join(PATIENCE)
    assert slots._free == 0, "the first one still has it"
    crowd.let_go("first")
    crowd.await_order("first", "told", "patient")
    crowd.end()
    assert slots._free == 1


def test_a_slot_is_given_back_by_a_step_that_raises() -> None:
    slots = Slots(1, {})

    def fail(slot: AbstractContextManager[None]) -> None:
        with slot:
            raise KeyError

    for _ in range(3):
        with pytest.raises(KeyError):
            fail(slots.one("a", 0, lambda: False))
    assert slots._free == 1
