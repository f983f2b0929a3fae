"""SeaweedFS: a real S3 server, from a wheel."""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path

from tests.servers.process import Server, free_ports

SECRET = "testsecret"
BUCKET = "tests"
RIGHTS = "rights"
"""A store of that name may be read by `keeper`, who may write there only what belongs to passes of gc."""

WHO = {
    "all": ["Admin", "Read", "Write", "List", "Tagging"],
    "nolist": ["Read", "Write"],
    "reader": ["Read", "List"],
    "keeper": ["Read", "List", f"Write:{BUCKET}/{RIGHTS}/gc/*"],
}
"""Whose access key is their name, and what each may do."""


class Seaweed:
    """The server, with one bucket."""

    def __init__(self, folder: Path) -> None:
        ports = free_ports(8)
        self.endpoint = f"http://127.0.0.1:{ports[0]}"
        self.filer = f"http://127.0.0.1:{ports[2]}"
        (folder / "data").mkdir()
        (folder / "s3.json").write_text(json.dumps({"identities": [_identity(name) for name in WHO]}))
        parts = ("s3", "filer", "master", "volume")
        names = [f"{part}.{port}" for part in parts for port in ("port", "port.grpc")]
        self._server = Server(
            [
                str(Path(sys.executable).parent / "weed"),
                "server",
                "-dir=data",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                "-filer",
                "-s3",
                "-s3.config=s3.json",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                "-master.telemetry=false",
                "-volume.max=200",
                "-master.volumeSizeLimitMB=64",
                f"-filer.localSocket={folder}/filer.sock",
                *(f"-{name}={port}" for name, port in zip(names, ports, strict=True)),
            ],
            folder,
            {},
        )
        self._server.wait(self._is_ready)

    def environment(self, who: str = "all", endpoint: str = "") -> dict[str, str]:
        """What S3's clients read."""
        return {
            "AWS_ENDPOINT_URL": endpoint or self.endpoint,
            "AWS_ACCESS_KEY_ID": who,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
        }

    def make_bucket(self, name: str) -> None:
        """With a first object in it."""
        first = urllib.request.Request(f"{self.filer}/buckets/{name}/up", data=b"x", method="PUT")
        with urllib.request.urlopen(first, timeout=5):
            pass

    def read(self, key: str) -> str:
        """An object of the bucket, as text."""
        with urllib.request.urlopen(f"{self.filer}/buckets/{BUCKET}/{key}", timeout=5) as answer:
            return str(answer.read().decode())

    def stop(self) -> None:
        self._server.stop()

    def _is_ready(self) -> bool:
        """The filer may be up before there is room for an object, and the S3 gateway after it."""
        self.make_bucket(BUCKET)
        with urllib.request.urlopen(f"{self.endpoint}/status", timeout=5) as answer:
            return bool(answer.status == 200)


def _identity(name: str) -> dict[str, object]:
    return {"name": name, "credentials": [{"accessKey": name, "secretKey": SECRET}], "actions": WHO[name]}
