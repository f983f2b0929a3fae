"""Edits that change what a step computes, or may: each must change its digest, and the member that it is in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.code.conftest import Close

# name: (the project, a text in it, what that becomes, the member that changes or "" where members come or go)
REACHED = {
    "the function": ("def run(x):\n    return x + 1", "+ 1", "+ 2", "steps:run"),
    "parameter": ("def run(x):\n    return 1", "x", "x, y", "steps:run"),
    "default": ("def run(x=1):\n    return x", "=1", "=2", "steps:run"),
    "constant of a default": ("N = 1\ndef run(x=N):\n    return x", "= 1", "= 2", "steps:N"),
    "constant of a keyword default": ("N = 1\ndef run(*, x=[N]):\n    return x", "= 1", "= 2", "steps:N"),
    "helper": ("def f(): return 1\ndef run(x):\n    return f()", "return 1", "return 2", "steps:f"),
    "helper of a helper": ("def g(): return 1\ndef f(): return g()\ndef run(x):\n    return f()", "1", "2", "steps:g"),
    "helper two modules away": (
        "from a import f\ndef run(x):\n    return f()\n# file: a.py\nfrom b import g\ndef f(): return g()\n# file: b.py\ndef g(): return 1",
        "return 1",
        "return 2",
        "b:g",
    ),
    "constant": ("N = 1\ndef run(x):\n    return N", "= 1", "= 2", "steps:N"),
    "constant that a constant reads": ("M = 1\nN = M + 3\ndef run(x):\n    return N", "M = 1", "M = 2", "steps:M"),
    "constant in another module": (
        "from settings import N as LIMIT\ndef run(x):\n    return LIMIT\n# file: settings.py\nN = 1",
        "N = 1",
        "N = 2",
        "settings:N",
    ),
    "annotated constant": ("N: int = 1\ndef run(x):\n    return N", "= 1", "= 2", "steps:N"),
    "augmented constant": ("N = 1\nN += 1\ndef run(x):\n    return N", "+= 1", "+= 2", "steps:N"),
    "constant of a pair": ("M, N = 1, 2\ndef run(x):\n    return N", "2", "3", "steps:N"),
    "constant of a nested pattern": ("[M, *(L, N)] = 1, 2, 3\ndef run(x):\n    return N", "3", "4", "steps:N"),
    "chained constant": ("M = N = 1\ndef run(x):\n    return N", "= 1", "= 2", "steps:N"),
    "walrus": ("M = (N := 1) + 1\ndef run(x):\n    return N", ":= 1", ":= 2", "steps:N"),
    "walrus in a comprehension": ("M = [N := y for y in (1, 2)]\ndef run(x):\n    return N", "(1", "(2", "steps:N"),
    "rebinding": ("N = 1\nN = 2\ndef run(x):\n    return N", "N = 2", "N = 3", "steps:N"),
    "a first binding that a second uses": (
        "def f(): return 1\nf = [f]\ndef run(x):\n    return f",
        "1",
        "2",
        "steps:f",
    ),
    "constant of a loop": ("for N in (1, 2): pass\ndef run(x):\n    return N", "2", "3", "steps:N"),
    "constant of a with": (
        "with open('a') as f:\n    N = f.read()\ndef run(x):\n    return N",
        "'a'",
        "'b'",
        "steps:N",
    ),
    "constant of an if": (
        "F = 1\nif F:\n    N = 1\nelse:\n    N = 2\ndef run(x):\n    return N",
        "= 2",
        "= 3",
        "steps:N",
    ),
    "the condition of a constant": (
        "F = 1\nif F:\n    N = 1\nelse:\n    N = 2\ndef run(x):\n    return N",
        "F = 1",
        "F = 0",
        "steps:F",
    ),
    "constant of a try": ("try:\n    N = 1\nexcept E:\n    N = 2\ndef run(x):\n    return N", "= 2", "= 3", "steps:N"),
    "constant of a match": ("match 1:\n    case N: pass\ndef run(x):\n    return N", "1", "2", "steps:N"),
    "constant of a while": ("while (N := 1): break\ndef run(x):\n    return N", "1", "2", "steps:N"),
    "item set": ("C = {}\nC['a'] = 1\ndef run(x):\n    return C", "= 1", "= 2", "steps:C"),
    "item deleted": ("C = {1: 1, 2: 2}\ndel C[1]\ndef run(x):\n    return C", "[1]", "[2]", "steps:C"),
    "item set deeper": ("C = {}\nC['a'].b[0] = 1\ndef run(x):\n    return C", "= 1", "= 2", "steps:C"),
    "attribute set": ("class C: pass\nC.y = 1\ndef run(x):\n    return C", "= 1", "= 2", "steps:C"),
    "attribute of a function": ("def f(): return f.y\nf.y = 1\ndef run(x):\n    return f()", "= 1", "= 2", "steps:f"),
    "appended": ("C = []\nC.append(1)\ndef run(x):\n    return C", "1", "2", "steps:C"),
    "helper appended": (
        "C = []\ndef f(): return 1\nC.append(f)\ndef run(x):\n    return C[0]()",
        "return 1",
        "return 2",
        "steps:f",
    ),
    "some method called": ("C = thing()\nC.configure(1)\ndef run(x):\n    return C", "1", "2", "steps:C"),
    "method called within an item": ("C = {}\nC['a'].append(1)\ndef run(x):\n    return C", "1", "2", "steps:C"),
    "mutated for a result": ("C = [1]\nD = C.pop(0)\ndef run(x):\n    return C", "pop(0)", "pop(1)", "steps:C"),
    "mutated in a loop": (
        "C = {}\nfor k in (1, 2):\n    C[k] = k\ndef run(x):\n    return C",
        "= k",
        "= k + 1",
        "steps:C",
    ),
    "given to a function": ("C = {}\nfill(C, 1)\ndef run(x):\n    return C", "1", "2", "steps:C"),
    "mutated by a helper": (
        "C = {}\ndef load(n):\n    C['n'] = n\nload(1)\ndef run(x):\n    return C",
        "load(1)",
        "load(2)",
        "steps:C",
    ),
    "mutated by a helper of a helper": (
        "C = {}\ndef put(n): C['n'] = n\ndef load(n): put(n)\nload(1)\ndef run(x):\n    return C",
        "= n",
        "= -n",
        "steps:put",
    ),
    "set by a helper with global": (
        "C = None\ndef load():\n    global C\n    C = 1\nload()\ndef run(x):\n    return C",
        "C = 1",
        "C = 2",
        "steps:load",
    ),
    "registered": (
        "C = {}\ndef register(f):\n    C[f.__name__] = f\n    return f\n@register\ndef f(): return 1\ndef run(x):\n    return C[x]()",
        "return 1",
        "return 2",
        "steps:C",
    ),
    "registered with a name": (
        "C = {}\ndef register(n):\n    def inner(f):\n        C[n] = f\n        return f\n    return inner\n"
        "@register('f')\ndef f(): return 1\ndef run(x):\n    return C[x]()",
        "return 1",
        "return 2",
        "steps:C",
    ),
    "registered with a class": (
        "class C:\n    all = []\n    def __init__(self, f): C.all.append(f)\n@C\ndef f(): return 1\ndef run(x):\n    return C.all",
        "return 1",
        "return 2",
        "steps:C",
    ),
    "single dispatch": (
        "from functools import singledispatch\n@singledispatch\ndef f(x): return 1\n@f.register\ndef _(x: int): return 2\n"
        "def run(x):\n    return f(x)",
        "return 2",
        "return 3",
        "steps:f",
    ),
    "module seeded": (
        "import numpy as np\nnp.random.seed(1)\ndef run(x):\n    return np.random.rand()",
        "1",
        "2",
        "steps:np",
    ),
    "setting of an imported module": (
        "import a\na.N = 1\ndef run(x):\n    return a.f()\n# file: a.py\nN = 0\ndef f(): return N",
        "a.N = 1",
        "a.N = 2",
        "steps:a",
    ),
    "module loaded by a call": (
        "from a import N, load\nload(1)\ndef run(x):\n    return N\n# file: a.py\nN = {}\ndef load(n): N['n'] = n",
        "load(1)",
        "load(2)",
        "steps:<import>",
    ),
    "what loads a module": (
        "from a import N, load\nload(1)\ndef run(x):\n    return N\n# file: a.py\nN = {}\ndef load(n): N['n'] = n",
        "] = n",
        "] = -n",
        "a:load",
    ),
    "decorator": ("def d(f): return f\ndef e(f): return f\n@d\ndef run(x):\n    return x", "@d", "@e", ""),
    "what a decorator does": ("def d(f): return f\n@d\ndef run(x):\n    return x", "return f", "return [f]", "steps:d"),
    "argument of a decorator": ("N = 1\n@d(N)\ndef run(x):\n    return x", "N = 1", "N = 2", "steps:N"),
    "decorator from outside": ("import d\n@d.e(1)\ndef run(x):\n    return x", "1", "2", "steps:run"),
    "decorator under the step's": (
        "from pipeglot import step\n@step(retry=1)\n@d(1)\ndef run(x):\n    return x",
        "@d(1)",
        "@d(2)",
        "steps:run",
    ),
    "a decorator of the project named step": (
        "from common import step\n@step(1)\ndef run(x):\n    return x\n# file: common.py\ndef step(n): return n",
        "@step(1)",
        "@step(2)",
        "steps:run",
    ),
    "not pipeglot's step": ("from pipeglots import step\n@step(1)\ndef run(x):\n    return x", "1", "2", "steps:run"),
    "class": ("class A:\n    def f(self): return 1\ndef run(x):\n    return A().f()", "1", "2", "steps:A"),
    "class attribute": ("class A:\n    a = 1\ndef run(x):\n    return A.a", "1", "2", "steps:A"),
    "dataclass field": (
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    a: int = 1\ndef run(x):\n    return A()",
        "= 1",
        "= 2",
        "steps:A",
    ),
    "option of a dataclass": (
        "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass A:\n    a: int = 1\ndef run(x):\n    return A()",
        "True",
        "False",
        "steps:A",
    ),
    "base class": ("class B:\n    a = 1\nclass A(B): pass\ndef run(x):\n    return A", "1", "2", "steps:B"),
    "base class in another module": (
        "import base\nclass A(base.B): pass\ndef run(x):\n    return A\n# file: base.py\nclass B:\n    a = 1",
        "1",
        "2",
        "base:B",
    ),
    "metaclass": (
        "class M(type):\n    a = 1\nclass A(metaclass=M): pass\ndef run(x):\n    return A",
        "1",
        "2",
        "steps:M",
    ),
    "keyword of a class": ("class A(B, frozen=1): pass\ndef run(x):\n    return A", "1", "2", "steps:A"),
    "what a method uses": (
        "N = 1\nclass A:\n    def f(self): return N\ndef run(x):\n    return A",
        "1",
        "2",
        "steps:N",
    ),
    "name of a method used in a method": (
        "def f(): return 1\nclass A:\n    def f(self): return f()\ndef run(x):\n    return A",
        "return 1",
        "return 2",
        "steps:f",
    ),
    "name not yet bound in a class": (
        "a = 1\nclass A:\n    a = a + 1\ndef run(x):\n    return A",
        "= 1",
        "= 2",
        "steps:a",
    ),
    "name perhaps bound in a class": (
        "a = 1\nclass A:\n    if y:\n        a = 2\n    b = a\ndef run(x):\n    return A",
        "a = 1",
        "a = 3",
        "steps:a",
    ),
    "import in a class": (
        "class A:\n    from a import f\ndef run(x):\n    return A().f()\n# file: a.py\ndef f(self): return 1",
        "1",
        "2",
        "a:f",
    ),
    "annotation": ("class A:\n    a = 1\ndef run(x: A):\n    return x", "1", "2", "steps:A"),
    "returned NamedTuple": (
        "from typing import NamedTuple\nclass A(NamedTuple):\n    a: int\ndef run(x) -> A:\n    return x",
        "a: int",
        "b: int",
        "steps:A",
    ),
    "quoted annotation": ("class A:\n    a = 1\ndef run(x) -> 'list[A] | None':\n    return x", "1", "2", "steps:A"),
    "annotation of a local": ("class A:\n    a = 1\ndef run(x):\n    y: A = x\n    return y", "1", "2", "steps:A"),
    "partial": (
        "from functools import partial\ndef f(a): return 1\ng = partial(f, 1)\ndef run(x):\n    return g()",
        "return 1",
        "return 2",
        "steps:f",
    ),
    "lambda": ("N = 1\nf = lambda y: y + N\ndef run(x):\n    return f(x)", "= 1", "= 2", "steps:N"),
    "closure": (
        "N = 1\ndef make():\n    def inner(): return N\n    return inner\ndef run(x):\n    return make()()",
        "= 1",
        "= 2",
        "steps:N",
    ),
    "comprehension": ("N = 1\ndef run(x):\n    return [y + N for y in x]", "= 1", "= 2", "steps:N"),
    "first iterable of a comprehension": ("N = [1]\ndef run(x):\n    return [N for N in N]", "1", "2", "steps:N"),
    "name used next to a comprehension that hides it": (
        "def f(y): return 1\ndef run(x):\n    z = [f for f in x]\n    return f(z)",
        "return 1",
        "return 2",
        "steps:f",
    ),
    "name in an f-string": ("N = 1\ndef run(x):\n    return f'{x:{N}}'", "= 1", "= 2", "steps:N"),
    "name in an f-string in an f-string": (
        "N = 1\ndef run(x):\n    return f'''{f\"{N!r}\"}'''",
        "= 1",
        "= 2",
        "steps:N",
    ),
    "global": ("N = 1\ndef run(x):\n    global N\n    N += x\n    return N", "N = 1", "N = 2", "steps:N"),
    "global in a function inside": (
        "N = 1\ndef run(x):\n    N = 2\n    def inner():\n        global N\n        return N\n    return inner()",
        "N = 1",
        "N = 3",
        "steps:N",
    ),
    "pattern": ("class A: a = 1\ndef run(x):\n    match x:\n        case A(): return 1", "a = 1", "a = 2", "steps:A"),
    "value in a pattern": (
        "class A: a = 1\ndef run(x):\n    match x:\n        case A.a: return 1",
        "a = 1",
        "a = 2",
        "steps:A",
    ),
    "exception caught": (
        "class E(Exception): a = 1\ndef run(x):\n    try: x()\n    except E: pass",
        "1",
        "2",
        "steps:E",
    ),
    "async": ("async def f(): return 1\ndef run(x):\n    return f()", "1", "2", "steps:f"),
    "recursion": ("def f(): return f() + 1\ndef run(x):\n    return f()", "1", "2", "steps:f"),
    "mutual recursion": (
        "def f(): return g()\ndef g(): return f() + 1\ndef run(x):\n    return f()",
        "1",
        "2",
        "steps:g",
    ),
    "recursion back to the step": ("def f(): return run(1)\ndef run(x):\n    return f()", "1", "2", "steps:f"),
    "import of a module": ("import a\ndef run(x):\n    return a.f()\n# file: a.py\ndef f(): return 1", "1", "2", "a:f"),
    "import of a submodule": (
        "import a.b.c\ndef run(x):\n    return a.b.c.f()\n# file: a/b/c.py\ndef f(): return 1",
        "1",
        "2",
        "a.b.c:f",
    ),
    "import of a submodule by another name": (
        "import a.b.c as d\ndef run(x):\n    return d.f()\n# file: a/b/c.py\ndef f(): return 1",
        "1",
        "2",
        "a.b.c:f",
    ),
    "import of a module from a package": (
        "from a import b\ndef run(x):\n    return b.f()\n# file: a/b.py\ndef f(): return 1",
        "1",
        "2",
        "a.b:f",
    ),
    "import by another name": (
        "from a import f as g\ndef run(x):\n    return g()\n# file: a.py\ndef f(): return 1",
        "1",
        "2",
        "a:f",
    ),
    "relative import": (
        "from p.a import f\ndef run(x):\n    return f()\n# file: p/__init__.py\n# file: p/a.py\nfrom .q.b import g as f\n"
        "# file: p/q/b.py\nfrom ..c import h as g\n# file: p/c.py\nfrom . import d\nh = d.k\n# file: p/d.py\nk = 1",
        "k = 1",
        "k = 2",
        "p.d:k",
    ),
    "star import": ("from a import *\ndef run(x):\n    return f()\n# file: a.py\ndef f(): return 1", "1", "2", "a:f"),
    "star import of a star import": (
        "from a import *\ndef run(x):\n    return f()\n# file: a.py\nfrom b import *\n# file: b.py\ndef f(): return 1",
        "1",
        "2",
        "b:f",
    ),
    "star import that a try chose": (
        "try:\n    from a import *\nexcept ImportError:\n    from b import *\ndef run(x):\n    return f()\n"
        "# file: a.py\ndef f(): return 1\n# file: b.py\ndef f(): return 2",
        "return 2",
        "return 3",
        "b:f",
    ),
    "mutation of what a star import brought": (
        "from a import *\nC['n'] = 1\ndef run(x):\n    return C\n# file: a.py\nC = {}",
        "= 1",
        "= 2",
        "steps:C",
    ),
    "star import from outside": ("from a import *\ndef run(x):\n    return f()", "from a", "from b", "steps:<star>"),
    "re-export of a package": (
        "from p import f\ndef run(x):\n    return f()\n# file: p/__init__.py\nfrom .a import f\n"
        "# file: p/a.py\ndef f(): return 1\n# file: p/b.py\ndef f(): return 1",
        "from .a",
        "from .b",
        "",
    ),
    "re-export of a package, behind it": (
        "import p\ndef run(x):\n    return p.f()\n# file: p/__init__.py\nfrom .a import g as f\n# file: p/a.py\ndef g(): return 1",
        "1",
        "2",
        "p.a:g",
    ),
    "re-export of a module under its own name": (
        "import p\ndef run(x):\n    return p.a.f()\n# file: p/__init__.py\nfrom . import a\n# file: p/a.py\ndef f(): return 1",
        "1",
        "2",
        "p.a:f",
    ),
    "import in a function": (
        "def run(x):\n    from a import f\n    return f()\n# file: a.py\ndef f(): return 1",
        "1",
        "2",
        "a:f",
    ),
    "import of a module in a function": (
        "def run(x):\n    import a.b\n    def inner():\n        return a.b.f()\n    return inner\n# file: a/b.py\ndef f(): return 1",
        "1",
        "2",
        "a.b:f",
    ),
    "relative import in a function": (
        "from p import f\ndef run(x):\n    return f()\n# file: p/__init__.py\ndef f():\n    from .a import g\n    return g()\n"
        "# file: p/a.py\ndef g(): return 1",
        "1",
        "2",
        "p.a:g",
    ),
    "alternative import": (
        "try:\n    from a import f\nexcept ImportError:\n    from b import f\ndef run(x):\n    return f()\n"
        "# file: a.py\ndef f(): return 1\n# file: b.py\ndef f(): return 2",
        "return 2",
        "return 3",
        "b:f",
    ),
    "import from outside": (
        "import numpy as np\ndef run(x):\n    return np.sum(x)",
        "import numpy",
        "import cupy",
        "steps:np",
    ),
    "name imported from outside": ("from numpy import sum as f\ndef run(x):\n    return f(x)", "sum", "max", "steps:f"),
    "import of a missing module of the project": (
        "from p import f\ndef run(x):\n    return f(x)\n# file: p/__init__.py\nfrom .compiled import a as f",
        "a as",
        "b as",
        "p:f",
    ),
    "module passed around": (
        "import a\ndef run(x):\n    return x(a)\n# file: a.py\ndef f(): return 1",
        "1",
        "2",
        "a:*",
    ),
    "getattr of a module": (
        "import a\ndef run(x):\n    return getattr(a, x)()\n# file: a.py\nf = g = 1",
        "1",
        "2",
        "a:*",
    ),
    "dict of a module": (
        "import a\ndef run(x):\n    return a.__dict__[x]()\n# file: a.py\ndef f(): return 1",
        "1",
        "2",
        "a:*",
    ),
    "module passed around, behind it": (
        "import a\ndef run(x):\n    return x(a)\n# file: a.py\nfrom b import f\n# file: b.py\ndef f(): return 1",
        "1",
        "2",
        "b:f",
    ),
    "module passed around, a statement in it": (
        "import a\ndef run(x):\n    return x(a)\n# file: a.py\nprint(1)",
        "1",
        "2",
        "a:*",
    ),
    "package passed around with its module": (
        "import p.a\ndef run(x):\n    return x(p)\n# file: p/__init__.py\n# file: p/a.py\ndef f(): return 1",
        "1",
        "2",
        "p.a:*",
    ),
    "module by another name": (
        "import a\nb = a\ndef run(x):\n    return b.f()\n# file: a.py\ndef f(): return 1",
        "1",
        "2",
        "a:*",
    ),
    "getattr of a module itself": (
        "import a\ndef run(x):\n    return a.f()\n# file: a.py\ndef __getattr__(name): return g\ndef g(): return 1",
        "1",
        "2",
        "a:*",
    ),
    "globals": ("def f(): return 1\ndef run(x):\n    return globals()[x]()", "1", "2", "steps:*"),
    "eval": ("def f(): return 1\ndef run(x):\n    return eval(x)", "1", "2", "steps:*"),
    "module of a namespace folder": (
        "from n.a import f\ndef run(x):\n    return f()\n# file: n/a.py\ndef f(): return 1",
        "1",
        "2",
        "n.a:f",
    ),
    "folder that hides nothing": (
        "import datasets as d\ndef run(x):\n    return d.load(x)\n# file: datasets/a.txt\n1",
        "import datasets",
        "import other",
        "steps:d",
    ),
    "unicode name": ("def größe(): return 1\ndef run(x):\n    return größe()", "1", "2", "steps:größe"),
}


@pytest.mark.parametrize("name", REACHED)
def test_different_digest(name: str, close: Close) -> None:
    text, old, new, member = REACHED[name]
    assert old in text
    head, _, tail = text.rpartition(old) if name == "recursion back to the step" else text.partition(old)
    before, after = close(text), close(head + new + tail)
    assert before.digest != after.digest
    if member:
        assert list(before.members) == list(after.members)
        assert [key for key in before.members if before.members[key] != after.members[key]] == [member]


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
