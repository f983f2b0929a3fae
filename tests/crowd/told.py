"""`python -m tests.crowd.told FILE …`: the command line, noting what the ledger has told it: starts, verdicts, ends.

The workers are forks of this process, so what they are told is noted, too.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from pipeglot.cli.main import main
from pipeglot.core.lineage.ledger import Ledger, pack
from pipeglot.core.lineage.records import End, Start, Verdict


def listen(path: str) -> None:
    """A line for each record that the ledger acknowledges, written at once: a kill loses none that was told before."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for name in ("start", "commit", "end"):
        _wrap(name, fd)


def _wrap(name: str, fd: int) -> None:
    inner = getattr(Ledger, name)

    def outer(ledger: Ledger, record: Any) -> Any:
        found = inner(ledger, record)
        os.write(fd, json.dumps(_line(found)).encode() + b"\n")
        return found

    setattr(Ledger, name, outer)


def _line(record: Start | Verdict | End) -> dict[str, Any]:
    line: dict[str, Any] = {"run": record.run, "at": time.time(), "sha": hashlib.sha256(pack(record)).hexdigest()}
    match record:
        case Verdict():
            line |= {"step": record.step, "index": record.index, "slot": record.slot, "status": record.status}
        case End():
            line |= {"end": record.number}
    return line


def read(path: Path) -> list[dict[str, Any]]:
    """A last line may be half written, by a process that was killed."""
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith(b"\n")]


if __name__ == "__main__":
    listen(sys.argv[1])
    sys.exit(main(sys.argv[2:]))
