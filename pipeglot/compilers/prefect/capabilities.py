"""What Prefect does with each feature of a pipeline."""

from __future__ import annotations

from pipeglot.core.features import Capabilities, Feature, Level, Support, declare

_NATIVE = Support(Level.NATIVE)
_BY_US = Support(Level.EMULATED)
_PLACED = Support(
    Level.ADVISORY,
    "it is recorded only, for the steps of a run share its worker; the stack's `job_variables` ask for all of them",
)

CAPABILITIES: Capabilities = declare(
    {
        Feature.RETRY: _NATIVE,
        Feature.RETRY_DELAY: _NATIVE,
        Feature.RETRY_BACKOFF: Support(Level.NATIVE, "as a list of delays"),
        Feature.RETRY_MAX_DELAY: Support(Level.NATIVE, "as a list of delays"),
        Feature.RETRY_JITTER: Support(Level.EMULATED, "Prefect waits the least delay, and the task itself the rest"),
        Feature.RETRY_ON: Support(Level.NATIVE, "as a retry condition"),
        Feature.TIMEOUT: Support(
            Level.EMULATED, "the step has a process of its own, which is ended; Prefect cannot end a thread"
        ),
        Feature.CACHE: Support(Level.EMULATED, "Prefect's own cache is off"),
        Feature.CACHE_EXPIRES: _BY_US,
        Feature.SECRETS: Support(
            Level.EMULATED,
            "from the worker's environment or files, Prefect's secret blocks, or a cloud's secret manager",
        ),
        Feature.ENV: _BY_US,
        Feature.AFTER: _NATIVE,
        Feature.ALL_DONE: Support(Level.NATIVE, "it runs after a cancelled run too"),
        Feature.STEP_MAX_PARALLEL: _BY_US,
        Feature.MAX_PARALLEL: _BY_US,
        Feature.POOL: Support(Level.NATIVE, "as a tag: a limit of that name counts the tasks of all runs"),
        Feature.MAP: Support(Level.NATIVE, "a task that submits the items as tasks"),
        Feature.MAP_TOGETHER: _NATIVE,
        Feature.MAP_PIPELINE: Support(
            Level.NATIVE, "each item goes on by itself; what comes after them begins when all items are over"
        ),
        Feature.MAP_NESTED: _NATIVE,
        Feature.MAP_COLLECT: _NATIVE,
        Feature.BRANCH: Support(Level.NATIVE, "a task that tells; steps of the other arm are shown as skipped"),
        Feature.BRANCH_IN_MAP: _NATIVE,
        Feature.ONE_OF: _NATIVE,
        Feature.LIST: _NATIVE,
        Feature.PARAM_ANY: _NATIVE,
        Feature.PARAM_BOOL: _NATIVE,
        Feature.PARAM_INT: _NATIVE,
        Feature.PARAM_FLOAT: _NATIVE,
        Feature.PARAM_STR: _NATIVE,
        Feature.PARAM_DATE: Support(Level.NATIVE, "as text"),
        Feature.PARAM_DATETIME: Support(Level.NATIVE, "as text"),
        Feature.PARAM_TIMEDELTA: Support(Level.NATIVE, "as text"),
        Feature.PARAM_ENUM: Support(Level.NATIVE, "by the names of its members"),
        Feature.PARAM_LITERAL: _NATIVE,
        Feature.PARAM_OPTIONAL: _NATIVE,
        Feature.PARAM_LIST: _NATIVE,
        Feature.PARAM_TUPLE: _NATIVE,
        Feature.PARAM_DICT: _NATIVE,
        Feature.PARAM_DATACLASS: Support(Level.NATIVE, "as an object"),
        Feature.PARAM_PYDANTIC: Support(Level.NATIVE, "as an object"),
        Feature.PARAM_ARTIFACT: Support(Level.EMULATED, "a text in the form; the run finds what it names"),
        Feature.PARAM_LOGICAL_DATE: Support(Level.NATIVE, "the time that a run was scheduled for"),
        Feature.HOOKS: Support(Level.NATIVE, "tasks after all others; the one that is not due skips itself"),
        Feature.SCHEDULE_CRON: _NATIVE,
        Feature.SCHEDULE_INTERVAL: _NATIVE,
        Feature.SCHEDULE_WINDOW: Support(Level.EMULATED, "runs before it and after it skip themselves"),
        Feature.SCHEDULE_CATCHUP: Support(Level.NOT_YET, "Prefect plans no runs of the past"),
        Feature.SCHEDULE_ASSETS: Support(Level.NATIVE, "as an automation of the deployment"),
        Feature.ASSET: Support(Level.NATIVE, "as an event of Prefect's assets; of a map one, when all items are over"),
        Feature.CPU: _PLACED,
        Feature.MEMORY: _PLACED,
        Feature.GPU: _PLACED,
        Feature.ACCELERATOR: _PLACED,
        Feature.PRIORITY: _BY_US,
        Feature.IMAGE: Support(
            Level.ADVISORY, "it is recorded only, for the steps of a run share its worker; `job_variables` has `image`"
        ),
        Feature.PACKAGES: Support(Level.ADVISORY, "it is recorded only, for steps run in the worker's environment"),
        Feature.TAGS: _NATIVE,
        Feature.DOC: _NATIVE,
    }
)
