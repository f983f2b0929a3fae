"""TARGET: every form of it, and every way in which it names no pipeline."""

from __future__ import annotations

from tests.e2e.conftest import Project

PIPELINE = """\
from pipeglot import pipeline, step


@step
def one() -> int:
    return 1


@pipeline
def {name}() -> None:
    one()
"""


def test_a_script_that_also_runs_itself(project: Project) -> None:
    project.write("script.py", PIPELINE.format(name="p") + '\nif __name__ == "__main__":\n    raise SystemExit(3)\n')
    assert project("check", "script.py").out == "p is fine: 1 step, 0 parameters; stack `local` can run it\n"


def test_packages_and_the_src_layout_have_one_name_each(project: Project) -> None:
    project.write("pipeglot.yaml", "stacks: \n  local: {backend: local}\n")
    project.write("src/pkg/__init__.py", "")
    project.write("src/pkg/util.py", "COUNT = []\nCOUNT.append(__name__)\n")
    project.write("src/pkg/flow.py", "from pkg import util\n" + PIPELINE.format(name="p"))
    targets = ["src/pkg/flow.py", "pkg.flow", "pkg.flow:p", "src.pkg.flow:p"]
    irs = {project("compile", target, "--ir").out for target in targets}
    assert len(irs) == 1
    assert '"module": "pkg.flow"' in irs.pop()
    assert project("run", "flow.py", cwd="src/pkg").err.startswith("one: succeeded")


def test_without_a_config_the_root_is_above_the_packages(project: Project) -> None:
    project.write("a/pkg/__init__.py", "")
    project.write("a/pkg/flow.py", PIPELINE.format(name="p"))
    assert '"module": "pkg.flow"' in project("compile", "a/pkg/flow.py", "--ir").out
    project("run", "a/pkg/flow.py")
    assert (project.root / "a/.pipeglot/store/store.json").exists()
    assert "p" in project("runs", "list", cwd="a/pkg").out


def test_several_pipelines(project: Project) -> None:
    second = PIPELINE.format(name="b").partition("@pipeline")[2]
    project.write("many.py", f"{PIPELINE.format(name='a')}\n\n@pipeline{second}")
    done = project("run", "many.py", code=2)
    assert done.err == "error: `many.py` has 2 pipelines; say which:  [target]\n\n  many.py:a\n  many.py:b\n"
    assert project("check", "many.py:b").out.startswith("b is fine")
    project.write("uses.py", "from many import a, b\n" + PIPELINE.format(name="c"))
    assert project("check", "uses.py").out.startswith("c is fine")
    assert project("check", "uses.py:a").out.startswith("a is fine")
    project.write("imports.py", "from many import a, b\n")
    assert "has 2 pipelines" in project("check", "imports.py", code=2).err


def test_two_files_of_one_name(project: Project) -> None:
    project.write("pipeglot.yaml", "stacks: \n  local: {backend: local}\n")
    project.write("src/flow.py", PIPELINE.format(name="p"))
    project.write("flow.py", PIPELINE.format(name="q"))
    done = project("check", "flow.py", code=2)
    assert "`flow.py` cannot be imported by its name" in done.err
    assert "src/flow.py` first: rename one of them" in done.err


def test_ir_files(flow: Project) -> None:
    ir = flow("compile", "flow.py", "--ir").out
    flow.write("good.json", ir)
    assert flow("compile", "good.json", "--ir").out == ir
    assert "an IR file holds one pipeline" in flow("check", "good.json:flow", code=2).err
    flow.write("broken.json", ir[:100])
    assert "it starts with `{`, but is no JSON" in flow("check", "broken.json", code=2).err
    flow.write(
        "hand.yaml",
        "ir_version: 1\nname: hand\nnodes:\n"
        "- {kind: step, id: a, code: 'helper:unrelated', returns: {form: none, outputs: []}}\n",
    )
    assert flow("check", "hand.yaml").out.startswith("hand is fine: 1 step")
    assert flow("run", "hand.yaml", "--json").json["steps"][0]["id"] == "a"
    flow.write("gone.yaml", "ir_version: 1\nname: hand\nnodes:\n- {kind: step, id: a, code: 'helper:gone'}\n")
    assert "step `a`: `helper` has no `gone`" in flow("check", "gone.yaml", code=2).err
    flow.write(
        "senseless.yaml", "ir_version: 1\nname: x\nnodes:\n- {kind: step, id: a, code: 'helper:twice', after: [b]}\n"
    )
    assert "`b`" in flow("check", "senseless.yaml", code=2).err
