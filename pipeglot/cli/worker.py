"""`pipeglot worker`: what the workers of an engine need."""

from __future__ import annotations

import argparse

from pipeglot.cli.output import print_json, say
from pipeglot.client.worker import worker_requirements


def do_requirements(args: argparse.Namespace) -> int:
    found = worker_requirements(args.airflow, args.wheel)
    if args.json:
        print_json(found)
        return 0
    say(f"# pipeglot on the workers of Airflow {found.airflow}: beside what is there, and changing nothing of it")
    for requirement in found.requirements:
        say(str(requirement))
    return 0
