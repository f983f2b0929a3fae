"""The imports of an emitted DAG file: where each name is in Airflow 3 and 2, in the order that linters want."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby

from pipeglot.compilers.python_text import WIDTH

_STANDARD: Mapping[str, str] = {
    "timedelta": "datetime",
    "Path": "pathlib",
    "SIGTERM": "signal",
    "signal": "signal",
    "PIPE": "subprocess",
    "STDOUT": "subprocess",
    "Popen": "subprocess",
    "TemporaryDirectory": "tempfile",
}
_MODULES = ("json", "os")
_PODS: Mapping[str, str] = {
    "KubernetesPodOperator": "airflow.providers.cncf.kubernetes.operators.pod",
    "Secret": "airflow.providers.cncf.kubernetes.secret",
    "V1ResourceRequirements": "kubernetes.client",
    "pass_context": "jinja2",
}
_3: Mapping[str, str] = {
    **_PODS,
    **dict.fromkeys(("Asset", "Param", "TaskGroup", "dag", "get_current_context", "task", "task_group"), "airflow.sdk"),
    "EmptyOperator": "airflow.providers.standard.operators.empty",
    "conf": "airflow.configuration",
}
_2: Mapping[str, str] = {
    **_PODS,
    **dict.fromkeys(("dag", "task", "task_group"), "airflow.decorators"),
    **dict.fromkeys(("AirflowFailException", "AirflowSkipException"), "airflow.exceptions"),
    "CronTriggerTimetable": "airflow.timetables.trigger",
    "Dataset": "airflow.datasets",
    "EmptyOperator": "airflow.operators.empty",
    "Param": "airflow.models.param",
    "TaskGroup": "airflow.utils.task_group",
    "conf": "airflow.configuration",
    "get_current_context": "airflow.operators.python",
}
_EXCEPTIONS = """\
try:
    from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
except ImportError:  # before 3.2
    from airflow.exceptions import AirflowFailException, AirflowSkipException"""

NAMES = (*_STANDARD, *_MODULES, *_3, *_2, "pendulum")
"""All that a file may import: nothing else in it may be called so."""


def imports(used: Iterable[str], version: int) -> str:
    """The lines that import these names."""
    names = {"pendulum", *used}
    own = [f"import {name}" for name in _MODULES if name in names] + _from(_STANDARD, names)
    theirs = ["import pendulum", *_from(_3 if version == 3 else _2, names)]
    parts = [own, theirs, [_EXCEPTIONS] if version == 3 and "AirflowFailException" in names else []]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _from(places: Mapping[str, str], names: set[str]) -> list[str]:
    found = sorted((places[name], *_order(name)) for name in names if name in places)
    lines = []
    for module, each in groupby(found, key=lambda one: one[0]):
        members = [name for _, _, name in each]
        line = f"from {module} import {', '.join(members)}"
        broken = f"from {module} import (\n" + "".join(f"    {name},\n" for name in members) + ")"
        lines.append(line if len(line) <= WIDTH else broken)
    return lines


def _order(name: str) -> tuple[int, str]:
    """Constants, then classes, then all else."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name
