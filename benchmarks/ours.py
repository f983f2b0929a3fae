"""What is measured of pipeglot, each case beside a script written by hand that gives the same safety."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from benchmarks.measure import Case, Tool
from benchmarks.rows import (
    ARRAY,
    BARE,
    BY_HAND,
    DEFINE,
    HELP,
    IMPORT,
    MAP_CACHED,
    OURS,
    PEER_STEPS,
    STEPS_3,
    STEPS_3_CACHED,
    STEPS_3_DURABLE,
    cached_row,
    chain_row,
    durable_row,
    map_row,
)

STACKS = """
stacks:
  local: {backend: local, store: .pipeglot/store}
  durable: {backend: local, store: .pipeglot/durable, durable: true}
"""

_SCRIPTS = Path(__file__).with_name("scripts")
_PARSER = "import argparse; p = argparse.ArgumentParser(); p.add_argument('target'); p.print_help()"
_IMPORTED = "from pipeglot import pipeline, step"


def make_project(folder: Path) -> None:
    """A project with the pipelines of the benchmark, and the scripts that are held against them."""
    shutil.copytree(_SCRIPTS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "pipeglot.yaml").write_text(STACKS)


def our_tool(folder: Path) -> Tool:
    cases = [*_start_up(), *_chains(), *_maps(), *_others()]
    return Tool(folder, {}, tuple(cases), warm_up=(_run("pipelines.py:chain_3"), _python("define.py")))


def _start_up() -> list[Case]:
    return [
        Case(BARE, OURS, _python("-c", "pass")),
        Case(HELP, OURS, _python("-m", "pipeglot", "--help")),
        Case(HELP, BY_HAND, _python("-c", _PARSER)),
        Case(IMPORT, OURS, _python("-c", _IMPORTED)),
        Case(IMPORT, BY_HAND, _python("-c", "import by_hand")),
    ]


def _chains() -> list[Case]:
    cases = []
    for steps, row in ((3, STEPS_3), *((steps, chain_row(steps)) for steps in (PEER_STEPS, 100, 1000))):
        cases += _pair(row, "chain", steps)
    for steps, row in ((3, STEPS_3_CACHED), *((steps, cached_row(steps)) for steps in (PEER_STEPS, 1000))):
        cases += _pair(row, "chain", steps, cached=True)
    for steps, row in ((3, STEPS_3_DURABLE), (100, durable_row(100))):
        cases += _pair(row, "chain", steps, durable=True)
    return cases


def _maps() -> list[Case]:
    cases = []
    for items in (3, PEER_STEPS, 1000):
        cases += _pair(map_row(items), "wide", items)
    return [*cases, *_pair(MAP_CACHED, "wide", 1000, cached=True)]


def _others() -> list[Case]:
    return [
        Case(ARRAY, OURS, _run("arrays.py:through_three")),
        Case(ARRAY, BY_HAND, _python("by_hand.py", "array", "{start}", "12500000")),
        Case(DEFINE, OURS, _python("define.py")),
        Case(DEFINE, BY_HAND, _python("define_by_hand.py")),
    ]


def _pair(row: str, kind: str, count: int, *, cached: bool = False, durable: bool = False) -> list[Case]:
    """A pipeline, and the same by hand."""
    ours = _run(f"pipelines.py:{kind}_{count}", *(["--stack", "durable"] if durable else []))
    by_hand = _python("by_hand.py", kind, "{start}", str(count), *(["--durable"] if durable else []))
    return [Case(row, OURS, ours, cached), Case(row, BY_HAND, by_hand, cached)]


def _run(target: str, *options: str) -> tuple[str, ...]:
    return _python("-m", "pipeglot", "run", target, "-p", "start={start}", *options)


def _python(*words: str) -> tuple[str, ...]:
    return (sys.executable, *words)
