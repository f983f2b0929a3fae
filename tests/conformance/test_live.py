"""Runs on real engines that nobody of ours follows, and what can happen to them: both sides tell the truth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.backends import CLEANING, ENGINES
from tests.conformance.live import OnEngine, is_alive, states, until, written
from tests.conformance.results import Tally
from tests.conformance.suite import STACK
from tests.servers.sandbox import held


@pytest.fixture(scope="module", params=CLEANING)
def live(
    request: pytest.FixtureRequest, engines: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OnEngine]:
    name = request.param
    server = request.getfixturevalue(name)
    with held(engines, name):
        yield OnEngine(ENGINES[name], server, tmp_path_factory.mktemp(f"live-{name}"))


def test_what_a_laptop_computed_is_reused_and_the_other_way_round(live: OnEngine, tally: Tally) -> None:
    with tally.of(live.title, "cache shared with a laptop"):
        here = live.local("shared", "-p", "n=3")
        assert not any(one["cached"] for one in here["steps"])
        there = live.run("shared", n=3)
        assert all(one["cached"] for one in there["steps"])
        assert there["lineage_digest"] == here["lineage_digest"]
        told = live.project("runs", "show", there["run_id"], "--stack", STACK).out
        assert told.count(f"from the cache (run {here['run_id'][:10]})") == 2
        assert not any(one["cached"] for one in live.run("shared", n=4)["steps"])
        assert all(one["cached"] for one in live.local("shared", "-p", "n=4")["steps"])


def test_a_run_that_is_cancelled_there(live: OnEngine, tally: Tally) -> None:
    """By the engine's own means."""
    with tally.of(live.title, "cancelled in the engine"):
        folder = live.marks("cancelled")
        run = live.start("long", folder=str(folder))
        pid = int(until(lambda: written(folder / "note-1")))
        live.backend.cancel("long", run)
        until((folder / "tidy").exists)
        until(lambda: not is_alive(pid))
        assert not live.backend.wait("long", run)
        until(lambda: live.shown("long", run)["status"] != "running")
        found = live.shown("long", run)
        assert found["status"] == "cancelled"
        assert states(found) == {"note": ("cancelled", 1), "double": ("skipped", 0), "tidy": ("succeeded", 1)}


def test_a_run_with_hooks_that_is_cancelled_there_is_no_success(live: OnEngine, tally: Tally) -> None:
    with tally.of(live.title, "ended in the engine: hooks"):
        folder = live.marks("hooks")
        run = live.start("hooked_long", folder=str(folder))
        until(lambda: written(folder / "note-1"))
        live.backend.cancel("hooked_long", run)
        assert not live.backend.wait("hooked_long", run)
        assert (folder / "told").exists()
        found = live.shown("hooked_long", run)
        assert states(found) == {"note": ("cancelled", 1), "double": ("skipped", 0), "tell": ("succeeded", 1)}


def test_a_failed_run_that_is_tried_again_there(live: OnEngine, tally: Tally) -> None:
    """What has succeeded is not run again."""
    with tally.of(live.title, "cleared in the engine"):
        folder = live.marks("again")
        run = live.start("wanting", folder=str(folder))
        assert not live.backend.wait("wanting", run)
        failed = {"before": ("succeeded", 1), "needs_file": ("failed", 1), "length": ("skipped", 0)}
        assert states(live.shown("wanting", run)) == failed
        (folder / "wanted").write_text("here")
        live.backend.again("wanting", run, "needs_file")
        assert live.backend.wait("wanting", run)
        found = live.shown("wanting", run)
        assert states(found) == {
            "before": ("succeeded", 1),
            "needs_file": ("succeeded", 2),
            "length": ("succeeded", 1),
        }
        assert len(list(folder.glob("before-*"))) == 1
        assert found["lineage_digest"] == live.local_digest("wanting", "-p", f"folder={folder}")
