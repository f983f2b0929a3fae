"""What `pipeglot worker requirements` prints: each Airflow is resolved with what pipeglot needs. `make lock` runs it.

python requirements/engines/worker.py UV > pipeglot/compilers/airflow/worker.json

Each Airflow is resolved as of a day on which its last patch was new, which is how its own constraints were made.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
RELEASES = {
    "2.10": ("2.10.5", "2025-02-12"),
    "2.11": ("2.11.2", "2026-03-15"),
    "3.0": ("3.0.6", "2025-08-31"),
    "3.1": ("3.1.8", "2026-03-15"),
    "3.2": ("3.2.2", "2026-06-15"),
    "3.3": ("3.3.2", "2026-09-18"),
}
PROVIDERS = ("cloudpickle",)
"""What Airflow does not bring, but its constraints pin for one of its providers: theirs to choose."""

OURS_AS_OF = "2026-11-01"


def main(uv: str) -> None:
    found = {version: release(uv, *RELEASES[version]) for version in RELEASES}
    json.dump(found, sys.stdout, indent=2)
    print()


def release(uv: str, exact: str, day: str) -> dict[str, object]:
    """Of one Airflow: what it brings of what we need, and what it takes beside that."""
    airflow = f"apache-airflow=={exact}"
    brought = resolved(uv, [airflow], day)
    needs = {name(line): line for line in needed()}
    free = [one for one in needs if one not in brought and one not in PROVIDERS]
    beside = resolved(uv, [airflow, *needs.values(), *(f"{one}=={at}" for one, at in brought.items())], day, newer=free)
    return {
        "release": exact,
        "as_of": day,
        "airflow": sorted(line for one, line in needs.items() if one in brought),
        "constraints": sorted(line for one, line in needs.items() if one in PROVIDERS and one not in brought),
        "pins": sorted(f"{one}=={beside[one]}" for one in free),
    }


def needed() -> Iterator[str]:
    """What pipeglot needs on a worker, with the client of stores in buckets."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    yield from project["dependencies"]
    yield from project["optional-dependencies"]["s3"]


def name(line: str) -> str:
    found = re.match(r"[\w.-]+", line)
    assert found is not None, line
    return found.group().lower()


def resolved(uv: str, lines: Iterable[str], day: str, *, newer: Iterable[str] = ()) -> dict[str, str]:
    """The version of each package."""
    words = [uv, "pip", "compile", "--quiet", "--no-annotate", "--no-header", "--python-version", "3.11"]
    words += ["--exclude-newer", day, *(f"--exclude-newer-package={one}={OURS_AS_OF}" for one in newer), "-"]
    done = subprocess.run(words, input="\n".join(lines), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    pairs = (line.split("==") for line in done.stdout.splitlines() if "==" in line)
    return {one.lower(): at.split()[0] for one, at in pairs}


if __name__ == "__main__":
    main(sys.argv[1])
