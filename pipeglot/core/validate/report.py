"""The problems found so far, and the checks that all parts of a pipeline share."""

from __future__ import annotations

import math
import re

from pipeglot.core.errors import Problem
from pipeglot.core.params.describing import shown, ticked

CODES = {
    "name": "a pipeline's name is letters, digits, `_` and `-`, and starts with a letter or `_`",
    "id-syntax": "an id is such a name, or several with dots between, of 200 characters at most",
    "id-duplicate": "a step or branch has an id of its own, and so has a map among maps",
    "nesting": "maps and branches stand at most 20 deep in each other, lists of sources too",
    "label": "tags, pools, images and packages are short texts on one line",
    "range": "a number is in its range",
    "param-name": "a parameter's name is a Python name, given once",
    "param-type": "the classes of a parameter's type are named as `module:class`",
    "param-default": "a default fits its type; the logical date is that of a `date`",
    "code-ref": "a step's function stands at the top of a module",
    "returns": "the outputs fit the form in which a function returns them",
    "input-name": "an input is named as a parameter of the function",
    "secret": "a secret has a name that every backend can use",
    "env": "an environment variable has a name and a value that a process can have",
    "value": "a constant is plain data, and fits its type",
    "ref-param": "a parameter that is used exists",
    "ref-step": "a step that is used exists, and comes earlier",
    "ref-output": "an output that is used exists",
    "ref-item": "an item is used inside its map only",
    "arm": "an output of one arm of a branch is used outside it by way of `one_of` only",
    "one-of": "`one_of` chooses between steps of different arms of one branch",
    "after": "a step comes after earlier steps",
    "all-done": "a clean-up step takes constants and parameters only, and nothing takes a value from it",
    "hook": "a hook takes constants and parameters only, and is ordered by nothing: it runs when all else is over",
    "map": "a map has lists to step through, and steps",
    "branch": "a branch has steps in its first arm",
    "condition": "a condition asks what has an answer",
    "schedule": "a schedule has a cron line, an interval or assets, in a time zone that exists",
    "asset": "an asset is an output's, and named by a URI that every engine takes",
}
_NAME = r"[A-Za-z_][A-Za-z0-9_-]*"
_NO_LABEL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Report:
    """Collects problems. `who` is the part that a problem is about, as "step `train`"."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def add(self, code: str, who: str, message: str, hint: str = "") -> None:
        assert code in CODES
        self.problems.append(Problem(code, f"{who}: {message}", None, hint))

    def name(self, code: str, who: str, name: str, *, dots: bool = False) -> None:
        """The name is one that every backend, file system and URL can use, if perhaps written otherwise."""
        pattern = rf"{_NAME}(?:\.{_NAME})*" if dots else _NAME
        if len(name) > 200:
            self.add(code, who, f"{ticked(name)} has {len(name)} characters; 200 are the most")
        elif not re.fullmatch(pattern, name):
            self.add(code, who, f"{ticked(name)} is no name", "use letters, digits, `_` and `-`, as in `train_model`")

    def at_least(self, who: str, label: str, value: float | None, low: float) -> None:
        if value is not None and not (_is_finite(value) and value >= low):
            self.add("range", who, f"`{label}` must be at least {low}, not {shown(value)}")

    def more_than(self, who: str, label: str, value: float | None, low: float) -> None:
        if value is not None and not (_is_finite(value) and value > low):
            self.add("range", who, f"`{label}` must be more than {low}, not {shown(value)}")

    def labels(self, who: str, what: str, labels: tuple[str, ...]) -> None:
        """Short texts on one line, for people and for engines to show."""
        for label in labels:
            if not label.strip() or len(label) > 500 or _NO_LABEL.search(label):
                self.add("label", who, f"`{what}` has {ticked(label)}, which is no short text on one line")


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an int beyond all floats
        return True


def is_dotted_name(text: str) -> bool:
    """Whether it is a Python name, or several with dots between."""
    import keyword

    return all(part.isidentifier() and not keyword.iskeyword(part) for part in text.split("."))


def is_module(text: str) -> bool:
    """Whether `importlib` may find it: a file's name is a module's name, even where no `import` could write it."""
    return re.fullmatch(r"[\w-]+(?:\.[\w-]+)*", text) is not None


def is_class_ref(ref: str) -> bool:
    """Whether it is written as `module:class`."""
    module, _, qualname = ref.partition(":")
    return is_module(module) and is_dotted_name(qualname)
