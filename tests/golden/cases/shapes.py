"""Every shape that a pipeline can have, as small as it can be.

Its emitted files are read by people: keep it readable.
"""

from datetime import date, timedelta
from typing import Literal

from pipeglot import (
    Assets,
    Cron,
    LogicalDate,
    Resources,
    Retry,
    each,
    one_of,
    otherwise,
    pipeline,
    step,
    when,
)


@step
def numbers(count: int) -> list[int]:
    return list(range(count))


@step(retry=Retry(3, delay="10s", backoff=2, max_delay="5m", jitter=True), timeout="2h", max_parallel=4, pool="gpu")
def double(x: int) -> int:
    """Twice as much."""
    return 2 * x


@step(resources=Resources(cpu=2, memory="4Gi"), tags=["heavy"], priority=5)
def total(xs: list[int]) -> int:
    return sum(xs)


@step
def rows(count: int) -> list[list[int]]:
    return [list(range(n)) for n in range(count)]


@step
def large(x: int) -> str:
    return f"large {x}"


@step
def small(x: int) -> str:
    return f"small {x}"


@step(retry=Retry(2, on=[ConnectionError]), asset="s3://warehouse/shapes")
def publish(text: str, day: date) -> str:
    return f"{text} on {day}"


@step(trigger="all_done")
def clean_up() -> None: ...


@step
def alarm() -> None: ...


@pipeline
def inner(x: int) -> int:
    return double(double(x))


@pipeline(
    schedule=Cron("0 6 * * *", timezone="Europe/Zurich"),
    tags=["ml"],
    max_parallel=8,
    on_failure=[alarm],
)
def shapes(
    count: int = 3,
    ratio: float = 0.5,
    mode: Literal["fast", "slow"] = "fast",
    wait: timedelta = timedelta(minutes=5),
    names: list[str] | None = None,
    day: date = LogicalDate(),
) -> None:
    """One of each: maps, branches, nested pipelines, clean-up, hooks.

    With a "quoted" word and a backslash: \\.
    """
    found = numbers(count)
    doubled = double.map(each(found))
    deep = inner.map(each(found))
    flat = inner(count)
    with when(total(doubled) >= flat):
        good = large.after(numbers.with_options(name="again")(count))(flat)
    with otherwise():
        bad = small(flat)
    done = publish(one_of(good, bad), day)
    clean_up.after(done, deep)()


@pipeline(schedule=Assets("s3://warehouse/shapes", "s3://warehouse/prices", timezone="Europe/Zurich"))
def follows() -> None:
    numbers(3)
