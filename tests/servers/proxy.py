"""A proxy before a bucket's server: it counts the requests, and makes of some what networks make of them."""

from __future__ import annotations

import http.client
import re
import sys
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self
from urllib.parse import unquote, urlsplit


class Request(NamedTuple):
    """What was asked. `number` counts the requests with this method and path, from 1."""

    method: str
    path: str
    query: str
    number: int
    headers: dict[str, str]
    """By name in small letters."""


Fault = Callable[[Request], str]
"""What to do with a request:

`""` pass it on; `503`, `429`, `409` … answer that, and ask nobody; `refuse` close; `lose` pass it on, and close without
an answer; `error` pass it on, and answer 500; `cut` pass on the half of the answer; `hang` wait, then close; `slow`
wait, then pass it on.
"""

_BODIES = {
    "503": "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>",
    "409": "<Error><Code>ConditionalRequestConflict</Code><Message>Try again.</Message></Error>",
    "error": "<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>",
    "200": "<DeleteResult><Error><Key>{key}</Key><Code>{code}</Code><Message>Odd.</Message></Error></DeleteResult>",
    "400": "<Error><Code>AuthorizationHeaderMalformed</Code><Message>The authorization header is malformed; the region "
    "'us-east-1' is wrong; expecting 'eu-west-1'</Message></Error>",
}
_HOP = {"connection", "transfer-encoding", "keep-alive"}


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone, killed or out of patience, needs no answer."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Proxy:
    """Stands before a server while the `with` block lasts."""

    def __init__(self, upstream: str, fault: Fault = lambda _: "") -> None:
        self.fault = fault
        self.requests: list[Request] = []
        self.patience = 0.0
        self.code = ""
        """What an answer of 200 to a deletion says of its one key."""
        self._upstream = urlsplit(upstream)
        self._numbers: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()

    def count(self, method: str, part: str = "") -> int:
        """Requests of that method whose path has that part."""
        return sum(one.method == method and part in one.path for one in self.requests)

    def _note(self, method: str, target: str, headers: dict[str, str]) -> Request:
        path, _, query = target.partition("?")
        path = unquote(path)
        with self._lock:
            if not self.requests:
                self._numbers.clear()
            self._numbers[method, path] += 1
            self.requests.append(Request(method, path, query, self._numbers[method, path], headers))
            return self.requests[-1]

    def _forward(self, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """With the headers as they are, `Host` too: they are signed."""
        upstream = http.client.HTTPConnection(self._upstream.netloc, timeout=60)
        try:
            upstream.putrequest(handler.command, handler.path, skip_host=True, skip_accept_encoding=True)
            for name, value in handler.headers.items():
                if name.lower() not in _HOP:
                    upstream.putheader(name, value)
            upstream.endheaders(body or None)
            answer = upstream.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            upstream.close()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        asked = {name.lower(): value for name, value in handler.headers.items()}
        what = self.fault(self._note(handler.command, handler.path, asked))
        handler.close_connection = bool(what)
        if what == "refuse":
            return
        if what == "hang":
            self._released.wait(self.patience)
            return
        if what == "slow":
            self._released.wait(self.patience)
            what = ""
        if what and what not in ("lose", "error", "cut"):
            key = re.search(rb"<Key>(.*)</Key>", body)
            words = {"code": self.code, "key": key[1].decode() if key else ""}
            text = _BODIES.get(what, "")
            _answer(handler, int(what), [], (text.format(**words) if what == "200" else text).encode())
            return
        status, headers, data = self._forward(handler, body)
        if what == "error":
            _answer(handler, 500, [], _BODIES["error"].encode())
        elif what != "lose":
            _answer(handler, status, headers, data, half=what == "cut")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do(self) -> None:
                proxy._serve(self)

            do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = do  # noqa: N815

            def log_message(self, *_: Any) -> None:
                """Nothing: the requests are kept."""

        return Handler


def _answer(
    handler: BaseHTTPRequestHandler, status: int, headers: list[tuple[str, str]], data: bytes, *, half: bool = False
) -> None:
    handler.send_response_only(status)
    for name, value in headers:
        if name.lower() not in {*_HOP, "content-length"}:
            handler.send_header(name, value)
    known = next((value for name, value in headers if name.lower() == "content-length"), None)
    handler.send_header("Content-Length", known if handler.command == "HEAD" and known else str(len(data)))
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(data[: len(data) // 2] if half else data)
