"""What is said of a TARGET that names no pipeline, and of a module that cannot be imported."""

from __future__ import annotations

import pytest

from tests.unit.stacks.conftest import Here

WRONG = [
    ("nope.py", "there is no file `nope.py`", ""),
    ("flwo.py", "there is no file `flwo.py`", "did you mean `flow.py`?"),
    ("flwo:flow", "there is no module `flwo` in ", "did you mean `flow.py`?"),
    ("no/flow.py", "there is no file `no/flow.py`", "there is no folder `no` either"),
    ("flow.py:flwo", "`flow` has no pipeline `flwo`", "did you mean `flow`?"),
    ("flow.py:double", "`double` in `flow` is a step, not a pipeline", "its pipelines are: `flow`"),
    ("flow.py:helper", "`helper` in `flow` is a `module`, not a pipeline", "its pipelines are: `flow`"),
    ("helper.py:twice", "`twice` in `helper` is a `function`, not a pipeline", "write `@pipeline` above it"),
    ("helper.py", "there is no pipeline in `helper.py`", "write `@pipeline`"),
    ("flow.py:", "`flow.py:` is no target", "TARGET is `file.py`"),
    ("a-b.c", "`a-b.c` is no target", "TARGET is `file.py`"),
    (".", "`.` is no target", "TARGET is `file.py`"),
    ("./", "`./` is a folder", "name the file in it"),
    ("no.json", "there is no file `no.json`", ""),
    ("my-flow.py", "`my-flow.py` cannot be imported: `my-flow` is no name to Python", "example to `my_flow`"),
    ("my dir/flow.py", "`my dir/flow.py` cannot be imported: `my dir` is no name", "a `pipeglot.yaml` of its own"),
    ("random.py", "`random.py` would be imported as `random`, and Python's own `random`", "`my_random`"),
    ("pipeglot.py", "`pipeglot.py` cannot be imported: `pipeglot` is this package", "rename it"),
    ("data.txt", "`data.txt` is no target", "TARGET is"),
]


@pytest.mark.parametrize(("target", "message", "hint"), WRONG)
def test_wrong_targets(flow: Here, target: str, message: str, hint: str) -> None:
    for name in ("my-flow.py", "my dir/flow.py", "random.py", "pipeglot.py", "data.txt"):
        flow.write(name, "")
    done = flow("check", target)
    assert done.err.startswith(f"error: {message}")
    assert hint in done.err
    assert "Traceback" not in done.err


RAISING = [
    ("def x(:\n", 'bad.py", line 1\n    def x(:\n'),
    (
        "import nothing_there\n",
        "ModuleNotFoundError: No module named 'nothing_there'\n\nhint: is `nothing_there` installed",
    ),
    ("import deep\n", 'deep.py", line 2, in f\n    return 1 / 0\n'),
    ("import sys\nsys.exit('enough')\n", "`bad.py` ended Python while it was imported: `sys.exit('enough')`"),
    ("class Odd(BaseException): ...\nraise Odd('x')\n", "bad.Odd: x\n"),
    ("try:\n    1 / 0\nexcept ValueError:\n    pass\n", "ZeroDivisionError: division by zero"),
]


@pytest.mark.parametrize(("text", "expected"), RAISING)
def test_what_the_module_raises_is_shown_without_our_frames(here: Here, text: str, expected: str) -> None:
    here.write("deep.py", "def f():\n    return 1 / 0\nf()\n")
    here.write("bad.py", text)
    for command in ("run", "check"):
        done = here(command, "bad.py")
        assert expected in done.err
        assert done.err.startswith("error: `bad.py`")
        assert "importlib" not in done.err
        assert "pipeglot/stacks" not in done.err
        assert done.out == ""


def test_chained_exceptions_lose_our_frames_too(here: Here) -> None:
    here.write("inner.py", "raise ValueError('inner')\n")
    here.write(
        "bad.py", "try:\n    import inner\nexcept ValueError as error:\n    raise RuntimeError('outer') from error\n"
    )
    text = here("check", "bad.py").err
    assert text.index("ValueError: inner") < text.index("direct cause") < text.index("RuntimeError: outer")
    assert "importlib" not in text


def test_a_mistake_at_decoration_is_a_definition_error(here: Here) -> None:
    here.write("bad.py", "from pipeglot import step\n\n@step(timeout='soon')\ndef a() -> int:\n    return 1\n")
    done = here("check", "bad.py")
    assert done.err.startswith("error: bad.py:") or "bad.py:3" in done.err
    assert "Traceback" not in done.err
