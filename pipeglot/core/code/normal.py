"""The normal form of a piece of source: what it means, written the same way on every Python, and the names it reads.

It is written from the syntax tree by a table of our own, not by `ast.dump`: only what the program means, with every
default left out, so a field that a later Python adds (`type_params`) changes nothing where it is not used. Comments,
layout, brackets, quotes and docstrings are not in the tree or are dropped here; nothing else is.
"""

from __future__ import annotations

import ast
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from pipeglot.core.code.scopes import (
    Ref,
    Scope,
    absolute,
    class_scopes,
    dotted,
    function_scope,
    imports,
    local_scope,
    lookup,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    _Where: TypeAlias = Scope | list[Scope] | None
    _Comprehension: TypeAlias = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp

_MEANINGLESS = frozenset({"ctx", "kind", "type_comment", "type_ignores"})
"""Fields that say nothing more: `ctx` follows from the place, `kind` is the `u` of `u"x"`."""

_BLOCKS = frozenset({"body", "orelse", "finalbody"})

_DYNAMIC = frozenset({"eval", "exec", "globals"})
"""Builtins through which code reads any name of its module."""


class Reading(NamedTuple):
    """The hash of a normal form, and what it refers to outside itself."""

    digest: str
    refs: tuple[Ref, ...]


def live(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that do something: no docstring, no `pass`, nothing that only a type checker sees."""
    for statement in body:
        match statement:
            case ast.Pass() | ast.Expr(value=ast.Constant()):
                pass
            case ast.If(test=test) if _type_checking(test):
                yield from live(statement.orelse)
            case ast.If(test=ast.UnaryOp(op=ast.Not(), operand=test)) if _type_checking(test):
                yield from live(statement.body)
            case _:
                yield statement


def _type_checking(test: ast.expr) -> bool:
    return dotted(test)[-1:] == ("TYPE_CHECKING",)


_FIELDS: dict[type[ast.AST], list[str]] = {}


def _fields(kind: type[ast.AST]) -> list[str]:
    """What to write of a node, last first, in an order that no release of Python decides."""
    if kind not in _FIELDS:
        _FIELDS[kind] = sorted((field for field in kind._fields if field not in _MEANINGLESS), reverse=True)
    return _FIELDS[kind]


def _leaf(value: object) -> str:
    """A literal or an identifier. `ascii`, for which characters are printable differs between versions."""
    if isinstance(value, str):
        return ascii(value) + ";"
    if isinstance(value, int) and not isinstance(value, bool):
        return hex(value) + ";"  # `repr` refuses very long ones
    return repr(value) + ";"


class Reader:
    """Writes normal forms in one module. `ours` tells which names are pipeglot's own.

    `imports`: which are functions that import a module by its name; None in a module that names none of them.
    """

    def __init__(
        self,
        module: str,
        package: str,
        ours: Callable[[Ref], bool],
        imports: Callable[[Ref], bool] | None = None,
    ) -> None:
        self.module = module
        self.package = package
        self.ours = ours
        self.imports = imports
        self._handlers = _HANDLERS if imports is None else _HANDLERS | _CALLS
        self._out: list[str] = []
        self._refs: dict[Ref, None] = {}
        self._stack: list[tuple[ast.AST | str, Scope | None]] = []

    def read(self, node: ast.AST) -> Reading:
        """Without recursion, for a sum of a thousand terms is a tree a thousand deep."""
        self._out, self._refs, self._stack = [], {}, [(node, None)]
        write, handlers = self._out.append, self._handlers
        while self._stack:
            item, scope = self._stack.pop()
            if isinstance(item, str):
                write(item)
            else:
                handlers.get(type(item), Reader._node)(self, item, scope)
        digest = sha256("".join(self._out).encode()).hexdigest()
        return Reading(digest, tuple(self._refs))

    def _node(self, node: ast.AST, scope: Scope | None, inner: Mapping[str, _Where] | None = None) -> None:
        """Write `Kind(field=…)`. `inner` has the scope of a field where it is not `scope`."""
        push = self._stack.append
        push((")", None))
        for field in _fields(type(node)):
            value = getattr(node, field, None)
            if value is None or (type(value) is int and not value):  # a flag that is not set is no part of it
                continue
            where = inner[field] if inner and field in inner else scope
            if isinstance(value, list):
                self._list(field, value, where)
            elif isinstance(value, ast.AST):
                assert not isinstance(where, list)
                push((value, where))
                push((field + "=", None))
            else:
                push((f"{field}={_leaf(value)}", None))
        self._out.append(type(node).__name__ + "(")

    def _list(self, field: str, values: list[Any], where: _Where) -> None:
        if field in _BLOCKS:
            values = list(live(values))
        if not values:
            return
        push = self._stack.append
        push(("]", None))
        for place in range(len(values) - 1, -1, -1):
            value = values[place]
            scope = where[place] if isinstance(where, list) else where
            push((value, scope) if isinstance(value, ast.AST) else (_leaf(value), None))
        push((field + "=[", None))

    def _use(self, path: tuple[str, ...], scope: Scope | None) -> None:
        for ref in lookup(scope, path, self.module):
            self._refs[ref] = None
            if ref.path[:1] == path[:1] and path[0] in _DYNAMIC:
                self._refs[Ref(self.module)] = None

    def _name(self, node: ast.Name, scope: Scope | None) -> None:
        self._out.append(f"Name({node.id})")
        if isinstance(node.ctx, ast.Load) or (scope is not None and not scope.is_class):  # `global x; x = 1` counts
            self._use((node.id,), scope)

    def _attribute(self, node: ast.Attribute, scope: Scope | None) -> None:
        """`helpers.clean` is one name, not all of `helpers`."""
        if path := dotted(node):
            self._out.append(f"Name({'.'.join(path)})")
            self._use(path, scope)
        else:
            self._node(node, scope)

    def _call(self, node: ast.Call, scope: Scope | None) -> None:
        """`import_module("helpers")` may use all that is there, as any module that is handed around."""
        name = imported_name(node, self.module, self.package)
        refs = lookup(scope, dotted(node.func), self.module) if name else ()
        if self.imports is not None and any(map(self.imports, refs)):
            self._refs[Ref(name)] = None
            self._refs[Ref(name.partition(".")[0])] = None  # which is what `__import__` gives
        self._node(node, scope)

    def _constant(self, node: ast.Constant, _: Scope | None) -> None:
        self._out.append(_leaf(node.value))

    def _joined(self, node: ast.JoinedStr, scope: Scope | None) -> None:
        """An f-string: adjacent pieces of text are one, however it was split or quoted."""
        self._stack.append((")", None))
        for piece in reversed(_pieces(node)):
            self._stack.append((_leaf(piece), None) if isinstance(piece, str) else (piece, scope))
        self._out.append("JoinedStr(")

    def _formatted(self, node: ast.FormattedValue, scope: Scope | None) -> None:
        if isinstance(node.format_spec, ast.JoinedStr) and not _pieces(node.format_spec):
            node.format_spec = None  # `{x:}` is `{x}`
        self._node(node, scope)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope | None) -> None:
        node.decorator_list = self._decorators(node.decorator_list, scope)
        outer = _with_type_params(node, scope)
        if node.returns is not None:
            self._quoted(node.returns, outer)
        inside = function_scope(node, outer, self.package)
        self._node(node, outer, {"body": inside, "decorator_list": scope})

    def _lambda(self, node: ast.Lambda, scope: Scope | None) -> None:
        self._node(node, scope, {"body": function_scope(node, scope, self.package)})

    def _class(self, node: ast.ClassDef, scope: Scope | None) -> None:
        node.decorator_list = self._decorators(node.decorator_list, scope)
        outer = _with_type_params(node, scope)
        inside = class_scopes(list(live(node.body)), outer, self.package)
        self._node(node, outer, {"body": inside, "decorator_list": scope})

    def _alias(self, node: ast.AST, scope: Scope | None) -> None:
        self._node(node, _with_type_params(node, scope))

    def _decorators(self, decorators: list[ast.expr], scope: Scope | None) -> list[ast.expr]:
        """All but pipeglot's own: how often a step is tried again is no part of what it computes."""
        return [decorator for decorator in decorators if not self._ours(decorator, scope)]

    def _ours(self, decorator: ast.expr, scope: Scope | None) -> bool:
        while isinstance(decorator, ast.Call):
            decorator = decorator.func
        path = dotted(decorator)
        return bool(path) and any(self.ours(ref) for ref in lookup(scope, path, self.module))

    def _comprehension(self, node: _Comprehension, scope: Scope | None) -> None:
        targets = [name for each in node.generators for name in ast.walk(each.target)]
        inside = local_scope(scope, {name.id for name in targets if isinstance(name, ast.Name)})
        inside.first = node.generators[0]
        self._node(node, inside)

    def _generator(self, node: ast.comprehension, scope: Scope | None) -> None:
        first = scope is not None and scope.first is node
        self._node(node, scope, {"iter": scope.parent} if scope is not None and first else None)

    def _import(self, node: ast.Import | ast.ImportFrom, scope: Scope | None) -> None:
        """In a class it makes an attribute, and after `global` a name of the module: what is there counts as used."""
        for imported in imports(node, self.package):
            if scope is not None and (scope.is_class or imported.name in scope.declared):
                self._refs.update(dict.fromkeys(imported.refs(())))
        self._node(node, scope)

    def _annotated(self, node: ast.arg | ast.AnnAssign, scope: Scope | None) -> None:
        if node.annotation is not None:
            self._quoted(node.annotation, scope)
        self._node(node, scope)

    def _quoted(self, annotation: ast.expr, scope: Scope | None) -> None:
        """The names in `-> "Trained"`. What is a word of a text only seems a name, and rarely is one."""
        for node in ast.walk(annotation):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for word in "".join(c if c.isalnum() or c in "._" else " " for c in node.value).split():
                    path = tuple(word.split("."))
                    if all(path):
                        self._use(path, scope)


_HANDLERS: dict[type[ast.AST], Callable[[Reader, Any, Scope | None], None]] = {
    ast.Name: Reader._name,
    ast.Attribute: Reader._attribute,
    ast.Constant: Reader._constant,
    ast.JoinedStr: Reader._joined,
    ast.FormattedValue: Reader._formatted,
    ast.FunctionDef: Reader._function,
    ast.AsyncFunctionDef: Reader._function,
    ast.Lambda: Reader._lambda,
    ast.ClassDef: Reader._class,
    ast.ListComp: Reader._comprehension,
    ast.SetComp: Reader._comprehension,
    ast.DictComp: Reader._comprehension,
    ast.GeneratorExp: Reader._comprehension,
    ast.comprehension: Reader._generator,
    ast.Import: Reader._import,
    ast.ImportFrom: Reader._import,
    ast.arg: Reader._annotated,
    ast.AnnAssign: Reader._annotated,
}
_CALLS: dict[type[ast.AST], Callable[[Reader, Any, Scope | None], None]] = {ast.Call: Reader._call}
if hasattr(ast, "TypeAlias"):  # Python 3.12 on
    _HANDLERS[ast.TypeAlias] = Reader._alias


def _with_type_params(node: ast.AST, scope: Scope | None) -> Scope | None:
    """The scope that `def f[T]` makes around a function (Python 3.12 on)."""
    params = getattr(node, "type_params", None)
    return local_scope(scope, {param.name for param in params}) if params else scope


def imported_name(node: ast.Call, module: str, package: str) -> str:
    """The module that `import_module("a.b")` imports, if that is what is called; empty where no text tells."""
    first = node.args[0] if node.args else None
    if not (isinstance(first, ast.Constant) and isinstance(first.value, str) and dotted(node.func)):
        return ""
    name = first.value.lstrip(".")
    if not all(part.isidentifier() for part in name.split(".")):
        return ""
    level = len(first.value) - len(name)
    if not level:
        return name
    around = node.args[1] if len(node.args) > 1 else next((k.value for k in node.keywords if k.arg == "package"), None)
    match around:
        case ast.Constant(value=str(named)):
            return absolute(name, level, named)
        case ast.Name(id="__package__"):
            return absolute(name, level, package)
        case ast.Name(id="__name__"):
            return absolute(name, level, module)
    return ""


def _pieces(node: ast.JoinedStr) -> list[str | ast.AST]:
    pieces: list[str | ast.AST] = []
    for value in node.values:
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            last = pieces[-1] if pieces else None
            if isinstance(last, str):
                pieces[-1] = last + value.value
            elif value.value:
                pieces.append(value.value)
        else:
            pieces.append(value)
    return pieces
