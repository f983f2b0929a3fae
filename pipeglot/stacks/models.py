"""What `pipeglot.yaml` says, as data: one model for each backend's stacks, and for the whole file."""

from __future__ import annotations

from typing import ClassVar, Literal

from msgspec import Struct


class Stack(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="backend"):
    """What every stack says. `trusted` None: only a folder of this user's own, mode 0700, is trusted."""

    name: str
    store: str = ".pipeglot/store"
    trusted: bool | None = None
    durable: bool = False
    strict: bool = False
    secrets: dict[str, str] = {}

    secret_kinds: ClassVar[tuple[str, ...]] = ("env", "file")

    @property
    def backend(self) -> str:
        return str(self.__struct_config__.tag)


class LocalStack(Stack, frozen=True, kw_only=True, tag="local"):
    """Steps run on this machine. `max_parallel` None: one for each core."""

    pools: dict[str, int] = {}
    max_parallel: int | None = None


BACKENDS: dict[str, type[LocalStack]] = {"local": LocalStack}
"""Every backend and the model of its stacks."""


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A whole `pipeglot.yaml`. Without such a file: one stack, named `local`."""

    stacks: dict[str, LocalStack]
    name: str | None = None
    include: tuple[str, ...] = ()
    origin: Literal["file", "none"] = "file"


IMPLICIT = Config(stacks={"local": LocalStack(name="local")}, origin="none")
"""What holds where there is no `pipeglot.yaml`."""
