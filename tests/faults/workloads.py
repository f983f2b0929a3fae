"""What runs while faults are injected: pipelines, and what is done with them on a store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import HealthCheck, Phase, given, seed, settings

from pipeglot.core import plain
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.ir import (
    Branch,
    Cache,
    CodeRef,
    Compare,
    Constant,
    ItemRef,
    Map,
    OneOf,
    Output,
    OutputRef,
    Param,
    ParamRef,
    Pipeline,
    Retry,
    Returns,
    ScalarType,
    Source,
    Step,
)
from pipeglot.core.lineage.closing import close
from pipeglot.core.lineage.index.sqlite import FileDatabase
from pipeglot.core.lineage.index.sync import sync
from pipeglot.core.lineage.ledger import Ledger
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.lineage.view import RunView
from pipeglot.core.store.base import Store
from pipeglot.core.workers.pool import Pool
from pipeglot.runtime_local.inline import InlinePool
from pipeglot.runtime_local.listener import Silent
from pipeglot.runtime_local.runner import LocalRun, Origins, Settings
from tests.faults import steps
from tests.oracle.generate import pipelines

ROOT = Path(__file__).parents[2]
PARAMS = {"n": 7}
LARGEST = 14
"""Steps of a generated pipeline."""


SYSTEM = ("change", "read", "sql")
"""Between pipeglot and the files of a store, of an index, of copies."""

VERBS = ("verb", "sql")
"""Between pipeglot and the store's verbs."""

REQUESTS = ("request", "sql")
"""Between the store and its bucket."""


class Workload(NamedTuple):
    """A pipeline, and how it is run. `workers`: in processes of their own, instead of in the runner's.

    layers: where faults come.
    """

    name: str
    pipeline: Pipeline
    durable: bool = False
    workers: bool = False
    layers: tuple[str, ...] = SYSTEM


class Place(NamedTuple):
    """Where a workload runs. `store`: the URI of its store; `kept`: what is watched; `work`: what nobody misses."""

    store: str
    kept: Path
    work: Path

    @property
    def database(self) -> Path:
        return self.kept / "index.sqlite"


def run(workload: Workload, opened: Callable[[], Store], place: Place, *, resumes: str | None = None) -> RunView:
    """Run it to its end, one step after another. As for a user, the pool comes before the store is opened."""
    pool = Pool() if workload.workers else InlinePool()
    try:
        origins = Origins(resumes=resumes)
        return LocalRun(
            workload.pipeline, PARAMS, opened(), _settings(workload, place), pool, Silent(), origins
        ).execute()
    finally:
        pool.close()


def index(store: Store, path: Path) -> list[str]:
    """Bring an index up to date; returns the runs that it leaves out."""
    with FileDatabase(path) as database:
        return sync(database, Ledger(store), Artifacts(store), lambda _: None).unreadable


def session(workload: Workload, opened: Callable[[], Store], place: Place) -> None:
    """What is done while the fault waits: run it, run it again from the cache, index it, close a run that was left.

    And what another machine does, which has no copies of a bucket's values.
    """
    run(workload, opened, place)
    index(opened(), place.database)
    run(workload, opened, place)
    elsewhere(opened, place)
    left = abandoned(workload, opened(), place)
    store = opened()
    close(Ledger(store), Artifacts(store), left)
    index(opened(), place.database)


def abandoned(workload: Workload, store: Store, place: Place) -> str:
    """A run that has begun, and nobody goes on with."""
    return LocalRun(workload.pipeline, PARAMS, store, _settings(workload, place), InlinePool(), Silent()).start.run


def elsewhere(opened: Callable[[], Store], place: Place) -> None:
    """Read all values of a run, and forget what the cache has of a step."""
    here = os.environ["TMPDIR"]
    os.environ["TMPDIR"] = str(place.work)
    try:
        store = opened()
    finally:
        os.environ["TMPDIR"] = here
    ledger, artifacts = Ledger(store), Artifacts(store)
    for verdict in ledger.verdicts(ledger.runs()[0]):
        for name, ref in verdict.observed.refs.items():
            artifacts.load(ref, name=name)
    for key in list(store.list("cache/"))[:1]:
        store.delete(key)


def _settings(workload: Workload, place: Place) -> Settings:
    roots, work = (str(ROOT),), str(place.work)
    return Settings(stack="local", root=roots[0], roots=roots, work=work, max_parallel=1, durable=workload.durable)


# --- pipelines --------------------------------------------------------------------------------------------------------


def workloads(chosen: int, *, bucket: bool = False) -> Iterator[Workload]:
    """The one written by hand in every way, then generated ones in turn, without end."""
    ways: dict[str, dict[str, Any]] = {
        "": {},
        ", by verbs": {"layers": VERBS},
        ", durable": {"durable": True},
        ", in workers": {"workers": True},
    }
    if bucket:
        ways = {
            ", by requests": {"layers": REQUESTS},
            ", by verbs": {"layers": VERBS},
            ", in workers": {"layers": REQUESTS, "workers": True},
            ", beside the bucket": {},
        }
    made = by_hand()
    for way, how in ways.items():
        yield Workload(f"by hand{way}", made, **how)
    for number in range(1_000_000):
        found = generated(chosen + number)
        yield Workload(f"generated {chosen + number}", found, **list(ways.values())[number % len(ways)])


def generated(chosen: int) -> Pipeline:
    """The largest of a few that the oracle's generator makes of this seed."""
    found: list[Pipeline] = []

    @seed(chosen)
    @settings(
        max_examples=6, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
    )
    @given(pipelines(size=LARGEST))
    def keep(made: Pipeline) -> None:
        found.append(made)

    keep()
    return max(found, key=lambda made: len(list(Plan(made).steps())))


def by_hand(seed: int = 0) -> Pipeline:
    """Checkpoints, retries, blobs, logs, a map, a branch, outputs that are never cached, and a clean-up step."""
    nodes = (
        _step("numbers", 6),
        Map(
            id="each",
            over={"x": OutputRef(step="numbers")},
            body=(_step("large", 1, x=ItemRef(map="each", name="x")),),
        ),
        _step("texts", 3, a=OutputRef(step="large")),
        _step("kept", 3 + seed, retry=Retry(attempts=2, delay=0.0), n=ParamRef(name="n")),
        Branch(
            id="which",
            when=Compare(op=">", left=OutputRef(step="kept"), right=_constant(5)),
            then=(_step("number", 4, a=OutputRef(step="texts")),),
            otherwise=(_step("flaky", 5),),
        ),
        _step("printed", 6, a=OneOf(options=(OutputRef(step="number"), OutputRef(step="flaky")))),
        _step("pair", 7, returns=_PAIR, cache=Cache(enabled=False), a=OutputRef(step="printed")),
        _step("text", 8, cache=Cache(expires=1e-9), a=OutputRef(step="pair", output="left")),
        Step(
            id="nothing",
            code=_code("nothing"),
            inputs={"seed": _constant(3)},
            returns=Returns(form="none", outputs=()),
            after=("text",),
            trigger="all_done",
        ),
    )
    return Pipeline(name="p", params=(Param(name="n", type=ScalarType(name="int")),), nodes=nodes)


_PAIR = Returns(form="tuple", outputs=(Output(name="left"), Output(name="right")))
_OURS = frozenset({"large", "kept", "printed"})


def _step(does: str, number: int, *, returns: Returns | None = None, cache: Cache | None = None, **more: Any) -> Step:
    retry: Retry | None = more.pop("retry", None)
    inputs: dict[str, Source] = {"seed": _constant(number), **more}
    return Step(
        id=does, code=_code(does), inputs=inputs, returns=returns or Returns(), cache=cache or Cache(), retry=retry
    )


def _code(does: str) -> CodeRef:
    module = steps.__name__ if does in _OURS else "tests.oracle.steps"
    return CodeRef(module=module, qualname=does, digest=plain.digest(does))


def _constant(value: Any) -> Constant:
    return Constant(value=plain.encode(value))


def quiet() -> None:
    """Whatever steps print goes nowhere."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.close(null)
