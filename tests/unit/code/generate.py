"""Generated projects: modules of small definitions that use each other in all ways, and what a change of one reaches.

A definition uses earlier ones only, of its own module or of an earlier one, by any form of import. Each holds one
number of its own, by which the step's result changes if and only if the step reaches it.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import NamedTuple

from hypothesis import strategies as st

MODULES = ("top", "p.a", "p.b", "p.q.c", "steps")
FORMS = ("from", "as", "module", "module as", "relative", "inside", "star")

# `{n}` is the definition's own number, `{use}` what it uses, as an expression; the last line tells how it is used
KINDS: dict[str, tuple[str, str]] = {
    "constant": ("{name} = {n} + {use}", "{name}"),
    "annotated": ("{name}: int = {n} + {use}", "{name}"),
    "pair": ("{name}, {name}_b = {n} + {use}, 0", "{name}"),
    "augmented": ("{name} = {n}\n{name} += {use}", "{name}"),
    "conditional": ("if {n} % 2:\n    {name} = {n} + {use}\nelse:\n    {name} = {use} - {n}", "{name}"),
    "tried": ("try:\n    {name} = int('x')\nexcept ValueError:\n    {name} = {n} + {use}", "{name}"),
    "loop": ("{name} = 0\nfor {name}_i in range(2):\n    {name} += {n} + {use}", "{name}"),
    "function": ("def {name}(x):\n    return x + {n} + {use}", "{name}(1)"),
    "default": ("def {name}(x, y={n} + {use}):\n    return x + y", "{name}(1)"),
    "keyword": ("def {name}(*, y={n}):\n    return y + {use}", "{name}()"),
    "generator": ("def {name}():\n    yield {n}\n    yield {use}", "sum({name}())"),
    "lambda": ("{name} = lambda x: x + {n} + {use}", "{name}(1)"),
    "table": ("{name} = {{'k': lambda: {n} + {use}}}", "{name}['k']()"),
    "closure": (
        "def {name}_make(n):\n    def inner():\n        return n + {use}\n    return inner\n{name} = {name}_make({n})",
        "{name}()",
    ),
    "decorated": (
        "def {name}_d(n):\n    return lambda f: lambda: f() + n\n@{name}_d({n})\ndef {name}():\n    return {use}",
        "{name}()",
    ),
    "wrapped": (
        "import functools\n@functools.lru_cache\ndef {name}(x):\n    return x + {n} + {use}",
        "{name}(1)",
    ),
    "partial": ("import functools as ft\n{name} = ft.partial(lambda a, b: a + b + {use}, {n})", "{name}(1)"),
    "class": (
        "class {name}:\n    n = {n}\n    def m(self):\n        return self.n + {use}",
        "{name}().m()",
    ),
    "subclass": (
        "class {name}_b:\n    def m(self):\n        return {use} + self.n\nclass {name}({name}_b):\n    n = {n}",
        "{name}().m()",
    ),
    "super": (
        (
            "class {name}_b:\n    def m(self):\n        return {n}\n"
            "class {name}({name}_b):\n    def m(self):\n        return super().m() + {use}"
        ),
        "{name}().m()",
    ),
    "property": ("class {name}:\n    @property\n    def n(self):\n        return {n} + {use}", "{name}().n"),
    "operator": ("class {name}:\n    def __add__(self, x):\n        return x + {n} + {use}", "({name}() + 1)"),
    "dataclass": (
        "import dataclasses\n@dataclasses.dataclass\nclass {name}:\n    n: int = {n}\n    m: int = {use}",
        "({name}().n + {name}().m)",
    ),
    "enum": (
        "import enum\nclass {name}(enum.Enum):\n    A = {n}\n    B = {use} + 10**6",
        "({name}.A.value + {name}.B.value)",
    ),
    "filled": ("{name} = [{n}]\n{name} += [{use}]", "sum({name})"),
    "appended": ("{name} = [{n}]\n{name}.append({use})", "sum({name})"),
    "set": ("{name} = {{}}\n{name}['k'] = {n} + {use}", "{name}['k']"),
    "attribute": ("class {name}:\n    n = 0\n{name}.n = {n} + {use}", "{name}.n"),
    "registered": (
        (
            "{name} = []\ndef {name}_r(f):\n    {name}.append(f)\n    return f\n"
            "@{name}_r\ndef {name}_f():\n    return {n} + {use}"
        ),
        "{name}[0]()",
    ),
    "global": ("{name} = 0\ndef {name}_set():\n    global {name}\n    {name} = {n} + {use}\n{name}_set()", "{name}"),
    "matched": (
        (
            "def {name}(x):\n    match x:\n        case {n}:\n            return 7\n"
            "        case y:\n            return y + {n} + {use}"
        ),
        "{name}(-1)",
    ),
    "context": (
        (
            "import contextlib\n@contextlib.contextmanager\ndef {name}_c():\n    yield {n}\n"
            "def {name}():\n    with {name}_c() as n:\n        return n + {use}"
        ),
        "{name}()",
    ),
    "comprehension": ("{name} = [n + {use} for n in ({n}, 1)]", "sum({name})"),
    "recursive": ("def {name}(x):\n    return {n} + {use} if x <= 0 else {name}(x - 1)", "{name}(2)"),
}


CAUTIOUS = frozenset({"appended"})
"""What hands values to a call counts among what may have changed those values."""


class Use(NamedTuple):
    """Of an earlier definition: which, and the import that brings it in."""

    of: int
    form: str


class Definition(NamedTuple):
    kind: str
    module: str
    uses: tuple[Use, ...]


class Plan(NamedTuple):
    """A project: its definitions in order; the step is the last one."""

    definitions: tuple[Definition, ...]

    def reached(self) -> set[int]:
        """The definitions that the step's result hangs on."""
        found: set[int] = set()
        todo = [len(self.definitions) - 1]
        while todo:
            at = todo.pop()
            if at not in found:
                found.add(at)
                todo += [use.of for use in self.definitions[at].uses]
        return found

    def files(self, changed: int | None = None) -> dict[str, str]:
        """The source of each module; the number of one definition is another one if it is `changed`."""
        texts: dict[str, list[str]] = {module: [] for module in (*MODULES, "p", "p.q")}
        for at, one in enumerate(self.definitions):
            texts[one.module].append(self._text(at, one, 1000 * at + 3 + 100 * (at == changed)))
        return {module: "\n\n".join(parts) + "\n" for module, parts in texts.items()}

    def _text(self, at: int, one: Definition, n: int) -> str:
        imports: list[str] = []
        inside: list[str] = []
        uses: list[str] = []
        for place, use in enumerate(one.uses):
            line, used = self._used(at, place, use)
            (inside if use.form == "inside" else imports).append(line)
            uses.append(used)
        text = KINDS[one.kind][0].format(name=f"v{at}", n=n, use=" + ".join(uses) or "0")
        if inside:  # imports of a function's own: around all that is used there
            head = f"def u{at}():\n" + "\n".join(f"    {line}" for line in inside if line)
            own = [used for use, used in zip(one.uses, uses, strict=True) if use.form == "inside"]
            rest = [used for use, used in zip(one.uses, uses, strict=True) if use.form != "inside"]
            text = KINDS[one.kind][0].format(name=f"v{at}", n=n, use=" + ".join([f"u{at}()", *rest]))
            imports.append(f"{head}\n    return {' + '.join(own)}")
        return "\n".join([*filter(None, imports), text])

    def _used(self, at: int, place: int, use: Use) -> tuple[str, str]:
        """The import, and the expression for the value."""
        other, here = self.definitions[use.of], self.definitions[at].module
        name, alias = f"v{use.of}", f"a{at}_{place}"
        how = KINDS[other.kind][1]
        if other.module == here:
            return "", how.format(name=name)
        match use.form:
            case "as" | "inside":
                return f"from {other.module} import {name} as {alias}", how.format(name=alias)
            case "module":
                return f"import {other.module}", how.format(name=f"{other.module}.{name}")
            case "module as":
                return f"import {other.module} as {alias}", how.format(name=f"{alias}.{name}")
            case "relative" if other.module.startswith("p.") and here.startswith("p."):
                dots = "." * (here.count("."))
                return f"from {dots}{other.module.removeprefix('p.')} import {name}", how.format(name=name)
            case "star":
                return f"from {other.module} import *", how.format(name=name)
        return f"from {other.module} import {name}", how.format(name=name)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    count = draw(st.integers(2, 9))
    places = sorted(draw(st.lists(st.integers(0, len(MODULES) - 1), min_size=count, max_size=count)))
    found = []
    for at, place in enumerate(places):
        kind = draw(st.sampled_from(sorted(KINDS)))
        found.append(Definition(kind, MODULES[place], _uses(draw, at, 0)))
    return Plan((*found, Definition("function", "steps", _uses(draw, count, 1))))


def _uses(draw: st.DrawFn, before: int, least: int) -> tuple[Use, ...]:
    """Of up to three of the definitions `before`."""
    chosen = draw(st.lists(st.integers(0, before - 1), min_size=least, max_size=3, unique=True)) if before else []
    return tuple(Use(of, draw(st.sampled_from(FORMS))) for of in chosen)


# --- running them -----------------------------------------------------------------------------------------------------


class _Sources(importlib.abc.InspectLoader, importlib.abc.MetaPathFinder):
    """Imports modules from texts."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = files

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        return importlib.util.spec_from_loader(name, self) if name in self.files else None

    def get_source(self, name: str) -> str:
        return self.files[name]

    def is_package(self, name: str) -> bool:
        return name in ("p", "p.q")

    def get_code(self, name: str) -> CodeType:
        return compile(self.files[name], name, "exec", dont_inherit=True)


@contextmanager
def imported(files: dict[str, str]) -> Iterator[ModuleType]:
    """The module `steps`, with all others; all are forgotten afterwards."""
    finder = _Sources(files)
    sys.meta_path.insert(0, finder)
    try:
        yield importlib.import_module("steps")
    finally:
        sys.meta_path.remove(finder)
        for name in files:
            sys.modules.pop(name, None)


def result(files: dict[str, str]) -> int:
    """What the step gives: the last definition, called."""
    with imported(files) as steps:
        last = max(
            (name for name in vars(steps) if name[0] == "v" and name[1:].isdigit()), key=lambda name: int(name[1:])
        )
        found = vars(steps)[last](1)
        assert isinstance(found, int)
        return found
