"""A store in a bucket of S3, GCS or Azure: the verbs of a folder, over HTTP.

An object appears whole or not at all, and `put` creates only: the server refuses the second of two writers. What the
server did when its answer was lost is not guessed: the object is read back and compared. The client repeats nothing by
itself but the parts of large values, so that an unclear answer is seen here.
"""

from __future__ import annotations

import hashlib
import os
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pipeglot.core.errors import StoreError
from pipeglot.core.store.answers import Answer, Forbidden, bucket_error, read_answer
from pipeglot.core.store.clouds import Place, connect, endpoint_of
from pipeglot.core.store.copies import Copies, default_folder
from pipeglot.core.store.failures import store_error
from pipeglot.core.store.files import create, remove, write_at
from pipeglot.core.store.following import Following
from pipeglot.core.store.naming import FORMAT, LONGEST, MARK, Entry, check_key, check_mark, new_mark
from pipeglot.core.store.waiting import Tries, request, together

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

T = TypeVar("T")

SINGLE = 16 << 20
"""Up to so many bytes a value goes in one create-only request; a larger one in parts: see `_upload`."""

PART, PIECE = 5 << 20, 10 << 20
"""Bytes of a part that is sent (S3 takes none below), and of a piece that is read: of whole parts, as they may lie."""

SENT, READ = 12, 5
"""How many of them are under way at the same time: together they bound the memory that a transfer takes."""

AT_ONCE = 16
"""How many small requests are under way at the same time."""

SMALL = 1 << 20
QUICK = "20s"
LONG = "120s"
SHARED = "180s"
"""The time that a request has: a small one, one that carries a large value, and one of several that send a part of one
over the same line: 60 MB together, which takes a line of 3 Mbit/s."""

MOST_PARTS = 9_000  # S3 takes 10,000
TRIES = 10
PATIENCE = 120.0
"""Seconds after which a request that failed is not made again, however few its tries were: they may have been slow."""

FIRST_TRIES, FIRST_PATIENCE = 4, 15.0  # until the server has answered once: a wrong address should be told soon
_WAIT = 0.1
_LONGEST = 10.0


class BucketStore:
    """Implements `Store`. Opening one reads one small object; a missing one is made by the first `put`."""

    def __init__(self, place: Place, *, trusted: bool | None = None, copies: Path | None = None) -> None:
        self.place = place
        self.trusted = bool(trusted)
        """As the stack says: who else can write to a bucket is not to be seen from here."""
        self._client = connect(place, tries=1, timeout=QUICK)
        self._patient: Any = None
        self._parts: Any = None
        self._prefix = f"{place.prefix}/" if place.prefix else ""
        name = hashlib.sha256(f"{place.uri}\n{endpoint_of(place)}".encode()).hexdigest()[:24]
        self.copies = Copies(f"{copies or default_folder()}/{name}")
        self._opened = self._ready = False  # to read, to write
        self._exists = self._open()
        self._opened = True

    def __repr__(self) -> str:
        return f"BucketStore({self.uri!r})"

    @property
    def uri(self) -> str:
        return self.place.uri

    @property
    def at_once(self) -> int:
        return AT_ONCE

    # --- the verbs ---------------------------------------------------------------------------------------------------

    def put(self, key: str, data: bytes | Path) -> bool:
        """Create `key` from bytes or from a file, whole or not at all. False if it was there: nothing is changed."""
        check_key(key)
        if not self._ready:
            self._prepare()
        if isinstance(data, bytes):
            return self._create(key, data)
        path = os.fspath(data)
        try:
            size = os.stat(path).st_size
            if size > SINGLE:
                created = self._upload(key, data, size)
            else:
                with open(path, "rb", buffering=0) as file:
                    created = self._create(key, file.read())
        except OSError as error:
            raise store_error(error, "read", path) from error
        if created and self.copies.owns(path):
            self.copies.share(key, path)
        return created

    def get(self, key: str) -> bytes | None:
        """The bytes of `key`, or None if there is none. Of more than `LONGEST`, one more than that."""
        check_key(key)
        return self._found(key, _whole)

    def get_all(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Several at the same time, in the order of `keys`."""
        waiting = list(keys)
        if len(waiting) < 2:
            yield from ((key, self.get(key)) for key in waiting)
            return
        for at in range(0, len(waiting), _BATCH):
            batch = waiting[at : at + _BATCH]
            yield from zip(
                batch, together(self.get, batch, AT_ONCE, self.uri, f"reading {len(waiting)} records"), strict=True
            )

    def size(self, key: str) -> int | None:
        """How many bytes `key` holds, or None if there is none."""
        check_key(key)
        return self._found(key, lambda verbs, client, path: int(verbs.head(client, path)["size"]))

    def list(self, prefix: str) -> Iterator[str]:
        """All keys below `prefix` (which ends with `/`; "" is all), by code point.

        Servers that keep folders underneath list those first, so the keys are gathered and sorted.
        """
        return (entry.key for entry in self.entries(prefix))

    def entries(self, prefix: str) -> Iterator[Entry]:
        """The same, each with its size, and with the time of its writing by the server's clock."""
        if prefix and not prefix.endswith("/"):
            raise StoreError(f"the prefix `{prefix}` does not end with `/`")
        if prefix:
            check_key(prefix[:-1])
        return iter(sorted(self._listed(prefix)))

    def delete(self, key: str) -> None:
        """Remove `key`; fine if it is not there."""
        check_key(key)
        self.copies.forget(key)
        self._found(key, lambda verbs, client, path: verbs.delete(client, path), doing="delete")

    def delete_all(self, keys: Iterable[str]) -> None:
        """Remove several, some at the same time."""
        waiting = list(keys)
        for at in range(0, len(waiting), _BATCH):
            batch = waiting[at : at + _BATCH]
            together(self.delete, batch, AT_ONCE, self.uri, f"deleting {len(waiting)} objects")

    def local(self, key: str) -> Path | None:
        """A copy on this machine, made if there is none yet; None if there is no such key."""
        from pathlib import Path

        check_key(key)
        found = self.copies.find(key) or self._download(key)
        return Path(found) if found else None

    def forget_copy(self, key: str) -> bool:
        """Drop the copy that `local` gave, for its bytes are not right, or to look at the bucket's own."""
        return self.copies.forget(key)

    def temp(self) -> Path:
        """A private name, nothing there yet, for a file that `put` then also keeps as a copy. The caller removes it."""
        from pathlib import Path

        return Path(self.copies.temp())

    # --- requests ----------------------------------------------------------------------------------------------------

    def _found(self, key: str, ask: Callable[[Any, Any, str], T], doing: str = "read", large: bool = False) -> T | None:
        """The answer, or None if there is no such key. Busy servers and broken connections are tried again.

        `ask` gets the client's verbs, the client, and the path. What takes too long has more time at the next try.
        """
        import obstore

        path, client, tries = self._prefix + key, self._client_for(large), self._tried()
        for last in tries:
            try:
                return request(partial(ask, obstore, client, path), self.uri, f"{doing}ing `{key}`" if large else "")
            except _NOT_THE_CLIENTS:
                raise
            except Exception as error:  # the client raises kinds of its own, and built-in ones  # noqa: BLE001
                answer = read_answer(error)
                if _is_missing(error, answer):
                    return None
                if last or not self._again(answer):
                    raise self._cannot(answer, doing, key) from None
                tries.why = answer.why
                client = self._client_for(large or (answer.kind == "Timeout" and self._opened))
        raise AssertionError

    def _client_for(self, large: bool) -> Any:
        """A small request is answered soon or not at all, and then is better made again."""
        if not large:
            return self._client
        if self._patient is None:
            self._patient = connect(self.place, tries=1, timeout=LONG)
        return self._patient

    def _tried(self) -> Tries:
        most = TRIES if self._opened else FIRST_TRIES
        patience = PATIENCE if self._opened else FIRST_PATIENCE
        return Tries(self.uri, most, patience=patience, wait=_WAIT, longest=_LONGEST)

    def _again(self, answer: Answer) -> bool:
        """Whether another try may go better. Where there are no credentials, nobody waits for them."""
        return answer.conflict or (answer.later if self._opened else answer.again)

    def _cannot(self, answer: Answer, doing: str, key: str) -> StoreError:
        what = self.uri if key == MARK else f"{self.uri}/{key}"
        return bucket_error(answer, doing, what, self.place.bucket_uri, self.place.cloud)

    # --- writing -----------------------------------------------------------------------------------------------------

    def _create(self, key: str, data: bytes) -> bool:
        import obstore

        path, unclear = self._prefix + key, False
        large, tries = len(data) > SMALL, self._tried()
        put = partial(obstore.put, self._client_for(large), path, data, mode="create", use_multipart=False)
        for last in tries:
            try:
                request(put, self.uri, _of(len(data), "writing") if large else "")
            except _NOT_THE_CLIENTS:
                raise
            except Exception as error:  # see `_found`  # noqa: BLE001
                answer = read_answer(error)
                if isinstance(error, obstore.exceptions.AlreadyExistsError) and not answer.conflict:
                    return unclear and self.get(key) == data  # an earlier try of ours may have been the writer
                unclear = unclear or answer.unclear
                if last or not self._again(answer):
                    if unclear and self._is(key, data):
                        return True
                    raise self._cannot(answer, "write", key) from None
                tries.why = answer.why
            else:
                return True
        raise AssertionError

    def _is(self, key: str, data: bytes) -> bool:
        """Whether the key holds these bytes, as far as one look tells: the server is in a bad way already."""
        import obstore

        try:
            found = request(lambda: obstore.get(self._client, self._prefix + key).bytes(), self.uri)
            return bytes(found) == data
        except Exception:  # see `_found`  # noqa: BLE001
            return False

    def _upload(self, key: str, file: Path, size: int) -> bool:
        """In parts, several at a time. They become one object at once, but the client cannot make that create-only.

        Only values are so large, and their key is the hash of their bytes: two writers at the same moment write the
        same. (See adr/0009.)
        """
        if self.size(key) is not None:
            return False
        import obstore

        if self._parts is None:
            self._parts = connect(self.place, tries=TRIES, timeout=SHARED)
        part = max(PART, -(-size // MOST_PARTS))
        try:
            request(
                lambda: obstore.put(
                    self._parts,
                    self._prefix + key,
                    file,
                    mode="overwrite",
                    use_multipart=True,
                    chunk_size=part,
                    max_concurrency=SENT,
                ),
                self.uri,
                _of(size, "writing"),
            )
        except _NOT_THE_CLIENTS:
            raise
        except Exception as error:  # see `_found`  # noqa: BLE001
            answer = read_answer(error)
            over = answer.unclear or _is_missing(error, answer)  # an upload that is over is not there to be ended again
            if not over or not self._holds(key, file, size):  # else only the last answer was lost
                raise self._cannot(answer, "write", key) from None
        return True

    def _holds(self, key: str, file: Path, size: int) -> bool:
        """Does the bucket hold just these bytes?"""
        if self.size(key) != size:
            return False
        with file.open("rb") as ours:
            pieces = ((self._range(key, at, min(at + PIECE, size)), ours.read(PIECE)) for at in range(0, size, PIECE))
            return all(there is not None and there == here for there, here in pieces)

    # --- reading large values ----------------------------------------------------------------------------------------

    def _download(self, key: str) -> str | None:
        for _ in range(_REPLACED):
            size = self.size(key)
            if size is None:
                return None
            found = self._copied(key, size)
            if found is not None:
                return found
        raise StoreError(f"`{self.uri}/{key}` is another one each time that it is read", hint="who else writes there?")

    def _copied(self, key: str, size: int) -> str | None:
        """The copy of an object that has so many bytes; None if it was replaced or deleted meanwhile."""
        temp = self.copies.temp()
        try:
            self.copies.make_room(size)
            file = _Open(create(temp, 0o400))
            following = Following(os.open(temp, os.O_RDONLY | os.O_CLOEXEC), PIECE, size)
            if not self._fill(file, following, key, size):
                return None
            following.note()
            return self.copies.take(key, temp)
        except OSError as error:
            raise store_error(error, "write", temp) from error
        finally:
            remove(temp)

    def _fill(self, file: _Open, following: Following, key: str, size: int) -> bool:
        """Copy an object into a file, several parts at a time. False if it has not so many bytes any more."""

        def copy(at: int) -> bool:
            data = self._range(key, at, min(at + PIECE, size))
            if data is None or len(data) != min(PIECE, size - at):
                return False
            write_at(file.fd, data, at)
            following.wrote(at, data)
            return True

        if size <= PIECE:
            return size == 0 or copy(0)
        return all(together(copy, range(0, size, PIECE), READ, self.uri, _of(size, "reading")))

    def _range(self, key: str, start: int, end: int) -> memoryview | None:
        def ask(verbs: Any, client: Any, path: str) -> memoryview:
            return memoryview(verbs.get_range(client, path, start=start, end=end))  # the client's own, without a copy

        return self._found(key, ask, large=True)

    # --- listing -----------------------------------------------------------------------------------------------------

    def _listed(self, prefix: str, pages: int | None = None) -> Iterator[Entry]:
        """In the server's order; only of the first `pages`, if not of all."""
        import itertools

        import obstore

        below, tries = self._prefix + prefix, self._tried()

        def found_there() -> builtins.list[Entry]:
            stream = obstore.list(self._client, below.rstrip("/") or None, chunk_size=_PAGE)
            return [
                Entry(meta["path"], meta["size"], meta["last_modified"].timestamp())
                for page in itertools.islice(stream, pages)
                for meta in page
            ]

        for last in tries:
            try:
                found = request(found_there, self.uri)
            except _NOT_THE_CLIENTS:
                raise
            except Exception as error:  # see `_found`  # noqa: BLE001
                answer = read_answer(error)
                if last or not self._again(answer):
                    raise self._cannot(answer, "list", prefix) from None
                tries.why = answer.why
            else:
                cut = len(self._prefix)
                return (
                    one._replace(key=one.key[cut:]) for one in found if one.key.startswith(below) and one.key != below
                )
        raise AssertionError

    # --- the bucket itself -------------------------------------------------------------------------------------------

    def _open(self) -> bool:
        """Is there a store? Refuses one of a later format."""
        data = self._found(MARK, lambda verbs, client, path: bytes(verbs.get(client, path).bytes()), "open the store")
        if data is not None:
            check_mark(data, self.uri)
        return data is not None

    def _prepare(self) -> None:
        """Before the first write of a process."""
        if not self._exists and not self._open():
            self._check_empty()
            if self._create(MARK, new_mark()):
                self._check_create_only()
            self._open()
        self._exists = self._ready = True

    def _check_create_only(self) -> None:
        """All rests on it, and a server that does not know the condition does not say so, but overwrites."""
        if self._create(MARK, _OVERWRITTEN):
            self.delete(MARK)
            raise StoreError(
                f"the server of `{self.uri}` overwrites objects that are to be created only (`If-None-Match: *`)",
                hint="two runs could destroy each other's records there: take another server, or a newer version of it",
            )

    def _check_empty(self) -> None:
        """Refuse a prefix that holds what a store does not. Who may not list cannot know, and is not held up."""
        try:
            others = any(self._listed("", pages=1))
        except Forbidden:
            return
        if others and not self._open():
            raise StoreError(
                f"`{self.uri}` is not empty and is no store (it has no `{MARK}`)",
                hint=f"give the store a prefix of its own, such as `{self.uri}/store`",
            )


class _Open:
    """A file, closed when nobody writes to it any more: who gives a download up does not wait for its threads."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __del__(self) -> None:
        os.close(self.fd)


def _whole(verbs: Any, client: Any, path: str) -> bytes:
    found = verbs.get(client, path)
    if found.meta["size"] > LONGEST:
        return bytes(verbs.get_range(client, path, start=0, end=LONGEST + 1))
    return bytes(found.bytes())


_OVERWRITTEN = b'{"format": %d, "overwritten": true}\n' % FORMAT
_NOT_THE_CLIENTS = (StoreError, MemoryError)
_BATCH = 512
_REPLACED = 3
_PAGE = 1000


def _of(size: int, doing: str) -> str:
    return f"{doing} {size / 1e6:.1f} MB"


def _is_missing(error: Exception, answer: Answer) -> bool:
    """The key is not there, or nothing at that place in it; a bucket that is not there is another matter."""
    return (isinstance(error, FileNotFoundError) or answer.status in (404, 416)) and not answer.no_bucket
