"""No CPU gets lost: of children, of daemons, of servers that stay. In processes of their own, which adopt orphans."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
BURN = "import time\nwhile time.process_time() < 0.3: pass\n"
DAEMON = f"""
import os, sys, time
reader, writer = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        if "ends" in sys.argv:
            os.close(writer)  # the command is over before this is
        exec({BURN!r})
        if "stays" in sys.argv:
            os.close(writer)
            time.sleep(600)
    os._exit(0)
os.wait()
os.close(writer)
os.read(reader, 1)
"""
SERVER = """
import os, signal, sys, time
def burn(*_):
    goal = time.process_time() + 0.3
    while time.process_time() < goal: pass
    os.write(1, b"done\\n")  # the signal may come while `print` below has the stream
signal.signal(signal.SIGUSR1, burn)
print("ready", flush=True)
while True: signal.pause()
"""
HEAD = """
import json, os, signal, subprocess, sys
from benchmarks import accounting
from benchmarks.accounting import adopt_orphans, descendants, end_strays, spent
from benchmarks.measure import measure
adopt_orphans()
before = spent()
"""


def run(script: str, *arguments: str) -> Any:
    """What the script prints last, from JSON."""
    command = [sys.executable, "-c", HEAD + script, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


MEASURE = """
accounting.OWN_WAY = float(sys.argv[1])
cost = measure([sys.executable, "-c", *sys.argv[2:]], "/", {})
print(json.dumps([cost.cpu, cost.left, len(descendants(os.getpid()))]))
"""


def test_cpu_of_a_child() -> None:
    cpu, left, living = run(MEASURE, "600", BURN)
    assert (cpu >= 0.3, left, living) == (True, 0, 0)


def test_cpu_of_a_daemon_that_outlives_the_command() -> None:
    cpu, left, living = run(MEASURE, "600", DAEMON, "ends")
    assert (cpu >= 0.3, left, living) == (True, 0, 0)


def test_a_daemon_that_stays_is_ended_counted_and_told() -> None:
    cpu, left, living = run(MEASURE, "0", DAEMON, "stays")
    assert (cpu >= 0.3, left, living) == (True, 1, 0)


SERVED = """
accounting.OWN_WAY = 0.0
server = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE, text=True)
assert server.stdout.readline() == "ready\\n"
before = spent()
os.kill(server.pid, signal.SIGUSR1)
assert server.stdout.readline() == "done\\n"
left = end_strays(keep=(server.pid,))
alive = server.poll() is None
used = spent() - before
ended = end_strays()
print(json.dumps([used, left, alive, ended]))
"""


def test_a_server_is_kept_and_its_cpu_counts_while_it_lives() -> None:
    used, left, alive, ended = run(SERVED, SERVER)
    assert (used >= 0.25, left, alive, ended) == (True, 0, True, 1)  # its clock has steps of 10 ms


OVER = """
server = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE, text=True)
server.wait()
print(json.dumps([spent() - before]))
"""


def test_nothing_is_lost_or_doubled_when_a_process_ends() -> None:
    (used,) = run(OVER, BURN)
    assert 0.3 <= used < 0.6


NAMED = """
process = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE, text=True)
assert process.stdout.readline() == "ready\\n"
found = list(descendants(os.getpid())) == [process.pid]
process.kill()
process.wait()
print(json.dumps([found]))
"""


@pytest.mark.parametrize("name", ["a) S 1 (b", "a\\nb"])
def test_a_process_may_have_any_name(name: str) -> None:
    rename = f"import ctypes\nctypes.CDLL(None).prctl(15, {name.encode()!r}, 0, 0, 0)\n"
    assert run(NAMED, rename + SERVER) == [True]


def test_a_command_that_fails_is_no_measurement() -> None:
    script = """
from benchmarks.measure import CommandFailed
try:
    measure([sys.executable, "-c", "raise SystemExit('no disk')"], "/", {})
except CommandFailed as error:
    print(json.dumps("no disk" in str(error)))
"""
    assert run(script) is True


LEFT_ALONE = """
other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
cost = measure([sys.executable, "-c", "pass"], "/", {})
print(json.dumps([cost.left, other.poll()]))
other.kill()
other.wait()
"""


def test_who_was_there_before_a_command_is_left_alone() -> None:
    assert run(LEFT_ALONE) == [0, None]
