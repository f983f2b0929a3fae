"""The rules that a node keeps by itself, whatever stands around it."""

from __future__ import annotations

import re

from pipeglot.core.ir import AnyNode, Branch, CodeRef, Map, Retry, Returns, Step
from pipeglot.core.params.describing import ticked
from pipeglot.core.validate.assets import asset_problem
from pipeglot.core.validate.report import Report, is_class_ref, is_dotted_name, is_module

_DEEPEST = 20
_AT_TOP = "define it with `def` at the top of a module"


def check_nodes(report: Report, nodes: tuple[AnyNode, ...], *, hooks: tuple[Step, ...] = ()) -> bool:
    """Check every node. False if they are nested too deeply for anything else to be asked of them."""
    checker = _Nodes(report)
    fine = checker.check(nodes, 0)
    for hook in hooks:
        checker.check_id(hook)
        _check_step(report, hook)
        _check_hook(report, hook)
    return fine


def who_is(node: AnyNode) -> str:
    """A node as messages name it."""
    return f"{type(node).__name__.lower()} {ticked(node.id)}"


class _Nodes:
    def __init__(self, report: Report) -> None:
        self.report = report
        self.ids: dict[tuple[bool, str], str] = {}

    def check(self, nodes: tuple[AnyNode, ...], depth: int) -> bool:
        fine = True
        for node in nodes:
            self.check_id(node)
            if isinstance(node, Step):
                _check_step(self.report, node)
                continue
            if depth >= _DEEPEST:
                self.report.add("nesting", who_is(node), f"it stands more than {_DEEPEST} levels deep in others")
                return False
            for inner in (node.body,) if isinstance(node, Map) else (node.then, node.otherwise):
                fine = self.check(inner, depth + 1) and fine
            self.check_filled(node)
        return fine

    def check_id(self, node: AnyNode) -> None:
        who = who_is(node)
        self.report.name("id-syntax", who, node.id, dots=True)
        key = (isinstance(node, Map), node.id)  # a map may be named as its step
        if key in self.ids:
            self.report.add("id-duplicate", who, f"a {self.ids[key]} has the same id", "give one of them another `id`")
        self.ids.setdefault(key, type(node).__name__.lower())

    def check_filled(self, node: Map | Branch) -> None:
        who = who_is(node)
        if isinstance(node, Map):
            if not node.over:
                self.report.add("map", who, "it has no list to step through", "name one in `over`")
            if not node.body:
                self.report.add("map", who, "it has no steps")
            _check_inputs(self.report, who, list(node.over))
        elif not node.then:
            why = "its first arm has no steps" if node.otherwise else "it has no steps"
            self.report.add("branch", who, why, "turn the condition round with `not`" if node.otherwise else "")


def _check_step(report: Report, step: Step) -> None:
    who = who_is(step)
    _check_code(report, who, step.code)
    _check_inputs(report, who, list(step.inputs))
    _check_returns(report, who, step.returns)
    _check_assets(report, who, step)
    if step.retry is not None:
        _check_retry(report, who, step.retry)
    report.more_than(who, "timeout", step.timeout, 0)
    report.more_than(who, "cache.expires", step.cache.expires, 0)
    report.at_least(who, "max_parallel", step.max_parallel, 1)
    _check_requests(report, who, step)
    _check_environment(report, who, step)


def _check_hook(report: Report, hook: Step) -> None:
    """It runs when all else is over, so there is nothing left to come after."""
    who = who_is(hook)
    if hook.after:
        report.add("hook", who, "it is a hook, which runs when all else is over", "leave `after` out")
    if hook.trigger != "all_success":
        report.add("hook", who, "it is a hook, which runs when all else is over anyway", "leave `trigger` out")


def _check_code(report: Report, who: str, code: CodeRef) -> None:
    if "<lambda>" in code.qualname:
        report.add("code-ref", who, "its function is a lambda, which no worker finds again", _AT_TOP)
    elif "<locals>" in code.qualname:
        told = f"its function {ticked(code.qualname)} is made inside another, where no worker finds it again"
        report.add("code-ref", who, told, _AT_TOP)
    elif not is_dotted_name(code.qualname) or not is_module(code.module):
        report.add(
            "code-ref", who, f"{ticked(str(code))} does not name a function", "write it as `package.module:function`"
        )


def _check_inputs(report: Report, who: str, names: list[str]) -> None:
    for name in names:
        if not is_dotted_name(name) or "." in name:
            report.add("input-name", who, f"the input {ticked(name)} is no Python name")


def _check_returns(report: Report, who: str, returns: Returns) -> None:
    names = [output.name for output in returns.outputs]
    wanted = {"single": ["output"], "none": []}.get(returns.form)
    if wanted is not None and names != wanted:
        what = "one output, named `output`" if wanted else "no outputs: `outputs: []`"
        report.add("returns", who, f"what returns in the form `{returns.form}` has {what}")
    if wanted is None and not names:
        report.add("returns", who, f"what returns in the form `{returns.form}` has outputs")
    if len(set(names)) < len(names):
        report.add("returns", who, "two of its outputs have one name")
    for name in names:
        if not re.fullmatch(r"[^\W\d][\w-]*", name) or len(name) > 200:
            report.add("returns", who, f"the output {ticked(name)} is no name")
    if returns.form == "namedtuple" and not is_class_ref(returns.ref):
        report.add("returns", who, f"its NamedTuple {ticked(returns.ref)} is not written as `module:class`", _AT_TOP)


def _check_assets(report: Report, who: str, step: Step) -> None:
    names = [output.name for output in step.returns.outputs]
    for name, uri in step.asset.items():
        if name not in names:
            has = f"its outputs are {', '.join(map(ticked, names))}" if names else "it returns nothing"
            report.add("asset", who, f"its asset is of an output {ticked(name)}, which it does not have", has)
        if why := asset_problem(uri):
            report.add("asset", who, f"the asset {ticked(uri)} {why}")
    if len(set(step.asset.values())) < len(step.asset):
        report.add("asset", who, "two of its outputs are the same asset")


def _check_retry(report: Report, who: str, retry: Retry) -> None:
    report.at_least(who, "retry.attempts", retry.attempts, 1)
    report.at_least(who, "retry.delay", retry.delay, 0)
    report.more_than(who, "retry.backoff", retry.backoff, 0)
    report.at_least(who, "retry.max_delay", retry.max_delay, 0)
    for name in retry.on:
        if not is_dotted_name(name):
            hint = "write it as `package.module.Error`, or `ValueError`"
            report.add("code-ref", who, f"`retry.on` has {ticked(name)}, which names no exception", hint)


def _check_requests(report: Report, who: str, step: Step) -> None:
    if step.resources is not None:
        report.more_than(who, "resources.cpu", step.resources.cpu, 0)
        report.at_least(who, "resources.memory", step.resources.memory, 1)
        report.at_least(who, "resources.gpu", step.resources.gpu, 0)
        report.labels(who, "resources.accelerator", _given(step.resources.accelerator))
    report.labels(who, "tags", step.tags)
    report.labels(who, "packages", step.packages)
    report.labels(who, "pool", _given(step.pool))
    report.labels(who, "image", _given(step.image))


def _check_environment(report: Report, who: str, step: Step) -> None:
    for name in step.secrets:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,199}", name):
            report.add("secret", who, f"{ticked(name)} is no name of a secret", "write it as `WAREHOUSE_PASSWORD`")
    if len(set(step.secrets)) < len(step.secrets):
        report.add("secret", who, "it lists a secret twice")
    for name, value in step.env.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            report.add("env", who, f"{ticked(name)} is no name of an environment variable", "write it as `LOG_LEVEL`")
        if "\0" in value:
            report.add("env", who, f"the value of {ticked(name)} has a NUL in it, which no process can be given")
        if name in step.secrets:
            report.add("env", who, f"{ticked(name)} is a secret of this step too", "leave one of them out")


def _given(label: str | None) -> tuple[str, ...]:
    return () if label is None else (label,)
