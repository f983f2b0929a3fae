"""What we write for KFP, beside what KFP's own compiler makes of the same pipeline written by hand."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from pipeglot.client.sandboxes import find_engine
from pipeglot.compilers.sandboxes.environment import ensure
from tests.golden.test_golden import compiled
from tests.servers.sandbox import ENVIRONMENT

BY_SDK = Path(__file__).with_name("by_hand") / "credit_for_kfp.py"
OURS = ("done",)
"""The tasks that we add: one that tells how the run went, where the last step would hide it."""


class Leaf(NamedTuple):
    """A task that is a container: all that ends before it; whether it runs for `true`, and for `false`; its retry."""

    before: frozenset[str]
    runs: tuple[bool, ...]
    retry: tuple[Any, ...]


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    python = ensure(find_engine("kfp").pins("2"), Path(ENVIRONMENT["PIPEGLOT_ENGINES"]), print) / "bin/python"
    file = tmp_path_factory.mktemp("sdk") / "credit.yaml"
    subprocess.run([python, BY_SDK, file], check=True, capture_output=True)
    return yaml.safe_load(file.read_text())


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Any:
    files = compiled("credit", "kfp", tmp_path_factory.mktemp("ours"))
    return next(yaml.safe_load_all(files["credit.yaml"]))


def leaves(spec: Any) -> dict[str, Leaf]:
    """The containers of a spec, whatever DAGs they stand in."""
    return dict(_leaves(spec, spec["root"]["dag"], frozenset(), (True, True)))


def _leaves(spec: Any, dag: Any, before: frozenset[str], runs: tuple[bool, ...]) -> Iterator[tuple[str, Leaf]]:
    known: dict[str, dict[str, Leaf]] = {}
    for name, task in _in_order(dag["tasks"]):
        after = before
        for other in task.get("dependentTasks", ()):
            after |= known[other].keys() | frozenset().union(*(one.before for one in known[other].values()))
        component = spec["components"][task["componentRef"]["name"]]
        due = tuple(one and holds for one, holds in zip(runs, _holds(task), strict=True))
        if "dag" in component:
            known[name] = dict(_leaves(spec, component["dag"], after, due))
        else:
            known[name] = {name: Leaf(after, due, _retry(task))}
        yield from known[name].items()


def _in_order(tasks: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each after those that it depends on."""
    left = dict(tasks)
    while left:
        name = next(one for one in left if not left.keys() & {*left[one].get("dependentTasks", ())})
        yield name, left.pop(name)


def _holds(task: Any) -> tuple[bool, bool]:
    """What its condition says if what it asks about is `true`, and if it is `false`."""
    text = task.get("triggerPolicy", {}).get("condition", "True")
    head, _, rest = text.partition("inputs.parameter_values[")
    asked = f"{head}told{rest.partition(']')[2]}" if rest else text
    python = asked.replace("!(", "not (")
    yes, no = (bool(eval(python, {"told": told})) for told in ("true", "false"))  # of our own files
    return yes, no


def _retry(task: Any) -> tuple[Any, ...]:
    found = task.get("retryPolicy", {})
    return tuple(found.get(name) for name in ("maxRetryCount", "backoffDuration", "backoffFactor"))


def test_the_same_tasks_in_the_same_order(ours: Any, theirs: Any) -> None:
    found = {name: leaf for name, leaf in leaves(ours).items() if name not in OURS}
    assert found == leaves(theirs)


def test_the_same_parameters(ours: Any, theirs: Any) -> None:
    def told(spec: Any) -> dict[str, tuple[str, Any, bool]]:
        inputs = spec["root"]["inputDefinitions"]["parameters"]
        return {
            name: (one["parameterType"], one["defaultValue"], one["isOptional"])
            for name, one in inputs.items()
            if name != "pipeglot"
        }

    assert told(ours) == told(theirs)


def test_the_same_components_and_executors(ours: Any, theirs: Any) -> None:
    """For the same tasks a container; what stands in it is ours. Theirs are of their own, ours may be shared."""

    def contained(spec: Any) -> set[str]:
        dags = [spec["root"], *spec["components"].values()]
        return {
            name
            for one in dags
            for name, task in one.get("dag", {}).get("tasks", {}).items()
            if name not in OURS
            and spec["components"][task["componentRef"]["name"]].get("executorLabel")
            in spec["deploymentSpec"]["executors"]
        }

    assert contained(ours) == contained(theirs)
    assert ours["schemaVersion"] == theirs["schemaVersion"]
    assert ours["pipelineInfo"]["name"] == theirs["pipelineInfo"]["name"]
