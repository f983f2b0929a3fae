"""The log of a pod, as KFP gives it: by an API of its own, which says that all is well before it looks."""

from __future__ import annotations

import json
from collections.abc import Iterable

from pipeglot.compilers.kfp.api import V1, Api
from pipeglot.compilers.rest import part

_ERROR = {"error_message", "error_details"}
_LONGEST = 300


def log(api: Api, run: str, pods: Iterable[str]) -> str:
    """What the first of these pods that there is has printed; a line that says why, if KFP has nothing of any.

    Raises `EngineError`.
    """
    why = ""
    for pod in pods:
        path = f"{V1}/runs/{part(run)}/nodes/{part(pod)}/log"
        found = api.send("GET", path, None, {}, "*/*")
        text = found.content if isinstance(found.content, str) else json.dumps(found.content) if found.content else ""
        if found.status == 404 or _is_page(text):
            return f"KFP gives no logs at {api.url}: there is no `{V1}`; the API server's own address has it\n"
        if found.status >= 300:
            raise api.refused("GET", path, found)
        error = _error(text)
        if not error:
            return text
        why = why or error
    return f"KFP has no log of it: {why[:_LONGEST]}\n" if why else ""


def _is_page(text: str) -> bool:
    """Whether something else than the API answers: KFP's own pages stand for all paths that they do not know."""
    return text.lstrip()[:14].lower().startswith(("<!doctype html", "<html"))


def _error(text: str) -> str:
    """What KFP says in place of a log; "" of a log."""
    if not text.startswith("{") or '"error_message"' not in text:
        return ""
    try:
        found = json.loads(text)
    except ValueError:
        return ""
    return str(found.get("error_message") or "") if set(found) <= _ERROR else ""
