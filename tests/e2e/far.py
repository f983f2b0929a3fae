"""`python -m tests.e2e.far …`: the command line as if it ran on another machine, with beats many times a second.

FAR_CLOCK is how many seconds that machine's clock is ahead.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
from typing import Any

from msgspec import structs

from pipeglot.cli.main import main
from pipeglot.client import launch
from pipeglot.core.lineage import lease, ledger, processes
from pipeglot.core.lineage.lease import Schedule
from pipeglot.runtime_local import runner

NAME = "far-away"
OFTEN = Schedule(0.2, 0.2, 0.4)
_SETTINGS = launch.local_settings


def _settings(*args: Any, **known: Any) -> Any:
    return structs.replace(_SETTINGS(*args, **known), beats=OFTEN)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=float(os.environ.get("FAR_CLOCK", "0")))


def move() -> None:
    for module in (ledger, lease, processes):
        module.host = lambda: NAME  # type: ignore[attr-defined]
    for other in (lease, runner):
        other.now = _now  # type: ignore[attr-defined]
    launch.local_settings = _settings
    runner.CANCEL_POLL = 0.1


if __name__ == "__main__":
    move()
    sys.exit(main(sys.argv[1:]))
