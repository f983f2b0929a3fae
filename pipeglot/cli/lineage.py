"""`pipeglot lineage`: what a value came from and what was made of it, or all of a run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pipeglot.cli.artifact import KINDS
from pipeglot.cli.drawing import draw
from pipeglot.cli.errors import note
from pipeglot.cli.opening import open_records
from pipeglot.cli.output import print_json, print_table, say
from pipeglot.client.folding import fold
from pipeglot.client.indexed import Index
from pipeglot.client.lineage import (
    MOST,
    Directions,
    Graph,
    GraphNode,
    artifact_graph,
    check_digest,
    run_graph,
)
from pipeglot.client.records import Found, Records
from pipeglot.client.text import SHORT_ID, cell_name, size
from pipeglot.core.errors import Corrupt, UsageError

if TYPE_CHECKING:
    from pipeglot.client.openlineage import OpenLineageEvents


def do_lineage(args: argparse.Namespace) -> int:
    is_run = "/" not in args.of
    if args.depth is not None and args.depth < 1:
        raise UsageError(f"`--depth {args.depth}`: the nearest are at depth 1")
    records = open_records(args)
    if args.digest:
        return _digest(args, records, is_run=is_run)
    index = Index(records, lambda text: sys.stderr.write(note(text)))
    asked: Directions = (*(("up",) if args.up else ()), *(("down",) if args.down else ()))
    if is_run:
        found = records.run(args.of)
        graph = run_graph(index, found, asked, args.depth)
        title = list(_run_title(found))
    else:
        graph = artifact_graph(index, args.of, asked or ("up", "down"), args.depth)
        title = list(_artifact_title(graph))
    if args.json:
        print_json(graph)
    else:
        say("\n".join(title))
        _print_table(graph) if args.table else _print_drawing(graph)
    if graph.truncated:
        sys.stderr.write(note(f"only the nearest {MOST} nodes are shown: `--depth N` asks for fewer"))
    return 0


def do_export(args: argparse.Namespace) -> int:
    from pipeglot.client.openlineage import open_lineage

    if not args.openlineage:
        raise UsageError("the format is not said", hint=f"`pipeglot lineage export {args.run} --openlineage`")
    if not args.namespace.strip():
        raise UsageError("`--namespace` is empty", hint="name whose jobs these are, as `--namespace risk`")
    records = open_records(args)
    found = records.run(args.run)
    made = open_lineage(records, found, args.namespace, lambda text: sys.stderr.write(note(text)))
    if args.output:
        _write(Path(args.output), made, force=args.force)
    if args.json:
        print_json(made)
    elif not args.output:
        sys.stdout.buffer.write(_lines(made))
    if records.end(found.start.run) is None:
        sys.stderr.write(note(f"run `{found.start.run[:SHORT_ID]}` has no end on record: these are its events so far"))
    return 0


def _lines(made: OpenLineageEvents) -> bytes:
    return b"".join(msgspec.json.encode(event) + b"\n" for event in made.events)


def _write(path: Path, made: OpenLineageEvents, *, force: bool) -> None:
    try:
        with path.open("wb" if force else "xb") as file:
            file.write(_lines(made))
    except FileExistsError:
        raise UsageError(f"`{path}` is there already", hint="give another name, or `--force` to replace it") from None
    except OSError as error:
        raise UsageError(f"`{path}` cannot be written: {error.strerror}") from None


def _digest(args: argparse.Namespace, records: Records, *, is_run: bool) -> int:
    if not is_run:
        raise UsageError("`--digest` is of a run", hint=f"`pipeglot lineage {args.of.partition('/')[0]} --digest`")
    told = check_digest(records, records.run(args.of))
    if told.recorded is not None and not told.verified:
        raise Corrupt(
            f"the records of run `{told.run_id}` give {told.lineage_digest or 'no lineage digest'}, "
            f"and when it ended it was {told.recorded}",
            hint="`pipeglot store verify` tells which records are missing or damaged",
        )
    if args.json:
        print_json(told)
    elif told.lineage_digest is None:
        say(f"run `{told.run_id}` is {told.status}: it has no lineage digest", sys.stderr)
    else:
        say(told.lineage_digest)
    return 0 if told.lineage_digest is not None else 1


def _run_title(found: Found) -> Iterator[str]:
    view = found.view
    yield f"run {view.run_id} of {view.pipeline}, {view.status}"
    if view.lineage_digest:
        yield view.lineage_digest


def _artifact_title(graph: Graph) -> Iterator[str]:
    node = next(one for one in graph.nodes if one.id == graph.of)
    opaque = ", opaque: its bytes have no canonical value, so its hash is of what it came from" if node.opaque else ""
    yield f"{graph.of}  ({KINDS.get(node.codec or '', node.codec)}, {size(node.size or 0)}{opaque})"
    yield node.value or ""


# --- drawing ----------------------------------------------------------------------------------------------------------


def _print_drawing(graph: Graph) -> None:
    if graph.kind == "run":
        print()
        _print_lines(draw(fold(graph), graph.of))
        return
    focus = next(one for one in graph.nodes if one.id == graph.of)
    key = (focus.run_id, focus.step, "")
    for direction, title in (("up", "came from"), ("down", "went into")):
        if direction in graph.directions:
            print(f"\n{title}")
            part = _reachable(graph, upwards=direction == "up")
            folded = fold(part, upwards=direction == "up", focus=key)
            if direction == "down" and len(folded.boxes) == 1:
                print("nothing so far")
            else:
                _print_lines(draw(folded, focus.run_id, upwards=direction == "up"))


def _reachable(graph: Graph, *, upwards: bool) -> Graph:
    """The half of an artifact's graph that lies in one direction."""
    from msgspec import structs

    near: dict[str, list[str]] = {}
    for edge in graph.edges:
        one, other = (edge.target, edge.source) if upwards else (edge.source, edge.target)
        near.setdefault(one, []).append(other)
    found, todo = {graph.of}, [graph.of]
    while todo:
        fresh = [one for one in near.get(todo.pop(), ()) if one not in found]
        found.update(fresh)
        todo += fresh
    return structs.replace(
        graph,
        nodes=tuple(node for node in graph.nodes if node.id in found),
        edges=tuple(edge for edge in graph.edges if edge.source in found and edge.target in found),
    )


def _print_lines(lines: Iterator[str]) -> None:
    for line in lines:
        say(line)


# --- table ------------------------------------------------------------------------------------------------------------


def _print_table(graph: Graph) -> None:
    """One line an execution, in the order of the drawing."""
    inputs: dict[str, list[str]] = {}
    for edge in graph.edges:
        inputs.setdefault(edge.target, []).append(edge.source)
    nodes = {node.id: node for node in graph.nodes}
    rows = [
        [
            node.run_id[:SHORT_ID],
            cell_name(node.step, node.index),
            "cached" if node.origin else node.status or "",
            ", ".join(_short(nodes[one]) for one in inputs.get(node.id, ())),
            ", ".join(_short(one) for one in box.artifacts if one.index == node.index),
        ]
        for box in fold(graph).boxes.values()
        for node in sorted(box.cells, key=lambda one: one.index)
    ]
    print()
    print_table(["RUN", "STEP", "STATUS", "FROM", "GIVES"], rows)


def _short(node: GraphNode) -> str:
    """`best.auc`, `train[3].model`, `train[…].model`, `year`."""
    if node.kind == "param":
        return node.name
    place = f"{node.step}[…]" if node.kind == "list" else cell_name(node.step, node.index)
    opaque = " (opaque)" if node.opaque else ""
    return f"{place}.{node.name}{opaque}" if node.name not in ("output", "") else f"{place}{opaque}"
