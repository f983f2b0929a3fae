"""What users may ask of a step, checked where they write it: `Retry`, `Cache` and `Resources`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pipeglot.core import ir
from pipeglot.core.authoring.symbols import holds_symbols
from pipeglot.core.authoring.trace import complain
from pipeglot.core.errors import PipeglotError

if TYPE_CHECKING:
    import datetime as dt

    from msgspec import Struct

    from pipeglot.core.authoring.trace import Mistake


class Checks:
    """Collects what is wrong with the arguments of one call, so that all of it is told at once."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.mistakes: list[Mistake] = []

    def refuse(self, message: str, hint: str = "") -> None:
        self.mistakes.append(("setting", f"{self.what}: {message}", hint))

    def unknown(self, name: str, value: object) -> bool:
        """Whether it depends on a symbolic value, which is told then."""
        found = holds_symbols(value)
        if found:
            hint = "settings are fixed while the pipeline is defined: write a plain value"
            self.refuse(f"`{name}` depends on what is known only when the pipeline runs", hint)
        return found

    def convert(self, name: str, value: object, convert: Callable[[Any], Any]) -> Any:
        """`convert(value)`; None for None, and after a mistake."""
        if value is None or self.unknown(name, value):
            return None
        try:
            return convert(value)
        except (PipeglotError, ValueError, TypeError) as error:
            self.refuse(f"`{name}`: {getattr(error, 'message', None) or error}", getattr(error, "hint", ""))
            return None

    def number(self, name: str, value: object, *, least: float, whole: bool = False, above: bool = False) -> Any:
        """A finite number that is at least, or `above`, some other."""
        if self.unknown(name, value):
            return None
        is_number = type(value) is int or (type(value) is float and not whole and value < math.inf)
        if is_number and (value > least or (value == least and not above)):  # type: ignore[operator]
            return value
        bound = f" above {least}" if above else f" from {least} up" if least > -math.inf else ""
        self.refuse(f"`{name}={value!r}` is no {'whole ' if whole else ''}number{bound}")
        return None

    def text(self, name: str, value: object) -> Any:
        if self.unknown(name, value):
            return None
        if value is not None and (type(value) is not str or not value.strip()):
            self.refuse(f"`{name}={value!r}` is no text")
            return None
        return value

    def texts(self, name: str, value: object) -> tuple[str, ...]:
        """A list of texts, each of them once."""
        if value is None or self.unknown(name, value):
            return ()
        if not isinstance(value, Iterable) or isinstance(value, str | bytes | Mapping):
            self.refuse(
                f"`{name}={value!r}` is no list of texts",
                f"write `{name}=[{value!r}]`" if isinstance(value, str) else "",
            )
            return ()
        return tuple(dict.fromkeys(found for one in value if (found := self.text(name, one)) is not None))

    def flag(self, name: str, value: object) -> bool:
        if not self.unknown(name, value) and type(value) is not bool:
            self.refuse(f"`{name}={value!r}` is neither `True` nor `False`")
        return value is True

    def done(self) -> bool:
        """Whether all is well; tells if not."""
        complain(self.mistakes)
        return not self.mistakes


class Setting:
    """A frozen request. `spec` is what it is in the IR; two that mean the same are equal."""

    __slots__ = ("spec",)
    spec: Any

    def _freeze(self, spec: Struct) -> None:
        object.__setattr__(self, "spec", spec)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a `{type(self).__name__}` cannot be changed: make another one")

    def __reduce__(self) -> tuple[Any, ...]:
        return _thaw, (type(self), self.spec)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and bool(other.spec == self.spec)

    def __hash__(self) -> int:
        return hash((type(self), self.spec))

    def __repr__(self) -> str:
        return repr(self.spec)


def _thaw(kind: type[Setting], spec: Struct) -> Setting:
    made = kind.__new__(kind)
    made._freeze(spec)
    return made


class Retry(Setting):
    """At most `attempts` executions. Before attempt k+1 a step waits `min(max_delay, delay * backoff ** (k - 1))`.

    `jitter=True` multiplies that by uniform(0.5, 1.5). `on` names the exceptions worth another try, as classes or as
    text (`"requests.exceptions.Timeout"`), their subclasses included; without it any is.
    """

    __slots__ = ()
    spec: ir.Retry

    def __init__(
        self,
        attempts: int,
        *,
        delay: str | float | dt.timedelta = "0s",
        backoff: float = 1,
        max_delay: str | float | dt.timedelta | None = None,
        jitter: bool = False,
        on: list[type[BaseException] | str] | tuple[type[BaseException] | str, ...] = (),
    ) -> None:
        checks = Checks("Retry")
        checks.number("attempts", attempts, least=1, whole=True)
        checks.number("backoff", backoff, least=0, above=True)
        wait, most = to_seconds(checks, "delay", delay), to_seconds(checks, "max_delay", max_delay)
        if wait is not None and most is not None and most < wait:
            checks.refuse(f"`max_delay={max_delay!r}` is shorter than `delay={delay!r}`")
        fixed, names = checks.flag("jitter", jitter), tuple(_exceptions(checks, on))
        fine = checks.done()
        self._freeze(
            ir.Retry(
                attempts=attempts, delay=wait or 0.0, backoff=float(backoff), max_delay=most, jitter=fixed, on=names
            )
            if fine
            else ir.Retry(attempts=1)
        )


def _exceptions(checks: Checks, on: object) -> Iterable[str]:
    """Bare names of builtins, `module.qualname` of others."""
    if checks.unknown("on", on):
        return
    if isinstance(on, str | type):
        shown = on if isinstance(on, str) else on.__name__
        checks.refuse(
            f"`on={shown}` is no list of exceptions",
            f"write `on=[{on!r}]`" if isinstance(on, str) else f"write `on=[{shown}]`",
        )
        return
    for one in on if isinstance(on, Iterable) else (on,):
        if isinstance(one, type) and issubclass(one, BaseException):
            yield one.__qualname__ if one.__module__ == "builtins" else f"{one.__module__}.{one.__qualname__}"
        elif isinstance(one, str) and all(part.isidentifier() for part in one.split(".")):
            yield one
        else:
            checks.refuse(
                f"`on` names `{one!r}`, which is no exception",
                'give a class, or its name: `"requests.exceptions.Timeout"`',
            )


class Cache(Setting):
    """Whether results may be reused, for how long, and the version of what pipeglot cannot see (data, services)."""

    __slots__ = ()
    spec: ir.Cache

    def __init__(
        self, enabled: bool = True, *, version: str = "", expires: str | float | dt.timedelta | None = None
    ) -> None:
        checks = Checks("Cache")
        on = checks.flag("enabled", enabled)
        if not checks.unknown("version", version) and type(version) is not str:
            checks.refuse(f"`version={version!r}` is no text", f'write `version="{version}"`')
        ends = to_seconds(checks, "expires", expires)
        if ends == 0:
            checks.refuse(f"`expires={expires!r}` is no time at all", "write `Cache(enabled=False)` for no cache")
        self._freeze(ir.Cache(enabled=on, version=version, expires=ends) if checks.done() else ir.Cache())


class Resources(Setting):
    """Requests: cores, memory (`"16Gi"`), GPUs and their kind. A backend places them as well as it can."""

    __slots__ = ()
    spec: ir.Resources

    def __init__(
        self,
        *,
        cpu: float | None = None,
        memory: str | int | None = None,
        gpu: int | None = None,
        accelerator: str | None = None,
    ) -> None:
        checks = Checks("Resources")
        if cpu is not None:
            checks.number("cpu", cpu, least=0, above=True)
        if gpu is not None:
            checks.number("gpu", gpu, least=0, whole=True)
        bytes_ = checks.convert("memory", memory, _memory)
        checks.text("accelerator", accelerator)
        if bytes_ == 0:
            checks.refuse(f"`memory={memory!r}` is none at all", "leave it out to ask for nothing in particular")
        spec = ir.Resources()
        if checks.done():
            cores = None if cpu is None else float(cpu)
            spec = ir.Resources(cpu=cores, memory=bytes_, gpu=gpu, accelerator=accelerator)
        self._freeze(spec)


def to_seconds(checks: Checks, name: str, value: object) -> float | None:
    from pipeglot.core.units import seconds

    found: float | None = checks.convert(name, value, seconds)
    return found


def _memory(value: Any) -> int:
    from pipeglot.core.units import memory

    return memory(value)
