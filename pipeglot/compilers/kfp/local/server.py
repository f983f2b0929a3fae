"""The server itself, on the loopback: `python -m pipeglot.compilers.kfp.local.server PORT FOLDER PASSWORD LIMIT`."""

from __future__ import annotations

import hmac
import json
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


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: Server

    def _do(self) -> None:
        try:
            data = self._body()
            self._let_in()
            content = self._answer(data)
        except Refused as error:
            self._send(error.status, error.body)
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
        if self.command == "POST" and ":" not in asked.path.rpartition("/")[2]:
            return route(query, _json(data))
        return route(query, *(unquote(word) for word in words))

    def _let_in(self) -> None:
        given = (self.headers.get("Authorization") or "").encode()
        if not any(hmac.compare_digest(given, key) for key in self.server.keys):
            raise Refused("who are you? the password is missing, or another one", HTTPStatus.UNAUTHORIZED)

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length") or "0"
        if not length.isdecimal() or int(length) > _MOST:
            self.close_connection = True
            raise Refused("the request is too large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return self.rfile.read(int(length))

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """What was asked, but for looks that were answered: there are many."""
        if self.command != "GET" or code != HTTPStatus.OK:
            super().log_request(code, size)

    def _send(self, status: HTTPStatus, content: Any) -> None:
        """A page is a text, a log is bytes, and all else is JSON."""
        if isinstance(content, bytes):
            kind, data = "text/plain; charset=utf-8", content
        elif isinstance(content, str):
            kind, data = "text/html; charset=utf-8", content.encode()
        else:
            kind, data = "application/json", json.dumps(content).encode()
        self.send_response(status)
        if status == HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", 'Basic realm="the sandbox of KFP"')
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Server(ThreadingHTTPServer):
    """One API, behind a password."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, api: Api, password: str) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.api = api
        self.keys = [f"Bearer {password}".encode(), b"Basic " + b64encode(f"admin:{password}".encode())]


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
