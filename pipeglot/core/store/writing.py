"""Write a file that others read into a bucket: no record of ours, so a newer one takes the place of the one before."""

from __future__ import annotations

from functools import partial

from pipeglot.core.errors import StoreError
from pipeglot.core.store.answers import bucket_error, read_answer
from pipeglot.core.store.clouds import connect, parse_place
from pipeglot.core.store.waiting import request

_TRIES = 4
_TIME = "20s"


def write_object(uri: str, name: str, data: bytes) -> str:
    """Put an object below a place in a bucket; it appears whole or not at all. Returns its URI. Raises `StoreError`."""
    place = parse_place(uri)
    client = connect(place, tries=_TRIES, timeout=_TIME)
    import obstore

    key = f"{place.prefix}/{name}" if place.prefix else name
    try:
        request(partial(obstore.put, client, key, data, mode="overwrite", use_multipart=False), place.uri)
    except (StoreError, MemoryError):
        raise
    except Exception as error:  # the client raises kinds of its own, and built-in ones  # noqa: BLE001
        answer = read_answer(error)
        raise bucket_error(answer, "write", f"{place.uri}/{name}", place.bucket_uri, place.cloud) from None
    return f"{place.uri}/{name}"
