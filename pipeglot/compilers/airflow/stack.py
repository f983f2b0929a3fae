"""What `pipeglot.yaml` says of an Airflow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import msgspec
from msgspec import Struct

from pipeglot.core.ir import Step
from pipeglot.core.secret_places import KINDS
from pipeglot.core.stack import CODE, COMMON, IMAGE, Code, Setting, Stack, a_place, no_image

_AUTH = ("user", "password", "password_file", "token_command")


def _bad_auth(value: Mapping[str, str]) -> str:
    unknown = next((name for name in value if name not in _AUTH), "")
    if unknown:
        return f"it has no `{unknown[:60]}`"
    if value.get("password") and not value["password"].startswith("${"):
        return "`password` names a variable, as `${AIRFLOW_PASSWORD}`"
    return ""


_OF_TASKS = (
    "task_id trigger_rule map_index_template multiple_outputs do_xcom_push python_callable op_args op_kwargs params "
    "inlets outlets dag task_group cmds arguments env_vars secrets container_resources skip_on_exit_code "
    "name random_name_suffix base_container_name pre_execute post_execute"
)
_OBJECTS = "volumes volume_mounts ports pod_runtime_info_envs full_pod_spec callbacks"
_OURS = {
    **dict.fromkeys(("owner", "queue", "executor_config"), "is a setting of the stack itself"),
    **dict.fromkeys(("image", "namespace", "kubernetes_conn_id"), "is a setting of the stack itself"),
    "service_account_name": "is said by the stack's `service_account`",
    **dict.fromkeys(("retries", "retry_delay", "retry_exponential_backoff", "max_retry_delay"), "is said by `Retry`"),
    "execution_timeout": "is said by a step's `timeout=`",
    **dict.fromkeys(("start_date", "end_date"), "is said by the pipeline's schedule"),
    **dict.fromkeys(_OF_TASKS.split(), "is what pipeglot itself says of a task"),
    **dict.fromkeys(_OBJECTS.split(), "is an object of Kubernetes: `pod_template_file` names a file with it"),
}
"""What `default_args` cannot say, and why."""


def _bad_defaults(value: Mapping[str, Any]) -> str:
    return next((f"`{name}` {why}" for name, why in _OURS.items() if name in value), "")


def _bad_steps(value: Mapping[str, Mapping[str, Any]]) -> str:
    for name, words in value.items():
        for word in ("pool_slots", "max_active_tis_per_dag"):
            if words.get(word, 1) < 1:
                return f"`{word}` of `{name[:60]}` is less than 1"
    return ""


_KUBERNETES = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_CONNECTION = re.compile(r"[\w.-]{1,200}")


def _bad_kubernetes(value: str) -> str:
    return "" if _KUBERNETES.fullmatch(value) else "small letters, digits and `-` make one"


def _bad_connection(value: str) -> str:
    return "" if _CONNECTION.fullmatch(value) else "letters, digits, `_`, `.` and `-` make one"


def _bad_python(value: str) -> str:
    if value.startswith(("/", "${")):
        return ""
    return "it is no full path, and workers have another folder"


class AirflowStep(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Airflow's own words for a step.

    queue: of a Celery executor. pool: in place of the step's own, as it is called in that Airflow. pool_slots: how many
    it takes of it. executor: of those that the Airflow has. executor_config: for that executor, as plain data.
    owner: in place of the stack's. max_active_tis_per_dag: how many may run at once, in all runs together.
    node_selector: labels of the nodes that its pods may run on. tolerations: taints of nodes that they may run on, as
    Kubernetes has them.
    """

    queue: str = ""
    pool: str = ""
    pool_slots: int = 0
    executor: str = ""
    executor_config: dict[str, Any] = {}
    owner: str = ""
    max_active_tis_per_dag: int = 0
    node_selector: dict[str, str] = {}
    tolerations: list[dict[str, Any]] = []


_STEP_DOCS = {
    "queue": ("string", "The queue of this step's tasks."),
    "pool": ("string", "The pool of this step's tasks, as that Airflow calls it."),
    "pool_slots": ("integer", "How many slots of its pool a task takes."),
    "executor": ("string", "The executor of this step's tasks, of those that the Airflow has."),
    "executor_config": ("object", "For that executor, as plain data."),
    "owner": ("string", "The owner of this step's tasks, as Airflow's pages show it."),
    "max_active_tis_per_dag": ("integer", "How many of this step's tasks run at once, in all runs together."),
    "node_selector": ("object", "With `run: pod`: labels of the nodes that this step's pods may run on."),
    "tolerations": (
        "array",
        "With `run: pod`: taints of nodes that this step's pods may run on, as Kubernetes has them.",
    ),
}


class AirflowStack(Stack, frozen=True, kw_only=True, tag="airflow"):
    """DAG files for an Airflow that is already there.

    version: its major version: 3 (3.0 to 3.3), or 2 (2.10, 2.11).
    dags_folder: where that Airflow reads its DAG files: a folder, or a bucket (`s3://…`, `gs://…`, `az://…`) that it
        takes them from. Without it, `deploy` tells what to commit.
    api_url: where its REST API is, for runs that are started and followed from here.
    auth: how to log in there: `user` with `password` (as `${VARIABLE}`) or `password_file`, or a `token_command`.
    owner: of the DAGs, as Airflow's pages show it.
    queue: of all tasks, where an executor has queues.
    default_args: more of Airflow's words for all tasks, as `depends_on_past: true`: none that pipeglot itself sets.
    executor_config: for the executor of all tasks, as plain data.
    code: how the project's code comes to where steps run: in a `bundle`, or it is `installed` there, or in the `image`.
    python: the Python that steps run in, by its full path on the workers, if it is not Airflow's own; or in the image,
        if it is not its `python`.
    steps: Airflow's own words for single steps, such as `queue` and `pool`, by step name or tag.
    run: whether steps run in the `task` itself, or each in a `pod` of Kubernetes.
    image: the container image of pods whose step names none; pipeglot is in it.
    namespace: of the pods.
    service_account: of the pods, by which they may read and write the store.
    kubernetes_conn_id: the connection of that Airflow to the cluster; if not said, Airflow's own way to one.
    """

    version: Literal[3, 2] = 3
    dags_folder: str = ""
    api_url: str = ""
    auth: dict[str, str] = msgspec.field(default_factory=dict)
    owner: str = ""
    queue: str = ""
    default_args: dict[str, Any] = msgspec.field(default_factory=dict)
    executor_config: dict[str, Any] = msgspec.field(default_factory=dict)
    code: Code = "bundle"
    python: str = ""
    steps: dict[str, AirflowStep] = msgspec.field(default_factory=dict)
    run: Literal["task", "pod"] = "task"
    image: str = ""
    namespace: str = ""
    service_account: str = ""
    kubernetes_conn_id: str = ""

    files_setting: ClassVar[str] = "dags_folder"
    live_setting: ClassVar[str] = "api_url"
    secret_kinds: ClassVar[tuple[str, ...]] = (*KINDS, "airflow", "k8s")
    settings: ClassVar[Mapping[str, Setting]] = {
        **COMMON,
        "version": Setting(
            "3 or 2", Literal[3, 2], "The major version of that Airflow: 3 (3.0 to 3.3), or 2 (2.10, 2.11)."
        ),
        "dags_folder": a_place("a folder or a bucket", "Where that Airflow reads its DAG files."),
        "api_url": a_place("an address", "Where its REST API is, as `http://airflow:8080`."),
        "auth": Setting(
            "`user` with `password` or `password_file`, or a `token_command`",
            dict[str, str],
            "How to log in there. A password stands in a file or a variable, never here.",
            _bad_auth,
            {"propertyNames": {"enum": list(_AUTH)}},
        ),
        "owner": Setting("a name", str, "The owner of the DAGs, as Airflow's pages show it."),
        "queue": Setting("a name", str, "The queue of all tasks, of a Celery executor."),
        "default_args": Setting(
            "a mapping, as `{depends_on_past: true}`",
            dict[str, Any],
            "More of Airflow's words for all tasks. What pipeglot itself sets, such as retries, is refused.",
            _bad_defaults,
            {"propertyNames": {"not": {"enum": list(_OURS)}}},
        ),
        "executor_config": Setting(
            "a mapping of plain data", dict[str, Any], "For the executor of all tasks, as plain data."
        ),
        "code": CODE,
        "python": Setting(
            "a full path",
            str,
            "The Python that steps run in, on each worker, such as a virtual environment's: Airflow's own then needs "
            "nothing of pipeglot.",
            _bad_python,
        ),
        "run": Setting(
            "`task` or `pod`",
            Literal["task", "pod"],
            "Whether steps run in Airflow's task itself, or each in a pod of Kubernetes.",
        ),
        "image": Setting(
            "a container image",
            str,
            "With `run: pod`: the image of steps that name none; pipeglot is in it.",
            no_image,
            {"pattern": f"^{IMAGE.pattern}$"},
        ),
        "namespace": Setting("a name", str, "With `run: pod`: the namespace of the pods.", _bad_kubernetes),
        "service_account": Setting("a name", str, "With `run: pod`: the service account of the pods.", _bad_kubernetes),
        "kubernetes_conn_id": Setting(
            "a name", str, "With `run: pod`: the connection of that Airflow to the cluster.", _bad_connection
        ),
        "steps": Setting(
            "a mapping of steps or tags to settings, as `train: {queue: gpu}`",
            dict[str, AirflowStep],
            "Airflow's own words for single steps, by step name or tag: `queue`, `pool` and more.",
            _bad_steps,
            {
                "additionalProperties": {
                    "type": "object",
                    "properties": {
                        name: {"description": doc, "type": kind, **({"minimum": 1} if kind == "integer" else {})}
                        for name, (kind, doc) in _STEP_DOCS.items()
                    },
                    "additionalProperties": False,
                }
            },
        ),
    }

    def image_of(self, step: Step) -> str | None:
        """With `run: pod`: the step's own goes before the stack's."""
        return (step.image or self.image) if self.run == "pod" else None


def step_words(stack: AirflowStack, step: str, tags: tuple[str, ...]) -> AirflowStep:
    """Airflow's own words for a step: those under its tags, and before them those under its name."""
    found: dict[str, Any] = {}
    for name in (*tags, step):
        if name in stack.steps:
            found |= msgspec.to_builtins(stack.steps[name])
    return AirflowStep(**found)
