"""Parameters that an engine does not carry: in the store, verified, and known to whoever joins the run."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import structs

from pipeglot.core.artifacts.blobs import Blobs, blob_key
from pipeglot.core.errors import Corrupt, ParamError
from pipeglot.core.store.base import Store
from pipeglot.core.task import held as module
from pipeglot.core.task.held import Held, hold, read_held
from pipeglot.core.task.joining import RESERVED, EngineRun, Wishes, wishes_text
from tests.unit.runtime_local.conftest import work
from tests.unit.task.conftest import Engine


@pytest.fixture
def store(engine: Engine) -> Store:
    return engine.store


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"text": "", "names": [], "table": {}, "no": None},
        {"text": "{{workflow.name}} {{$}} python3 'it''s' \"so\" \\ \0 \n é😀\u2028"},
        {"text": "\ud800"},
        {"number": 2**200, "ratio": -0.0, "small": 5e-324, "flag": True, "NaN": "NaN"},
        {"b": {"z": 1, "a": [1, 1.0]}, "a": 2},
        {"large": "é" * 1_000_000},
    ],
    ids=lambda values: ",".join(values),
)
def test_what_is_put_there_comes_back_as_it_was(store: Store, values: dict[str, Any]) -> None:
    held = hold(values, store)
    assert held.names == tuple(values)
    assert hold(values, store) == held, "once for each content"
    assert repr(read_held(held, store)) == repr(values)
    sent = msgspec.json.decode(msgspec.json.encode(wishes_text(Wishes(held=held))))
    assert read_held(msgspec.convert(sent["held"], Held), store) == values


def test_a_run_has_what_was_held_in_place_of_what_the_engine_passes(engine: Engine) -> None:
    engine.deploy(work("one"))
    held = hold({"n": 2**60}, engine.store)
    engine.run = EngineRun(id="manual__3", params={"n": 0, RESERVED: wishes_text(Wishes(held=held, tags={"a": "b"}))})
    start = engine.task().start
    assert (start.params, start.tags) == ({"n": 2**60}, {"a": "b"})


def test_it_is_held_against_its_type_as_all_others(engine: Engine) -> None:
    engine.deploy(work("one"))
    held = hold({"n": "many", "m": 1}, engine.store)
    engine.run = EngineRun(id="manual__3", params={RESERVED: wishes_text(Wishes(held=held))})
    with pytest.raises(ParamError) as caught:
        engine.task()
    assert "parameter `n` must be int, not 'many'" in caught.value.message
    assert "there is no parameter `m`" in caught.value.message


def test_it_is_gone(store: Store) -> None:
    held = hold({"a": 1, "b": 2}, store)
    key = blob_key(held.week, held.blob)
    store.delete(key)
    with pytest.raises(Corrupt) as caught:
        read_held(held, store)
    assert caught.value.message == (
        f"what this run was given for `a`, `b` is gone: the store `{store.uri}` has no blob `{key}`"
    )
    assert caught.value.hint == "start the run anew: `pipeglot run` puts it there again"
    assert hold({"a": 1, "b": 2}, store) == held
    assert read_held(held, store) == {"a": 1, "b": 2}


def test_it_was_changed(store: Store) -> None:
    held = hold({"text": "good"}, store)
    key = blob_key(held.week, held.blob)
    store.delete(key)
    store.put(key, b'{"text":"evil"}')
    with pytest.raises(Corrupt, match=r"what this run was given for `text` is damaged: blob `.*` of `.*` should have"):
        read_held(held, store)
    assert hold({"text": "good"}, store) == held, "who holds good bytes repairs bad ones"
    assert read_held(held, store) == {"text": "good"}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"[1]", "what this run was given for `text` is no JSON object"),
        (b"{", "what this run was given for `text` is no JSON: Expecting property name"),
        (b"[" * 100_000, "what this run was given for `text` is no JSON: maximum recursion depth"),
    ],
)
def test_what_nobody_of_ours_has_put_there(store: Store, data: bytes, told: str) -> None:
    held = hold({}, store)
    forged = structs.replace(held, names=("text",), blob=Blobs(store).keep_bytes(data, held.week))
    with pytest.raises(Corrupt) as caught:
        read_held(forged, store)
    assert caught.value.message.startswith(told)


def test_it_is_larger_than_anything_of_ours(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 1 << 20)
    held = hold(dict.fromkeys("abcdef", "x" * 200_000), store)
    with pytest.raises(Corrupt) as caught:
        read_held(held, store)
    assert caught.value.message == (
        "what this run was given for `a`, `b`, `c`, `d`, `e` and more has 1,200,043 bytes, and 1 MB are the most"
    )


def test_a_place_that_is_none(store: Store) -> None:
    with pytest.raises(Corrupt, match=r"`\.\./x` names no blob"):
        read_held(Held(names=("a",), week="..", blob="x"), store)
