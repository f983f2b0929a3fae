"""The arguments of every command. Nothing of a command itself is imported before they are read."""

from __future__ import annotations

import argparse
from typing import Any, NamedTuple


class Argument(NamedTuple):
    """One argument, as argparse takes it."""

    flags: tuple[str, ...]
    options: dict[str, Any]


def _argument(*flags: str, **options: Any) -> Argument:
    return Argument(flags, options)


def _many(flag: str, **options: Any) -> Argument:
    return _argument(flag, action="append", default=[], **options)


_TARGET = _argument("target", metavar="TARGET", help="`file.py`, `file.py:name`, `package.module:name`, or an IR file")
_RUN = _argument("run", metavar="RUN", help="a run's id, the beginning of it, or `latest`")
_ARTIFACT = _argument(
    "id",
    metavar="ID",
    help="`RUN/STEP/OUTPUT`, in a map `RUN/STEP/INDEX/OUTPUT`, or a name: `PIPELINE/STEP.OUTPUT@latest`",
)
_INDEX = _argument("--index", metavar="I", help="the item of a map, as `3`, or `3.7` in a map in a map")
_STACK = _argument("--stack", metavar="NAME", help="the stack to use, in place of the active one")
_FOLDER = _argument("-C", dest="folder", metavar="DIR", help="work as if started in DIR")
_JSON = _argument("--json", action="store_true", help="print JSON")

_ENGINE = _argument("engine", metavar="ENGINE", help="the engine: `airflow`, `prefect`")
_HOME = _argument("--home", metavar="DIR", help="the folder of the sandbox; one in your cache folder if left out")

_PARAM = _argument(
    "-p",
    "--param",
    dest="params",
    metavar="KEY=VALUE",
    action="append",
    default=[],
    help="a parameter of the pipeline; may be given several times",
)
_FROM = _argument(
    "--from",
    dest="from_",
    metavar="STEP",
    action="append",
    default=[],
    help="run STEP and all that depends on it, whatever the cache has; may be given several times",
)
_UNTIL = _argument(
    "--until",
    metavar="STEP",
    action="append",
    default=[],
    help="run STEP and what it needs, and nothing else; may be given several times",
)
_TAG = _argument(
    "--tag",
    dest="tags",
    metavar="K=V",
    action="append",
    default=[],
    help="a label to find the run by; may be given several times",
)
_LOGICAL_DATE = _argument(
    "--logical-date",
    metavar="WHEN",
    help="the moment that the run is for, as `2026-11-01`, in the zone of the schedule; now if left out",
)
_NO_CACHE = _argument("--no-cache", action="store_true", help="run every step, whatever was computed before")
_INLINE = _argument(
    "--inline", action="store_true", help="run all steps in this process, one by one, for `breakpoint()` and debuggers"
)
_RUN_JSON = _argument("--json", action="store_true", help="print the run as one JSON object on stdout")

ARGUMENTS: dict[str, tuple[Argument, ...]] = {
    "init": (_argument("dir", metavar="DIR", nargs="?", default=".", help="the folder; this one if left out"), _JSON),
    "run": (
        _TARGET,
        _PARAM,
        _STACK,
        _NO_CACHE,
        _FROM,
        _UNTIL,
        _TAG,
        _LOGICAL_DATE,
        _INLINE,
        _argument("--no-wait", action="store_true", help="return once the run has begun (not on a local stack)"),
        _RUN_JSON,
        _FOLDER,
    ),
    "plan": (_TARGET, _PARAM, _STACK, _NO_CACHE, _FROM, _UNTIL, _FOLDER, _JSON),
    "check": (
        _TARGET,
        _STACK,
        _argument("--all", action="store_true", help="check against every stack of the project"),
        _FOLDER,
        _JSON,
    ),
    "compile": (
        _TARGET,
        _STACK,
        _argument("--ir", action="store_true", help="write the IR: the pipeline as data, which any backend reads"),
        _argument("--out", metavar="DIR", help="write the files there, in place of stdout"),
        _argument("--check", action="store_true", help="write nothing; fail if a file in --out is out of date"),
        _FOLDER,
        _JSON,
    ),
    "deploy": (
        _TARGET,
        _STACK,
        _argument("--no-wait", action="store_true", help="do not wait until the orchestrator has read the files"),
        _FOLDER,
        _JSON,
    ),
    "backfill": (
        _TARGET,
        _argument("--from", dest="from_", metavar="WHEN", required=True, help="the first day or time, as `2026-01-01`"),
        _argument("--to", metavar="WHEN", required=True, help="the last one; of a day, all moments of it"),
        _PARAM,
        _STACK,
        _argument("--every", metavar="T", help="a moment each so often, as `1d`, in place of those of the schedule"),
        _argument("--max-parallel", type=int, metavar="N", help="runs at once (1 on this machine, else 4)"),
        _TAG,
        _argument(
            "--reprocess",
            choices=("none", "failed", "all"),
            default="failed",
            help="which moments with a run are run again: none, those that failed (the default), or all, anew",
        ),
        _argument("--dry-run", action="store_true", help="show the moments and what would run; run nothing"),
        _FOLDER,
        _JSON,
    ),
    "bundle": (
        _TARGET,
        _STACK,
        _argument("--list", action="store_true", help="show the files, their sizes and the digest"),
        _argument("--out", metavar="FILE", help="write the archive to FILE"),
        _argument("--push", action="store_true", help="put it into the store of the stack"),
        _argument("-v", "--verbose", action="store_true", help="with --list: what is left out as well, and why"),
        _FOLDER,
        _JSON,
    ),
    "stack list": (_FOLDER, _JSON),
    "stack show": (
        _argument("name", metavar="NAME", nargs="?", help="the stack; the active one if left out"),
        _FOLDER,
        _JSON,
    ),
    "stack set": (
        _argument("name", metavar="NAME", help="the stack that commands use from now on, in this checkout"),
        _FOLDER,
        _JSON,
    ),
    "stack add": (
        _argument("name", metavar="NAME", help="what to call it"),
        _argument(
            "--backend",
            metavar="B",
            required=True,
            help="what runs its pipelines: `local`, `airflow`, `kfp`, `metaflow`, `prefect`, `vertex`",
        ),
        _many("-o", dest="options", metavar="KEY=VALUE", help="a setting, as `version=3` or `auth.user=admin`"),
        _FOLDER,
        _JSON,
    ),
    "stack remove": (_argument("name", metavar="NAME", help="the stack"), _FOLDER, _JSON),
    "stack check": (
        _argument("name", metavar="NAME", nargs="?", help="the stack; the active one if left out"),
        _argument("--target", metavar="TARGET", help="look at what this pipeline needs, too"),
        _FOLDER,
        _JSON,
    ),
    "stack schema": (_JSON,),
    "runs list": (
        _argument("-n", "--limit", type=int, default=20, metavar="N", help="at most N runs (20; 0 is all)"),
        _argument("--since", metavar="WHEN", help="started then or later: `2d` (ago), `2026-11-01`, an ISO time"),
        _argument("--until", metavar="WHEN", help="started before then"),
        _many("--status", metavar="S", help="running, succeeded, failed, cancelled or lost; several: any of them"),
        _many("--pipeline", metavar="NAME", help="of this pipeline; several: of any of them"),
        _many("--param", metavar="K=V", help="with this parameter; several: with all of them"),
        _many("--tag", metavar="K=V", help="with this tag, or `--tag NAME`; several: with all of them"),
        _many("--metric", metavar="NAME", help="show a metric; choose by it: `--metric 'auc>0.7'`"),
        _argument("--sort", metavar="METRIC", help="the highest first; `METRIC:asc`: the lowest"),
        _argument("--before", metavar="RUN", help="only runs that came before this one: the next page"),
        _STACK,
        _FOLDER,
        _JSON,
    ),
    "runs show": (_RUN, _STACK, _FOLDER, _JSON),
    "runs logs": (
        _RUN,
        _argument("step", metavar="STEP", nargs="?", help="one step; all of them if left out"),
        _INDEX,
        _STACK,
        _FOLDER,
        _JSON,
    ),
    "runs resume": (
        _RUN,
        _argument(
            "target",
            metavar="TARGET",
            nargs="?",
            help="the pipeline, if it is not any more where the run was started from",
        ),
        _INLINE,
        _STACK,
        _RUN_JSON,
        _FOLDER,
    ),
    "runs cancel": (
        _RUN,
        _argument("--no-wait", action="store_true", help="ask it to stop, and do not wait until it has"),
        _argument(
            "--force",
            action="store_true",
            help="close it without asking: its process is gone, and so is the machine that could tell",
        ),
        _STACK,
        _FOLDER,
        _JSON,
    ),
    "runs diff": (
        _argument("before", metavar="A", help="a run's id, the beginning of it, or `latest`"),
        _argument("after", metavar="B", help="the run to hold against it"),
        _argument("--rtol", metavar="R", default="0", help="numbers are equal within R times the larger one (0)"),
        _argument("--atol", metavar="D", default="0", help="numbers are equal within D (0)"),
        _argument(
            "--ignore",
            metavar="STEP[.OUTPUT]",
            action="append",
            default=[],
            help="leave out a step, or one of its outputs; may be given several times",
        ),
        _argument("-q", "--quiet", action="store_true", help="print nothing: the exit code is 1 if they differ"),
        _STACK,
        _FOLDER,
        _JSON,
    ),
    "replay": (
        _RUN,
        _argument("step", metavar="STEP", help="the step"),
        _INDEX,
        _argument(
            "--pdb",
            action="store_true",
            help="open the debugger where the step fails; or at its first line, if it succeeded in that run",
        ),
        _argument(
            "--code",
            choices=("checkout", "recorded"),
            default="checkout",
            help="whose code to run: that of this checkout (the default), or what the run had",
        ),
        _STACK,
        _FOLDER,
        _JSON,
    ),
    "artifact list": (
        _argument("run", metavar="RUN", nargs="?", default="latest", help="a run; the latest if left out"),
        _STACK,
        _FOLDER,
        _JSON,
    ),
    "artifact show": (_ARTIFACT, _STACK, _FOLDER, _JSON),
    "artifact get": (
        _ARTIFACT,
        _argument("-o", "--output", metavar="FILE", help="write it to FILE, a frame or an array as its suffix says"),
        _argument("--force", action="store_true", help="replace FILE if it is there"),
        _STACK,
        _FOLDER,
        _JSON,
    ),
    "lineage": (
        _argument("of", metavar="RUN|ARTIFACT", help="a run, or an artifact by its id or name"),
        _argument("--up", action="store_true", help="what it came from"),
        _argument("--down", action="store_true", help="what was made of it, also in later runs"),
        _argument("--depth", type=int, metavar="N", help="no farther than N executions"),
        _argument("--table", action="store_true", help="a table of all executions, in place of a drawing"),
        _argument("--digest", action="store_true", help="derive the lineage digest of a run anew, and check it"),
        _STACK,
        _FOLDER,
        _JSON,
    ),
    "lineage export": (
        _RUN,
        _argument("--openlineage", action="store_true", help="the format: events of OpenLineage, one on each line"),
        _argument("--namespace", metavar="TEXT", default="pipeglot", help="that of jobs and datasets; `pipeglot`"),
        _argument("-o", "--output", metavar="FILE", help="write them into FILE"),
        _argument("--force", action="store_true", help="replace FILE if it is there"),
        _STACK,
        _FOLDER,
        _JSON,
    ),
    "cache explain": (_RUN, _argument("step", metavar="STEP", help="the step"), _INDEX, _STACK, _FOLDER, _JSON),
    "store verify": (
        _argument("--quick", action="store_true", help="look at the sizes of artifacts only, not at their bytes"),
        _argument(
            "--repair", action="store_true", help="put right what can be, from bytes that are proved to be right"
        ),
        _STACK,
        _FOLDER,
        _JSON,
    ),
    "store gc": (
        _argument("--older-than", metavar="AGE", help="prune runs that were last written to so long ago: `90d`, `2w`"),
        _argument("--keep-last", type=int, metavar="N", help="keep the latest N runs of each pipeline, prune others"),
        _many("--keep-tag", metavar="K=V", help="keep runs with this tag, or `--keep-tag NAME`; several: with any"),
        _many("--pipeline", metavar="NAME", help="prune runs of this pipeline only; several: of any of them"),
        _argument("--yes", action="store_true", help="do it; without, it is only said what would be done"),
        _argument("--dry-run", action="store_true", help="say what would be done, as without --yes"),
        _argument(
            "--despite-damage", action="store_true", help="go on where records cannot be read: they protect nothing"
        ),
        _STACK,
        _FOLDER,
        _JSON,
    ),
    "store size": (
        _many("--pipeline", metavar="NAME", help="of this pipeline only; several: of any of them"),
        _STACK,
        _FOLDER,
        _JSON,
    ),
    "store reindex": (_STACK, _FOLDER, _JSON),
    "sandbox up": (
        _ENGINE,
        _argument("--version", metavar="V", help="which major version of it; the newest if left out"),
        _many(
            "-o", dest="options", metavar="SECTION.KEY=VALUE", help="a setting of the engine, as `core.parallelism=4`"
        ),
        _HOME,
        _FOLDER,
        _JSON,
    ),
    "sandbox down": (
        _ENGINE,
        _argument("--version", metavar="V", help="only this version of it; all of them if left out"),
        _argument("--purge", action="store_true", help="remove its data as well: pipelines, logs, the database"),
        _HOME,
        _FOLDER,
        _JSON,
    ),
    "sandbox status": (_HOME, _FOLDER, _JSON),
    "worker requirements": (
        _argument("--airflow", metavar="VERSION", required=True, help="the Airflow that is there, as `2.10`"),
        _argument("--wheel", metavar="WHERE", help="the path or URL of pipeglot's wheel, in place of its release"),
        _JSON,
    ),
    "worker dockerfile": (
        _TARGET,
        _STACK,
        _argument("--image", metavar="IMAGE", help="which image it is for, if the stack's steps run in several"),
        _argument("--python", metavar="VERSION", help="the Python of the image, as `3.12`; that of here if left out"),
        _argument("--base", metavar="IMAGE", help="the image to begin with; `python:VERSION-slim` if left out"),
        _argument("--wheel", metavar="WHERE", help="the path or URL of pipeglot's wheel, in place of its release"),
        _argument("--out", metavar="FILE", help="write it there; the versions that FILE has already stay"),
        _argument("--upgrade", action="store_true", help="take the versions of here, else the newest, and not FILE's"),
        _FOLDER,
        _JSON,
    ),
    "matrix": (_argument("--markdown", action="store_true", help="print the page of the documentation"), _JSON),
    "completion": (_argument("shell", choices=("bash", "zsh", "fish"), help="the shell"), _JSON),
    "explain": (_argument("code", metavar="CODE", help="what stands in brackets at the end of a message"), _JSON),
}


def add_arguments(parser: argparse.ArgumentParser, command: str) -> None:
    """Give a parser the arguments of a command."""
    for argument in ARGUMENTS[command]:
        parser.add_argument(*argument.flags, **argument.options)
