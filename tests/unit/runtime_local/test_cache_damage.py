"""The cache over a damaged store: no value of another kind, nor of other bytes, is ever taken for a result.

Whatever was damaged, at most one run fails, with a message that names the value; the next one has made it anew.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET, structs

from pipeglot.core import plain
from pipeglot.core.ir import Cache, CodeRef, Step
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.arguments import Given
from pipeglot.core.lineage.cache import cache_key
from pipeglot.core.lineage.ledger import FORMAT, pack
from tests.unit.lineage.build import const, out
from tests.unit.runtime_local.conftest import Bench, work
from tests.unit.runtime_local.kinds import KINDS, make, told


def flip(data: bytes) -> bytes:
    """Another byte in the middle."""
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


DAMAGE: dict[str, Callable[[bytes], bytes | None]] = {
    "missing": lambda _: None,
    "empty": lambda _: b"",
    "short": lambda data: data[:-1],
    "long": lambda data: data + b"x",
    "flipped": flip,
    "zeros": lambda data: bytes(len(data)),
}


def kind_step(name: str, **inputs: Any) -> Step:
    code = CodeRef(module="tests.unit.runtime_local.kinds", qualname=name, digest=plain.digest(name))
    return Step(id=name, code=code, inputs=inputs, cache=Cache(enabled=name == "make"))


def blobs(bench: Bench) -> list[Path]:
    return sorted(path for path in (bench.folder / "store" / "blobs").rglob("*") if path.is_file())


def damage(path: Path, how: str) -> None:
    data = DAMAGE[how](path.read_bytes())
    path.unlink()
    if data is not None:
        path.write_bytes(data)


@pytest.fixture
def here(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Steps run in a folder that may be written to."""
    monkeypatch.chdir(bench.folder)
    return bench


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_blob_is_never_a_result(here: Bench, kind: str, how: str) -> None:
    nodes = kind_step("make", kind=const(kind)), kind_step("told", x=out("make"))
    settings: dict[str, Any] = {"root": str(here.folder), "inline": True}
    first = here.run(*nodes, **settings)
    assert first.status == "succeeded"
    expected = here.value(first, "told")
    assert expected == told(make(kind))
    assert blobs(here)
    for place in range(len(blobs(here))):
        blob = blobs(here)[place]
        damage(blob, how)
        broken = here.run(*nodes, **settings)
        if broken.status == "failed":
            error = here.step(broken, "told").error
            assert error is not None
            assert (error.cause, error.type) == ("input", "Corrupt")
            assert error.message.startswith("`x")
            assert "is damaged" in error.message
            assert "run the step that made it again" in error.hint
            broken = here.run(*nodes, **settings)
        assert broken.status == "succeeded"
        assert not here.step(broken, "make").cached
        assert here.value(broken, "told") == expected
        again = here.run(*nodes, **settings)
        assert here.step(again, "make").cached, "the store is whole again"
        assert here.value(again, "told") == expected


# --- entries ----------------------------------------------------------------------------------------------------------

SMALL = work("add", given={"x": 1})
OTHER = work("add", given={"x": 2})
KEY = cache_key(SMALL, {"x": Given(value=1)})
USE = work("use", "add", inputs={"x": out("add")}, cache=Cache(enabled=False))


def entry_file(bench: Bench, key: str = KEY) -> Path:
    return bench.folder / "store" / keys.cache(key)


def replace(path: Path, data: bytes | None) -> None:
    path.unlink()
    if data is not None:
        path.write_bytes(data)


def forged(bench: Bench, **changes: Any) -> bytes:
    """The entry with other fields, and a checksum that fits: what only somebody with a program can do."""
    entry = bench.ledger.cache_entry(KEY)
    assert entry is not None
    return pack(structs.replace(entry, **changes))


def with_ref(bench: Bench, **changes: Any) -> bytes:
    entry = bench.ledger.cache_entry(KEY)
    assert entry is not None
    return forged(bench, refs={"output": structs.replace(entry.refs["output"], **changes)})


def _edited(bench: Bench) -> bytes:
    """Another value written in with an editor: nobody has an sha256 at hand."""
    data = entry_file(bench).read_bytes()
    edited = data.replace(b'"inline":1', b'"inline":7')
    assert edited != data
    return edited


def _damaged(how: str) -> Callable[[Bench], bytes | None]:
    return lambda bench: DAMAGE[how](entry_file(bench).read_bytes())


FORGED: dict[str, tuple[Callable[[Bench], bytes | None], str]] = {
    **{name: (_damaged(name), "nothing was computed from these inputs yet") for name in DAMAGE},
    "edited": (_edited, "nothing was computed from these inputs yet"),
    "that of other inputs": (
        lambda bench: entry_file(bench, cache_key(OTHER, {"x": Given(value=2)})).read_bytes(),
        "nothing was computed from these inputs yet",
    ),
    "a record of another kind": (
        lambda bench: next((bench.folder / "store" / "runs").rglob("v/add/-/1")).read_bytes(),
        "nothing was computed from these inputs yet",
    ),
    "other outputs": (lambda bench: forged(bench, refs={}), "the cached result has other outputs"),
    "a blob that is not there": (
        lambda bench: with_ref(bench, inline=UNSET, week="2026-W01", blob="0" * 64, size=9),
        "the artifact of output `output` is gone",
    ),
    "a week that is a path": (
        lambda bench: with_ref(bench, inline=UNSET, week="../../..", blob="0" * 64, size=9),
        "the artifact of output `output` is gone",
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_damaged_entry_is_never_a_result(here: Bench, name: str) -> None:
    here.run(SMALL, inline=True)
    here.run(OTHER, inline=True)
    make_it, why = FORGED[name]
    replace(entry_file(here), make_it(here))
    broken = here.run(SMALL, USE, inline=True)
    assert broken.status == "succeeded"
    step = here.step(broken, "add")
    assert (step.cached, step.why) == (False, why)
    assert here.value(broken, "use") == 1
    again = here.run(SMALL, USE, inline=True)
    assert here.step(again, "add").cached, "the good entry took its place"
    assert here.value(again, "use") == 1


def test_inline_bytes_that_are_not_what_they_were_fail_their_consumer_once(here: Bench) -> None:
    here.run(SMALL, inline=True)
    replace(entry_file(here), with_ref(here, inline=7))
    broken = here.run(SMALL, USE, inline=True)
    error = here.step(broken, "use").error
    assert error is not None
    assert error.message.startswith("`x` is damaged: its reference should have sha256 ")
    again = here.run(SMALL, USE, inline=True)
    assert not here.step(again, "add").cached
    assert here.value(again, "use") == 1


def test_an_entry_of_a_later_pipeglot_is_left_alone(here: Bench) -> None:
    here.run(SMALL, inline=True)
    later = entry_file(here).read_bytes().replace(b"pipeglot %d " % FORMAT, b"pipeglot %d " % (FORMAT + 1), 1)
    replace(entry_file(here), later)
    for _ in range(2):
        view = here.run(SMALL, inline=True)
        assert (view.status, here.step(view, "add").cached) == ("succeeded", False)
    assert entry_file(here).read_bytes() == later


# --- time and environment ---------------------------------------------------------------------------------------------

HOUR = dt.timedelta(hours=1)


def aged(bench: Bench, computed: str) -> str | None:
    """Why a result with `expires` of an hour, dated so, is not taken; None if it is."""
    step = structs.replace(SMALL, cache=Cache(expires=3600.0))
    bench.run(step, inline=True)
    replace(entry_file(bench), forged(bench, computed=computed))
    found = bench.step(bench.run(step, inline=True), "add")
    return None if found.cached else found.why


@pytest.mark.parametrize(
    ("age", "why"),
    [
        (-0.9 * HOUR, None),
        (0 * HOUR, None),
        (0.9 * HOUR, None),
        (1.1 * HOUR, "the cached result expired: it is 39"),
        (1000 * HOUR, "the cached result expired: it is 3600000 s old"),
        (-1.1 * HOUR, "the cached result is dated 39"),
        (-1000 * HOUR, "the cached result is dated 3"),
    ],
    ids=str,
)
def test_expiry_by_a_clock_that_may_be_wrong(here: Bench, age: dt.timedelta, why: str | None) -> None:
    """A clock that went back, or one that was years ahead: a result is kept for at most twice its time."""
    found = aged(here, (dt.datetime.now(dt.UTC) - age).isoformat())
    assert found is None if why is None else str(found).startswith(why)


@pytest.mark.parametrize(
    "computed", ["", "yesterday", "2026-01-01", "9999-99-99T00:00:00+00:00", "2026-01-01T00:00:00"]
)
def test_a_time_that_is_none(here: Bench, computed: str) -> None:
    assert aged(here, computed) == "the cached result does not say when it was computed"


def test_a_wrong_time_is_no_matter_without_expiry(here: Bench) -> None:
    here.run(SMALL, inline=True)
    replace(entry_file(here), forged(here, computed="yesterday"))
    assert here.step(here.run(SMALL, inline=True), "add").cached


def test_a_result_that_expired_is_replaced_and_counts_anew(here: Bench) -> None:
    aged(here, (dt.datetime.now(dt.UTC) - 2 * HOUR).isoformat())
    step = structs.replace(SMALL, cache=Cache(expires=3600.0))
    assert here.step(here.run(step, inline=True), "add").cached


@pytest.mark.parametrize(
    ("needs", "why"),
    [
        ({"python": "2.7"}, "made with python 2.7, and here is 3."),
        ({"numpy": "0.1.0"}, "made with numpy 0.1.0, and here is "),
        ({"not-installed-here": "1.0"}, "made with not-installed-here 1.0, and here is nothing"),
    ],
    ids=str,
)
def test_an_opaque_result_of_another_environment_is_made_anew(here: Bench, needs: dict[str, str], why: str) -> None:
    here.run(SMALL, inline=True)
    replace(entry_file(here), with_ref(here, opaque=True, needs=needs))
    found = here.step(here.run(SMALL, inline=True), "add")
    assert not found.cached
    assert found.why.startswith(why)
    assert here.step(here.run(SMALL, inline=True), "add").cached


def test_an_opaque_result_of_another_patch_release_is_taken(here: Bench) -> None:
    import numpy as np

    here.run(SMALL, inline=True)
    major, minor, *_ = np.__version__.split(".")
    replace(entry_file(here), with_ref(here, opaque=True, needs={"numpy": f"{major}.{minor}.999"}))
    assert here.step(here.run(SMALL, inline=True), "add").cached


@pytest.mark.parametrize(
    "changed", [{"cache": Cache(version="2")}, {"env": {"A": "1"}}, {"packages": ("x==2",)}], ids=str
)
def test_going_back_finds_the_older_result(here: Bench, changed: dict[str, Any]) -> None:
    """Another version or environment hides a result; it does not put another in its place."""
    here.run(SMALL, inline=True)
    assert not here.step(here.run(structs.replace(SMALL, **changed), inline=True), "add").cached
    assert here.step(here.run(structs.replace(SMALL, **changed), inline=True), "add").cached
    assert here.step(here.run(SMALL, inline=True), "add").cached
