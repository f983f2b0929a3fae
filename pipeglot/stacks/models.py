"""What `pipeglot.yaml` says, as data: one model for each backend's stacks, and for the whole file."""

from __future__ import annotations

from typing import ClassVar, Literal

from msgspec import Struct


class Stack(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="backend"):
    """What every stack says.

    store: the folder of artifacts and records, or a bucket (`s3://…`, `gs://…`, `az://…`); a relative folder lies in
        the project. `${VARIABLE}` is read from the environment when the store is opened.
    trusted: whether pickles may be read from it. If not said, only a folder of this user's own, mode 0700, is trusted.
    durable: whether every record is on the disk, and not only handed to the system, before a step counts as done.
    strict: whether a request that the backend takes as advice only (such as `Resources`) is an error.
    secrets: for each secret of `@step(secrets=[…])` where its value is, as `env:VARIABLE` or `file:PATH`; never the
        value.
    """

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
    """Steps run on this machine, in processes of their own.

    pools: for each pool of `@step(pool="…")` how many of its steps run at the same time.
    max_parallel: how many steps run at the same time; if not said, one for each core.
    """

    pools: dict[str, int] = {}
    max_parallel: int | None = None


BACKENDS: dict[str, type[LocalStack]] = {"local": LocalStack}
"""Every backend and the model of its stacks."""


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A whole `pipeglot.yaml`. Without such a file, there is one stack, named `local`.

    stacks: the places where pipelines run, by name. Each says its `backend`.
    name: of the project, for people.
    include: patterns of files, beside the Python ones, that belong to the project's code.
    """

    stacks: dict[str, LocalStack]
    name: str | None = None
    include: tuple[str, ...] = ()
    origin: Literal["file", "none"] = "file"


IMPLICIT = Config(stacks={"local": LocalStack(name="local")}, origin="none")
"""What holds where there is no `pipeglot.yaml`."""
