"""Waiting for a bucket: a user is heard while it does not answer, and hears why nothing goes on.

The client's calls know nothing of signals, and take as long as a server lets them. So those of the main thread are made
by a thread beside it, and the main one waits where Python hears of Ctrl-C. A request that is given up goes on by itself
until it has an answer, or the process ends; what it wrote is found by whoever looks, as after a kill.
"""

from __future__ import annotations

import _thread
import itertools
import math
import os
import sys
import threading
import time
from _queue import Empty, SimpleQueue  # what `queue` has of C; the rest of it costs a millisecond
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pipeglot.core.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

A = TypeVar("A")
T = TypeVar("T")

LOOK = 0.1
"""Seconds between two looks whether somebody wants to stop."""

SILENCE = 3.0
"""Seconds without an answer, after which the user is told what is waited for."""

TROUBLE = 1.0
"""Seconds of failed tries, after which the user is told of them."""

BETWEEN = 10.0
LONGEST = 300.0
"""Seconds between two lines of the same trouble: at first, and after a while."""


class _State:
    """Of this process. See `attended`, `hasty` and `request`."""

    def __init__(self) -> None:
        self.attended: tuple[_Attended, ...] = ()
        """The last one counts. Changed under a lock, and read as a whole: threads come and go."""
        self.changing = threading.Lock()
        self.told, self.between = -math.inf, BETWEEN
        self.limit = math.inf
        self.used = self.forked = False
        self.helper: _Helper | None = None

    @property
    def left(self) -> Callable[[], float] | None:
        return _last(self.attended).left

    @property
    def listener(self) -> Callable[[str], None]:
        return _last(self.attended).listener

    def after_fork(self) -> None:
        self.forked = self.used
        self.helper = None
        self.changing = threading.Lock()  # it may have been held by a thread that is not here

    def tell(self, text: str) -> bool:
        """Unless something was told just now."""
        if time.monotonic() - self.told < self.between:
            return False
        self.told = time.monotonic()
        self.between = min(2 * self.between, LONGEST)
        self.listener(text)
        return True

    def over(self) -> None:
        """The store has answered: what was told is past."""
        if self.told > -math.inf and _in_main():
            self.told, self.between = -math.inf, BETWEEN
            self.listener("")


class _Attended(NamedTuple):
    """Who is told of a wait, and how long it may take; None if it may take any time."""

    listener: Callable[[str], None]
    left: Callable[[], float] | None


def _to_stderr(told: str) -> None:
    if told and sys.stderr is not None:
        shown = "".join(one if one.isprintable() else "?" for one in told)
        sys.stderr.write(f"note: {shown}\n")


_NOBODY = _Attended(_to_stderr, None)


def _last(attended: tuple[_Attended, ...]) -> _Attended:
    return attended[-1] if attended else _NOBODY


_state = _State()
os.register_at_fork(after_in_child=_state.after_fork)


@contextmanager
def attended(listener: Callable[[str], None], left: Callable[[], float]) -> Iterator[None]:
    """Meanwhile, tell somebody else than stderr what is waited for, and "" when it is over.

    left: the seconds that a request may take, asked while it is waited for: few, once somebody wants to stop. Of
    several at once, as in threads, who came last is told; they may end in any order.
    """
    one = _Attended(listener, left)
    with _state.changing:
        _state.attended = (*_state.attended, one)
    try:
        yield
    finally:
        with _state.changing:
            _state.attended = tuple(other for other in _state.attended if other is not one)


@contextmanager
def hasty(seconds: float) -> Iterator[None]:
    """Meanwhile, a request has so many seconds: the store may be gone, and its answer can be done without."""
    before, _state.limit = _state.limit, min(seconds, _state.limit)
    try:
        yield
    finally:
        _state.limit = before


# --- one request ------------------------------------------------------------------------------------------------------


class _Helper:
    """A thread that makes the main one's requests. Python's own list of threads does not have it: it is no user's."""

    def __init__(self) -> None:
        self.todo: SimpleQueue[tuple[Callable[[], Any], SimpleQueue[tuple[Any, BaseException | None]]] | None] = (
            SimpleQueue()
        )
        _thread.start_new_thread(self._serve, ())

    def _serve(self) -> None:
        while (one := self.todo.get()) is not None:
            ask, answer = one
            answer.put(_answered(ask))
            del one, ask, answer


def _answered(ask: Callable[[], T]) -> tuple[T | None, BaseException | None]:
    try:
        return ask(), None
    except BaseException as error:  # noqa: BLE001  # raised where it was asked
        if type(error).__name__ == "PanicException":  # a bug of the client's, which it raises as nobody should
            return None, RuntimeError(str(error))
        return None, error


def request(ask: Callable[[], T], of: str, doing: str = "") -> T:
    """Make a request of the client's, and give its answer. `of`: the store's URI. `doing`: what takes its time.

    Raises what the client raises; `KeyboardInterrupt`, also where somebody wants to stop otherwise; `StoreError` in
    a process that was forked from one that has asked for something: the client's threads are not there, and it hangs.
    """
    if _state.forked:
        raise StoreError(
            f"the store `{of}` cannot be used in this process: it was forked from one that has used a bucket",
            hint='start processes anew (`multiprocessing.get_context("spawn")`), or read values before the fork',
        )
    _state.used = True
    if not _in_main():
        found, error = _answered(ask)
        if error is not None:
            raise error
        return found  # type: ignore[return-value]
    helper, _state.helper = _state.helper or _Helper(), None  # who comes between, such as a `__del__`, makes another
    answer: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
    helper.todo.put((ask, answer))
    try:
        found, error = _await(answer, of, doing, time.monotonic())
    except BaseException:
        helper.todo.put(None)  # it is busy with what nobody waits for
        raise
    _state.helper = helper
    if error is None or isinstance(error, FileNotFoundError):
        _state.over()
    if error is not None:
        raise error
    return found  # type: ignore[no-any-return]


def together(ask: Callable[[A], T], items: Sequence[A], hands: int, of: str, doing: str) -> list[T]:
    """The answers for all of them, so many asked for at a time. What fails first is raised; no more are asked for."""
    began = time.monotonic()
    todo, done = itertools.count(), SimpleQueue[tuple[int, tuple[Any, BaseException | None]]]()
    over = False

    def work() -> None:
        while not over and (at := next(todo)) < len(items):
            done.put((at, _answered(lambda: ask(items[at]))))

    _state.used = True
    for _ in range(min(hands, len(items))):
        _thread.start_new_thread(work, ())
    found: dict[int, T] = {}
    try:
        while len(found) < len(items):
            at, (value, error) = _await(done, of, doing, began)
            if error is not None:
                raise error
            found[at] = value
    finally:
        over = True
    _state.over()
    return [found[at] for at in range(len(items))]


def _await(answer: SimpleQueue[T], of: str, doing: str, whole: float) -> T:
    """`whole`: when all that is done together began."""
    if not _in_main():
        return answer.get()
    began = time.monotonic()
    while True:
        try:
            return answer.get(timeout=LOOK)
        except Empty:
            now = time.monotonic()
        _look(of, began)
        if now - began > _state.limit:
            raise StoreError(f"the store `{of}` does not answer", hint="look at the network, and run it again")
        if now - whole > SILENCE:
            _state.tell(f"waiting for the store `{of}`: {doing or f'no answer for {now - began:.0f} s'}")


def _look(of: str, began: float) -> None:
    """Whether to go on waiting. Raises `KeyboardInterrupt`."""
    left = _state.left
    if left is not None and time.monotonic() - began > left():
        raise KeyboardInterrupt(f"the store `{of}` does not answer, and is not waited for: what was finished is kept")


def _in_main() -> bool:
    return _thread.get_ident() == threading.main_thread().ident


# --- many tries -------------------------------------------------------------------------------------------------------


class Tries:
    """The tries of one request, with growing pauses between. Each turn says whether it is the last.

    patience: seconds after which no other is made, however few they were. wait: the first pause. longest: of pauses.
    """

    def __init__(self, of: str, most: int, *, patience: float, wait: float, longest: float) -> None:
        self.of = of
        self.most, self.wait, self.longest = most, wait, longest
        self.patience = min(patience, _state.limit)
        self.why = ""
        """Why the last one failed, for who waits."""

    def __iter__(self) -> Iterator[bool]:
        began = time.monotonic()
        for number in range(1, self.most + 1):
            pause = min(self.longest, self.wait * 2 ** (number - 1)) * (0.5 + os.urandom(1)[0] / 255)
            yield number == self.most or time.monotonic() + pause > began + self.patience
            if time.monotonic() - began > TROUBLE and _in_main():
                again = f"try {number + 1} of {self.most}"
                _state.tell(f"waiting for the store `{self.of}`: {self.why}; {again}")
            self._pause(pause, began)

    def _pause(self, seconds: float, began: float) -> None:
        if _state.left is None or not _in_main():
            time.sleep(seconds)
            return
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(LOOK, left))
            _look(self.of, began)
