"""What `benchmarks.airflow` counts, and the table that it prints."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.accounting import ON_LINUX, cpu_of
from benchmarks.table_text import show

BURN = "import time; [0 for _ in iter(lambda: time.process_time() < 0.3, False)]"
PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", "{BURN}"], check=True)
alive = subprocess.Popen([sys.executable, "-c", "{BURN}; print(flush=True); input()"], stdin=-1, stdout=-1)
alive.stdout.readline()
print(flush=True)
input()
alive.communicate(b"over\\\\n")
"""


def test_cpu_of_a_process_with_all_below_it() -> None:
    """That of a child which lives, and that of one which was waited for; on Linux, where /proc tells."""
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=-1, stdout=-1) as made:
        assert made.stdout is not None
        made.stdout.readline()
        found = cpu_of([made.pid])
        made.communicate(b"over\n")
    assert found > 0.55 if ON_LINUX else found == 0


def test_numbers_stand_at_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    show(["", "CPU"], [["chain", "9.2 s"], ["a map", "10.2 s"]])
    assert capsys.readouterr().out == (
        "|       |    CPU |\n| :---- | -----: |\n| chain |  9.2 s |\n| a map | 10.2 s |\n"
    )
