"""TARGET: which pipeline a command means, and of which project.

`locate` looks at files only. `load` runs the user's module; a command does it once it has made whatever must exist
before user code runs.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeglot.core.code import Project
from pipeglot.core.errors import Location, TargetError
from pipeglot.core.ir import Pipeline
from pipeglot.core.suggest import close
from pipeglot.stacks.workspace import Workspace, bare_workspace, workspace_at, workspace_of

if TYPE_CHECKING:
    from pipeglot.core.code.outside import Outside

IR_SUFFIXES = (".json", ".yaml", ".yml")
_FORMS = "TARGET is `file.py`, `file.py:name`, `package.module:name`, or an IR file (`.json`, `.yaml`)"


class Target(NamedTuple):
    """A target that is there. `module` is the name that its file has in the project; of an IR file there is none."""

    text: str
    workspace: Workspace
    file: Path
    module: str | None
    name: str | None


class Loaded(NamedTuple):
    """A pipeline as data, where the user wrote its nodes, and the sha256 of the files that its digests cover.

    `outside`: by digest, the values that the code of a step has from elsewhere, so that the digest cannot know them.
    """

    pipeline: Pipeline
    locations: dict[str, Location]
    sources: dict[str, str]
    outside: dict[str, tuple[Outside, ...]]


def locate(text: str, folder: Path | None = None) -> Target:
    """Find the file and the project of a TARGET, as seen from `folder`. Raises `TargetError`, `ConfigError`."""
    here = folder or Path.cwd()
    place, colon, name = text.rpartition(":")
    if not colon:
        place, name = text, ""
    elif not place or not name:
        raise TargetError(f"`{text}` is no target", hint=_FORMS)
    if place.endswith(IR_SUFFIXES):
        return _ir_target(text, here, place, name)
    if place.endswith(".py") or os.sep in place:
        return _file_target(text, here, place, name)
    return _module_target(text, here, place, name)


def load(target: Target) -> Loaded:
    """Import the target's module and trace its pipeline, or read its IR. Raises `TargetError`, `DefinitionError`."""
    from pipeglot.core.sources import use_roots

    use_roots(target.workspace.roots, {})
    project = Project(target.workspace.roots)
    if target.module is None:
        from pipeglot.stacks.ir_target import load_ir

        pipeline, locations = load_ir(target.file, target.text, project)
        return Loaded(pipeline, locations, project.sources(), found_outside(project))
    from pipeglot.stacks.importing import find_pipeline, import_user_module

    module = import_user_module(target.module, target.file, target.workspace.root)
    traced = find_pipeline(module, target.name, target.text).trace(project)
    return Loaded(traced.pipeline, traced.locations, project.sources(), found_outside(project))


def found_outside(project: Project) -> dict[str, tuple[Outside, ...]]:
    """What the closures of a project hold from elsewhere, with files as people see them: from the project's root."""
    from pipeglot.core.authoring.positions import Lines

    lines = Lines(project)

    def shown(at: Location) -> Location:
        return Location(lines.name(at.file), at.line)

    return {
        digest: tuple(value._replace(at=shown(value.at), read_at=shown(value.read_at)) for value in values)
        for digest, values in project.outside().items()
    }


def target_text(target: Target, pipeline: Pipeline) -> str:
    """A target so that it means the same pipeline from the project's root, also when its file gets a second one."""
    file = os.path.relpath(target.file, target.workspace.root)
    return file if target.module is None else f"{file}:{target.name or pipeline.name}"


# --- the three forms --------------------------------------------------------------------------------------------------


def _ir_target(text: str, here: Path, place: str, name: str) -> Target:
    if name:
        raise TargetError(f"`{text}`: an IR file holds one pipeline", hint=f"leave `:{name}` out")
    file = _existing(here, place)
    bare = here if file.is_relative_to(here) else file.parent
    workspace = workspace_of(file.parent) or workspace_of(here) or bare_workspace(bare)
    return Target(text, workspace, file, None, None)


def _file_target(text: str, here: Path, place: str, name: str) -> Target:
    file = _existing(here, place)
    if file.suffix != ".py":
        raise TargetError(f"`{place}` is no Python file", hint=_FORMS)
    workspace = workspace_of(file.parent) or bare_workspace(_above_packages(file.parent))
    module = Project(workspace.roots).module_of(file)
    if module is None:
        raise _unnamed(file, workspace)
    return Target(text, workspace, file, _checked(module, file), name or None)


def _module_target(text: str, here: Path, place: str, name: str) -> Target:
    if (here / place).is_file() or not all(part.isidentifier() for part in place.split(".")):
        raise TargetError(f"`{text}` is no target", hint=_meant(here, place) or _FORMS)
    workspace = workspace_at(here)
    file = _file_of(place, workspace)
    if file is None:
        listed = " or ".join(f"`{root}`" for root in workspace.roots)
        raise TargetError(f"there is no module `{place}` in {listed}", hint=_meant(here, place) or _FORMS)
    module = Project(workspace.roots).module_of(file) or place
    return Target(text, workspace, file, _checked(module, file), name or None)


def _existing(here: Path, place: str) -> Path:
    file = Path(os.path.abspath(here / os.path.expanduser(place)))  # links stay as they are
    if file.is_file():
        return file
    if file.is_dir():
        hint = "name the file in it that has the pipeline"
        raise TargetError(f"`{place}` is a folder", hint=hint)
    raise TargetError(f"there is no file `{place}`", hint=_meant(here, place))


def _above_packages(folder: Path) -> Path:
    while (folder / "__init__.py").exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def _file_of(module: str, workspace: Workspace) -> Path | None:
    for root in workspace.roots:
        base = Path(root, *module.split("."))
        for file in (base / "__init__.py", base.with_name(f"{base.name}.py")):
            if file.is_file():
                return file
    return None


def _checked(module: str, file: Path) -> str:
    """A module that Python would never look for in the project is refused."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names or top in sys.builtin_module_names:
        raise TargetError(
            f"`{file.name}` would be imported as `{module}`, and Python's own `{top}` comes first",
            hint=f"rename it, for example to `my_{top}`",
        )
    return module


# --- what to say ------------------------------------------------------------------------------------------------------


def _unnamed(file: Path, workspace: Workspace) -> TargetError:
    """Why a file has no module name in its project."""
    relative = file.relative_to(workspace.root)
    parts = [*relative.parts[:-1], relative.stem]
    odd = next((part for part in parts if not part.isidentifier()), None)
    if odd is not None:
        better = "".join(char if char.isalnum() else "_" for char in odd)
        hint = f"rename it, for example to `{better}`" if better.isidentifier() else "rename it"
        if odd != relative.stem:
            hint += ", or give its folder a `pipeglot.yaml` of its own"
        return TargetError(f"`{relative}` cannot be imported: `{odd}` is no name to Python", hint=hint)
    if parts[0] == "pipeglot":
        return TargetError(f"`{relative}` cannot be imported: `pipeglot` is this package", hint="rename it")
    other = _file_of(".".join(parts), workspace)
    hint = f"Python finds `{other}` first: rename one of them" if other else ""
    return TargetError(f"`{relative}` cannot be imported by its name", hint=hint)


def _meant(here: Path, place: str) -> str:
    """A file nearby that the user may have meant."""
    wanted = Path(place)
    folder = here / wanted.parent
    if not folder.is_dir():
        return f"there is no folder `{wanted.parent}` either"
    try:
        files = {entry.stem: entry.name for entry in folder.iterdir() if entry.suffix in (".py", *IR_SUFFIXES)}
    except OSError:
        return ""
    stem = wanted.name.removesuffix(".py")
    found = close(stem, files)
    return f"did you mean `{wanted.parent / files[found]}`?" if found else ""
