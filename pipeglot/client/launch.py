"""How a pipeline is run on a stack, whoever asks for it: the command line, a script, a notebook."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pipeglot.client.records import Records
from pipeglot.core.errors import Corrupt, NotFound, ParamError
from pipeglot.core.ir import Pipeline
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.lineage.records import Ref
from pipeglot.core.params import artifact_type
from pipeglot.runtime_local.folders import remove_folders
from pipeglot.runtime_local.runner import Settings
from pipeglot.stacks.models import LocalStack
from pipeglot.stacks.workspace import Workspace


def local_settings(
    workspace: Workspace,
    stack: LocalStack,
    sources: dict[str, str],
    *,
    cache: bool,
    logical_date: dt.datetime | None = None,
) -> Settings:
    """What the local runner needs to know of the stack and the project. Without a `logical_date`, it is the start."""
    return Settings(
        stack=stack.name,
        root=str(workspace.root),
        roots=workspace.roots,
        sources=sources,
        work=str(_work_folder(workspace)),
        max_parallel=stack.max_parallel or _cores(),
        pools=stack.pools,
        secrets=workspace.secrets(stack),
        cache=cache,
        logical_date=None if logical_date is None else logical_date.isoformat(),
    )


class Resolved(NamedTuple):
    """The parameters of a run, and what each of them that names an artifact was resolved to."""

    params: dict[str, Any]
    artifacts: dict[str, Ref]


def resolve_artifacts(records: Records, pipeline: Pipeline, given: Mapping[str, Any]) -> Resolved:
    """Turn what artifact parameters were given as into ids and references: once, before the run is recorded.

    Raises one `ParamError` with all that name no artifact of this store.
    """
    params, found, problems = dict(given), {}, []
    asked = [one for one in pipeline.params if artifact_type(one.type) is not None and given[one.name] is not None]
    looks = Plan(pipeline).looks_of_params() if asked else {}
    for param in asked:
        try:
            artifact = records.reference(given[param.name])
            found[param.name] = records.artifacts.outlined(artifact.ref, looks.get(param.name))
            params[param.name] = artifact.id
        except (NotFound, Corrupt) as error:
            problems.append(ParamError(f"parameter `{param.name}`: {error.message}", hint=error.hint))
    if problems:
        hints = dict.fromkeys(problem.hint for problem in problems if problem.hint)
        raise ParamError("\n".join(problem.message for problem in problems), hint="; ".join(hints))
    return Resolved(params, found)


def _cores() -> int:
    """Those that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _work_folder(workspace: Workspace) -> Path:
    """Where runs of this machine keep their logs while they go on. What killed ones left there is removed."""
    folder = workspace.state("run", os.uname().nodename)
    folder.mkdir(parents=True, exist_ok=True)
    with os.scandir(folder) as entries:
        stale = [entry.path for entry in entries if _is_stale(entry.name)]
    for path in stale:
        remove_folders(Path(path))
    return folder


def _is_stale(name: str) -> bool:
    """`<run>-<pid>` of a process that is no more."""
    _, _, pid = name.rpartition("-")
    if not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False
