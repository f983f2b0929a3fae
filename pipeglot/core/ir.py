"""The one pipeline spec: frozen nodes, closed unions, and nothing that runs.

A `Pipeline` is data. Authoring traces Python into it, `wire` reads and writes it, compilers and the local runner
read it, and no part of it knows any of them. A node refers only to nodes before it, so it is acyclic by construction.

Values inside it (constants, defaults) are plain data in the tagged form of `core.plain`.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Struct, UnsetType

IR_VERSION = 1
"""The version this pipeglot writes. It reads this one and the two before."""


class Node(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="kind"):
    """What all parts of the IR share: immutable, closed, and short on the wire."""


# --- types of parameters --------------------------------------------------------------------------------------------


class ScalarType(Node, frozen=True, kw_only=True, tag="scalar"):
    """One of the plain types. `any` is a parameter without an annotation: any JSON value."""

    name: Literal["any", "bool", "int", "float", "str", "date", "datetime", "timedelta"]


class EnumType(Node, frozen=True, kw_only=True, tag="enum"):
    """An `enum.Enum`: `ref` is `module:qualname`, `members` maps each name to its (plain) value."""

    ref: str
    members: dict[str, Any]


class LiteralType(Node, frozen=True, kw_only=True, tag="literal"):
    """`Literal[...]`: one of these plain values."""

    values: tuple[Any, ...]


class OptionalType(Node, frozen=True, kw_only=True, tag="optional"):
    """`T | None`."""

    of: ParamType


class ListType(Node, frozen=True, kw_only=True, tag="list"):
    """`list[T]`, or `tuple[T, ...]` where `tuple` is true."""

    of: ParamType
    tuple: bool = False


class TupleType(Node, frozen=True, kw_only=True, tag="tuple"):
    """`tuple[A, B, C]`: one type a place."""

    of: tuple[ParamType, ...]


class DictType(Node, frozen=True, kw_only=True, tag="dict"):
    """`dict[str, T]`."""

    of: ParamType


class FieldType(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A field of a record; one with no default must be given."""

    name: str
    type: ParamType
    required: bool = True


class RecordType(Node, frozen=True, kw_only=True, tag="record"):
    """A dataclass, or a pydantic model (whose fields pydantic itself checks). `ref` is `module:qualname`."""

    ref: str
    style: Literal["dataclass", "pydantic"]
    fields: tuple[FieldType, ...] = ()


class ArtifactType(Node, frozen=True, kw_only=True, tag="artifact"):
    """`Artifact[T]`: an artifact of an earlier run, named by whoever starts this one. `type` is T as written."""

    type: str = ""


ParamType: TypeAlias = (
    ScalarType | EnumType | LiteralType | OptionalType | ListType | TupleType | DictType | RecordType | ArtifactType
)


class Param(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A typed parameter of a pipeline. Without a `default` it must be given, unless it is the run's logical date."""

    name: str
    type: ParamType
    default: Any | UnsetType = UNSET
    logical_date: bool = False


# --- where an argument comes from -----------------------------------------------------------------------------------


class Constant(Node, frozen=True, kw_only=True, tag="constant"):
    """A value written in the pipeline. `type` tells how to rebuild an enum member or a record."""

    value: Any
    type: ParamType | None = None


class ParamRef(Node, frozen=True, kw_only=True, tag="param"):
    """A parameter of the run."""

    name: str


class OutputRef(Node, frozen=True, kw_only=True, tag="output"):
    """An output of an earlier step; `output` None is all that its function returned.

    Seen from outside the maps that the step stands in, it is the list of the items' outputs, in item order.
    """

    step: str
    output: str | None = None


class ItemRef(Node, frozen=True, kw_only=True, tag="item"):
    """The current item of one list of an enclosing map."""

    map: str
    name: str


class ListOf(Node, frozen=True, kw_only=True, tag="list"):
    """A list of other sources."""

    items: tuple[Source, ...]


class OneOf(Node, frozen=True, kw_only=True, tag="one_of"):
    """Whichever of these outputs, of steps in different arms of one branch, came to be."""

    options: tuple[OutputRef, ...]


Source: TypeAlias = Constant | ParamRef | OutputRef | ItemRef | ListOf | OneOf


# --- conditions -----------------------------------------------------------------------------------------------------


class Compare(Node, frozen=True, kw_only=True, tag="compare"):
    """`left op right`, by Python's own comparison."""

    op: Literal["==", "!=", "<", "<=", ">", ">="]
    left: Source
    right: Source


class AllOf(Node, frozen=True, kw_only=True, tag="all_of"):
    """True when every term is."""

    terms: tuple[Condition, ...]


class AnyOf(Node, frozen=True, kw_only=True, tag="any_of"):
    """True when some term is."""

    terms: tuple[Condition, ...]


class Not(Node, frozen=True, kw_only=True, tag="not"):
    """True when the term is not."""

    term: Condition


class IsIn(Node, frozen=True, kw_only=True, tag="is_in"):
    """True when `value` is one of `among`."""

    value: Source
    among: Source


class IsNone(Node, frozen=True, kw_only=True, tag="is_none"):
    """True when `value` is None."""

    value: Source


class Truth(Node, frozen=True, kw_only=True, tag="truth"):
    """The truth of a value, as `bool(value)` says."""

    value: Source


Condition: TypeAlias = Compare | AllOf | AnyOf | Not | IsIn | IsNone | Truth


# --- what a step is, and asks for -----------------------------------------------------------------------------------


class CodeRef(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A step's function, named from the project root, and the digest of all project code that it reaches."""

    module: str
    qualname: str
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.module}:{self.qualname}"


class Retry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """At most `attempts` executions; before attempt k+1 wait `min(max_delay, delay * backoff ** (k - 1))` seconds.

    `jitter` multiplies that by uniform(0.5, 1.5). `on` names the exceptions worth another try (`module.qualname`, or a
    builtin's bare name; subclasses count); empty means any.
    """

    attempts: int
    delay: float = 0.0
    backoff: float = 1.0
    max_delay: float | None = None
    jitter: bool = False
    on: tuple[str, ...] = ()


class Cache(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Whether a step's results may be reused; `version` is part of the key; `expires` counts seconds from computing."""

    enabled: bool = True
    version: str = ""
    expires: float | None = None


class Resources(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A request: cores, bytes of memory, GPUs and their kind. A backend places it as well as it can."""

    cpu: float | None = None
    memory: int | None = None
    gpu: int | None = None
    accelerator: str | None = None


class Output(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A declared output and, for people, its type as written."""

    name: str
    type: str = ""


class Returns(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a step's function returns, and how it falls into outputs.

    `single` has one output, named `output`; `none` has none. A NamedTuple is rebuilt from `ref` (`module:qualname`).
    """

    form: Literal["single", "none", "namedtuple", "typeddict", "tuple"] = "single"
    outputs: tuple[Output, ...] = (Output(name="output"),)
    ref: str = ""


class Step(Node, frozen=True, kw_only=True, tag="step"):
    """One call of a step function. `asset` has the URI of what an output is kept as elsewhere, by output: who waits for
    that is told when the step has succeeded."""

    id: str
    code: CodeRef
    inputs: dict[str, Source] = {}
    returns: Returns = Returns()
    after: tuple[str, ...] = ()
    trigger: Literal["all_success", "all_done"] = "all_success"
    retry: Retry | None = None
    timeout: float | None = None
    cache: Cache = Cache()
    secrets: tuple[str, ...] = ()
    env: dict[str, str] = {}
    pool: str | None = None
    max_parallel: int | None = None
    resources: Resources | None = None
    priority: int = 0
    tags: tuple[str, ...] = ()
    image: str | None = None
    packages: tuple[str, ...] = ()
    asset: dict[str, str] = {}
    doc: str = ""


class Map(Node, frozen=True, kw_only=True, tag="map"):
    """`body`, once for each item of the lists in `over`, which are stepped through together."""

    id: str
    over: dict[str, Source]
    body: tuple[AnyNode, ...]


class Branch(Node, frozen=True, kw_only=True, tag="branch"):
    """`then` or `otherwise`, by a condition; the steps of the other arm are skipped."""

    id: str
    when: Condition
    then: tuple[AnyNode, ...]
    otherwise: tuple[AnyNode, ...] = ()


AnyNode: TypeAlias = Step | Map | Branch


class Schedule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """When a deployed pipeline runs: a cron line or an interval in seconds, in an IANA zone, or whenever all of its
    `assets` are new. Times are ISO 8601."""

    cron: str | None = None
    interval: float | None = None
    assets: tuple[str, ...] = ()
    timezone: str = "UTC"
    start: str | None = None
    end: str | None = None
    catchup: bool = False


class Pipeline(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A whole pipeline. `closures` maps a step's code digest to the digest of each project object that it covers.

    `on_failure` and `on_success` are hooks: steps that take parameters and constants only, run when all else is over,
    and change nothing of the run's outcome, nor of its lineage digest. Those of `on_success` run if the run has
    succeeded, those of `on_failure` in every other case: it failed, was cancelled (once: a second cancel ends them
    too) or lost steps.
    """

    ir_version: int = msgspec.field(default_factory=lambda: IR_VERSION)  # always written: a factory is never omitted
    name: str
    doc: str = ""
    params: tuple[Param, ...] = ()
    nodes: tuple[AnyNode, ...] = ()
    on_failure: tuple[Step, ...] = ()
    on_success: tuple[Step, ...] = ()
    schedule: Schedule | None = None
    max_parallel: int | None = None
    tags: tuple[str, ...] = ()
    closures: dict[str, dict[str, str]] = {}
