"""The kernel's own account of this process and all that it starts, to check `accounting` with.

Nothing that is started here can leave the group by forking, changing its session or being forgotten by its parent.
"""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.accounting import spent


class Check:
    """Compares the two accounts, from when it was made."""

    def __init__(self, group: Path) -> None:
        self.group = group
        self._before = self._now()

    def told(self) -> str:
        """How far they are apart, as a sentence. The kernel's also has what ends while it is read."""
        ours, kernels = (now - before for now, before in zip(self._now(), self._before, strict=True))
        apart = abs(kernels - ours) / kernels
        return f"The kernel's own account of all that ran has {kernels:.0f} s of CPU; ours is {apart:.2%} off."

    def _now(self) -> tuple[float, float]:
        here = resource.getrusage(resource.RUSAGE_SELF)
        return here.ru_utime + here.ru_stime + spent(), usage(self.group)


def usage(group: Path) -> float:
    """CPU seconds of a group of processes, of either version of the interface."""
    old = group / "cpuacct.usage"
    if old.exists():
        return int(old.read_text()) / 1e9
    fields = dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())
    return int(fields["usage_usec"]) / 1e6


@contextmanager
def checked() -> Iterator[Check]:
    """A control group of our own with this process in it. Raises `OSError` where none can be made."""
    parent = _own_group()
    group = parent / f"benchmark-{os.getpid()}"
    group.mkdir()
    try:
        _join(group)
        yield Check(group)
    finally:
        _join(parent)
        group.rmdir()


def _join(group: Path) -> None:
    (group / "cgroup.procs").write_text(str(os.getpid()))


def _own_group() -> Path:
    """The group that this process is in, of those that count CPU: `ID:CONTROLLERS:PATH`, of v2 without controllers."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    own = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    for _, controllers, path in own:
        for _, mounted, kind, options, *_ in mounts:
            of_v2 = kind == "cgroup2" and not controllers
            of_v1 = kind == "cgroup" and "cpuacct" in controllers.split(",") and "cpuacct" in options.split(",")
            if of_v1 or of_v2:
                return Path(mounted) / path.lstrip("/")
    raise FileNotFoundError(errno.ENOENT, "this system has no control groups that count CPU")
