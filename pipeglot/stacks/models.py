"""What `pipeglot.yaml` says, as data: the local stack, and the whole file. Other backends bring their own models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import msgspec
from msgspec import Struct

from pipeglot.core.errors import Problem, Unsupported
from pipeglot.core.stack import COMMON, NAME_PATTERN, Setting, Stack, bad_names


def _bad_pools(value: Mapping[str, int]) -> str:
    small = next(
        (f"`{name[:60]}` has the size {size}, and 1 is the least" for name, size in value.items() if size < 1), ""
    )
    return small or bad_names(value)


class LocalStack(Stack, frozen=True, kw_only=True, tag="local"):
    """Steps run on this machine, in processes of their own.

    pools: for each pool of `@step(pool="…")` how many of its steps run at the same time.
    max_parallel: how many steps run at the same time; if not said, one for each core.
    """

    pools: dict[str, int] = msgspec.field(default_factory=dict)
    max_parallel: int | None = None

    settings: ClassVar[Mapping[str, Setting]] = {
        **COMMON,
        "pools": Setting(
            "a mapping of names to sizes, as `gpu: 1`",
            dict[str, int],
            "How many steps of a pool may run at once, as `gpu: 1`.",
            _bad_pools,
            {
                "propertyNames": {"pattern": NAME_PATTERN},
                "additionalProperties": {"type": "integer", "minimum": 1},
            },
        ),
        "max_parallel": Setting(
            "a whole number",
            int,
            "How many steps may run at once. Left out: one for each core.",
            lambda value: "1 is the least" if value < 1 else "",
            {"minimum": 1},
        ),
    }


def not_here(stack: Stack) -> Unsupported:
    """The error for a stack whose pipelines cannot be run from here."""
    message = f"stack `{stack.name}` is one of backend `{stack.backend}`, and runs are not started there from here"
    hint = "`pipeglot deploy TARGET` brings it there; with a local stack it runs here"
    return Unsupported([Problem("not-here", message, None, hint)])


def backends() -> list[str]:
    """The names of all backends."""
    from pipeglot.compilers.registry import names

    return ["local", *names()]


def stack_type(backend: str) -> type[Stack]:
    """The model of a backend's stacks. Raises `NotFound`."""
    if backend == "local":
        return LocalStack
    from pipeglot.compilers.registry import compiler

    return compiler(backend).stack_type


class Config(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A whole `pipeglot.yaml`. Without such a file, there is one stack, named `local`.

    stacks: the places where pipelines run, by name. Each says its `backend`.
    name: of the project, for people.
    include: patterns of files, beside the Python ones, that belong to the project's code.
    """

    stacks: dict[str, Stack]
    name: str | None = None
    include: tuple[str, ...] = ()
    origin: Literal["file", "none"] = "file"


class _Plain(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same, with stacks as they are written: which model each has, only its backend tells."""

    stacks: dict[str, dict[str, Any]]
    name: str | None = None
    include: tuple[str, ...] = ()
    origin: Literal["file", "none"] = "file"


def decode_config(body: bytes) -> Config:
    """From JSON. Raises `msgspec.DecodeError`, `NotFound`."""
    return _read(msgspec.json.decode(body, type=_Plain))


def convert_config(tree: dict[str, Any]) -> Config:
    """From what a checked file holds."""
    return _read(msgspec.convert(tree, _Plain))


def _read(found: _Plain) -> Config:
    stacks = {name: msgspec.convert(one, stack_type(one.get("backend", ""))) for name, one in found.stacks.items()}
    return Config(stacks=stacks, name=found.name, include=found.include, origin=found.origin)


IMPLICIT = Config(stacks={"local": LocalStack(name="local")}, origin="none")
"""What holds where there is no `pipeglot.yaml`."""
