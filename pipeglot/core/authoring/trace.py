"""One tracing of one pipeline function: the nodes so far, their ids, and every mistake met on the way."""

from __future__ import annotations

import sys
from _thread import get_ident
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from pipeglot.core import ir
from pipeglot.core.authoring.positions import Lines, Position, here
from pipeglot.core.errors import DefinitionError, Location, Problem, UsageError

if TYPE_CHECKING:
    from pipeglot.core.authoring.functions import Function
    from pipeglot.core.authoring.symbols import SymbolicValue
    from pipeglot.core.code import Project

MAX_NODES = 100_000
MAX_PROBLEMS = 50
MAX_USES = 10_000
"""How often a body may ask poison for its truth and the like before it counts as a loop without end."""

_current: ContextVar[Trace | None] = ContextVar("pipeglot_trace", default=None)
_under_way: list[Trace] = []


class Endless(BaseException):
    """Ends a pipeline function that would not end by itself; no `except Exception` of the user's stops it."""


class Arm(NamedTuple):
    """One side of a branch."""

    branch: OpenBranch
    taken: bool

    def __str__(self) -> str:
        return f"{'`when`' if self.taken else '`otherwise`'} arm of `{self.branch.id}`"


class InMap(NamedTuple):
    """The inside of a mapped pipeline, where each value is that of one item."""

    map: str

    def __str__(self) -> str:
        return f"mapped pipeline `{self.map}`"


class OpenBranch:
    """A branch while its arms are still being written."""

    __slots__ = ("at", "condition", "id", "otherwise", "then")

    def __init__(self, id: str, condition: ir.Condition, at: Position | None) -> None:  # noqa: A002  # as in the IR
        self.id = id
        self.condition = condition
        self.at = at
        self.then: list[Entry] = []
        self.otherwise: list[Entry] | None = None

    def node(self) -> ir.Branch:
        return ir.Branch(id=self.id, when=self.condition, then=nodes(self.then), otherwise=nodes(self.otherwise or []))


Places = tuple[Arm | InMap, ...]
"""The arms and mapped pipelines that something stands in, outermost first."""

Mistake = tuple[str, str, str]
"""Code, message and hint of a problem."""

Entry = ir.Step | ir.Map | OpenBranch


def nodes(entries: list[Entry]) -> tuple[ir.AnyNode, ...]:
    return tuple(entry.node() if type(entry) is OpenBranch else entry for entry in entries)  # type: ignore[misc]


class Noted(NamedTuple):
    """A problem whose place is not looked up yet."""

    code: str
    message: str
    hint: str
    at: Position | Location | None


class Trace:
    """The state of a tracing. It lives in a context variable, so that steps know whether they are being traced."""

    def __init__(self, project: Project | None = None) -> None:
        self.project = project
        self.lines = Lines(project)
        self.noted: dict[tuple[str, Position | Location | None], Noted] = {}
        self._places: set[tuple[str, Position | Location | None]] = set()
        self.nodes: list[Entry] = []
        self.block = self.nodes
        self.arms: Places = ()
        self.prefix = ""
        self.functions: list[Function] = []
        """The pipelines under way, outermost first."""
        self.checked: set[Function] = set()
        self.templates: dict[Function, dict[str, Any]] = {}
        """What all calls of a step's function have in common."""
        self.positions: dict[str, Position] = {}
        self.told: list[SymbolicValue] = []
        """Those of which the truth was asked, which is mistake enough."""
        self.answers: dict[Position | None, bool] = {}
        self.unentered: dict[int, tuple[str, Position | None]] = {}
        """What `when(…)` gave and no `with` has entered so far."""
        self.uncalled: dict[int, tuple[object, str, Position | None]] = {}
        """Variants of steps, such as `train.after(x)`, that nothing has called so far."""
        self.closures: dict[str, dict[str, str]] = {}
        self.hooks: dict[str, set[Function]] = {}
        """The functions of the hooks of the pipeline that is traced, under `on_failure` and `on_success`."""
        self.place: Position | None = None
        """Where mistakes are made while no code of the user's is under way."""
        self.over = False
        self._modules: dict[str, str] = {}
        self._owners: dict[str, list[Function]] = {}
        self._counts: dict[str, int] = {}
        self._uses = 0
        self._thread = get_ident()
        self._threads = frozenset(sys._current_frames())

    def __enter__(self) -> None:
        self._token = _current.set(self)
        _under_way.append(self)

    def __exit__(self, *exc: object) -> None:
        _under_way.remove(self)
        _current.reset(self._token)
        self.over = True

    # --- mistakes -----------------------------------------------------------------------------------------------------

    def note(self, code: str, message: str, hint: str = "", at: Position | Location | None = None) -> None:
        """Record a mistake and go on; where it was made is where the user's code stands now, unless told."""
        at = at or self.place or here() or self._meanwhile()
        if self.over:
            raise DefinitionError([Problem(code, message, self.locate(at), hint)])
        self.noted.setdefault((message, at), Noted(code, message, hint, at))
        if len(self.noted) > MAX_PROBLEMS:
            self.noted.popitem()
            self.noted["", None] = Noted(
                "more", f"there are more than {MAX_PROBLEMS} problems", "mend these first", None
            )
            raise Endless

    def note_use(self, code: str, message: str, hint: str, at: Position | None) -> None:
        """The same for a question to a symbolic value. Told once: a loop asks again, `list(x)` asks for `len` too."""
        places = {("", at), (message.partition(" depends on ")[0], self.locate(at))}
        if places.isdisjoint(self._places):
            self.note(code, message, hint, at)
        self._places |= places
        self.use()

    def use(self) -> None:
        """Count one more use of a value that is not there."""
        self._uses += 1
        if self._uses >= MAX_USES:
            self._end()

    def _end(self) -> NoReturn:
        self.note("endless", "the pipeline function does not end while it is traced", "put the loop in a step")
        raise Endless

    def _meanwhile(self) -> Position | None:
        """Where the pipeline function stands, for a thread in which nothing of the user's is under way."""
        frame = sys._current_frames().get(self._thread)
        return here(frame) if frame else None

    def problems(self) -> list[Problem]:
        """All mistakes, each file's from top to bottom."""
        noted = self.noted.values()
        found = list(dict.fromkeys(Problem(code, message, self.locate(at), hint) for code, message, hint, at in noted))
        files = list(dict.fromkeys(problem.at.file for problem in found if problem.at))
        found.sort(key=lambda problem: (files.index(problem.at.file), problem.at.line) if problem.at else (-1, 0))
        return found

    def empty(self, function: Function) -> list[Problem]:
        """What to tell of a pipeline in which no step is called."""
        message = f"pipeline `{function.name}` calls no step"
        return [Problem("empty", message, self.locate(function.at), "call functions with `@step` in it")]

    def locate(self, at: Position | Location | None) -> Location | None:
        if isinstance(at, Position):
            return self.lines.locate(at)
        return Location(self.lines.name(at.file), at.line) if at else None

    # --- names --------------------------------------------------------------------------------------------------------

    def take_id(self, name: str, function: Function) -> str:
        """A free id for one more call of a function."""
        full = self.prefix + name
        if len(self.positions) >= MAX_NODES:
            self._end()
        owners = self._owners.setdefault(full, [])
        if function not in owners:
            owners.append(function)
            if len(owners) > 1:
                self._same_name(name, owners[0], function)
        return self._free_id(full)

    def _free_id(self, full: str) -> str:
        count = self._counts.get(full, 0) + 1
        found = full if count == 1 else f"{full}_{count}"
        while count > 1 and found in self._counts:
            count += 1
            found = f"{full}_{count}"
        self._counts[full] = count
        if count > 1:
            self._counts.setdefault(found, 1)
        return found

    def branch_id(self) -> str:
        """`when_1`, `when_2`, …: a number from the first on, for a branch has no name of its own."""
        full = f"{self.prefix}when"
        count = self._counts.get(f"{full}_", 0) + 1
        while f"{full}_{count}" in self._counts:
            count += 1
        self._counts[f"{full}_"] = count
        self._counts[f"{full}_{count}"] = 1
        return f"{full}_{count}"

    def digest(self, module: str, function: Function) -> str:
        """The digest of a step's code; which project objects it covers is kept in `closures`."""
        if self.project is None:
            return ""
        try:
            closure = self.project.closure(module, function.qualname)
        except DefinitionError as error:
            for problem in error.problems:
                self.note(problem.code, problem.message, problem.hint, problem.at or function.at)
            return ""
        self.closures[closure.digest] = closure.members
        return closure.digest

    def module_name(self, module: str) -> str:
        """A module as the project names it, whatever name it was imported under."""
        found = self._modules.get(module)
        if found is None:
            file = getattr(sys.modules.get(module), "__file__", None)
            found = (self.project.module_of(file) if file and self.project else None) or module
            self._modules[module] = found
        return found

    def _same_name(self, name: str, first: Function, second: Function) -> None:
        places = [self.locate(function.at) for function in (first, second)]
        self.note(
            "same-name",
            f"two different {first.kind if first.kind == second.kind else 'function'}s are named `{name}`: "
            f"{places[0]} and {places[1]}",
            f'name one of them anew: `@{second.kind}(name="…")`'
            + (f', or `{second.qualname}.with_options(name="…")` here' if second.kind == "step" else ""),
        )

    # --- who is asking ------------------------------------------------------------------------------------------------

    def started(self) -> bool:
        """Whether the thread that asks was started while this tracing was under way."""
        ident = get_ident()
        return ident != self._thread and ident not in self._threads

    def elsewhere(self) -> bool:
        """Whether the thread that asks is another one; `asyncio.to_thread` takes context variables along."""
        return get_ident() != self._thread


def current() -> Trace | None:
    """The tracing under way in this context, if there is one."""
    return _current.get()


def required(name: str) -> Trace:
    """The tracing under way. Raises `UsageError` outside a pipeline function."""
    trace = _current.get()
    if trace is None:
        raise UsageError(
            f"`{name}` was called outside a pipeline function",
            hint="call it in a function with `@pipeline`; on plain values use plain Python",
        )
    return trace


def stray() -> Trace | None:
    """The tracing whose pipeline function has started this very thread, which context variables did not reach."""
    return next((trace for trace in _under_way if trace.started()), None) if _under_way else None


def complain(mistakes: list[Mistake], at: Position | Location | None = None) -> None:
    """Report mistakes: to the tracing under way if there is one, by an exception otherwise."""
    if not mistakes:
        return
    at = at or here()
    trace = current()
    if trace is None:
        place = Lines().locate(at) if isinstance(at, Position) else at
        raise DefinitionError([Problem(code, message, place, hint) for code, message, hint in mistakes])
    for code, message, hint in mistakes:
        trace.note(code, message, hint, at)
