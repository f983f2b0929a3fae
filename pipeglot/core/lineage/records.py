"""What the ledger's records say. Each is written once, under a key of its own (see `keys`), and never changed.

A reader passes over fields that it does not know (a later pipeglot may add some); an unknown kind or a newer format it
refuses (see `ledger`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

Count: TypeAlias = Annotated[int, Meta(ge=0, le=(1 << 62))]
Place: TypeAlias = tuple[Annotated[int, Meta(ge=0, le=(1 << 31))], ...]
"""The position in each enclosing map. Whoever forges a record may not make a reader count without end."""

Hashes: TypeAlias = str | list[Any] | dict[str, Any]
"""The identity of an argument: one hash; a short list of such, in item order (a long one is one hash of its hashes);
or, for all outputs of a step, one by name."""


class Look(NamedTuple):
    """What the shape of a run depends on in the items of a list: their lengths (a map steps through each), their
    values (a condition compares them), and the same of the items' own items."""

    lengths: bool = False
    values: bool = False
    items: Look | None = None


class Outline(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a record tells of the items of a stored list, so that nobody has to read the list to know a run's shape.

    Each part is in item order, and is there only if a pipeline asks for it (see `Look`).

    lengths: how many items each item has; null for one that is no list.
    values: the tagged JSON of each plain and small item, wrapped in a list of one; null for others.
    items: the outline of each item; null for one that is no list.
    """

    lengths: list[Count | None] | None = None
    values: list[tuple[Any] | None] | None = None
    items: list[Outline | None] | None = None


class Ref(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A reference to a saved value; all that ever travels between steps.

    value: sha256 of the canonical logical value: its identity in lineage. Of an opaque value (one that has no canonical
        form, such as a pickle) it is made from the code, the inputs and the output's name instead.
    blob: sha256 of the stored bytes (also when they stand inline).
    size: of the stored bytes.
    codec: how they are to be read, as `name/version`.
    week: the ISO week of the blob's key, and of those of its parts; empty for an inline value without parts.
    inline: small bytes: of codec `json/1` the JSON itself, of others base64 text.
    length: how many items a list or tuple has, so that a map can expand without reading it.
    outline: of a stored list, what the shape of this run depends on in its items.
    opaque: whether it has no canonical form.
    needs: of an opaque value, the distributions (and `python`) it was made with, by version.
    meta: what the codec must know beside the bytes, such as a file's suffix.
    """

    value: str
    blob: str
    size: Count
    codec: str
    week: str = ""
    inline: Any | UnsetType = UNSET
    length: Count | None = None
    outline: Outline | None = None
    opaque: bool = False
    needs: dict[str, str] = {}
    meta: dict[str, Any] = {}

    @property
    def key_hash(self) -> str:
        """The identity that cache keys use: bytes where the logical value has no hash of its own."""
        return self.blob if self.opaque else self.value


class Record(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    """A record of the ledger. It names its own run (and cell), so that one put under another's key is noticed."""

    run: str


class Asked(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a person asked for a run, so that it can be asked for again when it is resumed.

    target: as seen from the project's root; empty if the pipeline came from Python. cache: False for `--no-cache`.
    anew, until: the steps of `--from` and `--until`.
    """

    target: str = ""
    cache: bool = True
    anew: tuple[str, ...] = ()
    until: tuple[str, ...] = ()
    inline: bool = False


class Start(Record, frozen=True, kw_only=True, tag="start"):
    """What a run is: decided once, by whoever puts it first.

    `artifacts` holds, for each parameter that names an artifact, what it was resolved to: `params` has its id, the
    lineage digest its value's hash, for an id differs from store to store. `tags` are the user's, by `--tag K=V`.
    """

    pipeline: str
    stack: str
    backend: str
    ir: str
    params: dict[str, Any]
    created: str
    logical_date: str
    bundle: str | None = None
    resumes: str | None = None
    artifacts: dict[str, Ref] = {}
    tags: dict[str, str] = {}
    asked: Asked | None = None
    engine: dict[str, str] = {}


class Origin(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The execution that computed a result which others reuse.

    run: the id of its run.
    step: the step's name.
    index: the position in each enclosing map; empty outside maps.
    """

    run: str
    step: str
    index: Place = ()


class Failure(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why an attempt failed.

    cause: what went wrong. `raised`: the user's function raised. `timeout`: it ran too long. `died`: its process ended.
        `import`: its code cannot be imported. `input`: one cannot be read. `output`: one cannot be stored.
        `condition`: a branch's has no answer. `map`: it has no list to step through.
    type: the exception's class, without its module; `StepTimeout` and `WorkerDied` are ours.
    message: what it says; cut in the middle if it is very long.
    traceback: as Python prints it, from the user's code on; empty if pipeglot itself tells what is wrong.
    hint: the way out; empty if there is none to name.
    permanent: whether to try again is of no use, so that there is no retry.
    """

    cause: Literal["raised", "timeout", "died", "input", "output", "import", "condition", "map"]
    type: str
    message: str
    traceback: str = ""
    hint: str = ""
    permanent: bool = False


class Portable(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The part that is equal on every backend, and is hashed into the lineage digest."""

    code: str
    inputs: dict[str, Hashes] = {}
    outputs: dict[str, str] = {}


class Observed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The part that only tells: never hashed. `started` is UTC in ISO 8601; `seconds` are the user's function's own;
    `why` tells why the cache had nothing to offer, `cached` whose results were taken; `metrics` are in the form of
    `core.plain`, for JSON has no NaN. `attempt` is 0 for a cell that was cancelled before it ran. `packages` are those
    that the project's code uses, by version. `reopened`: of a clean-up step or a hook, how many slots had been opened
    again among what was before it: over more of them it runs again.
    """

    backend: str
    attempt: Count = 1
    started: str = ""
    seconds: float = 0.0
    host: str = ""
    pid: Count = 0
    python: str = ""
    refs: dict[str, Ref] = {}
    key: str = ""
    cached: Origin | None = None
    metrics: dict[str, Any] = {}
    why: str = ""
    log: Ref | None = None
    failure: Failure | None = None
    engine: dict[str, str] = {}
    packages: dict[str, str] = {}
    reopened: Count = 0


class Verdict(Record, frozen=True, kw_only=True, tag="verdict"):
    """The end of a slot of a cell; the first one put under its key is the only one."""

    step: str
    index: Place
    slot: Count = 1
    status: Literal["succeeded", "failed", "cancelled", "lost"]
    portable: Portable
    observed: Observed


class Attempt(Record, frozen=True, kw_only=True, tag="attempt"):
    """A failed attempt that will be tried again."""

    step: str
    index: Place
    slot: Count = 1
    observed: Observed


class Reopened(Record, frozen=True, kw_only=True, tag="reopened"):
    """A slot after the first was opened: somebody has the engine try a step again that had failed for good. `attempt`
    is the engine's number of the first try in it."""

    step: str
    index: Place
    slot: Count
    attempt: Count
    at: str


class CheckpointRecord(Record, frozen=True, kw_only=True, tag="checkpoint"):
    """What a step has saved of itself by `checkpoint()`: a folder. The record with the highest number counts; `key`
    tells of which code and inputs it is. `attempt` is 0 for what was taken from the run that this one resumes."""

    step: str
    index: Place
    number: Count
    key: str
    attempt: Count
    at: str
    ref: Ref


class Beat(Record, frozen=True, kw_only=True, tag="beat"):
    """A step that has been going on for a while still does. `at` is UTC in ISO 8601; the next beat comes in `next`
    seconds, if there is no verdict by then. `tail`: the last lines that it printed."""

    step: str
    index: tuple[int, ...]
    slot: int = 1
    nonce: str
    number: int
    at: str
    next: float
    attempt: int = 1
    host: str = ""
    tail: str = ""


class CacheEntry(Record, frozen=True, kw_only=True, tag="cache"):
    """Results under the key of what they were computed from; `run` and `origin` say by whom, `computed` when (UTC)."""

    key: str
    origin: Origin
    computed: str
    refs: dict[str, Ref]
    metrics: dict[str, Any] = {}


class Cancel(Record, frozen=True, kw_only=True, tag="cancel"):
    """Somebody asked the run to stop."""

    at: str
    by: str = ""


class End(Record, frozen=True, kw_only=True, tag="end"):
    """A run that can change no more (unless a slot is reopened, which makes the next number)."""

    number: Count
    status: Literal["succeeded", "failed", "cancelled", "lost"]
    finished: str
    digest: str | None
    slots: dict[str, Count] = {}


class Gone(Record, frozen=True, kw_only=True, tag="gone"):
    """The run was pruned: all of it but this and its `start` is removed, or will be. `status`: what became of it."""

    at: str
    status: str = ""


class Deployment(Record, frozen=True, kw_only=True, tag="deployment"):
    """A pipeline was brought to where it runs; `run` is empty. `ir`, `bundle`: what its tasks ask the store for."""

    stack: str
    pipeline: str
    ir: str
    at: str
    bundle: str = ""


class GcPass(Record, frozen=True, kw_only=True, tag="gc"):
    """What a pass of `store gc` found to be referred to by nothing; `run` is empty.

    marked: when it looked, in seconds since 1970 by the clock of the store. dead: by week, and by the time since when
    no pass has found a reference (as `marked`), the hashes of blobs.
    """

    marked: float
    dead: dict[str, dict[str, list[str]]] = {}


AnyRecord: TypeAlias = (
    Start
    | Verdict
    | Attempt
    | Reopened
    | CheckpointRecord
    | Beat
    | CacheEntry
    | Cancel
    | End
    | Gone
    | Deployment
    | GcPass
)
