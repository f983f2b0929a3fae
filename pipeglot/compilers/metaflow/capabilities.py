"""What Metaflow does with each feature of a pipeline."""

from __future__ import annotations

from pipeglot.compilers.metaflow.stack import MetaflowStack
from pipeglot.core.features import Capabilities, Feature, Level, Support, declare

_NATIVE = Support(Level.NATIVE)
_BY_US = Support(Level.EMULATED)
_WAITS = Support(Level.EMULATED, "the task itself waits, for Metaflow waits whole minutes, and none at all here")
_AFTER_FAILURES = Support(
    Level.EMULATED,
    "a step that fails ends its task well, and the last one tells; not after a cancelled run, nor after a task that "
    "was killed; not with `on_failure: native`",
)
_BY_CLOCK = Support(Level.NOT_YET, "`deploy` makes a cron schedule only")
_HERE = Support(
    Level.ADVISORY,
    "nothing wakes up a Metaflow that runs here; `deploy_to` on the stack names what its schedule is for",
)
_RESOURCES = Support(Level.NATIVE, "as `@resources`, which a run on this machine does not look at")

CAPABILITIES: Capabilities = declare(
    {
        Feature.RETRY: Support(Level.NATIVE, "up to 4 more tries; of more than these, the task itself makes all"),
        Feature.RETRY_DELAY: _WAITS,
        Feature.RETRY_BACKOFF: _WAITS,
        Feature.RETRY_MAX_DELAY: _WAITS,
        Feature.RETRY_JITTER: _WAITS,
        Feature.RETRY_ON: Support(Level.EMULATED, "after other exceptions there is no further try"),
        Feature.TIMEOUT: Support(Level.EMULATED, "the step has a process of its own, which is ended"),
        Feature.CACHE: _BY_US,
        Feature.CACHE_EXPIRES: _BY_US,
        Feature.SECRETS: Support(Level.EMULATED, "from the environment or files of where tasks run"),
        Feature.ENV: _BY_US,
        Feature.AFTER: Support(
            Level.NATIVE, "where splits and joins cannot say it, some steps wait for more than they must"
        ),
        Feature.ALL_DONE: _AFTER_FAILURES,
        Feature.STEP_MAX_PARALLEL: Support(
            Level.EMULATED,
            "the items of a map share so many tasks; in a map in a map, and beside other steps in one, items wait for "
            "more than they must",
        ),
        Feature.MAX_PARALLEL: Support(Level.NATIVE, "as `--max-workers`, which counts tasks of all steps"),
        Feature.POOL: Support(Level.NOT_YET, "Metaflow holds back the tasks of one run, not those of several"),
        Feature.MAP: Support(Level.NATIVE, "a foreach over the items; of an empty list over one, which does nothing"),
        Feature.MAP_TOGETHER: _NATIVE,
        Feature.MAP_PIPELINE: Support(
            Level.NATIVE, "each item goes on by itself; what comes after them begins when all items are over"
        ),
        Feature.MAP_NESTED: _NATIVE,
        Feature.MAP_COLLECT: Support(Level.NATIVE, "by a join"),
        Feature.BRANCH: Support(
            Level.NATIVE,
            "a switch; what comes after begins when the whole branch is over; on Step Functions, which has no switch, "
            "steps of the arm not taken skip themselves",
        ),
        Feature.BRANCH_IN_MAP: _NATIVE,
        Feature.ONE_OF: _NATIVE,
        Feature.LIST: _NATIVE,
        Feature.PARAM_ANY: Support(Level.NATIVE, "as JSON in a text"),
        Feature.PARAM_BOOL: _NATIVE,
        Feature.PARAM_INT: _NATIVE,
        Feature.PARAM_FLOAT: _NATIVE,
        Feature.PARAM_STR: _NATIVE,
        Feature.PARAM_DATE: Support(Level.NATIVE, "as text"),
        Feature.PARAM_DATETIME: Support(Level.NATIVE, "as text"),
        Feature.PARAM_TIMEDELTA: Support(Level.NATIVE, "as text"),
        Feature.PARAM_ENUM: Support(Level.NATIVE, "by the names of its members"),
        Feature.PARAM_LITERAL: _NATIVE,
        Feature.PARAM_OPTIONAL: Support(
            Level.NATIVE, "None is what is not given; where that would be another value, as JSON in a text"
        ),
        Feature.PARAM_LIST: Support(Level.NATIVE, "as JSON in a text"),
        Feature.PARAM_TUPLE: Support(Level.NATIVE, "as JSON in a text"),
        Feature.PARAM_DICT: Support(Level.NATIVE, "as JSON in a text"),
        Feature.PARAM_DATACLASS: Support(Level.NATIVE, "as JSON in a text"),
        Feature.PARAM_PYDANTIC: Support(Level.NATIVE, "as JSON in a text"),
        Feature.PARAM_ARTIFACT: Support(Level.EMULATED, "a text; the first task finds what it names"),
        Feature.PARAM_LOGICAL_DATE: Support(
            Level.EMULATED, "the time when the run begins, for Metaflow does not tell the one that it was planned for"
        ),
        Feature.HOOKS: _AFTER_FAILURES,
        Feature.SCHEDULE_CRON: Support(Level.NATIVE, "as `@schedule`, with `deploy_to`; on Step Functions in UTC only"),
        Feature.SCHEDULE_INTERVAL: _BY_CLOCK,
        Feature.SCHEDULE_WINDOW: _BY_CLOCK,
        Feature.SCHEDULE_CATCHUP: _BY_CLOCK,
        Feature.SCHEDULE_ASSETS: _BY_CLOCK,
        Feature.ASSET: Support(Level.ADVISORY, "it is recorded in the ledger only"),
        Feature.CPU: _RESOURCES,
        Feature.MEMORY: _RESOURCES,
        Feature.GPU: _RESOURCES,
        Feature.ACCELERATOR: Support(
            Level.ADVISORY, "it is recorded only, for each cluster has labels of its own; `steps:` has `kubernetes`"
        ),
        Feature.PRIORITY: Support(Level.ADVISORY, "it is recorded only, for Metaflow starts tasks as they come"),
        Feature.IMAGE: Support(Level.NATIVE, "as `@kubernetes` or `@batch` of the step, with `deploy_to`"),
        Feature.PACKAGES: Support(Level.ADVISORY, "it is recorded only, for a step has what is where it runs"),
        Feature.TAGS: Support(Level.ADVISORY, "they are recorded only; `steps:` of the stack goes by them"),
        Feature.DOC: _NATIVE,
    }
)

_OURS_ONLY = Support(Level.NEVER, "with `on_failure: native` Metaflow ends a run when a step has failed; say `carry`")
_NOT_HERE = Support(Level.ADVISORY, "it is recorded only, for a run on this machine has no containers; see `deploy_to`")
_SCHEDULES = (
    Feature.SCHEDULE_CRON,
    Feature.SCHEDULE_INTERVAL,
    Feature.SCHEDULE_WINDOW,
    Feature.SCHEDULE_CATCHUP,
    Feature.SCHEDULE_ASSETS,
)


def supports(stack: MetaflowStack) -> Capabilities:
    """What of that is so on one stack."""
    found = dict(CAPABILITIES)
    if stack.on_failure == "native":
        found |= {Feature.ALL_DONE: _OURS_ONLY, Feature.HOOKS: _OURS_ONLY}
    if not stack.deploy_to:
        found |= dict.fromkeys(_SCHEDULES, _HERE)
        found[Feature.IMAGE] = _NOT_HERE
    if stack.deploy_to == "step-functions":
        found[Feature.MAX_PARALLEL] = Support(
            Level.NOT_YET, "Step Functions holds back only the tasks of a foreach, not those of a split"
        )
    return declare(found)
