"""What `pipeglot.yaml` says of a Metaflow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import msgspec

from pipeglot.core.stack import CODE, COMMON, Code, Setting, Stack, a_count, a_place, no_image

MOST_ITEMS = 100
"""How many tasks a map has at most, if the stack does not say: as many as Metaflow itself takes."""

DECORATORS = ("batch", "card", "environment", "kubernetes", "resources", "secrets")
"""Metaflow's decorators of a step that a stack may ask for."""

Layout = Literal["sp", "levels", "linear", "foreach"]
OnFailure = Literal["carry", "native"]
DeployTo = Literal["", "argo-workflows", "step-functions"]
Datastore = Literal["local", "s3", "azure", "gs"]
StepWords = dict[str, dict[str, Any]]
"""By decorator what is given to it."""

_WORD = re.compile(r"[a-z0-9_]{1,128}")
"""What Metaflow takes as the name of a project."""
_VARIABLE = re.compile("METAFLOW_[A-Z0-9_]+")
_ARGUMENT = re.compile("[a-z_][a-z0-9_]*")


def _bad_project(value: str) -> str:
    return "" if _WORD.fullmatch(value) else "small letters, digits and `_` make one, 128 at most"


def _bad_environment(value: Mapping[str, str]) -> str:
    unknown = next((name for name in value if not _VARIABLE.fullmatch(name)), "")
    return f"`{unknown[:60]}` is none of Metaflow's variables, `METAFLOW_…`" if unknown else ""


def _bad_steps(value: Mapping[str, StepWords]) -> str:
    for name, words in value.items():
        for decorator, given in words.items():
            if decorator not in DECORATORS:
                return f"`{name[:60]}` has no `{decorator[:60]}`: there is {', '.join(DECORATORS)}"
            bad = next((one for one in given if not _ARGUMENT.fullmatch(one)), "")
            if bad:
                return f"`{bad[:60]}` of `{decorator}` of `{name[:60]}` is no argument"
    return ""


class MetaflowStack(Stack, frozen=True, kw_only=True, tag="metaflow"):
    """Flow files for Metaflow, and runs of them: here, or deployed to what Metaflow deploys to.

    python: the Python that has Metaflow and pipeglot. With it, runs are started and followed from here.
    layout: how steps become Metaflow's: by splits and joins (`sp`), a level after the other (`levels`), one step after
        the other (`linear`), or with a foreach over all steps of a level (`foreach`).
    on_failure: what becomes of other steps when one has failed: those that do not need it still run (`carry`), or
        Metaflow ends the run as it does by itself (`native`).
    max_workers: how many tasks of a run are at work at once; if not said, one for each core.
    max_map_length: how many tasks a map has at most: more items than these share tasks.
    datastore: where Metaflow keeps what it writes down of its own: `local`, `s3`, `azure` or `gs`. If not said, as
        Metaflow is set up.
    datastore_root: the folder or bucket of it.
    service_url: where Metaflow's metadata service is; without it, metadata is kept in files.
    profile: the profile of Metaflow's own settings, of `~/.metaflowconfig`.
    environment: more of Metaflow's settings, as variables `METAFLOW_…` of the processes that talk to it.
    project: of Metaflow's, that the flow belongs to.
    branch: of that project; if not said, the user's own.
    production: whether it is the project's production branch that is deployed.
    deploy_to: what `deploy` deploys to: `argo-workflows` or `step-functions`.
    image: the container image that tasks have there, if their step names none; pipeglot is in it.
    code: how the project's code comes to where steps run: in a `bundle`, or it is `installed` there, or in the `image`.
    steps: Metaflow's own decorators of single steps, by step name or tag, as `train: {kubernetes: {gpu: 1}}`.
    """

    python: str = ""
    layout: Layout = "sp"
    on_failure: OnFailure = "carry"
    max_workers: int = 0
    max_map_length: int = MOST_ITEMS
    datastore: Datastore | None = None
    datastore_root: str = ""
    service_url: str = ""
    profile: str = ""
    environment: dict[str, str] = msgspec.field(default_factory=dict)
    project: str = ""
    branch: str = ""
    production: bool = False
    deploy_to: DeployTo = ""
    image: str = ""
    code: Code = "bundle"
    steps: dict[str, StepWords] = msgspec.field(default_factory=dict)

    live_setting: ClassVar[str] = "python"
    untold: ClassVar[str] = (
        "with it `run` starts flows, and `deploy` calls the deployer of `deploy_to:`; "
        "`python FLOW.py run` runs what `pipeglot compile --out DIR` writes"
    )
    settings: ClassVar[Mapping[str, Setting]] = {
        **COMMON,
        "python": a_place("a path", "The Python that has Metaflow and pipeglot, as `/opt/metaflow/bin/python`."),
        "layout": Setting(
            "`sp`, `levels`, `linear` or `foreach`",
            Layout,
            "How steps become Metaflow's: by splits and joins (`sp`), a level after the other (`levels`), one step "
            "after the other (`linear`), or with a foreach over all steps of a level (`foreach`).",
        ),
        "on_failure": Setting(
            "`carry` or `native`",
            OnFailure,
            "What becomes of other steps when one has failed: those that do not need it still run (`carry`), or "
            "Metaflow ends the run as it does by itself (`native`).",
        ),
        "max_workers": a_count("How many tasks of a run are at work at once; if not said, one for each core."),
        "max_map_length": a_count(
            f"How many tasks a map has at most; if not said, {MOST_ITEMS}. More items than these share tasks."
        ),
        "datastore": Setting(
            "`local`, `s3`, `azure` or `gs`", Datastore, "Where Metaflow keeps what it writes down of its own."
        ),
        "datastore_root": a_place("a folder or a bucket", "The folder or bucket of Metaflow's datastore."),
        "service_url": a_place("an address", "Where Metaflow's metadata service is; without it, it keeps files."),
        "profile": Setting("a name", str, "The profile of Metaflow's own settings, of `~/.metaflowconfig`."),
        "environment": Setting(
            "a mapping of variables `METAFLOW_…` to texts",
            dict[str, str],
            "More of Metaflow's settings, as variables of the processes that talk to it.",
            _bad_environment,
            {"propertyNames": {"pattern": f"^{_VARIABLE.pattern}$"}},
        ),
        "project": Setting(
            "a name",
            str,
            "The project of Metaflow's that the flow belongs to.",
            _bad_project,
            {"pattern": f"^{_WORD.pattern}$"},
        ),
        "branch": Setting("a name", str, "The branch of that project; if not said, the user's own.", _bad_project),
        "production": Setting("true or false", bool, "Whether it is the project's production branch."),
        "deploy_to": Setting(
            "`argo-workflows` or `step-functions`", DeployTo, "What `deploy` deploys to, by Metaflow's own deployer."
        ),
        "image": Setting(
            "a container image",
            str,
            "The image of tasks there whose step names none; pipeglot is in it. Best with its digest: `…@sha256:…`.",
            no_image,
        ),
        "code": CODE,
        "steps": Setting(
            "a mapping of steps or tags to decorators, as `train: {kubernetes: {gpu: 1}}`",
            dict[str, StepWords],
            "Metaflow's own decorators of single steps, by step name or tag: `kubernetes`, `batch` and more.",
            _bad_steps,
            {
                "additionalProperties": {
                    "type": "object",
                    "properties": {name: {"type": "object", "description": f"For `@{name}`."} for name in DECORATORS},
                    "additionalProperties": False,
                }
            },
        ),
    }

    def kept_in(self, root: str) -> str:
        """Which datastore it is, with this root of it; empty if that is as Metaflow is set up."""
        if self.datastore is not None:
            return self.datastore
        by_root = next((kind for kind in ("s3", "gs") if root.startswith(f"{kind}://")), "local" if root else "")
        return by_root or self.environment.get("METAFLOW_DEFAULT_DATASTORE", "")


def step_words(stack: MetaflowStack, step: str, tags: tuple[str, ...]) -> StepWords:
    """The decorators of a step: those under its tags, and before them those under its name."""
    found: StepWords = {}
    for name in (*tags, step):
        for decorator, given in stack.steps.get(name, {}).items():
            found[decorator] = {**found.get(decorator, {}), **given}
    return found
