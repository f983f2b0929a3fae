"""Metaflow: its own runner, which starts a process for each task, and its datastore in a folder."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.measure import Tool
from benchmarks.peers.place import Place
from benchmarks.rows import (
    ARRAY,
    HELP,
    IMPORT,
    ITEMS_3,
    PEER_STEPS,
    STEPS_3,
    STEPS_3_CACHED,
    cached_row,
    chain_row,
    map_row,
)


def metaflow_tool(place: Place) -> Tool:
    for steps in (3, PEER_STEPS):
        _write_chain(place.folder / f"metaflow_chain_{steps}.py", steps)
    few, many = _run(place, "metaflow_chain_3.py"), _run(place, f"metaflow_chain_{PEER_STEPS}.py")
    wide = (
        "--max-workers",
        str(os.cpu_count()),
        "--items",
    )  # 16 at once, as by default, would only be in each other's way
    cases = (
        place.case(HELP, place.program("metaflow"), "--help"),
        place.case(IMPORT, *place.python("-c", "from metaflow import FlowSpec, step")),
        place.case(STEPS_3, *few),
        place.case(chain_row(PEER_STEPS), *many),
        place.case(STEPS_3_CACHED, *_resume(place, "metaflow_chain_3.py"), cached=True),
        place.case(cached_row(PEER_STEPS), *_resume(place, f"metaflow_chain_{PEER_STEPS}.py"), cached=True),
        place.case(ITEMS_3, *_run(place, "metaflow_wide.py", *wide, "3")),
        place.case(map_row(PEER_STEPS), *_run(place, "metaflow_wide.py", *wide, str(PEER_STEPS))),
        place.case(ARRAY, *_run(place, "metaflow_array.py")),
    )
    env = {
        **place.env,
        "USER": "benchmark",
        "METAFLOW_HOME": str(place.folder / "metaflow"),
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(place.folder),
    }
    return Tool(place.folder, env, cases, warm_up=(few, many))


def _run(place: Place, file: str, *options: str) -> tuple[str, ...]:
    return place.python(file, "--no-pylint", "run", "--first", "{start}", *options)


def _resume(place: Place, file: str) -> tuple[str, ...]:
    """The nearest that it has to a cache: the last run again, its tasks cloned but for the last."""
    return place.python(file, "--no-pylint", "resume", "end")


def _write_chain(path: Path, steps: int) -> None:
    """As source, for that is what Metaflow reads the graph from."""
    names = ["start", *(f"add_{number}" for number in range(1, steps - 1)), "end"]
    lines = ["from metaflow import FlowSpec, Parameter, step", "", "", f"class Chain{steps}(FlowSpec):"]
    lines.append('    first = Parameter("first", default=0)')
    for name, following in zip(names, [*names[1:], None], strict=True):
        value = "self.first" if name == "start" else "self.x + 1"
        lines += ["", "    @step", f"    def {name}(self):", f"        self.x = {value}"]
        lines += [f"        self.next(self.{following})"] if following else []
    lines += ["", "", 'if __name__ == "__main__":', f"    Chain{steps}()", ""]
    path.write_text("\n".join(lines))
