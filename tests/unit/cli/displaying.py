"""Runs for displays: driven by hand on a clock of their own."""

from __future__ import annotations

import io
from typing import Any

import pytest

from pipeglot.client.display.guard import Display
from pipeglot.core import ir
from pipeglot.core.lineage.keys import Cell
from pipeglot.core.lineage.plan import Plan
from pipeglot.core.lineage.records import Failure, Observed, Origin, Portable, Start, Verdict
from pipeglot.core.lineage.state import Entry

CODE = ir.CodeRef(module="m", qualname="f")
START: Any = Start(run="r", pipeline="p", stack="s", backend="local", ir="", params={}, created="", logical_date="")
VIEW: Any = None
ODD = Failure(cause="raised", type="ValueError", message="odd\nsecond line")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def step(name: str, **fields: Any) -> ir.Step:
    return ir.Step(id=name, code=CODE, **fields)


def out(name: str) -> ir.OutputRef:
    return ir.OutputRef(step=name, output="output")


FLOW = ir.Pipeline(
    name="p",
    nodes=(
        step("load"),
        ir.Map(id="train", over={"x": out("load")}, body=(step("train", retry=ir.Retry(attempts=3)),)),
        step("best", inputs={"xs": out("train")}),
    ),
)


def done(cell: Cell, status: Any = "succeeded", *, cached: bool = False, seconds: float = 1.5) -> tuple[Cell, Entry]:
    failure = ODD if status == "failed" else None
    origin = Origin(run="r", step=cell[0]) if cached else None
    seen = Observed(backend="local", seconds=seconds, cached=origin, failure=failure)
    verdict = Verdict(
        run="r",
        step=cell[0],
        index=cell[1],
        status=status,
        portable=Portable(code=""),
        observed=seen,
    )
    return cell, Entry(status, verdict, failure)


def skipped(cell: Cell) -> tuple[Cell, Entry]:
    return cell, Entry("skipped")


def drive(display: Display, clock: Clock) -> None:
    """A whole run: one item of three fails after a retry, one is cached."""
    display.begun(START, Plan(FLOW))
    display.expanded([("load", ())])
    display.running(("load", ()), 1)
    clock.now += 2
    display.settled(*done(("load", ())))
    display.expanded([("train", (i,)) for i in range(3)])
    display.settled(*done(("train", (0,)), cached=True))
    display.running(("train", (1,)), 1)
    display.running(("train", (2,)), 1)
    clock.now += 1
    display.tick()
    display.settled(*done(("train", (1,))))
    display.retrying(("train", (2,)), 2, ODD, 3.0)
    display.tick()
    clock.now += 3
    display.running(("train", (2,)), 2)
    clock.now += 1
    display.settled(*done(("train", (2,)), "failed"))
    display.settled(*skipped(("best", ())))
    display.tick()
    display.ended(VIEW)
    display.close()


HOOKED = ir.Pipeline(
    name="p", nodes=(step("load"),), on_failure=(step("sad"),), on_success=(step("glad"), step("proud"))
)


def drive_hooks(display: Display, clock: Clock) -> None:
    """A run that succeeds, with one of its hooks failing."""
    display.begun(START, Plan(HOOKED))
    display.expanded([("load", ())])
    display.running(("load", ()), 1)
    clock.now += 2
    display.settled(*done(("load", ())))
    display.settled(*skipped(("sad", ())))
    display.expanded([("glad", ()), ("proud", ())])
    for name in ("glad", "proud"):
        display.running((name, ()), 1)
        clock.now += 1
        display.tick()
        display.settled(*done((name, ()), "failed" if name == "proud" else "succeeded"))
    display.ended(VIEW)
    display.close()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A small one, which shows colours."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "12")
    for name in ("NO_COLOR", "CI"):
        monkeypatch.delenv(name, raising=False)
    return Terminal()
