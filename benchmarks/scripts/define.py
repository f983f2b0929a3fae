"""Trace a pipeline of 1,000 steps into the IR, write that as JSON, and take its digest."""

from __future__ import annotations

from pipeglot.core import wire
from pipeglot.stacks.target import load, locate

pipeline = load(locate("pipelines.py:chain_1000")).pipeline
print(len(wire.dump_json(pipeline)), wire.digest(pipeline))
