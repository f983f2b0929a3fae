"""The server itself, on the loopback: `python -m pipeglot.compilers.kfp.local.server PORT FOLDER PASSWORD LIMIT`."""

from __future__ import annotations

import hmac
import json
import os
import re
import signal
import sys
import threading
from base64 import b64encode
from email import message_from_bytes
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pipeglot.compilers.kfp.local.api import Api
from pipeglot.compilers.kfp.local.fields import Refused

_MOST = 64 << 20
"""Bytes of one request."""
_PIECE = 1 << 20
_PATIENCE = 30.0
"""Seconds that somebody may take for a part of a request, or until the next one."""
_MOST_CONNECTIONS = 128
_HEALTH = "/apis/v2beta1/healthz"


class Handler(BaseHTTPRequestHandler):
    """One request. Who it is from is looked at before any of its body is read.

    A browser sends a password that it knows along with whatever any page asks it to send. So a password shows the page,
    and nothing else; all that does something wants the token, which a browser does not know.
    """

    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE
    server: Server

    def _do(self) -> None:
        try:
            self._let_in()
            content = self._answer(self._body())
        except Refused as error:
            self._send(error.status, error.body)
        except TimeoutError:
            self.close_connection = True
        except Exception as error:  # noqa: BLE001  # a server goes on
            self.log_error("%s", f"{type(error).__name__}: {error}")
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, Refused(str(error)).body | {"code": 13})
        else:
            self._send(HTTPStatus.OK, {} if content is None else content)

    do_GET = do_POST = do_DELETE = do_PATCH = do_PUT = _do  # noqa: N815  # as the base class calls them

    def _answer(self, data: bytes) -> Any:
        asked = urlsplit(self.path)
        query = dict(parse_qsl(asked.query, keep_blank_values=True))
        route, words = self.server.api.find(self.command, asked.path)
        if asked.path.startswith("/apis/v2beta1/pipelines/upload"):
            return route(query, _uploaded(self.headers.get("Content-Type") or "", data))
        if data and self.headers.get_content_type() != "application/json":
            raise Refused("the body is to be application/json", HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        if self.command == "POST" and ":" not in asked.path.rpartition("/")[2]:
            return route(query, _json(data))
        return route(query, *(unquote(word) for word in words))

    def _let_in(self) -> None:
        """Raises `Refused`; then the connection ends, for what else it holds is not read."""
        going_on, self.close_connection = self.close_connection, True
        here = [f"{name}:{self.server.server_port}" for name in ("127.0.0.1", "localhost")]
        if self.headers.get("Host") not in here:
            raise Refused(f"this server is at {here[0]} only", HTTPStatus.FORBIDDEN)
        origin, site = self.headers.get("Origin"), self.headers.get("Sec-Fetch-Site") or "none"
        if site not in ("none", "same-origin") or (origin and origin not in [f"http://{name}" for name in here]):
            raise Refused("this server answers no pages of others", HTTPStatus.FORBIDDEN)
        if (self.command, self.path) != ("GET", _HEALTH):
            given = (self.headers.get("Authorization") or "").encode()
            is_page = (self.command, urlsplit(self.path).path) == ("GET", "/")
            if not any(hmac.compare_digest(given, key) for key in self.server.keys[: 1 + is_page]):
                raise Refused("who are you? the token is missing, or another one", HTTPStatus.UNAUTHORIZED)
        self.close_connection = going_on

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length") or "0"
        if not length.isdecimal() or int(length) > _MOST or self.headers.get("Transfer-Encoding"):
            self.close_connection = True
            raise Refused("the request is too large, or does not say how large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return self.rfile.read(int(length))

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """What was asked, but for looks that were answered: there are many."""
        if self.command != "GET" or code != HTTPStatus.OK:
            super().log_request(code, size)

    def _send(self, status: HTTPStatus, content: Any) -> None:
        """A page is a text, a log is a file or bytes, and all else is JSON."""
        if isinstance(content, Path):
            with content.open("rb") as file:
                self._send_head(status, "text/plain; charset=utf-8", left := os.fstat(file.fileno()).st_size)
                while left and (piece := file.read(min(left, _PIECE))):  # it may grow meanwhile
                    self.wfile.write(piece)
                    left -= len(piece)
            return
        if isinstance(content, bytes):
            kind, data = "text/plain; charset=utf-8", content
        elif isinstance(content, str):
            kind, data = "text/html; charset=utf-8", content.encode()
        else:
            kind, data = "application/json", json.dumps(content).encode()
        self._send_head(status, kind, len(data))
        self.wfile.write(data)

    def _send_head(self, status: HTTPStatus, kind: str, length: int) -> None:
        self.send_response(status)
        if status == HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", 'Basic realm="the sandbox of KFP"')
        if self.close_connection:
            self.send_header("Connection", "close")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.end_headers()


class Server(ThreadingHTTPServer):
    """One API, behind a password, for so many connections at once: further ones are closed."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, api: Api, password: str) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.api = api
        self.keys = [f"Bearer {password}".encode(), b"Basic " + b64encode(f"admin:{password}".encode())]
        self._room = threading.BoundedSemaphore(_MOST_CONNECTIONS)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:
        raise Refused(f"the body is no JSON: {error}") from None


def _uploaded(kind: str, data: bytes) -> bytes:
    """The one file of a form."""
    if not re.match(r"multipart/form-data;\s*boundary=", kind):
        raise Refused("the upload is no multipart/form-data")
    form = message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + data)
    for part in form.get_payload() if form.is_multipart() else ():
        if 'name="uploadfile"' in str(part.get("Content-Disposition")):  # type: ignore[union-attr]  # parts are messages
            found = part.get_payload(decode=True)  # type: ignore[union-attr]
            assert isinstance(found, bytes)
            return found
    raise Refused("the form has no uploadfile")


def main(port: int, folder: Path, password: Path, limit: int) -> None:
    api = Api(folder, limit)
    server = Server(port, api, password.read_text(encoding="ascii").strip())
    threading.Thread(target=server.serve_forever, args=(0.2,), daemon=True).start()
    api.begin()
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    signal.signal(signal.SIGINT, lambda *_: over.set())
    over.wait()
    server.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
