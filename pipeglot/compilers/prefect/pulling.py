"""How a worker gets a flow file: a pull step of its deployment, which takes it from the store."""

from __future__ import annotations

import hashlib
import os

from pipeglot.core.errors import Corrupt, NotFound
from pipeglot.core.store import open_store
from pipeglot.core.task.folders import cache_folder
from pipeglot.core.variables import expand


def pull(store: str, key: str, name: str) -> dict[str, str]:
    """Write the file into a folder of its own version. Raises `StoreError`; what it returns tells Prefect where.

    Its text is what the deployment says by its digest: a store that somebody has changed starts nothing else.
    """
    data = open_store(expand(store, "the store of this deployment")).get(key)
    if data is None:
        raise NotFound(f"the store `{store}` has no `{key}`", hint="deploy the pipeline again")
    digest = hashlib.sha256(data).hexdigest()
    if key != f"flows/{digest}.py":
        raise Corrupt(f"`{key}` in the store `{store}` is not what was deployed", hint="deploy the pipeline again")
    folder = cache_folder() / "flows" / digest
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    temp = folder / f".{os.getpid()}.tmp"
    temp.write_bytes(data)
    temp.replace(folder / name)
    return {"directory": str(folder)}
