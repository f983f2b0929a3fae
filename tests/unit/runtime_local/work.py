"""Step functions for the runner's tests: each does one thing that a step may do, or one that it should not."""

from __future__ import annotations

import asyncio
import atexit
import ctypes
import hashlib
import logging
import logging.handlers
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from pathlib import Path
from typing import NamedTuple

from pipeglot.core.checkpoints import checkpoint
from pipeglot.core.context import current_run, log_metrics, secret
from pipeglot.core.errors import Permanent


class Pair(NamedTuple):
    left: int
    right: list[int]


def one() -> int:
    return 1


def add(x: int, y: int = 0) -> int:
    return x + y


def total(xs: list[int]) -> int:
    return sum(xs)


def numbers(n: int) -> list[int]:
    return list(range(n))


def pair(x: int) -> Pair:
    return Pair(x, [x, x])


def use_pair(p: Pair) -> int:
    assert isinstance(p, Pair)
    return p.left + sum(p.right)


def fail(x: int = 0) -> None:
    raise ValueError(f"no good: {x}")


def fail_at(x: int, bad: int) -> int:
    if x == bad:
        raise ValueError(f"no good: {x}")
    return x


def flaky(folder: str, times: int) -> int:
    """Fails the first `times` times, as marks in a folder tell."""
    attempt = current_run().attempt
    Path(folder, f"{time.monotonic_ns()}").write_text(str(attempt))
    if attempt <= times:
        raise ConnectionError(f"attempt {attempt}")
    return attempt


def once(folder: str) -> None:
    """Succeeds the first time only."""
    if any(Path(folder).iterdir()):
        raise ConnectionError("a second time")
    Path(folder, "done").touch()


def permanent(folder: str) -> None:
    Path(folder, f"{time.monotonic_ns()}").touch()
    raise Permanent("never again")


def busy_in_c() -> None:
    hashlib.pbkdf2_hmac("sha256", b"x", b"y", 10**9)


def busy_in_python() -> None:
    while True:
        pass


def sleeps_in_a_thread() -> None:
    thread = threading.Thread(target=time.sleep, args=(600,))
    thread.start()
    thread.join()


def nap_first(folder: str) -> None:
    """The first attempt goes on until somebody ends it."""
    attempt = current_run().attempt
    Path(folder, f"nap-{attempt}").touch()
    if attempt == 1:
        time.sleep(600)


def child_process(folder: str) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(folder, "pid").write_text(str(child.pid))
    child.wait()


def leaves_a_mark(folder: str) -> None:
    try:
        Path(folder, "began").touch()
        time.sleep(600)
    finally:
        Path(folder, "finally").touch()


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed_at(x: int, bad: int) -> int:
    if x == bad:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def segfault() -> None:
    ctypes.string_at(0)


def exits() -> None:
    os._exit(7)


def sys_exits() -> None:
    sys.exit(3)


def says(words: str) -> None:
    print(f"print {words}")
    os.write(2, f"raw {words}\n".encode())
    subprocess.run([sys.executable, "-c", f"print('child {words}')"], check=True)
    logging.getLogger("mine").info("logged %s", words)


def tells_its_secret() -> None:
    print("the password is", secret("PASSWORD"))
    raise ValueError(f"cannot log in with {secret('PASSWORD')}")


def measures() -> None:
    log_metrics({"auc": 0.75, "rows": 3})


def environment() -> list[str]:
    return [os.environ.get("GREETING", ""), Path.cwd().name]


def makes_a_file(text: str) -> Path:
    path = Path(tempfile.mkdtemp()) / "made.txt"
    path.write_text(text)
    return path


def reads_a_file(path: Path) -> str:
    return f"{path.suffix}:{path.read_text()}"


async def waits(x: int) -> int:
    await asyncio.sleep(0)
    return x


def who(folder: str, seconds: float = 0.0) -> int:
    """Marks when it was running; tells which process ran it."""
    began = time.monotonic()
    time.sleep(seconds)
    Path(folder, f"{time.monotonic_ns()}").write_text(f"{began} {time.monotonic()}")
    return os.getpid()


def unpicklable() -> object:
    return threading.Lock()


def wrong_shape() -> Pair:
    return (1, 2, 3)  # type: ignore[return-value]  # what a user may do


def forks() -> int:
    if os.fork() == 0:
        return 1
    os.wait()
    return 2


def context() -> list[object]:
    run = current_run()
    return [run.pipeline, run.step, list(run.index), run.attempt, run.params["n"], run.backend]


def tidy(folder: str) -> None:
    Path(folder, "tidied").write_text(str(current_run().failed))


def prints_its_secret() -> None:
    os.write(1, f"the password is {secret('PASSWORD')}\n".encode())
    subprocess.run([sys.executable, "-c", f"print('and {secret('PASSWORD')} from a child')"], check=True)


def says_then_hangs() -> None:
    print("last words")
    time.sleep(600)


def measures_nothing() -> None:
    log_metrics({"loss": float("nan"), "rate": float("inf")})


def hangs_with_its_secret() -> None:
    print("the password is", secret("PASSWORD"), flush=True)
    time.sleep(600)


def hints_at_its_secret() -> None:
    raise Permanent("no", hint=f"try {secret('PASSWORD')}")


def cuts_its_secret() -> None:
    raise ValueError("x" * 49_992 + secret("PASSWORD") + "y" * 60_000)


def removes_its_secret(path: str) -> None:
    print(secret("PASSWORD"), flush=True)
    Path(path).unlink()
    os._exit(3)


def permanently(kind: str) -> None:
    try:
        int("x")
    except ValueError as error:
        raise Permanent(error if kind == "error" else 404) from error  # type: ignore[arg-type]  # what users write


def log_file() -> int:
    """Which file it prints to."""
    return os.fstat(1).st_ino


def lets_one_go(folder: str) -> None:
    """Leaves a process behind that nobody can find, and that prints when the next step is at work."""
    wait = "[time.sleep(0.01) for _ in range(3000) if not os.path.exists('go')]"
    words = f"import os, time; {wait}; print('late', flush=True); os.mkdir('said')"
    first = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {words!r}], start_new_session=True)"
    subprocess.run([sys.executable, "-c", first], cwd=folder, check=True)


def hears_it_print(folder: str) -> None:
    Path(folder, "go").touch()
    while not Path(folder, "said").exists():
        time.sleep(0.01)


def leaves_a_child(folder: str) -> int:
    child = subprocess.Popen(["sleep", "600"])
    Path(folder, str(child.pid)).touch()
    return 1


def odd_signal() -> None:
    os.kill(os.getpid(), signal.SIGRTMIN + 6)


def removes_its_folder(folder: str) -> int:
    Path(folder, f"{time.monotonic_ns()}").touch()
    shutil.rmtree(tempfile.gettempdir())
    return 1


def closes_descriptors(folder: str) -> int:
    Path(folder, f"{time.monotonic_ns()}").touch()
    os.closerange(0, 64)
    return 1


def ignores_its_end(folder: str) -> int:
    try:
        time.sleep(600)
    except BaseException:  # noqa: BLE001  # what users write
        Path(folder, "swallowed").touch()
    return 1


def minds_its_end() -> None:
    try:
        time.sleep(600)
    except BaseException:  # noqa: BLE001  # what users write
        raise RuntimeError("while cleaning up") from None


def shares_memory() -> int:
    with multiprocessing.Manager() as manager:
        return len(manager.list([1, 2]))


def changes_its_process() -> None:
    os.environ["LEAKED"] = "1"
    sys.path.append("/leaked")
    os.umask(0o000)
    sys.stdout = None
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.alarm(1)


def finds_a_clean_process() -> list[object]:
    print("heard")
    time.sleep(1.2)
    umask = os.umask(0)
    os.umask(umask)
    return ["LEAKED" in os.environ, "/leaked" in sys.path, umask == 0]


class Corrupt(Exception):
    """A user's own, named like one of ours."""


def raises_corrupt(x: int) -> None:
    raise Corrupt(str(x))


class Thing:
    """No plain data."""


def thing() -> Thing:
    return Thing()


def wrap(x: Thing) -> Thing:
    return Thing()


def interrupts() -> None:
    raise KeyboardInterrupt


def slow_tidy(folder: str, name: str) -> None:
    Path(folder, name).touch()
    time.sleep(2)


def flaky_tidy(folder: str) -> None:
    attempt = current_run().attempt
    Path(folder, f"tidy-{attempt}").touch()
    if attempt < 3:
        raise ConnectionError


def lists(lengths: list[int], width: int = 0) -> list[list[str]]:
    """A list of lists; `width` makes each text long."""
    return [[f"{i}.{j}".ljust(width) for j in range(count)] for i, count in enumerate(lengths)]


def arrays(lengths: list[int]) -> list[object]:
    """Items that are no plain data, one list of arrays each."""
    import numpy as np

    return [[np.arange(j) for j in range(count)] for count in lengths]


def size(x: object) -> int:
    return len(x)  # type: ignore[arg-type]


def strip(x: str) -> str:
    return x.strip()


def scores(n: int) -> list[float]:
    return [i / n for i in range(n)]


def ends_run(folder: str, word: str, n: int) -> None:
    """A hook: notes what it was told."""
    here = current_run()
    print(f"told {word} {n}")
    Path(folder, f"{word}-{here.attempt}").write_text(f"{here.failed} {here.params['n']}")


def ends_badly(folder: str) -> None:
    Path(folder, str(current_run().attempt)).touch()
    raise ValueError("nobody to tell")


def counts(folder: str, until: int, kill_at: int = -1, leave: bool = False) -> list[object]:
    """Counts in a checkpoint; dies or fails on the way, once for each count that it reaches for the first time."""
    with checkpoint() as c:
        path = c.dir / "count"
        found = int(path.read_text()) if c.restored else 0
        begun = found
        while found < until:
            found += 1
            path.write_text(str(found))
            (c.dir / "large").write_bytes(bytes([found % 256]) * 300_000)
            c.save()
            mark = Path(folder, str(found))
            if not mark.exists():
                mark.touch()
                if found == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)
                if found == kill_at + 1:
                    raise ConnectionError("lost it")
        return [begun, found, c.restored, current_run().attempt]


class Kept:
    """Something to hang a finalizer on."""


KEPT = Kept()


def ends_well(folder: str) -> None:
    """Registers what is to be done when its process ends, in all ways."""
    atexit.register(Path(folder, "atexit").touch)
    weakref.finalize(KEPT, Path(folder, "finalize").touch)
    handler = logging.handlers.MemoryHandler(100, target=logging.FileHandler(Path(folder, "log")))
    logging.getLogger("ends").addHandler(handler)
    logging.getLogger("ends").warning("kept for the end")


def odd_checkpoint(kind: str) -> None:
    with checkpoint() as c:
        if kind == "link":
            (c.dir / "out").symlink_to("/etc/hostname")
        elif kind == "socket":
            os.mkfifo(c.dir / "pipe")
        elif kind == "gone":
            shutil.rmtree(c.dir)
        elif kind == "nested":
            with checkpoint():
                pass
        if kind != "outside":
            c.save()
    c.save()


def told_params() -> dict[str, object]:
    return dict(current_run().params)


def quits_the_debugger() -> None:
    import bdb

    raise_in(bdb.__dict__)


def raise_in(namespace: dict[str, object]) -> None:
    """Raise as the debugger itself does when it is left by `q`."""
    exec(compile("def leave(): raise BdbQuit\nleave()", "bdb.py", "exec"), {**namespace})


def leaves_a_thread() -> None:
    threading.Thread(target=time.sleep, args=(0.5,)).start()


def asks() -> None:
    input("? ")


def prints_and_waits(text: str, seconds: float) -> None:
    print(text)
    time.sleep(seconds)


def spoils_blobs(store: str) -> int:
    """As a bad disk would, behind everybody's back."""
    found = [path for path in Path(store, "blobs").rglob("*") if path.is_file()]
    for path in found:
        path.chmod(0o600)
        with path.open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"\x55")
    return len(found)
