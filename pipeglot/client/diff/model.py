"""A difference as data: what `runs diff --json` prints, and what its text is written from."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

from msgspec import Struct


class Tolerance(NamedTuple):
    """Numbers are equal if `|a - b| <= absolute + relative * max(|a|, |b|)`; with none, if they are the same."""

    relative: float = 0.0
    absolute: float = 0.0

    def __bool__(self) -> bool:
        return self.relative > 0 or self.absolute > 0


# --- of values --------------------------------------------------------------------------------------------------------


class Change(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One place of nested data. `path` is empty for the whole; of numbers, how far they are apart.

    `note` says what before and after cannot, as JSON has neither tuples nor dates nor NaN.
    """

    path: str = ""
    before: Any = None
    after: Any = None
    absolute: float | None = None
    relative: float | None = None
    note: str = ""


class PlainDiff(Struct, frozen=True, kw_only=True, tag_field="kind", tag="plain"):
    """Plain data: the first changes, and how many there are in all (`more` were not looked at, if it is true)."""

    changes: tuple[Change, ...]
    count: int
    more: bool = False


class ColumnDiff(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A column of both tables: its types, and in how many of the rows that were compared its cells differ."""

    name: str
    before: str
    after: str
    cells: int = 0
    absolute: float | None = None
    relative: float | None = None
    note: str = ""


class CellChange(Struct, frozen=True, kw_only=True):
    """A cell of a table. `row` is its label in the index, or its position."""

    row: str
    column: str
    before: str
    after: str


class TableDiff(Struct, frozen=True, kw_only=True, tag_field="kind", tag="table"):
    """Two tables. `by` says how their rows were put side by side; `rows` of the `compared` ones differ somewhere."""

    before: tuple[int, int]
    after: tuple[int, int]
    by: str
    compared: int
    rows: int
    only_before: int = 0
    only_after: int = 0
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    reordered: bool = False
    columns: tuple[ColumnDiff, ...] = ()
    examples: tuple[CellChange, ...] = ()
    notes: tuple[str, ...] = ()


class ArrayDiff(Struct, frozen=True, kw_only=True, tag_field="kind", tag="array"):
    """Two arrays. Where the shapes differ, the items are not compared."""

    before: str
    after: str
    size: int = 0
    differing: int = 0
    absolute: float | None = None
    relative: float | None = None
    examples: tuple[Change, ...] = ()


class TextDiff(Struct, frozen=True, kw_only=True, tag_field="kind", tag="text"):
    """Two texts: a unified diff, the first lines of it, and how many lines it leaves out."""

    lines: tuple[str, ...]
    left_out: int = 0


class FileChange(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something in a folder: its size before and after, None where it is not there."""

    path: str
    before: int | None = None
    after: int | None = None
    note: str = ""


class FilesDiff(Struct, frozen=True, kw_only=True, tag_field="kind", tag="files"):
    """Two files (then `path` is empty) or folders whose bytes differ; `count` of their files do."""

    changes: tuple[FileChange, ...]
    count: int


class ItemDiff(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One item of a list of values, or by `name` an output of a step, or what stands at a path in an object."""

    diff: ValueDiff
    index: int | None = None
    name: str = ""


class ItemsDiff(Struct, frozen=True, kw_only=True, tag_field="kind", tag="items"):
    """Two lists of values, compared item by item as far as both go; or all that two steps returned, or two objects.

    `of` says what the items are.
    """

    before: int
    after: int
    items: tuple[ItemDiff, ...]
    count: int
    of: Literal["values", "outputs", "parts"] = "values"


class KindDiff(Struct, frozen=True, kw_only=True, tag_field="kind", tag="kinds"):
    """Values of two kinds, which have nothing to compare."""

    before: str
    after: str


class Uncompared(Struct, frozen=True, kw_only=True, tag_field="kind", tag="uncompared"):
    """They differ, or nobody can tell: what they are, and why nothing more is known."""

    what: str
    why: str


class Upstream(Struct, frozen=True, kw_only=True, tag_field="kind", tag="upstream"):
    """An input that is another step's output, which differs: the difference stands there."""

    step: str
    output: str | None = None


ValueDiff: TypeAlias = (
    PlainDiff | TableDiff | ArrayDiff | TextDiff | FilesDiff | ItemsDiff | KindDiff | Uncompared | Upstream
)


# --- of runs ----------------------------------------------------------------------------------------------------------


class Side(Struct, frozen=True, kw_only=True):
    """One of the two runs."""

    run_id: str
    pipeline: str
    stack: str
    status: str
    created: str


class CodeDiff(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Code that differs: which functions, classes and constants, and the steps that reach it.

    `note` stands for them where a run does not know what its code was made of.
    """

    steps: tuple[str, ...]
    changed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    note: str = ""


class NamedDiff(Struct, frozen=True, kw_only=True):
    """An input or an output that differs. `source` says where an input comes from."""

    name: str
    diff: ValueDiff
    source: str = ""


class StateDiff(Struct, frozen=True, kw_only=True):
    """What became of an execution, where that is not the same: a status, and of a failure what was raised."""

    before: str
    after: str


class CellDiff(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One execution: its item's index, and all that is not the same."""

    index: tuple[int, ...]
    state: StateDiff | None = None
    inputs: tuple[NamedDiff, ...] = ()
    outputs: tuple[NamedDiff, ...] = ()
    metrics: tuple[Change, ...] = ()


class StepDiff(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A step of which something differs. `before` and `after` are how many executions it had."""

    step: str
    before: int
    after: int
    settings: tuple[Change, ...] = ()
    cells: tuple[CellDiff, ...] = ()


class RunDiff(Struct, frozen=True, kw_only=True):
    """All that differs between two runs; steps in the order of the pipeline. `same_steps` differ in nothing."""

    before: Side
    after: Side
    equal: bool
    notes: tuple[str, ...] = ()
    params: tuple[Change, ...] = ()
    code: tuple[CodeDiff, ...] = ()
    steps: tuple[StepDiff, ...] = ()
    same_steps: int = 0
    ignored: tuple[str, ...] = ()
