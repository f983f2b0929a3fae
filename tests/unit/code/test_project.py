"""Where a project's modules are, what a closure covers by name, and what is said of that which is not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeglot.core.code import Closure, Project
from pipeglot.core.errors import DefinitionError
from tests.unit.code.projects import write

if TYPE_CHECKING:
    from tests.unit.code.conftest import Close

REPOSITORY = Path(__file__).parents[3]

FLIGHTS = """
from pipeglot import step
from features import clean
import models, numpy as np
from settings import BAR as LIMIT

def unrelated(): pass

@step
def train(x, bar=LIMIT) -> models.Model:
    return models.Model(clean(x), np.nan)
# file: features.py
def clean(x): return x
def other(x): return x
# file: models.py
class Base: pass
class Model(Base): pass
# file: settings.py
FOO = 1
BAR = FOO
"""


def test_members_are_named(close: Close) -> None:
    closure = close(FLIGHTS, "steps:train")
    assert list(closure.members) == [
        "features:clean",
        "models:Base",
        "models:Model",
        "settings:BAR",
        "settings:FOO",
        "steps:np",
        "steps:train",
    ]
    assert isinstance(closure, Closure)
    assert len(closure.digest) == 64
    assert {len(value) for value in closure.members.values()} == {16}


def test_whole_module_is_one_member(close: Close) -> None:
    text = "import helpers\ndef run(x): return x(helpers)\n# file: helpers.py\nA = 1\ndef f(): return A"
    assert "helpers:*" in close(text).members


def test_a_member_is_the_same_for_every_step(close: Close) -> None:
    text = "def f(): return 1\ndef run(x): return f()\ndef other(x): return f() + 1"
    assert close(text).members["steps:f"] == close(text, "steps:other").members["steps:f"]


def test_no_machine_in_a_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = write(FLIGHTS, tmp_path / "one")
    other = write(FLIGHTS, tmp_path / "another place" / "é")
    digest = Project([one]).closure("steps", "train")
    monkeypatch.chdir(other)
    assert Project(["."]).closure("steps", "train") == digest
    (tmp_path / "link").symlink_to(one)
    assert Project([str(tmp_path / "link")]).closure("steps", "train") == digest


def test_working_directory_may_change_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write(FLIGHTS, tmp_path / "one"))
    project = Project([""])
    monkeypatch.chdir("/")
    assert project.closure("steps", "train")


def test_first_root_wins(tmp_path: Path) -> None:
    one = write("from a import f\ndef run(x): return f()\n# file: a.py\ndef f(): return 1", tmp_path / "one")
    other = write("# file: a.py\ndef f(): return 2\n# file: b/c.py\ndef f(): return 3", tmp_path / "other")
    first, second = (Project(roots).closure("steps", "run") for roots in ([one, other], [other, one]))
    assert first.members["a:f"] != second.members["a:f"]
    assert Project([one, other]).closure("b.c", "f").members.keys() == {"b.c:f"}


def test_packages_come_before_modules(tmp_path: Path) -> None:
    root = write("# file: a/__init__.py\ndef f(): return 1\n# file: a.py\n", tmp_path)
    assert Project([root]).closure("a", "f")


@pytest.mark.parametrize(
    ("file", "module"),
    [
        ("steps.py", "steps"),
        ("p/__init__.py", "p"),
        ("p/q/r.py", "p.q.r"),
        ("src/s.py", "s"),
        ("src/p/t.py", "p.t"),
        ("__init__.py", None),
        ("not there.py", None),
        ("gone.py", None),
        ("notes.txt", None),
        (".venv/lib/python3.11/site-packages/x.py", None),
        ("lib/site-packages/x.py", None),
        ("../outside.py", None),
        ("p/../steps.py", "steps"),
        ("link.py", "link"),
    ],
)
def test_module_of(file: str, module: str | None, tmp_path: Path) -> None:
    root = tmp_path / "root"
    names = [
        "steps.py",
        "p/__init__.py",
        "p/q/r.py",
        "src/s.py",
        "src/p/t.py",
        "__init__.py",
        "notes.txt",
        "../outside.py",
    ]
    names += [".venv/lib/python3.11/site-packages/x.py", "lib/site-packages/x.py"]
    write("\n".join(f"# file: {name}" for name in names), root)
    (root / "link.py").symlink_to(root / "steps.py")
    assert Project([root, root / "src"]).module_of(root / file) == module


def test_module_of_a_shadowed_file(tmp_path: Path) -> None:
    """A name under which another file would be imported is not the file's."""
    root = write("# file: one/a.py\n# file: other/a.py\n# file: a.py\n# file: src/a.py\n", tmp_path)
    assert Project([root / "one", root / "other"]).module_of(root / "other" / "a.py") is None
    assert Project([root, root / "src"]).module_of(root / "src" / "a.py") == "src.a"


def test_site_packages_are_outside(close: Close) -> None:
    text = "from x import f\ndef run(x): return f()\n# file: .venv/site-packages/x.py\ndef f(): return {}"
    assert close(text.format(1)) == close(text.format(2))


def test_pipeglot_is_outside(close: Close) -> None:
    """Also where the project is pipeglot's own checkout."""
    text = "from pipeglot import f\ndef run(x): return f()\n# file: pipeglot/__init__.py\ndef f(): return {}"
    assert close(text.format(1)) == close(text.format(2))


def test_nothing_is_imported(tmp_path: Path) -> None:
    write("raise SystemExit('imported')\ndef run(x): return x", tmp_path)
    assert Project([tmp_path]).closure("steps", "run")
    assert "steps" not in sys.modules


def test_modules_that_are_not_reached_are_not_read(close: Close) -> None:
    assert close("import other\ndef run(x): return x\n# file: other.py\ndef (:")


# --- qualified names ---

CLASS = """
from settings import N
class A:
    limit = N
    @staticmethod
    def static(x): return x
    @staticmethod
    def default(x=limit): return x
    @staticmethod
    def by_name(x): return A.limit
    @classmethod
    def of_class(cls, x): return cls.limit
    def plain(self): return self.limit
    class B:
        @staticmethod
        def run(x): return x
def make():
    def inner(): return N
    return inner
if N:
    class C:
        @staticmethod
        def run(x): return x
# file: settings.py
N = 1
"""


@pytest.mark.parametrize(
    ("start", "members"),
    [
        ("A.static", "A.static"),
        ("A.default", "A.default A N"),
        ("A.by_name", "A.by_name A N"),
        ("A.of_class", "A N"),
        ("A.plain", "A N"),
        ("A.B.run", "A N"),
        ("A", "A N"),
        ("make", "make N"),
        ("make.<locals>.inner", "make N"),
        ("A.static.<locals>.inner", "A.static"),
        ("C.run", "C N"),
    ],
)
def test_qualified_names(start: str, members: str, close: Close) -> None:
    assert {name.partition(":")[2] for name in close(CLASS, f"steps:{start}").members} == set(members.split())


# --- what is not there ---


@pytest.mark.parametrize(
    ("module", "qualname", "code", "words"),
    [
        ("gone", "run", "code-module", "`gone`"),
        ("p", "run", "code-module", "`p`"),
        ("numpy", "sum", "code-module", "`numpy`"),
        ("pipeglot", "step", "code-module", "`pipeglot`"),
        ("a/../steps", "run", "code-module", "`a/../steps`"),
        ("", "run", "code-module", "``"),
        ("steps", "gone", "code-function", "`gone`"),
        ("steps", "", "code-function", "``"),
        ("steps", "<lambda>", "code-function", "`<lambda>`"),
        ("steps", "outside", "code-function", "`outside`"),
        ("steps", "A.gone", "code-function", "`A.gone`"),
        ("steps", "run.gone", "code-function", "`run.gone`"),
        ("broken", "run", "code-syntax", "not valid Python"),
        ("uses", "run", "code-syntax", "not valid Python"),
        ("null", "run", "code-syntax", "not valid Python"),
        ("latin", "run", "code-syntax", "not valid Python"),
    ],
)
def test_errors(module: str, qualname: str, code: str, words: str, tmp_path: Path) -> None:
    text = "from numpy import outside\ndef run(x): return x\nclass A: pass\n# file: p/q.py\n# file: null.py\nx = '\0'\n"
    root = write(
        text + "# file: broken.py\n\ndef run(:\n# file: uses.py\nimport broken\ndef run(x): return broken.f()", tmp_path
    )
    (root / "latin.py").write_bytes(b"x = '\xe9'\n")
    with pytest.raises(DefinitionError) as caught:
        Project([root]).closure(module, qualname)
    (problem,) = caught.value.problems
    assert problem.code == code
    assert words in problem.message
    if module in {"broken", "uses"}:
        assert str(problem.at) == f"{root / 'broken.py'}:2"


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    """A directory would not be taken for a module; a dangling link or a file of another user may be."""
    root = write("def run(x): return x", tmp_path)
    (root / "steps.py").chmod(0)
    if os.access(root / "steps.py", os.R_OK):
        pytest.skip("root may read anything")
    with pytest.raises(DefinitionError, match="cannot be read"):
        Project([root]).closure("steps", "run")


def test_bad_escapes_are_not_ours_to_warn_of(close: Close) -> None:
    assert close("def run(x): return '\\d', 1 is x") == close("def run(x): return '\\\\d', 1 is x")


def test_deep_expressions(close: Close) -> None:
    deep = [close(f"def run(x): return {' + '.join(['x'] * n)}") for n in (900, 901)]
    assert deep[0].digest != deep[1].digest
    chain = "".join(f"\n    elif x == {n}: y = {n}" for n in range(300))
    assert close(f"def run(x):\n    if x: y = 0{chain}\n    return y")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="its syntax is younger")
def test_type_parameters(close: Close) -> None:
    text = "class A: a = {}\ntype B[T] = list[A | T]\ndef T(): return {}\ndef run[T: A](x: T) -> B[T]: return x"
    before, after = (close(text.format(1, n)) for n in (1, 2))
    assert before == after
    assert list(before.members) == ["steps:A", "steps:B", "steps:run"]
    assert close(text.format(2, 1)).digest != before.digest


def test_import_is_cheap() -> None:
    """Every task of every backend pays for it."""
    code = f"""
import sys
sys.path.insert(0, {str(REPOSITORY)!r})
import pipeglot.core.code
print(*{{"dis", "inspect", "msgspec", "pathlib", "tokenize"}} & set(sys.modules))
"""
    command = [sys.executable, "-I", "-S", "-c", code]
    assert subprocess.run(command, capture_output=True, check=True, text=True).stdout.split() == []
