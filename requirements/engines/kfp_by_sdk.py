"""A pipeline by KFP's own SDK, for tests of the sandbox: `python requirements/engines/kfp_by_sdk.py FILE` compiles it.

It has a loop, a branch, a retry and an order. Run it with the Python of the sandbox's environment.
"""

import sys

from kfp import compiler, dsl

SAY = (
    "import sys, time; print(*sys.argv[2:], flush=True); time.sleep(float(sys.argv[3])); sys.exit(sys.argv[2] == 'bad')"
)
MARKER = "kfp.dsl.executor_main"


@dsl.component(base_image="python", install_kfp_package=False)
def tell(word: str, run: str, text: str) -> str:
    print(run, text)
    return word


@dsl.container_component
def say(word: str, seconds: float):
    return dsl.ContainerSpec(image="python", command=["python3", "-c", SAY], args=[MARKER, word, str(seconds)])


@dsl.pipeline(name="by-sdk")
def by_sdk(word: str = "good", seconds: float = 0.0) -> None:
    told = tell(word=word, run=dsl.PIPELINE_JOB_ID_PLACEHOLDER, text="python3")
    with dsl.ParallelFor(["x", "y", "z"]) as item:
        say(word=item, seconds=0.0).set_display_name("each")
    with dsl.If(told.output == "good"):
        say(word="taken", seconds=0.0).set_display_name("taken")
    tried = say(word=word, seconds=seconds).after(told).set_display_name("tried")
    tried.set_retry(1, backoff_duration="1s")
    say(word="last", seconds=0.0).after(tried).set_display_name("last")
    say(word="beside", seconds=0.0).after(told).set_display_name("beside")


compiler.Compiler().compile(by_sdk, sys.argv[1])
