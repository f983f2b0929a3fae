"""Every shape that a pipeline can have where nothing but a map's items can be held back, as small as it can be.

Its emitted files are read by people: keep it readable.
"""

from datetime import date, timedelta
from typing import Literal

from pipeglot import Cron, LogicalDate, Resources, Retry, each, one_of, otherwise, pipeline, step, when


@step
def numbers(count: int) -> list[int]:
    return list(range(count))


@step(retry=Retry(3, delay="10s", backoff=2, max_delay="5m", jitter=True), timeout="2h", max_parallel=4)
def double(x: int) -> int:
    """Twice as much."""
    return 2 * x


@step(resources=Resources(cpu=2, memory="4Gi", gpu=1, accelerator="t4"), tags=["heavy"])
def total(xs: list[int]) -> int:
    return sum(xs)


@step
def large(x: int) -> str:
    return f"large {x}"


@step
def small(x: int) -> str:
    return f"small {x}"


@step(retry=Retry(2, on=[ConnectionError]), secrets=["WAREHOUSE"])
def publish(text: str, day: date) -> str:
    return f"{text} on {day}"


@step
def tell(text: str) -> None:
    print(text)


@step(trigger="all_done")
def clean_up() -> None: ...


@step
def alarm() -> None: ...


@pipeline
def inner(x: int) -> int:
    """A branch in a map, and a map in a map."""
    lists = numbers(x)
    doubled = double.map(each(lists))
    with when(total(doubled) > 2):
        large(x)
    return total.with_options(name="sum_up")(doubled)


@pipeline
def plain(count: int = 3) -> None:
    """Nothing here may live with a failure: KFP's own colours tell how a run went."""
    doubled = double.map(each(numbers(count)))
    with when(total(doubled) > 5):
        good = large(count)
    with otherwise():
        bad = small(count)
    tell(one_of(good, bad))


@pipeline(schedule=Cron("0 6 * * *", timezone="UTC"), tags=["ml"], on_failure=[alarm])
def forms(
    count: int = 3,
    ratio: float = 0.5,
    mode: Literal["fast", "slow"] = "fast",
    wait: timedelta = timedelta(minutes=5),
    names: list[str] | None = None,
    huge: int = 2**70,
    day: date = LogicalDate(),
) -> None:
    """One of each: maps, branches, nested pipelines, clean-up, hooks.

    With a "quoted" word and a backslash: \\.
    """
    found = numbers(count)
    deep = inner.map(each(found))
    with when(total(deep) >= 5):
        good = large.after(numbers.with_options(name="again")(count))(count)
    with otherwise():
        bad = small(count)
    done = publish(one_of(good, bad), day)
    clean_up.after(done, deep)()
