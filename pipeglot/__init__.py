"""The public authoring API, each name imported when it is first used, and nothing else."""

from __future__ import annotations

TYPE_CHECKING = False  # as type checkers know it; `typing` alone costs more than all else here
if TYPE_CHECKING:
    from pipeglot.client.api import get_artifact as get_artifact
    from pipeglot.client.api import get_run as get_run
    from pipeglot.client.api import runs as runs
    from pipeglot.client.run import Run as Run
    from pipeglot.core.artifact_refs import Artifact as Artifact
    from pipeglot.core.artifact_refs import artifact as artifact
    from pipeglot.core.authoring.conditions import all_of as all_of
    from pipeglot.core.authoring.conditions import any_of as any_of
    from pipeglot.core.authoring.conditions import is_in as is_in
    from pipeglot.core.authoring.conditions import is_none as is_none
    from pipeglot.core.authoring.conditions import not_ as not_
    from pipeglot.core.authoring.conditions import one_of as one_of
    from pipeglot.core.authoring.conditions import otherwise as otherwise
    from pipeglot.core.authoring.conditions import when as when
    from pipeglot.core.authoring.logical_date import LogicalDate as LogicalDate
    from pipeglot.core.authoring.mapping import each as each
    from pipeglot.core.authoring.mapping import unzip as unzip
    from pipeglot.core.authoring.pipelines import Pipeline as Pipeline
    from pipeglot.core.authoring.pipelines import pipeline as pipeline
    from pipeglot.core.authoring.schedules import Assets as Assets
    from pipeglot.core.authoring.schedules import Cron as Cron
    from pipeglot.core.authoring.schedules import Interval as Interval
    from pipeglot.core.authoring.settings import Cache as Cache
    from pipeglot.core.authoring.settings import Resources as Resources
    from pipeglot.core.authoring.settings import Retry as Retry
    from pipeglot.core.authoring.steps import Step as Step
    from pipeglot.core.authoring.steps import step as step
    from pipeglot.core.checkpoints import checkpoint as checkpoint
    from pipeglot.core.context import current_run as current_run
    from pipeglot.core.context import log_metrics as log_metrics
    from pipeglot.core.context import secret as secret
    from pipeglot.core.errors import DefinitionError as DefinitionError
    from pipeglot.core.errors import Permanent as Permanent
    from pipeglot.core.errors import PipeglotError as PipeglotError
    from pipeglot.core.errors import RunFailed as RunFailed
    from pipeglot.core.serializers import serializer as serializer

__version__ = "0.1.0"

_HOMES = {
    "artifact_refs": ("Artifact", "artifact"),
    "authoring.conditions": ("all_of", "any_of", "is_in", "is_none", "not_", "one_of", "otherwise", "when"),
    "authoring.logical_date": ("LogicalDate",),
    "authoring.mapping": ("each", "unzip"),
    "authoring.pipelines": ("Pipeline", "pipeline"),
    "authoring.schedules": ("Assets", "Cron", "Interval"),
    "authoring.settings": ("Cache", "Resources", "Retry"),
    "authoring.steps": ("Step", "step"),
    "checkpoints": ("checkpoint",),
    "context": ("current_run", "log_metrics", "secret"),
    "errors": ("DefinitionError", "Permanent", "PipeglotError", "RunFailed"),
    "serializers": ("serializer",),
}
_CLIENT = {"Run": "run", "get_artifact": "api", "get_run": "api", "runs": "api"}
_NAMES = {name: f"pipeglot.core.{module}" for module, names in _HOMES.items() for name in names}
_NAMES |= {name: f"pipeglot.client.{module}" for name, module in _CLIENT.items()}

__all__ = [
    "Artifact",
    "Assets",
    "Cache",
    "Cron",
    "DefinitionError",
    "Interval",
    "LogicalDate",
    "Permanent",
    "PipeglotError",
    "Pipeline",
    "Resources",
    "Retry",
    "Run",
    "RunFailed",
    "Step",
    "__version__",
    "all_of",
    "any_of",
    "artifact",
    "checkpoint",
    "current_run",
    "each",
    "get_artifact",
    "get_run",
    "is_in",
    "is_none",
    "log_metrics",
    "not_",
    "one_of",
    "otherwise",
    "pipeline",
    "runs",
    "secret",
    "serializer",
    "step",
    "unzip",
    "when",
]


if not TYPE_CHECKING:  # to a checker, `__getattr__` would make every name a good one

    def __getattr__(name):
        module = _NAMES.get(name)
        if module is None:
            raise AttributeError(f"module `pipeglot` has no `{name}`")
        from importlib import import_module

        value = globals()[name] = getattr(import_module(module), name)
        return value


def __dir__() -> list[str]:
    return __all__
