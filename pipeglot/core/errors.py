"""Every error that pipeglot raises on purpose: one tree, stable codes, a hint wherever there is a way out.

PipeglotError                      exit code
├── DefinitionError                2   the pipeline as written cannot be: all problems at once
├── UsageError                     2   a command line or a call that means nothing
│   ├── TargetError                2   TARGET names no pipeline
│   ├── ParamError                 2   a parameter is missing, unknown or of the wrong type
│   └── NotFound                   2   no such run, step, artifact or stack
│       └── Pruned                 2   the run was there, and `store gc` has removed it
├── ConfigError                    2   pipeglot.yaml is not right
├── Unsupported                    33  the backend cannot do what the pipeline asks
├── StoreError                     1   the artifact store does not do its part
│   ├── Corrupt                    1   bytes are not what was written
│   ├── NewerFormat                1   written by a later pipeglot
│   └── Untrusted                  1   refused: would run code from a store that is not trusted
├── RunFailed                      1   a run that Python started did not succeed; `.run` is that run
├── RunClosed                      1   another process has closed the run that this one drives
├── EngineError                    1   the orchestrator cannot be reached, or refuses
├── Cancelled                      1   the run was cancelled while this task of an engine went on
├── ValueRefused                   1   a value that cannot be stored so that it comes back equal
├── SandboxError                   1   the sandbox of an engine cannot be made, started or ended
└── StepError                      1   a step did not do what it promised
    ├── StepTimeout                1   ran longer than its timeout
    ├── SecretAway                 1   a secret manager gives no answer now
    ├── WorkerDied                 1   its process ended (killed, segfault, out of memory, os._exit)
    └── Permanent                  1   raised by user code: do not retry
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple


class Location(NamedTuple):
    """A place in a user's file, shown as `file:line`."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Problem(NamedTuple):
    """One thing that is wrong with a definition: what, where, and the way out."""

    code: str
    message: str
    at: Location | None = None
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.at}: " if self.at else ""
        hint = f"\n  hint: {self.hint}" if self.hint else ""
        return f"{where}{self.message}{hint}"


class PipeglotError(Exception):
    """The root. `str()` is the message as a user reads it; `hint` is the way out, if there is one."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n\nhint: {self.hint}" if self.hint else self.message

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the message says where, and our own frames say nothing to a user."""
        return [f"{type(self).__name__}: {self}"]


class DefinitionError(PipeglotError):
    """The pipeline as written cannot be. Carries every problem that one look at it found."""

    code = "definition"
    exit_code = 2

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


class UsageError(PipeglotError):
    """A command line or a call that means nothing."""

    code = "usage"
    exit_code = 2


class TargetError(UsageError):
    """TARGET names no pipeline, or its module cannot be imported."""

    code = "target"


class ParamError(UsageError):
    """A parameter is missing, unknown or of the wrong type."""

    code = "param"


class NotFound(UsageError):
    """No such run, step, artifact or stack."""

    code = "not-found"


class Pruned(NotFound):
    """The run was there, and `store gc` has removed its records."""

    code = "pruned"


class ConfigError(PipeglotError):
    """`pipeglot.yaml` is not right."""

    code = "config"
    exit_code = 2


class Unsupported(PipeglotError):
    """The chosen backend cannot do what the pipeline asks. Carries every reason."""

    code = "unsupported"
    exit_code = 33

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


class StoreError(PipeglotError):
    """The artifact store does not do its part: missing, unreadable, full."""

    code = "store"


class Corrupt(StoreError):
    """Bytes are not what was written."""

    code = "corrupt"


class NewerFormat(StoreError):
    """Written by a later pipeglot than this one."""

    code = "newer-format"


class Untrusted(StoreError):
    """Refused, for it would run code from a store that is not trusted."""

    code = "untrusted"


class RunFailed(PipeglotError):
    """A run that Python started did not succeed. `run` is that run, to look into."""

    code = "run-failed"

    def __init__(self, message: str, hint: str = "", *, run: Any = None) -> None:
        super().__init__(message, hint=hint)
        self.run = run


class RunClosed(PipeglotError):
    """The run that this process drives was taken for lost, and closed, by another: nothing more is taken from it."""

    code = "closed"


class EngineError(PipeglotError):
    """The orchestrator of a stack cannot be reached, does not let us in, or cannot do what it is asked."""

    code = "engine"


class Cancelled(PipeglotError):
    """The run was cancelled while this task of an engine went on; the step is recorded as cancelled."""

    code = "cancelled"


class ValueRefused(PipeglotError):
    """A value that cannot be stored so that it comes back equal."""

    code = "value"


class SandboxError(PipeglotError):
    """The sandbox of an engine cannot be made, started or ended."""

    code = "sandbox"


class StepError(PipeglotError):
    """A step did not do what it promised."""

    code = "step"


class StepTimeout(StepError, TimeoutError):
    """The user's function ran longer than its timeout."""

    code = "timeout"


class SecretAway(StepError):
    """A cloud's secret manager gives no answer, or none now: another attempt of the step may have one."""


class WorkerDied(StepError):
    """The process that ran the step ended: killed, a segfault, out of memory, `os._exit`."""

    code = "worker-died"


class Permanent(StepError):
    """Raised by user code to say: trying again will not help."""

    code = "permanent"

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
