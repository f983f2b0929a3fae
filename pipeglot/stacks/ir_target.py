"""A pipeline read from an IR file: its steps are held against the code that is here, or take their digests from it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from pipeglot.core import wire
from pipeglot.core.code import Project
from pipeglot.core.errors import DefinitionError, Problem, TargetError
from pipeglot.core.ir import AnyNode, Branch, Map, Pipeline, Step
from pipeglot.core.validate import validate

MAX_BYTES = 64 << 20


def load_ir(file: Path, shown: str, project: Project) -> Pipeline:
    """Read and check an IR file. Raises `TargetError`, `DefinitionError`, `NewerFormat`."""
    try:
        if file.stat().st_size > MAX_BYTES:
            raise TargetError(f"`{shown}` is too large for a pipeline: over {MAX_BYTES >> 20} MB")
        pipeline = wire.load(file.read_bytes(), source=shown)
    except OSError as error:
        raise TargetError(f"`{shown}` cannot be read: {error.strerror}") from None
    problems = validate(pipeline)
    if problems:
        raise DefinitionError([problem._replace(message=f"{shown}: {problem.message}") for problem in problems])
    checker = _Code(project, shown)
    nodes = checker.filled(pipeline.nodes)
    if checker.problems:
        raise DefinitionError(checker.problems)
    return msgspec.structs.replace(pipeline, nodes=nodes, closures={**pipeline.closures, **checker.closures})


class _Code:
    """Compares each step's digest with the project's code, and fills in those that are left out."""

    def __init__(self, project: Project, source: str) -> None:
        self.project = project
        self.source = source
        self.problems: list[Problem] = []
        self.closures: dict[str, dict[str, str]] = {}

    def filled(self, nodes: tuple[AnyNode, ...]) -> tuple[AnyNode, ...]:
        return tuple(self._node(node) for node in nodes)

    def _node(self, node: AnyNode) -> AnyNode:
        match node:
            case Map():
                return msgspec.structs.replace(node, body=self.filled(node.body))
            case Branch():
                return msgspec.structs.replace(node, then=self.filled(node.then), otherwise=self.filled(node.otherwise))
            case Step():
                return self._step(node)

    def _step(self, step: Step) -> Step:
        code = step.code
        try:
            found = self.project.closure(code.module, code.qualname)
        except DefinitionError as error:
            self.problems += [
                problem._replace(message=f"step `{step.id}`: {problem.message}") for problem in error.problems
            ]
            return step
        if code.digest and code.digest != found.digest:
            self.problems.append(
                Problem(
                    "code-digest",
                    f"{self.source}: step `{step.id}`: the code of `{code}` here is not what the file was made from"
                    f" ({found.digest[:12]} here, {code.digest[:12]} there)",
                    None,
                    "make the file again by `pipeglot compile TARGET --ir`, or check out the code it was made from",
                )
            )
        self.closures[found.digest] = found.members
        return msgspec.structs.replace(step, code=msgspec.structs.replace(code, digest=found.digest))
