"""What a task of ours does beside Metaflow's own work: run in Metaflow's environment, with the pipeline as JSON.

Prints the CPU seconds of its parts: imports, joining the run, the records of the step, and the step's own process.
"""

# ruff: noqa: E402  # what is imported is measured

import gc
import json
import resource
import sys
import time
from pathlib import Path

import metaflow  # noqa: F401  # a task has it


def spent() -> tuple[float, float]:
    """CPU seconds, of this process and of those that it has started."""
    own, below = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime, below.ru_utime + below.ru_stime


began = spent()
gc.freeze()  # as a task does
from pipeglot.compilers.metaflow.place import TaskPlace
from pipeglot.core.task.deployed import read_deployed
from pipeglot.core.task.joining import EngineRun
from pipeglot.core.task.main import Call, perform
from pipeglot.core.task.task import TaskRun

imported = spent()
deployed, run = read_deployed(json.loads(sys.argv[1])), f"probe-{time.time_ns()}"
TaskRun(deployed, EngineRun(id=run, params={"start": time.time_ns() % 10**9}))
before = spent()
task = TaskRun(deployed, EngineRun(id=run, begins=False), place=TaskPlace(Path("ends"), 30.0))
joined = spent()
perform(Call(pipeline=deployed, run=EngineRun(id=run), node="one_0", engine={"task": "x", "round": run}), task)
done = spent()
print(json.dumps([imported[0] - began[0], joined[0] - before[0], done[0] - joined[0], done[1] - joined[1]]))
