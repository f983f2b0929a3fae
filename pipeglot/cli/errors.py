"""An error as it is printed: what, a blank line, the way out. No traceback of ours, unless it is our bug."""

from __future__ import annotations

import os
import sys

from pipeglot.client.text import paint, safe
from pipeglot.core.errors import DefinitionError, PipeglotError, Problem, Unsupported

_ISSUES = "please report it, with the lines above"


def report(error: Exception) -> int:
    """Print an error to stderr and return its exit code."""
    try:
        text, code = describe(error)
        sys.stdout.flush()
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:  # nobody listens
        code = 1
    return code


def describe(error: Exception) -> tuple[str, int]:
    """What to print, and the exit code."""
    if isinstance(error, DefinitionError | Unsupported):
        text, code = _problems(list(error.problems)), error.exit_code
    elif isinstance(error, PipeglotError):
        text, code = _error(error.message, error.hint), error.exit_code
    elif isinstance(error, OSError) and error.strerror:
        named = f"`{error.filename}`: " if error.filename else ""
        text, code = _error(f"{named}{error.strerror}", ""), 1
    else:
        told = _error(f"this is a bug in pipeglot: {type(error).__name__}: {error}", _ISSUES)
        return f"{safe(_traceback(error))}\n{told}", 1
    if os.environ.get("PIPEGLOT_DEBUG"):
        text = f"{safe(_traceback(error))}\n{text}"
    return text, code


def note(problem: Problem | str) -> str:
    """A line of advice."""
    text = problem if isinstance(problem, str) else f"{f'{problem.at}: ' if problem.at else ''}{problem.message}"
    return f"{paint('note:', 'cyan')} {safe(text)}\n"


def _problems(problems: list[Problem]) -> str:
    """All problems, each with its way out below it; a single one looks like any error."""
    if len(problems) == 1:
        problem = problems[0]
        return _error(f"{f'{problem.at}: ' if problem.at else ''}{problem.message}", problem.hint)
    parts = [_error(f"{f'{one.at}: ' if one.at else ''}{one.message}", "") + _indented(one.hint) for one in problems]
    return "".join(parts) + f"\n{len(problems)} problems\n"


def _indented(hint: str) -> str:
    return f"  {paint('hint:', 'cyan')} {safe(hint)}\n" if hint else ""


def _error(message: str, hint: str) -> str:
    told = f"{paint('error:', 'red')} {safe(message)}\n"
    return f"{told}\n{paint('hint:', 'cyan')} {safe(hint)}\n" if hint else told


def _traceback(error: Exception) -> str:
    import traceback

    return "".join(traceback.format_exception(error))
