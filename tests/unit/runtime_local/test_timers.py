"""Timers fire in order, and leave nothing behind when they are not needed."""

from __future__ import annotations

import gc
import weakref

from pipeglot.runtime_local.timers import Timers


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_timers_fire_in_order_once_their_time_has_come() -> None:
    clock, fired = Clock(), list[str]()
    timers = Timers(clock)
    for seconds, name in ((2.0, "c"), (1.0, "a"), (1.0, "b")):
        timers.after(seconds, lambda name=name: fired.append(name))  # type: ignore[misc]
    timers.fire()
    assert (fired, timers.until_next()) == ([], 1.0)
    clock.now = 1.5
    timers.fire()
    assert (fired, timers.until_next()) == (["a", "b"], 0.5)
    clock.now = 9.0
    timers.fire()
    assert (fired, timers.until_next(), len(timers)) == (["a", "b", "c"], float("inf"), 0)


def test_a_cancelled_timer_lets_go_of_what_it_holds() -> None:
    class Held:
        pass

    held, timers = Held(), Timers(Clock())
    alive = weakref.ref(held)
    timer = timers.after(7200, lambda held=held: None)  # type: ignore[misc]
    del held
    timers.cancel([timer])
    gc.collect()
    assert alive() is None
    timers.cancel([timer])  # twice is once
    assert timers.until_next() == float("inf")


def test_the_timers_of_many_finished_steps_do_not_pile_up() -> None:
    clock = Clock()
    timers, fired = Timers(clock), list[int]()
    keep = timers.after(1.0, lambda: fired.append(1))
    for _ in range(10_000):
        timers.cancel([timers.after(7200, lambda: fired.append(2))])
    assert len(timers) < 200
    clock.now = 10_000.0
    timers.fire()
    assert (fired, len(timers)) == ([1], 0)
    timers.cancel([keep])  # it has fired
    assert timers.until_next() == float("inf")


def test_what_a_timer_does_may_set_and_cancel_others() -> None:
    clock, fired = Clock(), list[str]()
    timers = Timers(clock)
    later = timers.after(2.0, lambda: fired.append("never"))

    def first() -> None:
        timers.cancel([later])
        timers.after(0.0, lambda: fired.append("now"))

    timers.after(1.0, first)
    clock.now = 5.0
    timers.fire()
    assert fired == ["now"]
