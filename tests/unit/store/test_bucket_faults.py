"""What networks and busy servers do to requests, against the real S3 server behind a proxy."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeglot.core.artifacts import Artifacts, blobs
from pipeglot.core.errors import StoreError
from pipeglot.core.store import bucket, following
from pipeglot.core.store.bucket import PART, SINGLE, BucketStore
from pipeglot.core.store.waiting import together
from tests.servers.proxy import Proxy, Request
from tests.servers.seaweed import Seaweed

pytestmark = pytest.mark.usefixtures("fast")
S3 = Callable[..., BucketStore]
KEY = "runs/r/start"
MANY = 1000
WAIT = bucket._WAIT


@pytest.fixture
def proxy(seaweed: Seaweed) -> Iterator[Proxy]:
    with Proxy(seaweed.endpoint) as found:
        yield found


@pytest.fixture
def store(s3: S3, proxy: Proxy) -> BucketStore:
    """With a first object in it, so that the tests see only their own requests."""
    found = s3(endpoint=proxy.endpoint)
    found.put("first", b"")
    proxy.requests.clear()
    return found


def first(count: int, what: str, method: str, part: str = KEY) -> Callable[[Request], str]:
    """The first so many requests of a method to a key go wrong."""
    seen = [0]

    def fault(request: Request) -> str:
        if request.method != method or part not in request.path:
            return ""
        seen[0] += 1
        return what if seen[0] <= count else ""

    return fault


# --- writing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["503", "429", "500", "502", "504", "408", "409", "refuse"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_put_that_was_not_done_is_done_again(store: BucketStore, proxy: Proxy, what: str, count: int) -> None:
    proxy.fault = first(count, what, "PUT")
    assert store.put(KEY, b"mine")
    assert store.get(KEY) == b"mine"
    assert proxy.count("PUT", KEY) == count + 1


@pytest.mark.parametrize("what", ["lose", "error"])
@pytest.mark.parametrize("data", [b"", b"mine"])
def test_a_lost_answer_to_our_own_put(store: BucketStore, proxy: Proxy, what: str, data: bytes) -> None:
    """The second try finds the key taken: by the first, and not by somebody else."""
    proxy.fault = first(1, what, "PUT")
    assert store.put(KEY, data)
    assert proxy.count("PUT", KEY) == 2
    assert proxy.count("GET", KEY) == 1


@pytest.mark.parametrize("what", ["lose", "error", "503", "refuse"])
def test_somebody_else_was_first_after_all(store: BucketStore, s3: S3, proxy: Proxy, what: str) -> None:
    s3().put(KEY, b"theirs")
    proxy.fault = first(1, what, "PUT")
    assert not store.put(KEY, b"mine")
    assert store.get(KEY) == b"theirs"


def test_equal_bytes_of_somebody_else_cost_no_read(store: BucketStore, s3: S3, proxy: Proxy) -> None:
    s3().put(KEY, b"same")
    assert not store.put(KEY, b"same")
    assert proxy.count("GET") == 0


def test_all_answers_are_lost(store: BucketStore, proxy: Proxy) -> None:
    """The answers that the key is taken, too: but it can be read. If it cannot, the put has failed."""
    proxy.fault = first(MANY, "lose", "PUT")
    assert store.put(KEY, b"mine")
    proxy.fault = first(MANY, "refuse", "PUT", "runs/other")
    with pytest.raises(StoreError, match=r"cannot write `s3://tests/[0-9a-f]+/runs/other`: the connection to"):
        store.put("runs/other", b"mine")
    assert store.get("runs/other") is None


def test_a_server_that_stays_busy(store: BucketStore, proxy: Proxy) -> None:
    proxy.fault = lambda _: "503"
    with pytest.raises(StoreError) as caught:
        store.put(KEY, b"")
    assert proxy.count("PUT", KEY) == bucket.TRIES
    told = str(caught.value).replace(" (SlowDown: Please reduce your request rate.)", "")  # old clients do not tell it
    assert told == (
        f"cannot write `{store.uri}/{KEY}`: the server answered 503\n\n"
        "hint: it was tried again for a while; finished steps are kept: run it again later"
    )


def test_the_pauses_grow(monkeypatch: pytest.MonkeyPatch, store: BucketStore, proxy: Proxy) -> None:
    monkeypatch.setattr(bucket, "_WAIT", WAIT)
    slept: list[float] = []
    here = threading.get_ident()

    def sleep(seconds: float) -> None:
        if threading.get_ident() == here:  # threads of servers sleep, too
            slept.append(seconds)

    monkeypatch.setattr("time.sleep", sleep)
    proxy.fault = lambda _: "503"
    with pytest.raises(StoreError):
        store.get(KEY)
    expected = [min(10.0, WAIT * 2**turn) for turn in range(bucket.TRIES - 1)]
    assert all(0.5 * wait <= found <= 1.5 * wait for wait, found in zip(expected, slept, strict=True))


def test_who_gives_credentials_may_be_busy(store: BucketStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there were some before, the machine's metadata service is asked again."""
    import obstore

    asked: list[str] = []
    get = obstore.get

    def busy(client: object, path: str) -> object:
        asked.append(path)
        if len(asked) < 3:
            text = "Error performing GET http://169.254.169.254/latest in 1s - status code: 503 Service Unavailable:"
            raise obstore.exceptions.GenericError(text)
        return get(client, path)  # type: ignore[arg-type]

    monkeypatch.setattr(obstore, "get", busy)
    assert store.get(KEY) is None
    assert len(asked) == 3


def test_what_is_not_the_clients_is_not_taken_for_it(store: BucketStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    for name in ("get", "put", "list"):
        monkeypatch.setattr(f"obstore.{name}", full)
    for call in (lambda: store.get(KEY), lambda: store.put(KEY, b""), lambda: list(store.list("a/"))):
        with pytest.raises(MemoryError):
            call()


# --- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["503", "429", "500", "refuse", "lose", "cut"])
def test_reads_are_tried_again(store: BucketStore, proxy: Proxy, what: str) -> None:
    store.put(KEY, b"0123456789")
    for method, read in (("GET", store.get), ("HEAD", store.size)):
        proxy.fault = first(2, what, method)
        assert read(KEY) in (b"0123456789", 10)
    if what == "cut":
        return  # half an answer to a deletion is told from none by nobody: it is not read
    proxy.fault = first(2, what, "POST", "/tests")
    store.delete(KEY)
    assert proxy.count("POST") == 3, "S3's client deletes by a list of one"
    assert store.get(KEY) is None


def test_two_who_delete_at_once(store: BucketStore, proxy: Proxy) -> None:
    proxy.fault = first(1, "409", "POST", "/tests")
    store.delete(KEY)
    assert proxy.count("POST") == 2


@pytest.mark.parametrize("code", ["SlowDown", "InternalError"])
def test_a_deletion_that_failed_with_a_status_of_success(store: BucketStore, proxy: Proxy, code: str) -> None:
    store.put(KEY, b"x")
    proxy.code, proxy.fault = code, first(2, "200", "POST", "/tests")
    store.delete(KEY)
    assert proxy.count("POST") == 3
    assert store.get(KEY) is None


def test_a_deletion_that_is_refused_with_a_status_of_success(store: BucketStore, proxy: Proxy) -> None:
    proxy.code, proxy.fault = "AccessDenied", first(1, "200", "POST", "/tests")
    with pytest.raises(StoreError) as caught:
        store.delete(KEY)
    assert str(caught.value).startswith(
        f"cannot delete `{store.uri}/{KEY}`: the server refused it (AccessDenied)\n\nhint: these credentials may not"
    )


@pytest.mark.parametrize("what", ["503", "refuse", "lose", "cut"])
def test_lists_are_tried_again(store: BucketStore, proxy: Proxy, what: str) -> None:
    keys = [f"k/{number}" for number in range(5)]
    for key in keys:
        store.put(key, b"")
    seen: list[Request] = []

    def fault(request: Request) -> str:
        if "list-type" not in request.query:
            return ""
        seen.append(request)
        return what if len(seen) <= 2 else ""

    proxy.fault = fault
    assert list(store.list("k/")) == keys
    assert len(seen) == 3


def test_a_truncated_body_is_never_taken(store: BucketStore, proxy: Proxy) -> None:
    store.put(KEY, b"0123456789")
    proxy.fault = first(MANY, "cut", "GET")
    with pytest.raises(StoreError, match="cannot read"):
        store.get(KEY)


def test_a_server_that_does_not_answer(
    s3: S3, proxy: Proxy, store: BucketStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "QUICK", "300ms")
    monkeypatch.setattr(bucket, "LONG", "600ms")
    monkeypatch.setattr(bucket, "TRIES", 2)
    slow = s3(endpoint=proxy.endpoint)
    proxy.patience = 30.0
    proxy.fault = first(MANY, "hang", "GET")
    with pytest.raises(StoreError, match=r"cannot read `.*`: `127\.0\.0\.1:\d+` does not answer"):
        slow.get(KEY)
    assert proxy.count("GET", KEY) == 2


def test_patience_has_an_end(store: BucketStore, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "PATIENCE", -1.0)
    proxy.fault = lambda _: "503"
    with pytest.raises(StoreError, match="answered 503"):
        store.get(KEY)
    assert len(proxy.requests) == 1


def test_a_slow_answer_has_more_time_at_the_next_try(
    s3: S3, proxy: Proxy, store: BucketStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(KEY, b"x")
    monkeypatch.setattr(bucket, "QUICK", "300ms")
    slow = s3(endpoint=proxy.endpoint)
    proxy.patience = 1.0
    proxy.fault = lambda one: "slow" if KEY in one.path else ""
    assert slow.get(KEY) == b"x"
    assert proxy.count("GET", KEY) == 2


# --- large values -----------------------------------------------------------------------------------------------------


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large"
    path.write_bytes(os.urandom(SINGLE + PART + 3))
    return path


@pytest.mark.parametrize("what", ["503", "refuse", "lose", "error"])
def test_parts_are_sent_again(store: BucketStore, proxy: Proxy, large: Path, what: str) -> None:
    seen: set[str] = set()

    def fault(request: Request) -> str:
        part = request.query if request.method == "PUT" else ""
        if "partNumber" not in part or part in seen:
            return ""
        seen.add(part)
        return what

    proxy.fault = fault
    assert store.put("blobs/x", large)
    assert len(seen) == 5
    proxy.fault = lambda _: ""
    found = store.local("blobs/x")
    assert found is not None
    assert found.read_bytes() == large.read_bytes()


@pytest.mark.parametrize("what", ["lose", "error"])
def test_the_last_answer_of_an_upload_is_lost(store: BucketStore, proxy: Proxy, large: Path, what: str) -> None:
    """The upload is over, and asking again is refused: the bytes are read back and compared."""

    def fault(request: Request) -> str:
        return what if request.method == "POST" and "uploadId" in request.query and request.number == 1 else ""

    proxy.fault = fault
    assert store.put("blobs/x", large)
    proxy.fault = lambda _: ""
    assert store.size("blobs/x") == large.stat().st_size


def test_an_upload_that_fails_leaves_nothing(store: BucketStore, proxy: Proxy, large: Path) -> None:
    proxy.fault = lambda request: "400" if "partNumber=2" in request.query else ""
    with pytest.raises(StoreError, match="cannot write"):
        store.put("blobs/x", large)
    proxy.fault = lambda _: ""
    assert list(store.list("blobs/")) == []
    assert store.size("blobs/x") is None

    def ended() -> int:
        return sum(one.method == "DELETE" and "uploadId" in one.query for one in proxy.requests)

    until = time.monotonic() + 10
    while not ended() and time.monotonic() < until:  # the client gives it up behind our back
        time.sleep(0.05)
    assert ended() == 1, "nor do its parts stay, which nobody sees and somebody pays for"


@pytest.mark.parametrize("what", ["405", "403"])
def test_an_upload_that_is_refused_is_not_looked_for(store: BucketStore, proxy: Proxy, large: Path, what: str) -> None:
    """What is told is why it cannot be written; and not, after a while, that it cannot be read."""
    proxy.fault = lambda request: what if request.method == "POST" else ""
    with pytest.raises(StoreError, match=f"cannot write `.*`: the server answered {what}"):
        store.put("blobs/x", large)
    assert proxy.count("HEAD") == 1


@pytest.mark.parametrize("what", ["503", "refuse", "cut"])
def test_parts_are_read_again(store: BucketStore, proxy: Proxy, large: Path, what: str) -> None:
    store.put("blobs/x", large)
    proxy.fault = first(6, what, "GET", "blobs/x")
    found = store.local("blobs/x")
    assert found is not None
    assert found.read_bytes() == large.read_bytes()


@pytest.mark.parametrize("order", ["as it comes", "the last piece first"])
def test_what_is_read_is_hashed_meanwhile(
    store: BucketStore, large: Path, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    """In its order, whatever piece is there first; and nobody has to read the file again for that."""
    store.put("blobs/x", large)
    if order == "the last piece first":
        monkeypatch.setattr(bucket, "together", lambda ask, items, *more: together(ask, items[::-1], 1, *more[1:]))
    store.copies.forget("blobs/x")
    found = store.local("blobs/x")
    assert found is not None
    fd = os.open(found, os.O_RDONLY)
    try:
        file = following.identity(fd)
    finally:
        os.close(fd)
    assert following.filled(file) == hashlib.sha256(large.read_bytes()).hexdigest()
    assert following.filled(file) == "", "it is told once: who asks keeps it"


def test_a_blob_that_comes_in_pieces_is_not_read_again(
    store: BucketStore, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But one that is changed after that is: it is no longer what was hashed."""
    artifacts = Artifacts(store)
    ref = artifacts.save(large.read_bytes(), name="x", opaque_id=str)
    key = blobs.blob_key(ref.week, ref.blob)
    real, hashed = blobs._hash, list[int]()

    def note(fd: int) -> str:
        hashed.append(fd)
        return real(fd)

    monkeypatch.setattr(blobs, "_hash", note)
    blobs._verified.clear()
    store.forget_copy(key)
    assert artifacts.load(ref) == large.read_bytes()
    assert hashed == []
    blobs._verified.clear()
    store.forget_copy(key)
    copy = store.local(key)
    assert copy is not None
    copy.chmod(0o600)
    with copy.open("r+b") as file:
        file.write(b"changed")
    assert artifacts.load(ref) == large.read_bytes(), "the copy is found to be damaged, and another one is made"
    assert len(hashed) == 1


def test_an_object_that_is_replaced_while_it_is_read(
    store: BucketStore, s3: S3, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Damaged bytes are replaced by who has good ones; a copy of half of each would be neither."""
    store.put("blobs/x", large)
    size = store.size
    other = s3()

    def replaced(key: str) -> int | None:
        found = size(key)
        monkeypatch.setattr(store, "size", size)
        other.delete(key)
        other.put(key, b"short")
        return found

    monkeypatch.setattr(store, "size", replaced)
    store.copies.forget("blobs/x")
    found = store.local("blobs/x")
    assert found is not None
    assert found.read_bytes() == b"short"


def test_a_download_that_fails_leaves_nothing(store: BucketStore, proxy: Proxy, large: Path) -> None:
    store.put("blobs/x", large)
    proxy.fault = lambda request: "400" if request.method == "GET" else ""
    with pytest.raises(StoreError, match="cannot read"):
        store.local("blobs/x")
    assert store.copies.find("blobs/x") is None
    assert not list(store.temp().parent.glob("put-*"))
    proxy.fault = lambda _: ""
    assert store.local("blobs/x") is not None
