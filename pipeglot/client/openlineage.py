"""A recorded run as events of OpenLineage: what Marquez, DataHub and others read. Made from the records alone.

A pipeline is a job, and so is each of its steps; an execution is a run of its step's job, and has the run of the
pipeline as its parent. An output is a dataset, named after its step; of a map, the items are versions of one. Nothing
is in an event that another backend would tell in another way, but for times, the ids of runs, and two facets:
`processing_engine` and `pipeglot_execution`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

from pipeglot.client.records import Found, Records
from pipeglot.core.errors import NotFound, PipeglotError
from pipeglot.core.lineage.index.rows import ARTIFACT, LIST, Node, Provenance
from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.records import Ref, Verdict
from pipeglot.core.lineage.view import parse_artifact_id, readable
from pipeglot.core.plain import canonical

NAMESPACE = "pipeglot"
PRODUCER = "urn:pipeglot"

Json = dict[str, Any]

_SPEC = "https://openlineage.io/spec"
_RUNS = uuid.UUID("5b1d7a0e-4a3f-5c52-9a55-2f6f1a0c7e11")
"""The space of names in which runs of ours have their UUIDs."""
_FACETS = {
    "parent": "1-2-0/ParentRunFacet",
    "nominalTime": "1-0-1/NominalTimeRunFacet",
    "errorMessage": "1-0-1/ErrorMessageRunFacet",
    "processing_engine": "1-1-1/ProcessingEngineRunFacet",
    "executionParameters": "1-0-0/ExecutionParametersRunFacet",
    "tags": "1-0-0/TagsRunFacet",
    "jobType": "2-0-4/JobTypeJobFacet",
    "documentation": "1-1-0/DocumentationJobFacet",
    "schema": "1-2-0/SchemaDatasetFacet",
    "version": "1-0-1/DatasetVersionDatasetFacet",
    "symlinks": "1-0-1/SymlinksDatasetFacet",
    "outputStatistics": "1-0-2/OutputStatisticsOutputDatasetFacet",
}
_ENDS = {"succeeded": "COMPLETE", "failed": "FAIL", "cancelled": "ABORT", "lost": "ABORT"}
_FRAMES = frozenset({"frame/1", "arrow/1", "polars/1"})
_LARGEST = 1 << 30


class OpenLineageEvents(Struct, frozen=True, kw_only=True):
    """A run as events of OpenLineage.

    run_id: the run.
    namespace: that of all jobs and datasets.
    events: in order of time, each as OpenLineage's schema has it.
    """

    run_id: str
    namespace: str
    events: tuple[dict[str, Any], ...]


def open_lineage(records: Records, found: Found, namespace: str, tell: Callable[[str], object]) -> OpenLineageEvents:
    """The events of a run, as far as it has come. `tell` gets a note of what could not be read for them."""
    made = list(_Events(records, found, namespace, tell).all())
    return OpenLineageEvents(run_id=found.start.run, namespace=namespace, events=tuple(made))


def run_uuid(run: str, cell: Cell | None = None) -> str:
    """The same each time that a run is exported."""
    place = f"{run}/{cell[0]}/{'.'.join(map(str, cell[1]))}" if cell else run
    return str(uuid.uuid5(_RUNS, place))


class _Events:
    def __init__(self, records: Records, found: Found, namespace: str, tell: Callable[[str], object]) -> None:
        self.records = records
        self.start = found.start
        self.state = found.state
        self.view = found.view
        self.namespace = namespace
        self.tell = tell
        self.provenance = Provenance(found.start.run, found.state)
        self._lists: dict[Node, list[tuple[str, str]]] = {}
        self._pipelines: dict[str, str | None] = {found.start.run: found.start.pipeline}

    def all(self) -> Iterator[Json]:
        """The beginning of the pipeline, its executions, its end."""
        yield self._pipeline("START", self.start.created)
        steps = [
            event
            for cell, entry in self.state.ordered()
            if entry.verdict is not None and entry.verdict.observed.started
            for event in self._execution(cell, entry.verdict)
        ]
        yield from sorted(steps, key=lambda event: dt.datetime.fromisoformat(event["eventTime"]))
        end = self.records.end(self.start.run)
        if end is not None:
            yield self._pipeline(_ENDS[end.status], end.finished)

    # --- the pipeline -------------------------------------------------------------------------------------------------

    def _pipeline(self, kind: str, time: str) -> Json:
        pipeline = self.state.plan.pipeline
        params = [{"key": name, "value": _text(readable(value))} for name, value in self.start.params.items()]
        tags = [{"key": name, "value": value, "source": "USER"} for name, value in self.start.tags.items()]
        facets = {
            "nominalTime": _facet("nominalTime", nominalStartTime=self.start.logical_date),
            **({"executionParameters": _facet("executionParameters", parameters=params)} if params else {}),
            **({"tags": _facet("tags", tags=tags)} if tags else {}),
            **self._engine(self.start.engine),
        }
        if kind != "START":
            steps = [{"step": step.id, "index": list(step.index), "status": step.status} for step in self.view.steps]
            digest = {"lineageDigest": self.view.lineage_digest} if self.view.lineage_digest else {}
            facets["pipeglot_lineage"] = _own("lineage", status=self.view.status, steps=steps, **digest)
        if kind == "FAIL":
            failed = [step for step in self.view.steps if step.status == "failed"]
            names = ", ".join(dict.fromkeys(step.id for step in failed))
            facets["errorMessage"] = _facet("errorMessage", message=f"failed: {names}", programmingLanguage="python")
        job = {"jobType": _job_type("PIPELINE")}
        if pipeline.doc:
            job["documentation"] = _facet("documentation", description=pipeline.doc)
        run = {"runId": run_uuid(self.start.run), "facets": facets}
        return self._event(kind, time, run, {**self._job(), "facets": job}, [], [])

    def _job(self, step: str = "") -> Json:
        name = f"{self.start.pipeline}.{step}" if step else self.start.pipeline
        return {"namespace": self.namespace, "name": name}

    def _engine(self, words: dict[str, str], **more: Any) -> dict[str, Json]:
        """What differs from backend to backend, and nothing else does."""
        version = words.get("version", "unknown")
        told = {"stack": self.start.stack, "engine": dict(words), **more}
        return {
            "processing_engine": _facet("processing_engine", version=version, name=self.start.backend),
            "pipeglot_execution": _own("execution", **told),
        }

    # --- steps --------------------------------------------------------------------------------------------------------

    def _execution(self, cell: Cell, verdict: Verdict) -> Iterator[Json]:
        seen = verdict.observed
        step = self.state.plan.step(cell[0])
        parent = {"run": {"runId": run_uuid(self.start.run)}, "job": self._job()}
        facets = {"parent": _facet("parent", **parent), **self._engine(seen.engine, **_observed(verdict))}
        job_facets = {
            "jobType": _job_type("STEP"),
            "pipeglot_code": _own("code", function=f"{step.code.module}:{step.code.qualname}", digest=_sha(verdict)),
        }
        if step.doc:
            job_facets["documentation"] = _facet("documentation", description=step.doc)
        job = {**self._job(cell[0]), "facets": job_facets}
        run = {"runId": run_uuid(self.start.run, cell), "facets": facets}
        inputs = list(self._inputs(cell)) if verdict.status in ("succeeded", "failed") else []
        yield self._event("START", seen.started, run, job, inputs, [])
        index = {"index": list(cell[1])} if cell[1] else {}
        facets = {**facets, "pipeglot_lineage": _own("lineage", status=verdict.status, **index)}
        if seen.failure is not None:
            trace = {"stackTrace": seen.failure.traceback} if seen.failure.traceback else {}
            message = f"{seen.failure.type}: {seen.failure.message}"
            facets["errorMessage"] = _facet("errorMessage", message=message, programmingLanguage="python", **trace)
        outputs = [self._output(cell, name, ref) for name, ref in seen.refs.items()]
        run = {**run, "facets": facets}
        yield self._event(_ENDS[verdict.status], _after(seen.started, seen.seconds), run, job, inputs, outputs)

    def _event(self, kind: str, time: str, run: Json, job: Json, inputs: list[Json], outputs: list[Json]) -> Json:
        return {
            "eventType": kind,
            "eventTime": time,
            "run": run,
            "job": job,
            "inputs": inputs,
            "outputs": outputs,
            "producer": PRODUCER,
            "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
        }

    # --- datasets -----------------------------------------------------------------------------------------------------

    def _inputs(self, cell: Cell) -> Iterator[Json]:
        """Each dataset once, whatever arguments it came by."""
        found: dict[str, tuple[list[str], list[str]]] = {}
        for argument, node in self.provenance.inputs(cell):
            for name, version in self._sources(node):
                arguments, versions = found.setdefault(name, ([], []))
                arguments.append(argument)
                versions.append(version)
        for name, (arguments, versions) in found.items():
            yield self._dataset(
                name,
                {
                    **({"version": _version(versions)} if all(versions) else {}),
                    "pipeglot_input": _own("input", arguments=list(dict.fromkeys(arguments))),
                },
            )

    def _sources(self, node: Node) -> Iterator[tuple[str, str]]:
        """The datasets that a node of lineage stands for, each with its version; a plain parameter is none."""
        if node.kind == ARTIFACT:
            yield self._name(node.run, node.step, node.name), self._value(node)
        elif node.kind == LIST:
            if node not in self._lists:
                self._lists[node] = list(self._items(node))
            yield from self._lists[node]
        elif node.name in self.start.artifacts:
            text = readable(self.start.params.get(node.name))
            try:
                run, step, _, output = parse_artifact_id(text if isinstance(text, str) else "")
            except NotFound:
                return
            yield self._name(run, step, output), self.start.artifacts[node.name].value

    def _items(self, node: Node) -> Iterator[tuple[str, str]]:
        items = [edge.source for edge in self.provenance.items if edge.target == node]
        for output in dict.fromkeys(item.name for item in items):
            values = [self._value(item) for item in items if item.name == output]
            yield self._name(node.run, node.step, output), _one(values)

    def _value(self, node: Node) -> str:
        index = tuple(map(int, node.position.split("."))) if node.position else ()
        entry = self.state.entries.get((node.step, index))
        refs = entry.verdict.observed.refs if entry and entry.verdict else {}
        return refs[node.name].value if node.name in refs else ""

    def _name(self, run: str, step: str, output: str) -> str:
        """Of a run that is not in the store any more, the pipeline is not known, and the run's id stands for it."""
        if run not in self._pipelines:
            start = self.records.ledger.started(run)
            self._pipelines[run] = start.pipeline if start else None
        place = f"{self._pipelines[run] or run}.{step}"
        return place if output == "output" else f"{place}.{output}"

    def _output(self, cell: Cell, name: str, ref: Ref) -> Json:
        step = self.state.plan.step(cell[0])
        facets = {"version": _version([ref.value])}
        fields = self._fields(f"{cell[0]}.{name}", ref)
        if not fields:
            declared = {output.name: output.type for output in step.returns.outputs}
            fields = [{"name": name, **({"type": declared[name]} if declared.get(name) else {})}]
        facets["schema"] = _facet("schema", fields=fields)
        if name in step.asset:
            facets["symlinks"] = _facet("symlinks", identifiers=[_asset(step.asset[name])])
        facets["pipeglot_artifact"] = _own("artifact", value=f"sha256:{ref.value}", codec=ref.codec, opaque=ref.opaque)
        rows = {"rowCount": ref.length} if ref.length is not None else {}
        statistics = _facet("outputStatistics", size=ref.size, **rows)
        dataset = self._dataset(self._name(self.start.run, cell[0], name), facets)
        return {**dataset, "outputFacets": {"outputStatistics": statistics}}

    def _dataset(self, name: str, facets: dict[str, Json]) -> Json:
        return {"namespace": self.namespace, "name": name, "facets": facets}

    def _fields(self, what: str, ref: Ref) -> list[Json]:
        """The columns of a table."""
        if ref.codec not in _FRAMES:
            return []
        if ref.size > _LARGEST:
            self.tell(f"the columns of `{what}` are left out: it is larger than {_LARGEST >> 30} GiB")
            return []
        try:
            table: Any = self.records.artifacts.load(ref, name=what)
        except PipeglotError as error:
            self.tell(f"the columns of `{what}` are left out: {error.message}")
            return []
        if ref.codec == "arrow/1":
            columns = [(one.name, one.type) for one in table.schema] if hasattr(table, "schema") else []
        elif ref.codec == "polars/1":
            columns = list(table.schema.items()) if hasattr(table, "schema") else [(table.name, table.dtype)]
        else:
            columns = list(table.dtypes.items()) if hasattr(table, "columns") else [(table.name, table.dtype)]
        return [{"name": str(name), "type": str(kind)} for name, kind in columns]


# --- parts ------------------------------------------------------------------------------------------------------------


def _facet(name: str, /, **told: Any) -> Json:
    """One that OpenLineage has itself."""
    place = _FACETS[name]
    schema = f"{_SPEC}/facets/{place}.json#/$defs/{place.partition('/')[2]}"
    return {"_producer": PRODUCER, "_schemaURL": schema, **told}


def _own(name: str, /, **told: Any) -> Json:
    """One of ours."""
    return {"_producer": PRODUCER, "_schemaURL": f"{PRODUCER}:facet:{name}:1", **told}


def _job_type(kind: str) -> Json:
    return _facet("jobType", processingType="BATCH", integration="PIPEGLOT", jobType=kind)


def _observed(verdict: Verdict) -> Json:
    seen = verdict.observed
    told = {"attempt": seen.attempt, "host": seen.host, "python": seen.python, "packages": dict(seen.packages)}
    if seen.cached is not None:
        told["computedBy"] = run_uuid(seen.cached.run, (seen.cached.step, seen.cached.index))
    return told


def _sha(verdict: Verdict) -> str:
    code = verdict.portable.code
    return code if ":" in code else f"sha256:{code}"


def _version(values: list[str]) -> Json:
    return _facet("version", datasetVersion=f"sha256:{_one(values)}")


def _one(values: list[str]) -> str:
    """Of several values one hash, which is the same wherever they were made."""
    if len(values) == 1 or not all(values):
        return values[0] if len(values) == 1 else ""
    return hashlib.sha256(canonical(values)).hexdigest()


def _asset(uri: str) -> Json:
    """As OpenLineage names what lies elsewhere: where, and what."""
    scheme, _, rest = uri.partition("://")
    host, _, path = rest.partition("/")
    return {"namespace": f"{scheme}://{host}", "name": path or "/", "type": "ASSET"}


def _text(value: Any) -> str:
    from pipeglot.core.lineage.index.rows import as_text

    return value if isinstance(value, str) else as_text(value)


def _after(started: str, seconds: float) -> str:
    return (dt.datetime.fromisoformat(started) + dt.timedelta(seconds=seconds)).isoformat()
