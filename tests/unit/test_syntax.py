"""Source is parsed, whatever other threads do meanwhile."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeglot.core import syntax


@pytest.fixture
def _restless() -> Iterator[None]:
    """Threads take turns in the middle of a tree: the collector runs a line of Python there."""
    before, interval = gc.get_threshold(), sys.getswitchinterval()
    gc.callbacks.append(_busy)
    gc.set_threshold(50)
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)
    gc.set_threshold(*before)
    gc.callbacks.remove(_busy)


def _busy(*_: object) -> None:
    sum(range(20))


@pytest.mark.usefixtures("_restless")
def test_by_several_threads_at_once() -> None:
    source = Path(syntax.__file__).read_text() * 20
    found: list[int] = []

    def work() -> None:
        found.extend(len(syntax.parse(source).body) for _ in range(10))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 40
    assert len(set(found)) == 1


@pytest.mark.usefixtures("_restless")
def test_literals_in_several_threads_at_once() -> None:
    text = repr([{"descr": [("a", "<i8")] * 200, "shape": (1, 2)}] * 20)
    found: list[bool] = []
    threads = [
        threading.Thread(target=lambda: found.extend(len(syntax.literal(text)) == 20 for _ in range(10)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 40


def test_without_a_word_of_warning() -> None:
    """Warnings are errors here."""
    assert syntax.parse(r'"\d"').body


def test_what_is_no_python() -> None:
    with pytest.raises(SyntaxError):
        syntax.parse("def f(:")
