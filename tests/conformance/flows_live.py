"""What happens to runs that are under way, or that nobody of ours has started."""

import os
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

from pipeglot import (
    Assets,
    Cron,
    Interval,
    LogicalDate,
    Permanent,
    Retry,
    current_run,
    each,
    otherwise,
    pipeline,
    step,
    when,
)


@step
def day_of(day: date) -> str:
    return day.isoformat()


@step
def length(text: str) -> int:
    return len(text)


@step
def double(x: int) -> int:
    return 2 * x


@pipeline(
    schedule=Cron("30 1 * * *", timezone="Europe/Zurich", start="2024-03-30", end="2024-04-01", catchup=True),
    tags=["nightly"],
)
def nightly(day: date = LogicalDate()) -> None:
    """Runs of two nights, one of which ends in another offset than it began."""
    length(day_of(day))


@pipeline(
    schedule=Interval("1h", timezone="Europe/Zurich", start="2024-03-30T10:00", end="2024-03-30T12:30", catchup=True)
)
def hourly() -> None:
    double(1)


@step
def of_that_day(day: date, folder: str) -> int:
    if (Path(folder) / f"missing-{day}").exists():
        raise ValueError(f"nothing for {day}")
    return day.toordinal()


@pipeline
def dated(folder: str, day: date = LogicalDate()) -> None:
    """Of each day that somebody asks for."""
    of_that_day(day, folder)


@pipeline(schedule=Cron("30 1 * * *", timezone="Europe/Zurich"))
def filled(day: date = LogicalDate()) -> None:
    length(day_of(day))


@pipeline(schedule=Cron("30 1 * * *", timezone="Europe/Zurich", start="2024-01-01"))
def refilled(day: date = LogicalDate()) -> None:
    length(day_of(day))


@pipeline
def shared(n: int) -> None:
    double.with_options(name="twice")(double(n))


@step
def note(folder: str, seconds: float) -> int:
    """Leaves its number and its attempt in a folder, and goes on for a while."""
    attempt = current_run().attempt
    Path(folder, f"{current_run().step}-{attempt}").write_text(str(os.getpid()))
    if attempt == 1:
        time.sleep(seconds)
    return attempt


@step(trigger="all_done")
def tidy(folder: str) -> bool:
    Path(folder, "tidy").touch()
    return current_run().failed


@pipeline
def long(folder: str, seconds: float = 600) -> None:
    tidy.after(double(note(folder, seconds)))(folder)


@step
def tell(folder: str) -> None:
    Path(folder, "told").touch()


@pipeline(on_failure=[tell])
def hooked_long(folder: str, seconds: float = 600) -> None:
    """Nothing but a hook comes after a run that somebody ends."""
    double(note(folder, seconds))


@step(retry=Retry(2, delay="1h"))
def never(folder: str) -> int:
    Path(folder, "tried").touch()
    raise OSError("not today")


@pipeline
def waiting(folder: str) -> None:
    """Between two tries nothing of it runs, and after its clean-up comes more work."""
    length.after(tidy.after(double(never(folder)))(folder))("abc")


again = note.with_options(name="again", retry=Retry(2))


@pipeline
def killed(folder: str, seconds: float = 600) -> None:
    again(folder, seconds)


@step
def needs_file(folder: str) -> str:
    return Path(folder, "wanted").read_text()


@step
def before(folder: str) -> str:
    """Leaves a mark each time that it runs."""
    Path(folder, f"before-{time.monotonic_ns()}").touch()
    return folder


@pipeline
def wanting(folder: str) -> None:
    length(needs_file(before(folder)))


@pipeline(schedule=Interval("10s", timezone="Europe/Zurich", start="2026-01-01"))
def ticking(day: date = LogicalDate()) -> None:
    length(day_of(day))


@pipeline(schedule=Cron("* * * * *", timezone="Europe/Zurich", start="2026-01-01"))
def minutely(day: date = LogicalDate()) -> None:
    length(day_of(day))


@pipeline(schedule=Cron("* * * * *", start="2026-01-01"))
def minutely_utc(day: date = LogicalDate()) -> None:
    length(day_of(day))


@pipeline(schedule=Cron("30 1 * * *", start="2024-03-30", end="2024-04-01", catchup=True), tags=["nightly"])
def nightly_utc(day: date = LogicalDate()) -> None:
    length(day_of(day))


@step
def known(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@pipeline
def two_branches() -> None:
    """The condition of the first one is known at once."""
    with when(known.with_options(name="quick")(0.0) < 1):
        double.with_options(name="soon")(1)
    with otherwise():
        double.with_options(name="never")(1)
    with when(known.with_options(name="slow")(8.0) > 1):
        double.with_options(name="late")(2)


@step(tags=["{{ tag }}"])
def braces(text: str, table: dict[str, list[str]]) -> str:
    """Says {{ nothing }}, nor {% raw %}."""
    return f"{text} {table}"


@pipeline(tags=["{{ tag }}", "{% raw %}", 'it\'s "quoted"\\', "\u2603"])
def hostile(
    text: str = '{{ $HOME }} {{ 1 + 1 }} """ \\',
    table: dict[str, list[str]] = {"{{ key }}": ["{{ value }}"]},  # noqa: B006
) -> None:
    """Says {{ nothing }}, nor {% raw %}, 'in' "quotes" \\ \"\"\"."""
    braces(text, table)


@step
def size(texts: list[str]) -> int:
    return sum(map(len, texts))


@pipeline
def large(a: str = "", b: str = "", c: str = "", d: str = "", e: str = "") -> None:
    size([a, b, c, d, e])


@step(pool="narrow")
def alone(number: int) -> int:
    time.sleep(1)
    return number


@pipeline
def pooled() -> None:
    for number in range(3):
        alone.with_options(name=f"alone_{number}")(number)


@pipeline(schedule=Interval("10s", timezone="Europe/Zurich", start="2026-01-01", end="2026-01-02"))
def past(day: date = LogicalDate()) -> None:
    length(day_of(day))


@pipeline
def makes_many() -> None:
    double.with_options(asset="s3://pipeglot-tests/many").map(each([1, 2, 3]))


@pipeline(schedule=Assets("s3://pipeglot-tests/many"))
def after_all() -> None:
    double(1)


@step(asset="s3://pipeglot-tests/a")
def make_a() -> int:
    return 1


@step(asset="s3://pipeglot-tests/b")
def make_b(folder: str) -> int:
    return len(Path(folder, "wanted").read_text())


@pipeline
def makes_both(folder: str) -> None:
    """The second one fails until there is a file."""
    make_b.after(make_a())(folder)


@pipeline(schedule=Assets("s3://pipeglot-tests/a", "s3://pipeglot-tests/b"))
def after_both() -> None:
    double(1)


BACKED = Retry(4, delay="1s", backoff=10, max_delay="8s", jitter=True, on=[ConnectionError])


@step(retry=BACKED)
def flaky() -> int:
    raise ConnectionResetError("not yet")


@step(retry=BACKED)
def wrong() -> int:
    raise ValueError("not one of those")


@step(retry=BACKED)
def final() -> int:
    raise Permanent("not any more")


@pipeline
def pauses() -> None:
    flaky()
    wrong()
    final()


@step(timeout="2s")
def endless(folder: str) -> None:
    """So is its child."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(folder, "endless").write_text(str(child.pid))
    while True:
        pass


@pipeline
def overdue(folder: str) -> None:
    endless(folder)
