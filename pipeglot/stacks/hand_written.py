"""Steps of a pipeline that was written as YAML, held against the functions that they name.

What a person leaves out is taken from the function: its outputs, its docstring, the options of its `@step`. Arguments
are checked as they are in a pipeline function: names, and types as far as they are known.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import msgspec

from pipeglot.core import ir, params, plain
from pipeglot.core.authoring.annotations import MISSING, list_of, type_text
from pipeglot.core.authoring.fits import accepts, fits, list_item
from pipeglot.core.authoring.functions import Function
from pipeglot.core.authoring.pipelines import Pipeline
from pipeglot.core.authoring.positions import Lines
from pipeglot.core.authoring.returns import Declared, declared
from pipeglot.core.authoring.steps import Step
from pipeglot.core.errors import DefinitionError, Location, PipeglotError, Problem
from pipeglot.core.params.describing import shown
from pipeglot.core.suggest import did_you_mean
from pipeglot.stacks.importing import user_traceback

_DEFAULTS = ir.Step(id="", code=ir.CodeRef(module="", qualname=""))
_TYPES = {"bool": bool, "int": int, "float": float, "str": str}


class Functions:
    """Fills in steps, one after the other, and collects what is wrong with them."""

    def __init__(self, pipeline: ir.Pipeline, places: Mapping[tuple[str, str], Location], lines: Lines) -> None:
        self.problems: list[Problem] = []
        self.params = {param.name: param for param in pipeline.params}
        self.places = places
        self.lines = lines
        self.missing = False
        """Whether the function of a step is not there, so that its outputs are not known."""
        self.returned: dict[str, tuple[Declared, tuple[ir.Map, ...]]] = {}

    def filled(self, step: ir.Step, maps: tuple[ir.Map, ...]) -> ir.Step:
        """The step with all that its function says; as it is if there is no such function."""
        found = self._import(step)
        if found is None:
            self.missing = True
            return step
        function, options = found
        returns = declared(function.returns, function.name)
        for code, message, hint in (*function.mistakes(), *returns.mistakes):
            self.problems.append(Problem(code, f"step `{step.id}`: {message}", self._defined(function), hint))
        self.returned[step.id] = returns, maps
        fields = {key: value for key, value in options.items() if getattr(step, key) == getattr(_DEFAULTS, key)}
        if step.returns == _DEFAULTS.returns:
            cls = returns.cls if returns.form == "namedtuple" else None
            fields["returns"] = returns.spec(f"{cls.__module__}:{cls.__qualname__}" if cls else "")
        fields.setdefault("doc", step.doc or function.doc)
        fields["inputs"] = self._inputs(step, function, maps)
        return msgspec.structs.replace(step, **fields)

    def _import(self, step: ir.Step) -> tuple[Function, dict[str, Any]] | None:
        code = step.code
        try:
            made: Any = importlib.import_module(code.module)
        except PipeglotError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001  # a module may raise anything
            self.refuse(step, "raised", f"`{code.module}` cannot be imported:\n\n{user_traceback(error)}")
            return None
        for part in code.qualname.split("."):
            made = getattr(made, part, None)
        if isinstance(made, Step):
            return made._function, made._fields
        if isinstance(made, Pipeline):
            hint = "name its steps here, one by one"
            self.refuse(step, "code-ref", f"`{code}` is a pipeline, which a file cannot call", hint)
            return None
        try:
            return Function(made, "step"), {}
        except DefinitionError as error:
            for one in error.problems:
                self.refuse(step, one.code, one.message, one.hint)
            return None

    def refuse(self, step: ir.Step, code: str, message: str, hint: str = "") -> None:
        self.problems.append(Problem(code, f"step `{step.id}`: {message}", self.places.get(("step", step.id)), hint))

    def _defined(self, function: Function) -> Location:
        return Location(self.lines.name(function.file), function.at.line)

    # --- arguments ----------------------------------------------------------------------------------------------------

    def _inputs(self, step: ir.Step, function: Function, maps: tuple[ir.Map, ...]) -> dict[str, ir.Source]:
        """The inputs in the order of the signature, with the types of rich constants."""
        known = function.parameters
        signature = f"its signature is `{function.signature()}`"
        for name in step.inputs:
            if name not in known and not function.open:
                hint = f"{did_you_mean(name, known)} {signature}".lstrip()
                self.refuse(step, "argument-unknown", f"`{function.name}` has no parameter `{name}`", hint)
        missing = [f"`{name}`" for name, one in known.items() if one.default is MISSING and name not in step.inputs]
        if missing:
            told = f"`{function.name}` is called without {', '.join(missing)}"
            self.refuse(step, "argument-missing", told, signature)
        names = [*(name for name in known if name in step.inputs), *(name for name in step.inputs if name not in known)]
        return {name: self._checked(step, function, name, maps) for name in names}

    def _checked(self, step: ir.Step, function: Function, name: str, maps: tuple[ir.Map, ...]) -> ir.Source:
        source = step.inputs[name]
        parameter = function.parameters.get(name)
        if parameter is None or parameter.hint is MISSING:
            return source
        if isinstance(source, ir.Constant):
            if not _is_readable(source):
                return source  # the checks of every pipeline say what is wrong with it
            typed = self._constant(source, parameter.hint, name)
            if typed is not None:
                return typed
            found = f"`{shown(plain.decode(source.value))}` is none"
        else:
            given = self._hint(source, maps)
            if given is MISSING or fits(given, parameter.hint):
                return source
            found = f"it is given `{type_text(given)}`"
        wanted = f"`{type_text(parameter.hint)}` ({self._defined(function)})"
        told = f"argument `{name}` of `{function.name}` is {wanted}, and {found}"
        self.refuse(step, "types", told, "give it a value of that type")
        return source

    def _constant(self, source: ir.Constant, hint: Any, name: str) -> ir.Constant | None:
        """The constant with the type that rebuilds it, where it needs one: the name of an enum member, fields."""
        if source.type is not None or accepts(plain.decode(source.value), hint):
            return source
        try:
            kind = params.type_of(hint, owner=name)
            return ir.Constant(value=params.normalise(kind, plain.decode(source.value), name=name), type=kind)
        except PipeglotError:
            return None

    def _hint(self, source: ir.Source, maps: tuple[ir.Map, ...]) -> Any:
        """The type of what a source gives, `MISSING` where that is not known."""
        match source:
            case ir.ParamRef() if source.name in self.params:
                return _param_hint(self.params[source.name].type)
            case ir.OutputRef() if source.step in self.returned:
                returns, around = self.returned[source.step]
                hint = returns.whole if source.output is None else returns.hints.get(source.output, MISSING)
                for level in around:
                    hint = hint if level in maps or hint is MISSING else list_of(hint)
                return hint
            case ir.ItemRef():
                over = next((one.over for one in maps if one.id == source.map), {})
                listed = self._hint(over[source.name], maps) if source.name in over else MISSING
                item = MISSING if listed is MISSING else list_item(listed)
                return MISSING if item is None else item
            case _:
                return MISSING


def _is_readable(constant: ir.Constant) -> bool:
    try:
        plain.decode(constant.value)
    except Exception:  # noqa: BLE001  # people write anything after a tag
        return False
    return True


def _param_hint(kind: ir.ParamType) -> Any:
    if isinstance(kind, ir.ScalarType):
        return _TYPES.get(kind.name, MISSING)
    return MISSING
