"""What is recorded of an attempt whose process did not live to tell: the failure, and the types retries go by."""

from __future__ import annotations

import os
import signal

from pipeglot.core import failures
from pipeglot.core.errors import StepTimeout, WorkerDied
from pipeglot.core.ir import Step
from pipeglot.core.lineage.records import Failure


def timed_out(step: Step) -> tuple[Failure, tuple[str, ...]]:
    """That of a step that ran out of time."""
    failure = Failure(
        cause="timeout",
        type="StepTimeout",
        message=f"ran longer than its timeout of {step.timeout:g} s",
        hint=f'give it more time: `@step(timeout="…")` on `{step.code}`',
    )
    return failure, failures.type_names(StepTimeout(""))


def died(status: int) -> tuple[Failure, tuple[str, ...]]:
    """That of a step whose process is gone; `status` is as `os.waitpid` gives it."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        named = number in set(signal.Signals)
        how = f"was ended by {signal.Signals(number).name if named else f'signal {number}'}"
        hint = "the system may have run out of memory" if number == signal.SIGKILL else ""
    else:
        how, hint = f"ended with exit code {os.WEXITSTATUS(status)} in the middle of the step", ""
    failure = Failure(cause="died", type="WorkerDied", message=f"the process that ran the step {how}", hint=hint)
    return failure, failures.type_names(WorkerDied(""))
