"""Records that somebody has cut, changed, swapped or made up: refused by name, and in the way of no other run."""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from pipeglot.core.lineage.ledger import MAX_RECORD
from tests.unit.safety.conftest import Answer, Bench, signed

RECORDS = ("start", "verdict", "attempt", "checkpoint", "cancel", "end", "cache")
SCREEN = 24


def cut(bench: Bench, key: str, at: float) -> None:
    data = bench.read(key)
    bench.write(key, data[: int(at * len(data))])


def flipped(bench: Bench, key: str, at: float) -> None:
    data = bytearray(bench.read(key))
    data[int(at * (len(data) - 1))] ^= 0x41
    bench.write(key, bytes(data))


def swapped(bench: Bench, kind: str) -> None:
    one, other = bench.key(kind), bench.other_key(kind)
    assert one != other
    first, second = bench.read(one), bench.read(other)
    bench.write(one, second)
    bench.write(other, first)


def later(bench: Bench, key: str) -> None:
    bench.write(key, signed(bench.read(key).partition(b"\n")[2], format=2))


def unknown(bench: Bench, key: str) -> None:
    bench.change(key, lambda body: body.update(kind="rumour"))


def endless(bench: Bench, key: str) -> None:
    body = bench.read(key).partition(b"\n")[2]
    bench.write(key, signed(body[:-1] + b',"deep":' + b"[" * 200_000 + b"]" * 200_000 + b"}"))


def huge(bench: Bench, key: str) -> None:
    body = bench.read(key).partition(b"\n")[2]
    bench.write(key, signed(body[:-1] + b',"more":"' + b"x" * MAX_RECORD + b'"}'))


def untyped(bench: Bench, key: str) -> None:
    bench.change(key, lambda body: body.update({name: [[]] for name in body if name not in ("kind", "run")}))


def head(bench: Bench, key: str) -> None:
    """A number with more digits than Python reads."""
    bench.write(key, b"pipeglot " + b"9" * 5000 + bench.read(key)[10:])


WAYS: dict[str, Callable[[Bench, str], None]] = {
    "empty": lambda bench, key: cut(bench, key, 0),
    "cut in its head": lambda bench, key: cut(bench, key, 0.05),
    "cut in the middle": lambda bench, key: cut(bench, key, 0.6),
    "cut at its end": lambda bench, key: bench.write(key, bench.read(key)[:-1]),
    "a byte of its head flipped": lambda bench, key: flipped(bench, key, 0.01),
    "a byte of its body flipped": lambda bench, key: flipped(bench, key, 0.7),
    "of a later format": later,
    "of an unknown kind": unknown,
    "nested without end": endless,
    "larger than any": huge,
    "of other types": untyped,
    "with an endless number": head,
}


def clear(answer: Answer) -> Answer:
    assert "Traceback" not in answer.err
    assert "bug in pipeglot" not in answer.err
    assert answer.err.count("\n") < SCREEN
    return answer


def reads_the_rest(bench: Bench) -> None:
    """The other runs are there, whole, and can be gone on with."""
    listed = clear(bench("runs", "list", "--json"))
    assert listed.code == 0
    assert {run["run_id"] for run in listed.json} >= set(bench.others)
    other = bench.others[-1]
    for words in (("runs", "show", other), ("lineage", other, "--digest"), ("lineage", other), ("runs", "logs", other)):
        assert clear(bench(*words)).code == 0, words


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", RECORDS)
def test_a_damaged_record_is_named_and_all_others_are_read(bench: Bench, kind: str, way: str) -> None:
    key = bench.key(kind)
    WAYS[way](bench, key)
    reads_the_rest(bench)
    told = clear(bench("store", "verify"))
    assert told.code == 1
    assert f"`{key}`" in told.out
    shown = clear(bench("runs", "show", bench.first))
    if kind in ("start", "verdict"):
        assert shown.code == 1
        assert shown.out == ""
        assert f"`{key}`" in shown.err
        assert f"`{key}`" in bench("runs", "list").err
    elif kind != "end":
        assert shown.code == 0


@pytest.mark.parametrize("kind", RECORDS)
def test_a_record_in_the_place_of_another(bench: Bench, kind: str) -> None:
    """Each of the two is whole, and has its checksum."""
    key = bench.key(kind)
    swapped(bench, kind)
    told = clear(bench("store", "verify"))
    assert told.code == 1
    assert f"`{key}`" in told.out
    assert clear(bench("runs", "list", "--json")).code == 0
    shown = clear(bench("runs", "show", bench.first))
    assert shown.code == (1 if kind in ("start", "verdict") else 0)


@pytest.mark.parametrize("kind", RECORDS)
def test_unknown_fields_pass(bench: Bench, kind: str) -> None:
    """A later pipeglot may add some."""
    bench.change(bench.key(kind), lambda body: body.update(later={"a": [1]}))
    assert bench("store", "verify").code == 0
    assert bench("runs", "show", bench.first).code == 0
    assert len(bench("runs", "list", "--json").json) == 3


def test_a_record_that_is_cut_anywhere(bench: Bench) -> None:
    """At each length, sampled: never half a record."""
    key = bench.key("verdict")
    data = bench.read(key)
    for length in [*range(100), *random.Random(5).sample(range(100, len(data)), 40)]:
        bench.write(key, data[:length])
        shown = clear(bench("runs", "show", bench.first))
        assert shown.code == 1
        assert f"`{key}`" in shown.err
    bench.write(key, data)
    assert bench("runs", "show", bench.first).code == 0


# --- the pipeline, the values, the mark, the journal ------------------------------------------------------------------


@pytest.mark.parametrize("way", ["empty", "cut in the middle", "cut at its end", "a byte of its body flipped"])
def test_a_pipeline_that_is_damaged(bench: Bench, way: str) -> None:
    """All runs are of it, so none can be read; that is said of each, and the next run puts it right."""
    key = bench.key("ir")
    before = bench.read(key)
    WAYS[way](bench, key)
    listed = clear(bench("runs", "list", "--json"))
    assert (listed.code, listed.json) == (0, [])
    assert f"`{key}` does not match its name" in listed.err
    shown = clear(bench("runs", "show", bench.first))
    assert shown.code == 1
    assert f"`{key}` does not match its name" in shown.err
    assert "--no-cache" not in shown.err
    assert bench("store", "verify").code == 1
    bench.write(key, before)
    assert len(bench("runs", "list", "--json").json) == 3


@pytest.mark.parametrize("way", ["empty", "cut in the middle", "a byte of its body flipped"])
def test_a_value_that_is_damaged(bench: Bench, way: str) -> None:
    key = bench.key("blob")
    WAYS[way](bench, key)
    reads_the_rest(bench)
    told = bench("store", "verify")
    assert told.code == 1
    assert f"`{key}`" in told.out
    blob = key.rpartition("/")[2]
    holders = [f"{run}/large/output" for run in (bench.first, *bench.others) if blob in verdict_of(bench, run, "large")]
    got = clear(bench("artifact", "get", holders[0], "-o", "out.bin"))
    assert got.code == 1
    assert f"blob `{key}`" in got.err
    assert "hint: run the step that made it again" in got.err
    assert not (bench.root / "out.bin").exists()
    assert bench.run("run", "flow.py", "--no-cache").code == 0
    assert bench.run("run", "flow.py", "--no-cache", "-p", "n=3").code == 0
    assert bench("store", "verify").code == 0


def verdict_of(bench: Bench, run: str, step: str) -> str:
    return bench.read(f"runs/{run}/v/{step}/-/1").decode()


@pytest.mark.parametrize(
    "mark", ["", "{", "[1]", '{"format": "x"}', '{"format": 99}', '{"format": true}', "[" * 100_000]
)
def test_a_mark_that_is_none(bench: Bench, mark: str) -> None:
    before = bench.read("store.json")
    bench.write("store.json", mark.encode())
    for words in (("runs", "list"), ("store", "verify"), ("runs", "show", "latest"), ("plan", "flow.py")):
        answer = clear(bench(*words))
        assert answer.code == 1
        assert str(bench.store) in answer.err
        assert "hint: " in answer.err
    bench.write("store.json", before)
    assert len(bench("runs", "list", "--json").json) == 3


@pytest.mark.parametrize(
    "name",
    ["x", "20260101T000000.000000-../../../etc-12345678", "20260101T000000.000000-" + "a" * 24 + "-1", "\x1b[31m"],
)
def test_a_marker_of_no_run(bench: Bench, name: str) -> None:
    path = bench.store / "journal" / name.replace("/", "_")
    path.write_bytes(b"")
    assert len(clear(bench("runs", "list", "--json")).json) == 3
    reads_the_rest(bench)
    assert "\x1b" not in bench("store", "verify").out


# --- what it says -----------------------------------------------------------------------------------------------------

LIES: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("start", lambda body: body.update(created="yesterday")),
    ("start", lambda body: body.update(created="9999-12-31T23:59:59-23:59")),
    ("start", lambda body: body.update(logical_date="")),
    ("start", lambda body: body.update(params={"n": {"~r": [0, 10**15, 1]}, "mode": "FAST"})),
    ("start", lambda body: body.update(params={"n": {"~F": [1, 0]}, "mode": "FAST"})),
    ("start", lambda body: body.update(params={"n": {"~n": ["V1000000000000", 10**12]}, "mode": "FAST"})),
    ("start", lambda body: body.update(params={})),
    ("start", lambda body: body["params"].update(mode=[])),
    ("start", lambda body: body.update(ir="")),
    ("start", lambda body: body.update(ir="../../store.json")),
    ("start", lambda body: body.update(engine={"pid": "9" * 5000, "host": "x"})),
    ("start", lambda body: body.update(artifacts={"n": body["engine"]})),
    ("end", lambda body: body.update(finished="never")),
    ("end", lambda body: body.update(finished="2026-01-01")),
    ("end", lambda body: body.update(number=10**30)),
    ("end", lambda body: body.update(status="splendid")),
    ("verdict", lambda body: body["observed"].update(attempt=10**30)),
    ("verdict", lambda body: body["observed"].update(metrics={"x": {"~b": "AA=="}})),
    ("verdict", lambda body: body["observed"]["refs"]["output"].update(size=10**30)),
    ("verdict", lambda body: body["observed"]["refs"]["output"].update(size=-1)),
    ("verdict", lambda body: body.update(index=[10**30])),
    ("cache", lambda body: body.update(computed="soon")),
    ("cache", lambda body: body.update(computed="2026-01-01")),
]


@pytest.mark.parametrize(("kind", "lie"), LIES, ids=[f"{kind}-{i}" for i, (kind, _) in enumerate(LIES)])
def test_what_no_record_says(bench: Bench, kind: str, lie: Callable[[dict[str, Any]], object]) -> None:
    bench.change(bench.key(kind), lie)
    reads_the_rest(bench)
    for words in (("runs", "show", bench.first), ("store", "verify"), ("plan", "flow.py"), ("lineage", bench.first)):
        clear(bench(*words))


def test_a_list_of_as_many_items_as_nobody_has(bench: Bench) -> None:
    """A map would step through it without end."""

    def lie(body: dict[str, Any]) -> None:
        body["observed"]["refs"]["output"]["length"] = 10**12

    key = f"runs/{bench.first}/v/numbers/-/1"
    bench.change(key, lie)
    reads_the_rest(bench)
    shown = clear(bench("runs", "show", bench.first))
    assert "1,000,000,000,000 items, and at most 1,000,000 are taken" in shown.out


def test_runs_that_resume_each_other(bench: Bench) -> None:
    """A circle of records has no end; a run that asks its way through it has."""
    one, other = bench.first, bench.others[0]
    for run, before in ((one, other), (other, one)):
        bench.change(f"runs/{run}/start", functools.partial(dict.update, resumes=before))
        bench.change(f"runs/{run}/end/1", functools.partial(dict.update, status="failed"))
        for step in ("last", "large"):
            (bench.store / f"runs/{run}/v/{step}/-/1").unlink()
    (bench.store / f"runs/{one}/end/1").unlink()
    (bench.store / f"runs/{one}/c/large/-/1").unlink()
    (bench.store / f"runs/{other}/c/large/-/1").unlink()
    for entry in (bench.store / "cache").iterdir():
        entry.unlink()
    done = bench.run("runs", "resume", one)
    assert done.code == 0, done.err


def test_a_hint_is_no_command_of_the_record(bench: Bench) -> None:
    """What a person pastes into a shell has quotes around what a record names."""

    def lie(body: dict[str, Any]) -> None:
        body["observed"]["cached"] = {"run": bench.first, "step": "; touch pwned", "index": []}
        del body["observed"]["log"]

    bench.change(f"runs/{bench.first}/v/numbers/-/1", lie)
    assert "logs " + bench.first[:10] + " '; touch pwned'" in bench("runs", "logs", bench.first, "numbers").err


def test_escapes_in_every_text_of_every_record(bench: Bench) -> None:
    """A terminal is to obey nothing that a record says."""
    evil = "\x1b]0;title\x07\x1b[2J\x9b31m\u202eevil\r"

    def poison(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: poison(item) for name, item in value.items()}
        return evil if isinstance(value, str) and not value.isalnum() and "T" not in value else value

    for kind in ("start", "verdict", "attempt", "end", "cache", "cancel"):
        key = bench.key(kind)
        body = {
            name: poison(item) if name not in ("artifacts", "kind", "run") else item
            for name, item in bench.body(key).items()
        }
        bench.write(key, signed(json.dumps(body).encode()))
        for words in READERS:
            answer = clear(bench(*about(words, bench.first)))
            assert not set("\x1b\x9b\x07\r\u202e") & set(answer.out + answer.err), (kind, words)


def about(words: tuple[str, ...], run: str) -> list[str]:
    return [word.replace("RUN", run) for word in words]


READERS = [
    ("runs", "list"),
    ("runs", "show", "RUN"),
    ("runs", "logs", "RUN"),
    ("lineage", "RUN"),
    ("lineage", "RUN", "--table"),
    ("cache", "explain", "RUN", "last"),
    ("store", "verify"),
    ("artifact", "list", "RUN"),
    ("artifact", "show", "RUN/last/output"),
]
