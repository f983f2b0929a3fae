"""All commands, in the order of the help. Only the module of the one that was asked for is imported.

The command `runs list` is the function `do_list` in `pipeglot.cli.runs`; its arguments stand in `arguments.py`.
"""

from __future__ import annotations

COMMANDS = {
    "init": "make a project: pipeglot.yaml with a local stack, and a first pipeline",
    "run": "run a pipeline",
    "plan": "say which steps would run, which are cached, and why, without running any",
    "check": "say what is wrong with a pipeline, without running it",
    "compile": "write a pipeline as its orchestrator reads it, or as IR",
    "deploy": "compile a pipeline, and install it where its stack says",
    "backfill": "run a pipeline for the moments of the past that lack a run",
    "bundle": "the project's code as the archive that travels to where it runs",
    "stack list": "the stacks of this project",
    "stack show": "one stack, with its defaults",
    "stack set": "make a stack the active one of this checkout",
    "stack add": "write a new stack into pipeglot.yaml",
    "stack remove": "take a stack out of pipeglot.yaml",
    "stack check": "say what stands against running pipelines on a stack",
    "stack schema": "the JSON schema of pipeglot.yaml, for editors",
    "runs list": "the runs in the store, the latest first",
    "runs show": "one run, step by step",
    "runs logs": "what the steps of a run printed",
    "runs resume": "go on with a run that failed, was cancelled or was killed",
    "runs cancel": "stop a run, or close one whose process is gone",
    "runs diff": "what differs between two runs, value by value",
    "replay": "run one step of a recorded run again here, with the inputs it had",
    "artifact list": "what the steps of a run returned",
    "artifact show": "one artifact: what it is and where it came from",
    "artifact get": "the value of an artifact, on the screen or as a file",
    "lineage": "what a value came from and what was made of it, or all of a run",
    "lineage export": "a run as events of OpenLineage, for catalogs of data",
    "cache explain": "why a step ran or was reused: what changed, and against which run",
    "store verify": "read every record and artifact of the store, and name what is damaged or missing",
    "store gc": "remove runs that are not to be kept, and bytes that nothing refers to",
    "store size": "how many bytes each pipeline and step has in the store",
    "store reindex": "make the index of the store anew",
    "sandbox up": "start a real engine on this machine, with a stack to run pipelines on it",
    "sandbox down": "end an engine that `sandbox up` has started",
    "sandbox status": "which engines `sandbox up` has started, and how they are",
    "worker requirements": "what to install on the workers of an Airflow that is there, beside what it pins",
    "worker dockerfile": "a Dockerfile for the image that a pipeline's steps run in, with all versions pinned",
    "matrix": "what each backend supports",
    "completion": "a script for bash, zsh or fish that completes commands, runs, steps and pipelines",
    "explain": "what an error's code means, and what to do",
}

GROUPS = {
    "stack": "where pipelines run",
    "runs": "what has run",
    "artifact": "what steps returned",
    "cache": "what was reused",
    "store": "where artifacts and records lie",
    "sandbox": "real engines on this machine, to try pipelines on",
    "worker": "what the workers of an engine need",
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
