"""Whether a live Airflow is what its stack says: reachable, of that version, and with what the stack names."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from pipeglot.compilers.remote import Check
from pipeglot.compilers.rest import part
from pipeglot.core.errors import EngineError

if TYPE_CHECKING:
    from pipeglot.compilers.airflow.deployer import AirflowDeployer
    from pipeglot.core.ir import Pipeline

_KNOWN = {3: (0, 3), 2: (10, 11)}
"""Of each major version the oldest and the newest minor one that pipeglot was tried on."""


def checks(deployer: AirflowDeployer, deployed: Collection[Pipeline]) -> Iterator[Check]:
    """All that can be asked. Raises `EngineError`, `ConfigError` if nothing can."""
    api = deployer.api
    api.get("/dags", limit=1)
    yield Check("api", f"{api.url} answers, and lets us in")
    yield _version(deployer)
    yield from _secrets(deployer)
    if deployer.stack.kubernetes_conn_id:
        yield _place(deployer, "kubernetes_conn_id", "connection", deployer.stack.kubernetes_conn_id)
    yield from _dags(deployer, deployed)
    yield from _map_length(deployer)


def _version(deployer: AirflowDeployer) -> Check:
    said = str(deployer.api.get("/version")["version"])
    major, _, rest = said.partition(".")
    minor = rest.partition(".")[0]
    wanted = deployer.stack.version
    oldest, newest = _KNOWN[wanted]
    if not major.isdecimal() or not minor.isdecimal():
        return Check("version", f"it calls itself `{said}`, which is no version of Airflow's", ok=False)
    if int(major) != wanted:
        return Check("version", f"it is Airflow {said}", ok=False, hint=f"say `version: {major}`")
    if int(minor) < oldest:
        hint = f"the oldest that pipeglot knows is {wanted}.{oldest}"
        return Check("version", f"Airflow {said} is older than what DAG files are written for", ok=False, hint=hint)
    newer = f", newer than {wanted}.{newest}, the last one that pipeglot was tried on" if int(minor) > newest else ""
    return Check("version", f"Airflow {said}{newer}")


def _secrets(deployer: AirflowDeployer) -> Iterator[Check]:
    """Those that lie in Airflow itself: variables, and connections as `conn/NAME`."""
    for name, where in deployer.stack.secrets.items():
        kind, _, place = where.partition(":")
        if kind != "airflow":
            continue
        what = "connection" if place.startswith("conn/") else "variable"
        yield _place(deployer, f"secret {name}", what, place.removeprefix("conn/"))


def _place(deployer: AirflowDeployer, title: str, what: str, key: str) -> Check:
    """Whether Airflow has a `variable` or a `connection`."""
    try:
        found = deployer.api.find(f"/{what}s/{part(key)}") is not None
    except EngineError as error:
        return Check(title, error.message, ok=False, hint=error.hint)
    command = f"`airflow {what}s {'add' if what == 'connection' else 'set'} {key} …` makes it"
    said = f"the {what} `{key}` is {'there' if found else 'not there'}"
    return Check(title, said, ok=found, hint="" if found else command)


def _dags(deployer: AirflowDeployer, deployed: Collection[Pipeline]) -> Iterator[Check]:
    """Whether `dags_folder` is what Airflow reads is told by what lies there already."""
    known = {one.name: deployer.api.find(f"/dags/{part(one.name)}") for one in deployed}
    unknown = [name for name, found in known.items() if found is None]
    if unknown:
        hint = "does it read another folder? `pipeglot deploy` tells if it cannot read a file"
        told = f"it does not know {', '.join(f'`{name}`' for name in unknown)}, which lies in `dags_folder`"
        yield Check("dags_folder", told, ok=False, hint=hint)
    elif deployed:
        yield Check("dags_folder", f"it has read what lies there: {', '.join(f'`{name}`' for name in known)}")
    for one in deployed:
        if one.schedule is not None and (known[one.name] or {}).get("is_paused"):
            told = "it is paused: its schedule starts nothing"
            yield Check(f"pipeline {one.name}", told, ok=False, hint=f"`airflow dags unpause {one.name}`, or its page")


def _map_length(deployer: AirflowDeployer) -> Iterator[Check]:
    """Many do not show their settings."""
    try:
        found = deployer.api.find("/config/section/core/option/max_map_length")
    except EngineError:
        return
    for section in (found or {}).get("sections", ()):
        for option in section.get("options", ()):
            yield Check("maps", f"at most {option['value']} items: `max_map_length` of its section `core`")
