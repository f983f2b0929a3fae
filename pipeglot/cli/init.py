"""`pipeglot init`: a project with a local stack and a first pipeline, to be changed into the user's own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pipeglot.core.errors import UsageError
from pipeglot.stacks.state import make_state, write_schema

CONFIG = "pipeglot.yaml"
PIPELINE = "pipeline.py"
_IGNORED = ".pipeglot/"


def do_init(args: argparse.Namespace) -> int:
    folder = Path(args.dir)
    _refuse_what_is_there(folder)
    folder.mkdir(parents=True, exist_ok=True)
    made = [name for name in (CONFIG, PIPELINE) if _create(folder / name, _template(name))]
    if _ignore(folder / ".gitignore"):
        made.append(".gitignore")
    write_schema(make_state(folder))  # for editors: the first line of `pipeglot.yaml` names it
    print(f"made {', '.join(made)} in {folder.resolve()}", file=sys.stderr)
    if args.json:
        from pipeglot.cli.output import print_json
        from pipeglot.client.views import Made

        print_json(Made(root=str(folder.resolve()), files=tuple(made)))
        return 0
    cd = "" if folder.resolve() == Path.cwd() else f"  cd {_quoted(str(folder))}\n"
    print(f"\nnext:\n{cd}  pipeglot run {PIPELINE}\n  pipeglot run {PIPELINE} -p count=9")
    return 0


def _refuse_what_is_there(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"`{folder}` is no folder")
    there = [name for name in (CONFIG, PIPELINE) if (folder / name).exists() or (folder / name).is_symlink()]
    if there:
        listed = " and ".join(f"`{name}`" for name in there)
        raise UsageError(
            f"{listed} {'is' if len(there) == 1 else 'are'} there already, and `init` replaces nothing",
            hint="give another folder: `pipeglot init DIR`; or move what is there out of the way",
        )


def _template(name: str) -> str:
    return (Path(__file__).parent / "template" / name).read_text(encoding="utf-8")


def _create(path: Path, text: str) -> bool:
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
    return True


def _ignore(path: Path) -> bool:
    """Add our folder to `.gitignore`, unless it is in there."""
    before = path.read_text(encoding="utf-8", errors="surrogateescape") if path.exists() else ""
    if any(line.strip().strip("/") == _IGNORED.strip("/") for line in before.splitlines()):
        return False
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{'' if not before or before.endswith(chr(10)) else chr(10)}{_IGNORED}\n")
    return True


def _quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)
