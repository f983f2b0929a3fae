"""What a run would do: which steps come from the cache, which would run, and why; nothing is run or written.

What the cache has counts as done, so all that follows from it is decided too. What depends on a step that would run is
open: nobody knows what that will return.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from msgspec import Struct

from pipeglot.client.launch import Prepared
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.errors import Corrupt
from pipeglot.core.ir import AnyNode, Branch, Map, Step
from pipeglot.core.lineage.keys import Cell, Index
from pipeglot.core.lineage.ledger import Ledger, now
from pipeglot.core.lineage.plan import Hook
from pipeglot.core.lineage.records import Origin, Start, Verdict
from pipeglot.core.lineage.state import RunState
from pipeglot.core.lineage.view import readable
from pipeglot.core.run_step import Job, Runtime
from pipeglot.core.store.base import Store

_CLEAN_UP = "a clean-up step runs in every run"
_HOOKS: dict[Hook, str] = {
    "on_success": "it runs in every run that succeeds",
    "on_failure": "it runs in every run that does not succeed",
}

State = Literal["cached", "run", "open", "skipped", "failed"]


class PlannedStep(Struct, frozen=True, kw_only=True):
    """An execution, or a step whose executions are not known yet.

    id: the step's name.
    index: the position in each enclosing map, empty outside maps; null if the executions are not known yet.
    state: `cached`: its results would be taken from `origin`. `run`: it would run. `open`: it depends on the steps in
        `waits_for`, or if it is a hook, on what becomes of the run. `skipped`: in an arm that is not taken, or a hook
        for the other outcome. `failed`: its condition, or the list of its map, is no good.
    why: why that is so, in words.
    origin: the execution whose results would be taken; null if it is not `cached`.
    waits_for: the steps without a result so far that it, or the map or branch around it, needs.
    hook: for which outcome of the run it runs; null if it is no hook.
    """

    id: str
    index: tuple[int, ...] | None
    state: State
    why: str
    origin: Origin | None = None
    waits_for: tuple[str, ...] = ()
    hook: Hook | None = None


class RunPlan(Struct, frozen=True, kw_only=True):
    """What a run with these parameters would do.

    pipeline: the pipeline's name.
    stack: where it would run, as `pipeglot.yaml` names it.
    params: the resolved parameters.
    steps: in the order of the pipeline, hooks included.
    """

    pipeline: str
    stack: str
    params: dict[str, Any]
    steps: tuple[PlannedStep, ...]


def plan_run(prepared: Prepared, store: Store, stack: str, *, cache: bool = True) -> RunPlan:
    """Look every execution up that can be known; changes nothing in the store."""
    made = _Planner(prepared, store, stack, cache=cache)
    return RunPlan(
        pipeline=prepared.pipeline.name,
        stack=stack,
        params={name: readable(value) for name, value in prepared.given.items()},
        steps=tuple(made.steps()),
    )


class _Planner:
    def __init__(self, prepared: Prepared, store: Store, stack: str, *, cache: bool) -> None:
        created = now().isoformat()
        start = Start(
            run="",
            pipeline=prepared.pipeline.name,
            stack=stack,
            backend="local",
            ir="",
            params=prepared.given,
            created=created,
            logical_date=prepared.logical_date or created,
            artifacts=dict(prepared.artifacts),
        )
        artifacts = Artifacts(store)
        self.state = RunState(prepared.pipeline, prepared.given, artifacts, named=start.artifacts)
        self.plan = self.state.plan
        self.runtime = Runtime(start, Ledger(store), artifacts, {}, plan=self.plan, cache=cache, anew=prepared.anew)
        self.would_run: dict[Cell, str] = {}
        self._look_up()

    def _look_up(self) -> None:
        """Act as if what the cache has were done, until nothing more follows from it."""
        while ready := self.state.take_ready():
            for step, index in ready:
                found = self._find(step, index)
                if isinstance(found, str):
                    self.would_run[step, index] = found
                else:
                    self.state.apply(found)

    def _find(self, step: str, index: tuple[int, ...]) -> Verdict | str:
        node = self.plan.step(step)
        if step in self.plan.hooks:
            return _HOOKS[self.plan.hooks[step]]
        if node.trigger == "all_done":
            return _CLEAN_UP
        try:
            args = self.state.arguments.of_step(step, index)
        except Corrupt as error:
            return f"an input cannot be read: {error.message}"
        return self.runtime.reusable(Job(step=node, index=index, args=args), tidy=False)

    # --- the answer ---------------------------------------------------------------------------------------------------

    def steps(self) -> list[PlannedStep]:
        """In the order of the pipeline, and of the items of maps."""
        found = [self._settled(cell) for cell, _ in self.state.ordered()]
        found += [
            PlannedStep(id=step, index=index, state="run", why=why, hook=self.plan.hooks.get(step))
            for (step, index), why in self.would_run.items()
        ]
        found += dict.fromkeys(self._open())
        found += self._waiting_hooks({one.id for one in found})
        return sorted(found, key=lambda one: (self.plan.order[one.id], one.index is None, one.index or ()))

    def _settled(self, cell: Cell) -> PlannedStep:
        (step, index), entry = cell, self.state.entries[cell]
        if entry.verdict is not None:
            origin = entry.verdict.observed.cached
            return PlannedStep(id=step, index=index, state="cached", why="code and inputs are the same", origin=origin)
        if entry.failure is not None:
            return PlannedStep(id=step, index=index, state="failed", why=entry.failure.message)
        hook = self.plan.hooks.get(step)
        why = _HOOKS[hook] if hook is not None else self._why_skipped()
        return PlannedStep(id=step, index=index, state="skipped", why=why, hook=hook)

    def _why_skipped(self) -> str:
        broken = any(entry.failure for entry in self.state.entries.values())
        return "what it needs is skipped or fails" if broken else "its branch is not taken"

    def _open(self) -> Iterator[PlannedStep]:
        """What waits for steps that would run: themselves, or what decides on the map or branch around them."""
        for node, index, steps in self.state.waiting():
            waits_for = tuple(sorted(steps, key=self.plan.order.__getitem__))
            why = self._why_anyway(node)
            if why:
                yield PlannedStep(id=node.id, index=index, state="run", why=why, waits_for=waits_for)
                continue
            for step, at in _executions(node, index):
                yield PlannedStep(id=step, index=at, state="open", why=_undecided(node, waits_for), waits_for=waits_for)

    def _waiting_hooks(self, known: set[str]) -> Iterator[PlannedStep]:
        """Those that nobody can decide on before the rest has run, unless it is known to fail."""
        fails = any(entry.status == "failed" for entry in self.state.entries.values())
        for step, kind in self.plan.hooks.items():
            state: State = "open" if not fails else "run" if kind == "on_failure" else "skipped"
            if step not in known:
                yield PlannedStep(id=step, index=(), state=state, why=_HOOKS[kind], hook=kind)

    def _why_anyway(self, node: AnyNode) -> str:
        """Why a step runs whatever those before it give; empty if that is not so."""
        if not isinstance(node, Step):
            return ""
        return _CLEAN_UP if node.trigger == "all_done" else self.runtime.why_anew(node)


def _executions(node: AnyNode, index: Index | None) -> Iterator[tuple[str, Index | None]]:
    """The steps of a node; those in a map that is not expanded have no index yet."""
    if isinstance(node, Step):
        yield node.id, index
        return
    inner = node.body if isinstance(node, Map) else node.then + node.otherwise
    for child in inner:
        yield from _executions(child, None if isinstance(node, Map) else index)


def _undecided(node: AnyNode, waits_for: tuple[str, ...]) -> str:
    named = ", ".join(f"`{step}`" for step in waits_for)
    if isinstance(node, Map):
        return f"one for each item that {named} will give"
    if isinstance(node, Branch):
        return f"{named} will decide whether its branch is taken"
    return f"it runs, unless what {named} will give was seen before"
