"""The cases measure what their rows say: numbers new or known, sizes, and scripts as safe as they claim to be."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.measure import TIMES_IF_SHORT, Case, Tool, run_rounds
from benchmarks.ours import make_project, our_tool
from benchmarks.page import _ROWS
from benchmarks.peers import PEERS, Peer
from benchmarks.rows import OURS, PEER_STEPS, STEPS
from benchmarks.scripts import by_hand, closure_by_hand, mesh, pipelines
from pipeglot.core.ir import ListOf, Map, Step

NOTE = "import sys; open(sys.argv[1], 'a').write(sys.argv[2] + '\\n')"


FAILING = Case(
    "bad", OURS, (sys.executable, "-c", "import sys; open('tries', 'a').write('x'); sys.exit('the disk is full')")
)


def silently(_: str) -> None:
    """Takes what is told of the progress."""


def noting(row: str, *, cached: bool = False) -> Case:
    return Case(row, OURS, (sys.executable, "-c", NOTE, row, "{start}"), cached)


def test_a_cached_case_has_one_number_and_the_others_new_ones(tmp_path: Path) -> None:
    tool = Tool(tmp_path, {}, (noting("new"), noting("known", cached=True)), warm_up=(noting("warm").command,))
    samples = run_rounds([tool], 2, silently).samples
    new, known, warm = ((tmp_path / name).read_text().split() for name in ("new", "known", "warm"))
    assert len(set(new)) == len(new) == len(samples["new", OURS])
    assert len(known) == len(samples["known", OURS]) + 1, "once before, unmeasured"
    assert len(set(known)) == len(warm) == 1
    assert not {*new, *warm} & {*known}


def test_only_short_commands_are_repeated_in_a_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = Tool(tmp_path, {}, (noting("new"),))
    monkeypatch.setattr("benchmarks.measure.SHORT", 600.0)
    assert len(run_rounds([tool], 2, silently).samples["new", OURS]) == 2 * TIMES_IF_SHORT
    monkeypatch.setattr("benchmarks.measure.SHORT", 0.0)
    assert len(run_rounds([tool], 2, silently).samples["new", OURS]) == 2


def test_a_failing_case_is_left_out_and_told(tmp_path: Path) -> None:
    measured = run_rounds([Tool(tmp_path, {}, (FAILING, noting("good")))], 2, silently)
    assert set(measured.samples) == {("good", OURS)}
    assert "the disk is full" in measured.failed[FAILING]
    assert (tmp_path / "tries").read_text() == "x", "it is not run again"


def test_without_what_they_need_all_cases_of_a_tool_have_failed(tmp_path: Path) -> None:
    needy = Tool(tmp_path, {}, (noting("good"),), warm_up=(FAILING.command,))
    (tmp_path / "other").mkdir()
    other = Tool(tmp_path / "other", {}, (noting("other"),))
    measured = run_rounds([needy, other], 1, silently)
    assert set(measured.samples) == {("other", OURS)}
    assert "the disk is full" in measured.failed[noting("good")]


# --- sizes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pipeline", "steps"),
    [
        (pipelines.chain_3, 3),
        (pipelines.chain_50, PEER_STEPS),
        (pipelines.chain_100, 100),
        (pipelines.chain_1000, 1000),
    ],
)
def test_chains_are_as_long_as_they_say(pipeline: Any, steps: int) -> None:
    assert len(pipeline.trace().pipeline.nodes) == steps


@pytest.mark.parametrize(
    ("pipeline", "items"), [(pipelines.wide_3, 3), (pipelines.wide_50, PEER_STEPS), (pipelines.wide_1000, 1000)]
)
def test_maps_are_as_wide_as_they_say(pipeline: Any, items: int) -> None:
    head, mapped, tail = pipeline.trace().pipeline.nodes
    assert (type(head), type(mapped), type(tail)) == (Step, Map, Step)
    assert head.inputs["items"].value == items


def test_ten_runs_of_the_mesh_have_a_million_edges() -> None:
    nodes = mesh.mesh.trace().pipeline.nodes
    sources = [source for node in nodes if isinstance(node, Step) for source in node.inputs.values()]
    inputs = sum(len(source.items) for source in sources if isinstance(source, ListOf))
    assert 10 * (inputs + len(nodes)) >= 1_000_000, "an edge for each input and for each output"


def test_every_step_of_the_tables_is_measured(tmp_path: Path) -> None:
    make_project(tmp_path / "ours")
    tools = [our_tool(tmp_path / "ours"), *(tool for peer in PEERS for tool in peer.tools(tmp_path))]
    rows = {case.row for tool in tools for case in tool.cases}
    assert rows >= {row for step in STEPS for row in (step.few, step.row)}
    assert rows >= set(_ROWS)


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.package)
def test_peers_keep_out_of_the_users_home(peer: Peer, tmp_path: Path) -> None:
    tools = peer.tools(tmp_path)
    assert [tool.env["HOME"] for tool in tools] == [str(tool.folder) for tool in tools]
    assert {case.column for tool in tools for case in tool.cases} == {peer.name}


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.package)
def test_peers_are_pinned_and_their_locks_name_no_index(peer: Peer) -> None:
    import benchmarks.peers

    lock = Path(benchmarks.peers.__file__).with_name(f"{peer.package}.txt").read_text()
    assert f"\n{peer.package}==" in lock
    assert "://" not in lock


def test_a_chain_for_metaflow_is_source_with_a_step_each(tmp_path: Path) -> None:
    (tool,) = next(peer for peer in PEERS if peer.package == "metaflow").tools(tmp_path)
    text = (tool.folder / f"metaflow_chain_{PEER_STEPS}.py").read_text()
    compile(text, "chain.py", "exec")
    assert text.count("@step") == PEER_STEPS
    assert text.count("self.next(") == PEER_STEPS - 1


# --- by hand ----------------------------------------------------------------------------------------------------------


def test_by_hand_nothing_is_computed_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def add(x: int) -> int:
        calls.append(x)
        return x + 1

    monkeypatch.setattr(by_hand, "add", add)
    for _ in range(2):
        by_hand.chain(by_hand.Steps(str(tmp_path), durable=False), 7, 4)
    assert calls == [7, 8, 9]
    assert len(os.listdir(tmp_path / "records")) == 4


def test_by_hand_a_map_gives_its_total(tmp_path: Path) -> None:
    run = by_hand.Steps(str(tmp_path), durable=False)
    by_hand.wide(run, 10, 3)
    loaded = [run._load(name).value for name in os.listdir(tmp_path / "values")]
    assert sorted(map(str, loaded)) == sorted(["[10, 11, 12]", "11", "12", "13", "36"])


@pytest.mark.parametrize(("durable", "syncs"), [(False, 0), (True, 4)])
def test_by_hand_durable_means_file_and_folder(
    durable: bool, syncs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    monkeypatch.setattr(os, "fsync", seen.append)
    by_hand.Steps(str(tmp_path), durable=durable)(by_hand.first, 1)
    assert len(seen) == syncs


def test_by_hand_damage_is_noticed(tmp_path: Path) -> None:
    run = by_hand.Steps(str(tmp_path), durable=False)
    made = run(by_hand.first, 1)
    (tmp_path / "values" / made.sha).write_bytes(b"other")
    with pytest.raises(ValueError, match="is damaged"):
        run(by_hand.first, 1)


def test_by_hand_the_closure_has_what_leads_to_a_node(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edges = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("d", "e"), ("x", "e")]
    graph = {
        "nodes": [{"id": name} for name in "abcdex"],
        "edges": [{"source": source, "target": target} for source, target in edges],
    }
    (tmp_path / "graph.json").write_text(json.dumps(graph))
    connection = sqlite3.connect(":memory:")
    closure_by_hand.make(connection, str(tmp_path / "graph.json"))
    closure_by_hand.show(connection, "d")
    connection.close()
    told = json.loads(capsys.readouterr().out)
    assert told["nodes"] == ["a", "b", "c", "d"]
    assert {(edge["source"], edge["target"]) for edge in told["edges"]} == set(edges[:4])
