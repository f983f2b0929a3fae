"""Numbers, ratios and tables, and what the page says of them."""

from __future__ import annotations

import datetime as dt

import pytest

from benchmarks.machine import Machine
from benchmarks.measure import Cost
from benchmarks.page import Conditions, conditions_text, left_behind, page, verdict
from benchmarks.rows import (
    BY_HAND,
    IMPORT,
    ITEMS_3,
    OURS,
    PEER_STEPS,
    STEPS,
    STEPS_3,
    STEPS_3_CACHED,
    Step,
    cached_row,
    chain_row,
    map_row,
)
from benchmarks.tables import (
    Medians,
    a_step_each,
    beside_hand_written,
    compared,
    medians,
    our_step,
    per_step,
    ratio,
    seconds,
    side_by_side,
    table,
)

MORE = PEER_STEPS - 3


def costs(**columns: float) -> Medians:
    """Of each column, 1 s to begin with and so much for each step, as is of each map."""
    found: Medians = {}
    for column, step in columns.items():
        name = OURS if column == "ours" else column
        for few, row in ((STEPS_3, chain_row(PEER_STEPS)), (ITEMS_3, map_row(PEER_STEPS))):
            found[few, name] = Cost(1 + 3 * step, 2.0)
            found[row, name] = Cost(1 + PEER_STEPS * step, 2.0)
    return found


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.00031, "0.31 ms"),
        (0.0, "0.00 ms"),
        (-0.002, "-2.00 ms"),
        (0.009994, "9.99 ms"),
        (0.009996, "10.0 ms"),
        (0.0123, "12.3 ms"),
        (0.09996, "100 ms"),
        (0.185, "185 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (2.314, "2.31 s"),
        (9.996, "10.0 s"),
        (74.04, "74.0 s"),
    ],
)
def test_seconds(value: float, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("one", "other", "text"),
    [(1, 2, "0.5×"), (9.94, 1, "9.9×"), (9.96, 1, "10×"), (12.4, 1, "12×"), (1234, 1, "1,234×"), (1, 0, "–")],
)
def test_ratio(one: float, other: float, text: str) -> None:
    assert ratio(one, other) == text


def test_a_table_is_aligned() -> None:
    assert table(["", "CPU"], [["import", "1.2 ms"], ["map", "10 s"]]).splitlines() == [
        "|        |    CPU |",
        "| :----- | -----: |",
        "| import | 1.2 ms |",
        "| map    |   10 s |",
    ]


def test_medians_are_of_each_number_and_strays_of_the_worst() -> None:
    samples = {("a", OURS): [Cost(1, 9), Cost(5, 2, 3), Cost(2, 4)]}
    assert medians(samples) == {("a", OURS): Cost(2, 4, 3)}


def test_a_step_is_what_more_of_them_cost() -> None:
    step = Step(STEPS_3, chain_row(PEER_STEPS), MORE)
    assert per_step(costs(ours=0.002), step, OURS) == pytest.approx(0.002)
    assert per_step(costs(ours=0.002), step, "Prefect") is None


def test_ours_is_told_from_more_steps_if_they_were_measured() -> None:
    step = Step(STEPS_3, chain_row(PEER_STEPS), MORE)
    found = costs(ours=0.002, Prefect=0.020)
    assert our_step(found, step) == pytest.approx(0.002)
    found[chain_row(1000), OURS] = Cost(found[STEPS_3, OURS].cpu + 997 * 0.001, 2)
    assert our_step(found, step) == pytest.approx(0.001)
    assert [round(one.times) for one in compared(found, ["Prefect"], (("a step", step),))] == [20]


def test_what_is_below_the_noise_is_not_shown() -> None:
    found = {(STEPS_3, OURS): Cost(0.2, 0.3), (chain_row(PEER_STEPS), OURS): Cost(0.19, 0.3)}
    assert beside_hand_written(found).splitlines()[-1].split("|")[4].strip() == "–"
    steps = (("a step", Step(STEPS_3, chain_row(PEER_STEPS), MORE)),)
    assert compared({**found, **costs(ours=0, Prefect=0.02)} | found, ["Prefect"], steps) == []


def test_the_steps_count_what_their_rows_say() -> None:
    for step in STEPS:
        assert f" {step.more + 3:,} " in step.row or (step.more, step.few) == (999, STEPS_3_CACHED)


def test_beside_a_script_by_hand() -> None:
    found = {
        (STEPS_3, OURS): Cost(0.2, 0.3),
        (STEPS_3, BY_HAND): Cost(0.05, 0.1),
        (chain_row(1000), OURS): Cost(1.197, 2.0),
        (IMPORT, "Prefect"): Cost(1, 1),
    }
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in beside_hand_written(found).splitlines()]
    assert rows[2:] == [
        ["3 steps", "200 ms", "300 ms", "–", "50.0 ms", "100 ms", "4.0×"],
        ["chain of 1,000 steps", "1.20 s", "2.00 s", "1.00 ms", "–", "–", "–"],
    ]


def test_side_by_side_shows_what_was_not_measured() -> None:
    text = side_by_side({(IMPORT, OURS): Cost(0.05, 0.06)}, [OURS, "Prefect"], [IMPORT, STEPS_3])
    assert [line.split("|")[1:4] for line in text.splitlines()[2:]] == [
        [" import     ", " 50.0 ms / 60.0 ms ", "       – "]
    ]


def test_each_peers_step_against_ours() -> None:
    steps = (("a step", Step(STEPS_3, chain_row(PEER_STEPS), MORE)),)
    found = costs(ours=0.001, Prefect=0.020)
    assert a_step_each(found, [OURS, "Prefect", "ZenML"], steps).splitlines()[2].split("|")[1:-1] == [
        " a step ",
        "  1.00 ms ",
        " 20.0 ms (20×) ",
        "     – ",
    ]
    assert [(one.peer, round(one.times)) for one in compared(found, ["Prefect", "ZenML"], steps)] == [("Prefect", 20)]


def test_the_verdict() -> None:
    good = costs(ours=0.001, Prefect=0.020, Dagster=0.030)
    assert verdict(good, ["Prefect", "Dagster"]) == (
        "Each peer's step takes at least 10 times our CPU; the least is a step of a chain in Prefect, 20 times."
    )
    near = costs(ours=0.001, Prefect=0.0099, Dagster=0.030)
    assert verdict(near, ["Prefect", "Dagster"]) == (
        "A peer's step takes at least 10 times our CPU, except: a step of a chain in Prefect (9.9 times), "
        "an item of a map in Prefect (9.9 times)."
    )
    assert verdict({}, ["Prefect"]) == "No peer's step was measured."


def test_a_cached_step_counts_in_the_verdict() -> None:
    found = costs(ours=0.001, Prefect=0.020)
    for name, step in ((OURS, 0.001), ("Prefect", 0.002)):
        found[STEPS_3_CACHED, name] = Cost(1 + 3 * step, 1)
        found[cached_row(PEER_STEPS), name] = Cost(1 + PEER_STEPS * step, 1)
    assert verdict(found, ["Prefect"]).endswith("except: a cached step in Prefect (2.0 times).")


def conditions() -> Conditions:
    return Conditions(
        day=dt.date(2026, 11, 21),
        machine=Machine("a processor", 2, "Linux 6.1", "CPython 3.11.7"),
        versions={"pipeglot": "0.1.0 (abc)", "Prefect": "3.9.1"},
        rounds=3,
        minutes=7.6,
        others=0.75,
        check="",
    )


def test_the_conditions() -> None:
    assert conditions_text(conditions()) == (
        "2026-11-21, 2 cores of a processor, Linux 6.1, CPython 3.11.7. pipeglot 0.1.0 (abc), Prefect 3.9.1. "
        "Medians of 3 rounds, in 8 minutes. Meanwhile, others used 75% of the processors."
    )
    assert "others" not in conditions_text(conditions()._replace(others=None))
    assert ". One round, in 8 minutes." in conditions_text(conditions()._replace(rounds=1))
    failed = conditions()._replace(failed=("ZenML: 3 steps", "Dagster: import"), check="Checked.")
    assert conditions_text(failed).endswith(" Checked. Failed, and not shown: ZenML: 3 steps, Dagster: import.")


def test_the_page_has_all_of_it() -> None:
    found = costs(ours=0.001, Prefect=0.020)
    text = page(found, ["Prefect"], conditions())
    for part in (beside_hand_written(found), verdict(found, ["Prefect"]), conditions_text(conditions())):
        assert part in text
    assert "$" not in text


def test_what_was_left_behind() -> None:
    assert left_behind({(STEPS_3, "ZenML"): Cost(1, 1)}) == "No command left a process behind."
    assert left_behind({(STEPS_3, "ZenML"): Cost(1, 1, 2)}) == (
        "Left processes behind, which were counted and then ended: ZenML's 3 steps (2)."
    )
