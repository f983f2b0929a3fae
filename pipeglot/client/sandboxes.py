"""Sandboxes by the names of their engines: where each lies, and the stack that stands for it in `pipeglot.yaml`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path

from pipeglot.compilers.sandboxes.engine import Engine
from pipeglot.compilers.sandboxes.home import Home, cache
from pipeglot.compilers.sandboxes.running import Sandbox
from pipeglot.core.errors import ConfigError, PipeglotError, UsageError
from pipeglot.core.suggest import listed, meant
from pipeglot.stacks.models import backends, stack_type
from pipeglot.stacks.state import STATE
from pipeglot.stacks.workspace import Workspace

ENGINES = {
    "airflow": "pipeglot.compilers.airflow.sandbox:Airflow",
    "prefect": "pipeglot.compilers.prefect.sandbox:Prefect",
    "kfp": "pipeglot.compilers.kfp.sandbox:Kfp",
    "metaflow": "pipeglot.compilers.metaflow.sandbox:Metaflow",
}
"""Every engine that has a sandbox, as `module:class`: only the one that is asked for is imported."""


def find_engine(name: str) -> Engine:
    """Raises `UsageError`."""
    if name not in ENGINES:
        raise UsageError(f"there is no sandbox of `{name}`", hint=meant(name, ENGINES, "there are those of"))
    module, _, cls = ENGINES[name].partition(":")
    engine: Engine = getattr(import_module(module), cls)()
    return engine


def find_sandbox(name: str, version: str | None, home: Path | None) -> Sandbox:
    """The sandbox of one version of an engine; of the first one if none is named. Raises `UsageError`."""
    engine = find_engine(name)
    version = version or next(iter(engine.releases))
    if version not in engine.releases:
        raise UsageError(
            f"there is no sandbox of {engine.title} `{version}`", hint=f"the versions are: {listed(engine.releases)}"
        )
    sandboxes = Path(os.environ.get("PIPEGLOT_SANDBOXES") or cache() / "sandboxes")
    engines = Path(os.environ.get("PIPEGLOT_ENGINES") or cache() / "engines").absolute()
    return Sandbox(engine, version, Home(home or sandboxes / f"{name}-{version}"), engines)


def made_sandboxes(name: str | None, version: str | None, home: Path | None) -> Iterator[Sandbox]:
    """Those that were ever started: of one engine or of all, of one version or of all. Raises `UsageError`."""
    if home is not None:
        yield from _in(home, name, version)
        return
    for engine in [find_engine(name)] if name else map(find_engine, ENGINES):
        if version is not None:
            find_sandbox(engine.name, version, None)
        for one in engine.releases:
            sandbox = find_sandbox(engine.name, one, None)
            if version in (None, one) and sandbox.home.exists():
                yield sandbox


def _in(home: Path, name: str | None, version: str | None) -> Iterator[Sandbox]:
    """What lies in that folder. If it cannot say what it is any more, it is what it is asked for as."""
    lies = Home(home)
    state = lies.read_state()
    if state is None:
        if name and lies.exists():
            yield find_sandbox(name, version, home)
    elif name in (None, state.engine) and version in (None, state.version):
        yield find_sandbox(state.engine, state.version, home)


def parse_settings(words: Iterable[str]) -> dict[str, str]:
    """What `-o KEY=VALUE` says. Raises `UsageError`."""
    found = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise UsageError(f"`-o {word}` has no `=`", hint=f"write `-o {key or 'KEY'}=VALUE`")
        found[key] = value
    return found


def add_stack(workspace: Workspace, sandbox: Sandbox, tell: Callable[[str], None]) -> None:
    """Write the stack of a sandbox that is up into the project's `pipeglot.yaml`; or tell why that is not done."""
    from pipeglot.stacks.editing import entry_of, write_stack

    state = sandbox.home.read_state()
    if state is None or sandbox.engine.name not in backends():
        return
    name = sandbox.engine.stack_name(sandbox.version)
    known = stack_type(sandbox.engine.name).settings
    fields = {
        key: value for key, value in sandbox.engine.stack(state, sandbox.home).items() if key in ("backend", *known)
    }
    fields["store"] = str(workspace.root / STATE / "store")  # that of a laptop's runs: what they computed is there
    if workspace.file is None:
        tell(f"there is no pipeglot.yaml here to write the stack `{name}` into: `pipeglot init` makes one")
        return
    try:
        changed = write_stack(workspace.file, name, fields)
    except (ConfigError, OSError) as error:
        told = error.message if isinstance(error, PipeglotError) else str(error)
        tell(f"{told}\nwrite it there yourself, below `stacks:`:\n\n{entry_of(name, fields, '  ')}")
        return
    if changed:
        tell(f"added the stack `{name}` to {workspace.file}; `pipeglot stack set {name}` makes it the active one")


def prepare(name: str, version: str) -> None:
    """Make the environment of an engine, and start nothing: for the set-up of tests."""
    import sys

    find_sandbox(name, version, None).prepare(lambda text: print(text, file=sys.stderr))


if __name__ == "__main__":
    import sys

    prepare(*sys.argv[1:3])
