"""From what a step's function returned to its declared outputs, saved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeglot.core.artifacts import Artifacts
from pipeglot.core.errors import StepError
from pipeglot.core.ir import Step
from pipeglot.core.lineage.records import Ref


def save_outputs(step: Step, result: Any, artifacts: Artifacts, opaque_id: Callable[[str], str]) -> dict[str, Ref]:
    """Save every declared output. Raises `StepError` if the result is not what was declared, `ValueRefused`."""
    hints = _hints(step)
    refs = {}
    for name, value in split(step, result).items():
        where = (
            f"output `{name}` of step `{step.id}`" if step.returns.form != "single" else f"output of step `{step.id}`"
        )
        refs[name] = artifacts.save(
            value,
            name=where,
            declared=hints.get(name),
            opaque_id=lambda name=name: opaque_id(name),  # type: ignore[misc]
        )
    return refs


def split(step: Step, result: Any) -> dict[str, Any]:
    """The value of each output. Raises `StepError` with what was declared and what came."""
    form, names = step.returns.form, [output.name for output in step.returns.outputs]
    if form == "single":
        return {names[0]: result}
    if form == "none":
        if result is not None:
            raise _unlike(step, "nothing (`-> None`)", result)
        return {}
    if form == "typeddict":
        if not isinstance(result, dict) or set(result) != set(names):
            raise _unlike(step, f"a dict with the keys {_list(names)}", result)
        return {name: result[name] for name in names}
    if not isinstance(result, tuple) or len(result) != len(names):
        raise _unlike(step, f"a tuple of {_list(names)}", result)
    return dict(zip(names, result, strict=True))


def _unlike(step: Step, declared: str, result: Any) -> StepError:
    found = f"`{type(result).__name__}`"
    if isinstance(result, tuple | list | dict):
        found += f" of {len(result)}"
    return StepError(
        f"step `{step.id}` is declared to return {declared}, but returned a {found}",
        hint=f"change the return annotation of `{step.code}`, or what it returns",
    )


def _list(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _hints(step: Step) -> dict[str, Any]:
    """The declared type of each output that is a plain scalar (all that saving asks for), by the IR's type text."""
    plain = {"float": float, "int": int, "bool": bool, "str": str}
    return {output.name: plain[output.type] for output in step.returns.outputs if output.type in plain}
