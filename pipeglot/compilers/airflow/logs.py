"""Airflow's logs as text: what a task has printed, and what Airflow says of it, without what its pages fold away."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

_V1 = re.compile(r"(?:\[[^\]]*\] \{([^}]*)\.py:\d+\})? (DEBUG|INFO|WARNING|ERROR|CRITICAL) - (.*)")
_AFTERWARDS = "Post task execution logs"
"""Where 2.x tells once more why a task failed."""

_ENDED = re.compile(r"Task exited with return code (-\d+|[2-9]|\d\d+)")


class _Line(NamedTuple):
    """Something that was told. level: in capitals; empty where nobody says. printed: by the task itself."""

    text: str
    level: str
    printed: bool = False
    more: tuple[str, ...] = ()


def v2_log(text: str) -> str:
    """Of lines of JSON, as Airflow 3 gives them."""
    return _unfolded(map(_v2_line, text.splitlines()))


def v1_log(text: str) -> str:
    """Of text, as Airflow 2 gives it: its first line names the host."""
    return _unfolded(_v1_lines(text))


def _unfolded(lines: Iterable[_Line]) -> str:
    """What is folded away is all that is told of a log that is gone."""
    kept: list[str] = []
    folded: list[str] = []
    fold = ""
    for line in lines:
        if line.text.startswith("::group::"):
            fold = line.text.removeprefix("::group::")
        elif line.text.startswith("::endgroup::"):
            fold = ""
        elif fold and not _ENDED.match(line.text) and (line.level in ("", "INFO", "DEBUG") or fold == _AFTERWARDS):
            folded.append(line.text)
        else:
            kept += [
                line.text if line.printed or line.level in ("", "INFO") else f"{line.level}: {line.text}",
                *line.more,
            ]
    return "".join(f"{line}\n" for line in kept or folded)


def _v2_line(line: str) -> _Line:
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, dict) or "event" not in found:
        return _Line(line, "")
    printed = str(found.get("logger") or "").startswith("task.std")
    more = tuple(one for error in found.get("error_detail") or () for one in _error_lines(error))
    return _Line(str(found["event"]), str(found.get("level") or "").upper(), printed, more)


def _error_lines(error: dict[str, Any]) -> Iterator[str]:
    for frame in error.get("frames") or ():
        yield f'  File "{frame.get("filename")}", line {frame.get("lineno")}, in {frame.get("name")}'
    yield f"{error.get('exc_type')}: {error.get('exc_value')}"


def _v1_lines(text: str) -> Iterator[_Line]:
    """A line without a head goes on with the one before."""
    level = ""
    for line in text.splitlines()[1:]:
        found = _V1.fullmatch(line)
        if found is None:
            yield _Line(line, level, printed=True)
        else:
            level = found[2]
            yield _Line(found[3], level, printed=found[1] == "logging_mixin")
