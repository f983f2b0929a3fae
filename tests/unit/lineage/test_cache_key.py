"""The cache key: equal if and only if all that decides a step's results is equal.

That unequal plain values have unequal hashes is shown in `tests/unit/test_plain.py`, and of code in `tests/unit/code`.
"""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from pipeglot.core import plain
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.ir import Cache, CodeRef, Output, Resources, Retry, Returns, Step
from pipeglot.core.lineage.arguments import LISTED, Arg, Gathered, Given, Saved, Whole
from pipeglot.core.lineage.cache import cache_key
from pipeglot.core.lineage.records import Outline, Ref
from pipeglot.core.store import open_store
from tests.unit.lineage.build import out, ref

ROOT = Path(__file__).parents[3]
STEP = Step(id="s", code=CodeRef(module="m", qualname="f", digest="d" * 64))

# --- arguments --------------------------------------------------------------------------------------------------------

# fmt: off
VALUES: list[Any] = [
    None, True, False, 0, 1, 1.0, 0.0, -0.0, math.nan, math.inf, 2**64, "", "1", "a", b"a", b"", [], (), {}, [1], (1,),
    [1.0], [True], [0.0], [-0.0], {"a": 1}, {"a": True}, {"a": 1, "b": 2}, {"b": 1, "a": 2}, {1: 1}, {"1": 1}, {1},
    [[1]], "\udc80", "é", "e\u0301", "{{ x }}", "a\0b",
]
# fmt: on
"""Near each other, so that two of them are often drawn that a careless key would take for one."""

values = st.sampled_from(VALUES) | st.integers() | st.floats() | st.text(max_size=3) | st.binary(max_size=3)
leaves: st.SearchStrategy[Arg] = values.map(lambda value: Given(value=plain.encode(value))) | values.map(
    lambda value: Saved(ref=ref(value))
)
several = st.dictionaries(st.sampled_from("ab"), values.map(ref), max_size=2)
args: st.SearchStrategy[Arg] = st.recursive(
    leaves | several.map(lambda refs: Whole(returns=Returns(), refs=refs)),
    lambda inner: st.lists(inner, max_size=3).map(lambda items: Gathered(items=tuple(items))),
    max_leaves=4,
)
names = st.sampled_from(["x", "y", "X", "x_2"])


def identity(arg: Arg) -> Any:
    """What an argument is, told apart without any hash: by the canonical text of each value and where it stands."""
    match arg:
        case Given(value=value):
            return plain.canonical(plain.decode(value))
        case Saved(ref=saved):
            return plain.canonical(ARTIFACTS.load(saved))
        case Gathered(items=items):
            return [identity(item) for item in items]
        case Whole(refs=refs):
            return {name: plain.canonical(ARTIFACTS.load(saved)) for name, saved in refs.items()}


ARTIFACTS = Artifacts(open_store("/nonexistent/store"))


@given(st.dictionaries(names, args, max_size=3), st.dictionaries(names, args, max_size=3), st.data())
@settings(deadline=None)
def test_keys_are_equal_if_and_only_if_the_arguments_are(
    one: dict[str, Arg], other: dict[str, Arg], data: st.DataObject
) -> None:
    if one and data.draw(st.sampled_from([True, False])):  # a change of one argument, as small as may be
        name = data.draw(st.sampled_from(sorted(one)))
        other = one | {name: data.draw(args)}
    same = {name: identity(arg) for name, arg in one.items()} == {name: identity(arg) for name, arg in other.items()}
    assert (cache_key(STEP, one) == cache_key(STEP, other)) is same


@given(st.lists(st.tuples(names, args), unique_by=lambda pair: pair[0], max_size=4), st.randoms())
def test_the_order_of_arguments_is_no_matter(pairs: list[tuple[str, Arg]], random: Any) -> None:
    shuffled = random.sample(pairs, len(pairs))
    assert cache_key(STEP, dict(pairs)) == cache_key(STEP, dict(shuffled))


def test_every_pair_of_values_is_told_apart() -> None:
    keys = {cache_key(STEP, {"x": Given(value=plain.encode(value))}) for value in VALUES}
    assert len(keys) == len(VALUES)
    assert keys == {cache_key(STEP, {"x": Saved(ref=ref(value))}) for value in VALUES}, "whoever gave it"


@pytest.mark.parametrize("length", [1, 2, LISTED - 1, LISTED, LISTED + 1, 3 * LISTED])
def test_each_item_of_a_list_counts_and_its_place(length: int) -> None:
    items = [Saved(ref=ref(n)) for n in range(length)]
    lists = [items, items[:-1], [*items, items[0]], items[::-1] if length > 1 else [], [items[0], *items]]
    places = {0, length // 2, length - 1}
    lists += [[*items[:place], Saved(ref=ref("other")), *items[place + 1 :]] for place in places]
    found = [cache_key(STEP, {"x": Gathered(items=tuple(one))}) for one in lists]
    different = {tuple(one.ref.value for one in each) for each in lists}
    assert len(set(found)) == len(different)


# --- what is stored ---------------------------------------------------------------------------------------------------

STORED: dict[str, Any] = {
    "ints": np.array([1, 2]),
    "small ints": np.array([1, 2], "i4"),
    "floats": np.array([1.0, 2.0]),
    "zero": np.array([0.0, 2.0]),
    "minus zero": np.array([-0.0, 2.0]),
    "column": np.array([[1], [2]]),
    "row": np.array([[1, 2]]),
    "other byte order": np.array([1, 2], ">i8"),
    "turned": np.array([2, 1]),
    "frame": pd.DataFrame({"a": [1, 2]}),
    "frame of floats": pd.DataFrame({"a": [1.0, 2.0]}),
    "frame with another name": pd.DataFrame({"b": [1, 2]}),
    "frame with another index": pd.DataFrame({"a": [1, 2]}, index=[1, 2]),
    "frame with a named index": pd.DataFrame({"a": [1, 2]}, index=pd.Index([0, 1], name="i")),
    "frame with a gap": pd.DataFrame({"a": [1, None]}),
    "frame with two columns": pd.DataFrame({"a": [1, 2], "b": [1, 2]}),
    "frame with two columns turned": pd.DataFrame({"b": [1, 2], "a": [1, 2]}),
    "series": pd.Series([1, 2], name="a"),
    "polars": pl.DataFrame({"a": [1, 2]}),
    "table": pa.table({"a": [1, 2]}),
    "bytes": b"12",
    "list": [1, 2],
    "tuple": (1, 2),
    "list of arrays": [np.array([1, 2])],
    "tuple of arrays": (np.array([1, 2]),),
}


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(open_store(tmp_path / "store"))


def saved_key(artifacts: Artifacts, value: object) -> str:
    return cache_key(STEP, {"x": Saved(ref=artifacts.save(value, name="x", opaque_id=lambda: "id"))})


def test_every_pair_of_stored_values_is_told_apart(artifacts: Artifacts) -> None:
    keys = {name: saved_key(artifacts, value) for name, value in STORED.items()}
    assert len(set(keys.values())) == len(keys)
    assert keys == {name: saved_key(artifacts, value) for name, value in STORED.items()}


@given(st.binary(min_size=1, max_size=3000), st.data())
@settings(deadline=None, max_examples=50)
def test_every_bit_of_an_input_counts(data: bytes, draw: st.DataObject) -> None:
    at = draw.draw(st.integers(0, len(data) * 8 - 1))
    flipped = bytearray(data)
    flipped[at // 8] ^= 1 << at % 8
    for made in (ref, opaque):
        one, other = (cache_key(STEP, {"x": Saved(ref=made(each))}) for each in (data, bytes(flipped)))
        assert one != other


def opaque(data: bytes) -> Ref:
    """A value of which only the bytes are known. Where it comes from is no matter to the key: it may give others."""
    return Ref(value="here", blob=hashlib.sha256(data).hexdigest(), size=len(data), codec="pickle/1", opaque=True)


@pytest.mark.parametrize("content", ["ab", "ab\n", ""])
def test_files_count_by_content(artifacts: Artifacts, tmp_path: Path, content: str) -> None:
    one, other, more = tmp_path / "one.txt", tmp_path / "folder" / "other.txt", tmp_path / "more.txt"
    other.parent.mkdir()
    for path in (one, other):
        path.write_text(content)
    os.utime(other, (1, 1))
    other.chmod(0o700)
    more.write_text(content + "x")
    assert saved_key(artifacts, one) == saved_key(artifacts, other)
    assert saved_key(artifacts, one) != saved_key(artifacts, more)


def test_how_a_value_is_kept_is_no_matter() -> None:
    made = ref([1, 2])
    outline = Outline(lengths=[1, 2])
    for changes in ({"week": "2026-W01"}, {"size": 99}, {"outline": outline}, {"needs": {"numpy": "1"}}, {"length": 9}):
        other = Saved(ref=structs.replace(made, **changes))
        assert cache_key(STEP, {"x": other}) == cache_key(STEP, {"x": Saved(ref=made)})


# --- the step ---------------------------------------------------------------------------------------------------------

words = st.sampled_from(["a", "b", "ab", "", "A"])
MATTERS: dict[str, st.SearchStrategy[Any]] = {
    "code": st.sampled_from(["0" * 64, "1" * 64]).map(lambda digest: CodeRef(module="m", qualname="f", digest=digest)),
    "cache": words.map(lambda version: Cache(version=version)),
    "env": st.dictionaries(words, words, max_size=2),
    "packages": st.lists(words, max_size=2).map(tuple),
    "secrets": st.lists(words, max_size=2, unique=True).map(tuple),
}
NO_MATTER: dict[str, st.SearchStrategy[Any]] = {
    "id": words,
    "code": st.tuples(words, words).map(lambda place: CodeRef(module=place[0], qualname=place[1], digest="d" * 64)),
    "inputs": st.dictionaries(words, words.map(out), max_size=2),  # what they came to in the run is what counts
    "returns": words.map(lambda name: Returns(outputs=(Output(name=name),))),  # looked at when results are reused
    "after": st.lists(words, max_size=2).map(tuple),
    "trigger": st.sampled_from(["all_success", "all_done"]),
    "retry": st.integers(1, 5).map(lambda attempts: Retry(attempts=attempts)),
    "timeout": st.floats(1, 9),
    "cache": st.builds(Cache, enabled=st.booleans(), expires=st.none() | st.floats(0, 9)),
    "pool": words,
    "max_parallel": st.integers(1, 5),
    "resources": st.builds(Resources, cpu=st.floats(1, 9), gpu=st.integers(0, 2)),
    "priority": st.integers(),
    "tags": st.lists(words, max_size=2).map(tuple),
    "image": words,
    "doc": words,
    "asset": st.dictionaries(words, words, max_size=2),
}


def test_of_every_field_of_a_step_it_is_said_whether_it_matters() -> None:
    """Whoever adds one has to decide."""
    assert {*MATTERS, *NO_MATTER} == {*Step.__struct_fields__}


def decisive(step: Step) -> Any:
    return step.code.digest, step.cache.version, step.env, step.packages, frozenset(step.secrets)


@given(st.fixed_dictionaries({}, optional=MATTERS), st.fixed_dictionaries({}, optional=MATTERS))
def test_keys_are_equal_if_and_only_if_what_a_step_declares_is(one: dict[str, Any], other: dict[str, Any]) -> None:
    first, second = structs.replace(STEP, **one), structs.replace(STEP, **other)
    assert (cache_key(first, {}) == cache_key(second, {})) is (decisive(first) == decisive(second))


@given(st.fixed_dictionaries({}, optional=MATTERS), st.fixed_dictionaries({}, optional=NO_MATTER))
def test_nothing_else_of_a_step_is_in_the_key(known: dict[str, Any], changes: dict[str, Any]) -> None:
    first = structs.replace(STEP, **known)
    if "code" in changes:
        changes["code"] = structs.replace(changes["code"], digest=first.code.digest)
    if "cache" in changes:
        changes["cache"] = structs.replace(changes["cache"], version=first.cache.version)
    assert cache_key(first, {}) == cache_key(structs.replace(first, **changes), {})


@given(st.dictionaries(words, words), st.lists(words, unique=True), st.randoms())
def test_the_order_of_env_and_secrets_is_no_matter(env: dict[str, str], secrets: list[str], random: Any) -> None:
    pairs = list(env.items())
    one = structs.replace(STEP, env=env, secrets=tuple(secrets))
    other = structs.replace(
        STEP, env=dict(random.sample(pairs, len(pairs))), secrets=tuple(random.sample(secrets, len(secrets)))
    )
    assert cache_key(one, {}) == cache_key(other, {})


# --- the process ------------------------------------------------------------------------------------------------------

GOLDEN = "96dca21728548dac54e1be1dc3717fd0bddf5893df30b711bdfb75f41e7787d0"
PRINT = """
import datetime, math
from pipeglot.core import plain
from pipeglot.core.ir import Cache, CodeRef, Step
from pipeglot.core.lineage.arguments import Gathered, Given
from pipeglot.core.lineage.cache import cache_key
code = CodeRef(module="m", qualname="f", digest="d" * 64)
env, secrets = {"B": "2", "A": "1"}, ("T", "S")
step = Step(id="s", code=code, cache=Cache(version="v"), env=env, secrets=secrets, packages=("p",))
value = {"a": {"x", "y"}, "b": [1, 1.0, True, -0.0, math.nan], "c": (b"", None), "d": datetime.date(2013, 1, 1)}
arg = Given(value=plain.encode(value))
print(cache_key(step, {"x": arg, "many": Gathered(items=(arg, arg))}))
"""


@pytest.mark.parametrize(
    "env",
    [
        {"PYTHONHASHSEED": "0"},
        {"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo", "HOME": "/nonexistent", "USER": "u", "HOSTNAME": "h"},
        {"PYTHONHASHSEED": "2", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONOPTIMIZE": "2"},
    ],
    ids=str,
)
def test_the_key_is_what_it_was_yesterday_and_in_any_process(tmp_path: Path, env: dict[str, str]) -> None:
    """Another key makes every step of every user run once more: then `KEY_FORMAT` is raised, and this with it."""
    known = {"PYTHONPATH": str(ROOT), "PATH": os.defpath, **env}
    done = subprocess.run(
        [sys.executable, "-c", PRINT], env=known, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == GOLDEN
