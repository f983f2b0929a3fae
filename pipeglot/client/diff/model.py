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
    """One place of nested data that differs.

    path: where it is, as `model.layers[3]`; empty for the whole. In a replay's environment, `python` or a package.
    before: the value in the first run; null too where it has none. Something large is cut, or told by type and length.
    after: the same of the second run.
    absolute: of numbers, `after - before`; null if they are not finite, or differ in their type only.
    relative: `absolute` by the size of `before`: 0.1 is a tenth more; null too if `before` is 0.
    note: what before and after cannot say, as JSON has neither tuples nor dates nor NaN: two types, `it is new`,
        `it is gone`, `length` (the values are those of two lists).
    """

    path: str = ""
    before: Any = None
    after: Any = None
    absolute: float | None = None
    relative: float | None = None
    note: str = ""


class PlainDiff(Struct, frozen=True, kw_only=True, tag_field="kind", tag="plain"):
    """Plain data: numbers, texts, lists, dicts, and objects by their fields.

    changes: the first 100 places that differ.
    count: how many places differ.
    more: whether the count was given up, at 10,000.
    """

    changes: tuple[Change, ...]
    count: int
    more: bool = False


class ColumnDiff(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A column of both tables whose cells or type differ.

    name: of the column; a second one of that name is `NAME (2)`.
    before: its type in the first run.
    after: its type in the second run.
    cells: in how many of the rows that were compared its cells differ.
    absolute: the largest distance of two numbers in it; null if there is none.
    relative: the largest distance as a share of the number before, without its sign; null if there is none.
    note: how many values are missing on one side only.
    """

    name: str
    before: str
    after: str
    cells: int = 0
    absolute: float | None = None
    relative: float | None = None
    note: str = ""


class CellChange(Struct, frozen=True, kw_only=True):
    """A cell of a table that differs.

    row: its label in the index, or its position from 0, as `by` of the table says.
    column: the name of its column.
    before: the value in the first run as Python shows it, cut after 60 characters, or `missing`.
    after: the same of the second run.
    """

    row: str
    column: str
    before: str
    after: str


class TableDiff(Struct, frozen=True, kw_only=True, tag_field="kind", tag="table"):
    """Two tables.

    before: the numbers of rows and of columns in the first run.
    after: the same of the second run.
    by: how rows were put side by side: `index` (rows of the same label) or `position`.
    compared: how many rows both have.
    rows: in how many of those some cell differs.
    only_before: how many rows only the first run has.
    only_after: how many rows only the second run has.
    added: the columns that only the second run has.
    removed: the columns that only the first run has.
    reordered: whether the columns that both have stand in another order.
    columns: the columns that both have, and whose cells or types differ.
    examples: cells that differ: those of the first 5 such rows, 12 at most.
    notes: what differs of the tables as a whole, as the names of the index.
    """

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
    """Two arrays. Where the shapes differ, or items have fields of their own, the items are not compared.

    before: type and shape in the first run, as `float64 3×4`.
    after: the same of the second run.
    size: how many items were compared.
    differing: how many of those differ.
    absolute: the largest distance of two numbers; null if there is none.
    relative: the largest distance as a share of the number before, without its sign; null if there is none.
    examples: the first 3 items that differ; `path` is the position.
    """

    before: str
    after: str
    size: int = 0
    differing: int = 0
    absolute: float | None = None
    relative: float | None = None
    examples: tuple[Change, ...] = ()


class TextDiff(Struct, frozen=True, kw_only=True, tag_field="kind", tag="text"):
    """Two texts.

    lines: the first 20 lines of a unified diff, each cut after 300 characters.
    left_out: how many lines it has beside those.
    """

    lines: tuple[str, ...]
    left_out: int = 0


class FileChange(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file, or something in a folder, that differs.

    path: where in the folder; empty for what is a file itself.
    before: its size in bytes in the first run; null if it was not there.
    after: its size in bytes in the second run; null if it is not there.
    note: what it is if not a file, or what of it differs beside the bytes: suffix, kind, or where a link leads.
    """

    path: str
    before: int | None = None
    after: int | None = None
    note: str = ""


class FilesDiff(Struct, frozen=True, kw_only=True, tag_field="kind", tag="files"):
    """Two files, byte strings or folders whose bytes differ.

    changes: the first 100 that differ, by path; of two files, the one change.
    count: how many files differ.
    """

    changes: tuple[FileChange, ...]
    count: int


class ItemDiff(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of several values that differs.

    diff: how.
    index: its position from 0 in a list; null for an output, or a part of an object.
    name: the output, or the path in the object (`all else` is what is not saved apart); empty in a list.
    """

    diff: ValueDiff
    index: int | None = None
    name: str = ""


class ItemsDiff(Struct, frozen=True, kw_only=True, tag_field="kind", tag="items"):
    """Two lists of values, compared item by item as far as both go; or all that two steps returned, or two objects.

    before: how many items there are in the first run.
    after: how many there are in the second run.
    items: the first 100 that differ, of those that both have.
    count: how many of those that both have differ.
    of: what the items are: values of a list, outputs of a step, or parts of an object.
    """

    before: int
    after: int
    items: tuple[ItemDiff, ...]
    count: int
    of: Literal["values", "outputs", "parts"] = "values"


class KindDiff(Struct, frozen=True, kw_only=True, tag_field="kind", tag="kinds"):
    """Values of two kinds, which have nothing to compare.

    before: what it is in the first run: a class, or words such as `a folder`.
    after: what it is in the second run.
    """

    before: str
    after: str


class Uncompared(Struct, frozen=True, kw_only=True, tag_field="kind", tag="uncompared"):
    """They differ, or nobody can tell.

    what: what is known, such as `it is new`, or what could not be compared.
    why: why nothing more is known; empty if there is nothing more to know.
    """

    what: str
    why: str


class Upstream(Struct, frozen=True, kw_only=True, tag_field="kind", tag="upstream"):
    """An input that is another step's output, which differs: the difference stands there.

    step: the other step.
    output: which output of it; null for all that it returned.
    """

    step: str
    output: str | None = None


ValueDiff: TypeAlias = (
    PlainDiff | TableDiff | ArrayDiff | TextDiff | FilesDiff | ItemsDiff | KindDiff | Uncompared | Upstream
)


# --- of runs ----------------------------------------------------------------------------------------------------------


class Side(Struct, frozen=True, kw_only=True):
    """One of the two runs.

    run_id: its id.
    pipeline: the pipeline's name.
    stack: where it ran, as `pipeglot.yaml` names it.
    status: `running`, `succeeded`, `failed`, `cancelled` or `lost`.
    created: when it began: UTC, in ISO 8601.
    """

    run_id: str
    pipeline: str
    stack: str
    status: str
    created: str


class CodeDiff(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Code that differs: which functions, classes and constants, as `module:name`.

    steps: the steps whose code reaches it.
    changed: what both have, in two versions.
    added: what only the later code has.
    removed: what only the earlier code has.
    note: stands for these three where a run does not know what its code was made of.
    """

    steps: tuple[str, ...]
    changed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    note: str = ""


class NamedDiff(Struct, frozen=True, kw_only=True):
    """An input or an output that differs.

    name: of the input or output; empty if no input could be read.
    diff: how it differs.
    source: where an input comes from in the second run, in words; empty for an output, and if
        one run has no such input.
    """

    name: str
    diff: ValueDiff
    source: str = ""


class StateDiff(Struct, frozen=True, kw_only=True):
    """What became of an execution, where that is not the same.

    before: its status in the first run, and of a failure what was raised: `failed (ValueError: …)`. Of a step that has
        no execution in common: how many did what, as `3 succeeded, 1 failed`, or `not there`.
    after: the same of the second run.
    """

    before: str
    after: str


class CellDiff(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One execution, and all of it that is not the same.

    index: the position in each enclosing map; empty outside maps, and where the runs have no execution in common.
    state: what became of it; null if that is the same.
    inputs: those that differ.
    outputs: those that differ, if both succeeded.
    metrics: what `log_metrics` recorded, where it differs.
    """

    index: tuple[int, ...]
    state: StateDiff | None = None
    inputs: tuple[NamedDiff, ...] = ()
    outputs: tuple[NamedDiff, ...] = ()
    metrics: tuple[Change, ...] = ()


class StepDiff(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A step of which something differs.

    step: its name.
    before: how many executions it had in the first run; skipped ones count.
    after: how many it had in the second run.
    settings: what it declares and results depend on, where it differs: `version`, `env`, `packages`, `secrets`.
    cells: the executions that both runs have, where they differ; if they have none in common, one for the whole step.
    """

    step: str
    before: int
    after: int
    settings: tuple[Change, ...] = ()
    cells: tuple[CellDiff, ...] = ()


class RunDiff(Struct, frozen=True, kw_only=True):
    """All that differs between two runs.

    before: the run that was named first.
    after: the run that was named second.
    equal: whether nothing differs; runs of two pipelines are never equal.
    notes: what a reader should know, as that one of them is not finished.
    params: the parameters that differ; no tolerance counts here.
    code: one for each set of functions, classes and constants that differ together.
    steps: the steps of which anything but the code differs, in the order of the pipeline.
    same_steps: how many steps both have and differ in nothing, the code included.
    ignored: what `--ignore` named, which was not compared.
    """

    before: Side
    after: Side
    equal: bool
    notes: tuple[str, ...] = ()
    params: tuple[Change, ...] = ()
    code: tuple[CodeDiff, ...] = ()
    steps: tuple[StepDiff, ...] = ()
    same_steps: int = 0
    ignored: tuple[str, ...] = ()
