"""What the workers of an Airflow that is there need for pipeglot: lines that install beside what it pins.

What Airflow brings itself is asked for in pipeglot's whole range, so that it stays as it is; so is what Airflow's
constraints pin for one of its providers. All else is pinned. The choice is made by `make lock`, and lies beside the
compiler.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

import pipeglot
from pipeglot.core.errors import UsageError
from pipeglot.core.suggest import listed

_CHOSEN = Path(pipeglot.__path__[0]) / "compilers/airflow/worker.json"
_WHY = {
    "airflow": "Airflow brings it: what is there stays",
    "constraints": "Airflow's constraints choose it, if you install with them",
}


class Requirement(Struct, frozen=True, kw_only=True):
    """One line of a requirements file.

    line: as pip and uv read it.
    chosen_by: who decides on the version: `pipeglot`, what `airflow` brings, or Airflow's `constraints`.
    """

    line: str
    chosen_by: Literal["pipeglot", "airflow", "constraints"]

    def __str__(self) -> str:
        why = _WHY.get(self.chosen_by)
        return f"{self.line}  # {why}" if why else self.line


class WorkerRequirements(Struct, frozen=True, kw_only=True):
    """What to install on the workers of an Airflow.

    airflow: the version of Airflow, as `2.10`.
    release: the patch of it that the lines were resolved beside.
    requirements: the lines.
    """

    airflow: str
    release: str
    requirements: tuple[Requirement, ...]


class _Chosen(Struct, frozen=True, forbid_unknown_fields=True):
    release: str
    as_of: str
    airflow: tuple[str, ...]
    constraints: tuple[str, ...]
    pins: tuple[str, ...]


def worker_requirements(airflow: str, wheel: str | None = None) -> WorkerRequirements:
    """Of a version (`2.10`, or a patch of it), with pipeglot's release or the wheel at a path or URL.

    Raises `UsageError`.
    """
    known = msgspec.json.decode(_CHOSEN.read_bytes(), type=dict[str, _Chosen])
    found = re.fullmatch(r"(\d+\.\d+)(\.\d+)?", airflow)
    if found is None or found[1] not in known:
        raise UsageError(
            f"there are no requirements for Airflow `{airflow}`", hint=f"there are those for: {listed(known)}"
        )
    chosen = known[found[1]]
    lines = [Requirement(line=own_line(wheel), chosen_by="pipeglot")]
    lines += [Requirement(line=line, chosen_by="pipeglot") for line in chosen.pins]
    lines += [Requirement(line=line, chosen_by="constraints") for line in chosen.constraints]
    lines += [Requirement(line=line, chosen_by="airflow") for line in chosen.airflow]
    return WorkerRequirements(airflow=found[1], release=chosen.release, requirements=tuple(lines))


def own_line(wheel: str | None) -> str:
    """Of pipeglot itself. Raises `UsageError`."""
    if wheel is None:
        return f"pipeglot=={pipeglot.__version__}"
    if not re.fullmatch(r"\S+\.whl(#\S+)?", wheel):
        raise UsageError(
            f"`{wheel}` is no place of a wheel",
            hint="name a path or a URL that ends in `.whl` and has no blanks, as `dist/pipeglot-1.0-py3-none-any.whl`",
        )
    return f"pipeglot @ {wheel}" if "://" in wheel else wheel
