"""`pipeglot artifact`: what steps returned: which, what it is, and the value itself."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from pipeglot.cli.opening import open_records
from pipeglot.cli.output import print_fields, print_json, print_table
from pipeglot.client.text import SHORT_ID, cell_name, plural, size, when
from pipeglot.client.views import ArtifactDetails, ArtifactValue, ArtifactView, Maker
from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.naming import Artifact, find_artifact
from pipeglot.core.lineage.records import Ref, Verdict
from pipeglot.core.lineage.view import artifact_id

KINDS = {
    "json/1": "plain data",
    "bytes/1": "bytes",
    "file/1": "file",
    "dir/1": "folder",
    "npy/1": "array",
    "frame/1": "frame",
    "arrow/1": "Arrow table",
    "polars/1": "polars frame",
    "items/1": "list",
    "tree/1": "object",
    "pickle/1": "pickle",
}


def do_list(args: argparse.Namespace) -> int:
    records = open_records(args)
    found = records.run(args.run)
    outputs = [
        (cell, output, ref, entry.verdict)
        for cell, entry in found.state.ordered()
        if entry.verdict
        for output, ref in entry.verdict.observed.refs.items()
    ]
    if args.json:
        print_json([ArtifactView(**_fields_of(found.start.run, *one)) for one in outputs])
        return 0
    rows = [
        [
            artifact_id(found.start.run[:SHORT_ID], cell, output),
            kind_of(ref),
            size(ref.size),
            _made(found.start.run, verdict),
        ]
        for cell, output, ref, verdict in outputs
    ]
    print_table(["ARTIFACT", "KIND", "SIZE", "FROM"], rows)
    return 0


def do_show(args: argparse.Namespace) -> int:
    records = open_records(args)
    artifact = find_artifact(records, args.id)
    exists = records.artifacts.exists(artifact.ref)
    if args.json:
        known = _fields_of(artifact.found.start.run, artifact.cell, artifact.output, artifact.ref, artifact.verdict)
        print_json(ArtifactDetails(**known, exists=exists))
        return 0
    print_fields(list(_fields(artifact, exists=exists)))
    return 0


def do_get(args: argparse.Namespace) -> int:
    from msgspec.structs import replace

    from pipeglot.cli.export import export, plain_value, to_stdout
    from pipeglot.cli.output import results_only
    from pipeglot.cli.parsing import folder_of
    from pipeglot.core.sources import use_roots

    records = open_records(args)
    artifact = find_artifact(records, args.id)
    use_roots(records.workspace.roots, {})  # a pickle names the project's classes
    told = ArtifactValue(
        id=artifact_id(artifact.found.start.run, artifact.cell, artifact.output), codec=artifact.ref.codec
    )
    if args.output is not None:
        path = folder_of(args) / args.output
        with results_only():
            export(records.artifacts, artifact.ref, path, force=args.force)
        told = replace(told, file=str(path))
    elif args.json:
        told = replace(told, value=plain_value(records.artifacts, artifact.ref, args.id))
    else:
        to_stdout(records.artifacts, artifact.ref, args.id)
    if args.json:
        print_json(told)
    return 0


def kind_of(ref: Ref) -> str:
    """A codec in words."""
    if ref.codec == "custom/1":
        return f"{ref.meta.get('id')} v{ref.meta.get('version')}"
    return KINDS.get(ref.codec, ref.codec)


def _fields_of(run: str, cell: Cell, output: str, ref: Ref, verdict: Verdict) -> dict[str, Any]:
    step, index = cell
    origin = verdict.observed.cached
    return {
        "id": artifact_id(run, cell, output),
        "run_id": run,
        "step": step,
        "index": index,
        "output": output,
        "codec": ref.codec,
        "size": ref.size,
        "value": f"sha256:{ref.value}",
        "blob": f"sha256:{ref.blob}",
        "opaque": ref.opaque,
        "length": ref.length,
        "needs": ref.needs,
        "origin": Maker(run=origin.run, step=origin.step, index=origin.index) if origin else None,
    }


def _fields(artifact: Artifact, *, exists: bool) -> Iterator[tuple[str, str]]:
    run, ref, seen = artifact.found.start.run, artifact.ref, artifact.verdict.observed
    yield "artifact", artifact_id(run, artifact.cell, artifact.output)
    yield "kind", f"{kind_of(ref)} ({ref.codec}){', opaque' if ref.opaque else ''}"
    yield "size", size(ref.size) + (f", {plural(ref.length, 'item')}" if ref.length is not None else "")
    yield "from", f"step {cell_name(*artifact.cell)} of {artifact.found.start.pipeline}, {_made(run, artifact.verdict)}"
    if seen.started:
        yield "computed", when(seen.started)
    yield "value", f"sha256:{ref.value}"
    yield "blob", f"sha256:{ref.blob}" + ("" if exists else "  (gone from the store)")
    if ref.needs:
        yield "needs", ", ".join(f"{name} {version}" for name, version in ref.needs.items())


def _made(run: str, verdict: Verdict) -> str:
    origin = verdict.observed.cached
    return f"run {(origin.run if origin else run)[:SHORT_ID]}{' (cached)' if origin else ''}"
