"""What Airflow does with each feature of a pipeline."""

from __future__ import annotations

from pipeglot.core.features import Capabilities, Feature, Level, Support, declare

_NATIVE = Support(Level.NATIVE)
_BY_US = Support(Level.EMULATED)
_PLACED = Support(
    Level.ADVISORY,
    "it is recorded only, for tasks share their worker; in the stack `steps:` names a queue, and `run: pod` honours it",
)

CAPABILITIES: Capabilities = declare(
    {
        Feature.RETRY: _NATIVE,
        Feature.RETRY_DELAY: _NATIVE,
        Feature.RETRY_BACKOFF: Support(Level.EMULATED, "Airflow waits the first delay, and the task itself the rest"),
        Feature.RETRY_MAX_DELAY: _BY_US,
        Feature.RETRY_JITTER: Support(Level.EMULATED, "Airflow waits the least delay, and the task itself the rest"),
        Feature.RETRY_ON: Support(Level.EMULATED, "other exceptions fail the task for good"),
        Feature.TIMEOUT: Support(
            Level.EMULATED, "the step has a process of its own, which is ended; Airflow's timeout does not end C code"
        ),
        Feature.CACHE: _BY_US,
        Feature.CACHE_EXPIRES: _BY_US,
        Feature.SECRETS: Support(
            Level.EMULATED,
            "from the worker's environment or files, Airflow's variables and connections, or a cloud's secret manager",
        ),
        Feature.ENV: _BY_US,
        Feature.AFTER: _NATIVE,
        Feature.ALL_DONE: Support(
            Level.NATIVE, "a teardown task: it runs after a cancelled run too; in a map a plain one, which does not"
        ),
        Feature.STEP_MAX_PARALLEL: _NATIVE,
        Feature.MAX_PARALLEL: _NATIVE,
        Feature.POOL: _NATIVE,
        Feature.MAP: _NATIVE,
        Feature.MAP_TOGETHER: _NATIVE,
        Feature.MAP_PIPELINE: Support(
            Level.NATIVE,
            "a mapped task group; with a map or a branch in it, each of its steps is mapped by itself, and the next "
            "one begins when all items of the one before are over",
        ),
        Feature.MAP_NESTED: Support(Level.NATIVE, "as one list of all items"),
        Feature.MAP_COLLECT: _NATIVE,
        Feature.BRANCH: _NATIVE,
        Feature.BRANCH_IN_MAP: Support(Level.EMULATED, "items whose arm is not taken skip themselves"),
        Feature.ONE_OF: _NATIVE,
        Feature.LIST: _NATIVE,
        Feature.PARAM_ANY: _NATIVE,
        Feature.PARAM_BOOL: _NATIVE,
        Feature.PARAM_INT: _NATIVE,
        Feature.PARAM_FLOAT: _NATIVE,
        Feature.PARAM_STR: _NATIVE,
        Feature.PARAM_DATE: _NATIVE,
        Feature.PARAM_DATETIME: _NATIVE,
        Feature.PARAM_TIMEDELTA: Support(Level.NATIVE, "as text"),
        Feature.PARAM_ENUM: _NATIVE,
        Feature.PARAM_LITERAL: _NATIVE,
        Feature.PARAM_OPTIONAL: _NATIVE,
        Feature.PARAM_LIST: _NATIVE,
        Feature.PARAM_TUPLE: _NATIVE,
        Feature.PARAM_DICT: _NATIVE,
        Feature.PARAM_DATACLASS: _NATIVE,
        Feature.PARAM_PYDANTIC: _NATIVE,
        Feature.PARAM_ARTIFACT: Support(Level.EMULATED, "a text in the form; the first task finds what it names"),
        Feature.PARAM_LOGICAL_DATE: _NATIVE,
        Feature.HOOKS: Support(Level.NATIVE, "teardown tasks after all others; the one that is not due skips itself"),
        Feature.SCHEDULE_CRON: _NATIVE,
        Feature.SCHEDULE_INTERVAL: _NATIVE,
        Feature.SCHEDULE_WINDOW: _NATIVE,
        Feature.SCHEDULE_CATCHUP: _NATIVE,
        Feature.SCHEDULE_ASSETS: _NATIVE,
        Feature.ASSET: Support(Level.NATIVE, "an outlet; a result that is taken from the cache counts as new, too"),
        Feature.CPU: _PLACED,
        Feature.MEMORY: _PLACED,
        Feature.GPU: _PLACED,
        Feature.ACCELERATOR: Support(
            Level.ADVISORY, "it is recorded only, for tasks share their worker; `steps:` in the stack names a queue"
        ),
        Feature.PRIORITY: _NATIVE,
        Feature.IMAGE: Support(
            Level.ADVISORY, "it is recorded only, for tasks run in the worker; `run: pod` in the stack honours it"
        ),
        Feature.PACKAGES: Support(Level.ADVISORY, "it is recorded only, for tasks run in the worker's own environment"),
        Feature.TAGS: _NATIVE,
        Feature.DOC: _NATIVE,
    }
)

POD_CAPABILITIES: Capabilities = declare(
    {
        **CAPABILITIES,
        Feature.SECRETS: Support(
            Level.NATIVE, "from Kubernetes, the environment or files of the image, or a cloud's secret manager"
        ),
        Feature.CPU: _NATIVE,
        Feature.MEMORY: _NATIVE,
        Feature.GPU: Support(Level.NATIVE, "as `nvidia.com/gpu`"),
        Feature.ACCELERATOR: Support(
            Level.ADVISORY, "it is recorded only, for each cluster has labels of its own; `steps:` has `node_selector`"
        ),
        Feature.IMAGE: _NATIVE,
        Feature.PACKAGES: Support(Level.ADVISORY, "it is recorded only, for a pod has what is in its image"),
    }
)
"""Of a stack that says `run: pod`."""
