"""Why an attempt failed, whether another follows, and when."""

from __future__ import annotations

import pytest

from pipeglot.core import failures
from pipeglot.core.errors import Permanent, StoreError, ValueRefused
from pipeglot.core.ir import CodeRef, Retry, Step
from pipeglot.core.lineage.records import Failure


def step(retry: Retry | None) -> Step:
    return Step(id="a", code=CodeRef(module="m", qualname="a"), retry=retry)


def caught(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as found:  # noqa: BLE001  # any kind may be asked for
        return found


@pytest.mark.parametrize(
    ("retry", "attempt", "chance", "seconds"),
    [
        (Retry(attempts=3, delay=10.0), 1, 0.0, 10.0),
        (Retry(attempts=3, delay=10.0, backoff=2.0), 3, 0.0, 40.0),
        (Retry(attempts=3, delay=10.0, backoff=2.0, max_delay=25.0), 3, 0.0, 25.0),
        (Retry(attempts=3, delay=10.0, jitter=True), 1, 0.0, 5.0),
        (Retry(attempts=3, delay=10.0, jitter=True), 1, 0.5, 10.0),
        (Retry(attempts=5000, delay=10.0, backoff=10.0, max_delay=60.0), 4999, 0.0, 60.0),
    ],
)
def test_delay_before_the_next_attempt(retry: Retry, attempt: int, chance: float, seconds: float) -> None:
    assert failures.delay_before(retry, attempt, chance) == seconds


@pytest.mark.parametrize(
    ("retry", "error", "attempt", "again"),
    [
        (None, ValueError(), 1, False),
        (Retry(attempts=2), ValueError(), 1, True),
        (Retry(attempts=2), ValueError(), 2, False),
        (Retry(attempts=2), Permanent("no"), 1, False),
        (Retry(attempts=2, on=("OSError",)), ConnectionError(), 1, True),
        (Retry(attempts=2, on=("OSError",)), ValueError(), 1, False),
        (Retry(attempts=2, on=("pipeglot.core.errors.StoreError",)), StoreError("x"), 1, True),
    ],
)
def test_whether_a_failed_attempt_is_followed_by_another(
    retry: Retry | None, error: Exception, attempt: int, again: bool
) -> None:
    failure = failures.raised(caught(error), kind="raised")
    assert failures.will_retry(step(retry), failure, failures.type_names(error), attempt) is again


def test_what_cannot_be_stored_is_not_tried_again() -> None:
    assert failures.raised(caught(ValueRefused("no")), kind="output").permanent
    assert not failures.raised(caught(StoreError("disk full")), kind="output").permanent


def test_a_message_that_cannot_be_shown_is_no_second_failure() -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert failures.raised(caught(Odd()), kind="raised").message == "<cannot be shown: RuntimeError>"


def test_long_texts_keep_both_ends() -> None:
    shown = failures.raised(caught(ValueError("a" * 200_000 + "b")), kind="raised")
    assert isinstance(shown, Failure)
    assert shown.message.startswith("aaa")
    assert shown.message.endswith("b")
    assert "… 100001 characters …" in shown.message


def test_a_cause_is_shown_with_the_error_it_led_to() -> None:
    try:
        try:
            raise KeyError("first")
        except KeyError as error:
            raise ValueError("second") from error
    except ValueError as error:
        text = failures.raised(error, kind="raised").traceback
    assert "KeyError: 'first'" in text
    assert text.rstrip().endswith("ValueError: second")
