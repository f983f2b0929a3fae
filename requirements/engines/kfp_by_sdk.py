"""A pipeline by KFP's own SDK, for tests of the sandbox: `python requirements/engines/kfp_by_sdk.py FILE` compiles it.

It has a loop, a branch, a retry and an order. Run it with the Python of the sandbox's environment.
"""

import sys

from kfp import compiler, dsl

SAY = (
    "import sys, time; print(*sys.argv[2:], flush=True); time.sleep(float(sys.argv[3])); sys.exit(sys.argv[2] == 'bad')"
)
TELL = """\
import json, os, sys
given = json.loads(sys.argv[-1])
file = given["outputs"]["parameters"]["found"]["outputFile"]
os.makedirs(os.path.dirname(file), exist_ok=True)
open(file, "w").write(given["inputs"]["parameterValues"]["word"])
print(*sys.argv[2:-1])
"""
MARKER = "kfp.dsl.executor_main"


@dsl.container_component
def tell(word: str, found: dsl.OutputPath(str)):  # noqa: ARG001  # the SDK reads what there is
    words = ["{{$.pipeline_job_uuid}}", "python3", "{{$}}"]
    return dsl.ContainerSpec(image="python", command=["python3", "-c", TELL], args=[MARKER, *words])


@dsl.container_component
def say(word: str, seconds: float):
    return dsl.ContainerSpec(image="python", command=["python3", "-c", SAY], args=[MARKER, word, str(seconds)])


@dsl.pipeline(name="by-sdk")
def by_sdk(word: str = "good", seconds: float = 0.0) -> None:
    told = tell(word=word)
    with dsl.ParallelFor(["x", "y", "z"]) as item:
        say(word=item, seconds=0.0).set_display_name("each")
    with dsl.If(told.outputs["found"] == "good"):
        say(word="taken", seconds=0.0).set_display_name("taken")
    tried = say(word=word, seconds=seconds).after(told).set_display_name("tried")
    tried.set_retry(1, backoff_duration="1s")
    say(word="last", seconds=0.0).after(tried).set_display_name("last")
    say(word="beside", seconds=0.0).after(told).set_display_name("beside")


compiler.Compiler().compile(by_sdk, sys.argv[1])
