"""All commands, in the order of the help. Only the module of the one that was asked for is imported.

The command `runs list` is the function `do_list` in `pipeglot.cli.runs`; its arguments stand in `arguments.py`.
"""

from __future__ import annotations

COMMANDS = {
    "init": "make a project: pipeglot.yaml with a local stack, and a first pipeline",
    "run": "run a pipeline",
    "check": "say what is wrong with a pipeline, without running it",
    "compile": "write a pipeline as its orchestrator reads it, or as IR",
    "stack list": "the stacks of this project",
    "stack show": "one stack, with its defaults",
    "stack set": "make a stack the active one of this checkout",
    "runs list": "the runs in the store, the latest first",
    "runs show": "one run, step by step",
    "runs logs": "what the steps of a run printed",
    "artifact list": "what the steps of a run returned",
    "artifact show": "one artifact: what it is and where it came from",
    "artifact get": "the value of an artifact, on the screen or as a file",
    "cache explain": "why a step ran or was reused: what changed, and against which run",
    "explain": "what an error's code means, and what to do",
}

GROUPS = {
    "stack": "where pipelines run",
    "runs": "what has run",
    "artifact": "what steps returned",
    "cache": "what was reused",
}


def overview() -> str:
    """What `pipeglot --help` prints."""
    lines = ["usage: pipeglot COMMAND …", "", "One pipeline, every orchestrator.", "", "commands:"]
    lines += _table(list(COMMANDS.items()))
    lines += [
        "",
        "TARGET is `file.py`, `file.py:name`, `package.module:name`, or an IR file.",
        "`pipeglot COMMAND --help` tells more; `pipeglot --version` tells which pipeglot this is.",
        "",
        "a first pipeline:",
        "  pipeglot init && pipeglot run pipeline.py",
    ]
    return "\n".join(lines)


def group_overview(group: str) -> str:
    """What `pipeglot GROUP --help` prints."""
    rows = [(name, summary) for name, summary in COMMANDS.items() if name.startswith(f"{group} ")]
    lines = [f"usage: pipeglot {group} COMMAND …", "", f"{GROUPS[group].capitalize()}.", "", "commands:", *_table(rows)]
    return "\n".join([*lines, "", f"`pipeglot {group} COMMAND --help` tells more."])


def _table(rows: list[tuple[str, str]]) -> list[str]:
    width = max(len(name) for name, _ in rows)
    return [f"  {name:{width}}  {summary}" for name, summary in rows]
