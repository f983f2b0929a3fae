"""What `pipeglot.yaml` says of a Prefect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import msgspec
from msgspec import Struct

from pipeglot.core.secret_places import KINDS
from pipeglot.core.stack import CODE, COMMON, Code, Setting, Stack, a_count, a_place

_AUTH = ("api_key", "api_key_file", "user", "password", "password_file", "token_command")
_SECRET = ("api_key", "password")


def _bad_auth(value: Mapping[str, str]) -> str:
    unknown = next((name for name in value if name not in _AUTH), "")
    if unknown:
        return f"it has no `{unknown[:60]}`"
    for name in _SECRET:
        if value.get(name) and not value[name].startswith("${"):
            return f"`{name}` names a variable, as `${{PREFECT_{'API_KEY' if name == 'api_key' else 'PASSWORD'}}}`"
    return ""


class PrefectStep(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Prefect's own words for a step.

    tags: more of them, for limits of how many tasks with a tag run at once.
    """

    tags: list[str] = []


class PrefectStack(Stack, frozen=True, kw_only=True, tag="prefect"):
    """Flow files and deployments for a Prefect server that is already there, or Prefect Cloud.

    api_url: where its API is, as Prefect calls it: `http://server:4200/api`, or
        `https://api.prefect.cloud/api/accounts/…/workspaces/…`.
    auth: how to get in: an `api_key` (as `${VARIABLE}`) or `api_key_file`; `user` with `password` or `password_file`;
        or a `token_command`.
    work_pool: in which runs wait for a worker.
    work_queue: of that pool.
    deployment: what the deployment is called; if not said, as the stack.
    flows_folder: where flow files are put, for workers that see that folder. Without it a worker takes them from the
        store.
    pull: Prefect's own steps by which a worker gets the flow file, such as `git_clone`: then nothing is put anywhere.
    job_variables: for the work pool, such as `env` and `image`.
    max_workers: how many steps of a run are at work at once, in its process; if not said, one for each core.
    concurrency_limit: how many runs of a deployment go on at once.
    collision: what becomes of more than these: they wait (`enqueue`), or are cancelled (`cancel_new`).
    code: how the project's code comes to where steps run: in a `bundle`, or it is `installed` there, or in the `image`.
    steps: Prefect's own words for single steps, by step name or tag.
    """

    api_url: str = ""
    auth: dict[str, str] = msgspec.field(default_factory=dict)
    work_pool: str = ""
    work_queue: str = ""
    deployment: str = ""
    flows_folder: str = ""
    pull: list[dict[str, Any]] = msgspec.field(default_factory=list)
    job_variables: dict[str, Any] = msgspec.field(default_factory=dict)
    max_workers: int = 0
    concurrency_limit: int = 0
    collision: Literal["enqueue", "cancel_new"] = "enqueue"
    code: Code = "bundle"
    steps: dict[str, PrefectStep] = msgspec.field(default_factory=dict)

    files_setting: ClassVar[str] = "flows_folder"
    live_setting: ClassVar[str] = "api_url"
    untold: ClassVar[str] = "`prefect deploy` makes the deployment, from what `pipeglot compile --out DIR` writes"
    secret_kinds: ClassVar[tuple[str, ...]] = (*KINDS, "prefect")
    settings: ClassVar[Mapping[str, Setting]] = {
        **COMMON,
        "api_url": a_place("an address", "Where its API is, as Prefect calls it: `http://server:4200/api`."),
        "auth": Setting(
            "an `api_key` or `api_key_file`, a `user` with `password` or `password_file`, or a `token_command`",
            dict[str, str],
            "How to get in. A key or password stands in a file or a variable, never here.",
            _bad_auth,
            {"propertyNames": {"enum": list(_AUTH)}},
        ),
        "work_pool": Setting("a name", str, "The work pool in which runs wait for a worker."),
        "work_queue": Setting("a name", str, "The queue of that pool."),
        "deployment": Setting("a name", str, "What the deployment is called; if not said, as the stack."),
        "flows_folder": a_place(
            "a full path", "Where flow files are put, as workers see it. Without it they take them from the store."
        ),
        "pull": Setting(
            "a list of Prefect's pull steps",
            list[dict[str, Any]],
            "Prefect's own steps by which a worker gets the flow file: then nothing is put anywhere.",
        ),
        "job_variables": Setting("a mapping", dict[str, Any], "For the work pool, such as `env` and `image`."),
        "max_workers": a_count(
            "How many steps of a run are at work at once, in its process; if not said, one for each core."
        ),
        "concurrency_limit": a_count("How many runs of a deployment go on at once."),
        "collision": Setting(
            "`enqueue` or `cancel_new`",
            Literal["enqueue", "cancel_new"],
            "What becomes of more runs than these: they wait, or are cancelled.",
        ),
        "code": CODE,
        "steps": Setting(
            "a mapping of steps or tags to settings, as `train: {tags: [gpu]}`",
            dict[str, PrefectStep],
            "Prefect's own words for single steps, by step name or tag: `tags`.",
            schema={
                "additionalProperties": {
                    "type": "object",
                    "properties": {
                        "tags": {
                            "description": "More tags, for limits of how many tasks with a tag run at once.",
                            "type": "array",
                            "items": {"type": "string"},
                        }
                    },
                    "additionalProperties": False,
                }
            },
        ),
    }


def task_tags(stack: PrefectStack, step: str, tags: tuple[str, ...], pool: str | None) -> list[str]:
    """Those that Prefect counts tasks by: the step's own, its pool, and what the stack says."""
    more = [tag for name in (*tags, step) if name in stack.steps for tag in stack.steps[name].tags]
    return list(dict.fromkeys([*tags, *([pool] if pool else []), *more]))
