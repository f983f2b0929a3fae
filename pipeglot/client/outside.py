"""Tell which cached steps use values that come from outside the code: the cache cannot see them change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from pipeglot.client.text import listed
from pipeglot.core.errors import Location, Problem
from pipeglot.core.ir import Pipeline, Step
from pipeglot.core.lineage.cache import cacheable
from pipeglot.core.lineage.plan import Plan

if TYPE_CHECKING:
    from pipeglot.core.code.outside import Outside

_VERSION = "or vouch for it: `@step(cache=Cache(version=…))`"
_HINTS = {
    "environment": f"make it a parameter of the pipeline; {_VERSION}",
    "input": f"make it a parameter of the pipeline; {_VERSION}",
    "clock": "make it a parameter of the pipeline; `day: date = LogicalDate()` is the date of the run",
    "chance": "make it in a step, or a parameter",
    "import": f"write `import`, or `import_module` with the name as a text; {_VERSION}",
}
_READ = f"read it in a step with `cache=False` that gives it to the others; {_VERSION}"


def outside_notes(pipeline: Pipeline, outside: Mapping[str, Iterable[Outside]]) -> list[Problem]:
    """A note for each value, or for several of one file and kind that the same steps use; from the top of each file.

    A step whose cache has a `version` is its user's to watch.
    """
    plan = Plan(pipeline)
    users: dict[Outside, list[str]] = {}
    for step in plan.steps():
        if step.id not in plan.hooks and watched(step):
            for value in outside.get(step.code.digest, ()):
                users.setdefault(value, []).append(step.id)
    groups: dict[tuple[str, str, tuple[str, ...]], list[Outside]] = {}
    for value in sorted(users, key=lambda value: value.at):
        groups.setdefault((value.at.file, value.kind, tuple(users[value])), []).append(value)
    return [note(values, steps) for (_, _, steps), values in groups.items()]


def watched(step: Step) -> bool:
    """Whether results of a step come from the cache with nobody to vouch for what its code does not tell."""
    return cacheable(step) and not step.cache.version


def note(values: Sequence[Outside], steps: Sequence[str]) -> Problem:
    """What values of one kind mean for the steps that use them. The first one tells where."""
    first = values[0]
    where = f" in `{first.function}` ({_place(first.read_at)})" if first.function else ""
    names = list(dict.fromkeys(value.name.partition(":")[2] for value in values))
    stale = f"if that changes, {listed(steps)} still {'come' if len(steps) > 1 else 'comes'} from the cache"
    if first.kind == "import":
        message = f"{listed(names)} {_s(names, 'import')} what no text names, by `{first.shown}`: {stale}"
    else:
        message = f"{listed(names)} {_s(names, 'come')} from outside the code, by `{first.shown}`{where}: {stale}"
    at = None if first.at.file.startswith("<") else first.at
    return Problem("outside", message, at, _HINTS.get(first.kind, _READ))


def _s(names: Sequence[str], verb: str) -> str:
    return verb if len(names) > 1 else f"{verb}s"


def _place(at: Location) -> str:
    return "a cell" if at.file.startswith("<") else str(at)
