"""The values of secrets: read where the stack says they are, kept in memory only, and taken out of what is stored.

What lies in a secret manager is asked for once in a process, and told to those that work for it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pipeglot.core.errors import SecretAway, StepError
from pipeglot.core.ir import Step
from pipeglot.core.secret_places import InCloud, in_cloud

if TYPE_CHECKING:
    from pipeglot.core.clouds.secrets import Managers
    from pipeglot.core.redact import Redactor


NONE_GIVEN: Mapping[str, str] = MappingProxyType({})


class Secrets:
    """Reads secrets by name from where they are, and remembers every value that it has read.

    Those that an engine holds are given to it, and those that another process of this run has asked a cloud for. Steps
    may ask in several threads.
    A step may change or remove what its secret was read from, and its log must be cleaned all the same. And since every
    step's process has the environment, those that lie there are taken out of every step's texts.
    """

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources
        self._given: dict[str, str] = {}
        self._seen: dict[str, set[str]] = {}
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._managers: Managers | None = None

    def give(self, values: Mapping[str, str]) -> None:
        """The values of some, by name: they are not read here."""
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

    def of_clouds(self, step: Step) -> dict[str, str]:
        """Those of a step that lie in a secret manager. Raises `StepError` for one that cannot be had."""
        return {name: self._value(name) for name in step.secrets if in_cloud(self._sources.get(name, ""))}

    def _value(self, name: str) -> str:
        if name in self._given:
            return self._given[name]
        place = in_cloud(self._sources.get(name, ""))
        return _read(name, self._sources.get(name)) if place is None else self._ask(name, place)

    def _ask(self, name: str, place: InCloud) -> str:
        """Once, however many threads want it."""
        from pipeglot.core.clouds.asking import Trouble
        from pipeglot.core.clouds.secrets import Managers

        with self._asking:
            if name not in self._given:
                self._managers = self._managers or Managers()
                try:
                    self.give({name: self._managers.read(place)})
                except Trouble as trouble:
                    kind = SecretAway if trouble.away else StepError
                    raise kind(f"secret `{name}`: {trouble.message}", hint=trouble.hint) from None
            return self._given[name]

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
