"""`stack check`: what stands against running pipelines on a stack, as far as it can be seen from here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from pipeglot.client.records import Records, open_stack_store
from pipeglot.client.text import duration, plural
from pipeglot.compilers.remote import Check, Remote
from pipeglot.core.errors import PipeglotError
from pipeglot.core.ir import Pipeline
from pipeglot.core.lineage.ledger import nonce
from pipeglot.core.secret_places import KINDS, InCloud, in_cloud
from pipeglot.core.stack import Stack
from pipeglot.core.wire import load
from pipeglot.stacks.models import LocalStack
from pipeglot.stacks.target import Loaded
from pipeglot.stacks.workspace import Workspace

_PROBE = b"written by `pipeglot stack check`, and deleted at once\n"


class StackCheck(Struct, frozen=True, kw_only=True):
    """Something of a stack that was looked at.

    what: in a word or two, as `store`, `api`, `secret TOKEN`.
    ok: whether it is as it should be.
    message: what was found.
    hint: the way out; empty if there is none to name, or nothing is wrong.
    """

    what: str
    ok: bool
    message: str
    hint: str


class StackChecked(Struct, frozen=True, kw_only=True):
    """A stack, and all that was looked at.

    stack: its name.
    backend: what runs its pipelines.
    ok: whether nothing is wrong.
    checks: what was looked at, one by one.
    """

    stack: str
    backend: str
    ok: bool
    checks: tuple[StackCheck, ...]


def check_stack(workspace: Workspace, stack: Stack, loaded: Loaded | None = None) -> StackChecked:
    """Look at everything, and go on after what is wrong. `loaded`: a pipeline that is to run there."""
    found = tuple(
        StackCheck(what=one.what, ok=one.ok, message=one.said, hint=one.hint)
        for one in _checks(workspace, stack, loaded)
    )
    return StackChecked(stack=stack.name, backend=stack.backend, ok=all(one.ok for one in found), checks=found)


def _checks(workspace: Workspace, stack: Stack, loaded: Loaded | None) -> Iterator[Check]:
    yield from _store(workspace, stack)
    yield from _metadata(workspace, stack)
    yield from _secrets(workspace, stack)
    if loaded is not None:
        yield from _pipeline(loaded, stack)
    if not isinstance(stack, LocalStack):
        yield from _there(workspace, stack, loaded)


def _wrong(what: str, error: PipeglotError) -> Check:
    return Check(what, error.message, ok=False, hint=error.hint)


# --- the store --------------------------------------------------------------------------------------------------------


def _store(workspace: Workspace, stack: Stack) -> Iterator[Check]:
    try:
        store = open_stack_store(workspace, stack)
        key = f"probe/{nonce()}"
        store.put(key, _PROBE)
        try:
            read = store.get(key)
        finally:
            store.delete(key)
    except PipeglotError as error:
        yield _wrong("store", error)
        return
    if read != _PROBE:
        yield Check("store", f"`{store.uri}` gives back something else than was written", ok=False)
        return
    yield Check("store", f"`{store.uri}` can be read and written")
    if store.trusted:
        yield Check("trust", "pickles are read from it")
    else:
        why = "`trusted: false`" if stack.trusted is False else "the stack does not say `trusted: true`"
        yield Check("trust", f"it is not trusted: no pickle is read from it, for {why}")


# --- the shared index -------------------------------------------------------------------------------------------------


def _metadata(workspace: Workspace, stack: Stack) -> Iterator[Check]:
    from pipeglot.client.indexed import Index
    from pipeglot.core.lineage.index.database import Unavailable

    if stack.metadata is None:
        return
    try:
        index = Index(Records(workspace, open_stack_store(workspace, stack), stack), lambda _: None)
        found = index.look()
    except Unavailable as error:
        yield Check("metadata", f"it cannot be used: {error}", ok=False, hint="until then, each checkout has its own")
        return
    except PipeglotError as error:
        yield _wrong("metadata", error)
        return
    when = f", as of {duration(found.seconds)} ago" if found.seconds is not None else ""
    behind = f"; it lacks {plural(found.behind, 'run')}, until somebody asks it" if found.behind else ""
    yield Check("metadata", f"`{found.shown}` has {plural(found.runs, 'run')} of this store{when}{behind}")
    if not found.writable:
        yield Check("metadata", "this user may only read it: what is new, others have to put in")


# --- secrets ----------------------------------------------------------------------------------------------------------


def _secrets(workspace: Workspace, stack: Stack) -> Iterator[Check]:
    """Where steps run here, each has to be there; of another machine nobody here knows."""
    for name, where in workspace.secrets(stack).items():
        kind, _, place = where.partition(":")
        cloud = in_cloud(where)
        if not isinstance(stack, LocalStack):
            if kind in KINDS:
                yield Check(f"secret {name}", f"is read from `{where}` where tasks run")
        elif cloud is not None:
            yield _in_cloud(name, cloud)
        elif kind == "env":
            there = place in os.environ
            said = f"the variable `{place}` is {'set' if there else 'not set'}"
            yield Check(f"secret {name}", said, there, "" if there else f"`export {place}=…`")
        else:
            file = Path(place).expanduser()
            there = os.access(file, os.R_OK)
            said = f"`{file}` can{'' if there else 'not'} be read"
            yield Check(f"secret {name}", said, there, "" if there else "write it there, for this user to read")


def _in_cloud(name: str, place: InCloud) -> Check:
    from pipeglot.core.clouds.asking import Trouble
    from pipeglot.core.clouds.secrets import Managers

    try:
        Managers().read(place)
    except Trouble as trouble:
        return Check(f"secret {name}", trouble.message, ok=False, hint=trouble.hint)
    return Check(f"secret {name}", f"`{place.name}` can be read")


# --- pipelines --------------------------------------------------------------------------------------------------------


def _pipeline(loaded: Loaded, stack: Stack) -> Iterator[Check]:
    from pipeglot.client.checks import findings

    name = loaded.pipeline.name
    problems = findings(loaded, stack).problems
    for problem in problems:
        said = f"{problem.at}: {problem.message}" if problem.at else problem.message
        yield Check(f"pipeline {name}", said, ok=False, hint=problem.hint)
    if not problems:
        yield Check(f"pipeline {name}", "nothing stands against it")


def _there(workspace: Workspace, stack: Stack, loaded: Loaded | None) -> Iterator[Check]:
    from pipeglot.client.deploying import place_of
    from pipeglot.compilers.base import File
    from pipeglot.compilers.registry import compiler, live

    place: str | Path = ""
    setting = stack.files_setting
    try:
        place = place_of(stack, workspace.root)
        if compiler(stack.backend).kept(stack, [File("", "", "version")]):
            yield Check(setting, "workers take its files from the store")
        elif not place and setting:
            yield Check(setting, "the stack does not say where its files lie: `deploy` tells what to commit")
        elif isinstance(place, Path) and not os.access(place, os.W_OK | os.X_OK):
            yield Check(setting, f"nothing can be written into `{place}`", ok=False, hint="whose is it?")
    except PipeglotError as error:
        yield _wrong(setting, error)
    if not stack.is_live:
        yield Check("api", f"the stack has no `{stack.live_setting}`: runs are not started or followed from here")
        return
    deployed = _deployed(place, stack.name) if isinstance(place, Path) else {}
    try:
        remote = live(stack)
        assert remote is not None, "a stack with an address has one"
        yield from remote.checks(deployed.values())
        pipelines = deployed | ({loaded.pipeline.name: loaded.pipeline} if loaded else {})
        yield from _needs(remote, pipelines)
    except PipeglotError as error:
        yield _wrong("api", error)


def _needs(remote: Remote, pipelines: dict[str, Pipeline]) -> Iterator[Check]:
    from pipeglot.compilers.base import Source

    for name, pipeline in pipelines.items():
        for problem in remote.problems(Source(pipeline, "", "")):
            yield Check(f"pipeline {name}", problem.message, ok=False, hint=problem.hint)


def _deployed(folder: Path, stack: str) -> dict[str, Pipeline]:
    """The pipelines whose files lie in a folder and were written for this stack."""
    found = {}
    for file in sorted(folder.glob("*.pipeglot.json")):
        beside = file.with_name(f"{file.name.removesuffix('.pipeglot.json')}.py")
        try:
            if f'"stack": {msgspec.json.encode(stack).decode()},' in beside.read_text(encoding="utf-8"):
                pipeline = load(file.read_bytes(), source=file.name)
                found[pipeline.name] = pipeline
        except (OSError, UnicodeDecodeError, PipeglotError):  # not of ours, or of another version of it
            continue
    return found
