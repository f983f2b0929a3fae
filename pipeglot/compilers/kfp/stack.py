"""What `pipeglot.yaml` says of a Kubeflow Pipelines, or of a project of Vertex AI."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import msgspec
from msgspec import Struct

from pipeglot.core.ir import Step
from pipeglot.core.secret_places import KINDS
from pipeglot.core.stack import CODE, COMMON, IMAGE, Code, Setting, Stack, a_count, a_place, no_image

MOST_ITEMS = 100
"""How many tasks a map has at most, if the stack does not say."""

SANDBOX_IMAGE = "sandbox/python"
"""What a sandbox's stack says, whose steps run in none: KFP's own simulator wants a word there, with `python` in it."""

_KUBERNETES = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_LABEL = re.compile(r"[a-z0-9_-]{0,63}")
_KFP_AUTH = ("token", "token_file", "token_command", "user", "password", "password_file")
_VERTEX_AUTH = ("token", "token_command", "service_account_file")


def _bad_auth(value: Mapping[str, str], known: tuple[str, ...], prefix: str) -> str:
    unknown = next((name for name in value if name not in known), "")
    if unknown:
        return f"it has no `{unknown[:60]}`"
    for name in ("token", "password"):
        if value.get(name) and not value[name].startswith("${"):
            return f"`{name}` names a variable, as `${{{prefix}_{name.upper()}}}`"
    return ""


def _bad_kfp_auth(value: Mapping[str, str]) -> str:
    return _bad_auth(value, _KFP_AUTH, "KFP")


def _bad_vertex_auth(value: Mapping[str, str]) -> str:
    return _bad_auth(value, _VERTEX_AUTH, "VERTEX")


def _bad_kubernetes(value: str) -> str:
    return "" if _KUBERNETES.fullmatch(value) else "small letters, digits and `-` make one"


def _bad_account(value: str) -> str:
    return (
        "" if "@" in value and " " not in value else "it is an address, as `runner@my-project.iam.gserviceaccount.com`"
    )


def _bad_root(value: str) -> str:
    return "" if value.startswith("gs://") and value != "gs://" else "it is no bucket of Google's: `gs://…`"


def _bad_labels(value: Mapping[str, str]) -> str:
    for name, said in value.items():
        if not re.match("[a-z]", name) or not _LABEL.fullmatch(name) or not _LABEL.fullmatch(said):
            return f"`{name[:60]}`: small letters, digits, `_` and `-` make a label, 63 at most"
    return ""


def _bad_steps(value: Mapping[str, Mapping[str, Any]]) -> str:
    for name, words in value.items():
        if not IMAGE.fullmatch(words.get("image", "image")):
            return f"`image` of `{name[:60]}`: letters, digits and `._/:@-` make one"
    return ""


class KfpStep(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Kubeflow's own words for a step.

    image: the container image that it runs in, in place of the stack's.
    accelerator: what the cluster calls its GPUs, as `nvidia.com/gpu`.
    node_selector: labels of the nodes that its pods may run on.
    """

    image: str = ""
    accelerator: str = ""
    node_selector: dict[str, str] = {}


class VertexStep(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Vertex AI's own words for a step.

    image: the container image that it runs in, in place of the stack's.
    accelerator: the type of its GPUs, as Vertex calls it: `NVIDIA_TESLA_T4`.
    """

    image: str = ""
    accelerator: str = ""


_STEP_DOCS: dict[str, dict[str, Any]] = {
    "image": {"type": "string", "description": "The container image that this step runs in, in place of the stack's."},
    "accelerator": {"type": "string", "description": "What its GPUs are called there, as `nvidia.com/gpu`."},
    "node_selector": {
        "type": "object",
        "description": "Labels of the nodes that this step's pods may run on.",
        "additionalProperties": {"type": "string"},
    },
}


def _steps(model: type[Struct], doc: str) -> Setting:
    words = {name: _STEP_DOCS[name] for name in model.__struct_fields__}
    if model is VertexStep:
        words["accelerator"] = {**words["accelerator"], "description": "The type of its GPUs: `NVIDIA_TESLA_T4`."}
    inner = {"type": "object", "properties": words, "additionalProperties": False}
    return Setting(
        "a mapping of steps or tags to settings, as `train: {image: …}`",
        dict[str, model],  # type: ignore[valid-type]  # one of two, known here
        doc,
        _bad_steps,
        {"additionalProperties": inner},
    )


_SHARED: dict[str, Setting] = {
    "image": Setting(
        "a container image",
        str,
        "The image of steps that name none; pipeglot is in it. Best with its digest: `…@sha256:…`.",
        no_image,
        {"pattern": f"^{IMAGE.pattern}$"},
    ),
    "max_map_length": a_count(
        f"How many tasks a map has at most; if not said, {MOST_ITEMS}. More items than these share tasks."
    ),
    "code": CODE,
}


class KfpStack(Stack, frozen=True, kw_only=True, tag="kfp"):
    """Pipeline specs for a Kubeflow Pipelines (version 2) that is already there.

    image: the container image of steps that name none; pipeglot is in it.
    pipeline_root: where Kubeflow keeps what it makes itself; if not said, as it is set up.
    service_account: of the pods, by which they may read and write the store.
    namespace: of the runs.
    api_url: where its API is, as `http://ml-pipeline.kubeflow:8888`.
    auth: how to get in: a `token` (as `${VARIABLE}`) or `token_file`; a `token_command`; or `user` with `password` or
        `password_file`.
    experiment: that runs belong to; if not said, Kubeflow's own `Default`.
    max_map_length: how many tasks a map has at most: more items than these share tasks.
    code: how the project's code comes to where steps run: in a `bundle`, or it is `installed` there, or in the `image`.
    steps: Kubeflow's own words for single steps, by step name or tag: `image`, `accelerator`, `node_selector`.
    """

    image: str = ""
    pipeline_root: str = ""
    service_account: str = ""
    namespace: str = "kubeflow"
    api_url: str = ""
    auth: dict[str, str] = msgspec.field(default_factory=dict)
    experiment: str = ""
    max_map_length: int = MOST_ITEMS
    code: Code = "bundle"
    steps: dict[str, KfpStep] = msgspec.field(default_factory=dict)

    live_setting: ClassVar[str] = "api_url"
    untold: ClassVar[str] = "Kubeflow's own pages take the spec that `pipeglot compile --out DIR` writes"
    secret_kinds: ClassVar[tuple[str, ...]] = (*KINDS, "k8s")
    settings: ClassVar[Mapping[str, Setting]] = {
        **COMMON,
        **_SHARED,
        "pipeline_root": a_place("a bucket", "Where Kubeflow keeps what it makes itself, as `s3://ml/kubeflow`."),
        "service_account": Setting("a name", str, "The service account of the pods.", _bad_kubernetes),
        "namespace": Setting("a name", str, "The namespace of the runs; if not said, `kubeflow`.", _bad_kubernetes),
        "api_url": a_place("an address", "Where its API is, as `http://ml-pipeline.kubeflow:8888`."),
        "auth": Setting(
            "a `token` or `token_file`, a `token_command`, or a `user` with `password` or `password_file`",
            dict[str, str],
            "How to get in. A token or password stands in a file or a variable, never here.",
            _bad_kfp_auth,
            {"propertyNames": {"enum": list(_KFP_AUTH)}},
        ),
        "experiment": Setting("a name", str, "The experiment that runs belong to."),
        "steps": _steps(KfpStep, "Kubeflow's own words for single steps, by step name or tag: `image` and more."),
    }

    def image_of(self, step: Step) -> str | None:
        """The stack's own words for it go before the step's, and these before the stack's. None in a sandbox."""
        return None if self.image == SANDBOX_IMAGE else _image_of(self, step)


FailurePolicy = Literal["slow", "fast"]


class VertexStack(Stack, frozen=True, kw_only=True, tag="vertex"):
    """Pipeline jobs in a project of Vertex AI.

    project: Google's id of it.
    location: its region, as `europe-west4`.
    image: the container image of steps that name none; pipeglot is in it.
    pipeline_root: where Vertex keeps what it makes itself: `gs://…`. It must have one.
    service_account: that steps run as, by which they may read and write the store.
    labels: of all jobs, for bills and for people.
    network: the network that steps run in, as `projects/NUMBER/global/networks/NAME`.
    api_endpoint: where the API is, if it is not that of the location.
    auth: how to get in: a `service_account_file`, a `token_command` or a `token` (as `${VARIABLE}`). Without one, the
        metadata server of the machine is asked.
    failure_policy: whether other steps still start when one has failed (`slow`), or none does (`fast`).
    max_map_length: how many tasks a map has at most: more items than these share tasks.
    code: how the project's code comes to where steps run: in a `bundle`, or it is `installed` there, or in the `image`.
    steps: Vertex AI's own words for single steps, by step name or tag: `image`, `accelerator`.
    """

    project: str = ""
    location: str = ""
    image: str = ""
    pipeline_root: str = ""
    service_account: str = ""
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    network: str = ""
    api_endpoint: str = ""
    auth: dict[str, str] = msgspec.field(default_factory=dict)
    failure_policy: FailurePolicy = "slow"
    max_map_length: int = MOST_ITEMS
    code: Code = "bundle"
    steps: dict[str, VertexStep] = msgspec.field(default_factory=dict)

    live_setting: ClassVar[str] = "project"
    untold: ClassVar[str] = "Google's own pages take the spec that `pipeglot compile --out DIR` writes"
    settings: ClassVar[Mapping[str, Setting]] = {
        **COMMON,
        **_SHARED,
        "project": Setting("the id of a project", str, "Google's id of the project."),
        "location": Setting("a region", str, "Its region, as `europe-west4`.", _bad_kubernetes),
        "pipeline_root": Setting(
            "a bucket of Google's",
            str,
            "Where Vertex keeps what it makes itself, as `gs://ml/vertex`.",
            _bad_root,
            {"pattern": "^gs://."},
        ),
        "service_account": Setting(
            "the address of a service account", str, "The service account that steps run as.", _bad_account
        ),
        "labels": Setting(
            "a mapping of texts", dict[str, str], "Labels of all jobs, for bills and for people.", _bad_labels
        ),
        "network": Setting(
            "a network", str, "The network that steps run in, as `projects/NUMBER/global/networks/NAME`."
        ),
        "api_endpoint": a_place("an address", "Where the API is, if it is not that of the location."),
        "auth": Setting(
            "a `service_account_file`, a `token_command` or a `token`",
            dict[str, str],
            "How to get in. Without it, the metadata server of the machine is asked.",
            _bad_vertex_auth,
            {"propertyNames": {"enum": list(_VERTEX_AUTH)}},
        ),
        "failure_policy": Setting(
            "`slow` or `fast`",
            FailurePolicy,
            "Whether other steps still start when one has failed (`slow`), or none does (`fast`).",
        ),
        "steps": _steps(VertexStep, "Vertex AI's own words for single steps, by step name or tag: `image` and more."),
    }

    def image_of(self, step: Step) -> str:
        """The stack's own words for it go before the step's, and these before the stack's."""
        return _image_of(self, step)


def _image_of(stack: KfpStack | VertexStack, step: Step) -> str:
    return step_words(stack, step.id, step.tags).image or step.image or stack.image


def step_words(stack: KfpStack | VertexStack, step: str, tags: tuple[str, ...]) -> KfpStep:
    """The words for a step: those under its tags, and before them those under its name."""
    found: dict[str, Any] = {}
    for name in (*tags, step):
        if name in stack.steps:
            found |= msgspec.to_builtins(stack.steps[name])
    return KfpStep(**found)
