"""Airflow's own words in a stack: what is written into the file, and what is refused."""

from __future__ import annotations

import pytest
from msgspec import structs

from pipeglot.compilers.airflow.stack import AirflowStep
from pipeglot.core.errors import ConfigError
from pipeglot.core.ir import Pipeline
from pipeglot.stacks.reading import read_config
from tests.unit.compilers.test_airflow import PLAIN, text
from tests.unit.lineage.build import step


def test_default_args_are_merged_into_ours() -> None:
    found = text(PLAIN, owner="ml", default_args={"depends_on_past": True, "email": ["a@b.ch"]})
    words = ('"owner": "ml"', '"depends_on_past": True', '"email": ["a@b.ch"]', '"retries": 0')
    lines = "".join(f"        {word},\n" for word in words)
    assert f"    default_args={{\n{lines}    }},\n" in found


def test_executor_config_of_all_tasks() -> None:
    found = text(PLAIN, executor_config={"pod_template_file": "/pods/{{ x }}.yaml"})
    assert '"executor_config": {"pod_template_file": "/pods/{{ x }}.yaml"}' in found


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (AirflowStep(queue="gpu"), '@task(queue="gpu")'),
        (AirflowStep(pool="gpu"), '@task(pool="gpu")'),
        (AirflowStep(pool="gpu", pool_slots=2), '@task(pool="gpu", pool_slots=2)'),
        (AirflowStep(executor="LocalExecutor"), '@task(executor="LocalExecutor")'),
        (AirflowStep(executor_config={"a": {"b": [1, None]}}), '@task(executor_config={"a": {"b": [1, None]}})'),
        (AirflowStep(owner="ml"), '@task(owner="ml")'),
        (AirflowStep(max_active_tis_per_dag=3), "@task(max_active_tis_per_dag=3)"),
    ],
)
def test_words_for_a_step(words: AirflowStep, line: str) -> None:
    assert line not in text(PLAIN)
    assert f"    {line}\n    def a():" in text(PLAIN, steps={"a": words})


def test_the_words_of_its_name_go_before_those_of_its_tags() -> None:
    pipeline = Pipeline(name="p", nodes=(structs.replace(step("a"), tags=("heavy",)),))
    steps = {"a": AirflowStep(pool="own"), "heavy": AirflowStep(pool="all", queue="large")}
    assert '@task(pool="own", queue="large")' in text(pipeline, steps=steps)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("default_args: {retries: 3}", "`default_args` must be a mapping, as `{depends_on_past: true}`: `retries` is"),
        ("default_args: {execution_timeout: 3}", "`execution_timeout` is said by a step's `timeout=`"),
        ("default_args: {trigger_rule: all_done}", "`trigger_rule` is what pipeglot itself says of a task"),
        ("default_args: {owner: me}", "`owner` is a setting of the stack itself"),
        ("default_args: {start_date: 2024-01-01}", "`start_date` is said by the pipeline's schedule"),
        ("default_args: 3", "`default_args` must be a mapping, as `{depends_on_past: true}`, and is `3`"),
        ("executor_config: x", "`executor_config` must be a mapping of plain data, and is text"),
        ("steps: {a: {pool_slots: 0}}", "`pool_slots` of `a` is less than 1"),
        ("steps: {a: {retries: 2}}", "`steps` must be a mapping of steps or tags to settings"),
    ],
)  # fmt: skip
def test_what_a_stack_cannot_say(said: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(f"stacks:\n  prod: {{backend: airflow, {said}}}\n".encode())
    assert told in caught.value.message


def test_what_a_stack_may_say() -> None:
    said = "default_args: {depends_on_past: true}, executor_config: {a: 1}, steps: {a: {pool_slots: 2, owner: ml}}"
    found = read_config(f"stacks:\n  prod: {{backend: airflow, {said}}}\n".encode()).stacks["prod"]
    assert found.default_args == {"depends_on_past": True}  # type: ignore[attr-defined]  # of an Airflow
    assert found.steps == {"a": AirflowStep(pool_slots=2, owner="ml")}  # type: ignore[attr-defined]
