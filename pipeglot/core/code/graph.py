"""Where names lead: the graph of a project's objects, one member for each top-level name that code can reach."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from pipeglot.core.code.normal import Reader, Reading
from pipeglot.core.code.scopes import Import, Ref

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipeglot.core.code.module import Module
    from pipeglot.core.code.setters import Act

WHOLE = "*"
"""The name of a whole module."""

IMPORT = "<import>"
"""The name of what a module does, when it is imported, through other modules of the project."""

STARS = "<star>"
"""The name of the star imports that lead out of the project, and of what decides which of them run."""

_SETS = "<sets "
"""How the name begins of what a module does, when it is imported, to a name of another module."""

_STARRED = frozenset({"step", "pipeline"})
"""What `from pipeglot import *` is taken to bind: not `property`, nor any other builtin."""

_IMPORTS = frozenset({Ref("importlib", ("import_module",)), Ref("builtins", ("__import__",))})


class Key(NamedTuple):
    """A member: a top-level name of a module, or one of the names above."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}:{self.name}"


class Member(NamedTuple):
    """The hash of everything that makes a name what it is (empty: nothing of its own), and where that leads."""

    digest: str
    leads_to: tuple[Key, ...]


class Graph:
    """Members on demand. `find` gives a module of the project, or None for everybody else's."""

    def __init__(self, find: Callable[[str], Module | None]) -> None:
        self.find = find
        self._readers: dict[str, Reader] = {}
        self._readings: dict[tuple[str, int], Reading] = {}
        self._members: dict[Key, Member] = {}
        self._landings: dict[Ref, tuple[Key, ...]] = {}
        self._acts: dict[str, dict[str, list[tuple[int, Act]]]] = {}
        self._setters: dict[tuple[str, str], dict[Key, list[int]]] = {}

    def member(self, key: Key) -> Member:
        if key not in self._members:
            module = self.find(key.module)
            assert module is not None, key
            self._members[key] = self._make(module, key.name)
        return self._members[key]

    def reader(self, module: Module) -> Reader:
        if module.name not in self._readers:
            imports = self.is_import if module.imports_by_name else None
            self._readers[module.name] = Reader(module.name, module.package, self._is_ours, imports)
        return self._readers[module.name]

    def landing(self, ref: Ref) -> tuple[Key, ...]:
        """The members that a name may be; none if it is not the project's."""
        if ref not in self._landings:
            self._landings[ref] = tuple(dict.fromkeys(self._land(ref, set())))
        return self._landings[ref]

    def is_object(self, key: Key) -> bool:
        """Whether a member is code of the project, and not only an import of something else."""
        home = self.find(key.module)
        return home is not None and any(source.binds and source.imported is None for source in home.of(key.name))

    def setters(self, seen: set[Key]) -> Iterator[Key]:
        """What the modules of the members `seen` do to these, each in another module; without what is in them already.

        Not what the cells of a notebook do: workers import modules anew.
        """
        modules = {key.module for key in seen}
        near = modules | {name[:at] for name in modules for at, letter in enumerate(name) if letter == "."}
        if len(near) == 1:
            return
        for name in sorted(modules - {"__main__"}):
            for other in sorted(near & self._acts_of(name).keys() - {name}):
                found = {key: places for key, places in self._setters_of(name, other).items() if _holds(seen, key)}
                if found and Key(name, WHOLE) not in seen:
                    covered = self._covered(seen, name)
                    yield from (_setter(name, other, key) for key in found if not covered.issuperset(found[key]))

    def _covered(self, seen: set[Key], name: str) -> set[int]:
        """The places of the statements of a module that are part of a member already."""
        module = self.find(name)
        assert module is not None, name
        return {place for key in seen if key.module == name for place in self._places(module, key.name)}

    def _acts_of(self, name: str) -> dict[str, list[tuple[int, Act]]]:
        if name not in self._acts:
            from pipeglot.core.code.setters import acts

            module = self.find(name)
            self._acts[name] = acts(module) if module is not None else {}
        return self._acts[name]

    def _setters_of(self, name: str, other: str) -> dict[Key, list[int]]:
        if (name, other) not in self._setters:
            from pipeglot.core.code.setters import setters

            module = self.find(name)
            assert module is not None, name
            self._setters[name, other] = setters(self, module, self._acts_of(name)[other])
        return self._setters[name, other]

    def leads_to(self, module: Module, refs: tuple[Ref, ...]) -> tuple[Key, ...]:
        keys = dict.fromkeys(key for ref in refs for key in self.landing(ref))
        if any(self._runs_project(module, place) for place in module.calls):
            keys[Key(module.name, IMPORT)] = None
        return tuple(keys)

    # --- members ---

    def _make(self, module: Module, name: str) -> Member:
        if name == WHOLE:
            return self._whole(module)
        if name == IMPORT:
            places = [place for place in module.calls if self._runs_project(module, place)]
            return self._join(module, [self._reading(module, place) for place in places])
        if name.startswith(_SETS):
            target, _, other = name.removeprefix(_SETS).removesuffix(">").partition(" by ")
            changed = Key(*target.split(":"))
            places = self._setters_of(module.name, other or changed.module)[changed]
            return self._join(module, [self._reading(module, place) for place in places])
        if name == STARS:
            outside = [_text("*", star) for star in sorted(set(module.stars)) if self.find(star) is None]
            return self._join(module, [*outside, *(self._reading(module, place) for place in module.guarded_stars)])
        return self._join(module, self._readings_of(module, name))

    def _whole(self, module: Module) -> Member:
        """Every name in the order of the alphabet, then the statements that make none in theirs."""
        keys = [Key(module.name, name) for name in sorted(module.sources)]
        if module.stars:
            keys.append(Key(module.name, STARS))
        members = [self.member(key) for key in keys]
        named = "".join(f"{key.name} {member.digest}\n" for key, member in zip(keys, members, strict=True))
        rest = self._join(module, [self._reading(module, place) for place in module.nameless()])
        stars = [Ref(star) for star in module.stars]
        leads_to = dict.fromkeys(key for member in (*members, rest) for key in member.leads_to)
        leads_to.update(dict.fromkeys(key for ref in stars for key in self.landing(ref)))
        for name, sources in module.sources.items():  # what is only imported here can be reached through it, too
            if any(source.imported for source in sources):
                leads_to.update(dict.fromkeys(self.landing(Ref(module.name, (name,)))))
        return Member(sha256((named + rest.digest).encode()).hexdigest(), tuple(leads_to))

    def _join(self, module: Module, readings: list[Reading]) -> Member:
        refs = tuple(dict.fromkeys(ref for reading in readings for ref in reading.refs))
        digest = sha256("\n".join(reading.digest for reading in readings).encode()).hexdigest() if readings else ""
        return Member(digest, self.leads_to(module, refs))

    def _readings_of(self, module: Module, name: str) -> list[Reading]:
        """A statement counts as it is written. An import within the project counts as what it leads to."""
        readings: list[Reading] = []
        for source in module.of(name):
            if source.perhaps and self._is_module(module, name):
                continue
            if source.imported is None:
                readings.append(self._reading(module, source.place))
            elif not self._provides(source.imported.target) or self._is_folder(source.imported.target):
                outside = _text(*_outside(source.imported))
                if readings[-1:] != [outside]:  # `import os` and `import os.path` bind the same `os`
                    readings.append(outside)
        return readings

    def _places(self, module: Module, name: str) -> Iterator[int]:
        """Where the statements stand that count for a name."""
        for source in module.of(name):
            if source.imported is None and not (source.perhaps and self._is_module(module, name)):
                yield source.place

    def _reading(self, module: Module, place: int) -> Reading:
        key = (module.name, place)
        if key not in self._readings:
            self._readings[key] = self.reader(module).read(module.statements[place])
        return self._readings[key]

    # --- names ---

    def _land(self, ref: Ref, seen: set[Ref]) -> Iterator[Key]:
        module = self.find(ref.module)
        if module is None or ref in seen:
            return
        seen.add(ref)
        if not ref.path or ref.path[0] == "__dict__":
            yield Key(module.name, WHOLE)
            return
        name, rest = ref.path[0], ref.path[1:]
        sources = module.of(name)
        if sources:
            yield Key(module.name, name)
            for source in sources:
                if source.imported is not None:
                    yield from self._land_import(module, source.imported, rest, seen)
        starred = [key for star in module.stars for key in self._land_star(module, star, ref.path, seen)]
        yield from starred
        if any(source.binds for source in sources) or any(key.name != STARS for key in starred):
            return
        if self.find(f"{module.name}.{name}") is not None:
            yield from self._land(Ref(f"{module.name}.{name}", rest), seen)
        elif module.of("__getattr__"):
            yield Key(module.name, WHOLE)

    def _land_import(self, module: Module, imported: Import, rest: tuple[str, ...], seen: set[Ref]) -> Iterator[Key]:
        if imported.target == Ref(module.name, (imported.name,)):  # `from . import b` in a package means its module b
            yield from self._land(Ref(f"{module.name}.{imported.name}", rest), seen)
            return
        for ref in imported.refs(rest):
            yield from self._land(ref, seen)

    def _land_star(self, module: Module, star: str, path: tuple[str, ...], seen: set[Ref]) -> Iterator[Key]:
        """What a star import may have bound; one that leads out of the project may have bound anything."""
        home = self.find(star)
        listed = home.exported if home is not None else None
        if listed is not None and path[0] not in listed:
            return
        keys = list(self._land(Ref(star, path), seen))
        yield from keys
        if keys and home is not None and listed is None and home.of("__all__"):  # which no static reader can tell
            yield Key(star, "__all__")
        if home is None or (keys and module.guarded_stars):
            yield Key(module.name, STARS)

    def _provides(self, ref: Ref) -> bool:
        """Whether the project has what is imported: if not, the import itself is all there is to see of it."""
        if self.find(ref.module) is None:
            return False
        return not ref.path or bool(self.landing(ref))

    def _is_folder(self, ref: Ref) -> bool:
        """Whether it is a folder without `__init__.py`, which a package installed under the same name would hide."""
        module = self.find(ref.module)
        return not ref.path and module is not None and not module.path

    def _is_module(self, module: Module, name: str) -> bool:
        """Whether a name is nothing but imported, and no object of the project."""
        return not any(self.is_object(key) for key in self.landing(Ref(module.name, (name,))))

    def _is_ours(self, ref: Ref) -> bool:
        """Whether a name is pipeglot's, also where the project hands it on."""
        return any(_is_pipeglot(origin.module) for origin in self.origins(ref))

    def is_import(self, ref: Ref) -> bool:
        """Whether a name is a function that imports a module by its name."""
        return any(origin in _IMPORTS or origin.path == ("__import__",) for origin in self.origins(ref))

    def origins(self, ref: Ref) -> Iterator[Ref]:
        """The name itself, and all that imports make of it on the way to where it comes from."""
        todo: list[Ref] = [ref]
        seen: set[Ref] = set()
        while todo:
            ref = todo.pop()
            yield ref
            module = self.find(ref.module) if ref.path and ref not in seen else None
            seen.add(ref)
            if module is None:
                continue
            name, rest = ref.path[0], ref.path[1:]
            sources = module.of(name)
            todo += [source.imported.target.then(rest) for source in sources if source.imported is not None]
            if not sources:
                todo += [Ref(star, ref.path) for star in module.stars if name in _STARRED or not _is_pipeglot(star)]

    def _runs_project(self, module: Module, place: int) -> bool:
        """Whether a statement only calls something of another module of the project: it may change what it likes."""
        sources = [source for name in module.calls[place] for source in module.of(name)]
        return any(source.imported is not None and self._provides(source.imported.target) for source in sources)


def _setter(name: str, other: str, target: Key) -> Key:
    """Its name says by which import, where that is not the module of what is changed."""
    return Key(name, f"{_SETS}{target}>" if other == target.module else f"{_SETS}{target} by {other}>")


def _holds(seen: set[Key], target: Key) -> bool:
    return target in seen or Key(target.module, WHOLE) in seen


def _is_pipeglot(module: str) -> bool:
    return module.partition(".")[0] == "pipeglot"


def _outside(imported: Import) -> tuple[str, str]:
    """What is taken from where, for an import that leads out of the project; which submodule it loads is no matter."""
    return ".".join(imported.target.path), imported.target.module


def _text(name: str, module: str) -> Reading:
    return Reading(sha256(f"from {module} import {name}".encode()).hexdigest(), ())
