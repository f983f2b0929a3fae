"""An HTTP server that answers what a test says, and keeps what it was asked: for refusals that no real server gives."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Server:
    """Answers by `METHOD path`, in turn, the last one again and again; what it was asked is kept."""

    HANG = "HANG"
    """As content: no answer for as long as the test lasts."""

    def __init__(self) -> None:
        self.answers: dict[str, list[tuple[int, Any]]] = {}
        self.default: tuple[int, Any] = (404, "<html>nothing</html>")
        """To all that it has no answer for."""
        self.headers: dict[str, str] = {}
        """Of all answers."""
        self.asked: list[tuple[str, str, Any, str]] = []
        self.heads: list[dict[str, str]] = []
        """The headers of each of these."""
        self.over = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def _do(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                data = self.rfile.read(length)
                is_form = "form" in (self.headers.get("Content-Type") or "")
                body = data.decode() if is_form else json.loads(data) if length else None
                path = self.path.partition("?")[0]
                server.heads.append(dict(self.headers.items()))
                server.asked.append((self.command, self.path, body, self.headers.get("Authorization") or ""))
                known = server.answers.get(f"{self.command} {path}", [server.default])
                status, content = known.pop(0) if len(known) > 1 else known[0]
                if content == server.HANG:
                    server.over.wait(60)
                    return
                data = content.encode() if isinstance(content, str) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/html" if isinstance(content, str) else "application/json")
                for name, value in server.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _do  # noqa: N815  # as the base class calls them

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}"

    def encrypt(self, folder: Path) -> None:
        """Speak TLS from now on, with a certificate that nobody trusts."""
        words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
        files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
        subprocess.run(["openssl", *words, *files], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True)

    def close(self) -> None:
        self.over.set()
        self.http.shutdown()
        self.http.server_close()
