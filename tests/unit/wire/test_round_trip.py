"""The IR as bytes: what is written comes back, byte for byte, from every form."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeglot.core import ir, plain, wire
from pipeglot.core.errors import DefinitionError, NewerFormat
from pipeglot.core.wire import reading
from tests.unit.wire.pipelines import FLIGHTS, PIPELINES, RELAXED, TEXT, VALUE, VALUES, YAML

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")  # of the strategies


def source_of(text: str) -> Any:
    return wire.load(text, source="it")


@RELAXED
@given(PIPELINES | VALUES)
def test_what_is_written_comes_back(pipeline: ir.Pipeline) -> None:
    dumps: list[Callable[[ir.Pipeline], str]] = [
        wire.dump_json,
        wire.dump_yaml,
        lambda one: wire.compact(one).decode(),
    ]
    for dump in dumps:
        text = dump(pipeline)
        back = source_of(text)
        assert back == pipeline
        assert dump(back) == text
        assert wire.digest(back) == wire.digest(pipeline)  # so 1 is not 1.0, and keys keep their order
        assert wire.load(text.encode(), source="it") == pipeline


@RELAXED
@given(PIPELINES | VALUES)
def test_every_reader_of_yaml_and_json_reads_the_same(pipeline: ir.Pipeline) -> None:
    expected = plain.dumps(json.loads(wire.dump_json(pipeline)))
    text = wire.dump_yaml(pipeline)
    assert plain.dumps(yaml.safe_load(text)) == expected  # PyYAML reads YAML 1.1
    assert plain.dumps(reading.tree(text, "it")) == expected
    assert plain.dumps(json.loads(wire.compact(pipeline))) == expected


@RELAXED
@given(VALUES)
def test_yaml_is_read_alike_without_libyaml(pipeline: ir.Pipeline) -> None:
    text = wire.dump_yaml(pipeline)
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(yaml, "CSafeLoader", raising=False)
        assert wire.dump_yaml(source_of(text)) == text


@RELAXED
@given(st.text() | st.binary() | TEXT | st.text("{}[]:,-\"'\n |>&*!%#?ab1\\u", max_size=30))
def test_any_text_is_read_or_refused(text: str | bytes) -> None:
    for given_ in (text, "{" + text if isinstance(text, str) else b"{" + text):
        with pytest.raises((DefinitionError, NewerFormat)) as caught:
            wire.load(given_, source="it.yaml")
        str(caught.value).encode()


@RELAXED
@given(PIPELINES, st.data())
def test_any_change_of_a_pipeline_is_read_or_refused_with_its_place(pipeline: ir.Pipeline, data: st.DataObject) -> None:
    tree = json.loads(wire.dump_json(pipeline))
    part = tree
    while isinstance(part, dict | list) and part and data.draw(st.booleans()):
        key = data.draw(st.sampled_from(list(part) if isinstance(part, dict) else list(range(len(part)))))
        below = part[key]
        if not isinstance(below, dict | list) or data.draw(st.booleans()):
            part[key] = data.draw(VALUE)
            break
        part = below
    tree["ir_version"] = 1
    try:
        wire.load(json.dumps(tree), source="it.json")
    except DefinitionError as error:
        assert all(problem.message.startswith("it.json: `$.") for problem in error.problems)  # noqa: PT017


# --- how it looks -----------------------------------------------------------------------------------------------------


def test_how_yaml_looks() -> None:
    assert wire.dump_yaml(FLIGHTS) == YAML


def test_how_json_looks() -> None:
    text = wire.dump_json(msgspec.structs.replace(FLIGHTS, doc="é"))
    assert text.startswith('{\n  "ir_version": 1,\n  "name": "flights",\n  "doc": "é",\n  "params": [\n    {\n')
    assert text.endswith("}\n")


def test_the_digest_is_that_of_the_compact_bytes() -> None:
    data = wire.compact(FLIGHTS)
    assert data.startswith(b'{"ir_version":1,"name":"flights","doc":"One model')
    assert wire.digest(FLIGHTS) == hashlib.sha256(data).hexdigest()
    assert wire.digest(FLIGHTS) != wire.digest(msgspec.structs.replace(FLIGHTS, tags=()))


def test_a_function_may_be_written_in_one_word() -> None:
    text = """
ir_version: 1
name: flights
nodes:
- {kind: map, id: m, over: {}, body: [{kind: step, id: a, code: "flights:ingest"}]}
- {kind: branch, id: b, when: {kind: truth, value: {kind: param, name: x}}, then: [{kind: step, id: c, code: a.b:C.f}]}
"""
    first, second = source_of(text).nodes
    assert first.body[0].code == ir.CodeRef(module="flights", qualname="ingest")
    assert second.then[0].code == ir.CodeRef(module="a.b", qualname="C.f")


def test_yaml_has_no_traps() -> None:
    text = "ir_version: 1\nname: no\ntags: [yes, on, 2020-01-01, 0o14, 012, 1_000, 1:30, .inf, <<, 0x1F]\n"
    found = source_of(text)
    assert found.name == "no"
    assert found.tags == ("yes", "on", "2020-01-01", "0o14", "012", "1_000", "1:30", ".inf", "<<", "0x1F")
    numbers = reading.tree("[1, -2, +3, 1.5, 1e3, .5, 1., ~, null, true, 0]", "it")
    assert plain.dumps(numbers) == b"[1,-2,3,1.5,1000.0,0.5,1.0,null,null,true,0]"


def test_lines_of_yaml() -> None:
    assert reading.lines("a:\n  - b: 1\n    c:\n      - 2\nd: 3\n") == {
        ("a",): 2,
        ("a", 0): 2,
        ("a", 0, "b"): 2,
        ("a", 0, "c"): 4,
        ("a", 0, "c", 0): 4,
        ("d",): 5,
    }


def test_a_byte_order_mark_is_no_text() -> None:
    assert wire.load(b"\xef\xbb\xbf" + YAML.encode(), source="it") == FLIGHTS
    assert source_of("\ufeff" + wire.dump_json(FLIGHTS)) == FLIGHTS


def test_importing_wire_is_cheap() -> None:
    code = (
        "import sys, pipeglot.core.wire as wire\n"
        'wire.load(\'{"ir_version": 1, "name": "x"}\', source=\'it\')\n'
        "loaded = {'yaml', 'pydantic', 'dataclasses', 'difflib'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
