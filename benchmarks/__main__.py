"""What pipeglot costs, beside scripts written by hand and, with `--peers`, beside other tools: `make bench`.

Each case is a command, whose CPU is that of all processes that it starts, servers too. The cases are run in rounds,
in turn; the tables have the medians.
"""

from __future__ import annotations

import argparse
import datetime as dt
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import pipeglot
from benchmarks.accounting import ON_LINUX, adopt_orphans
from benchmarks.control_group import Check, checked
from benchmarks.lineage import measure_lineage
from benchmarks.machine import Neighbours, commit, this_machine
from benchmarks.measure import Case, CommandFailed, Measured, Tool, run_rounds
from benchmarks.ours import make_project, our_tool
from benchmarks.page import Conditions, conditions_text, page, tables
from benchmarks.peers import PEERS, Peer
from benchmarks.rows import CLOSURE, OURS
from benchmarks.tables import medians


def main() -> int:
    args = _arguments()
    if args.runs is None:
        args.runs = 2 if args.peers else 5
    if args.runs < 1:
        return _refused(f"`--runs {args.runs}`: at least one round is needed")
    peers = PEERS if args.peers else ()
    missing = [peer.package for peer in peers if not peer.environment.is_dir()]
    if peers and not ON_LINUX:
        return _refused("servers are accounted for on Linux only", "leave out `--peers`")
    if missing:
        return _refused(f"there is no environment of {', '.join(missing)}", "`make bench-peers` makes them")
    adopt_orphans()
    try:
        with tempfile.TemporaryDirectory() as folder, checked() if args.check else nullcontext() as check:
            return _run(args, peers, Path(folder), check)
    except (CommandFailed, OSError) as error:
        return _refused(str(error))


def _arguments() -> argparse.Namespace:
    assert __doc__
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("--peers", action="store_true", help="beside Prefect, Dagster, ZenML and Metaflow")
    parser.add_argument("--runs", type=int, metavar="N", help="rounds: 5, with `--peers` 2, if not given")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="cases with this in `TOOL: ROW`")
    parser.add_argument("--no-lineage", action="store_true", help="leave out the million edges, which take a minute")
    parser.add_argument("--check", action="store_true", help="hold all CPU against the kernel's own account of it")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the page of results")
    return parser.parse_args()


def _run(args: argparse.Namespace, peers: Sequence[Peer], folder: Path, check: Check | None) -> int:
    neighbours = Neighbours()
    measured = _measured(args, peers, folder)
    found, columns = medians(measured.samples), [peer.name for peer in peers]
    conditions = Conditions(
        day=dt.datetime.now(dt.UTC).date(),
        machine=this_machine(),
        versions=_versions(peers),
        rounds=args.runs,
        minutes=neighbours.seconds / 60,
        others=neighbours.share(),
        check=check.told() if check else "",
        failed=tuple(f"{case.column}: {case.row}" for case in measured.failed),
    )
    if args.page:
        args.page.write_text(page(found, columns, conditions), encoding="utf-8")
    print("\n\n".join([*tables(found, columns).values(), conditions_text(conditions)]))
    for case, why in measured.failed.items():
        print(f"\nfailed: {case.column}: {case.row}\n{why}", file=sys.stderr)
    return 1 if measured.failed else 0


def _measured(args: argparse.Namespace, peers: Sequence[Peer], folder: Path) -> Measured:
    make_project(folder / OURS)
    tools = [our_tool(folder / OURS), *(tool for peer in peers for tool in peer.tools(folder))]
    wanted = [one for tool in tools if (one := _only(tool, args.only)).cases]
    if not wanted:
        raise CommandFailed(f"no case has {' or '.join(f'`{name}`' for name in args.only)} in its name")
    measured = run_rounds(wanted, args.runs, _tell)
    if not args.no_lineage and not args.only:
        try:
            measured.samples.update(measure_lineage(folder / "lineage", args.runs, _tell))
        except CommandFailed as error:
            measured.failed[Case(CLOSURE, OURS, ())] = str(error)
    _tell("")
    return measured


def _only(tool: Tool, names: list[str]) -> Tool:
    """A tool with those of its cases that have one of the names in theirs."""
    wanted = [case for case in tool.cases if not names or any(name in f"{case.column}: {case.row}" for name in names)]
    return tool._replace(cases=tuple(wanted))


def _versions(peers: Sequence[Peer]) -> dict[str, str]:
    at = commit()
    own = pipeglot.__version__ + (f" ({at})" if at else "")
    return {OURS: own, **{peer.name: _version(peer) for peer in peers}}


def _version(peer: Peer) -> str:
    ask = f"import importlib.metadata; print(importlib.metadata.version({peer.package!r}))"
    python = peer.environment / "bin" / "python"
    return subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()


def _tell(text: str) -> None:
    """What is being done, on the one line that is for it."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
    elif text:
        sys.stderr.write(f"{text}\n")


def _refused(why: str, hint: str = "") -> int:
    print(f"error: {why}" + (f"\n  hint: {hint}" if hint else ""), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
