"""The values of secrets: read where the stack says they are, kept in memory only, and taken out of what is stored."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pipeglot.core.errors import StepError
from pipeglot.core.ir import Step

if TYPE_CHECKING:
    from pipeglot.core.redact import Redactor


KINDS = ("env", "file")
"""Where a secret may be that is read here."""

NONE_GIVEN: Mapping[str, str] = MappingProxyType({})


class Secrets:
    """Reads secrets by name from `env:NAME` or `file:PATH`, and remembers every value that it has read.

    Those that an engine holds are given to it. Steps may ask in several threads.
    A step may change or remove what its secret was read from, and its log must be cleaned all the same. And since every
    step's process has the environment, those that lie there are taken out of every step's texts.
    """

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources
        self._given: dict[str, str] = {}
        self._seen: dict[str, set[str]] = {}
        self._lock = threading.Lock()

    def give(self, values: Mapping[str, str]) -> None:
        """The values of some that an engine holds, by name."""
        with self._lock:
            self._given.update(values)
            for name, value in values.items():
                self._seen.setdefault(name, set()).add(value)

    def of(self, step: Step) -> dict[str, str]:
        """The secrets that a step declares. Raises `StepError` for one that cannot be had."""
        self._look_around()
        values = {name: self._value(name) for name in step.secrets}
        with self._lock:
            for name, value in values.items():
                self._seen.setdefault(name, set()).add(value)
        return values

    def _value(self, name: str) -> str:
        return self._given[name] if name in self._given else _read(name, self._sources.get(name))

    def _look_around(self) -> None:
        with self._lock:
            for name, source in self._sources.items():
                kind, _, where = source.partition(":")
                if kind == "env" and where in os.environ:
                    self._seen.setdefault(name, set()).add(os.environ[where])

    def any(self) -> bool:
        """Whether there is anything to take out of a text."""
        self._look_around()
        return bool(self._seen)

    def known(self, step: Step) -> bool:
        """Whether all that must be taken out of this step's texts is known."""
        return all(name in self._seen for name in step.secrets)

    def cleaner(self, step: Step) -> Callable[[str], str]:
        """Takes every value that this step's secrets ever had out of a text, and those of others that are known."""
        return self.redactor().text if step.secrets or self.any() else str

    def clean_file(self, source: Path, target: Path) -> None:
        """The same for a file, of any size."""
        self.redactor().file(source, target)

    def hidden(self, step: Step) -> AbstractContextManager[None]:
        """The same for what is printed meanwhile, where that is shown at once and not kept."""
        with suppress(StepError):  # the step will fail for it
            self.of(step)
        if not self.any():
            return nullcontext()
        from pipeglot.core.capture import cleaned

        return cleaned(self.redactor())

    def redactor(self) -> Redactor:
        """Takes out every value that any secret ever had here."""
        from pipeglot.core.redact import Redactor

        with self._lock:
            return Redactor([value for values in self._seen.values() for value in values])


def _read(name: str, source: str | None) -> str:
    if source is None:
        raise StepError(
            f"the stack maps no secret `{name}`", hint=f"add `secrets: {{{name}: env:{name}}}` to the stack"
        )
    kind, _, where = source.partition(":")
    if kind == "env":
        if where not in os.environ:
            raise StepError(f"secret `{name}`: the environment variable `{where}` is not set")
        return os.environ[where]
    if kind != "file":
        raise StepError(f"secret `{name}`: this backend cannot read `{kind}:`", hint="use `env:NAME` or `file:PATH`")
    try:
        return Path(where).expanduser().read_text(encoding="utf-8").removesuffix("\n")
    except OSError as error:
        raise StepError(f"secret `{name}`: `{where}` cannot be read: {error.strerror}") from None
    except (ValueError, RuntimeError):  # from None, and not shown: the error holds a part of the secret
        raise StepError(
            f"secret `{name}`: `{where}` cannot be read", hint="it must be a text in UTF-8, and `~user` must exist"
        ) from None
