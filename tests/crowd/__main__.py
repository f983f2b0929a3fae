"""`python -m tests.crowd [MINUTES] [SEED] [--seaweed] [--postgres] [--kfp]`: a storm, and what came of it.

The store is a folder; `--seaweed` has it in a bucket of a SeaweedFS, behind a proxy that loses and refuses requests.
`--postgres` has the index in a PostgreSQL that dies and loses it now and then. `--kfp` has runs of KFP's sandbox
beside: a real engine.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from tests.crowd.check import check
from tests.crowd.crowd import AT_ONCE, Storm
from tests.crowd.index import SharedIndex
from tests.crowd.kfp import Engine
from tests.servers.proxy import Proxy
from tests.servers.seaweed import BUCKET, Seaweed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crowd")
    parser.add_argument("minutes", type=float, nargs="?", default=5)
    parser.add_argument("seed", type=int, nargs="?", default=secrets.randbits(32))
    parser.add_argument("--seaweed", action="store_true", help="a bucket of SeaweedFS, in place of a folder")
    parser.add_argument("--postgres", action="store_true", help="an index in PostgreSQL, in place of files")
    parser.add_argument("--kfp", action="store_true", help="runs of KFP's sandbox beside")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pipeglot-crowd-") as text:
        folder = Path(text)
        with bucket(folder) if words.seaweed else nullcontext(None) as proxy:
            return _storm(words, folder, proxy)


@contextmanager
def bucket(folder: Path) -> Iterator[Proxy]:
    """What S3's clients of this process and of others find, as long as this context is there."""
    (folder / "server").mkdir()
    server = Seaweed(folder / "server")
    try:
        with Proxy(server.endpoint) as proxy:
            proxy.patience = 0.5
            os.environ.update(server.environment(endpoint=proxy.endpoint))
            yield proxy
    finally:
        server.stop()


def _storm(words: argparse.Namespace, folder: Path, proxy: Proxy | None) -> int:
    began = time.monotonic()
    uri = f"s3://{BUCKET}/crowd" if proxy else str(folder / "store")
    names = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION")
    env = {name: os.environ[name] for name in names} if proxy else {}
    storm = Storm(folder, uri, words.seed, env)
    if proxy:
        proxy.fault = storm.faults.on_request
    index = SharedIndex(storm, folder / "postgres") if words.postgres else None
    try:
        until = time.monotonic() + 60 * words.minutes
        with Engine(storm) if words.kfp else nullcontext(None) as engine:
            others = [engine.work(until)] if engine else []
            storm.storm(lambda _: time.monotonic() < until, others, [index.suffer] if index else [])
        if proxy:
            proxy.fault = lambda _: ""
        stormed = time.monotonic() - began
        wrong = [*storm.wrong, *check(storm), *(index.check() if index else ())]
    finally:
        if index is not None:
            index.server.remove()
    tell(storm, wrong)
    seconds = time.monotonic() - began
    print(f"\n{AT_ONCE} processes for {stormed:.0f} s of {seconds:.0f} s, seed {words.seed}: {len(wrong)} went wrong")
    return 1 if wrong else 0


def tell(storm: Storm, wrong: list[str]) -> None:
    """All counts, and the first of what went wrong."""
    for title, counts in (("what was done", storm.done), ("faults that came", storm.faults.count)):
        print(f"\n{title}:")
        for name, number in sorted(counts.items()):
            print(f"{number:8,} {name}")
    print(f"{storm.faults.count.total():8,} faults in all")
    for one in wrong[:20]:
        print(f"\nwrong: {one}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
