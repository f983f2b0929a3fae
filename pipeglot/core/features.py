"""What a pipeline asks of whoever runs it, and what a backend says to each: refused before anything is emitted or run.

Needs are computed from the IR, capabilities are declared as data beside each backend, and the difference is refused
with all problems at once. `not yet` and `never` refuse; `advisory` is said in a `note:`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

from pipeglot.core.errors import Location, Problem
from pipeglot.core.ir import (
    AnyNode,
    ArtifactType,
    Branch,
    DictType,
    EnumType,
    ListOf,
    ListType,
    LiteralType,
    Map,
    OneOf,
    OptionalType,
    OutputRef,
    ParamType,
    Pipeline,
    RecordType,
    Resources,
    Retry,
    ScalarType,
    Schedule,
    Source,
    Step,
    TupleType,
)
from pipeglot.core.lineage.plan import Plan, operands


class Feature(Enum):
    """Everything that a backend may be unable to do. The value is the name in messages and in the support matrix."""

    RETRY = "retry"
    RETRY_DELAY = "retry delay"
    RETRY_BACKOFF = "retry backoff"
    RETRY_MAX_DELAY = "retry max_delay"
    RETRY_JITTER = "retry jitter"
    RETRY_ON = "retry on some exceptions only"
    TIMEOUT = "timeout"
    CACHE = "cache"
    CACHE_EXPIRES = "cache expiry"
    SECRETS = "secrets"
    ENV = "env"
    AFTER = "after"
    ALL_DONE = "all_done trigger"
    STEP_MAX_PARALLEL = "max_parallel of a step"
    MAX_PARALLEL = "max_parallel of the pipeline"
    POOL = "pool"
    MAP = "map"
    MAP_TOGETHER = "map over several lists"
    MAP_PIPELINE = "mapped pipeline"
    MAP_NESTED = "map in a map"
    MAP_COLLECT = "list of a map's results"
    BRANCH = "branch"
    BRANCH_IN_MAP = "branch in a map"
    ONE_OF = "one_of"
    LIST = "list of results"
    PARAM_ANY = "parameter without a type"
    PARAM_BOOL = "bool parameter"
    PARAM_INT = "int parameter"
    PARAM_FLOAT = "float parameter"
    PARAM_STR = "str parameter"
    PARAM_DATE = "date parameter"
    PARAM_DATETIME = "datetime parameter"
    PARAM_TIMEDELTA = "timedelta parameter"
    PARAM_ENUM = "enum parameter"
    PARAM_LITERAL = "Literal parameter"
    PARAM_OPTIONAL = "Optional parameter"
    PARAM_LIST = "list parameter"
    PARAM_TUPLE = "tuple parameter"
    PARAM_DICT = "dict parameter"
    PARAM_DATACLASS = "dataclass parameter"
    PARAM_PYDANTIC = "pydantic parameter"
    PARAM_ARTIFACT = "artifact parameter"
    PARAM_LOGICAL_DATE = "logical date parameter"
    HOOKS = "hooks"
    SCHEDULE_CRON = "cron schedule"
    SCHEDULE_INTERVAL = "interval schedule"
    SCHEDULE_WINDOW = "schedule start and end"
    SCHEDULE_CATCHUP = "schedule catchup"
    SCHEDULE_ASSETS = "schedule on assets"
    ASSET = "asset"
    CPU = "cpu"
    MEMORY = "memory"
    GPU = "gpu"
    ACCELERATOR = "accelerator"
    PRIORITY = "priority"
    IMAGE = "image"
    PACKAGES = "packages"
    TAGS = "tags"
    DOC = "doc"


class Level(Enum):
    """How a backend supports a feature."""

    NATIVE = "native"
    EMULATED = "emulated"
    ADVISORY = "advisory"
    NOT_YET = "not yet"
    NEVER = "never"


class Support(NamedTuple):
    """A backend's word on a feature. Whatever is not simply done says why, in `note`."""

    level: Level
    note: str = ""


REQUESTS = frozenset(
    {
        Feature.SCHEDULE_CRON,
        Feature.SCHEDULE_INTERVAL,
        Feature.SCHEDULE_WINDOW,
        Feature.SCHEDULE_CATCHUP,
        Feature.SCHEDULE_ASSETS,
        Feature.ASSET,
        Feature.CPU,
        Feature.MEMORY,
        Feature.GPU,
        Feature.ACCELERATOR,
        Feature.PRIORITY,
        Feature.IMAGE,
        Feature.PACKAGES,
        Feature.TAGS,
        Feature.DOC,
    }
)
"""What a backend may take as advice. A schedule is one only where there is nobody to wake up: on a laptop."""

REFUSED = frozenset({Level.NOT_YET, Level.NEVER})

PIPELINE = ""
"""The id by which needs name the pipeline itself."""

PARAM = "param:"
"""Before the name of a parameter, where needs name one."""

Capabilities = Mapping[Feature, Support]
Needs = dict[Feature, list[str]]


def declare(supports: Capabilities) -> Capabilities:
    """Check a backend's capabilities: total, with a note for every no, and no semantics taken as mere advice."""
    left_out = [feature.value for feature in Feature if feature not in supports]
    silent = [feature.value for feature, one in supports.items() if _needs_note(one) and not one.note]
    ignored = [
        feature.value for feature, one in supports.items() if one.level is Level.ADVISORY and feature not in REQUESTS
    ]
    for names, what in ((left_out, "are left out"), (silent, "need a note"), (ignored, "must be honoured or refused")):
        if names:
            raise TypeError(f"capabilities: {', '.join(names)} {what}")
    return MappingProxyType(dict(supports))


def _needs_note(support: Support) -> bool:
    return support.level in REFUSED or support.level is Level.ADVISORY


# --- what a pipeline needs --------------------------------------------------------------------------------------------


def needs(pipeline: Pipeline) -> Needs:
    """The features that a pipeline uses and by which nodes, in the order of `Feature`.

    Nodes are named by id, parameters as `param:NAME`, the pipeline itself as an empty text.
    """
    found: dict[Feature, dict[str, None]] = {}
    for feature, user in _uses(pipeline):
        found.setdefault(feature, {})[user] = None
    return {feature: list(found[feature]) for feature in Feature if feature in found}


Use = tuple[Feature, str]


def _uses(pipeline: Pipeline) -> Iterator[Use]:
    yield from _pipeline_uses(pipeline)
    for param in pipeline.params:
        for feature in _type_uses(param.type):
            yield feature, PARAM + param.name
        if param.logical_date:
            yield Feature.PARAM_LOGICAL_DATE, PARAM + param.name
    plan = Plan(pipeline)
    for node, depth in _walk(pipeline.nodes, 0):
        yield from _node_uses(node, depth, plan)
    for hook in (*pipeline.on_failure, *pipeline.on_success):
        yield from _hook_uses(hook, plan)


def _walk(nodes: tuple[AnyNode, ...], depth: int) -> Iterator[tuple[AnyNode, int]]:
    """Each node and in how many maps it stands."""
    for node in nodes:
        yield node, depth
        if isinstance(node, Map):
            yield from _walk(node.body, depth + 1)
        elif isinstance(node, Branch):
            yield from _walk(node.then + node.otherwise, depth)


def _pipeline_uses(pipeline: Pipeline) -> Iterator[Use]:
    asked = {
        Feature.MAX_PARALLEL: pipeline.max_parallel is not None,
        Feature.TAGS: bool(pipeline.tags),
        Feature.DOC: bool(pipeline.doc),
        **(_schedule(pipeline.schedule) if pipeline.schedule else {}),
    }
    return ((feature, PIPELINE) for feature, used in asked.items() if used)


def _schedule(schedule: Schedule) -> dict[Feature, bool]:
    return {
        Feature.SCHEDULE_CRON: schedule.cron is not None,
        Feature.SCHEDULE_INTERVAL: schedule.interval is not None,
        Feature.SCHEDULE_WINDOW: schedule.start is not None or schedule.end is not None,
        Feature.SCHEDULE_CATCHUP: schedule.catchup,
        Feature.SCHEDULE_ASSETS: bool(schedule.assets),
    }


_KINDS: dict[type, Feature] = {
    EnumType: Feature.PARAM_ENUM,
    LiteralType: Feature.PARAM_LITERAL,
    ArtifactType: Feature.PARAM_ARTIFACT,
    OptionalType: Feature.PARAM_OPTIONAL,
    TupleType: Feature.PARAM_TUPLE,
    DictType: Feature.PARAM_DICT,
}
_SCALARS = {
    "any": Feature.PARAM_ANY,
    "bool": Feature.PARAM_BOOL,
    "int": Feature.PARAM_INT,
    "float": Feature.PARAM_FLOAT,
    "str": Feature.PARAM_STR,
    "date": Feature.PARAM_DATE,
    "datetime": Feature.PARAM_DATETIME,
    "timedelta": Feature.PARAM_TIMEDELTA,
}
_STYLES = {"dataclass": Feature.PARAM_DATACLASS, "pydantic": Feature.PARAM_PYDANTIC}


def _type_uses(kind: ParamType) -> Iterator[Feature]:
    """The feature of a type and of all the types in it."""
    match kind:
        case ScalarType():
            yield _SCALARS[kind.name]
        case RecordType():
            yield _STYLES[kind.style]
            for field in kind.fields:
                yield from _type_uses(field.type)
        case TupleType():
            yield Feature.PARAM_TUPLE
            for of in kind.of:
                yield from _type_uses(of)
        case ListType():
            yield Feature.PARAM_TUPLE if kind.tuple else Feature.PARAM_LIST
            yield from _type_uses(kind.of)
        case OptionalType() | DictType():
            yield _KINDS[type(kind)]
            yield from _type_uses(kind.of)
        case EnumType() | LiteralType() | ArtifactType():
            yield _KINDS[type(kind)]


def _node_uses(node: AnyNode, depth: int, plan: Plan) -> Iterator[Use]:
    asked: dict[Feature, bool]
    sources: Iterable[Source]
    if isinstance(node, Step):
        asked, sources = _step(node), node.inputs.values()
        scope = plan.scope(node.id)
    elif isinstance(node, Map):
        asked = {
            Feature.MAP: True,
            Feature.MAP_TOGETHER: len(node.over) > 1,
            Feature.MAP_PIPELINE: _is_pipeline(node.body),
            Feature.MAP_NESTED: depth > 0,
        }
        sources, scope = node.over.values(), plan.maps[node.id].scope
    else:
        asked = {Feature.BRANCH: True, Feature.BRANCH_IN_MAP: depth > 0}
        sources, scope = operands(node.when), plan.scope(node.id)
    yield from ((feature, node.id) for feature, used in asked.items() if used)
    for source in sources:
        yield from ((feature, node.id) for feature in _source_uses(source, scope, plan))


def _hook_uses(hook: Step, plan: Plan) -> Iterator[Use]:
    """A hook is a step in all but its place; what it returns is never reused."""
    yield Feature.HOOKS, hook.id
    asked = _step(hook) | {Feature.CACHE: False, Feature.CACHE_EXPIRES: False}
    yield from ((feature, hook.id) for feature, used in asked.items() if used)
    for source in hook.inputs.values():
        yield from ((feature, hook.id) for feature in _source_uses(source, (), plan))


def _is_pipeline(body: tuple[AnyNode, ...]) -> bool:
    """Whether the body of a map is more than one step."""
    return len(body) != 1 or not isinstance(body[0], Step)


def _source_uses(source: Source, scope: tuple[str, ...], plan: Plan) -> Iterator[Feature]:
    if isinstance(source, ListOf):
        yield Feature.LIST
        inner: Iterable[Source] = source.items
    elif isinstance(source, OneOf):
        yield Feature.ONE_OF
        inner = source.options
    else:
        if isinstance(source, OutputRef) and len(plan.scope(source.step)) > plan.shared(source.step, scope):
            yield Feature.MAP_COLLECT
        return
    for one in inner:
        yield from _source_uses(one, scope, plan)


def _step(step: Step) -> dict[Feature, bool]:
    clean_up = step.trigger == "all_done"
    return {
        **(_retry(step.retry) if step.retry else {}),
        Feature.TIMEOUT: step.timeout is not None,
        Feature.CACHE: step.cache.enabled and not clean_up,
        Feature.CACHE_EXPIRES: step.cache.enabled and step.cache.expires is not None,
        Feature.SECRETS: bool(step.secrets),
        Feature.ENV: bool(step.env),
        Feature.AFTER: bool(step.after),
        Feature.ALL_DONE: clean_up,
        Feature.STEP_MAX_PARALLEL: step.max_parallel is not None,
        Feature.POOL: step.pool is not None,
        **(_resources(step.resources) if step.resources else {}),
        Feature.PRIORITY: step.priority != 0,
        Feature.IMAGE: step.image is not None,
        Feature.PACKAGES: bool(step.packages),
        Feature.ASSET: bool(step.asset),
        Feature.TAGS: bool(step.tags),
        Feature.DOC: bool(step.doc),
    }


def _retry(retry: Retry) -> dict[Feature, bool]:
    if retry.attempts < 2:
        return {}
    return {
        Feature.RETRY: True,
        Feature.RETRY_DELAY: retry.delay > 0,
        Feature.RETRY_BACKOFF: retry.delay > 0 and retry.backoff != 1,
        Feature.RETRY_MAX_DELAY: retry.delay > 0 and retry.max_delay is not None,
        Feature.RETRY_JITTER: retry.delay > 0 and retry.jitter,
        Feature.RETRY_ON: bool(retry.on),
    }


def _resources(asked: Resources) -> dict[Feature, bool]:
    return {
        Feature.CPU: asked.cpu is not None,
        Feature.MEMORY: asked.memory is not None,
        Feature.GPU: asked.gpu is not None,
        Feature.ACCELERATOR: asked.accelerator is not None,
    }


# --- what a backend lacks ---------------------------------------------------------------------------------------------


def missing(
    needed: Needs, capabilities: Capabilities, locations: Mapping[str, Location], backend: str
) -> list[Problem]:
    """Everything that the backend refuses: one problem for each feature and node."""
    return [
        Problem(
            "unsupported",
            f"{title(user)} asks for `{feature.value}`, which backend `{backend}` does not do"
            f"{' yet' if support.level is Level.NOT_YET else ''}",
            locations.get(user),
            support.note,
        )
        for feature, users in needed.items()
        if (support := capabilities[feature]).level in REFUSED
        for user in users
    ]


def advisory(
    needed: Needs, capabilities: Capabilities, locations: Mapping[str, Location], backend: str
) -> list[Problem]:
    """Requests that the backend only takes as advice: one problem for each feature, naming all who ask."""
    return [
        Problem(
            "advisory",
            f"{_titles(users)}: backend `{backend}` takes `{feature.value}` as advice: {support.note}",
            locations.get(users[0]),
        )
        for feature, users in needed.items()
        if (support := capabilities[feature]).level is Level.ADVISORY
    ]


def title(user: str) -> str:
    """Who needs something, for people."""
    if user == PIPELINE:
        return "the pipeline"
    return f"parameter `{user.removeprefix(PARAM)}`" if user.startswith(PARAM) else f"`{user}`"


def _titles(users: list[str]) -> str:
    more = f" and {len(users) - 3} more" if len(users) > 3 else ""
    return ", ".join(title(user) for user in users[:3]) + more
