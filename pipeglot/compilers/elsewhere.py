"""What a stack cannot say where steps run elsewhere: in another process, another folder, maybe on another machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import UNSET

from pipeglot.compilers.base import Source
from pipeglot.core.errors import Location, Problem
from pipeglot.core.features import PARAM
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.stack import Stack
from pipeglot.core.task.joining import RESERVED

_NAMED = 3


def problems(source: Source, stack: Stack, plan: Plan, title: str) -> Iterator[Problem]:
    """Everything that stands against it on any engine; `title` is what people call this one."""
    yield from _reserved(source, stack)
    yield from _store(stack)
    yield from _secret_files(stack)
    yield from _secrets(source, stack, plan)
    yield from _scheduled(source, stack, title)


def without_image(found: Sequence[tuple[str, Location | None]], source: Source, stack: Stack) -> Iterator[Problem]:
    """Of what has none to run in, as it is called and where it stands: told once, for one line mends it."""
    if found:
        names = [name for name, _ in found]
        more = f" and {len(names) - _NAMED} more" if names[_NAMED:] else ""
        has = "has" if len(names) == 1 else "have"
        yield Problem(
            stack.backend,
            f"{', '.join(names[:_NAMED])}{more} {has} no image to run in",
            found[0][1],
            f"say in pipeglot.yaml: `{stack.name}: {{…, image: …}}`; or of a step, `@step(image=…)`. To build one, "
            f"`pipeglot worker dockerfile {source.target or 'TARGET'} --stack {stack.name}` writes the Dockerfile",
        )


def _reserved(source: Source, stack: Stack) -> Iterator[Problem]:
    for param in source.pipeline.params:
        if param.name == RESERVED:
            at = source.locations.get(PARAM + param.name)
            told = f"parameter `{RESERVED}` has the name that pipeglot's own wishes travel by"
            yield Problem(stack.backend, told, at, "give it another name")


def _store(stack: Stack) -> Iterator[Problem]:
    if "://" in stack.store or "${" in stack.store or stack.store.startswith("/"):
        return
    yield Problem(
        stack.backend,
        f"stack `{stack.name}` keeps its store in `{stack.store}`, which lies in the project, where no task finds it",
        None,
        "name a bucket (`s3://…`, `gs://…`, `az://…`), or a folder by its full path that all workers see",
    )


def _secret_files(stack: Stack) -> Iterator[Problem]:
    for name, where in stack.secrets.items():
        kind, _, place = where.partition(":")
        if kind == "file" and not place.startswith(("/", "~")):
            yield Problem(
                stack.backend,
                f"stack `{stack.name}` has secret `{name}` in the project, as `{place}`, where no task finds it",
                None,
                "name a file by its full path on the workers, or a variable of theirs: `env:NAME`",
            )


def _secrets(source: Source, stack: Stack, plan: Plan) -> Iterator[Problem]:
    for step in plan.steps():
        for name in step.secrets:
            if name not in stack.secrets:
                yield Problem(
                    "secret",
                    f"`{step.id}` asks for secret `{name}`, which stack `{stack.name}` does not map",
                    source.locations.get(step.id),
                    f'say in pipeglot.yaml where it is: `{stack.name}: {{…, secrets: {{{name}: "env:{name}"}}}}`',
                )


def _scheduled(source: Source, stack: Stack, title: str) -> Iterator[Problem]:
    """Nobody tells a scheduled run its parameters."""
    for param in source.pipeline.params if source.pipeline.schedule else ():
        if param.default is UNSET and not param.logical_date:
            yield Problem(
                stack.backend,
                f"parameter `{param.name}` has no default, and {title} starts scheduled runs without being told",
                source.locations.get(PARAM + param.name),
                "give it a default, or take the schedule out",
            )
