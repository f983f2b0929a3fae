"""From a pipeline to a pipeline spec of KFP: pure, and without an import of KFP."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, TypeVar

from pipeglot.compilers.base import Compiler, File, Findings, Source
from pipeglot.compilers.kfp import limits
from pipeglot.compilers.kfp.capabilities import KFP_CAPABILITIES, NOT_WHEN_FAST, VERTEX_CAPABILITIES
from pipeglot.compilers.kfp.limits import KFP, VERTEX, Dialect
from pipeglot.compilers.kfp.spec import spec
from pipeglot.compilers.kfp.stack import KfpStack, VertexStack
from pipeglot.compilers.kfp.yaml_text import dumped
from pipeglot.core.bundle.archive import WRITTEN
from pipeglot.core.errors import Problem
from pipeglot.core.features import Capabilities
from pipeglot.core.ir import IR_VERSION
from pipeglot.core.wire import dump_json

if TYPE_CHECKING:
    from pipeglot.compilers.remote import Remote

StackT = TypeVar("StackT", bound=KfpStack | VertexStack)


class _Specs(Compiler[StackT]):
    """What both dialects share: everything but what they say of each feature, and their limits."""

    dialect: ClassVar[Dialect]
    tells_all = True

    def check(self, source: Source, stack: StackT) -> Findings:
        """With what nothing stands against, and its user should know all the same."""
        found = super().check(source, stack)
        return (
            found
            if found.problems
            else found._replace(notes=[*found.notes, *limits.notes(source, stack, self.dialect)])
        )

    def problems(self, source: Source, stack: StackT) -> Iterator[Problem]:
        return limits.problems(source, stack, self.dialect)

    def emit(self, source: Source, stack: StackT) -> tuple[File, ...]:
        text = spec_text(source, stack)
        name = source.pipeline.name
        version = hashlib.sha256(text.encode()).hexdigest()
        return File(f"{name}.yaml", text, version), File(f"{name}.pipeglot.json", dump_json(source.pipeline))


class KfpCompiler(_Specs[KfpStack]):
    """Kubeflow Pipelines 2."""

    name = "kfp"
    capabilities = KFP_CAPABILITIES
    stack_type = KfpStack
    dialect = KFP

    def remote(self, stack: KfpStack) -> Remote | None:
        if not stack.api_url:
            return None
        from pipeglot.compilers.kfp.deployer import KfpDeployer

        return KfpDeployer(stack)


class VertexCompiler(_Specs[VertexStack]):
    """Vertex AI Pipelines."""

    name = "vertex"
    capabilities = VERTEX_CAPABILITIES
    stack_type = VertexStack
    dialect = VERTEX

    def supports(self, stack: VertexStack) -> Capabilities:
        """With `failure_policy: fast` nothing begins any more once a task has failed."""
        return {**VERTEX_CAPABILITIES, **NOT_WHEN_FAST} if stack.failure_policy == "fast" else VERTEX_CAPABILITIES

    def remote(self, stack: VertexStack) -> Remote | None:
        if not stack.project:
            return None
        from pipeglot.compilers.kfp.vertex_deployer import VertexDeployer

        return VertexDeployer(stack)


def spec_text(source: Source, stack: KfpStack | VertexStack) -> str:
    """The file: the spec, and a second document for what only Kubernetes knows, if there is some."""
    found = spec(source, stack)
    title = "Kubeflow Pipelines" if isinstance(stack, KfpStack) else "Vertex AI"
    head = f"# Pipeline `{source.pipeline.name}` for {title}.{WRITTEN}{IR_VERSION})."
    text = (
        f"{head} Change the source, and write it again:\n#   pipeglot compile {source.target}\n{dumped(found.pipeline)}"
    )
    return f"{text}---\n{dumped(found.platform)}" if found.platform else text
