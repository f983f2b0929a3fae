"""A small server that does what Google documents of Cloud Storage's XML API, as far as a store asks for it.

It is no proof of what Google's own does: there is none to be had here. It holds the client and our code to the
documents: create-only by `x-goog-if-generation-match: 0`, 412 for who is late, listings in pages, uploads in parts.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Mapping
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "tests"
PAGE = 7
"""Keys of a page: few, so that every listing has several."""


class Answer(NamedTuple):
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = MappingProxyType({})


class Asked(NamedTuple):
    method: str
    key: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


class Gcs:
    """The server, with one bucket, in threads of this process while the `with` block lasts."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, int]] = {}
        self.written: dict[str, dt.datetime] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.seen: list[Asked] = []
        self._lock = threading.Lock()
        self._generation = 1000
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        address = urlsplit(target)
        bucket, _, key = unquote(address.path).removeprefix("/").partition("/")
        query = {name: values[0] for name, values in parse_qs(address.query, keep_blank_values=True).items()}
        if bucket != BUCKET:
            return _error(404, "NoSuchBucket", "The specified bucket does not exist.")
        asked = Asked(method, key, query, headers, body)
        with self._lock:
            self.seen.append(asked)
            return _VERBS[method, "uploads" in query or "uploadId" in query](self, asked)

    # --- objects ------------------------------------------------------------------------------------------------------

    def put(self, asked: Asked) -> Answer:
        """With generation 0 asked for, only where there is none."""
        if self._is_late(asked):
            return _late()
        return self._keep(asked.key, asked.body)

    def get(self, asked: Asked) -> Answer:
        if not asked.key:
            return self._list(asked.query)
        if asked.key not in self.objects:
            return _error(404, "NoSuchKey", "The specified key does not exist.")
        data, generation = self.objects[asked.key]
        headers = {**_tags(generation), "Last-Modified": format_datetime(self.written[asked.key], usegmt=True)}
        wanted = asked.headers.get("range")
        if wanted is None:
            return Answer(200, data, headers)
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        part = data[int(first) : int(last) + 1]
        headers["Content-Range"] = f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}"
        return Answer(206, part, headers)

    def delete(self, asked: Asked) -> Answer:
        if self.objects.pop(asked.key, None) is None:
            return _error(404, "NoSuchKey", "The specified key does not exist.")
        return Answer(204)

    def _list(self, query: dict[str, str]) -> Answer:
        """`list-type=2`; the token is the last key that was told."""
        prefix, token = query.get("prefix", ""), query.get("continuation-token", "")
        found = sorted(key for key in self.objects if key.startswith(prefix) and key > token)
        page, more = found[:PAGE], len(found) > PAGE
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><Generation>{self.objects[key][1]}</Generation>"
            f"<LastModified>{self.written[key]:%Y-%m-%dT%H:%M:%S.%f}Z</LastModified><ETag>&quot;{self.objects[key][1]}&quot;</ETag>"
            f"<Size>{len(self.objects[key][0])}</Size></Contents>"
            for key in page
        )
        rest = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        return _xml(
            "ListBucketResult",
            f"<Name>{BUCKET}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(page)}</KeyCount>"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{rest}{contents}",
        )

    # --- uploads in parts ---------------------------------------------------------------------------------------------

    def begin(self, asked: Asked) -> Answer:
        if "uploadId" in asked.query:
            return self._complete(asked)
        name = f"upload-{len(self.uploads)}"
        self.uploads[name] = {}
        inside = f"<Bucket>{BUCKET}</Bucket><Key>{escape(asked.key)}</Key><UploadId>{name}</UploadId>"
        return _xml("InitiateMultipartUploadResult", inside)

    def part(self, asked: Asked) -> Answer:
        parts = self.uploads.get(asked.query["uploadId"])
        if parts is None:
            return _error(404, "NoSuchUpload", "The requested upload was not found.")
        parts[int(asked.query["partNumber"])] = asked.body
        return Answer(200, headers={"ETag": f'"{asked.query["partNumber"]}"'})

    def abort(self, asked: Asked) -> Answer:
        found = self.uploads.pop(asked.query["uploadId"], None)
        return Answer(204) if found is not None else _error(404, "NoSuchUpload", "The requested upload was not found.")

    def _complete(self, asked: Asked) -> Answer:
        parts = self.uploads.pop(asked.query["uploadId"], None)
        if parts is None:
            return _error(404, "NoSuchUpload", "The requested upload was not found.")
        if self._is_late(asked):
            return _late()
        kept = self._keep(asked.key, b"".join(parts[number] for number in sorted(parts)))
        inside = f"<Bucket>{BUCKET}</Bucket><Key>{escape(asked.key)}</Key><ETag>{escape(kept.headers['ETag'])}</ETag>"
        return _xml("CompleteMultipartUploadResult", inside)

    # --- what they share ----------------------------------------------------------------------------------------------

    def _is_late(self, asked: Asked) -> bool:
        wanted = asked.headers.get("x-goog-if-generation-match")
        return wanted is not None and int(wanted) != self.objects.get(asked.key, (b"", 0))[1]

    def _keep(self, key: str, data: bytes) -> Answer:
        self._generation += 1
        self.objects[key] = (data, self._generation)
        self.written[key] = dt.datetime.now(dt.UTC)
        return Answer(200, headers=_tags(self._generation))


_VERBS: dict[tuple[str, bool], Callable[[Gcs, Asked], Answer]] = {
    ("PUT", False): Gcs.put,
    ("GET", False): Gcs.get,
    ("HEAD", False): Gcs.get,
    ("DELETE", False): Gcs.delete,
    ("POST", True): Gcs.begin,
    ("PUT", True): Gcs.part,
    ("DELETE", True): Gcs.abort,
}


def _tags(generation: int) -> dict[str, str]:
    return {"ETag": f'"{generation}"', "x-goog-generation": str(generation), "x-goog-metageneration": "1"}


def _xml(name: str, inside: str, status: int = 200) -> Answer:
    return Answer(status, f'<?xml version="1.0" encoding="UTF-8"?><{name}>{inside}</{name}>'.encode())


def _error(status: int, code: str, message: str) -> Answer:
    return _xml("Error", f"<Code>{code}</Code><Message>{message}</Message>", status)


def _late() -> Answer:
    return _error(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold.")


def _handler(server: Gcs) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            found = server.answer(self.command, self.path, headers, body)
            self.send_response_only(found.status)
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(found.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(found.body)

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = do  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    return Handler
