"""Waiting for a bucket that is slow, busy or gone: what the user hears, and how soon the user is heard."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from pipeglot.core.errors import StoreError
from pipeglot.core.store import bucket, waiting
from pipeglot.core.store.bucket import BucketStore
from pipeglot.core.store.waiting import Tries, attended, hasty, request, together
from tests.servers.proxy import Proxy
from tests.servers.seaweed import Seaweed

OF = "s3://b/x"
S3 = Callable[..., BucketStore]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What a user is told, soon."""
    monkeypatch.setattr(waiting, "LOOK", 0.01)
    monkeypatch.setattr(waiting, "SILENCE", 0.05)
    monkeypatch.setattr(waiting, "TROUBLE", -1.0)
    waiting._state.over()
    lines: list[str] = []
    with attended(lines.append, lambda: float("inf")):
        yield lines
    waiting._state.over()


@pytest.fixture
def silent() -> Iterator[Callable[[], str]]:
    """A request that is answered when the test is over."""
    over = threading.Event()

    def ask() -> str:
        over.wait(30)
        return "late"

    yield ask
    over.set()


def nobody(_: str) -> None:
    """Listens to nothing."""


def test_of_several_who_listen_any_may_be_the_first_to_go(told: list[str]) -> None:
    """As threads do, each of which follows something."""
    first, second = attended(nobody, lambda: 1.0), attended(nobody, lambda: 2.0)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert waiting._state.left is not None
    assert waiting._state.left() == 2.0
    second.__exit__(None, None, None)
    waiting._state.tell("again")
    assert told == ["again"]


def test_threads_leave_nobody_behind(told: list[str]) -> None:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def come_and_go() -> None:
        for _ in range(2000):
            with attended(nobody, lambda: 1.0):
                pass

    try:
        threads = [threading.Thread(target=come_and_go) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert len(waiting._state.attended) == 1, "who listens in this test"


def after(event: Callable[[], bool]) -> Callable[[], str]:
    def ask() -> str:
        while not event():
            time.sleep(0.001)
        return "found"

    return ask


# --- one request ------------------------------------------------------------------------------------------------------


def test_answers_and_errors_come_back(told: list[str]) -> None:
    assert request(lambda: threading.get_ident(), OF) != threading.get_ident()
    with pytest.raises(KeyError, match="what"):
        request(lambda: dict[str, int]()["what"], OF)
    assert told == []


def test_a_panic_of_the_client_is_an_error_like_others() -> None:
    class PanicException(BaseException):  # as the client has it
        pass

    def panic() -> None:
        raise PanicException("called `Option::unwrap()`")

    with pytest.raises(RuntimeError, match="unwrap"):
        request(panic, OF)


def test_requests_share_one_thread_that_is_no_users() -> None:
    before = threading.active_count()
    assert request(threading.get_ident, OF) == request(threading.get_ident, OF)
    assert threading.active_count() <= before


def test_other_threads_ask_by_themselves() -> None:
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(request(threading.get_ident, OF) == threading.get_ident()))
    thread.start()
    thread.join()
    assert found == [True]


def test_silence_is_told_once_and_its_end(told: list[str]) -> None:
    assert request(after(lambda: bool(told)), OF) == "found"
    assert told == ["waiting for the store `s3://b/x`: no answer for 0 s", ""]


def test_large_things_take_their_time(told: list[str]) -> None:
    assert request(after(lambda: bool(told)), OF, "writing 9.0 MB") == "found"
    assert together(lambda _: after(lambda: len(told) > 2)(), "ab", 2, OF, "reading 2 records") == ["found", "found"]
    assert told == [
        *("waiting for the store `s3://b/x`: writing 9.0 MB", ""),
        *("waiting for the store `s3://b/x`: reading 2 records", ""),
    ]


def test_without_a_listener_it_is_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    state = waiting._State()
    assert state.tell("odd \x1b[31m words")
    state.over()
    assert capsys.readouterr().err == "note: odd ?[31m words\n"


def test_ctrl_c_is_heard_at_once(silent: Callable[[], str]) -> None:
    threading.Timer(0.1, lambda: signal.raise_signal(signal.SIGINT)).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        request(silent, OF)
    assert time.monotonic() - began < 10
    assert request(lambda: 1, OF) == 1, "the next one does not wait for the thread that is left behind"


def test_who_wants_to_stop_is_heard_at_once(silent: Callable[[], str]) -> None:
    """As in a run, where a signal is an event, and raises nothing."""
    with attended(nobody, lambda: 0.05), pytest.raises(KeyboardInterrupt, match="`s3://b/x` does not answer"):
        request(silent, OF)
    with attended(nobody, lambda: 0.05), pytest.raises(KeyboardInterrupt):
        for _ in Tries(OF, 9, patience=60, wait=30, longest=30):
            pass


def test_in_haste_nothing_is_waited_for(silent: Callable[[], str]) -> None:
    with hasty(0.05), pytest.raises(StoreError, match="the store `s3://b/x` does not answer"):
        request(silent, OF)
    with hasty(0.0):
        assert next(iter(Tries(OF, 9, patience=60, wait=0.0, longest=1))), "the first try is the last"
    assert list(Tries(OF, 3, patience=60, wait=0.0, longest=1)) == [False, False, True]


def test_failed_tries_are_told(told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    tries = Tries(OF, 3, patience=60, wait=0.0, longest=1)
    for _ in tries:
        tries.why = "the server answered 503"
    assert told == ["waiting for the store `s3://b/x`: the server answered 503; try 2 of 3"]
    assert request(lambda: 1, OF) == 1
    assert told[1:] == [""], "that it is over is told when it is"


def test_what_lasts_is_told_less_and_less(told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    lines = []
    for second in range(3600):
        now[0] = 1000.0 + second
        if waiting._state.tell("trouble"):
            lines.append(second)
    assert lines[:7] == [0, 20, 60, 140, 300, 600, 900]


# --- several ----------------------------------------------------------------------------------------------------------


def test_many_come_in_order_and_side_by_side() -> None:
    both, before = threading.Barrier(4), threading.active_count()

    def ask(number: int) -> int:
        if number < 4:
            both.wait(30)
        return number * number

    assert together(ask, range(50), 4, OF, "") == [number * number for number in range(50)]
    assert together(ask, [], 4, OF, "") == []
    assert threading.active_count() <= before, "these threads are no user's"


def test_the_first_that_fails_ends_the_rest() -> None:
    asked: list[int] = []

    def ask(number: int) -> None:
        asked.append(number)
        raise StoreError(f"not {number}")

    with pytest.raises(StoreError, match="not 0"):
        together(ask, range(10_000), 1, OF, "")
    assert len(asked) < 10_000


def test_ctrl_c_does_not_wait_for_the_rest(silent: Callable[[], str]) -> None:
    threading.Timer(0.1, lambda: signal.raise_signal(signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        together(lambda _: silent(), range(10), 4, OF, "")


# --- the bucket -------------------------------------------------------------------------------------------------------


def test_a_download_that_is_given_up_writes_into_nobody_elses_file(
    s3: S3, seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    """Its threads go on for a while: the file's number must not be given to another file meanwhile."""
    monkeypatch.setattr(bucket, "PIECE", 10)
    store = s3()
    store.put("blobs/x", bytes(35))
    late = threading.Event()
    ranged = store._range

    def slow(key: str, start: int, end: int) -> memoryview | None:
        if start == 0:
            raise KeyboardInterrupt
        late.wait(30)
        return ranged(key, start, end)

    monkeypatch.setattr(store, "_range", slow)
    with pytest.raises(KeyboardInterrupt):
        store.local("blobs/x")
    fd = os.memfd_create("another")  # takes the lowest number that is free
    late.set()
    time.sleep(0.3)
    try:
        assert os.fstat(fd).st_size == 0
    finally:
        os.close(fd)


FORKED = """\
import os, sys
from pipeglot.core.store import open_store
store = open_store(sys.argv[1])
print(store.get("nothing"), flush=True)
pid = os.fork()
if pid == 0:
    try:
        store.get("nothing")
    except Exception as error:
        print(error, flush=True)
    os._exit(0)
os.waitpid(pid, 0)
print(store.get("nothing"))
"""


def test_a_fork_of_a_process_that_has_used_it(seaweed: Seaweed) -> None:
    """The client would hang there for good."""
    environment = {**os.environ, **seaweed.environment()}
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKED, "s3://tests/x"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == (
        "None\n"
        "the store `s3://tests/x` cannot be used in this process: it was forked from one that has used a bucket\n\n"
        'hint: start processes anew (`multiprocessing.get_context("spawn")`), or read values before the fork\n'
        "None\n"
    )


def test_no_worker_is_forked_from_a_process_that_has_used_it(seaweed: Seaweed) -> None:
    """They come from a new Python then."""
    code = (
        "import sys\nfrom pipeglot.core.store import open_store\nfrom pipeglot.core.workers.pool import _may_fork\n"
        "before = _may_fork()\nopen_store(sys.argv[1])\nprint(before, _may_fork())"
    )
    environment = {**os.environ, **seaweed.environment()}
    command = [sys.executable, "-c", code, "s3://tests/x"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == f"{sys.platform == 'linux'} False\n"


def test_a_busy_server_is_told(
    s3: S3, seaweed: Seaweed, told: list[str], fast: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "SILENCE", 60.0)
    with Proxy(seaweed.endpoint) as proxy:
        store = s3(endpoint=proxy.endpoint)
        proxy.fault = lambda one: "503" if one.number < 4 else ""
        assert store.get("a") is None
    first, end = told
    assert first.startswith(f"waiting for the store `{store.uri}`: the server answered 503")
    assert first.endswith("; try 2 of 10")
    assert end == ""
