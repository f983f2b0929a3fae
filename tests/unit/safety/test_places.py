"""The page on safety lists every place where bytes meet code: found in the source, not remembered."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/concepts/safety.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| `") and line.count("|") == 6
]

NAMES = frozenset(
    {
        *("exec", "eval", "compile", "__import__", "import_module", "import_ref", "load_class", "load_namedtuple"),
        *("literal_eval", "model_validate", "model_validate_json", "exec_module", "run_path", "run_module", "CDLL"),
        *("open_file", "open_stream", "read_ipc", "frombuffer", "descr_to_dtype", "read_parquet", "read_feather"),
        *("Unpickler", "extractall", "extract", "unpack_archive", "safe_load", "unsafe_load", "full_load", "Decoder"),
    }
)
"""Whatever they are called on."""

WHOLE = frozenset(
    {
        *("pickle.load", "pickle.loads", "cloudpickle.load", "cloudpickle.loads", "marshal.loads", "shelve.open"),
        *("json.load", "json.loads", "yaml.load", "msgspec.json.decode", "msgspec.convert", "json.decode"),
        *("sqlite3.connect", "numpy.load", "pandas.read_pickle", "joblib.load", "torch.load", "os.system", "os.popen"),
        *("subprocess.run", "subprocess.Popen", "subprocess.call", "subprocess.check_output", "subprocess.check_call"),
        *("zipfile.ZipFile", "tarfile.open"),
    }
)
_ABOUT_REGEXES = "re.compile"


def calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            whole = ast.unparse(node.func)
            last = whole.rpartition(".")[2]
            if whole in WHOLE or (last in NAMES and whole != _ABOUT_REGEXES):
                yield whole


def found() -> dict[str, set[str]]:
    """By module, what it calls that makes code or objects of bytes."""
    modules: dict[str, set[str]] = {}
    for path in sorted((ROOT / "pipeglot").rglob("*.py")):
        name = path.relative_to(ROOT / "pipeglot").as_posix()
        if "template" in name:
            continue
        seen = set(calls(ast.parse(path.read_text(encoding="utf-8"))))
        if name == "core/bundle/archive.py":
            seen.discard("tarfile.open")  # to write: see below
        if seen:
            modules[name] = seen
    return modules


LISTED = set(re.findall(r"`((?:[a-z_]+/)*[a-z_]+\.py)`", PAGE)) - {"models.py"}


@pytest.mark.parametrize("module", sorted(found()))
def test_every_place_is_on_the_page(module: str) -> None:
    assert module in LISTED, f"{module} calls {found()[module]}: write into docs/concepts/safety.md what guards it"


@pytest.mark.parametrize("module", sorted(LISTED))
def test_every_place_on_the_page_is_there(module: str) -> None:
    assert (ROOT / "pipeglot" / module).is_file()


def test_pickles_are_loaded_in_two_places() -> None:
    """Values of a trusted store, and what a notebook sends to its own workers."""
    loading = {
        module for module, seen in found().items() if any("pickle" in call or "Unpickler" in call for call in seen)
    }
    assert loading == {"core/artifacts/pickles.py", "core/session.py"}


def test_archives_are_only_written() -> None:
    text = (ROOT / "pipeglot/core/bundle/archive.py").read_text(encoding="utf-8")
    (opened,) = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "tarfile.open"
    ]
    assert {keyword.arg: ast.unparse(keyword.value) for keyword in opened.keywords}["mode"] == "'w'"


def test_no_shell() -> None:
    """No text becomes a command line."""
    for path in (ROOT / "pipeglot").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("subprocess."):
                assert "shell" not in {keyword.arg for keyword in node.keywords}, path


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_every_row_has_its_test(row: list[str]) -> None:
    assert all(row), "a cell is empty"
    file, _, name = row[-1].strip("`").partition("::")
    defined = [
        node.name
        for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
    ]
    assert name in defined


def test_there_are_rows() -> None:
    assert len(ROWS) > 20
