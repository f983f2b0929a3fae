"""From a pipeline to a flow of Metaflow: pure, and without an import of Metaflow."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeglot.compilers.base import Compiler, File, Findings, Source
from pipeglot.compilers.metaflow import limits
from pipeglot.compilers.metaflow.capabilities import CAPABILITIES, supports
from pipeglot.compilers.metaflow.flow import flow
from pipeglot.compilers.metaflow.flow_file import FlowFile
from pipeglot.compilers.metaflow.stack import MetaflowStack
from pipeglot.core.errors import Problem
from pipeglot.core.features import Capabilities
from pipeglot.core.wire import dump_json

if TYPE_CHECKING:
    from pipeglot.compilers.metaflow.deployer import MetaflowDeployer


class MetaflowCompiler(Compiler[MetaflowStack]):
    """Metaflow 2."""

    name = "metaflow"
    capabilities = CAPABILITIES
    stack_type = MetaflowStack

    def supports(self, stack: MetaflowStack) -> Capabilities:
        return supports(stack)

    def check(self, source: Source, stack: MetaflowStack) -> Findings:
        """With what nothing stands against, and its user should know all the same."""
        found = super().check(source, stack)
        return found if found.problems else found._replace(notes=[*found.notes, *limits.notes(source, stack)])

    def problems(self, source: Source, stack: MetaflowStack) -> Iterator[Problem]:
        return limits.problems(source, stack)

    def remote(self, stack: MetaflowStack) -> MetaflowDeployer:
        from pipeglot.compilers.metaflow.deployer import MetaflowDeployer

        return MetaflowDeployer(stack)

    def emit(self, source: Source, stack: MetaflowStack) -> tuple[File, ...]:
        text = FlowFile(source, stack, flow(source, stack)).text()
        name = source.pipeline.name
        version = hashlib.sha256(text.encode()).hexdigest()
        return File(f"{name}.py", text, version), File(f"{name}.pipeglot.json", dump_json(source.pipeline))
