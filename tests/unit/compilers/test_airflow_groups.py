"""Nested pipelines as task groups of Airflow, mapped ones as mapped groups."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import structs

from pipeglot.core.ir import AnyNode, Branch, Pipeline
from tests.unit.compilers.test_airflow import text
from tests.unit.lineage.build import above, item, mapped, out, step


def body(*nodes: AnyNode) -> str:
    """From where tasks are made, and their groups."""
    found = text(Pipeline(name="p", nodes=nodes))
    compile(found, "p.py", "exec")
    places = [found.index(word) for word in ("    @task_group", "    a_ = a()") if word in found]
    return found[min(places) :].removesuffix("\n\n\np()\n")


def test_a_nested_pipeline_is_a_group() -> None:
    nodes = (step("a"), step("in.b", x=out("a")), step("in.deep.c", x=out("in.b")), step("d", x=out("in.deep.c")))
    assert (
        body(*nodes)
        == """\
    a_ = a()
    with TaskGroup("in"):
        in_b_ = in_b()
        with TaskGroup("deep"):
            in_deep_c_ = in_deep_c()
    d_ = d()

    a_ >> in_b_
    in_b_ >> in_deep_c_
    in_deep_c_ >> d_"""
    )
    found = text(Pipeline(name="p", nodes=nodes))
    assert '@task(task_id="c")\n    def in_deep_c():\n        return run("in.deep.c")' in found
    assert "from airflow.sdk import TaskGroup, dag, task\n" in found
    assert "from airflow.utils.task_group import TaskGroup\n" in text(Pipeline(name="p", nodes=nodes), version=2)


def test_a_mapped_pipeline_is_a_mapped_group() -> None:
    inner = mapped("in", out("a"), step("in.b", x=item("in"), y=out("more")), step("in.deep.c", x=out("in.b")))
    nodes = (step("a"), step("more"), inner, step("d", x=out("in.deep.c")))
    assert (
        body(*nodes)
        == """\
    @task_group(group_id="in")
    def in_(item):
        in_b_ = in_b(item)
        with TaskGroup("deep"):
            in_deep_c_ = in_deep_c(item)

        more_ >> in_b_
        in_b_ >> in_deep_c_
        return in_b_, in_deep_c_

    a_ = a()
    more_ = more()
    in_items_ = in_items()
    in_b_, in_deep_c_ = in_.expand(item=in_items_)
    d_ = d()
    done = EmptyOperator(task_id="done", trigger_rule="none_failed")

    every_task = [
        a_,
        more_,
        in_items_,
        in_b_,
        in_deep_c_,
        d_,
    ]
    a_ >> in_items_
    in_deep_c_ >> d_
    every_task >> done"""
    )
    found = text(Pipeline(name="p", nodes=nodes))
    assert 'def in_items():\n        return items("in.b")' in found
    assert 'task_id="c", map_index_template="{{ item_label }}", trigger_rule="all_done"' in found


def test_a_mapped_pipeline_that_nothing_comes_after() -> None:
    assert body(step("a"), mapped("in", out("a"), step("in.b", x=item("in")))).endswith("""\
    in_items_ = in_items()
    in_.expand(item=in_items_)

    a_ >> in_items_""")


def test_a_mapped_pipeline_in_a_nested_one_and_in_an_arm() -> None:
    inner = mapped("one.two", out("a"), step("one.two.b", x=item("one.two")), step("one.two.c"))
    nodes = (step("a"), Branch(id="when", when=above("a", 1), then=(inner,)))
    found = body(*nodes)
    assert (
        """
    with TaskGroup("one"):
        one_two_items_ = one_two_items()
        one_two_b_, one_two_c_ = one_two.expand(item=one_two_items_)
    done = """
        in found
    )
    assert found.endswith("""
    a_ >> when_
    [a_, when_] >> one_two_items_
    every_task >> done""")
    assert 'choose("when", ["one.two_items"], ["done"])' in text(Pipeline(name="p", nodes=nodes))


@pytest.mark.parametrize(
    "inside",
    [
        Branch(id="in.when", when=above("in.b", 1), then=(step("in.c"),)),
        mapped("in.c", out("in.b"), step("in.c", x=item("in.c"))),
    ],
    ids=["branch", "map"],
)
def test_with_a_branch_or_a_map_in_it_each_step_is_mapped_by_itself(inside: AnyNode) -> None:
    found = body(step("a"), mapped("in", out("a"), step("in.b", x=item("in")), inside))
    assert "@task_group" not in found
    assert (
        '    in_items_ = in_items()\n    with TaskGroup("in"):\n        in_b_ = in_b.expand(item=in_items_)\n' in found
    )
    assert "        in_c_ = in_c.expand(item=" in found or "        in_c.expand(item=in_c_items_)" in found
    assert "    in_b_ >> in_c_\n" in found or "    [a_, in_b_] >> in_c_items_\n" in found, (
        "what its condition or its list hangs on comes before it"
    )


def test_steps_in_the_same_maps_have_one_list() -> None:
    branch = Branch(id="in.when", when=above("in.b", 1), then=(step("in.c"),), otherwise=(step("in.d"),))
    found = body(step("a"), mapped("in", out("a"), step("in.b", x=item("in")), branch))
    assert found.count("_items()") == 1


@pytest.mark.parametrize("name", ["a.b", ".b", "b.", "b..c", "b c.d", f"{'b' * 201}.c"])
def test_ids_that_only_look_like_groups_are_left_as_they_are(name: str) -> None:
    if " " not in name:
        found = text(Pipeline(name="p", nodes=(step("a"), step(name))))
        assert "TaskGroup" not in found
        assert f'task_id="{name}"' in found.replace("\n", "")


def test_a_map_that_is_written_by_hand_has_no_group() -> None:
    found = body(step("a"), mapped("m", out("a"), step("b", x=item("m")), step("c", x=out("b"))))
    assert "b_ = b.expand(item=m_items_)" in found
    assert "task_group" not in found.lower().replace("_", "").replace("taskgroup", "task_group")


def test_a_group_s_name_is_no_list_s() -> None:
    inner = mapped("in", out("a"), step("in.b", x=item("in")), step("in.c", x=out("in.b")))
    found = body(step("a"), inner, step("in_items.c"), step("done.d"))
    assert "    in_items_2_ = in_items_2()\n" in found
    assert '    done_2 = EmptyOperator(task_id="done_2", ' in found


def test_an_arm_with_nothing_in_it_leads_to_what_comes_after_all() -> None:
    inner = mapped("in", out("a"), step("in.b", x=item("in")), step("in.c", x=out("in.b")))
    branch = Branch(id="when", when=above("a", 1), then=(step("b"),))
    found = text(Pipeline(name="p", nodes=(step("a"), inner, branch), on_failure=(step("hook"),)))
    assert 'return choose("when", ["b"], ["done", "hook"])' in found


def test_a_step_may_be_named_as_the_last_task() -> None:
    inner = mapped("in", out("a"), step("in.b", x=item("in")), step("in.c", x=out("in.b")))
    found = body(step("a"), step("done"), inner)
    assert "    done_ = done()\n" in found
    assert "    every_task >> done_2" in found


def test_long_names_are_laid_out_as_a_formatter_would(tmp_path: Path) -> None:
    long = "quite_a_long_name_of_a_pipeline"
    inner = mapped(
        long,
        out("a"),
        *(step(f"{long}.{name}", x=item(long), y=out("a")) for name in ("first_of_all", "second_of_all")),
        step(f"{long}.last_of_all", x=out(f"{long}.first_of_all"), y=out(f"{long}.second_of_all")),
    )
    ends = [out(f"{long}.{name}") for name in ("first_of_all", "second_of_all", "last_of_all")]
    nodes: tuple[AnyNode, ...] = (step("a"), inner, *(step(f"end_{number}", x=one) for number, one in enumerate(ends)))
    for number, pipeline in enumerate(
        (
            Pipeline(name="p", nodes=nodes),
            structs.replace(Pipeline(name="p", nodes=nodes), name=f"p{'_' * 20}"),
            Pipeline(name="p", nodes=(step("a"), step(f"{'g' * 90}.b"), step(f"{'f' * 60}.c"))),
        )
    ):
        file = tmp_path / f"{number}.py"
        file.write_text(text(pipeline))
        words = [sys.executable, "-m", "ruff", "format", "--check", "--diff", "--isolated", str(file)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
