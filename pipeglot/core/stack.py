"""What every stack of `pipeglot.yaml` says, whatever its backend, and how a setting is checked and described."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from msgspec import Struct

from pipeglot.core.secret_places import KINDS

if TYPE_CHECKING:
    from pipeglot.core.ir import Step

IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,499}")
"""The reference of a container image. Engines take braces in it for something to fill in."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
NAME_PATTERN = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
NO_PASSWORD: dict[str, Any] = {
    "not": {
        "anyOf": [
            {"pattern": r"^[A-Za-z][A-Za-z0-9+.-]*://(?!(\$\{[A-Za-z_][A-Za-z0-9_]*\}|:)*@)[^/?#\s]*@"},
            {
                "pattern": r"://.*[?&;]([Pp]assword|[Pp]asswd|[Pp]wd|[Ss]ecret|[Tt]oken|[Aa]pi_?[Kk]ey|"
                r"[Aa]ccess_?[Kk]ey|[Ss]ig)=(?!\$\{)"
            },
        ]
    }
}
"""Of a schema: a URI without credentials in it."""


class Setting(NamedTuple):
    """A setting of a stack.

    words: what its value must be. type: the type of it. doc: what it is for, as an editor shows it.
    against: the reason against a value of the right type, if there is one. schema: what its type does not say.
    """

    words: str
    type: Any
    doc: str
    against: Callable[[Any], str] = lambda _: ""
    schema: Mapping[str, Any] = {}  # nobody changes it


def no_name(value: str) -> str:
    """The reason against a name."""
    return "" if _NAME.fullmatch(value) else "letters, digits, `_`, `.` and `-` make a name"


def bad_names(value: Mapping[str, Any]) -> str:
    """The reason against the keys of a mapping."""
    return next((f"`{name[:60]}`: {why}" for name in value if (why := no_name(name))), "")


def no_image(value: str) -> str:
    """The reason against the reference of an image."""
    return "" if IMAGE.fullmatch(value) else "letters, digits and `._/:@-` make one"


_DATABASE = r"^(\$\{[A-Za-z_][A-Za-z0-9_]*\}|postgres(ql)?://\S*)$"


def _no_database(value: str) -> str:
    """The reason against a database."""
    return "" if re.search(_DATABASE, value) else "it begins with `postgresql://`, or is a variable as a whole"


def a_count(doc: str) -> Setting:
    """A setting that is a whole number from 1 on."""
    return Setting(
        "a whole number, at least 1", int, doc, lambda value: "" if value >= 1 else "it is less than 1", {"minimum": 1}
    )


def a_place(what: str, doc: str) -> Setting:
    """A setting that is a path or a URI."""
    schema = {"pattern": r"\S", **NO_PASSWORD}
    return Setting(what, str, doc, lambda value: "" if value.strip() else "it is empty", schema)


Code = Literal["bundle", "installed", "image"]

CODE = Setting(
    "`bundle`, `installed` or `image`",
    Code,
    "How the project's code comes to where steps run: in a bundle, through the store; or it is there already, "
    "installed or in the image, and has to be what was compiled.",
)
"""Of stacks whose steps run elsewhere."""


COMMON: dict[str, Setting] = {
    "store": a_place(
        "a folder or a bucket",
        "Where results, logs and the record of every run are kept: a folder, from this file, or a bucket: "
        "`s3://…`, `gs://…`, `az://…`.",
    ),
    "trusted": Setting(
        "true or false",
        bool,
        "Whether pickles are read from the store. Left out: only if it is a folder of this user's own.",
    ),
    "durable": Setting(
        "true or false", bool, "Whether a result is on the disk, safe from power loss, before a step counts as done."
    ),
    "strict": Setting(
        "true or false",
        bool,
        "Whether a request that cannot be met exactly (memory, priority) is an error, not a note.",
    ),
    "metadata": Setting(
        "the URI of a PostgreSQL database, as `${PIPEGLOT_METADATA}`",
        str,
        "A PostgreSQL database for an index that all who use the store share, as `${PIPEGLOT_METADATA}`. Left out: "
        "each checkout has an index of its own.",
        _no_database,
        {"pattern": _DATABASE, **NO_PASSWORD},
    ),
    "secrets": Setting(
        "a mapping of names to where each secret is, as `TOKEN: env:TOKEN`",
        dict[str, str],
        "Where the value of each secret is, as `TOKEN: env:MY_TOKEN` or `TOKEN: file:token.txt`.",
    ),
}


class Stack(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="backend"):
    """What every stack says.

    store: the folder of artifacts and records, or a bucket (`s3://…`, `gs://…`, `az://…`); a relative folder lies in
        the project. `${VARIABLE}` is read from the environment when the store is opened.
    trusted: whether pickles may be read from it. If not said, only a folder of this user's own, mode 0700, is trusted.
    durable: whether every record is on the disk, and not only handed to the system, before a step counts as done.
    strict: whether a request that the backend takes as advice only (such as `Resources`) is an error.
    metadata: the URI of a PostgreSQL database with the index of the store, for all who use them. If not said, the
        index is a file of the checkout. `${VARIABLE}` is read from the environment when the index is asked.
    secrets: for each secret of `@step(secrets=[…])` where its value is, as `env:VARIABLE`, `file:PATH` or
        `gcp:projects/PROJECT/secrets/NAME`; never the value.
    """

    name: str
    store: str = ".pipeglot/store"
    trusted: bool | None = None
    durable: bool = False
    strict: bool = False
    metadata: str | None = None
    secrets: dict[str, str] = {}

    files_setting: ClassVar[str] = ""
    """The setting by which a user says where `deploy` puts what an orchestrator reads, if there is one."""
    live_setting: ClassVar[str] = ""
    """The setting without which nobody here can talk to its orchestrator, if there is one to talk to."""
    untold: ClassVar[str] = ""
    """What to do where `deploy` can put files, and has nobody to tell of them."""
    secret_kinds: ClassVar[tuple[str, ...]] = KINDS
    """Where a secret may be, by the words before the colon."""
    settings: ClassVar[Mapping[str, Setting]] = COMMON

    @property
    def is_live(self) -> bool:
        """Whether it says where its orchestrator is, for runs that are started and followed from here."""
        return bool(self.live_setting and getattr(self, self.live_setting))

    def image_of(self, step: Step) -> str | None:  # noqa: ARG002  # of those that have images
        """The container image that a step runs in, "" if nobody names it; None where steps run in no image."""
        return None

    @property
    def backend(self) -> str:
        return str(self.__struct_config__.tag)
