"""`pipeglot.yaml` from text to models. Everything wrong is told at once, each with its line and a way out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from pipeglot.core.errors import ConfigError, DefinitionError, Location, Problem
from pipeglot.core.secret_places import against
from pipeglot.core.stack import NAME_PATTERN, NO_PASSWORD, Setting, Stack, no_name
from pipeglot.core.suggest import meant
from pipeglot.core.wire import reading
from pipeglot.core.wire.reading import Path
from pipeglot.stacks.models import Config, backends, convert_config, stack_type
from pipeglot.stacks.state import FILE, MAX_BYTES

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_USERINFO = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/?#\s]*)@")
_QUERY = re.compile(r"://.*[?&;](?:password|passwd|pwd|secret|token|api_?key|access_?key|sig)=(?!\$\{)", re.IGNORECASE)
_MANAGERS = {"gcp": "Google's Secret Manager", "aws": "Amazon's Secrets Manager"}
_REFERENCES = re.compile(r"(?:\$\{[A-Za-z_][A-Za-z0-9_]*\}|:)*")
_EXAMPLE = "stacks:\n    local: {backend: local, store: .pipeglot/store}"


FILE_SETTINGS = {
    "name": Setting("a name", str, "The name of the project.", no_name, {"pattern": NAME_PATTERN}),
    "include": Setting(
        "a list of file patterns",
        tuple[str, ...],
        "Files that go with the code, as patterns from this file.",
        schema={"items": {"type": "string", **NO_PASSWORD}},
    ),
}


def read_config(data: bytes, source: str = FILE) -> Config:
    """The configuration in the bytes of a file. Raises `ConfigError` with all that is wrong."""
    if len(data) > MAX_BYTES:
        raise ConfigError(
            f"{source}: it has {len(data)} bytes, and {MAX_BYTES} are the most", hint="is it the right file?"
        )
    try:
        tree = reading.tree(data, source)
    except DefinitionError as error:
        raise refused([_syntax(problem, data) for problem in error.problems]) from None
    lines = {} if data.lstrip().startswith(b"{") else reading.lines(data)
    found = list(_File(tree, lines, source).problems())
    if found:
        raise refused(found)
    stacks = {name: {"name": name, **fields} for name, fields in tree.pop("stacks").items()}
    return convert_config({"stacks": stacks, **tree})


def refused(problems: list[Problem]) -> ConfigError:
    """One error for all problems; a single one keeps its hint to itself."""
    if len(problems) == 1:
        return ConfigError(str(problems[0]._replace(hint="")), hint=problems[0].hint)
    return ConfigError("\n".join(str(problem) for problem in problems))


def _syntax(problem: Problem, data: bytes) -> Problem:
    hint = problem.hint
    lines = data.splitlines()
    line = lines[problem.at.line - 1] if problem.at and problem.at.line <= len(lines) else b""
    if b"\t" in line[: len(line) - len(line.lstrip())]:
        hint = "indent with spaces: YAML takes no tabs"
    elif "it is empty" in problem.message:
        hint = f"write at least:\n\n  {_EXAMPLE}"
    return problem._replace(code="config", hint=hint)


class _File:
    """One look at one file."""

    def __init__(self, tree: Any, lines: Mapping[Path, int], source: str) -> None:
        self.tree = tree
        self.lines = lines
        self.source = source

    def problems(self) -> Iterator[Problem]:
        if not isinstance(self.tree, dict):
            hint = f"write at least:\n\n  {_EXAMPLE}"
            yield self._problem((), f"it holds {_kind(self.tree)}, and a mapping is expected", hint)
            return
        yield from self._credentials((), self.tree)
        yield from self._unknown((), self.tree, ["stacks", "name", "include"])
        for key, setting in FILE_SETTINGS.items():
            if key in self.tree:
                yield from self._value((key,), key, self.tree[key], setting)
        stacks = self.tree.get("stacks")
        if not isinstance(stacks, dict) or not stacks:
            said = "has no" if stacks is None or stacks == {} else f"has {_kind(stacks)} as its"
            yield self._problem(("stacks",), f"it {said} `stacks:`", f"write at least:\n\n  {_EXAMPLE}")
            return
        for name, stack in stacks.items():
            yield from self._stack(name, stack)

    def _stack(self, name: str, stack: Any) -> Iterator[Problem]:
        path = ("stacks", name)
        if why := no_name(name):
            yield self._problem(path, f"`{_cut(name)}` cannot name a stack: {why}")
        if not isinstance(stack, dict):
            hint = f"say what runs it: `{_cut(name)}: {{backend: local}}`"
            yield self._problem(path, f"stack `{_cut(name)}` is {_kind(stack)}, and a mapping is expected", hint)
            return
        model = self._model(stack.get("backend"))
        if model is None:
            yield self._no_backend(path, name, stack)
            return
        yield from self._unknown(path, stack, ["backend", *model.settings])
        for key, setting in model.settings.items():
            if key in stack:
                yield from self._value((*path, key), key, stack[key], setting)
        secrets = stack.get("secrets")
        if isinstance(secrets, dict):
            yield from self._secrets((*path, "secrets"), secrets, model)

    def _model(self, backend: Any) -> type[Stack] | None:
        return stack_type(backend) if isinstance(backend, str) and backend in backends() else None

    def _no_backend(self, path: Path, name: str, stack: dict[str, Any]) -> Problem:
        known = ", ".join(f"`{backend}`" for backend in backends())
        if "backend" not in stack:
            return self._problem(path, f"stack `{_cut(name)}` has no `backend:`", f"the backends are: {known}")
        told = f"stack `{_cut(name)}` names the backend `{_cut(stack['backend'])}`, which this pipeglot does not know"
        return self._problem((*path, "backend"), told, f"the backends are: {known}")

    def _unknown(self, path: Path, found: dict[str, Any], known: list[str]) -> Iterator[Problem]:
        for key in found:
            if key not in known:
                where = f"stack `{path[1]}`" if path else "the file"
                yield self._problem(
                    (*path, key),
                    f"{where} has no setting `{_cut(key)}`",
                    meant(key, known, "the settings are", len(known)),
                )

    def _value(self, path: Path, key: str, value: Any, rule: Setting) -> Iterator[Problem]:
        where = f"stack `{path[1]}`: `{key}`" if len(path) > 1 else f"`{key}`"
        try:
            msgspec.convert(value, rule.type)
        except msgspec.ValidationError:
            yield self._problem(path, f"{where} must be {rule.words}, and is {_kind(value)}")
            return
        if why := rule.against(value):
            yield self._problem(path, f"{where} must be {rule.words}: {why}")

    def _secrets(self, path: Path, secrets: dict[str, Any], model: type[Stack]) -> Iterator[Problem]:
        kinds = " or ".join(f"`{kind}:…`" for kind in model.secret_kinds)
        for name, where in secrets.items():
            kind, colon, place = where.partition(":") if isinstance(where, str) else ("", "", "")
            if not _VARIABLE.fullmatch(name):
                yield self._problem((*path, name), f"`{_cut(name)}` cannot name a secret", "name it like a variable")
            elif not colon or not place or kind not in model.secret_kinds:  # it may be the secret: not shown
                told = f"secret `{name}` does not say where its value is to be found"
                yield self._problem((*path, name), told, f"write {kinds}, never the value itself")
            elif form := against(where):
                told = f"secret `{name}` names no secret of {_MANAGERS[kind]}"
                yield self._problem((*path, name), told, f"write it {form}")

    def _credentials(self, path: Path, value: Any) -> Iterator[Problem]:
        if isinstance(value, dict | list):
            for key, item in value.items() if isinstance(value, dict) else enumerate(value):
                yield from self._credentials((*path, key), item)
        elif isinstance(value, str) and _has_credentials(value):
            shown = ".".join(map(str, path))
            yield self._problem(
                path,
                f"`{shown}` is a URI with credentials in it",
                "keep them out of the file: the client's own settings have them, or `${VARIABLE}` does",
            )

    def _problem(self, path: Path, message: str, hint: str = "") -> Problem:
        line = next((self.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.lines), 0)
        if line:
            return Problem("config", message, Location(self.source, line), hint)
        return Problem("config", f"{self.source}: {message}", None, hint)


def _has_credentials(text: str) -> bool:
    found = _USERINFO.search(text)
    return bool(found and not _REFERENCES.fullmatch(found[1])) or bool(_QUERY.search(text))


def _kind(value: Any) -> str:
    """A value of the wrong type, in words; a text is not shown, for it may be a secret."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"`{str(value).lower()}`"
        case int() | float():
            return f"`{value}`"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "a mapping"


def _cut(text: object) -> str:
    return str(text)[:60]
