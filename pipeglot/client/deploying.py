"""Bring a pipeline to where it will run: its code and IR into the store, its files to the orchestrator."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from pipeglot.client.compiling import code_bundle, source_of
from pipeglot.client.records import open_stack_store
from pipeglot.compilers.base import File
from pipeglot.compilers.registry import compiler
from pipeglot.compilers.remote import Remote
from pipeglot.core.bundle.archive import Bundle
from pipeglot.core.bundle.unpack import bundle_key
from pipeglot.core.errors import ConfigError, StoreError, UsageError
from pipeglot.core.ir import Pipeline
from pipeglot.core.lineage.gc.code import note_deployed
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.stack import Stack
from pipeglot.core.store.base import Store
from pipeglot.core.store.clouds import is_bucket
from pipeglot.core.variables import expand
from pipeglot.stacks.models import LocalStack
from pipeglot.stacks.target import Loaded, Target, target_text


class Installed(Struct, frozen=True, kw_only=True):
    """A deployed pipeline.

    pipeline: its name.
    stack: where it was deployed to.
    ir: the digest of its IR, which the store has now.
    bundle: the digest of the project's code, which the store has now; empty if it is installed where steps run.
    files: those that were written, for the orchestrator to read; or that somebody has to bring there.
    written: whether they were: a stack may not say where they lie.
    live: whether the orchestrator has read this very version; null if it was not asked.
    version: by which the orchestrator shows that it has read these very files.
    """

    pipeline: str
    stack: str
    ir: str
    bundle: str
    files: tuple[str, ...]
    written: bool = True
    live: bool | None = None
    version: str = ""


def deploy(target: Target, loaded: Loaded, stack: Stack, remote: Remote | None) -> Installed:
    """Compile, fill the store, and only then install the files, and tell the orchestrator of them if there is a way to.

    Raises `Unsupported`, `StoreError`, `ConfigError`, `EngineError`.
    """
    if isinstance(stack, LocalStack):
        raise UsageError(
            f"stack `{stack.name}` runs pipelines as they are, so there is nothing to deploy",
            hint="`pipeglot run` runs it; `--stack NAME` names one of another backend",
        )
    carried = code_bundle(target.workspace, loaded, stack)
    bundle = carried.digest if carried is not None else ""
    source = source_of(loaded, target_text(target, loaded.pipeline), bundle)
    made = compiler(stack.backend)
    files = made.compile(source, stack)
    place = place_of(stack, target.workspace.root)
    kept = made.kept(stack, files)
    store = open_stack_store(target.workspace, stack)
    push(store, stack.name, loaded.pipeline, carried, kept)
    names = [_write(place, file) for file in files] if place else [f"{store.uri}/{key}" for key in kept]
    if remote is not None:
        remote.register(source, files)
        if not names and not stack.files_setting:  # it was given them itself
            names = [file.name for file in files if file.version]
    return Installed(
        pipeline=loaded.pipeline.name,
        stack=stack.name,
        ir=source.ir,
        bundle=bundle,
        files=tuple(names or (file.name for file in files)),
        written=bool(names),
        version=next((file.version for file in files if file.version), ""),
    )


def push(store: Store, stack: str, pipeline: Pipeline, bundle: Bundle | None, kept: Mapping[str, bytes]) -> None:
    """What a task of the pipeline looks for in the store. Raises `StoreError`."""
    ir = Ledger(store).put_ir(pipeline)
    note_deployed(store, stack, pipeline.name, ir, bundle.digest if bundle is not None else "")
    for key, data in kept.items():
        if not store.put(key, data) and store.get(key) != data:  # a damaged one
            store.delete(key)
            store.put(key, data)
    if bundle is not None and store.size(bundle_key(bundle.digest)) != len(bundle.data):
        store.put(bundle_key(bundle.digest), bundle.data)


def place_of(stack: Stack, root: Path) -> str | Path:
    """Where the files are to lie: a folder, or the URI of a place in a bucket; empty if the stack does not say."""
    setting = stack.files_setting
    named = expand(getattr(stack, setting, ""), f"stack `{stack.name}`: `{setting}`")
    if not named or "://" in named:
        scheme = named.partition("://")[0]
        if scheme and not is_bucket(scheme):
            raise ConfigError(
                f"stack `{stack.name}`: `{setting}` is at `{scheme}://…`, where no files are written",
                hint="a folder, or a bucket: `s3://…`, `gs://…`, `az://…`",
            )
        return named
    folder = root / Path(named).expanduser()
    if not folder.is_dir():
        raise ConfigError(f"stack `{stack.name}`: there is no folder `{folder}`", hint="is it mounted here?")
    return folder


def _write(place: str | Path, file: File) -> str:
    """Whole or not at all: a scheduler may read it at any time, and takes no other suffix for a DAG file."""
    if isinstance(place, str):
        from pipeglot.core.store.writing import write_object

        return write_object(place, file.name, file.text.encode("utf-8"))
    path = place / file.name
    temp = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temp.write_text(file.text, encoding="utf-8")
        temp.replace(path)
    except OSError as error:
        raise StoreError(f"`{path}` cannot be written: {error.strerror}") from None
    finally:
        temp.unlink(missing_ok=True)
    return str(path)
