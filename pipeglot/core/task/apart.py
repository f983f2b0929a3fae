"""The first record of a run whose parameters are objects of the project's classes: put by a process of its own.

Their modules are imported to check the values. An engine's process has its own modules, of which one may have the same
name, and goes on to run other projects' tasks.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from pipeglot.core.errors import PipeglotError, StepError
from pipeglot.core.features import Feature, needs
from pipeglot.core.ir import Pipeline
from pipeglot.core.sources import roots_of, use_roots
from pipeglot.core.task.deployed import Deployed, read_deployed
from pipeglot.core.task.joining import EngineRun, join

_HOME = __file__.rpartition(f"{os.sep}pipeglot{os.sep}")[0]
_PROGRAM = "import sys; sys.path.append(sys.argv[1]); from pipeglot.core.task import apart; apart.main()"
_REFUSED = 3
"""The exit code if the run cannot be joined; why is written to standard output."""


def needs_code(pipeline: Pipeline) -> bool:
    """Whether the parameters of a run cannot be read without the project's classes."""
    return not {Feature.PARAM_DATACLASS, Feature.PARAM_PYDANTIC}.isdisjoint(needs(pipeline))


def join_apart(deployed: Deployed, engine: EngineRun, root: Path) -> None:
    """Put the run's first record, if it is not there, with the project below `root`. Raises `StepError`."""
    asked = {
        "deployed": msgspec.to_builtins(deployed),
        "engine": msgspec.to_builtins(engine, enc_hook=dict),
        "root": str(root),
        "path": [os.path.abspath(path) for path in sys.path],
    }
    done = subprocess.run(
        [sys.executable, "-P", "-c", _PROGRAM, _HOME],
        input=json.dumps(asked),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode == _REFUSED:
        raise StepError(**json.loads(done.stdout.rpartition("\n")[2]))
    if done.returncode:
        told = done.stderr.strip()[-2000:] or f"exit code {done.returncode}"
        raise StepError(f"the parameters of this run cannot be read: {told}")


def main() -> NoReturn:
    """In the process: what is asked stands on standard input."""
    asked = json.load(sys.stdin)
    sys.path[:] = asked["path"]
    use_roots(roots_of(Path(asked["root"])), {})
    try:
        _join(read_deployed(asked["deployed"]), msgspec.convert(asked["engine"], EngineRun))
    except PipeglotError as error:
        print(json.dumps({"message": error.message, "hint": error.hint}), end="")
        sys.exit(_REFUSED)
    sys.exit()


def _join(deployed: Deployed, engine: EngineRun) -> Any:
    from pipeglot.core.artifacts import Artifacts
    from pipeglot.core.lineage.ledger import Ledger
    from pipeglot.core.store import open_store
    from pipeglot.core.variables import expand

    uri = expand(deployed.store, "the store of this pipeline")
    store = open_store(uri, trusted=deployed.trusted, durable=deployed.durable)
    return join(deployed, engine, Ledger(store), Artifacts(store))
