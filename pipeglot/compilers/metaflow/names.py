"""What steps and parameters are called in Metaflow, and the names that are Metaflow's own, or ours."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Iterable

FLOW = frozenset({"cmd", "foreach_stack", "index", "input", "merge_artifacts", "name", "next", "script_name"})
"""Attributes of every flow."""

OPTIONS = frozenset(
    [
        "authorize",
        "auto_emit_argo_events",
        "aws_batch_tag",
        "aws_batch_tags",
        "clone_only",
        "compress_state_machine",
        "decospecs",
        "deployer_attribute_file",
        "enable_error_msg_capture",
        "enable_heartbeat_daemon",
        "generate_new_token",
        "given_token",
        "help",
        "incident_io_alert_source_config_id",
        "incident_io_metadata",
        "log_execution_history",
        "max_log_size",
        "max_num_splits",
        "max_workers",
        "namespace",
        "new_token",
        "no_auto_emit_argo_events",
        "no_clone_only",
        "no_compress_state_machine",
        "no_enable_error_msg_capture",
        "no_enable_heartbeat_daemon",
        "no_notify_on_error",
        "no_notify_on_success",
        "no_reentrant",
        "no_use_distributed_map",
        "notify_incident_io_api_key",
        "notify_on_error",
        "notify_on_success",
        "notify_pager_duty_integration_key",
        "notify_slack_webhook_url",
        "obj",
        "only_json",
        "origin_run_id",
        "params",
        "reentrant",
        "resume_identifier",
        "run_id",
        "run_id_file",
        "runner_attribute_file",
        "step_to_rerun",
        "tag",
        "tags",
        "task_id",
        "use_distributed_map",
        "user_namespace",
        "with",
        "workflow_description",
        "workflow_priority",
        "workflow_timeout",
        "workflow_title",
    ]
)
"""Options of the commands that take parameters: `run`, `resume`, and those that deploy a flow and start it."""

NOT_ON_ARGO = frozenset({"script"})
"""Parameters that its deployer for Argo Workflows does not take."""

COMMANDS = ("RUN", "RESUME", "ARGO_WORKFLOWS_CREATE", "STEP_FUNCTIONS_CREATE")
"""Those that have a limit of tasks at work, as they stand in the variables of their options, `METAFLOW_RUN_…`."""

MOST_SPLITS = 1_000_000
"""Tasks of a foreach: how many there are, the flow itself says."""

IMPORTED = frozenset(
    [
        "FlowSpec",
        "Parameter",
        "batch",
        "bool",
        "card",
        "environment",
        "float",
        "int",
        "kubernetes",
        "project",
        "resources",
        "retry",
        "schedule",
        "secrets",
        "step",
        "str",
    ]
)
"""What the body of a flow's class calls by its name, after other names of that class."""

WISHES = "pipeglot_wishes"
"""The attribute of the parameter by which our own wishes travel."""

OURS = frozenset({"pipeglot", "pipeglot_run", WISHES, "arm"})
"""What emitted files and their worker put on a flow, beside `each_…` and `ref_…`."""

_PREFIXES = ("each_", "ref_", "pipeglot_")

LONGEST = 100
"""Characters of a step's name: Argo Workflows and Step Functions make longer names of it."""

_FEW = 3


_KEPT = FLOW | IMPORTED | OURS | {"start", "end", "self", "inputs"}


class Names:
    """The attributes of a flow, each given once."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def step(self, text: str) -> str:
        """A name for a step that is like `text`: small letters, digits and `_`, as Metaflow wants it."""
        return self._own(re.sub(r"[^a-z0-9_]+", "_", text.lower())[:LONGEST], "step")

    def param(self, text: str) -> str:
        """A name for a parameter: Metaflow does not tell `Year` from `year`."""
        return self._own(re.sub(r"[^A-Za-z0-9_]+", "_", text), "param", NOT_ON_ARGO)

    def each(self, text: str) -> str:
        """A name for what a foreach goes over: of its own, for a foreach in another one needs both."""
        return self._new(f"each_{re.sub('[^a-z0-9_]+', '_', text.lower()).strip('_')}")

    def _own(self, text: str, kind: str, others: Collection[str] = ()) -> str:
        base = text.strip("_")
        is_kept = base in _KEPT or base.startswith(_PREFIXES) or keyword.iskeyword(base)
        is_kept = is_kept or base.lower() in OPTIONS or base.lower() in others
        return self._new(f"{kind}_{base or 'x'}" if is_kept or not base[:1].isalpha() else base)

    def _new(self, base: str) -> str:
        name, number = base, 2
        while name.lower() in self._given:
            name, number = f"{base}_{number}", number + 1
        self._given.add(name.lower())
        return name


def together(ids: Iterable[str], word: str = "") -> str:
    """A text for several nodes: all of a few, or the first and the last; what stands before a dot in all of them only
    once."""
    found = list(dict.fromkeys(ids))
    first = found[0].rpartition(".")[0]
    if first and all(name.rpartition(".")[0] == first for name in found):
        inner = together((name.removeprefix(f"{first}.") for name in found), word)
        return f"{first}_{inner}"
    text = (f"_{word}_" if word else "_").join(found)
    if len(found) <= _FEW and len(text) <= LONGEST // 2:
        return text
    return f"{found[0][: LONGEST // 3]}_to_{found[-1][: LONGEST // 3]}"
