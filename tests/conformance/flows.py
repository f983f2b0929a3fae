"""What every backend must do as the local runner does it: one small pipeline for each thing that can go its own way."""

import ctypes
import hashlib
import math
import os
import signal
import time
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from enum import Enum
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel

from pipeglot import (
    Cache,
    Permanent,
    Retry,
    all_of,
    current_run,
    each,
    log_metrics,
    one_of,
    otherwise,
    pipeline,
    secret,
    step,
    when,
)


class Pair(NamedTuple):
    low: int
    high: int


@step
def numbers(count: int) -> list[int]:
    print(f"counting to {count}")
    log_metrics({"count": count})
    return list(range(count))


@step
def double(x: int) -> int:
    return 2 * x


@step
def total(xs: list[int]) -> int:
    return sum(xs)


@step
def bounds(xs: list[int]) -> Pair:
    return Pair(min(xs, default=0), max(xs, default=0))


@step
def say(text: str) -> str:
    return text


@step
def join(left: str, right: str) -> str:
    return f"{left}, {right}"


@pipeline
def diamond(count: int = 4) -> None:
    xs = numbers(count)
    low, high = bounds(xs)
    total([double(low), double.with_options(name="other")(high), total.with_options(name="sum")(xs)])


@pipeline
def fan_out(count: int = 3) -> None:
    total(double.map(each(numbers(count))))


@step
def picky(x: int) -> int:
    if x == 1:
        raise ValueError("not this one")
    return x


@pipeline
def failing_item(count: int = 3) -> None:
    xs = numbers(count)
    total(picky.map(each(xs)))
    double.map(each(xs))


@step(retry=Retry(2, delay="100ms"))
def second_time(x: int) -> int:
    if x % 7 == 3 and current_run().attempt == 1:
        raise ConnectionError("not yet")
    return x


@pipeline
def retried_items(count: int = 3) -> None:
    total(second_time.map(each(numbers(count))))


@pipeline
def inner(x: int) -> int:
    return double(double.with_options(name="first")(x))


@pipeline
def nested(count: int = 3) -> None:
    xs = numbers(count)
    total(inner.map(each(xs)))
    inner(count)


@step
def add(x: int, y: int) -> int:
    return x + y


@pipeline
def picky_inner(x: int, more: int) -> int:
    return double(add(picky(x), more))


@pipeline
def mapped_pipelines(count: int = 3) -> None:
    xs = numbers(count)
    total(picky_inner.map(each(xs), total.with_options(name="more")(xs)))
    with when(total.with_options(name="asked")(xs) > 100):
        inner.map(each(xs))


@pipeline
def choosy(x: int) -> None:
    y = double(x)
    with when(y > 1):
        double.with_options(name="more")(x)
    with otherwise():
        double.with_options(name="less")(x)


@pipeline
def branch_in_a_map(count: int = 3) -> None:
    choosy.map(each(numbers(count)))


@step
def rows(count: int) -> list[list[int]]:
    return [list(range(n)) for n in range(count)]


@pipeline
def row(xs: list[int]) -> int:
    return total(double.map(each(xs)))


@pipeline
def maps_in_a_map(count: int = 3) -> None:
    total.with_options(name="all")(row.map(each(rows(count))))


@pipeline
def branches(count: int = 3) -> None:
    top = total(numbers(count))
    with when(all_of(top > 2, top < 100)):
        good = say("some")
        say.with_options(name="aside")("aside")
    with otherwise():
        bad = say.with_options(name="few")("few")
    join(one_of(good, bad), "it is")


@step
def fails_late() -> str:
    time.sleep(4)
    raise TimeoutError("too late")


@pipeline
def hidden(count: int = 3) -> None:
    """What fails is needed by an arm that is not taken, and is found out only after that."""
    late = fails_late()
    with when(total(numbers(count)) > 100):
        join(late, "it is")


@step(retry=Retry(3, delay="200ms", backoff=2))
def third_time() -> int:
    if current_run().attempt < 3:
        raise ConnectionError("not yet")
    return current_run().attempt


@pipeline
def retried() -> None:
    double(third_time())


@step(retry=Retry(5))
def hopeless() -> int:
    raise Permanent("it will never be")


@step(retry=Retry(5, on=[ConnectionError]))
def other_failure() -> int:
    raise ValueError("nothing to wait for")


@step(trigger="all_done")
def clean_up() -> str:
    return f"cleaned, failed={current_run().failed}"


@step(trigger="all_done")
def bad_clean_up() -> None:
    raise OSError("it cannot be cleaned")


@pipeline
def uncleaned() -> None:
    bad_clean_up.after(numbers(3))()


@pipeline
def permanent() -> None:
    a = double(hopeless())
    b = double.with_options(name="after_other")(other_failure())
    clean_up.after(a, b)()


@step(timeout="1s")
def busy_in_c() -> None:
    hashlib.pbkdf2_hmac("sha256", b"x", b"y", 10**9)


@pipeline
def timed_out() -> None:
    busy_in_c()


@step(retry=Retry(2))
def dies_once(how: str) -> int:
    if current_run().attempt == 1:
        if how == "segfault":
            ctypes.string_at(0)
        os.kill(os.getpid(), signal.SIGKILL)
    return current_run().attempt


@pipeline
def deaths() -> None:
    dies_once("segfault")
    dies_once.with_options(name="killed")("kill")


@step
def tell() -> None:
    print("told")


@pipeline(on_failure=[tell])
def hooked(count: int = 2) -> None:
    picky.map(each(numbers(count)))


@step
def even(x: int) -> bool:
    return x % 2 == 0


@step
def plus(x: int, y: int, z: int) -> int:
    return x + y + z


@step
def shown(x: int) -> str:
    return str(x)


@pipeline
def odd_or_even(x: int, y: int) -> str:
    with when(even(x)):
        one = say(text="even")
    with otherwise():
        other = say.with_options(name="odd")(text="odd")
    return join(one_of(one, other), say.with_options(name="sum")(text=shown(plus(x, y, 1))))


@step
def glue(texts: list[str]) -> str:
    return " ".join(texts)


@pipeline
def together(count: int = 4) -> None:
    """Two lists at once, and a branch for each item."""
    xs = numbers(count)
    ys = numbers.with_options(name="more")(count)
    glue(odd_or_even.map(x=xs, y=ys))


@step(
    secrets=["TOKEN"],
    env={"MODE": "careful"},
    retry=Retry(3, delay="100ms", backoff=2, max_delay="300ms", jitter=True, on=[ConnectionError]),
    cache=Cache(version="2", expires="7d"),
    pool="default_pool",
    max_parallel=2,
    priority=7,
    timeout="5m",
    tags=["heavy"],
)
def careful(x: int) -> str:
    """Asks for all that a step can ask for."""
    if x == 1 and current_run().attempt == 1:
        raise ConnectionResetError("not yet")
    print(f"the token is {secret('TOKEN')}")
    return f"{x} {os.environ['MODE']} {len(secret('TOKEN'))}"


@pipeline(tags=["settings"], max_parallel=3)
def settings(count: int = 3) -> None:
    """A pipeline that asks for much."""
    glue(careful.map(each(numbers(count))))


@pipeline
def settings_without_pools(count: int = 3) -> None:
    """The same, for engines that have none, and bound no whole pipeline."""
    glue(careful.with_options(pool=None).map(each(numbers(count))))


class Mode(Enum):
    FAST = 1
    SLOW = 2


@dataclass
class Size:
    width: int
    height: float = 1.5


class Limits(BaseModel):
    low: int = 0
    high: int = 10


@step
def describe_more(values: list[object]) -> str:
    return repr(values)


@pipeline
def more_params(
    flag: bool = True,
    moment: datetime = datetime(2024, 2, 29, 12, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    mode: Mode = Mode.SLOW,
    word: Literal["a", "b"] = "b",
    maybe: int | None = None,
    pair: tuple[int, str] = (1, "one"),
    table: dict[str, float] = {"a": 1.0},  # noqa: B006
    size: Size = Size(3),  # noqa: B008
    limits: Limits = Limits(high=5),  # noqa: B008
    anything: Any = None,
) -> None:
    describe_more([flag, moment, mode, word, maybe, pair, table, size, limits, anything])


HOSTILE = [
    "{{ ti }}",
    "{% raw %}",
    'it\'s "quoted"\\',
    "two\nlines\ttab",
    "snow ☃ \U0001f600",
    "query.sql",
    "run.sh",
    "x" * 100_000,
    "",
]


@step
def echo(value: object) -> object:
    return value


@pipeline
def values() -> None:
    for number, text in enumerate(HOSTILE):
        echo.with_options(name=f"text_{number}")(text)
    echo.with_options(name="nan")(math.nan)
    echo.with_options(name="huge")(2**70)
    echo.with_options(name="day")(date(2024, 2, 29))
    echo.with_options(name="moment")(datetime(2024, 2, 29, 12, tzinfo=timezone(timedelta(hours=5, minutes=30))))
    echo.with_options(name="bytes")(b"\x00\xff")


@step
def describe(text: str, day: date, ratio: float, count: int, wait: timedelta, names: list[str]) -> str:
    return repr((text, day, ratio, count, wait, names))


@pipeline
def params(
    text: str = "{{ 1 + 1 }} 'x' \"y\"",
    day: date = date(2024, 2, 29),
    ratio: float = 1.0,
    count: int = 3,
    wait: timedelta = timedelta(minutes=90),
    names: list[str] = ["a", "b c"],  # noqa: B006  # a default of a pipeline is data
) -> None:
    describe(text, day, ratio, count, wait, names)


@pipeline
def quoted_params(
    text: str = "{$} 'x' \"y\" python3 \\ ☃",
    day: date = date(2024, 2, 29),
    ratio: float = 1.0,
    count: int = 3,
    wait: timedelta = timedelta(minutes=90),
    names: list[str] = ["a", "b c"],  # noqa: B006
) -> None:
    """The same, for engines that take two braces in a default for something to fill in."""
    describe(text, day, ratio, count, wait, names)
