"""A pipeline read from an IR file: its steps are held against the code that is here, or take their digests from it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from pipeglot.core import wire
from pipeglot.core.authoring.positions import Lines
from pipeglot.core.code import Project
from pipeglot.core.errors import DefinitionError, Location, Problem, TargetError
from pipeglot.core.ir import AnyNode, Branch, Map, Pipeline, Step
from pipeglot.core.validate import validate
from pipeglot.core.validate.nodes import check_nodes
from pipeglot.core.validate.report import Report
from pipeglot.stacks.hand_written import Functions

MAX_BYTES = 64 << 20


def load_ir(file: Path, shown: str, project: Project) -> tuple[Pipeline, dict[str, Location]]:
    """Read and check an IR file; say where its nodes stand. Raises `TargetError`, `DefinitionError`, `NewerFormat`.

    A step without a digest was written by a person, so it is held against its function, and takes from it what it does
    not say itself.
    """
    try:
        if file.stat().st_size > MAX_BYTES:
            raise TargetError(f"`{shown}` is too large for a pipeline: over {MAX_BYTES >> 20} MB")
        text = file.read_bytes()
    except OSError as error:
        raise TargetError(f"`{shown}` cannot be read: {error.strerror}") from None
    pipeline = wire.load(text, source=shown)
    places = {part: Location(shown, line) for part, line in wire.lines(text, source=shown).items()}
    alone = Report()
    if not check_nodes(alone, pipeline.nodes, hooks=(*pipeline.on_failure, *pipeline.on_success)) or alone.problems:
        raise DefinitionError(_placed(alone.problems, shown, places))
    checker = _Code(project, shown, pipeline, places)
    found = msgspec.structs.replace(
        pipeline,
        nodes=checker.filled(pipeline.nodes, ()),
        on_failure=tuple(checker.step(hook, ()) for hook in pipeline.on_failure),
        on_success=tuple(checker.step(hook, ()) for hook in pipeline.on_success),
    )
    problems = checker.problems + checker.functions.problems
    if not checker.problems and not checker.functions.missing:  # else outputs are missed that a function would declare
        problems += _placed(validate(found), shown, places)
    if problems:
        raise DefinitionError(problems)
    nodes = {id_: at for (kind, id_), at in places.items() if kind in ("step", "map", "branch")}
    return msgspec.structs.replace(found, closures={**pipeline.closures, **checker.closures}), nodes


def _placed(problems: list[Problem], shown: str, places: dict[tuple[str, str], Location]) -> list[Problem]:
    """With the line of the part that each is about, or else the name of the file."""
    found = []
    for problem in problems:
        kind, _, rest = problem.message.partition(": ")[0].partition(" ")
        at = places.get((kind, rest.strip("`")))
        found.append(problem._replace(at=at) if at else problem._replace(message=f"{shown}: {problem.message}"))
    return found


class _Code:
    """Compares each step's digest with the project's code, and fills in those that are left out."""

    def __init__(
        self, project: Project, source: str, pipeline: Pipeline, places: dict[tuple[str, str], Location]
    ) -> None:
        self.project = project
        self.source = source
        self.places = places
        self.problems: list[Problem] = []
        self.closures: dict[str, dict[str, str]] = {}
        self.functions = Functions(pipeline, places, Lines(project))

    def filled(self, nodes: tuple[AnyNode, ...], maps: tuple[Map, ...]) -> tuple[AnyNode, ...]:
        return tuple(self._node(node, maps) for node in nodes)

    def _node(self, node: AnyNode, maps: tuple[Map, ...]) -> AnyNode:
        match node:
            case Map():
                return msgspec.structs.replace(node, body=self.filled(node.body, (*maps, node)))
            case Branch():
                then, otherwise = self.filled(node.then, maps), self.filled(node.otherwise, maps)
                return msgspec.structs.replace(node, then=then, otherwise=otherwise)
            case Step():
                return self.step(node, maps)

    def step(self, step: Step, maps: tuple[Map, ...]) -> Step:
        code = step.code
        try:
            found = self.project.closure(code.module, code.qualname)
        except DefinitionError as error:
            at = self.places.get(("step", step.id))
            self.problems += [
                problem._replace(message=f"step `{step.id}`: {problem.message}", at=at or problem.at)
                for problem in error.problems
            ]
            return step
        if not code.digest:
            step = self.functions.filled(step, maps)
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
