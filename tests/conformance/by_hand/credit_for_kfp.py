"""The credit example as somebody writes it for KFP's own SDK, with containers for its steps. The argument: where to."""

import sys

from kfp import compiler, dsl

IMAGE = "python@sha256:" + "0" * 64


def container(*args):
    return dsl.ContainerSpec(image=IMAGE, command=["python3", "-m", "credit"], args=list(args))


@dsl.container_component
def ingest(file: str):
    return container("ingest", file)


@dsl.container_component
def validate():
    return container("validate")


@dsl.container_component
def prepare():
    return container("prepare")


@dsl.container_component
def train(strength: float):
    return container("train", strength)


@dsl.container_component
def judge():
    return container("judge")


@dsl.container_component
def plot():
    return container("plot")


@dsl.container_component
def when_1_holds(bar: float, holds: dsl.OutputPath(str)):
    return container("holds", bar, holds)


@dsl.container_component
def deploy():
    return container("deploy")


@dsl.container_component
def keep_the_old():
    return container("keep_the_old")


@dsl.container_component
def tell():
    return container("tell")


@dsl.container_component
def notify(channel: str):
    return container("notify", channel)


@dsl.pipeline
def gate(bar: float):
    holds = when_1_holds(bar=bar)
    with dsl.If(holds.outputs["holds"] == "true"):
        deploy()
    with dsl.Else():
        keep_the_old()


@dsl.pipeline(name="credit")
def credit(file: str = "german_credit.csv", strength: float = 0.05, bar: float = 0.75, channel: str = "#credit"):
    applicants = ingest(file=file)
    checked = validate().after(applicants)
    split = prepare().after(applicants, checked)
    model = train(strength=strength).after(split)
    judged = judge().after(model, split)
    drawn = plot().after(judged)
    passed = gate(bar=bar).after(judged, model)
    told = tell().after(passed).set_retry(2, backoff_duration="1s", backoff_factor=2.0)
    notify(channel=channel).after(told, drawn)


compiler.Compiler().compile(credit, sys.argv[1])
