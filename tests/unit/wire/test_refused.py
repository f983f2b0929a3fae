"""What is no pipeline is refused, all that is wrong at once, each with its place."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pipeglot.core import ir, wire
from pipeglot.core.errors import DefinitionError, NewerFormat
from tests.unit.wire.pipelines import SCALAR_INT

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")  # of the strategies


def source_of(text: str) -> Any:
    return wire.load(text, source="it")


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "p.yaml: it is empty"),
        ("hello", "p.yaml: a pipeline is a mapping, with `name` and `nodes`"),
        ("[]", "p.yaml: a pipeline is a mapping, with `name` and `nodes`"),
        ("{", "p.yaml:1: it starts with `{`, but is no JSON: Expecting property name enclosed in double quotes"),
        ('{"a": 1,\n"a": 2}', "p.yaml: the key `a` stands twice in one object"),
        ('{"a": NaN}', "p.yaml: `NaN` is no JSON"),
        ('{"a": 1e999}', "p.yaml: the number `1e999` is too large"),
        (f'{{"a": {"9" * 5000}}}', "p.yaml: it has a number of too many digits"),
        ('{"a":' * 100_000, "p.yaml: it is nested too deeply"),
        ('{"ir_version": 1, "name": "\\ud800"}', r"p.yaml: '\ud800' has half of a surrogate pair"),
        ("a: 1\na: 2", "p.yaml:2: the key `a` stands twice here"),
        ("a: &x 1", "p.yaml:1: `&x`: anchors are not read\n  hint: write it out"),
        ("a: *x", "p.yaml:1: `*x`: aliases are not read\n  hint: write it out"),
        (
            "a: !!python/object:os.system 1",
            "p.yaml:1: the tag `tag:yaml.org,2002:python/object:os.system` is not read\n  hint: leave it out",
        ),
        ("? [a]\n: b", "p.yaml:1: a key must be text"),
        ("a: 1e999", "p.yaml:1: the number `1e999` is too large"),
        ("a: " + "9" * 5000, "p.yaml:1: it has a number of too many digits"),
        ("- 1\n--- \n- 2", "p.yaml:2: a second document starts here"),
        ("a:\n  b: [", "p.yaml:3: it is no YAML: while parsing a flow node did not find expected node content"),
        (
            "a:\n\t- b",
            (
                "p.yaml:2: it is no YAML: while scanning for the next token found character that cannot start any "
                "token\n  hint: indent with spaces: YAML takes no tabs"
            ),
        ),
        ("[" * 3000, "p.yaml:1: it is nested too deeply"),
        ("a: \x01", "p.yaml: it is no YAML: unacceptable character #x0001: control characters are not allowed"),
        (
            "a: \ud800",
            (
                r"p.yaml: it is no YAML: 'utf-8' codec can't encode character '\ud800' in position 3: "
                "surrogates not allowed"
            ),
        ),
        (b"a: 1\nb: \xff", "p.yaml:2: it is not UTF-8"),
        ('{"name": "x"}', "p.yaml: it has no `ir_version`\n  hint: write `ir_version: 1`"),
        ("ir_version: true", "p.yaml: `ir_version` cannot be `true`\n  hint: write `ir_version: 1`"),
        ("ir_version: 0", "p.yaml: `ir_version` cannot be `0`\n  hint: write `ir_version: 1`"),
        ('ir_version: "1"', 'p.yaml: `ir_version` cannot be `"1"`\n  hint: write `ir_version: 1`'),
    ],
)
def test_what_is_no_tree_is_refused(text: str | bytes, message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        wire.load(text, source="p.yaml")
    assert str(caught.value) == message


def test_a_later_format_says_so() -> None:
    with pytest.raises(NewerFormat) as caught:
        source_of("ir_version: 2\nname: x\nwhat: {is: this}")
    assert caught.value.message == "it has ir_version 2, and this pipeglot reads none above 1"
    assert caught.value.hint == "it was written by a later pipeglot: `pip install --upgrade pipeglot`"


def test_the_two_formats_before_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "IR_VERSION", 4)
    monkeypatch.setattr(wire, "_OLDEST", 2)
    for version in (2, 3, 4):
        assert source_of(f"ir_version: {version}\nname: x").ir_version == version
    with pytest.raises(DefinitionError, match="it has ir_version 1, and this pipeglot reads none below 2"):
        source_of("ir_version: 1\nname: x")


WRONG = """\
ir_version: 1
name: yes
nodez: []
nodes:
- kind: stepp
- {kind: step, id: a, code: m:f, inputs: {x: {kind: outputt}, "a b": {kind: param}}, timeout: soon}
- {kind: step, id: 5, code: m}
- 7
- {id: x}
- kind: step
  code:
    module: m
    qualname: q
    digits: 1
  retry: [5]
  trigger: all
  tags: x
  env: {A: 1, B: null}
  cache: {enabled: "true"}
  priority: 1.5
  resources: {cpu: true}
  inputs: []
schedule: {crn: 5}
params:
- {name: a, type: {kind: scalar, name: integer}}
- {name: b, type: {kind: list}}
"""


def test_all_that_is_wrong_is_told_with_its_place() -> None:
    with pytest.raises(DefinitionError) as caught:
        wire.load(WRONG, source="p.yaml")
    told = [f"{problem.at}: {problem.code}: {problem.message}" for problem in caught.value.problems]
    sources = "`constant`, `param`, `output`, `item`, `list` or `one_of`"
    scalars = "`any`, `bool`, `date`, `datetime`, `float`, `int`, `str` or `timedelta`"
    assert told == [
        "p.yaml:3: ir-unknown-field: `$.nodez` is no field of `Pipeline`",
        "p.yaml:5: ir-kind: `$.nodes[0].kind` must be `step`, `map` or `branch`, not 'stepp'",
        f"p.yaml:6: ir-kind: `$.nodes[1].inputs.x.kind` must be {sources}, not 'outputt'",
        "p.yaml:6: ir-missing-field: `$.nodes[1].inputs['a b']` needs `name`, as every `param` does",
        "p.yaml:6: ir-type: `$.nodes[1].timeout` must be a number, not 'soon'",
        "p.yaml:7: ir-type: `$.nodes[2].id` must be text, not 5",
        "p.yaml:7: ir-type: `$.nodes[2].code` must be `module:function`, not 'm'",
        "p.yaml:8: ir-type: `$.nodes[3]` must be a mapping whose `kind` is `step`, `map` or `branch`, not 7",
        "p.yaml:9: ir-missing-field: `$.nodes[4]` needs `code`, as every `step` does",
        "p.yaml:14: ir-unknown-field: `$.nodes[5].code.digits` is no field of `CodeRef`",
        "p.yaml:15: ir-type: `$.nodes[5].retry` must be a mapping with `attempts`, not a list",
        "p.yaml:16: ir-type: `$.nodes[5].trigger` must be `all_done` or `all_success`, not 'all'",
        "p.yaml:17: ir-type: `$.nodes[5].tags` must be a list, not 'x'",
        "p.yaml:18: ir-type: `$.nodes[5].env.A` must be text, not 1",
        "p.yaml:18: ir-type: `$.nodes[5].env.B` must be text, not null",
        "p.yaml:19: ir-type: `$.nodes[5].cache.enabled` must be true or false, not 'true'",
        "p.yaml:20: ir-type: `$.nodes[5].priority` must be a whole number, not 1.5",
        "p.yaml:21: ir-type: `$.nodes[5].resources.cpu` must be a number, not true",
        "p.yaml:22: ir-type: `$.nodes[5].inputs` must be a mapping, not a list",
        "p.yaml:23: ir-unknown-field: `$.schedule.crn` is no field of `Schedule`",
        f"p.yaml:25: ir-type: `$.params[0].type.name` must be {scalars}, not 'integer'",
        "p.yaml:26: ir-missing-field: `$.params[1].type` needs `of`, as every `list` does",
    ]
    hints = {problem.message.split("`")[1]: problem.hint for problem in caught.value.problems if problem.hint}
    assert hints == {
        "$.nodez": "did you mean `nodes`?",
        "$.nodes[0].kind": "did you mean `step`?",
        "$.nodes[1].inputs.x.kind": "did you mean `output`?",
        "$.nodes[2].id": "write it in quotes",
        "$.nodes[5].code.digits": "did you mean `digest`?",
        "$.nodes[5].env.A": "write it in quotes",
        "$.schedule.crn": "did you mean `cron`?",
        "$.params[0].type.name": "did you mean `int`?",
    }


def test_json_has_places_without_lines() -> None:
    with pytest.raises(DefinitionError) as caught:
        wire.load('{"ir_version": 1, "name": "x", "nodes": {}}', source="p.json")
    assert str(caught.value) == "p.json: `$.nodes` must be a list, not a mapping"


def test_a_kind_where_only_one_can_be() -> None:
    inputs = "{x: {kind: one_of, options: [{kind: item}]}}"
    text = f"ir_version: 1\nname: x\nnodes: [{{kind: step, id: a, code: m:f, inputs: {inputs}}}]"
    with pytest.raises(DefinitionError) as caught:
        wire.load(text, source="p")
    assert "`$.nodes[0].inputs.x.options[0].kind` must be `output`, not 'item'" in str(caught.value)


def test_a_source_that_is_no_mapping() -> None:
    text = json.dumps(
        {
            "ir_version": 1,
            "name": "x",
            "nodes": [{"kind": "step", "id": "a", "code": "m:f", "inputs": {"x": 10**70, "y": "z" * 80}}],
        }
    )
    with pytest.raises(DefinitionError) as caught:
        wire.load(text, source="p")
    first, second = caught.value.problems
    assert first.message.endswith("`item`, `list` or `one_of`, not a number of many digits")
    assert second.message.endswith(f"`one_of`, not '{'z' * 60}…'")


def test_what_is_nested_more_deeply_than_python_can_walk() -> None:
    kind: Any = SCALAR_INT
    for _ in range(2000):
        kind = ir.OptionalType(of=kind)
    deep = ir.Pipeline(name="p", params=(ir.Param(name="x", type=kind),))
    for dump in (wire.dump_json, wire.dump_yaml):
        with pytest.raises(DefinitionError) as caught:
            dump(deep)
        assert str(caught.value) == "pipeline `p` cannot be written: it is nested too deeply"
    text = '{"ir_version": 1, "name": "p", "params": [{"name": "x", "type": ' + '{"kind": "optional", "of": ' * 2000
    with pytest.raises(DefinitionError, match="it is nested too deeply"):
        source_of(text + '{"kind": "scalar", "name": "int"}' + "}" * 2001 + "]}")


def test_very_many_problems_are_not_all_told() -> None:
    with pytest.raises(DefinitionError) as caught:
        source_of("ir_version: 1\nname: x\ntags: [" + "1, " * 1000 + "]")
    assert len(caught.value.problems) == 51
    assert caught.value.problems[-1].message == "it: … and more"


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        (
            ir.Pipeline(name="p", doc="\ud800"),
            r"pipeline `p` cannot be written: the character '\ud800' is half of a pair",
        ),
        (
            ir.Pipeline(name="\udfff"),
            r"pipeline `\udfff` cannot be written: the character '\udfff' is half of a pair",
        ),
        (
            ir.Pipeline(name="p", max_parallel="x"),  # type: ignore[arg-type]
            "pipeline `p` cannot be written: Expected `int | null`, got `str` - at `$.max_parallel`",
        ),
        (
            ir.Pipeline(name="p", params=(ir.Param(name="x", type=ir.ScalarType(name="any"), default=float("nan")),)),
            "pipeline `p` cannot be written: a number in it is not finite, or has thousands of digits",
        ),
        (
            ir.Pipeline(name="p", max_parallel=10**5000),
            "pipeline `p` cannot be written: a number in it is not finite, or has thousands of digits",
        ),
    ],
)
def test_what_cannot_be_written(pipeline: ir.Pipeline, message: str) -> None:
    dumps: list[Callable[[ir.Pipeline], object]] = [wire.dump_json, wire.dump_yaml, wire.compact, wire.digest]
    for dump in dumps:
        with pytest.raises(DefinitionError) as caught:
            dump(pipeline)
        assert str(caught.value) == message
