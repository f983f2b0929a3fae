"""Values of modules that come from outside the code: what is told, and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeglot.core.code import Project, readers
from pipeglot.core.code.module import READS
from pipeglot.core.code.outside import Outside
from tests.unit.code.projects import write

RUN = "\ndef run(x): return x, {}\n"
HEAD = "import datetime as dt, json, os, re, sys\nfrom pathlib import Path\nHERE = Path(__file__).parent\n"


def found(text: str, folder: Path, start: str = "run") -> tuple[Outside, ...]:
    project = Project([write(text, folder)])
    closure = project.closure("steps", start)
    return project.outside().get(closure.digest, ())


TOLD = {
    "file": ("X = json.loads(Path('x.json').read_text())", "file", "Path('x.json').read_text()"),
    "file beside the module": ("X = (HERE / 'x.sql').read_bytes()", "file", "(HERE / 'x.sql').read_bytes()"),
    "path with a name": ("P = HERE / 'x'\nX = P.read_text()", "file", "P.read_text()"),
    "open": ("X = open('x').read()", "file", "open('x')"),
    "open in a with": ("with open('x') as f:\n    X = json.load(f)", "file", "open('x')"),
    "open of a path": ("X = json.load(Path('x').open())", "file", "Path('x').open()"),
    "gzip": ("import gzip\nX = gzip.open('x', 'rt').read()", "file", "gzip.open('x', 'rt')"),
    "listing": ("X = sorted(HERE.glob('*.csv'))", "file", "HERE.glob('*.csv')"),
    "is there": ("X = 1 if os.path.exists('x') else 2", "file", "os.path.exists('x')"),
    "frame": ("import pandas as pd\nX = pd.read_csv('x.csv')", "file", "pd.read_csv('x.csv')"),
    "array": ("import numpy as np\nX = np.load('x.npy')", "file", "np.load('x.npy')"),
    "parser": (
        "import configparser\nX = configparser.ConfigParser()\nX.read('x.ini')",
        "file",
        "X.read('x.ini')",
    ),
    "environment": ("X = os.environ['X']", "environment", "os.environ['X']"),
    "environment, get": ("X = int(os.environ.get('X', 1))", "environment", "os.environ.get('X', 1)"),
    "environment, getenv": ("from os import getenv as g\nX = g('X')", "environment", "g('X')"),
    "environment, by another name": ("from os import environ as e\nX = e['X']", "environment", "e['X']"),
    "environment, all of it": ("X = dict(os.environ)", "environment", "os.environ"),
    "environment, in a test": ("X = 'X' in os.environ", "environment", "os.environ"),
    "environment, in an if": ("if os.getenv('X'): X = 1\nelse: X = 2", "environment", "os.getenv('X')"),
    "environment, in a class": ("class X:\n    a = os.environ['A']", "environment", "os.environ['A']"),
    "environment, in a default": ("def X(a=os.getenv('A')): return a", "environment", "os.getenv('A')"),
    "environment, in a keyword's default": ("def X(*, a=os.getenv('A')): return a", "environment", "os.getenv('A')"),
    "environment, in a lambda's default": ("X = lambda a=os.getenv('A'): a", "environment", "os.getenv('A')"),
    "environment, in a decorator": (
        "def d(n): return lambda f: f\n@d(os.getenv('A'))\ndef X(): pass",
        "environment",
        "os.getenv('A')",
    ),
    "environment, in a comprehension": ("X = [os.environ[n] for n in 'ab']", "environment", "os.environ[n]"),
    "environment, in a dict": ("X = {'a': os.environ.get('A')}", "environment", "os.environ.get('A')"),
    "environment, put in": ("X = {}\nX['a'] = os.environ.get('A')", "environment", "os.environ.get('A')"),
    "environment, by update": ("X = {}\nX.update(os.environ)", "environment", "os.environ"),
    "command line": ("X = sys.argv[1]", "input", "sys.argv[1]"),
    "settings": (
        "from pydantic_settings import BaseSettings\nclass S(BaseSettings):\n    a: int = 1\nX = S()",
        "environment",
        "S()",
    ),
    "today": ("X = dt.date.today()", "clock", "dt.date.today()"),
    "now": ("from datetime import datetime\nX = datetime.now(None)", "clock", "datetime.now(None)"),
    "time": ("from time import time\nX = time()", "clock", "time()"),
    "id": ("import uuid\nX = uuid.uuid4().hex", "chance", "uuid.uuid4()"),
    "network": ("import requests\nX = requests.get('u').json()", "network", "requests.get('u')"),
    "program": (
        "import subprocess as s\nX = s.check_output(['git', 'rev-parse', 'HEAD'])",
        "program",
        "s.check_output(['git', 'rev-parse', 'HEAD'])",
    ),
    "import": ("import importlib\nX = importlib.import_module('plugins.' + HERE.name)", "import", ""),
    "import in a function": ("import importlib as i\ndef X(n): return i.import_module(n)", "import", ""),
    "import of its own in a function": (
        "def X(n):\n    from importlib import import_module\n    return import_module(n)",
        "import",
        "import_module(n)",
    ),
    "import by the builtin": ("def X(n): return __import__(n)", "import", "__import__(n)"),
}


@pytest.mark.parametrize("name", TOLD)
def test_what_is_told(name: str, tmp_path: Path) -> None:
    text, kind, shown = TOLD[name]
    (one,) = found(HEAD + text + RUN.format("X"), tmp_path)
    assert (one.kind, one.name) == (kind, "steps:X")
    assert one.shown == shown or not shown
    assert one.function == ""
    assert one.at == one.read_at
    lines = (tmp_path / "steps.py").read_text().splitlines()
    assert one.shown.partition("(")[0].partition("[")[0] in lines[one.at.line - 1].replace('"', "'")


BY_FUNCTION = {
    "function": ("def load(p):\n    with open(p) as f: return f.read()", "load('x')", "load"),
    "function that calls another": (
        "def load(p): return deep(p)\ndef deep(p): return open(p).read()",
        "load('x')",
        "deep",
    ),
    "function in a function": (
        "def load(p):\n    def deep(): return open(p).read()\n    return deep()",
        "load('x')",
        "deep",
    ),
    "its own import": ("def load():\n    import os\n    return os.environ['X']", "load()", "load"),
    "class method": (
        (
            "class Conf:\n    @classmethod\n    def load(cls, p): return cls(cls.text(p))\n"
            "    @staticmethod\n    def text(p): return open(p).read()\n    def __init__(self, a): pass"
        ),
        "Conf.load('x')",
        "text",
    ),
    "constructor": ("class Conf:\n    def __init__(self, p): self.a = open(p).read()", "Conf('x')", "__init__"),
    "constructor of a base": (
        "import os\nclass Base:\n    def __init__(self): self.a = os.getenv('X')\nclass Conf(Base): pass",
        "Conf()",
        "__init__",
    ),
    "made after fields are set": (
        "import os\nclass Conf:\n    def __post_init__(self): self.a = os.getenv('X')",
        "Conf()",
        "__post_init__",
    ),
    "method of a new instance": ("class Conf:\n    def load(self): return open('x')", "Conf().load()", "load"),
    "recursion": ("def load(n): return load(n - 1) if n else open('x')", "load(3)", "load"),
}


@pytest.mark.parametrize("name", BY_FUNCTION)
@pytest.mark.parametrize("apart", [False, True], ids=["here", "in another module"])
def test_a_function_that_reads_for_it_is_told(name: str, apart: bool, tmp_path: Path) -> None:
    text, call, function = BY_FUNCTION[name]
    steps = f"X = {'tools.' * apart}{call}" + RUN.format("X")
    text = f"import tools\n{steps}# file: tools.py\n{text}\n" if apart else f"{text}\n{steps}"
    (one,) = found(text, tmp_path)
    assert (one.name, one.function) == ("steps:X", function)
    assert Path(one.at.file).name == "steps.py"
    assert (tmp_path / "steps.py").read_text().splitlines()[one.at.line - 1].startswith("X = ")
    assert Path(one.read_at.file).name == ("tools.py" if apart else "steps.py")
    assert (
        one.shown.partition("(")[0].partition("[")[0]
        in Path(one.read_at.file).read_text().splitlines()[one.read_at.line - 1]
    )


NOT_TOLD = {
    "pattern": "X = re.compile('x')",
    "path": "X = HERE / 'x'",
    "path by os": "X = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'x')",
    "home and working directory": "X = Path.home(), Path.cwd(), os.getcwd(), os.path.expanduser('~')",
    "machine": "import platform, socket\nX = os.cpu_count(), sys.platform, sys.version_info, platform.system()",
    "logger": "import logging\nX = logging.getLogger(__name__)",
    "dataclass": "import dataclasses as d\n@d.dataclass\nclass X:\n    a: list = d.field(default_factory=list)",
    "enum": "import enum\nclass X(enum.Enum):\n    A = enum.auto()",
    "named tuple": "from collections import namedtuple\nX = namedtuple('X', 'a b')",
    "type variable": "from typing import TypeVar\nX = TypeVar('X')",
    "partial": "from functools import partial\nX = partial(open, 'x')",
    "numpy constants": "import numpy as np\nX = np.array([1, 2]), np.pi, np.random.default_rng(1), np.zeros(3)",
    "frame of texts": "import pandas as pd\nfrom io import StringIO\nX = pd.read_csv(StringIO('a,b'))",
    "text that is parsed": "X = json.loads('{}'), dt.datetime.fromisoformat('2020-01-01'), dt.date(2020, 1, 1)",
    "clock of a stopwatch": "import time\nX = time.perf_counter(), time.monotonic()",
    "file that is written": "X = open('x', 'w')",
    "read when it is called": "X = lambda: open('x').read()",
    "read in a function": "def X(): return open('x').read(), os.environ['X']",
    "read in a method": "class X:\n    def load(self): return open('x')",
    "made without its reading method": "class C:\n    def load(self): return open('x')\nX = C()",
    "read in a function that another hands on": "def load(): return open('x')\nX = {'load': load}",
    "function made by a function": "def make():\n    def load(): return open('x')\n    return load\nX = make()",
    "default factory": (
        "from dataclasses import dataclass, field\n"
        "@dataclass\nclass X:\n    a: str = field(default_factory=lambda: os.environ['A'])"
    ),
    "environment that is set": "os.environ['A'] = 'b'\nos.environ.setdefault('B', 'c')\ndel os.environ['A']\nX = 1",
    "path of imports": "sys.path.insert(0, os.getenv('X', '.'))\nX = sys.stderr",
    "setting of somebody else's module": "import numpy as np\nnp.seterr(os.getenv('X'))\nX = np.pi",
    "what the step does not reach": "Y = os.environ['Y']\nX = 1",
    "main": "X = 1\nif __name__ == '__main__':\n    X = open('x')",
    "annotation": "X: open('x') = 1",
    "import by a text": "import importlib\nX = importlib.import_module('json')",
    "import where there is one or none": "try: import fast\nexcept ImportError: fast = None\nX = fast",
    "function of the project's own": "def open(p): return p\nX = open('x')",
    "method of the project's own": "class C:\n    def read_text(self): return 1\nX = C().read_text()",
    "function elsewhere": "import tools\nX = tools.read_text('x')\n# file: tools.py\ndef read_text(p): return p",
}


@pytest.mark.parametrize("name", NOT_TOLD)
def test_what_is_not_told(name: str, tmp_path: Path) -> None:
    text, _, rest = NOT_TOLD[name].partition("\n# file: ")
    assert found(HEAD + text + RUN.format("X") + (f"# file: {rest}" if rest else ""), tmp_path) == ()


def test_no_reader_is_passed_over_for_its_module_looks_harmless() -> None:
    names = [*readers._CALLS, *readers._VALUES, *readers._METHODS, *readers.BUILTINS]
    assert [name for name in names if not any(word in name.encode() for word in READS)] == []


def test_a_module_that_is_handed_around_counts_whole(tmp_path: Path) -> None:
    text = "import conf\ndef run(x): return getattr(conf, x)\n# file: conf.py\nimport os\nA = 1\nB = os.getenv('B')\n"
    (one,) = found(text, tmp_path)
    assert one.name == "conf:B"


@pytest.mark.parametrize(("depth", "told"), [(10, 1), (2000, 0)])
def test_calls_are_followed_a_good_way_down(depth: int, told: int, tmp_path: Path) -> None:
    calls = "".join(f"def f{n}(): return f{n + 1}()\n" for n in range(depth))
    assert len(found(f"{calls}def f{depth}(): return open('x')\nX = f0()\ndef run(x): return X\n", tmp_path)) == told


def test_classes_that_inherit_from_each_other_are_no_endless_search(tmp_path: Path) -> None:
    text = "class A(B): pass\nclass B(A): pass\nX = A().load()\ndef run(x): return X\n"
    assert found(text, tmp_path) == ()


def test_the_arguments_of_a_steps_own_decorator_are_no_matter(tmp_path: Path) -> None:
    head = "import os\nfrom pipeglot import step, Cache\n@step(cache=Cache(version=os.environ['V']))\n"
    assert found(head + "def run(x): return x\n", tmp_path) == ()


def test_each_step_is_told_of_its_own(tmp_path: Path) -> None:
    text = "import os\nA = os.getenv('A')\nB = os.getenv('B')\ndef run(x): return A\ndef other(x): return B\n"
    project = Project([write(text, tmp_path)])
    digests = {name: project.closure("steps", name).digest for name in ("run", "other")}
    told = project.outside()
    assert [one.name for one in told[digests["run"]]] == ["steps:A"]
    assert [one.name for one in told[digests["other"]]] == ["steps:B"]
