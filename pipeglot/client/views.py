"""What commands tell programs: the objects that `--json` prints, beside those of runs (`core.lineage.view`).

Fields are added in later versions, and never taken away or given another meaning.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from msgspec import Struct

from pipeglot.core.lineage.records import Failure


class Made(Struct, frozen=True, kw_only=True):
    """A new project.

    root: the absolute path of its folder.
    files: what was made or added to, as paths in it.
    """

    root: str
    files: tuple[str, ...]


class ProblemView(Struct, frozen=True, kw_only=True):
    """One thing that is wrong, or worth a note.

    code: what kind of problem it is; `pipeglot explain CODE` tells more.
    message: what is wrong.
    file: where; null if that is no place in a file.
    line: the line there, from 1; null if `file` is.
    hint: the way out; empty if there is none to name.
    """

    code: str
    message: str
    file: str | None
    line: int | None
    hint: str


class ErrorView(Struct, frozen=True, kw_only=True):
    """Why a command failed.

    code: what kind of error it is; `pipeglot explain CODE` tells more.
    message: what went wrong; of several problems, all of them as text.
    hint: the way out; empty if there is none to name.
    exit_code: what the command exits with.
    problems: each one, if the error is what is wrong with a pipeline, or what a backend refuses; empty for others.
    """

    code: str
    message: str
    hint: str
    exit_code: int
    problems: tuple[ProblemView, ...]


class ErrorReport(Struct, frozen=True, kw_only=True):
    """What any command prints under `--json` if it fails, in place of its result.

    error: why it failed.
    """

    error: ErrorView


class Checked(Struct, frozen=True, kw_only=True):
    """A pipeline with which nothing is wrong, and the stacks that can run it.

    pipeline: its name.
    steps: how many it has; hooks do not count.
    params: the names of its parameters.
    stacks: the stacks that were asked about, all of which can run it.
    notes: what is worth knowing and no error.
    """

    pipeline: str
    steps: int
    params: tuple[str, ...]
    stacks: tuple[str, ...]
    notes: tuple[ProblemView, ...]


class CompiledFile(Struct, frozen=True, kw_only=True):
    """A file of a compiled pipeline, and what was found or done.

    path: the file, in the folder that `--out` names.
    state: `written`; or with `--check`, which writes nothing, how what is there compares.
    diff: from what is there to what would be written, as `diff -u` has it; of an IR file always empty.
    """

    path: str
    state: Literal["written", "up to date", "out of date", "missing"]
    diff: str = ""


class Compiled(Struct, frozen=True, kw_only=True):
    """A compiled pipeline.

    pipeline: its name.
    files: what `--out` asked for; empty without it.
    ir: the pipeline as data; null with `--out`.
    text: the file that the backend reads; null with `--out` and with `--ir`.
    """

    pipeline: str
    files: tuple[CompiledFile, ...]
    ir: Any = None
    text: str | None = None


class StackView(Struct, frozen=True, kw_only=True):
    """A stack with its defaults. `${VARIABLE}` stays as it is written.

    name: as `pipeglot.yaml` has it.
    backend: what runs its pipelines.
    active: whether commands take it if no `--stack` is given.
    store: the folder of artifacts and records; a relative one lies in the project.
    trusted: whether pickles may be read from the store; null if not said: only from a folder of this
        user's own, mode 0700.
    durable: whether a step counts as done only when its record is on the disk.
    strict: whether a request that the backend takes as advice only is an error.
    metadata: the PostgreSQL database with a shared index; null: a file of the checkout.
    secrets: where the value of each is, as `env:VARIABLE` or `file:PATH`; never the value.
    pools: for each pool, how many of its steps run at the same time.
    max_parallel: how many steps run at the same time; null: one for each core.
    settings: what only stacks of its backend say.
    file: the `pipeglot.yaml` that it stands in; null if there is no such file.
    """

    name: str
    backend: str
    active: bool
    store: str
    trusted: bool | None
    durable: bool
    strict: bool
    metadata: str | None
    secrets: dict[str, str]
    pools: dict[str, int] = {}
    max_parallel: int | None = None
    settings: dict[str, Any] = {}
    file: str | None


class AttemptLog(Struct, frozen=True, kw_only=True):
    """What one attempt of an execution printed.

    step: the step's name.
    index: the position in each enclosing map; empty outside maps.
    attempt: which one, from 1.
    text: all that it printed; empty if that is nothing. Of a step that has not ended, the last lines so far.
    failure: why it failed; null if it did not.
    """

    step: str
    index: tuple[int, ...]
    attempt: int
    text: str
    failure: Failure | None


class Maker(Struct, frozen=True, kw_only=True):
    """The execution that computed a result which this one reused.

    run: the id of its run.
    step: the step's name.
    index: the position in each enclosing map; empty outside maps.
    """

    run: str
    step: str
    index: tuple[int, ...]


class ArtifactView(Struct, frozen=True, kw_only=True):
    """A saved output of an execution.

    id: as `artifact get` takes it: `RUN/STEP/OUTPUT`, in a map `RUN/STEP/INDEX/OUTPUT`.
    run_id: of the run.
    step: the step that returned it.
    index: the position in each enclosing map; empty outside maps.
    output: its name; the only output of a step is named `output`.
    codec: how it is stored, as `json/1` or `pickle/1`.
    size: of the stored bytes.
    value: hash of the logical value: its identity in lineage.
    blob: hash of the stored bytes.
    opaque: whether it has no canonical form (a pickle), so that `value` is made from its code and inputs.
    length: the number of items of a list or tuple; null if it is none.
    needs: the packages and Python, by version, that a pickle was made with.
    origin: whose result was reused; null if it was computed here.
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
    """A saved output of an execution, and whether it can still be read.

    exists: whether its bytes are still in the store.
    """

    exists: bool


class ArtifactValue(Struct, frozen=True, kw_only=True):
    """The value of an artifact.

    id: the artifact's, in full.
    codec: how it is stored, as `json/1`.
    value: plain data itself; null with `-o`.
    file: what `-o` wrote it to; null without.
    """

    id: str
    codec: str
    value: Any = None
    file: str | None = None


class Completion(Struct, frozen=True, kw_only=True):
    """What makes a shell complete what is typed after `pipeglot`.

    shell: the shell that it is for.
    script: the script that the shell must read.
    """

    shell: Literal["bash", "zsh", "fish"]
    script: str


class ErrorPage(Struct, frozen=True, kw_only=True):
    """What is known of an error's code.

    code: the code, as it stands in brackets in a message.
    title: what it means, in a few words.
    text: the page, as plain text.
    """

    code: str
    title: str
    text: str


Schema: TypeAlias = dict[str, Any]
"""A JSON schema, in the draft that its `$schema` names."""

Stacks: TypeAlias = list[StackView]
Logs: TypeAlias = list[AttemptLog]
ArtifactList: TypeAlias = list[ArtifactView]
