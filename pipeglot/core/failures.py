"""What went wrong in a step, as it is recorded and shown: the user's exception first, without our frames."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from types import TracebackType

from pipeglot.core.errors import Permanent, PipeglotError, SecretAway, StoreError
from pipeglot.core.ir import Retry, Step
from pipeglot.core.lineage.records import Failure

MAX_TEXT = 100_000
"""Longer messages and tracebacks are cut in the middle: both ends tell something."""

DEBUGGING = (
    "run all steps in the terminal's own process: `pipeglot run TARGET --inline`;"
    " or this one again, under the debugger: `pipeglot replay RUN STEP --pdb`"
)
"""How to come to a debugger's prompt in a step."""

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def raised(error: BaseException, *, kind: str, clean: Callable[[str], str] = str) -> Failure:
    """The failure for an exception. `kind` is its cause: raised (by the user's code), import, input, output.

    `clean` takes secrets out of a text; it sees the whole of it, before what is too long is cut.
    """
    ours = isinstance(error, PipeglotError) and not isinstance(error, Permanent)
    hopeless = isinstance(error, Permanent) or _wants_terminal(error)
    return Failure(
        cause=kind,  # type: ignore[arg-type]  # a literal at each call
        type=type(error).__qualname__,
        message=_cut(clean(_guarded(_message, error))),
        hint=_cut(clean(_guarded(_hint, error))),
        traceback="" if ours and kind != "raised" else _cut(clean(_guarded(_traceback, error))),
        permanent=hopeless or (kind != "raised" and not isinstance(error, StoreError | SecretAway)),
    )


def will_retry(step: Step, failure: Failure, mro: tuple[str, ...], attempt: int) -> bool:
    """Whether a failed attempt is followed by another. `mro` names the exception's classes, as `type_names` does."""
    retry = step.retry
    if retry is None or failure.permanent or attempt >= retry.attempts:
        return False
    return not retry.on or bool(set(retry.on) & set(mro))


def delay_before(retry: Retry, attempt: int, chance: float) -> float:
    """Seconds between a failed attempt and the next. `chance` in [0, 1) places the jitter in its 0.5 to 1.5."""
    try:
        delay = retry.delay * retry.backoff ** (attempt - 1)
    except OverflowError:
        delay = float("inf")
    delay = min(delay, retry.max_delay if retry.max_delay is not None else delay, 10 * 365 * 86400.0)
    return delay * (0.5 + chance) if retry.jitter else delay


def type_names(error: BaseException) -> tuple[str, ...]:
    """The names by which `Retry(on=…)` may call an exception: its class and every base, builtins without a module."""
    return tuple(_name(cls) for cls in type(error).__mro__)


def _name(cls: type) -> str:
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def _guarded(show: Callable[[BaseException], str], error: BaseException) -> str:
    try:
        return show(error)
    except BaseException as broken:  # noqa: BLE001  # a user's `__str__` may raise anything, `SystemExit` too
        return f"<cannot be shown: {type(broken).__name__}>"


def _message(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"the step called `sys.exit({error.code!r})`"
    return str(getattr(error, "message", error)) if isinstance(error, PipeglotError) else str(error)


def _hint(error: BaseException) -> str:
    if _wants_terminal(error):
        return DEBUGGING
    return str(getattr(error, "hint", "")) if isinstance(error, PipeglotError) else ""


def _wants_terminal(error: BaseException) -> bool:
    """A debugger that finds no input quits; so does `input()`."""
    return type(error).__name__ == "BdbQuit" or (type(error) is EOFError and str(error) == "EOF when reading a line")


def _traceback(error: BaseException) -> str:
    shown = traceback.TracebackException(type(error), error, _users(error.__traceback__), compact=True)
    return "".join(shown.format())


def _users(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the first frame that is not ours; all of it if every frame is."""
    found = trace
    while found is not None and found.tb_frame.f_code.co_filename.startswith(_OURS):
        found = found.tb_next
    return found or trace


def _cut(text: str) -> str:
    text = text.encode("utf-8", "backslashreplace").decode()
    if len(text) <= MAX_TEXT:
        return text
    half = MAX_TEXT // 2
    return f"{text[:half]}\n… {len(text) - MAX_TEXT} characters …\n{text[-half:]}"
