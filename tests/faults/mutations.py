"""`python -m tests.faults.mutations [WORD]`: break what everything rests on, one at a time; some test must fail.

Each mutation is a change of one place in a copy of the code; the tests that should notice run on that copy. A mutation
that no test notices is told of, and the exit code is 1. WORD runs only those whose name has it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
NEEDED = ("pipeglot", "tests", "pyproject.toml")


class Mutation(NamedTuple):
    """`old` stands once in `file`; the copy has `new` there. `noticed_by`: what is given to `python -m`, in words."""

    name: str
    file: str
    old: str
    new: str
    noticed_by: tuple[str, ...]

    def broken(self, root: Path) -> str:
        """The file as the copy has it. Raises `AssertionError` if there is nothing to be broken."""
        text = (root / self.file).read_text()
        assert text.count(self.old) == 1, (
            f"{self.name}: what it breaks is in `{self.file}` {text.count(self.old)} times"
        )
        return text.replace(self.old, self.new)


_FOLDER = "pipeglot/core/store/folder.py"
_BUCKET = "pipeglot/core/store/bucket.py"
_STORE = ("pytest -x -q tests/unit/store",)
_HARNESS = "tests.faults 100 7 --every 3"

MUTATIONS = (
    Mutation(
        "the atomic publish: a file has its name before its bytes",
        _FOLDER,
        "            self._fill(temp, data)\n            return self._publish(temp, path, links=1)\n",
        "            os.close(create(temp))\n"
        "            created = self._publish(temp, path, links=1)\n"
        "            if created:\n"
        "                target = os.open(path, os.O_WRONLY)\n"
        "                write_all(target, data) if isinstance(data, bytes) else copy(os.fspath(data), target)\n"
        "                os.close(target)\n"
        "            return created\n",
        (*_STORE, _HARNESS),
    ),
    Mutation(
        "the create-only commit: the last one wins",
        _FOLDER,
        "                os.link(temp, path)\n",
        "                os.replace(temp, path)\n",
        _STORE,
    ),
    Mutation(
        "the create-only commit in a bucket: the last one wins",
        _BUCKET,
        'data, mode="create"',
        'data, mode="overwrite"',
        ("pytest -x -q tests/unit/store/test_contract.py::test_put_once",),
    ),
    Mutation(
        "the lost answer to a put in a bucket: our own is taken for somebody else's",
        _BUCKET,
        "return unclear and self.get(key) == data",
        "return False",
        ("pytest -x -q tests/unit/store/test_bucket_faults.py",),
    ),
    Mutation(
        "the loser of a commit keeps its own",
        "pipeglot/core/lineage/ledger.py",
        "        winner = self._get(key, type(record), record.run)\n",
        "        winner = record\n",
        ("pytest -x -q tests/unit/lineage",),
    ),
    Mutation(
        "the verification of blobs on read",
        "pipeglot/core/artifacts/blobs.py",
        "    if found[0] != sha:\n",
        "    if not found[0]:\n",
        ("pytest -x -q tests/unit/artifacts/test_blobs.py",),
    ),
    Mutation(
        "the verification of records on read",
        "pipeglot/core/lineage/ledger.py",
        "    if hashlib.sha256(body).hexdigest().encode() != words[2]:\n",
        "    if not words[2]:\n",
        ("pytest -x -q tests/unit/lineage/test_ledger.py",),
    ),
    Mutation(
        "the lease: a run that is not heard of any more is told as running",
        "pipeglot/core/lineage/lease.py",
        "    gone = is_silent(beats.values(), heard, at, quiet_of(start)) if there is None else not there\n",
        "    gone = there is False\n",
        ("pytest -x -q tests/unit/lineage/test_lease.py", "pytest -x -q tests/e2e/test_zombies.py -k zombie"),
    ),
    Mutation(
        "the lease: beats of what is over count",
        "pipeglot/core/lineage/ledger.py",
        ' and place[len(prefix) :].rpartition("/")[0] not in settled:\n',
        ":\n",
        ("pytest -x -q tests/unit/lineage/test_lease.py",),
    ),
    Mutation(
        "the lease: a run whose process is gone is told as running",
        "pipeglot/core/lineage/processes.py",
        "    except (ProcessLookupError, OverflowError):\n        return False\n",
        "    except (ProcessLookupError, OverflowError):\n        return True\n",
        ("pytest -x -q tests/unit/lineage/test_ledger.py", _HARNESS),
    ),
    Mutation(
        "the fence: a run goes on though it was closed",
        "pipeglot/runtime_local/runner.py",
        "        if was_closed(verdict):\n            raise closed(self.start.run, verdict.status)\n",
        "",
        ("pytest -x -q tests/unit/runtime_local/test_beats.py -k not_taken",),
    ),
    Mutation(
        "the closure digest: what a step's function calls is not in it",
        "pipeglot/core/code/project.py",
        "                todo += member.leads_to\n",
        "",
        ("pytest -x -q tests/unit/code/test_different.py",),
    ),
    Mutation(
        "the journal: a run is known before its marker is there",
        "pipeglot/core/lineage/ledger.py",
        "        self.mark(record.run)\n        return self._put_first(keys.start(record.run), record)\n",
        "        found = self._put_first(keys.start(record.run), record)\n"
        "        self.mark(record.run)\n        return found\n",
        ("pytest -x -q tests/faults/test_faults.py -k between", _HARNESS),
    ),
    Mutation(
        "the cache offers what is gone",
        "pipeglot/core/lineage/cache.py",
        "        if not artifacts.exists(ref):\n",
        "        if artifacts is None:\n",
        ("pytest -x -q tests/unit/runtime_local/test_runner.py",),
    ),
    Mutation(
        "a durable store: a file's bytes are not synced",
        _FOLDER,
        "            if self.durable:\n                sync_file(target)\n",
        "",
        (*_STORE, "tests.faults 60 7 --every 50 --kind power"),
    ),
    Mutation(
        "a durable store: workers know nothing of it",
        "pipeglot/core/workers/worker.py",
        ", durable=hello.durable, copies=copies)",
        ", copies=copies)",
        (
            "pytest -x -q tests/unit/runtime_local/test_runner.py -k durable",
            "tests.faults 60 7 --every 50 --kind power",
        ),
    ),
)


def main(word: str) -> int:
    """How many were not noticed decides the exit code."""
    unnoticed = 0
    for mutation in MUTATIONS:
        if word not in mutation.name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            for tests in mutation.noticed_by:
                noticed = fails(mutation, tests, Path(folder))
                unnoticed += not noticed
                print(f"{'noticed' if noticed else 'NOT NOTICED'} by {tests}: {mutation.name}", flush=True)
    return 1 if unnoticed else 0


def fails(mutation: Mutation, tests: str, folder: Path) -> bool:
    """Whether the tests fail on a copy that is broken so, as they do not on one that is whole."""
    copy = folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy)
    (copy / mutation.file).write_text(mutation.broken(copy))
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", *tests.split()]
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    return done.returncode == 1


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:])))
