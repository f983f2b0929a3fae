"""What Kubeflow and Vertex AI do with each feature of a pipeline."""

from __future__ import annotations

from pipeglot.core.features import Capabilities, Feature, Level, Support, declare

_NATIVE = Support(Level.NATIVE)
_BY_US = Support(Level.EMULATED)
_NOT_LIMITED = Support(Level.NOT_YET, "it starts all that is ready; only the items of a map can be held back")
_IN_MAPS = Support(
    Level.NATIVE,
    "of a map's items; in a map in a map, and beside other steps in one, items wait for more than they must",
)

_SHARED = {
    Feature.RETRY: _NATIVE,
    Feature.RETRY_DELAY: _NATIVE,
    Feature.RETRY_BACKOFF: Support(Level.NATIVE, "by a whole factor; by another one the task itself waits the rest"),
    Feature.RETRY_MAX_DELAY: Support(Level.EMULATED, "it waits the least delay, and the task itself the rest"),
    Feature.RETRY_JITTER: Support(Level.EMULATED, "it waits the least delay, and the task itself the rest"),
    Feature.RETRY_ON: Support(Level.EMULATED, "after other exceptions, each further try ends at once"),
    Feature.TIMEOUT: Support(Level.EMULATED, "the step has a process of its own, which is ended"),
    Feature.CACHE: Support(Level.EMULATED, "KFP's own cache is off"),
    Feature.CACHE_EXPIRES: _BY_US,
    Feature.ENV: _BY_US,
    Feature.AFTER: _NATIVE,
    Feature.STEP_MAX_PARALLEL: _IN_MAPS,
    Feature.MAX_PARALLEL: _NOT_LIMITED,
    Feature.POOL: _NOT_LIMITED,
    Feature.MAP: Support(Level.NATIVE, "a task that lists the items, and a loop over them"),
    Feature.MAP_TOGETHER: _NATIVE,
    Feature.MAP_PIPELINE: Support(
        Level.NATIVE, "each item goes on by itself; what comes after them begins when all items are over"
    ),
    Feature.MAP_NESTED: _NATIVE,
    Feature.MAP_COLLECT: _NATIVE,
    Feature.BRANCH: Support(
        Level.NATIVE, "a task that tells, and two conditions; what comes after begins when the whole branch is over"
    ),
    Feature.BRANCH_IN_MAP: _NATIVE,
    Feature.ONE_OF: _NATIVE,
    Feature.LIST: _NATIVE,
    Feature.PARAM_ANY: Support(Level.NATIVE, "as JSON in a text"),
    Feature.PARAM_BOOL: _NATIVE,
    Feature.PARAM_INT: Support(
        Level.NATIVE, "up to 2^53, for it keeps numbers as doubles; a larger one of `run` comes through the store"
    ),
    Feature.PARAM_FLOAT: _NATIVE,
    Feature.PARAM_STR: _NATIVE,
    Feature.PARAM_DATE: Support(Level.NATIVE, "as text"),
    Feature.PARAM_DATETIME: Support(Level.NATIVE, "as text"),
    Feature.PARAM_TIMEDELTA: Support(Level.NATIVE, "as text"),
    Feature.PARAM_ENUM: Support(Level.NATIVE, "by the names of its members"),
    Feature.PARAM_LITERAL: _NATIVE,
    Feature.PARAM_OPTIONAL: Support(Level.NATIVE, "None is what is not given"),
    Feature.PARAM_LIST: _NATIVE,
    Feature.PARAM_TUPLE: _NATIVE,
    Feature.PARAM_DICT: _NATIVE,
    Feature.PARAM_DATACLASS: Support(Level.NATIVE, "as an object"),
    Feature.PARAM_PYDANTIC: Support(Level.NATIVE, "as JSON in a text"),
    Feature.PARAM_ARTIFACT: Support(Level.EMULATED, "a text in the form; the first task finds what it names"),
    Feature.SCHEDULE_ASSETS: Support(Level.NOT_YET, "it starts runs by the clock only"),
    Feature.ASSET: Support(Level.ADVISORY, "it is recorded in the ledger only"),
    Feature.PRIORITY: Support(Level.ADVISORY, "it is recorded only, for it starts all that is ready"),
    Feature.IMAGE: _NATIVE,
    Feature.PACKAGES: Support(Level.ADVISORY, "it is recorded only, for a step has what is in its image"),
    Feature.TAGS: Support(Level.ADVISORY, "they are recorded only; `steps:` of the stack goes by them"),
    Feature.DOC: Support(Level.NATIVE, "the pipeline's; KFP has no place for a step's"),
}

KFP_CAPABILITIES: Capabilities = declare(
    {
        **_SHARED,
        Feature.SECRETS: Support(
            Level.NATIVE, "from Kubernetes, the environment or files of the image, or a cloud's secret manager"
        ),
        Feature.ALL_DONE: Support(
            Level.EMULATED,
            "what comes before it ends well also if it fails, and a last task tells; not after a cancelled run, nor "
            "after a pod that was killed",
        ),
        Feature.HOOKS: Support(
            Level.EMULATED,
            "last tasks; all others end well also if they fail, and one tells; not after a cancelled run, nor after a "
            "pod that was killed",
        ),
        Feature.PARAM_LOGICAL_DATE: Support(
            Level.NATIVE, "the time that a run was scheduled for; Kubeflow from 2.16 on"
        ),
        Feature.SCHEDULE_CRON: Support(
            Level.NATIVE,
            "`deploy` makes a recurring run; in UTC only; one that is enabled again runs for the latest time missed",
        ),
        Feature.SCHEDULE_INTERVAL: Support(
            Level.NATIVE,
            "`deploy` makes a recurring run; if two times were missed, it runs at once and counts on from then",
        ),
        Feature.SCHEDULE_WINDOW: Support(Level.NATIVE, "`deploy` makes a recurring run"),
        Feature.SCHEDULE_CATCHUP: Support(
            Level.NATIVE, "`deploy` makes a recurring run, which goes on after the newest run of the one before"
        ),
        Feature.CPU: _NATIVE,
        Feature.MEMORY: _NATIVE,
        Feature.GPU: Support(Level.NATIVE, "as `nvidia.com/gpu`, or what `accelerator` in `steps:` of the stack says"),
        Feature.ACCELERATOR: Support(
            Level.ADVISORY, "it is recorded only, for each cluster has labels of its own; `steps:` has `node_selector`"
        ),
    }
)
"""Of stacks of Kubeflow Pipelines."""

VERTEX_CAPABILITIES: Capabilities = declare(
    {
        **_SHARED,
        Feature.SECRETS: Support(
            Level.EMULATED, "from the environment or files of the image, or a cloud's secret manager"
        ),
        Feature.ALL_DONE: Support(Level.NATIVE, "not after a cancelled run"),
        Feature.HOOKS: Support(
            Level.NATIVE, "last tasks; the one that is not due skips itself; not after a cancelled run"
        ),
        Feature.PARAM_LOGICAL_DATE: Support(Level.NATIVE, "the time that a run was scheduled for"),
        Feature.SCHEDULE_CRON: Support(Level.NATIVE, "`deploy` makes a schedule"),
        Feature.SCHEDULE_INTERVAL: Support(Level.NOT_YET, "Vertex AI has cron schedules only"),
        Feature.SCHEDULE_WINDOW: Support(Level.NATIVE, "`deploy` makes a schedule"),
        Feature.SCHEDULE_CATCHUP: Support(Level.NOT_YET, "Vertex AI plans no runs of the past"),
        Feature.CPU: Support(Level.NATIVE, "Vertex AI chooses a machine that has so many"),
        Feature.MEMORY: Support(Level.NATIVE, "Vertex AI chooses a machine that has so much"),
        Feature.GPU: Support(Level.NATIVE, "with the type of it"),
        Feature.ACCELERATOR: _NATIVE,
    }
)
"""Of stacks of Vertex AI Pipelines."""

_FAST = Support(
    Level.NEVER, "with `failure_policy: fast` no task begins once one has failed: take that line out of the stack"
)
NOT_WHEN_FAST: Capabilities = {Feature.ALL_DONE: _FAST, Feature.HOOKS: _FAST}
"""What a stack of Vertex AI cannot have together with its own word on failures."""
