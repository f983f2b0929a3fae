"""KFP, as the suite sees it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeglot.compilers.kfp.deployer import KfpDeployer
from pipeglot.compilers.kfp.stack import KfpStack
from pipeglot.core.task.joining import RESERVED
from tests.conformance.suite import STACK
from tests.servers.kfp import Kfp


class OnKfp:
    """A KFP. Pipelines are uploaded by its API, and runs are started by it."""

    def __init__(self, server: Kfp) -> None:
        self.server = server
        auth = {"token_file": str(Path(server.view["password_file"]))}
        self.remote = KfpDeployer(KfpStack(name=STACK, api_url=server.view["url"], auth=auth))

    @property
    def words(self) -> str:
        return self.server.words

    def start(self, pipeline: str, params: Mapping[str, Any], *, cache: bool = False) -> str:
        own = {} if cache else {RESERVED: {"cache": False}}
        return self.remote.start(pipeline, f"{pipeline} of the suite", {**params, **own}).id

    def wait(self, pipeline: str, run: str) -> bool:  # its id says all
        return self.server.state(run) == "SUCCEEDED"

    def cancel(self, pipeline: str, run: str) -> None:  # its id says all
        assert self.server.ask("POST", f"/runs/{run}:terminate", {})[0] == 200

    def again(self, pipeline: str, run: str, step: str) -> None:  # it goes on where it has failed
        assert self.server.ask("POST", f"/runs/{run}:retry", {})[0] == 200, "a cluster can, the sandbox says 501"
