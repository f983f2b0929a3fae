"""The engines that cases are run on: each one's server, and how the suite drives it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pipeglot.core.features import Feature
from tests.conformance.backends.airflow import OnAirflow
from tests.conformance.backends.kfp import OnKfp
from tests.conformance.backends.metaflow import OnMetaflow
from tests.conformance.backends.prefect import OnPrefect
from tests.servers.airflow import shared_airflow
from tests.servers.kfp import shared_kfp
from tests.servers.metaflow import shared_metaflow
from tests.servers.prefect import shared_prefect


class Engine(NamedTuple):
    """backend: of the stacks that it runs. newest: whether `make test` has most cases on it, not on another version.

    server: one that is up, by the folder of a test run and the name of one of its processes. drive: how the suite does.
    lacks: the cases and examples that the backend refuses; and of what happens to live runs, what the engine does not
    know. unseen: what its simulator leaves out, so that no case can show it. simulator: what
    it is, if it is not the engine itself.
    """

    backend: str
    newest: bool
    server: Callable[[Path, str], AbstractContextManager[Any]]
    drive: Callable[[Any], Any]
    lacks: frozenset[str] = frozenset()
    unseen: frozenset[Feature] = frozenset()
    simulator: str = ""


_IN_UTC = frozenset({"scheduled from now on, in UTC", "scheduled by the engine, in UTC"})
"""Of engines whose schedules have no time zone; the others have them in one."""
_AIRFLOW_LACKS = _IN_UTC | {"scheduled from now on", "scheduled from now on by a cron", "scheduled for the past"}
_PREFECT_LACKS = _IN_UTC | frozenset(
    {
        "scheduled by the engine",
        "backfilled by the engine",
        "ended in the engine: nothing runs",
    }
)
CLEANS_CANCELLED = "clean-up after a cancel"
_KFP_LACKS = frozenset(
    {
        CLEANS_CANCELLED,
        "rain/score.py",
        "all that a step can ask for",
        "backfilled by the engine",
        "started by an asset",
        "cleared in the engine",
        "ended in the engine: hooks",
        "scheduled by the engine",
        "scheduled from now on",
        "scheduled from now on by a cron",
    }
)
_METAFLOW_LACKS = _IN_UTC | frozenset(
    {
        "all that a step can ask for",
        "backfilled by the engine",
        "started by an asset",
        "scheduled by the engine",
        "scheduled from now on",
        "scheduled from now on by a cron",
        "scheduled for the past",
    }
)
"""Its own runner starts nothing by itself."""
_METAFLOW_UNSEEN = frozenset(
    {Feature.IMAGE, Feature.CPU, Feature.MEMORY, Feature.GPU, Feature.SCHEDULE_CRON, Feature.MAX_PARALLEL}
)
"""On this machine it has no images, resources and schedules; the rest stands on its command line."""
_KFP_UNSEEN = frozenset({Feature.IMAGE, Feature.CPU, Feature.MEMORY, Feature.GPU})
_KFP_LOCAL = (
    "by `kfp.local`, its local simulator, and not on a cluster: it has no images, no resources and no Kubernetes, runs"
    " tasks beside each other one after the other, and goes on after a failure where Argo would not"
)
ENGINES: Mapping[str, Engine] = {
    "airflow3": Engine("airflow", True, partial(shared_airflow, "3"), OnAirflow, _AIRFLOW_LACKS),
    "airflow2": Engine("airflow", False, partial(shared_airflow, "2"), OnAirflow, _AIRFLOW_LACKS),
    "prefect3": Engine("prefect", True, shared_prefect, OnPrefect, _PREFECT_LACKS),
    "kfp": Engine("kfp", True, shared_kfp, OnKfp, _KFP_LACKS, _KFP_UNSEEN, _KFP_LOCAL),
    "metaflow": Engine("metaflow", False, shared_metaflow, OnMetaflow, _METAFLOW_LACKS, _METAFLOW_UNSEEN),
}


def _each(names: Iterable[str]) -> list[Any]:
    """Older versions wait for `make conformance`."""
    return [name if ENGINES[name].newest else pytest.param(name, marks=pytest.mark.whole) for name in names]


EACH = _each(ENGINES)
"""For tests that `make test` has on the newest version of each engine only."""

CLEANING = _each(name for name, one in ENGINES.items() if CLEANS_CANCELLED not in one.lacks)
"""Those that let a run clean up after it was cancelled, and go on after it has failed."""
