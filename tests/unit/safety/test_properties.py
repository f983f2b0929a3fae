"""Whatever stands in a record, readers tell what is wrong with that run, and read all others."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeglot.cli.output import as_json
from pipeglot.client.html.page import run_html
from pipeglot.client.listing import list_runs
from pipeglot.client.records import Records
from pipeglot.client.text import safe, safe_painted
from pipeglot.client.verify import verify
from pipeglot.core import plain
from pipeglot.core.errors import Corrupt, NewerFormat, PipeglotError, StoreError, ValueRefused
from pipeglot.core.lineage.index.queries import RunFilter
from pipeglot.core.lineage.index.sqlite import FileDatabase
from pipeglot.core.lineage.index.sync import sync
from pipeglot.core.lineage.ledger import unpack
from pipeglot.core.placeholders import Instance, Part
from pipeglot.core.store import open_store
from pipeglot.stacks.workspace import bare_workspace
from tests.unit.safety.conftest import signed

TAGS = [
    "~t",
    "~s",
    "~fs",
    "~m",
    "~od",
    "~ct",
    "~dd",
    "~dq",
    "~o",
    "~v",
    "~i",
    "~f",
    "~c",
    "~u",
    "~b",
    "~D",
    "~d",
    "~dt",
    "~tm",
    "~td",
    "~ba",
    "~r",
    "~F",
    "~pp",
    "~pw",
    "~id",
    "~n",
    "~pT",
    "~pD",
    "~x",
]
ODD = [
    *(None, True, -1, 2**31 + 1, 2**63, -(2**70), 1e308, "", "../../x", "\x1b[31m\u202e", "a" * 64, "a" * 24, "f" * 70),
    *("2026-01-01", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "pickle/1", "items/1", "tree/1", "dir/1"),
]
SCALARS = st.one_of(
    st.sampled_from(ODD), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=9)
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(max_size=5), inner, max_size=3),
        st.builds(lambda tag, content: {tag: content}, st.sampled_from(TAGS), inner),
    ),
    max_leaves=8,
)


class Ledgers:
    """The runs of a store, of which one record is not as it was."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = root / ".pipeglot/store"
        markers = sorted(path.name for path in (self.store / "journal").iterdir())
        self.first, *self.others = [name.split("-")[1] for name in markers]
        found = (path for kind in ("runs", "cache") for path in (self.store / kind).rglob("*") if path.is_file())
        self.keys = sorted(found, key=self.order)
        assert len(self.keys) > 20

    def order(self, path: Path) -> tuple[int, tuple[str, ...]]:
        """Of the records as the runs wrote them: not by ids, which are others each time."""
        run, *rest = path.relative_to(self.store).parts[1:]
        place = [self.first, *self.others].index(run) if rest else len(self.others) + 1
        return place, tuple(rest)

    def read_all(self, trusted: bool) -> None:
        """As `runs list`, `runs show`, `store verify` and a notebook do."""
        store = open_store(self.store, trusted=trusted)
        records = Records(bare_workspace(self.root), store)
        with FileDatabase(None) as database:
            found = sync(database, records.ledger, records.artifacts, lambda _: None)
            listed = list_runs(Listed(database, records), RunFilter())  # type: ignore[arg-type]  # all that is asked of one
            assert {run.run_id for run in listed.runs} | {self.first} >= {self.first, *self.others} - self.named(
                found.unreadable
            )
        for run in (self.first, *self.others):
            self.show(records, run)
        verify(store, quick=True, progress=lambda _: None)

    def forge(self, path: Path, body: bytes, trusted: bool) -> None:
        """With that for a record, all is read; then the record is as it was."""
        before = path.read_bytes()
        path.chmod(0o600)
        path.write_bytes(signed(body))
        try:
            self.read_all(trusted)
        finally:
            path.write_bytes(before)

    def named(self, told: list[str]) -> set[str]:
        """The runs that were said to be left out."""
        return {run for run in (self.first, *self.others) if any(run in one for one in told)}

    def show(self, records: Records, run: str) -> None:
        with contextlib.suppress(PipeglotError):
            found = records.run(run)
            view = found.view
            as_json(view)
            run_html(found, view, records.end(run))


class Listed:
    """An index that is read already."""

    def __init__(self, database: FileDatabase, records: Records) -> None:
        self.database = database
        self.records = records
        self.tell = lambda _: None

    def ask(self, question: Any) -> Any:
        return question(self.database.connection)


@pytest.fixture(scope="module")
def ledgers(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Ledgers:
    root = tmp_path_factory.mktemp("properties") / "project"
    shutil.copytree(made, root)
    return Ledgers(root)


def places(tree: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    if isinstance(tree, dict | list):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from places(value, (*at, key))


def changed(body: bytes, choose: Any, value: Any) -> bytes:
    tree = json.loads(body)
    *way, last = choose(list(places(tree)))
    inner = tree
    for key in way:
        inner = inner[key]
    inner[last] = value
    return json.dumps(tree).encode()


def test_every_place_of_every_kind_of_record(ledgers: Ledgers) -> None:
    """Each is forged twice, by other values: in a suite that says the same each time."""
    values: Iterator[Any] = itertools.cycle([*ODD, [], {}, [1], ["x"], 1.5, {"~o": 1}, {"x": [{}]}])
    met = set()
    for path in ledgers.keys:
        before = path.read_bytes()
        body = before.partition(b"\n")[2]
        tree = json.loads(body)
        for at in places(tree):
            if (tree["kind"], at) in met:
                continue
            met.add((tree["kind"], at))
            for trusted in (False, True):
                ledgers.forge(path, changed(body, lambda _: at, next(values)), trusted)  # noqa: B023  # called at once
    assert len(met) > 100


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data(), value=ANYTHING, trusted=st.booleans())
def test_a_forged_record_is_in_the_way_of_no_other_run(ledgers: Ledgers, data: Any, value: Any, trusted: bool) -> None:
    path = data.draw(st.sampled_from(ledgers.keys))
    body = changed(path.read_bytes().partition(b"\n")[2], lambda found: data.draw(st.sampled_from(found)), value)
    ledgers.forge(path, body, trusted)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_bytes_are_a_record_or_refused(data: bytes) -> None:
    for one in (data, signed(data), signed(b'{"kind":"cancel","run":"r","at":"' + data + b'"}')):
        told = ""
        try:
            unpack(one, "some/key")
        except (Corrupt, NewerFormat) as error:
            told = error.message
        assert not told or "`some/key`" in told


@settings(max_examples=500, deadline=None)
@given(ANYTHING)
def test_tagged_data_is_read_or_refused(tree: Any) -> None:
    told = ""
    try:
        plain.decode(tree)
    except (StoreError, ValueRefused) as error:
        told = error.message
    assert not told or "`~" in told


def test_instances_and_parts_stay_what_they_are() -> None:
    """Nothing is imported that data names."""
    assert isinstance(plain.decode({"~o": ["dataclass", "no_such_module:X", None, {}]}), Instance)
    assert isinstance(plain.decode({"~v": 0}), Part)


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(codec=None, exclude_categories=())))
def test_what_is_shown_is_obeyed_by_no_terminal(text: str) -> None:
    for shown in (safe(text), safe_painted(text)):
        assert (
            all(char == "\n" or char == "\t" or char >= " " for char in shown.replace("\x1b[31m", ""))
            or "\x1b[" in shown
        )
    assert "\x1b" not in safe(text)
    assert safe_painted(f"\x1b[32m{text}\x1b[0m").startswith("\x1b[32m")
