"""From a pipeline to a Prefect flow and its deployment: pure, and without an import of Prefect."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping

from pipeglot.compilers.base import Compiler, File, Source
from pipeglot.compilers.prefect import limits
from pipeglot.compilers.prefect.capabilities import CAPABILITIES
from pipeglot.compilers.prefect.deployment_file import deployment_file
from pipeglot.compilers.prefect.flow_file import FlowFile
from pipeglot.compilers.prefect.names import flow_key
from pipeglot.compilers.prefect.stack import PrefectStack
from pipeglot.compilers.remote import Remote
from pipeglot.core.errors import Problem
from pipeglot.core.wire import dump_json


class PrefectCompiler(Compiler[PrefectStack]):
    """Prefect 3."""

    name = "prefect"
    capabilities = CAPABILITIES
    stack_type = PrefectStack

    def problems(self, source: Source, stack: PrefectStack) -> Iterator[Problem]:
        return limits.problems(source, stack)

    def kept(self, stack: PrefectStack, files: Collection[File]) -> Mapping[str, bytes]:
        if stack.flows_folder or stack.pull:
            return {}
        return {flow_key(file.version): file.text.encode() for file in files if file.version}

    def remote(self, stack: PrefectStack) -> Remote:
        from pipeglot.compilers.prefect.deployer import PrefectDeployer

        return PrefectDeployer(stack)

    def emit(self, source: Source, stack: PrefectStack) -> tuple[File, ...]:
        text = FlowFile(source, stack).text()
        version = hashlib.sha256(text.encode()).hexdigest()
        name = source.pipeline.name
        flow = File(f"{name}.py", text, version)
        ir = File(f"{name}.pipeglot.json", dump_json(source.pipeline))
        return flow, deployment_file(source, stack, flow), ir
