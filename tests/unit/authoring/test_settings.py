"""`Retry`, `Cache`, `Resources`, `Cron`, `Interval`: what they mean in the IR, and what they refuse."""

from __future__ import annotations

import copy
import datetime as dt
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from pipeglot import Assets, Cache, Cron, Interval, Resources, Retry, step
from pipeglot.core import ir
from pipeglot.core.authoring.settings import Setting
from pipeglot.core.errors import DefinitionError


class OwnError(Exception): ...


HOURLY = Interval("1h", start="2024-01-01")
CAPPED = Retry(3, delay="10s", backoff=2, max_delay="30m", jitter=True)
NAMED = Retry(2, on=[ConnectionError, "requests.exceptions.Timeout", OwnError])
BIG = Resources(cpu=0.5, memory="16Gi", gpu=0, accelerator="a100")
GIB = 1024**3


@pytest.mark.parametrize(
    ("setting", "spec"),
    [
        (Retry(1), ir.Retry(attempts=1)),
        (CAPPED, ir.Retry(attempts=3, delay=10.0, backoff=2.0, max_delay=1800.0, jitter=True)),
        (Retry(2, delay=dt.timedelta(minutes=1)), ir.Retry(attempts=2, delay=60.0)),
        (NAMED, ir.Retry(attempts=2, on=("ConnectionError", "requests.exceptions.Timeout", f"{__name__}.OwnError"))),
        (Cache(), ir.Cache()),
        (Cache(False), ir.Cache(enabled=False)),
        (Cache(version="2", expires="7d"), ir.Cache(version="2", expires=604800.0)),
        (Resources(), ir.Resources()),
        (BIG, ir.Resources(cpu=0.5, memory=16 * GIB, gpu=0, accelerator="a100")),
        (Cron("0 6 * * *"), ir.Schedule(cron="0 6 * * *")),
        (HOURLY, ir.Schedule(interval=3600.0, start="2024-01-01T00:00:00")),
    ],
)
def test_what_it_means(setting: Setting, spec: object) -> None:
    assert setting.spec == spec
    assert pickle.loads(pickle.dumps(setting)) == setting == copy.deepcopy(setting)
    assert hash(setting) == hash(copy.copy(setting))
    assert repr(setting) == repr(spec)
    with pytest.raises(AttributeError, match="cannot be changed"):
        setting.spec = None


any_retry: Any = Retry
any_cache: Any = Cache
any_resources: Any = Resources
any_cron: Any = Cron
any_interval: Any = Interval
any_assets: Any = Assets
any_step: Any = step

BAD = [
    (lambda: any_retry(0), "Retry: `attempts=0` is no whole number from 1 up"),
    (lambda: any_retry(True), "Retry: `attempts=True` is no whole number from 1 up"),
    (lambda: any_retry(2, backoff=0), "Retry: `backoff=0` is no number above 0"),
    (lambda: any_retry(2, backoff=float("nan")), "Retry: `backoff=nan` is no number above 0"),
    (lambda: any_retry(2, backoff=float("inf")), "Retry: `backoff=inf` is no number above 0"),
    (lambda: any_retry(2, delay="-1s"), "Retry: `delay`: `-1s` is negative"),
    (lambda: any_retry(2, delay="1h", max_delay="1m"), "Retry: `max_delay='1m'` is shorter than `delay='1h'`"),
    (lambda: any_retry(2, jitter=1), "Retry: `jitter=1` is neither `True` nor `False`"),
    (
        lambda: any_retry(2, on=ValueError),
        "Retry: `on=ValueError` is no list of exceptions\n  hint: write `on=[ValueError]`",
    ),
    (lambda: any_retry(2, on=[int]), "Retry: `on` names `<class 'int'>`, which is no exception"),
    (lambda: any_cache(version=3), 'Cache: `version=3` is no text\n  hint: write `version="3"`'),
    (
        lambda: any_cache(expires=0),
        "Cache: `expires=0` is no time at all\n  hint: write `Cache(enabled=False)` for no cache",
    ),
    (lambda: any_resources(cpu=0), "Resources: `cpu=0` is no number above 0"),
    (lambda: any_resources(gpu=-1), "Resources: `gpu=-1` is no whole number from 0 up"),
    (lambda: any_resources(memory=0), "Resources: `memory=0` is none at all"),
    (lambda: any_resources(memory="lots"), "Resources: `memory`: `lots` is no amount of memory"),
    (lambda: any_resources(accelerator=" "), "Resources: `accelerator=' '` is no text"),
    (lambda: any_cron("@daily"), 'Cron: `@daily` is no cron line of five fields\n  hint: write `Cron("0 0 * * *")`'),
    (lambda: any_cron("0 6 * *"), "Cron: the cron line `0 6 * *` has 4 fields of 5"),
    (lambda: any_cron("0 25 * * *"), "Cron: the cron line `0 25 * * *` has `25` for the hour, which is from 0 to 23"),
    (lambda: any_cron("0 6 * * *", timezone="Mars"), "Cron: there is no time zone `Mars`"),
    (lambda: any_cron("0 6 * * *", start="soon"), "Cron: `start`: `soon` is no date or time: write it as"),
    (lambda: any_cron("0 6 * * *", catchup=True), "Cron: `catchup` needs a `start` to count from"),
    (
        lambda: any_cron("0 6 * * *", start="2024-01-02", end="2024-01-01"),
        "Cron: it ends at `2024-01-01T00:00:00`, which is not after",
    ),
    (lambda: any_interval("0s", start="2024-01-01"), "Interval: `interval` must be more than 0, not 0.0"),
    (lambda: Assets("s3://a/b", "s3://a/b"), "Assets: two of its assets are the same"),
    (lambda: any_assets(3), "Assets: `asset=3` is no text"),
    (lambda: Assets("warehouse"), "Assets: the asset `warehouse` is no URI, as `s3://bucket/name`"),
    (lambda: Assets("s3://x", timezone="Mars"), "Assets: there is no time zone `Mars`"),
    (lambda: any_step(asset="airflow://x"), "step `f`: the asset `airflow://x` begins with `airflow:`, which Airflow"),
    (lambda: any_step(asset=3), "step `f`: `asset=3` is no URI, and no dict of them"),
    (lambda: any_interval("1h", start=None), "Interval: an interval needs a `start` to count from"),
    (lambda: any_step(name="a b"), "step `f`: `name='a b'` cannot be an id"),
    (lambda: any_step(name=""), "step `f`: `name=''` cannot be an id"),
    (lambda: any_step(cache=None), "step `f`: `cache=None` says neither yes nor no"),
    (lambda: any_step(timeout=0), "step `f`: `timeout` is zero: no step is that fast"),
    (lambda: any_step(env={"A": 1}), 'step `f`: `env` sets `A` to `1`, which is no text\n  hint: write `"1"`'),
    (lambda: any_step(env={"A B": "x"}), "step `f`: `env` has `A B`, which is no name of an environment variable"),
    (lambda: any_step(env=["A"]), "step `f`: `env=['A']` is no dict of texts"),
    (
        lambda: any_step(secrets="TOKEN"),
        "step `f`: `secrets='TOKEN'` is no list of texts\n  hint: write `secrets=['TOKEN']`",
    ),
    (lambda: any_step(secrets=["a-b"]), "step `f`: `secrets` has `a-b`, which is no name of a secret"),
    (lambda: any_step(tags=[3]), "step `f`: `tags=3` is no text"),
    (lambda: any_step(trigger="one"), "step `f`: `trigger='one'` is unknown"),
    (lambda: any_step(pool=""), "step `f`: `pool=''` is no text"),
    (lambda: any_step(max_parallel=0), "step `f`: `max_parallel=0` is no whole number from 1 up"),
    (lambda: any_step(priority=1.5), "step `f`: `priority=1.5` is no whole number"),
    (lambda: any_step(resources="4"), "step `f`: `resources='4'` is no `Resources`"),
]


@pytest.mark.parametrize(("make", "told"), BAD, ids=lambda value: value if isinstance(value, str) else "")
def test_what_it_refuses(make: Callable[[], object], told: str) -> None:
    def f() -> None: ...

    def define() -> None:
        made = make()
        if callable(made):
            made(f)

    with pytest.raises(DefinitionError) as caught:
        define()
    (problem,) = caught.value.problems
    place = f"{__file__}:{problem.at and problem.at.line}: "
    assert str(problem).startswith(place + told)


def test_all_of_it_at_once() -> None:
    with pytest.raises(DefinitionError) as caught:
        Retry(0, delay="soon", on=["no name"])
    assert [problem.code for problem in caught.value.problems] == ["setting"] * 3
    assert {problem.at for problem in caught.value.problems} == {caught.value.problems[0].at}
