"""What each task of a pipeline spec comes after, and which must end well for others to begin."""

from __future__ import annotations

from typing import Any

from pipeglot.compilers.kfp.tasks import Task, tasks
from pipeglot.core.ir import Branch, Compare, ParamRef, Pipeline
from pipeglot.core.lineage.plan import Plan
from tests.unit.lineage.build import above, const, item, mapped, one_of, out, step


def found(*nodes: Any, waits: bool = True, **more: Any) -> dict[str, Task]:
    """All tasks, by name."""
    made = tasks(Plan(Pipeline(name="p", nodes=nodes, **more)), waits_for_failed=waits)
    return {inner.name: inner for task in made for inner in task.all()}


def after(made: dict[str, Task]) -> dict[str, list[str]]:
    return {name: [one.name for one in task.after] for name, task in made.items()}


def names(made: dict[str, Task], what: str) -> set[str]:
    return {name for name, task in made.items() if getattr(task, what)}


CHAIN = (step("a"), step("b", x=out("a")), step("c", x=out("b")))


def test_a_chain_needs_nothing_but_kfp() -> None:
    for waits in (True, False):
        made = found(*CHAIN, waits=waits)
        assert after(made) == {"a": [], "b": ["a"], "c": ["b"]}
        assert names(made, "mute") == names(made, "anyway") == set()
        assert names(made, "first") == {"a"}


def test_on_kubeflow_what_runs_beside_others_ends_well() -> None:
    made = found(
        step("a"), step("b", x=out("a")), step("c", x=out("a")), step("d", x=out("b"), y=out("c")), waits=False
    )
    assert names(made, "mute") == {"b", "c"}
    assert after(made)["done"] == ["d"]
    assert "done" not in found(step("a"), step("b", x=out("a")), step("c", x=out("a")))


def test_items_of_a_map_run_beside_each_other() -> None:
    made = found(step("a"), mapped("m", out("a"), step("m", x=item("m"))), step("b", x=out("m")), waits=False)
    assert after(made) == {"a": [], "m-items": ["a"], "m-each": ["m-items"], "m": [], "b": ["m-each"], "done": ["b"]}
    assert names(made, "mute") == {"m"}
    assert names(made, "is_mapped") == {"m"}


def test_an_arm_of_a_branch_runs_beside_nothing() -> None:
    branch = Branch(id="when", when=above("a", 1), then=(step("b", x=out("a")),), otherwise=(step("c"),))
    made = found(step("a"), branch, step("d", x=one_of("b", "c")), waits=False)
    assert names(made, "mute") == set()
    assert after(made) == {
        "a": [],
        "when-holds": ["a"],
        "when": ["when-holds"],
        "when-then": [],
        "b": [],
        "when-otherwise": [],
        "c": [],
        "d": ["when"],
    }


def test_an_arm_does_not_wait_for_the_other_one() -> None:
    clean = step("clean", after=("b",), trigger="all_done")
    branch = Branch(id="when", when=above("a", 1), then=(step("b"),), otherwise=(clean,))
    assert after(found(step("a"), branch))["when-otherwise"] == []


def test_of_a_larger_arm_another_step_may_have_failed() -> None:
    branch = Branch(id="when", when=above("a", 1), then=(step("b"), step("c")))
    made = found(step("a"), branch, step("d", x=out("b")))
    assert names(made, "anyway") == {"d", "done"}


def test_what_an_arm_needs_of_outside_is_waited_for_before_its_branch() -> None:
    branch = Branch(id="when", when=above("a", 1), then=(step("b", x=out("far")), step("c", x=out("a"))))
    made = found(step("a"), step("far"), branch)
    assert after(made)["when-holds"] == ["a", "far"]
    assert after(made)["b"] == []
    assert names(made, "anyway") == {"when-holds", "done"}
    assert names(made, "first") == {"a", "far"}


def test_what_a_loop_needs_of_outside_its_list_waits_for() -> None:
    single = found(step("a"), step("far"), mapped("m", out("a"), step("m", x=item("m"), y=out("far"))))
    assert after(single)["m-items"] == ["a", "far"]
    assert names(single, "anyway") == set()
    several = mapped("m", out("a"), step("m.b", x=item("m"), y=out("far")), step("m.c", x=item("m")))
    assert names(found(step("a"), step("far"), several), "anyway") == {"m-items", "done"}


def test_a_part_of_a_mapped_pipeline_may_be_enough() -> None:
    body = mapped("m", out("a"), step("m.b", x=item("m")), step("m.c", x=item("m")))
    assert names(found(step("a"), body, step("d", x=out("m.b"))), "anyway") == {"d", "done"}


def test_clean_up_runs_anyway() -> None:
    nodes = (*CHAIN, step("clean", after=("b",), trigger="all_done"))
    made = found(*nodes)
    assert names(made, "anyway") == {"clean", "done"}
    assert names(made, "mute") == set()
    muted = found(*nodes, waits=False)
    assert names(muted, "anyway") == set()
    assert names(muted, "mute") == {"a", "b", "c", "clean"}
    assert after(muted)["done"] == ["c", "clean"]


def test_hooks_come_after_all_and_what_tells_comes_after_them() -> None:
    for waits in (True, False):
        made = found(*CHAIN, waits=waits, on_failure=(step("alarm"),))
        assert after(made)["alarm"] == ["c"]
        assert after(made)["done"] == ["alarm"]
        assert "alarm" in names(made, "mute"), "it does not change how the run went"
    assert names(found(*CHAIN, on_failure=(step("alarm"),)), "mute") == {"alarm"}


def test_a_branch_that_comes_first_knows_the_parameters() -> None:
    asked = Compare(op=">=", left=ParamRef(name="n"), right=const(1))
    branch = Branch(id="when", when=asked, then=(step("b"),))
    assert names(found(branch), "first") == {"when-holds"}, "what it has in it gets none: Kubeflow brings not all there"
