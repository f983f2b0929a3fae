"""Edits that change what a step computes, or may: each must change its digest, and the member that it is in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.code.projects import Case, cases

if TYPE_CHECKING:
    from tests.unit.code.conftest import Close


@pytest.mark.parametrize("case", cases("different.txt"), ids=str)
def test_different_digest(case: Case, close: Close) -> None:
    before, after = close(case.before), close(case.after)
    assert before.digest != after.digest
    changed = [name for name in before.members if before.members[name] != after.members.get(name)]
    if case.expected:
        assert changed == case.expected.split()
        assert list(before.members) == list(after.members)
    else:
        assert list(before.members) != list(after.members)


# Pairs that a careless normal form would take for one.
APART = [
    ("(x,)", "(x)"),
    ("x[1,]", "x[1]"),
    ("x[1, 2]", "x[1][2]"),
    ("[x, 1]", "(x, 1)"),
    ("[x], 1", "[x, 1]"),
    ("f(x, y)", "f((x, y))"),
    ("f(*x)", "f(x)"),
    ("f(**x)", "f(*x)"),
    ("f(x=y)", "f(x, y)"),
    ("lambda: (x, 1)", "(lambda: x, 1)"),
    ("lambda x, y: x", "lambda x: (y, x)"),
    ("lambda x=1: x", "lambda x: x"),
    ("x if y else z", "z if y else x"),
    ("not x == y", "not x != y"),
    ("(x == y) == z", "x == y == z"),
    ("x - (y - z)", "x - y - z"),
    ("-x ** 2", "(-x) ** 2"),
    ("x and (y or z)", "(x and y) or z"),
    ("{x: 1}", "{x, 1}"),
    ("{**x}", "{'x': x}"),
    ("x[1:2]", "x[1, 2]"),
    ("x[1:]", "x[:1]"),
    ("x[::1]", "x[1::]"),
    ("'x'", "x"),
    ("'x'", "b'x'"),
    ("'a' 'b'", "'a', 'b'"),
    ("'a;'", "'a', ''"),
    ("'\\n'", "r'\\n'"),
    ("''", "None"),
    ("1", "True"),
    ("0", "False"),
    ("0", "None"),
    ("1", "1.0"),
    ("1", "'1'"),
    ("1", "1j"),
    ("0.0", "-0.0"),
    ("...", "'...'"),
    ("f'{x}'", "'{x}'"),
    ("f'{x!r}'", "f'{x!s}'"),
    ("f'{x}'", "f'{x!s}'"),
    ("f'{x=}'", "f'x={x}'"),
    ("f'{x=}'", "f'{x =}'"),
    ("f'{x:>3}'", "f'{x}>3'"),
    ("f'{x:{y}}'", "f'{x:y}'"),
    ("f'{{x}}'", "f'{x}'"),
    ("f'{x}y'", "f'{xy}'"),
    ("f'a{x}'", "f'{x}a'"),
    ("f'{x,}'", "f'{x}'"),
    ("[x for x in y if z]", "[x for x in (y if z else w)]"),
    ("[x for x in y for z in w]", "[x for z in w for x in y]"),
    ("[x for x in y]", "(x for x in y)"),
    ("[x for x in y]", "[[x] for x in y]"),
    ("[x async for x in y]", "[x for x in y]"),
    ("(y := x)", "y == x"),
    ("(yield x)", "(yield from x)"),
    ("(yield)", "(yield None)"),
    ("await x", "x"),
    ("x.y", "x['y']"),
    ("x.y()", "x().y"),
    ("xy", "x.y"),
    ("x is y", "x is not y"),
    ("x in y", "x not in y"),
    ("x / y", "x // y"),
    ("x @ y", "x * y"),
    ("~x", "+x"),
    ("ﬁ", "fi2"),
]


@pytest.mark.parametrize(("one", "other"), APART)
def test_expressions_apart(one: str, other: str, close: Close) -> None:
    before, after = (close(f"async def run(x):\n    z = {expression}\n") for expression in (one, other))
    assert before.digest != after.digest


STATEMENTS_APART = [
    ("return", "return None, "),
    ("return (x,)", "return (x)"),
    ("if x: pass\n    y = 1", "if x:\n        y = 1"),
    ("if x:\n        y()\n    else:\n        z()", "if x:\n        y()\n    z()"),
    ("if x: y()\n    elif z: w()", "if x: y()\n    if z: w()"),
    ("for y in x: y()\n    else: z()", "for y in x: y()\n    z()"),
    ("while x: y()\n    else: z()", "while x:\n        y()\n        z()"),
    ("try: x()\n    except A: y()\n    else: z()", "try: x()\n    except A: y()\n    finally: z()"),
    ("try: x()\n    except A: y()", "try: x()\n    except* A: y()"),
    ("try: x()\n    except (A, B): y()", "try: x()\n    except A: y()\n    except B: y()"),
    ("try: x()\n    except A: y()", "try: x()\n    except: y()"),
    ("with x, y: z()", "with (x, y), z: z()"),
    ("with x as y: z()", "with x, y: z()"),
    ("async with x: y()", "with x: y()"),
    ("async for y in x: y()", "for y in x: y()"),
    ("match x:\n        case (y,): z()", "match x:\n        case (y): z()"),
    ("match x:\n        case [y, *z]: w()", "match x:\n        case [y, z]: w()"),
    ("match x:\n        case None: z()", "match x:\n        case False: z()"),
    ("match x:\n        case 0: z()", "match x:\n        case False: z()"),
    ("match x:\n        case 'y': z()", "match x:\n        case y: z()"),
    ("match x:\n        case A(y): z()", "match x:\n        case A(y=y): z()"),
    ("match x:\n        case {'y': y}: z()", "match x:\n        case {'y': y, **z}: z()"),
    ("match x:\n        case 1 | 2: z()", "match x:\n        case (1, 2): z()"),
    ("match x:\n        case y if y: z()", "match x:\n        case y: z()"),
    ("match x:\n        case _: z()", "match x:\n        case y: z()"),
    ("x: int = 1", "x = 1"),
    ("x: int", "x: str"),
    ("(x): int = 1", "x: int = 1"),
    ("x = y = 1", "x, y = 1"),
    ("x, = y", "x = y"),
    ("x += 1", "x =+ 1"),
    ("x += 1", "x -= 1"),
    ("del x, y", "del x"),
    ("global x", "nonlocals(x)"),
    ("assert x, y", "assert (x, y)"),
    ("raise x", "raise x from None"),
    ("raise x from y", "raise y from x"),
    ("raise", "raise x"),
    ("import a", "import a as b"),
    ("import a.b", "import a.b as a"),
    ("from a import b", "from .a import b"),
    ("from a import b", "from a import b as c"),
    ("from . import b", "from .. import b"),
    ("break", "continue"),
    ("x", "x()"),
    ("x\n    y", "x, y"),
    ("def f(a, /): pass", "def f(a): pass"),
    ("def f(*, a): pass", "def f(a): pass"),
    ("def f(*a): pass", "def f(**a): pass"),
    ("def f(*, a=1, b): pass", "def f(*, a, b=1): pass"),
    ("def f(a, b=1): pass", "def f(a=1, b=1): pass"),
    ("async def f(): pass", "def f(): pass"),
    ("def f() -> int: pass", "def f(): pass"),
    ("def f(a: int): pass", "def f(a: str): pass"),
    ("@d\n    def f(): pass", "def f(): pass\n    f = d(f)"),
    ("@d\n    @e\n    def f(): pass", "@e\n    @d\n    def f(): pass"),
    ("class A(B): pass", "class A: pass"),
    ("class A(B): pass", "class A(metaclass=B): pass"),
    ("class A:\n        x = 1", "class A: pass\n    x = 1"),
    ("'a' + 'b'", "'a' - 'b'"),
]


@pytest.mark.parametrize(("one", "other"), STATEMENTS_APART)
def test_statements_apart(one: str, other: str, close: Close) -> None:
    before, after = (close(f"async def run(q):\n  for _ in q:\n    {statement}\n") for statement in (one, other))
    assert before.digest != after.digest


def test_the_same_text_under_another_name_is_another_step(close: Close) -> None:
    """Two functions that call each other reach the same members, and are not each other."""
    text = "def run(x):\n    return back(x)\ndef back(x):\n    return run(x)"
    one, other = close(text), close(text, "steps:back")
    assert one.members == other.members
    assert one.digest != other.digest
