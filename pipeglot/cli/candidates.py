"""What may stand for an argument of a command, for `pipeglot completion`: targets, runs, steps, artifacts, names.

No code of the user's is run: pipelines are found by reading files, runs by reading the latest in the store. What an
index has is taken as it is there, for nobody wants to wait for a key to bring it up to date.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from pipeglot.cli.arguments import Argument
    from pipeglot.client.records import Records
    from pipeglot.core.lineage.plan import Plan
    from pipeglot.core.lineage.records import Start

MOST_RUNS = 10
MOST_LOOKED_AT = 100
"""The names of runs, pipelines, parameters and tags are those of so many runs, and of the index."""

MOST_ITEMS = 50
MOST_BYTES = 1 << 20
_IR = (".json", ".yaml", ".yml")


class Candidate(NamedTuple):
    """A word that may stand here, and what it is."""

    word: str
    about: str = ""


class Candidates:
    """What may stand in a command line, of which `given` is written already: values by argument name."""

    def __init__(self, command: str, given: Mapping[str, str]) -> None:
        self.command = command
        self.given = given
        self.folder = Path(os.path.abspath(os.path.expanduser(given.get("folder", "."))))

    def of(self, argument: Argument, current: str) -> Iterable[Candidate]:
        """The values that an argument may have; `current` is what is written of it."""
        if "choices" in argument.options:
            return [Candidate(str(choice)) for choice in argument.options["choices"]]
        sources: dict[str, Callable[[str], Iterable[Candidate]]] = {
            "TARGET": self._targets,
            "KEY=VALUE": self._params,
            "RUN": self._runs,
            "A": self._runs,
            "B": self._runs,
            "RUN|ARTIFACT": self._runs_and_artifacts,
            "ID": self._artifacts,
            "STEP": self._steps,
            "STEP[.OUTPUT]": self._steps_and_outputs,
            "I": self._items,
            "K=V": self._param_values if argument.flags[-1] == "--param" else self._tags,
            "S": self._statuses,
            "METRIC": self._metrics,
            "CODE": self._codes,
            "DIR": self._folders,
            "ENGINE": self._engines,
            "V": self._versions,
            "FILE": self._entries,
            "NAME": {"--pipeline": self._pipelines, "--metric": self._metrics}.get(argument.flags[-1], self._stacks),
        }
        metavar = str(argument.options.get("metavar"))
        return sources[metavar](current) if metavar in sources else ()

    # --- of the project -----------------------------------------------------------------------------------------------

    def _stacks(self, _current: str) -> list[Candidate]:
        from pipeglot.stacks.workspace import workspace_at

        return [Candidate(stack.name, stack.store) for stack in workspace_at(self.folder).config.stacks.values()]

    def _targets(self, current: str) -> Iterator[Candidate]:
        place, colon, _ = current.partition(":")
        if colon:
            yield from (Candidate(f"{place}:{one.function}") for one in pipelines_of(self.folder / place))
            return
        for entry in self._entries(current):
            if entry.word.endswith(("/", ".py", *_IR)):
                yield entry

    def _targeted(self) -> list[Defined]:
        """The pipelines that the target, as it is written, may mean."""
        place, _, wanted = self.given.get("target", "").partition(":")
        return [one for one in pipelines_of(self.folder / place) if wanted in ("", one.function)]

    def _params(self, _current: str) -> list[Candidate]:
        return [Candidate(f"{name}=") for one in self._targeted() for name in one.params]

    def _folders(self, current: str) -> list[Candidate]:
        return [entry for entry in self._entries(current) if entry.word.endswith("/")]

    def _entries(self, current: str) -> list[Candidate]:
        """Files and folders that begin like this; hidden ones only if the dot is written."""
        shown, _, begun = current.rpartition("/")
        shown = f"{shown}/" if "/" in current else ""
        with os.scandir(self.folder / os.path.expanduser(shown)) as entries:
            fitting = [one for one in entries if one.name.startswith(begun)]
        visible = [one for one in fitting if begun or not one.name.startswith((".", "__"))]
        return sorted(Candidate(f"{shown}{one.name}{'/' if one.is_dir() else ''}") for one in visible)

    def _codes(self, _current: str) -> list[Candidate]:
        from pipeglot.cli.explain import codes

        return [Candidate(code) for code in codes()]

    def _engines(self, _current: str) -> list[Candidate]:
        from pipeglot.client.sandboxes import ENGINES, find_engine

        return [Candidate(name, find_engine(name).title) for name in ENGINES]

    def _versions(self, _current: str) -> list[Candidate]:
        from pipeglot.client.sandboxes import find_engine

        engine = find_engine(self.given.get("engine", ""))
        return [Candidate(version, f"{engine.title} {one.exact}") for version, one in engine.releases.items()]

    # --- of the store -------------------------------------------------------------------------------------------------

    @cached_property
    def _records(self) -> Records:
        from pipeglot.client.records import open_records
        from pipeglot.stacks.workspace import workspace_at

        return open_records(workspace_at(self.folder), self.given.get("stack"))

    @cached_property
    def _recent(self) -> list[Start]:
        """The runs of late, the latest first."""
        return list(itertools.islice(self._records.latest(), MOST_LOOKED_AT))

    def _runs(self, _current: str) -> Iterator[Candidate]:
        from pipeglot.client.text import SHORT_ID

        if self._recent:
            yield Candidate("latest", "the last run")
        for start in self._recent[:MOST_RUNS]:
            yield Candidate(start.run[:SHORT_ID], f"{start.pipeline}, {start.created[:16].replace('T', ' ')}")

    def _pipelines(self, _current: str) -> list[Candidate]:
        return self._known("pipelines", [start.pipeline for start in self._recent])

    def _tags(self, current: str) -> list[Candidate]:
        return self._named_values("tags", current, [start.tags for start in self._recent])

    def _param_values(self, current: str) -> list[Candidate]:
        return self._named_values("params", current, [start.params for start in self._recent])

    def _named_values(
        self, kind: Literal["params", "tags"], current: str, recent: list[Mapping[str, Any]]
    ) -> list[Candidate]:
        """`NAME=`, and behind it the values that there were."""
        name, equals, _ = current.partition("=")
        if not equals:
            return self._known(kind, [one for named in recent for one in named], "=")
        values = dict.fromkeys(_as_text(named[name]) for named in recent if name in named)
        return [Candidate(f"{name}={value}") for value in values if value]

    def _metrics(self, _current: str) -> list[Candidate]:
        return self._known("metrics", [])

    def _known(
        self, kind: Literal["pipelines", "params", "tags", "metrics"], recent: list[str], end: str = ""
    ) -> list[Candidate]:
        """The names of that kind: of runs of late, and what the index has."""
        from pipeglot.client.indexed import Index
        from pipeglot.core.lineage.index.queries import known_names

        index = Index(self._records, lambda _: None)
        indexed = index.peek(lambda connection: known_names(connection, kind)) or []
        return [Candidate(f"{name}{end}") for name in dict.fromkeys([*recent, *indexed])]

    def _statuses(self, _current: str) -> list[Candidate]:
        from pipeglot.client.listing import STATUSES

        return [Candidate(status) for status in STATUSES]

    # --- of a run -----------------------------------------------------------------------------------------------------

    def _plan(self, run: str) -> Plan | None:
        """Of the run that somebody has written down."""
        start = self._records.ledger.started(self._records.run_id(run))
        return self._plan_of(start) if start else None

    def _plan_of(self, start: Start) -> Plan:
        from pipeglot.core.lineage.plan import Plan

        return Plan(self._records.ledger.ir(start.ir))

    def _latest_plan(self, pipelines: Iterable[str]) -> Plan | None:
        """Of the latest run of one of these pipelines; of one that was not cut by `--until`, if there is any."""
        found = [start for start in self._recent if start.pipeline in pipelines]
        whole = [start for start in found if start.asked is None or not start.asked.until]
        return next((self._plan_of(start) for start in (*whole, *found)), None)

    @property
    def _of_target(self) -> bool:
        """Whether the command is about a pipeline, not about a run."""
        return self.command in ("run", "plan")

    @cached_property
    def _chosen(self) -> Plan | None:
        """The pipeline that the command line is about."""
        if not self._of_target:
            return self._plan(self.given.get("run") or self.given.get("before") or "latest")
        wanted = self.given.get("target", "").partition(":")[2]
        return self._latest_plan([one.name for one in self._targeted()] or [wanted])

    def _steps(self, _current: str) -> list[Candidate]:
        plan = self._chosen
        if plan is None:
            return []
        left_out = plan.hooks if self._of_target else ()  # `--from` and `--until` take none
        return [Candidate(step.id) for step in plan.steps() if step.id not in left_out]

    def _steps_and_outputs(self, current: str) -> Iterator[Candidate]:
        yield from self._steps(current)
        for step in self._chosen.steps() if self._chosen else ():
            if len(step.returns.outputs) > 1:
                yield from (Candidate(f"{step.id}.{output.name}") for output in step.returns.outputs)

    def _items(self, current: str) -> Iterator[Candidate]:
        if "step" in self.given and self._chosen and self._chosen.scope(self.given["step"]):
            run = self._records.run_id(self.given.get("run", "latest"))
            for index, _ in itertools.islice(self._records.items(run, self.given["step"], current), MOST_ITEMS):
                yield Candidate(".".join(map(str, index)))

    def _runs_and_artifacts(self, current: str) -> Iterator[Candidate]:
        """As long as nothing is written, runs are not told twice, as such and as the beginning of an id."""
        if "/" not in current:
            yield from self._runs(current)
        yield from self._artifacts(current) if current else self._names()

    def _artifacts(self, current: str) -> Iterable[Candidate]:
        """`RUN/STEP/OUTPUT` or `PIPELINE/STEP.OUTPUT@latest`, part by part."""
        first, slash, rest = current.partition("/")
        if not slash:
            return [*(Candidate(f"{run.word}/", run.about) for run in self._runs("")), *self._names()]
        if any(start.pipeline == first for start in self._recent):
            return self._named_artifacts(first, rest)
        return self._artifacts_of(first, rest)

    def _names(self) -> list[Candidate]:
        pipelines = dict.fromkeys(start.pipeline for start in self._recent)
        return [Candidate(f"{name}/", "by name, of the latest run that succeeded") for name in pipelines]

    def _named_artifacts(self, pipeline: str, rest: str) -> Iterator[Candidate]:
        path, colon, _ = rest.partition(":")
        if colon:
            tags = dict.fromkeys(
                f"{key}={value}"
                for start in self._recent
                if start.pipeline == pipeline
                for key, value in start.tags.items()
            )
            yield from (Candidate(f"{pipeline}/{path}:{tag}") for tag in tags)
            return
        plan = self._latest_plan([pipeline])
        if plan is None:
            return
        for step in plan.steps():
            if not plan.scope(step.id):
                yield from (Candidate(f"{pipeline}/{step.id}.{one.name}@latest") for one in step.returns.outputs)

    def _artifacts_of(self, run: str, rest: str) -> Iterator[Candidate]:
        plan = self._plan(run)
        if plan is None:
            return
        written, slash, behind = rest.partition("/")
        if slash and written in plan.places and plan.scope(written):
            items = self._records.items(self._records.run_id(run), written, behind.partition("/")[0])
            for index, verdict in itertools.islice(items, MOST_ITEMS):
                place = f"{run}/{written}/{'.'.join(map(str, index))}"
                yield from (Candidate(f"{place}/{output}") for output in verdict.observed.refs)
            return
        for step in plan.steps():
            if plan.scope(step.id) and step.returns.outputs:
                yield Candidate(f"{run}/{step.id}/", "the items of a map")
            else:
                yield from (Candidate(f"{run}/{step.id}/{one.name}") for one in step.returns.outputs)


def _as_text(wire: Any) -> str:
    """A parameter or tag as it is written in a command line; "" of what is too long for one."""
    import json

    from pipeglot.core import plain

    value = plain.decode(wire)
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return value if isinstance(value, str) else value.isoformat() if hasattr(value, "isoformat") else ""


# --- files ------------------------------------------------------------------------------------------------------------


class Defined(NamedTuple):
    """A pipeline in a file: the function, the pipeline's name, and the names of its parameters."""

    function: str
    name: str
    params: list[str]


def pipelines_of(file: Path) -> list[Defined]:
    """The pipelines that a file defines. The file is read, not run."""
    import ast

    from pipeglot.core.syntax import parse

    if file.suffix != ".py" or not file.is_file() or file.stat().st_size > MOST_BYTES:
        return []
    try:
        tree = parse(file.read_bytes())
    except (SyntaxError, ValueError):  # it is being written
        return []
    found = []
    for node in tree.body:
        decorators = [_as_pipeline(one) for one in node.decorator_list] if isinstance(node, ast.FunctionDef) else []
        if isinstance(node, ast.FunctionDef) and any(name is not None for name in decorators):
            named = next((name for name in decorators if name), node.name)
            params = [argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)]
            found.append(Defined(node.name, named, params))
    return found


def _as_pipeline(decorator: object) -> str | None:
    """The name that `@pipeline(name="…")` gives, "" if it gives none; None of any other decorator."""
    import ast

    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
    if name != "pipeline":
        return None
    options = decorator.keywords if isinstance(decorator, ast.Call) else []
    given = (one.value.value for one in options if one.arg == "name" and isinstance(one.value, ast.Constant))
    return str(next(given, "") or "")
