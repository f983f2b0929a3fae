"""What the server knows, in memory and on disk: a file of JSON for each experiment, pipeline, run and the like."""

from __future__ import annotations

import datetime as dt
import json
import threading
import uuid
from collections.abc import Callable, Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from pipeglot.compilers.kfp.local.fields import Refused
from pipeglot.core.store.files import make_private, write_private

Record = dict[str, Any]

MOST = 200
"""Records of one page."""


def now() -> str:
    """In whole seconds, as KFP keeps all times."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def new_id() -> str:
    return str(uuid.uuid4())


class Kept:
    """Records of one kind. Those who change one call `keep`; all hold `lock`."""

    def __init__(self, folder: Path, key: str, title: str, lock: threading.RLock) -> None:
        self.folder = make_private(folder)
        self.key = key
        self.title = title
        self.lock = lock
        self.records: dict[str, Record] = {}
        for path in folder.glob("*.json"):
            one = json.loads(path.read_bytes())
            self.records[one[key]] = one

    def get(self, id: str) -> Record:  # noqa: A002  # as the API calls it
        if id not in self.records:
            raise Refused(f"{self.title} {id} not found", HTTPStatus.NOT_FOUND)
        return self.records[id]

    def keep(self, record: Record) -> Record:
        """New, or changed."""
        with self.lock:
            self.records[record[self.key]] = record
            write_private(self.folder / f"{record[self.key]}.json", json.dumps(record).encode())
        return record

    def drop(self, id: str) -> None:  # noqa: A002
        with self.lock:
            self.get(id)
            del self.records[id]
            (self.folder / f"{id}.json").unlink(missing_ok=True)

    def page(self, name: str, query: dict[str, str], *, only: Callable[[Record], bool] = lambda _: True) -> Record:
        """A page of a list, as the query asks: by filter, in order. What is empty or 0 is not said, as KFP has it."""
        wanted = _filter(query.get("filter", ""))
        with self.lock:
            found = [one for one in self.records.values() if only(one) and wanted(one)]
        _sort(found, query.get("sort_by", ""), self.key)
        at, size = _number(query, "page_token", 0), min(_number(query, "page_size", 20) or 20, MOST)
        answer: Record = {name: found[at : at + size], "total_size": len(found)} if found else {}
        if at + size < len(found):
            answer["next_page_token"] = str(at + size)
        return answer


def _number(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    if text and not text.isdecimal():
        raise Refused(f"{name} is no number: {text}")
    return int(text or default)


def _filter(text: str) -> Callable[[Record], bool]:
    """Of those that the API knows, equality of texts."""
    if not text:
        return lambda _: True
    try:
        predicates = json.loads(text)["predicates"]
        wanted = [(one["key"], one["stringValue"]) for one in predicates if one["operation"] in (1, "EQUALS")]
    except (ValueError, KeyError, TypeError):
        raise Refused(f"filter is none: {text[:200]}") from None
    if len(wanted) != len(predicates):
        raise Refused("this server knows filters for equality of texts alone", HTTPStatus.NOT_IMPLEMENTED)
    return lambda record: all(record.get("display_name" if key == "name" else key) == value for key, value in wanted)


def _sort(found: list[Record], text: str, own: str) -> None:
    """What is alike stands in the order of its id, in the same direction."""
    key, _, order = (text or "created_at asc").partition(" ")
    if key not in ("created_at", "display_name", "name", "scheduled_at") or order not in ("", "asc", "desc"):
        raise Refused(f"invalid sort_by: {text}")
    found.sort(key=lambda one: (one.get(key) or "", one[own]), reverse=order == "desc")


def without(record: Record, names: Iterable[str]) -> Record:
    """A record but for what is the server's own."""
    return {name: value for name, value in record.items() if name not in names}
