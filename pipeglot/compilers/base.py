"""The whole contract of a backend's compiler: what it says of each feature, what it refuses, and the files it emits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar, Generic, NamedTuple, TypeVar

from pipeglot.core.errors import Location, Problem, Unsupported
from pipeglot.core.features import Capabilities, advisory, missing, needs
from pipeglot.core.ir import Pipeline
from pipeglot.core.stack import Stack
from pipeglot.core.task.deployed import Deployed

if TYPE_CHECKING:
    from pipeglot.compilers.remote import Remote

StackT = TypeVar("StackT", bound=Stack)


class Source(NamedTuple):
    """What a compiler is given of a pipeline, beside its stack: nothing of it is of this machine or this moment.

    target: as a person would write it from the project's root, for the head of the file. ir, bundle: the digests of
    what the store has to hold; no bundle if the code is installed. locations: where the user wrote each node.
    """

    pipeline: Pipeline
    target: str
    ir: str
    bundle: str = ""
    locations: Mapping[str, Location] = {}  # nobody changes it


class File(NamedTuple):
    """An emitted file, by its name in the folder that they are written to.

    version: by which the orchestrator is asked whether it has read this very text, of the file that it reads.
    """

    name: str
    text: str
    version: str = ""


class Findings(NamedTuple):
    """What stands against a pipeline on a stack, and what its user should know."""

    problems: list[Problem]
    notes: list[Problem]


class Compiler(ABC, Generic[StackT]):
    """A backend. `capabilities` has every feature; `stack_type` is the model of its stacks in `pipeglot.yaml`."""

    name: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    stack_type: ClassVar[type[Stack]]
    tells_all: ClassVar[bool] = False
    """Whether `problems` can tell of a pipeline that has features which it does not do, and tells nothing of these."""

    def check(self, source: Source, stack: StackT) -> Findings:
        """Everything that is refused, and what is taken as advice only: all at once."""
        needed, capabilities = needs(source.pipeline), self.supports(stack)
        problems = missing(needed, capabilities, source.locations, self.name)
        if not problems or self.tells_all:  # else of what cannot be placed nothing can be told
            problems += self.problems(source, stack)
        notes = advisory(needed, capabilities, source.locations, self.name)
        if stack.strict:
            why = f"stack `{stack.name}` says `strict: true`: take the request out, or that line"
            return Findings(problems + [note._replace(hint=why) for note in notes], [])
        return Findings(problems, notes)

    def supports(self, stack: StackT) -> Capabilities:  # noqa: ARG002  # of those that it makes a difference to
        """What it says of each feature on a stack."""
        return self.capabilities

    def compile(self, source: Source, stack: StackT) -> tuple[File, ...]:
        """The files of a pipeline. Raises `Unsupported` with everything that stands against it."""
        found = self.check(source, stack)
        if found.problems:
            raise Unsupported(found.problems)
        return self.emit(source, stack)

    @abstractmethod
    def problems(self, source: Source, stack: StackT) -> Iterator[Problem]:
        """What the table of features does not tell: limits, names, and what the stack does not say."""

    def kept(self, stack: StackT, files: Collection[File]) -> Mapping[str, bytes]:  # noqa: ARG002  # of those that do
        """What of the files workers take from the store, by its key there."""
        return {}

    def remote(self, stack: StackT) -> Remote | None:  # noqa: ARG002  # of those that have one
        """What talks to the live orchestrator of a stack, if there is something. Raises `ConfigError`."""
        return None

    @abstractmethod
    def emit(self, source: Source, stack: StackT) -> tuple[File, ...]:
        """The files: pure, with no clock, environment, network or import of the orchestrator."""


def deployed(source: Source, stack: Stack) -> Deployed:
    """What the emitted file says of its pipeline, for `run_step` to find the rest."""
    return Deployed(
        pipeline=source.pipeline.name,
        ir=source.ir,
        stack=stack.name,
        backend=stack.backend,
        store=stack.store,
        bundle=source.bundle,
        trusted=stack.trusted,
        durable=stack.durable,
        secrets=stack.secrets,
    )
