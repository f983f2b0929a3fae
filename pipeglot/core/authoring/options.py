"""The options of `@step` and `.with_options`, from what users write to the fields of the IR."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from pipeglot.core import ir
from pipeglot.core.authoring.settings import Cache, Checks, Resources, Retry, Setting, to_seconds
from pipeglot.core.suggest import meant

if TYPE_CHECKING:
    import datetime as dt

NAME = "[A-Za-z_][A-Za-z0-9_-]{0,199}"
VARIABLE = "[A-Za-z_][A-Za-z0-9_]{0,199}"


class Options(TypedDict, total=False):
    """What `@step(…)` and `.with_options(…)` take, as users write it.

    name: what its calls are named, in place of the function's name.
    retry: how often, and after what delay, it is tried again: `Retry(3, delay="10s")`.
    timeout: of each attempt, over the function only: `"2h"`, or seconds.
    cache: `False` to run every time; `Cache(expires="7d")`, `Cache(version="2")`.
    env: environment variables, set while it runs; part of the cache key.
    secrets: the names that `secret(…)` may ask for; the stack says where they are.
    resources: a request: `Resources(cpu=4, memory="16Gi", gpu=1)`.
    trigger: `"all_done"` for a clean-up step, which runs whatever happened before it.
    pool: the pool whose places it shares; the stack says how many there are.
    max_parallel: how many items of one map run at the same time.
    priority: a request: among steps that are ready, the higher first.
    tags: texts for people and engines; a stack's `steps:` may name them.
    image: a request: the container image to run in.
    packages: a request: the distributions that it needs; part of the cache key.
    asset: a request: the URI of what its result is kept as elsewhere, as `"s3://warehouse/clean"`, or one for each of
        several outputs, as `{"model": "s3://…"}`; pipelines with `schedule=Assets(…)` wait for it.
    """

    name: str | None
    retry: Retry | None
    timeout: str | float | dt.timedelta | None
    cache: Cache | bool
    env: Mapping[str, str]
    secrets: list[str] | tuple[str, ...]
    resources: Resources | None
    trigger: Literal["all_success", "all_done"]
    pool: str | None
    max_parallel: int | None
    priority: int
    tags: list[str] | tuple[str, ...]
    image: str | None
    packages: list[str] | tuple[str, ...]
    asset: str | Mapping[str, str]


OPTIONS = tuple(Options.__annotations__)


class _Read:
    """One function for each option: from what users write to the field of `ir.Step`."""

    def __init__(self, checks: Checks) -> None:
        self.checks = checks

    def name(self, value: object) -> object:
        return checked_name(self.checks, value)

    def retry(self, value: object) -> object:
        hint = f"write `retry=Retry({value!r})`" if type(value) is int else ""
        return self._setting("retry", value, Retry, hint)

    def resources(self, value: object) -> object:
        return self._setting("resources", value, Resources, "write `resources=Resources(cpu=4)`")

    def cache(self, value: object) -> object:
        if type(value) is bool:
            return ir.Cache(enabled=value)
        if value is None:
            self.checks.refuse("`cache=None` says neither yes nor no", "write `cache=False` for no cache")
        return self._setting("cache", value, Cache, "write `cache=False`, or `cache=Cache(…)`")

    def timeout(self, value: object) -> object:
        found = to_seconds(self.checks, "timeout", value)
        if found == 0:
            self.checks.refuse("`timeout` is zero: no step is that fast", "leave it out for a step without a limit")
        return found

    def env(self, value: object) -> object:
        if not isinstance(value, Mapping):
            self.checks.refuse(f"`env={value!r}` is no dict of texts")
            return {}
        for key, one in value.items():
            if type(key) is not str or not re.fullmatch(VARIABLE, key):
                self.checks.refuse(
                    f"`env` has `{key}`, which is no name of an environment variable", "write `LOG_LEVEL`"
                )
            elif type(one) is not str or "\0" in one:
                self.checks.refuse(f"`env` sets `{key}` to `{one!r}`, which is no text", f'write `"{one}"`')
        return dict(value)

    def trigger(self, value: object) -> object:
        if value not in ("all_success", "all_done"):
            self.checks.refuse(f"`trigger={value!r}` is unknown", 'it is `"all_success"` or `"all_done"`')
        return value

    def pool(self, value: object) -> object:
        return self.checks.text("pool", value)

    def image(self, value: object) -> object:
        return self.checks.text("image", value)

    def max_parallel(self, value: object) -> object:
        return None if value is None else self.checks.number("max_parallel", value, least=1, whole=True)

    def priority(self, value: object) -> object:
        return self.checks.number("priority", value, least=-math.inf, whole=True)

    def secrets(self, value: object) -> object:
        names = self.checks.texts("secrets", value)
        for name in names:
            if not re.fullmatch(VARIABLE, name):
                self.checks.refuse(
                    f"`secrets` has `{name}`, which is no name of a secret", "write `WAREHOUSE_PASSWORD`"
                )
        return names

    def tags(self, value: object) -> object:
        return self.checks.texts("tags", value)

    def packages(self, value: object) -> object:
        return self.checks.texts("packages", value)

    def asset(self, value: object) -> object:
        from pipeglot.core.validate.assets import asset_problem

        given = {"output": value} if isinstance(value, str) else value
        if not isinstance(given, Mapping) or not all(isinstance(one, str) for pair in given.items() for one in pair):
            self.checks.refuse(f"`asset={value!r}` is no URI, and no dict of them", 'write `asset="s3://bucket/name"`')
            return {}
        for uri in given.values():
            if why := asset_problem(uri):
                self.checks.refuse(f"the asset `{uri:.80}` {why}")
        return dict(given)

    def _setting(self, name: str, value: object, kind: type[Setting], hint: str) -> Any:
        if value is None:
            return None
        if not isinstance(value, kind):
            self.checks.refuse(f"`{name}={value!r}` is no `{kind.__name__}`", hint)
            return None
        return value.spec


def read_options(what: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `ir.Step` (and `name`) that options mean; those with a mistake are told, and left out."""
    checks = Checks(what)
    reader = _Read(checks)
    fields: dict[str, Any] = {}
    for name, value in given.items():
        before = len(checks.mistakes)
        if name not in OPTIONS:
            checks.refuse(f"there is no option `{name}`", meant(name, OPTIONS, "the options are", most=99))
            continue
        if checks.unknown(name, value):
            continue
        found = getattr(reader, name)(value)
        if len(checks.mistakes) == before:
            fields[name] = found
    checks.done()
    return fields


def checked_name(checks: Checks, value: object) -> str | None:
    """A name that may be an id everywhere."""
    if value is None:
        return None
    if type(value) is not str or not re.fullmatch(NAME, value):
        letters = "letters of ASCII, digits, `_` and `-`, and starts with no digit"
        checks.refuse(f"`name={value!r}` cannot be an id: one has {letters}", f'write `name="{safe_name(str(value))}"`')
        return None
    return value


def safe_name(name: str) -> str:
    """The nearest name that may be an id everywhere."""
    found = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_-") else "_" for letter in name)
    return found if found[:1].isalpha() or found[:1] == "_" else f"_{found}"
