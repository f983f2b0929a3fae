"""What steps are called in KFP, which takes small letters, digits and `-`; and the names that are ours."""

from __future__ import annotations

import re
from collections.abc import Iterable

LONGEST = 128
"""Characters of a pipeline's or a task's name. Source: `PIPELINE_NAME` of Vertex AI, and the KFP SDK's own check."""

LONGEST_LOOP = 50
"""Of a loop's name, without the number that may follow it: Kubeflow's engine has names of 128 characters at most, and
in one of these a loop's name stands twice, with 15 characters more."""

RUN = "pipeglot-run"
"""The input in which a task is told its run's id. No parameter of a pipeline has a `-` in its name."""
STEP = "pipeglot-step"
"""The input in which a task is told its step, where several share what else they are told."""
INDEX = "pipeglot-index"
"""The input in which a task is told its items: a position in each map around it, or several of these."""
SCHEDULED = "pipeglot-scheduled"
"""The input in which the first tasks are told the time that the run was planned for."""
CHANNEL = "pipelinechannel--"
"""Before the name of an input that another task has written, as the KFP SDK has it."""
OUTPUT = "Output"
"""The name of a task's only output, as `kfp.local` wants it."""

_INNER = ("root", "executor", "iteration", "iteration-driver", "iteration-item", "iteration-iterations")
"""What Kubeflow calls nodes of a run that are no task of the spec."""

OWN = (RUN, STEP, INDEX, SCHEDULED)

_DRIVER = "-driver"
"""With this at its end, Kubeflow itself makes another name of each task's."""


def mangled(text: str) -> str:
    """A name that KFP takes, and that is like `text`."""
    found = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if not found or not found[0].isalpha():
        found = f"step-{found}".strip("-")
    if found.endswith(_DRIVER):
        found = f"{found}-step"
    return found[:LONGEST].rstrip("-")


class Names:
    """Names of tasks, each given once."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {*_INNER, *taken}

    def new(self, text: str, longest: int = LONGEST - 20) -> str:  # components have more before it
        """A name that is like `text`: with a number if another one is so already."""
        base = name = mangled(text)[:longest].rstrip("-")
        number = 2
        while name in self._taken:
            name, number = f"{base}-{number}", number + 1
        self._taken.add(name)
        return name


def channel(task: str) -> str:
    """The input by which a task gets the output of another one."""
    return f"{CHANNEL}{task}-{OUTPUT}"


def item(task: str) -> str:
    """The input by which the tasks in a loop get an item of that task's list."""
    return f"{channel(task)}-loop-item"
