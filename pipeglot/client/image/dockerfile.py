"""A Dockerfile for the images that a pipeline's steps run in: short, with every version pinned, and nothing secret."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct, structs

from pipeglot.client.compiling import make_code_bundle
from pipeglot.client.image.imports import Import, Imports
from pipeglot.client.image.pins import pinned
from pipeglot.client.worker import own_line
from pipeglot.core.errors import UsageError
from pipeglot.core.ir import Step
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.stack import Stack, no_image
from pipeglot.stacks.target import Loaded, Target, target_text

PYTHON = re.compile(r"3\.(1[1-9]|[2-9][0-9])")
WRITTEN = "# Written by pipeglot."
_USER = "steps"
_ID = 10001
"""Of the user that steps run as: such a one is in no base image."""
_CODE = "/code"
_WHEELS = "/opt/"
_INSTALL = "RUN python3 -m pip install --no-cache-dir --no-deps"
_SHOWN = 3


class Dockerfile(Struct, frozen=True, kw_only=True):
    """What an image of steps is built from.

    pipeline: whose steps they are.
    stack: that they run on.
    image: what the stack calls the image; empty if it does not name one yet.
    steps: that run in it.
    base: the image that it begins with.
    python: the version of Python that its packages are for.
    packages: all that is installed in it beside pipeglot, each with its version.
    text: the Dockerfile.
    out: the file that `--out` wrote it to; null without.
    """

    pipeline: str
    stack: str
    image: str
    steps: tuple[str, ...]
    base: str
    python: str
    packages: tuple[str, ...]
    text: str
    out: str | None = None


class Wishes(NamedTuple):
    """What the command line says of it.

    image: which one, if the stack names several. before: the text that is there already, whose versions stay but with
    `upgrade`. words: all of this, as typed.
    """

    image: str = ""
    python: str = ""
    base: str = ""
    wheel: str = ""
    before: str = ""
    upgrade: bool = False
    words: tuple[str, ...] = ()


def dockerfile(target: Target, loaded: Loaded, stack: Stack, wishes: Wishes) -> tuple[Dockerfile, tuple[Import, ...]]:
    """The Dockerfile; and what is imported and not installed here, so that it may be missing there too.

    Raises `UsageError` for a stack whose steps run in no image, or in several, and for packages that cannot be had.
    """
    python = wishes.python or f"3.{sys.version_info.minor}"
    base = wishes.base or f"python:{python}-slim"
    _check(python, base, wishes.wheel, stack)
    image, steps = _chosen(loaded, stack, wishes.image)
    workspace = target.workspace
    imports = Imports(tuple(map(Path, workspace.roots)), [Path(file) for file in loaded.sources])
    wanted = dict.fromkeys([*(line for step in steps for line in step.packages), *imports.packages])
    extras = {"s3"} if "://" in stack.store or "${" in stack.store else set[str]()
    made = Dockerfile(
        pipeline=loaded.pipeline.name,
        stack=stack.name,
        image=image,
        steps=tuple(step.id for step in steps),
        base=base,
        python=python,
        packages=pinned(wanted, extras, python, wishes.before, upgrade=wishes.upgrade),
        text="",
    )
    words = ["pipeglot", "worker", "dockerfile", target_text(target, loaded.pipeline), "--stack", stack.name]
    head = [*_head(made), f"#   {shlex.join([*words, *wishes.words])}", *_pin(base)]
    code = getattr(stack, "code", "bundle")
    copied = make_code_bundle(workspace, loaded).files if code == "image" else ()
    roots = [Path(root).relative_to(workspace.root).as_posix() for root in workspace.roots]
    # By its number: a cluster that lets nobody be root cannot tell of a name.
    body = [*_body(made, wishes.wheel), *_code([file.path for file in copied], roots), f"USER {_ID}"]
    if code == "installed":
        body.insert(-1, "# The stack says `code: installed`: what installs the project's own code belongs here.")
    return structs.replace(made, text="\n".join([*head, *body]) + "\n"), imports.missing


# --- which image ------------------------------------------------------------------------------------------------------


def _check(python: str, base: str, wheel: str, stack: Stack) -> None:
    if not PYTHON.fullmatch(python):
        raise UsageError(f"`{python[:20]}` is no Python that pipeglot runs on", hint="from 3.11 on, as `--python 3.12`")
    if why := no_image(base):
        raise UsageError(f"`{base[:60]}` is no image to begin with: {why}")
    if wheel:
        own_line(wheel)
        if "://" not in wheel and (wheel.startswith("/") or ".." in Path(wheel).parts):
            raise UsageError(
                f"`{wheel}` is not below the folder that an image is built in",
                hint="copy it there, and name it from there: `--wheel dist/pipeglot-1.0-py3-none-any.whl`",
            )
    if getattr(stack, "python", ""):
        raise UsageError(
            f"stack `{stack.name}` says `python:`, and this image has its packages in its own Python",
            hint="take it out of the stack",
        )


def _chosen(loaded: Loaded, stack: Stack, asked: str) -> tuple[str, list[Step]]:
    """The image that is meant, and its steps."""
    images: dict[str, list[Step]] = {}
    for step in Plan(loaded.pipeline).steps():
        name = stack.image_of(step)
        if name is None:
            raise UsageError(
                f"the steps of stack `{stack.name}` run in no image of their own",
                hint="images are of stacks of `kfp` and `vertex`, and of `airflow` with `run: pod`; what workers of"
                " Airflow need, `pipeglot worker requirements` prints",
            )
        images.setdefault(name, []).append(step)
    if not asked and len(images) == 1:
        (asked,) = images
    if asked in images:
        return asked, images[asked]
    shown = "; ".join(f"{_called(name)} ({_few(steps)})" for name, steps in images.items())
    if asked:
        raise UsageError(
            f"no step of `{loaded.pipeline.name}` runs in the image `{asked[:60]}`", hint=f"they run in {shown}"
        )
    raise UsageError(
        f"the steps of `{loaded.pipeline.name}` run in {len(images)} images on stack `{stack.name}`, "
        "and a Dockerfile is for one",
        hint=f"say which, with `--image`: they run in {shown}",
    )


def _called(image: str) -> str:
    return f"`{image}`" if image else "`''`, for nobody names one"


def _few(steps: Sequence[Step]) -> str:
    names = ", ".join(f"`{step.id}`" for step in steps[:_SHOWN])
    return f"{names} and {len(steps) - _SHOWN} more" if steps[_SHOWN:] else names


# --- the text ---------------------------------------------------------------------------------------------------------


def _head(made: Dockerfile) -> Iterator[str]:
    count = len(made.steps)
    steps = (
        f"the {count} steps of `{made.pipeline}` run" if count > 1 else f"`{made.steps[0]}` of `{made.pipeline}` runs"
    )
    named = f"the image `{made.image}`" if made.image else "an image"
    yield f"# For {named}, in which {steps} on stack `{made.stack}`."
    yield f"{WRITTEN} To write it again, with the same versions (with --upgrade: those of today):"


def _pin(base: str) -> Iterator[str]:
    if "@sha256:" not in base:
        yield "# The base may be another image tomorrow. Its digest makes it stay, as a registry or"
        yield f"# `docker buildx imagetools inspect` tells it: --base {base}@sha256:…"


def _body(made: Dockerfile, wheel: str) -> Iterator[str]:
    """What changes least comes first, so that building again repeats little."""
    yield f"FROM {made.base}"
    yield f"RUN useradd --create-home --uid {_ID} {_USER}"
    yield " \\\n    ".join([_INSTALL, *map(shlex.quote, made.packages)])
    if wheel and "://" not in wheel:
        yield f"COPY {json.dumps([wheel, _WHEELS], ensure_ascii=False)}"
        yield f"{_INSTALL} {shlex.quote(f'{_WHEELS}{Path(wheel).name}')}"
    else:
        yield f"{_INSTALL} {shlex.quote(own_line(wheel or None))}"
    yield f'LABEL org.opencontainers.image.title="steps of {made.pipeline}" pipeglot.stack="{made.stack}"'


def _code(files: Sequence[str], roots: Sequence[str]) -> Iterator[str]:
    """The files that a bundle would have, folder by folder."""
    if not files:
        yield f"WORKDIR /home/{_USER}"
        return
    yield f"WORKDIR {_CODE}"
    yield f'ENV PYTHONPATH="{":".join(f"{_CODE}/{root}".removesuffix("/.") for root in roots)}"'
    folders: dict[str, list[str]] = {}
    for file in files:
        folders.setdefault(file.rpartition("/")[0], []).append(file)
    for folder, inside in sorted(folders.items()):
        yield f"COPY {json.dumps([*inside, f'./{folder}/' if folder else './'], ensure_ascii=False)}"
