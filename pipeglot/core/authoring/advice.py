"""The words for a mistake with a symbolic value: what the user wrote, why it cannot be, and what to write instead."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pipeglot.core.authoring.sources import enclosing, inside, short

if TYPE_CHECKING:
    from pipeglot.core.authoring.positions import Position

_LOOPS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SHOWN = (
    ast.BinOp,
    ast.UnaryOp,
    ast.Call,
    ast.JoinedStr,
    ast.Compare,
    ast.Subscript,
    ast.Attribute,
    ast.stmt,
)
_BARE = {
    "truth": "a test",
    "iteration": "a loop",
    "length": "`len`",
    "contains": "`in`",
    "text": "`str`",
    "call": "a call",
    "change": "an assignment",
    "with": "`with`",
    "isinstance": "`isinstance`",
}
"""What was done, where the source is not at hand to show it."""

_HINTS = {
    "length": "count in a step",
    "text": "put the text together in a step",
    "arithmetic": "compute it in a step: a function with `@step`",
    "isinstance": "ask in a step",
    "change": "return the changed value from a step",
    "call": "call it in a step",
    "with": "use it in a step",
    "unpack": "unpack it in a step",
    "comparison": "join conditions with `all_of`, `any_of` and `not_`",
}
_BUILTINS = ("enumerate", "filter", "list", "map", "reversed", "sorted", "tuple")
_OVER = "{} returns a list, and run `step.map(each(…))` over that"
_TESTS = {
    "while": "put the loop in a step",
    "assert": "check it in a step, and raise there",
    "filter": "choose the items in a step",
    "match": "use `with when(… == …):` for each case, or `match` in a step",
}


def explain(use: str, detail: str, label: str, at: Position | None) -> tuple[str, str]:
    """Message and hint for a use that would need the value itself."""
    chain = enclosing(at)
    shown, hint = _truth(chain) if use == "truth" else _other(use, detail, chain)
    shown = f"`{shown}`" if shown else _BARE.get(use, f"`{detail}`")
    return f"{shown} depends on {label}, which is known only when the pipeline runs", hint


# --- truth ------------------------------------------------------------------------------------------------------------


def outermost_test(chain: list[ast.AST]) -> str:
    """Who asks for the truth of the innermost node of a chain."""
    return _tester(chain)[0]


def _tester(chain: list[ast.AST]) -> tuple[str, ast.AST | None]:
    """Python 3.11 names the whole statement as the place of a test that is a mere name."""
    kind = ""
    test: ast.AST | None = None
    child: ast.AST | None = None
    for node in chain:
        match node:
            case ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
                kind, test = "operator", node
            case ast.Compare() if child is None and (len(node.ops) > 1 or isinstance(node.ops[0], ast.In | ast.NotIn)):
                kind, test = "operator", node
            case ast.If() | ast.While() | ast.Assert() | ast.IfExp() if child in (None, node.test):
                return type(node).__name__.lower(), node
            case ast.comprehension() if child in node.ifs:
                return "filter", child
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp() if child is None:
                return "filter", next((test for loop in node.generators for test in loop.ifs), node)
            case ast.Match() | ast.match_case():
                return "match", node
            case ast.Call() if not kind:
                return "call", node
            case ast.stmt() | ast.Call():
                break
        child = node
    return kind, test


def _truth(chain: list[ast.AST]) -> tuple[str, str]:
    kind, node = _tester(chain)
    match node:
        case ast.If():
            return (
                f"if {short(node.test)}",
                f"write `with when({condition(node.test)}):`, and `with otherwise():` for the rest",
            )
        case ast.While():
            return f"while {short(node.test)}", _TESTS["while"]
        case ast.IfExp():
            arms = f"`with when({condition(node.test)}):` and `with otherwise():`"
            return short(node), f"choose in a step; or call steps under {arms}, and use `one_of`"
        case ast.Match():
            return f"match {short(node.subject)}", _TESTS["match"]
        case ast.match_case():
            return f"case {short(node.pattern)}", _TESTS["match"]
        case ast.expr() if kind == "operator":
            return short(node), f"write `{condition(node)}`"
        case ast.expr() if kind == "call":
            return short(node), "call it in a step"
        case ast.expr() if kind == "filter":
            return f"if {short(node)}", _TESTS["filter"]
        case ast.Assert():
            return short(node), _TESTS["assert"]
        case _:
            return "", "write `with when(…):`"


def condition(test: ast.expr) -> str:
    """A Python test, rewritten as a condition."""
    return short(_rewritten(test), 100)


def _rewritten(node: ast.expr) -> ast.expr:
    match node:
        case ast.BoolOp():
            return _call("all_of" if isinstance(node.op, ast.And) else "any_of", *map(_rewritten, node.values))
        case ast.BinOp(op=ast.BitAnd()):
            return _call("all_of", _rewritten(node.left), _rewritten(node.right))
        case ast.BinOp(op=ast.BitOr()):
            return _call("any_of", _rewritten(node.left), _rewritten(node.right))
        case ast.UnaryOp(op=ast.Not() | ast.Invert()):
            return _call("not_", _rewritten(node.operand))
        case ast.Call(func=ast.Name(id="bool"), args=[argument]):
            return _rewritten(argument)
        case ast.Compare(ops=[op], comparators=[right]):
            return _comparison(node.left, op, right)
        case ast.Compare():
            terms = [node.left, *node.comparators]
            return _call("all_of", *(_comparison(*term) for term in zip(terms, node.ops, terms[1:], strict=False)))
        case _:
            return node


def _comparison(left: ast.expr, op: ast.cmpop, right: ast.expr) -> ast.expr:
    is_none = isinstance(right, ast.Constant) and right.value is None
    match op:
        case ast.Is() | ast.Eq() if is_none:
            return _call("is_none", left)
        case ast.IsNot() | ast.NotEq() if is_none:
            return _call("not_", _call("is_none", left))
        case ast.Is() | ast.IsNot() if isinstance(right, ast.Constant) and type(right.value) is bool:
            return left if isinstance(op, ast.Is) is right.value else _call("not_", left)
        case ast.Is() | ast.IsNot():
            return ast.Compare(left, [ast.Eq() if isinstance(op, ast.Is) else ast.NotEq()], [right])
        case ast.In():
            return _call("is_in", left, right)
        case ast.NotIn():
            return _call("not_", _call("is_in", left, right))
        case _:
            return ast.Compare(left, [op], [right])


def _call(name: str, *args: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(name), list(args), [])


# --- all other uses ---------------------------------------------------------------------------------------------------


def _other(use: str, detail: str, chain: list[ast.AST]) -> tuple[str, str]:
    if use == "iteration":
        return _iteration(chain)
    node = next((node for node in chain if isinstance(node, _SHOWN)), None)
    if use == "text" and isinstance(node, ast.Call) and short(node.func) == "print":
        return short(node), "print in a step: what it prints goes to the step's log"
    if isinstance(node, ast.Call) and short(node.func) == "range":
        return short(node), _OVER.format("make a step that")
    if use in ("number", "attribute", "item"):
        return _text(node), "call it in a step" if isinstance(node, ast.Call) else "read it in a step"
    if use == "contains" or (use == "arithmetic" and detail in "&|~"):
        return _text(node), f"write `{condition(node)}`" if isinstance(node, ast.expr) else "write `is_in(…)`"
    return _text(node), _HINTS[use]


def _text(node: ast.AST | None) -> str:
    if isinstance(node, ast.With):
        return f"with {', '.join(map(short, node.items))}"
    return short(node) if isinstance(node, ast.expr | ast.AugAssign | ast.Assign | ast.Delete | ast.AnnAssign) else ""


def _iteration(chain: list[ast.AST]) -> tuple[str, str]:
    call = None
    for node in chain:
        match node:
            case ast.For():
                return f"for {short(node.target)} in {short(node.iter)}", _map_hint(
                    node.target, node.iter, inside(node)
                )
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                loop = node.generators[0]
                return short(node), _map_hint(loop.target, loop.iter, inside(node))
            case ast.Call():
                call = call or node
            case ast.stmt():
                break
    if call is None:
        return "", "take its items apart in a step"
    return short(call), "a step has a fixed number of arguments: pass the list whole" if _starred(
        call
    ) else "call it in a step"


def _starred(call: ast.Call) -> bool:
    return any(isinstance(arg, ast.Starred) for arg in call.args)


def _map_hint(target: ast.expr, items: ast.expr, body: object) -> str:
    """`train.map(features, each(carriers))` for `for c in carriers: train(features, c)`."""
    shown = "step.map(each(…))"
    if isinstance(items, ast.Call) and short(items.func) == "zip":
        return "`step.map(x=each(xs), y=each(ys))` steps through the lists together"
    if isinstance(items, ast.Call) and short(items.func) in _BUILTINS:
        return _OVER.format(f"call `{short(items.func)}` in a step that")
    if isinstance(target, ast.Name):
        for node in body:  # type: ignore[attr-defined]
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                call = _mapped(node, target.id, items)
                if call:
                    shown = call
                    break
    return f"`{shown}` runs a step once for each item"


def _mapped(call: ast.Call, name: str, items: ast.expr) -> str:
    each = _call("each", items)

    def swapped(node: ast.expr) -> ast.expr:
        return each if isinstance(node, ast.Name) and node.id == name else node

    args = [swapped(arg) for arg in call.args]
    keywords = [ast.keyword(keyword.arg, swapped(keyword.value)) for keyword in call.keywords]
    if each not in args and not any(keyword.value is each for keyword in keywords):
        return ""
    return short(ast.Call(ast.Attribute(call.func, "map"), args, keywords), 80)
