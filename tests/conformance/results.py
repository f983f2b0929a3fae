"""What the cases gave on real engines: kept in `results/`, one file for each engine, and shown on the support matrix.

`make conformance` writes them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from pipeglot.client.sandboxes import find_engine
from pipeglot.core.features import Capabilities, Feature, Level, needs
from tests.conformance import flows, flows_live, native
from tests.conformance.backends import ENGINES, Engine
from tests.conformance.cases import CASES, LIVE

FOLDER = Path(__file__).parent / "results"
ALL = (*CASES, *LIVE)


class Results(Struct, frozen=True, kw_only=True):
    """A run of all cases on one engine.

    engine: what it ran on, with its exact version. date: when.
    cases: `equal` if states, attempts, errors, metrics and lineage digest were those of the local runner; or `differs`.
    """

    engine: str
    date: str
    cases: dict[str, str]


class Tally:
    """The outcomes of one run of the tests, by engine and case."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, str]] = {}

    @contextmanager
    def of(self, engine: str, case: str) -> Iterator[None]:
        """Around what holds a case against the local runner."""
        assert case in ALL, "else no results would be kept"
        cases = self.found.setdefault(engine, {})
        cases[case] = "differs"
        yield
        cases[case] = "equal"

    def keep(self) -> None:
        """Write the results of every engine that has run all of them, now or before on the same day."""
        today = dt.datetime.now(dt.UTC).date().isoformat()
        before = {one.engine: one.cases for one in read() if one.date == today}
        for engine, cases in self.found.items():
            known, wanted = {**before.get(engine, {}), **cases}, cases_of(engine)
            if set(known) >= set(wanted):
                _write(Results(engine=engine, date=today, cases={case: known[case] for case in wanted}))


def cases_of(title: str) -> list[str]:
    """All that an engine of this name may run."""
    return [case for case in ALL if case not in _engine(title).lacks]


def _engine(title: str) -> Engine:
    return next(one for one in ENGINES.values() if title.startswith(find_engine(one.backend).title))


def _write(found: Results) -> None:
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{found.engine.lower().replace(' ', '-').partition('.')[0]}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")


def read() -> list[Results]:
    """Those that are kept, the newest version of an engine first."""
    found = [msgspec.json.decode(path.read_bytes(), type=Results) for path in FOLDER.glob("*.json")]
    return sorted(found, key=lambda one: one.engine, reverse=True)


def features_of(case: str) -> set[Feature]:
    """What the pipelines of a case need of their backend."""
    if case in LIVE:
        made = [getattr(flows_live, name, None) or getattr(native, name) for name in LIVE[case]]
    else:
        made = [getattr(flows, CASES[case].pipeline)]
    return {feature for one in made for feature in needs(one.trace().pipeline)}


def uncovered(backend: str, claimed: Capabilities) -> list[Feature]:
    """What a backend claims, and no case that it runs needs."""
    needed = {feature for case in cases_of(find_engine(backend).title) for feature in features_of(case)}
    return [
        feature
        for feature, support in claimed.items()
        if support.level in (Level.NATIVE, Level.EMULATED) and feature not in needed
    ]


# --- on the support matrix --------------------------------------------------------------------------------------------

_HEAD = """\
## Seen on real engines

Small pipelines, one for each thing that can go its own way, are run on the engine itself and on the local runner, each
with an empty store: states, attempts, errors, metrics and the lineage digest must be equal. So must runs that nobody of
ours started, and what can happen to a run. The table counts the cases that need a feature and were equal.
"""


def section() -> str:
    """What is told of them below the matrix."""
    found = read()
    lines = [_HEAD, *(f"- **{one.engine}**, {one.date}: {_told(one)}" for one in found)]
    lines += ["", _line(["feature", *(one.engine for one in found)]), _line(["---"] * (len(found) + 1))]
    needed: Mapping[str, set[Feature]] = {case: features_of(case) for case in ALL}
    for feature in Feature:
        counts = [sum(feature in needed[case] for case in _equal(one)) for one in found]
        if any(counts):
            lines.append(_line([feature.value, *(str(count) if count else "–" for count in counts)]))
    return "\n".join(lines) + "\n"


def _equal(results: Results) -> list[str]:
    return [case for case, outcome in results.cases.items() if outcome == "equal" and case in ALL]


def _told(results: Results) -> str:
    known = [case for case in results.cases if case in ALL]
    differing = [case for case in known if results.cases[case] != "equal"]
    told = f"{len(_equal(results))} of {len(known)} cases were equal"
    told = f"{told}; not: {', '.join(differing)}" if differing else told
    simulator = _engine(results.engine).simulator
    return f"{told}; {simulator}" if simulator else told


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def page() -> str:
    """The whole page of the documentation."""
    from pipeglot.client.matrix import markdown

    return f"{markdown()}\n{section()}"


if __name__ == "__main__":
    import sys

    sys.stdout.write(page())
