"""`store gc`: what is asked to be kept, as people write it, and a pass over the store."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.errors import NotFound, StoreError, UsageError
from pipeglot.core.lineage.gc.passes import Collected as Collected
from pipeglot.core.lineage.gc.passes import Pass
from pipeglot.core.lineage.gc.retention import YOUNG, Retention
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.store.answers import Forbidden
from pipeglot.core.store.base import Store
from pipeglot.core.units import timedelta_of


def retention(
    *, older_than: str | None, keep_last: int | None, keep_tags: Sequence[str], pipelines: Sequence[str]
) -> Retention:
    """Raises `UsageError` for what means nothing."""
    if keep_last is not None and keep_last < 0:
        raise UsageError(f"`--keep-last {keep_last}` is fewer than no runs", hint="`--keep-last 0` keeps none for that")
    if (keep_tags or pipelines) and older_than is None and keep_last is None:
        flag = "--keep-tag" if keep_tags else "--pipeline"
        raise UsageError(
            f"`{flag}` alone prunes nothing", hint="say which runs go: `--older-than 90d`, `--keep-last 10`, or both"
        )
    return Retention(
        older_than=_seconds(older_than) if older_than is not None else None,
        keep_last=keep_last,
        keep_tags=tuple(_tag(text) for text in keep_tags),
        pipelines=tuple(dict.fromkeys(pipelines)),
    )


def collect(
    store: Store, wanted: Retention, *, dry_run: bool, despite_damage: bool, tick: Callable[[str], object]
) -> Collected:
    """A pass of gc. Raises `NotFound` if there is no store, and what a pass raises."""
    if store.get("store.json") is None:
        raise NotFound(f"there is no store at `{store.uri}`", hint="`-C DIR` and `--stack NAME` look elsewhere")
    made = Pass(
        Ledger(store),
        Artifacts(store),
        wanted,
        dry_run=dry_run,
        now=time.time,
        despite_damage=despite_damage,
        tick=tick,
    )
    try:
        return made.run()
    except Forbidden as error:
        raise StoreError(
            f"`store gc` needs to list, write and delete in `{store.uri}`, and these credentials may not:"
            f" {error.message}",
            hint=error.hint,
        ) from error


def _seconds(text: str) -> float:
    try:
        found = timedelta_of(text).total_seconds()
    except UsageError:
        raise UsageError(
            f"`--older-than {text}` is no length of time", hint="write days, weeks or hours: `90d`, `2w`, `36h`"
        ) from None
    if found < YOUNG:
        raise UsageError(
            f"`--older-than {text}` is less than a day", hint="runs of the last day are never pruned: `--older-than 1d`"
        )
    return found


def _tag(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    if not name:
        raise UsageError(
            f"`--keep-tag {text}` names no tag", hint="write `--keep-tag keep=yes`, or `--keep-tag release`"
        )
    return name, value if equals else None
