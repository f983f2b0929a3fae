"""An error as it is printed: what, its code, a blank line, the way out. No traceback of ours, unless it is our bug.

Under `--json`, a program gets the same as one object on stdout, in place of the result: `client.views.ErrorReport`.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from pipeglot.client.text import paint, safe
from pipeglot.core.errors import DefinitionError, Location, PipeglotError, Problem, Unsupported

if TYPE_CHECKING:
    from pipeglot.client.views import ErrorReport, ProblemView

_ISSUES = "please report it, with the lines above"
OS_CODE = "os"
"""The code of what the operating system refused."""
BUG_CODE = "internal"
"""The code of what we did not foresee."""


def report(error: Exception, *, json: bool = False) -> int:
    """Print an error to stderr, for programs to stdout too, and return its exit code."""
    try:
        text, code = describe(error)
        if json:
            from pipeglot.cli.output import print_json

            print_json(report_of(error))
        sys.stdout.flush()
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:  # nobody listens
        code = 1
    return code


def report_of(error: Exception) -> ErrorReport:
    """The error as programs read it."""
    from pipeglot.client.views import ErrorReport, ErrorView

    code, exit_code, hint = (OS_CODE, 1, _os_hint(error)) if _is_os(error) else (BUG_CODE, 1, _ISSUES)
    message = _os_message(error) if _is_os(error) else _bug_message(error)
    if isinstance(error, PipeglotError):
        code, exit_code, hint, message = error.code, error.exit_code, error.hint, error.message
    problems = error.problems if isinstance(error, DefinitionError | Unsupported) else ()
    views = tuple(problem_view(problem) for problem in problems)
    found = ErrorView(code=code, message=message, hint=hint, exit_code=exit_code, problems=views)
    return ErrorReport(error=found)


def problem_view(problem: Problem) -> ProblemView:
    """A problem as programs read it."""
    from pipeglot.client.views import ProblemView

    file, line = problem.at or (None, None)
    return ProblemView(code=problem.code, message=problem.message, file=file, line=line, hint=problem.hint)


def _is_os(error: Exception) -> bool:
    return isinstance(error, OSError) and bool(error.strerror)


def _os_message(error: Exception) -> str:
    assert isinstance(error, OSError)
    return f"{f'`{error.filename}`: ' if error.filename else ''}{error.strerror}"


def _os_hint(error: Exception) -> str:
    from pipeglot.core.store.failures import hint_of

    assert isinstance(error, OSError)
    return hint_of(error)


def _bug_message(error: Exception) -> str:
    return f"this is a bug in pipeglot: {type(error).__name__}: {error}"


def describe(error: Exception) -> tuple[str, int]:
    """What to print, and the exit code."""
    if isinstance(error, DefinitionError | Unsupported):
        text, code = _problems(list(error.problems)), error.exit_code
    elif isinstance(error, PipeglotError):
        text, code = _error(error.message, error.code, error.hint), error.exit_code
    elif _is_os(error):
        text, code = _error(_os_message(error), OS_CODE, _os_hint(error)), 1
    else:
        told = _error(_bug_message(error), BUG_CODE, _ISSUES)
        return f"{safe(_traceback(error))}\n{told}", 1
    if os.environ.get("PIPEGLOT_DEBUG"):
        text = f"{safe(_traceback(error))}\n{text}"
    return text, code


def note(problem: Problem | str) -> str:
    """A line of advice, and the way out below it if there is one."""
    if isinstance(problem, str):
        return f"{paint('note:', 'cyan')} {safe(problem)}\n"
    return f"{paint('note:', 'cyan')} {safe(_placed(problem))}{_tag(problem.code)}\n{_indented(problem.hint)}"


def note_of(view: ProblemView) -> str:
    """The same, of what programs read."""
    at = Location(view.file, view.line) if view.file is not None and view.line is not None else None
    return note(Problem(view.code, view.message, at, view.hint))


def _problems(problems: list[Problem]) -> str:
    """All problems, each with its way out below it; a single one looks like any error."""
    if len(problems) == 1:
        problem = problems[0]
        return _error(_placed(problem), problem.code, problem.hint)
    parts = [_error(_placed(one), one.code) + _indented(one.hint) for one in problems]
    return "".join(parts) + f"\n{len(problems)} problems\n"


def _placed(problem: Problem) -> str:
    return f"{problem.at}: {problem.message}" if problem.at else problem.message


def _indented(hint: str) -> str:
    return f"  {paint('hint:', 'cyan')} {safe(hint)}\n" if hint else ""


def _error(message: str, code: str, hint: str = "") -> str:
    first, newline, rest = safe(message).partition("\n")
    told = f"{paint('error:', 'red')} {first}{_tag(code)}{newline}{rest}\n"
    return f"{told}\n{paint('hint:', 'cyan')} {safe(hint)}\n" if hint else told


def _tag(code: str) -> str:
    """A code, as it stands behind a message: `docs/errors` has a page for it."""
    return f"  {paint(f'[{code}]', 'dim')}"


def _traceback(error: Exception) -> str:
    import traceback

    return "".join(traceback.format_exception(error))
