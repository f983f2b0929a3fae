"""The records that a command without a target means: those of `--stack`, or of the active stack."""

from __future__ import annotations

import argparse

from pipeglot.cli.parsing import folder_of
from pipeglot.client import records
from pipeglot.stacks.workspace import workspace_at


def open_records(args: argparse.Namespace) -> records.Records:
    """Raises `NotFound`, `ConfigError`."""
    return records.open_records(workspace_at(folder_of(args)), args.stack)
