"""A failing run: what the screen ends with, and how one goes on."""

from __future__ import annotations

from tests.e2e.conftest import Project

FAILING = """\
from pipeglot import Retry, each, pipeline, step


@step
def numbers() -> list[int]:
    return [1, 2, 3]


@step(retry=Retry(2))
def halve(n: int) -> int:
    for line in range(20):
        print("line", line, "of", n)
    if n % 2:
        raise ValueError(f"{n} is odd")
    return n // 2


@step
def total(ns: list[int]) -> int:
    return sum(ns)


@step
def report(n: int) -> None:
    pass


@step
def apart() -> int:
    return 1


@pipeline
def failing() -> None:
    report(total(halve.map(each(numbers()))))
    apart()
"""


def test_a_failure_ends_with_the_users_traceback_and_the_next_commands(project: Project) -> None:
    project.write("failing.py", FAILING)
    done = project("run", "failing.py", code=1)
    assert done.out == ""
    text = done.err
    assert "step halve[0] failed (attempt 2 of 2)\nso did `halve[2]`, at the same place\n" in text
    assert "  | line 19 of 1\n" in text
    assert "  | line 9 of 1\n" not in text
    assert 'raise ValueError(f"{n} is odd")\nValueError: 1 is odd\n' in text
    assert "pipeglot/core" not in text
    assert "failing failed after " in text
    assert "skipped, for they need what failed: `total`, `report`" in text
    run = project("runs", "list", "--json").json[0]["run_id"]
    lines = text.splitlines()
    assert lines[-6] == f"  pipeglot runs logs {run[:10]} halve --index 0"
    assert lines[-4] == f"  pipeglot replay {run[:10]} halve --index 0 --pdb"
    assert lines[-2] == "  pipeglot run failing.py"
    assert "finished steps come from the cache" in lines[-1]
    assert "line 19 of 1" in project(*lines[-6].split()[1:]).out
    assert "ValueError: 1 is odd" in project(*lines[-4].split()[1:], code=1).out


def test_after_a_fix_what_succeeded_is_reused(project: Project) -> None:
    project.write("failing.py", FAILING)
    found = project("run", "failing.py", "--json", code=1).json
    assert found["status"] == "failed"
    errors = [step["error"] for step in found["steps"] if step["status"] == "failed"]
    assert errors[0]["type"] == "ValueError"
    assert errors[0]["message"] == "1 is odd"
    project.replace("failing.py", "if n % 2:", "if n > 5:")
    steps = {(s["id"], *s["index"]): s for s in project("run", "failing.py", "--json").json["steps"]}
    assert steps["numbers",]["cached"]
    assert steps["apart",]["cached"]
    assert not steps["halve", 0]["cached"]


def test_alike_failures_are_told_once(project: Project) -> None:
    project.write("failing.py", FAILING.replace("[1, 2, 3]", "list(range(40))"))
    text = project("run", "failing.py", code=1).err
    assert text.count("Traceback") == 1
    assert "so did `halve[3]`, `halve[5]`, `halve[7]`, `halve[9]`, `halve[11]` and 14 more, at the same place" in text


def test_only_the_first_failures_are_told(project: Project) -> None:
    project.write(
        "failing.py",
        "from pipeglot import pipeline, step\n"
        "@step\ndef fail(n: int) -> None:\n    raise ValueError(n)\n"
        "@pipeline\ndef failing() -> None:\n    for n in range(5):\n        fail(n)\n",
    )
    text = project("run", "failing.py", code=1).err
    assert text.count("Traceback") == 3
    assert "and 2 more failed: `pipeglot runs show " in text


def test_the_commands_to_go_on_work_from_where_one_is(project: Project) -> None:
    project.write("it's here/failing.py", FAILING)
    text = project("run", "it's here/failing.py", code=1).err
    logs, replay, again = (line.strip() for line in text.splitlines() if line.startswith("  pipeglot"))
    assert logs.endswith("""halve --index 0 -C 'it'"'"'s here'""")
    assert replay.endswith("""halve --index 0 --pdb -C 'it'"'"'s here'""")
    assert again == """pipeglot run 'it'"'"'s here/failing.py'"""
    assert "line 19 of 1" in project("runs", "logs", "latest", "halve", "--index", "0", "-C", "it's here").out
