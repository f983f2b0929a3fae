"""Edits that change nothing that a step computes, and so must not change its digest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.code.conftest import Close

SAME = {
    "comment": ("def run(x):\n    return x", "# why\ndef run(x):  # what\n    # how\n    return x  # done"),
    "docstring of the function": (
        "def run(x):\n    return x",
        'def run(x):\n    """Run.\n\n    More."""\n    return x',
    ),
    "docstring of the module": ("def run(x):\n    return x", '"""Steps."""\ndef run(x):\n    return x'),
    "docstring of a class and of its method": (
        "class A:\n    def f(self): return 1\ndef run(x):\n    return A().f()",
        'class A:\n    """A."""\n    def f(self):\n        "F."\n        return 1\ndef run(x):\n    return A().f()',
    ),
    "docstring where the body was only pass": ("def run(x):\n    pass", 'def run(x):\n    """Nothing."""'),
    "text under a field": (
        "class A:\n    a: int = 1\n    b: int = 2\ndef run(x):\n    return A",
        'class A:\n    a: int = 1\n    """The a."""\n    b: int = 2\ndef run(x):\n    return A',
    ),
    "blank lines": ("def run(x):\n    y = x\n    return y", "\n\n\ndef run(x):\n\n    y = x\n\n\n    return y\n\n"),
    "indentation": ("def run(x):\n    if x:\n        return x", "def run(x):\n  if x:\n       return x"),
    "tabs": ("def run(x):\n    if x:\n        return x", "def run(x):\n\tif x:\n\t\treturn x"),
    "one line": ("def run(x):\n    y = x\n    return y", "def run(x): y = x; return y"),
    "spaces": ("def run(x):\n    return x[1:2] + 3", "def run( x ) :\n    return   x [ 1 : 2 ]+3"),
    "backslash": ("def run(x):\n    return x + 1 + 2", "def run(x):\n    return x + 1 \\\n        + 2"),
    "brackets around lines": (
        "def run(x):\n    return x + 1 + 2",
        "def run(x):\n    return (\n        x + 1\n        + 2\n    )",
    ),
    "needless brackets": ("def run(x):\n    return x.a * 2 + 1", "def run(x):\n    return ((((x).a) * 2) + (1))"),
    "trailing comma in a call": (
        "def run(x):\n    return max(x, 1)",
        "def run(x):\n    return max(\n        x,\n        1,\n    )",
    ),
    "trailing comma in a list": ("def run(x):\n    return [x, 1]", "def run(x):\n    return [x, 1,]"),
    "trailing comma in a dict": ("def run(x):\n    return {1: x}", "def run(x):\n    return {1: x,}"),
    "trailing comma in a pair": ("def run(x):\n    return (x, 1)", "def run(x):\n    return (x, 1,)"),
    "trailing comma in parameters": ("def run(x, y=1):\n    return x", "def run(\n    x,\n    y=1,\n):\n    return x"),
    "trailing comma in an index of two": ("def run(x):\n    return x[1, 2]", "def run(x):\n    return x[1, 2,]"),
    "trailing comma in an import": (
        "def run(x):\n    from a import b, c\n    return b(c)",
        "def run(x):\n    from a import (b,\n        c,)\n    return b(c)",
    ),
    "brackets of a with": (
        "def run(x):\n    with x as a, x as b:\n        return a, b",
        "def run(x):\n    with (\n        x as a,\n        x as b,\n    ):\n        return (a, b)",
    ),
    "quotes": ("def run(x):\n    return 'a\"b' + 'c'", 'def run(x):\n    return "a\\"b" + """c"""'),
    "prefix case": ("def run(x):\n    return b'a', r'\\d', u'x'", "def run(x):\n    return B'a', R'\\d', 'x'"),
    "escape": ("def run(x):\n    return 'é'", "def run(x):\n    return '\\xe9'"),
    "joined literals": ("def run(x):\n    return 'ab'", "def run(x):\n    return ('a'\n            'b')"),
    "quotes of an f-string": (
        "def run(x):\n    return f'{x[1]:>{x}} a'",
        'def run(x):\n    return f"{ x[1] :>{x}} " "a"',
    ),
    "number spelling": ("def run(x):\n    return 1000, 255, 1000.0", "def run(x):\n    return 1_000, 0xFF, 1e3"),
    "type comment": ("def run(x):\n    y = x\n    return y", "def run(x):\n    y = x  # type: ignore\n    return y"),
    "encoding cookie": ("def run(x):\n    return 'é'", "# -*- coding: utf-8 -*-\ndef run(x):\n    return 'é'"),
    "byte order mark": ("def run(x):\n    return 'é'", "\ufeffdef run(x):\n    return 'é'"),
    "line ends": ('def run(x):\n    return """a\nb"""', 'def run(x):\r\n    return """a\r\nb"""\r\n'),
    "form feed": ("def run(x):\n    return x", "\fdef run(x):\n    return x"),
    "no end of line at the end": ("def run(x):\n    return x\n", "def run(x):\n    return x"),
    "comment at the end": ("def run(x):\n    return x\n", "def run(x):\n    return x\n    # the end"),
    "unrelated function": (
        "def run(x):\n    return x\ndef other(): return 1",
        "def run(x):\n    return x\ndef other(): return 2",
    ),
    "unrelated class": ("def run(x):\n    return x\nclass A: a = 1", "def run(x):\n    return x\nclass A: a = 2"),
    "unrelated constant": ("A = 1\ndef run(x):\n    return x", "A = 2\nB = 3\ndef run(x):\n    return x"),
    "unrelated constant made from one that is read": (
        "A = [1]\nB = A.copy()\ndef run(x):\n    return A",
        "A = [1]\nB = [A.index(1)]\ndef run(x):\n    return A",
    ),
    "unrelated mutation": (
        "A = {}\nB = {}\nB['b'] = 1\ndef run(x):\n    return A",
        "A = {}\nB = {}\nB['b'] = 2\ndef run(x):\n    return A",
    ),
    "unrelated import": (
        "import os\ndef run(x):\n    return os",
        "import os\nimport sys\nfrom re import sub\ndef run(x):\n    return os",
    ),
    "import order": (
        "import os\nimport json\ndef run(x):\n    return os, json",
        "import json\nimport os\ndef run(x):\n    return os, json",
    ),
    "import of another submodule": (
        "import os.path\ndef run(x):\n    return os.path",
        "import os\nimport os.path\nimport xml.dom\ndef run(x):\n    return os.path",
    ),
    "moved function": (
        "def f(): return 1\ndef g(): return 2\ndef run(x):\n    return f(), g()",
        "def run(x):\n    return f(), g()\ndef g(): return 2\ndef f(): return 1",
    ),
    "function between two bindings of a name": (
        "A = 1\nA = 2\ndef run(x):\n    return A",
        "A = 1\ndef run(x):\n    return A\nA = 2",
    ),
    "retry of the step": (
        "from pipeglot import step, Retry\n@step(retry=Retry(1))\ndef run(x):\n    return x",
        "from pipeglot import step, Retry\n@step(retry=Retry(3), timeout='1h')\ndef run(x):\n    return x",
    ),
    "no step decorator": ("def run(x):\n    return x", "from pipeglot import step\n@step\ndef run(x):\n    return x"),
    "step through the package": (
        "import pipeglot as p\n@p.step(timeout=1)\ndef run(x):\n    return x",
        "import pipeglot\n@pipeglot.step(timeout=2)\ndef run(x):\n    return x",
    ),
    "step renamed": (
        "from pipeglot import step\n@step\ndef run(x):\n    return x",
        "from pipeglot import step as s\n@s(retry=2)\ndef run(x):\n    return x",
    ),
    "step with a star import": (
        "from pipeglot import *\n@step(timeout=1)\ndef run(x):\n    return 1",
        "from pipeglot import *\n@step(timeout=2)\ndef run(x):\n    return 1",
    ),
    "step handed on by the project": (
        "from common import step\n@step(timeout=1)\ndef run(x):\n    return x\n# file: common.py\nfrom pipeglot import step\n",
        "from common import step\n@step(timeout=2)\ndef run(x):\n    return x\n# file: common.py\nfrom pipeglot import *\n",
    ),
    "retry of a reached step": (
        "from pipeglot import step\n@step(retry=1)\ndef f(): return 1\n@step\ndef run(x):\n    return f()",
        "from pipeglot import step\n@step(retry=2)\ndef f(): return 1\n@step\ndef run(x):\n    return f()",
    ),
    "schedule of a reached pipeline": (
        "from pipeglot import pipeline\n@pipeline(schedule=1)\ndef p(): return 1\ndef run(x):\n    return p()",
        "from pipeglot import pipeline\n@pipeline(schedule=2)\ndef p(): return 1\ndef run(x):\n    return p()",
    ),
    "retry of a step inside a function": (
        "def run(x):\n    from pipeglot import step\n    @step(retry=1)\n    def f(): return 1\n    return f",
        "def run(x):\n    from pipeglot import step\n    @step(retry=2)\n    def f(): return 1\n    return f",
    ),
    "constant of a step decorator": (
        "from pipeglot import step\nN = 1\n@step(retry=N)\ndef run(x):\n    return x",
        "from pipeglot import step\nN = 2\n@step(retry=N)\ndef run(x):\n    return x",
    ),
    "TYPE_CHECKING block": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from helpers import A\n"
        "def run(x: 'A'):\n    return x\n# file: helpers.py\nclass A: a = 1",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from helpers import A\n    B = 1\n"
        "def run(x: 'A'):\n    return x\n# file: helpers.py\nclass A: a = 2",
    ),
    "not TYPE_CHECKING": (
        "import typing\nif not typing.TYPE_CHECKING:\n    A = 1\ndef run(x):\n    return A",
        "import typing\nif typing.TYPE_CHECKING:\n    A: int\nelse:\n    A = 1\ndef run(x):\n    return A",
    ),
    "main block": (
        "A = 1\ndef run(x):\n    return A\nif __name__ == '__main__':\n    A = 2\n    run(1)",
        "A = 1\ndef run(x):\n    return A\nif __name__ == '__main__':\n    A = 3",
    ),
    "local variable named like a function": (
        "def clean(): return 1\ndef run(x):\n    clean = x + 1\n    return clean",
        "def clean(): return 2\ndef run(x):\n    clean = x + 1\n    return clean",
    ),
    "parameter named like a function": (
        "def clean(): return 1\ndef run(clean, *args, **kw):\n    return lambda kw: [clean, args, kw]\ndef args(): return 1",
        "def clean(): return 2\ndef run(clean, *args, **kw):\n    return lambda kw: [clean, args, kw]\ndef args(): return 2",
    ),
    "comprehension variable named like a function": (
        "def clean(): return 1\ndef run(x):\n    return [clean for clean in x if clean], {clean: 1 for clean, _ in x}",
        "def clean(): return 2\ndef run(x):\n    return [clean for clean in x if clean], {clean: 1 for clean, _ in x}",
    ),
    "other ways to bind a local": (
        "def a(): return 1\nb = c = d = e = f = g = h = a\ndef run(x):\n    import a\n    for b in x: pass\n"
        "    with x as c: pass\n    try: pass\n    except ValueError as d: print(d)\n"
        "    match x:\n        case [e, *f, {**g}]: pass\n    (h := 1)\n    return a, b, c, e, f, g, h",
        "def a(): return 2\nb = c = d = e = f = g = h = (a, 1)\ndef run(x):\n    import a\n    for b in x: pass\n"
        "    with x as c: pass\n    try: pass\n    except ValueError as d: print(d)\n"
        "    match x:\n        case [e, *f, {**g}]: pass\n    (h := 1)\n    return a, b, c, e, f, g, h",
    ),
    "local of the function around": (
        "def clean(): return 1\ndef run(x):\n    clean = x\n    def inner():\n        nonlocal clean\n        clean += 1\n        return clean\n    return inner",
        "def clean(): return 2\ndef run(x):\n    clean = x\n    def inner():\n        nonlocal clean\n        clean += 1\n        return clean\n    return inner",
    ),
    "attribute named like a function": (
        "def clean(): return 1\ndef run(x):\n    return x.clean(clean=1)",
        "def clean(): return 2\ndef run(x):\n    return x.clean(clean=1)",
    ),
    "class attribute named like a function": (
        "def clean(): return 1\ndef run(x):\n    class A:\n        clean = 1\n        b = clean\n    return A",
        "def clean(): return 2\ndef run(x):\n    class A:\n        clean = 1\n        b = clean\n    return A",
    ),
    "other function of an imported module": (
        "import helpers\ndef run(x):\n    return helpers.clean(x)\n# file: helpers.py\ndef clean(x): return 1\ndef other(): return 1",
        "import helpers\ndef run(x):\n    return helpers.clean(x)\n# file: helpers.py\ndef clean(x): return 1\ndef other(): return 2",
    ),
    "other function of a module with the name of its function": (
        "import p\ndef run(x):\n    return p.clean(x)\n# file: p/__init__.py\nfrom .clean import clean\n"
        "# file: p/clean.py\ndef clean(x): return 1\ndef other(): return 1",
        "import p\ndef run(x):\n    return p.clean(x)\n# file: p/__init__.py\nfrom .clean import clean\n"
        "# file: p/clean.py\ndef clean(x): return 1\ndef other(): return 2",
    ),
    "a way around a re-export": (
        "from p import clean\ndef run(x):\n    return clean(x)\n# file: p/__init__.py\nfrom .impl import clean\n# file: p/impl.py\ndef clean(x): return 1",
        "from p.impl import clean\ndef run(x):\n    return clean(x)\n# file: p/__init__.py\n# file: p/impl.py\ndef clean(x): return 1",
    ),
    "other static method": (
        "class A:\n    @staticmethod\n    def run(x): return x\n    @staticmethod\n    def other(x): return 1",
        "class A:\n    @staticmethod\n    def run(x): return x\n    @staticmethod\n    def other(x): return 2",
    ),
    "functions registered next to one that is decorated alike": (
        "SEEN = []\ndef timed(f):\n    def inner(*a):\n        SEEN.append(a)\n        return f(*a)\n    return inner\n"
        "@timed\ndef other(): return 1\n@timed\ndef run(x):\n    return x",
        "SEEN = []\ndef timed(f):\n    def inner(*a):\n        SEEN.append(a)\n        return f(*a)\n    return inner\n"
        "@timed\ndef other(): return 2\n@timed\ndef run(x):\n    return x",
    ),
    "submodule that nobody uses": (
        "from p import f\ndef run(x):\n    return f()\n# file: p/__init__.py\nfrom .a import f\nfrom .b import g\n"
        "# file: p/a.py\ndef f(): return 1\n# file: p/b.py\ndef g(): return 1",
        "from p import f\ndef run(x):\n    return f()\n# file: p/__init__.py\nfrom .b import g\nfrom .a import f\n"
        "# file: p/a.py\ndef f(): return 1\n# file: p/b.py\ndef g(): return 2",
    ),
    "file that does not parse but is not reached": (
        "def run(x):\n    return x\n# file: other.py\n",
        "def run(x):\n    return x\n# file: other.py\ndef (:",
    ),
    "order of what a whole module defines": (
        "import h\ndef run(x):\n    return getattr(h, x)\n# file: h.py\nimport os\nimport re\ndef a(): return 1\ndef b(): return 2",
        "import h\ndef run(x):\n    return getattr(h, x)\n# file: h.py\nimport re\nimport os\ndef b(): return 2\ndef a(): return 1",
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_same_digest(name: str, close: Close) -> None:
    before, after = SAME[name]
    start = "steps:A.run" if name == "other static method" else "steps:run"
    assert close(before, start) == close(after, start)
