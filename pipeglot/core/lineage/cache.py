"""The step cache: what a step computed is used again when code, arguments and declared environment are equal."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Mapping
from typing import NamedTuple

from pipeglot.core import plain
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.ir import Step
from pipeglot.core.lineage.arguments import Arg, hashes
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.records import CacheEntry, Ref

KEY_FORMAT = 1


class Lookup(NamedTuple):
    """A usable entry, or in `why` the reason there is none."""

    entry: CacheEntry | None
    why: str = ""
    stale: bool = False


def cacheable(step: Step) -> bool:
    """Clean-up steps run for what they do, not for what they give: never from the cache."""
    return step.cache.enabled and step.trigger == "all_success"


def cache_key(step: Step, args: Mapping[str, Arg]) -> str:
    """The key of a step's results: code, arguments, what it declares. Never image, resources, stack, host or Python."""
    return plain.digest(
        {
            "format": KEY_FORMAT,
            "code": step.code.digest,
            "inputs": {name: hashes(arg, key=True) for name, arg in args.items()},
            "version": step.cache.version,
            "env": step.env,
            "packages": list(step.packages),
            "secrets": sorted(step.secrets),
        }
    )


def look_up(
    step: Step, key: str, ledger: Ledger, artifacts: Artifacts, now: dt.datetime, *, tidy: bool = True
) -> Lookup:
    """Find results under a key. One that is `stale` has to be forgotten before new results can take its place.

    Without `tidy`, not even a damaged one is deleted: for who only wants to know.
    """
    entry = ledger.cache_entry(key, tidy=tidy)
    if entry is None:
        return Lookup(None, "nothing was computed from these inputs yet")
    why = _useless(step, entry, artifacts, now)
    return Lookup(None, why, stale=True) if why else Lookup(entry)


def _useless(step: Step, entry: CacheEntry, artifacts: Artifacts, now: dt.datetime) -> str:
    if step.cache.expires is not None and (why := _expired(entry.computed, step.cache.expires, now)):
        return why
    return unusable(step, entry.refs, artifacts)


def _expired(computed: str, expires: float, now: dt.datetime) -> str:
    """Why a result is too old. Clocks differ; but one that was once wrong must not keep a result for ever."""
    try:
        age = (now - dt.datetime.fromisoformat(computed)).total_seconds()
    except (TypeError, ValueError, OverflowError):  # no time, or one of no zone: nobody of ours wrote that
        return "the cached result does not say when it was computed"
    if age > expires:
        return f"the cached result expired: it is {age:.0f} s old"
    return f"the cached result is dated {-age:.0f} s after now: a clock is or was wrong" if -age > expires else ""


def unusable(step: Step, refs: Mapping[str, Ref], artifacts: Artifacts) -> str:
    """Why saved results cannot be this step's, or be read here; empty if they can."""
    if set(refs) != {output.name for output in step.returns.outputs}:
        return "the cached result has other outputs"
    for name, ref in refs.items():
        if why := _foreign(ref):
            return why
        if not artifacts.exists(ref):
            return f"the artifact of output `{name}` is gone"
    return ""


def _foreign(ref: Ref) -> str:
    """An opaque value needs what it was made with: compare major.minor of all that is loaded here.

    And what a user's serializer has written needs the same version of it.
    """
    if ref.codec == "custom/1":
        from pipeglot.core.artifacts.custom import outdated

        if why := outdated(ref.meta):
            return why
    for name, version in ref.needs.items():
        here = _version_here(name)
        if here and here.split(".")[:2] != version.split(".")[:2]:
            return f"made with {name} {version}, and here is {here}"
    return ""


def _version_here(name: str) -> str:
    if name == "python":
        return f"{sys.version_info.major}.{sys.version_info.minor}"
    import importlib.metadata

    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "nothing"
