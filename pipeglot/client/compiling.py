"""A pipeline as what its stack's backend reads: the files, and what the store must hold for them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pipeglot.compilers.base import File, Source
from pipeglot.compilers.registry import compiler
from pipeglot.core import wire
from pipeglot.core.bundle.archive import Bundle, make_bundle
from pipeglot.core.stack import Stack
from pipeglot.stacks.target import Loaded, Target, target_text
from pipeglot.stacks.workspace import Workspace


def compiled(target: Target, loaded: Loaded, stack: Stack) -> tuple[File, ...]:
    """The files of a pipeline for a stack. Raises `Unsupported`, `DefinitionError` if the code cannot travel."""
    made = compiler(stack.backend)
    carried = code_bundle(target.workspace, loaded, stack)
    digest = carried.digest if carried is not None else ""
    return made.compile(source_of(loaded, target_text(target, loaded.pipeline), digest), stack)


def source_of(loaded: Loaded, target: str, bundle: str) -> Source:
    """What a compiler is given."""
    ir = hashlib.sha256(wire.compact(loaded.pipeline)).hexdigest()
    return Source(loaded.pipeline, target, ir, bundle, loaded.locations)


def code_bundle(workspace: Workspace, loaded: Loaded, stack: Stack) -> Bundle | None:
    """The archive in which the project's code travels to a stack's workers; None if they have it already."""
    return make_code_bundle(workspace, loaded) if getattr(stack, "code", "bundle") == "bundle" else None


def make_code_bundle(workspace: Workspace, loaded: Loaded) -> Bundle:
    """The archive in which the project's code travels."""
    needed = [file for file in loaded.sources if Path(file).is_relative_to(workspace.root)]
    return make_bundle(workspace.root, workspace.config.include, needed)
