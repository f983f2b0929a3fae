"""What commands tell programs: the objects that `--json` prints, beside those of runs (`core.lineage.view`).

Fields are added in later versions, and never taken away or given another meaning.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from msgspec import Struct

from pipeglot.core.lineage.records import Failure


class Made(Struct, frozen=True, kw_only=True):
    """A new project: its folder, and the files that were made in it."""

    root: str
    files: tuple[str, ...]


class ProblemView(Struct, frozen=True, kw_only=True):
    """One thing that is wrong, or worth a note: its code, what it is, where (None if nowhere), and the way out."""

    code: str
    message: str
    file: str | None
    line: int | None
    hint: str


class ErrorView(Struct, frozen=True, kw_only=True):
    """Why a command failed. `problems` has each one where there may be several; `message` holds them all as text."""

    code: str
    message: str
    hint: str
    exit_code: int
    problems: tuple[ProblemView, ...]


class ErrorReport(Struct, frozen=True, kw_only=True):
    """What any command prints under `--json` if it fails, in place of its result."""

    error: ErrorView


class Checked(Struct, frozen=True, kw_only=True):
    """A pipeline with which nothing is wrong, and the stacks that can run it."""

    pipeline: str
    steps: int
    params: tuple[str, ...]
    stacks: tuple[str, ...]
    notes: tuple[ProblemView, ...]


class CompiledFile(Struct, frozen=True, kw_only=True):
    """A file of a compiled pipeline, and what was found or done: `--check` writes nothing."""

    path: str
    state: Literal["written", "up to date", "out of date", "missing"]


class Compiled(Struct, frozen=True, kw_only=True):
    """A compiled pipeline: its files, or without `--out` the IR itself."""

    pipeline: str
    files: tuple[CompiledFile, ...]
    ir: Any = None


class StackView(Struct, frozen=True, kw_only=True):
    """A stack with its defaults. Secrets are names and places, never values; `${VARIABLE}` stays as it is written.

    `file` is the `pipeglot.yaml` that it stands in, None if there is no such file.
    """

    name: str
    backend: str
    active: bool
    store: str
    trusted: bool | None
    durable: bool
    strict: bool
    secrets: dict[str, str]
    pools: dict[str, int]
    max_parallel: int | None
    file: str | None


class AttemptLog(Struct, frozen=True, kw_only=True):
    """What one attempt of an execution printed, and why it failed if it did."""

    step: str
    index: tuple[int, ...]
    attempt: int
    text: str
    failure: Failure | None


class Maker(Struct, frozen=True, kw_only=True):
    """The execution that computed a result which this one reused."""

    run: str
    step: str
    index: tuple[int, ...]


class ArtifactView(Struct, frozen=True, kw_only=True):
    """A saved output of an execution.

    value: hash of the logical value: its identity in lineage.
    blob: hash of the stored bytes.
    opaque: it has no canonical form (a pickle), so `value` is made from its code and inputs.
    length: the number of items of a list.
    needs: the packages, by version, that a pickle was made with.
    origin: whose result was reused; None if it was computed here.
    """

    id: str
    run_id: str
    step: str
    index: tuple[int, ...]
    output: str
    codec: str
    size: int
    value: str
    blob: str
    opaque: bool
    length: int | None
    needs: dict[str, str]
    origin: Maker | None


class ArtifactDetails(ArtifactView, frozen=True, kw_only=True):
    """The same of one artifact, and whether its bytes are still in the store."""

    exists: bool


class ArtifactValue(Struct, frozen=True, kw_only=True):
    """The value of an artifact: plain data itself, or with `-o` the file that it was written to."""

    id: str
    codec: str
    value: Any = None
    file: str | None = None


class Completion(Struct, frozen=True, kw_only=True):
    """The script that makes a shell complete what is typed after `pipeglot`."""

    shell: Literal["bash", "zsh", "fish"]
    script: str


class ErrorPage(Struct, frozen=True, kw_only=True):
    """What is known of an error's code: the page of it as text."""

    code: str
    title: str
    text: str


Schema: TypeAlias = dict[str, Any]
"""A JSON schema, in the draft that its `$schema` names."""

Stacks: TypeAlias = list[StackView]
Logs: TypeAlias = list[AttemptLog]
ArtifactList: TypeAlias = list[ArtifactView]
