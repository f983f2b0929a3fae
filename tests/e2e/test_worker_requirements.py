"""`pipeglot worker requirements`: its lines install beside each Airflow, and change nothing of what that brings."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import msgspec
import pytest

from pipeglot.compilers.sandboxes.environment import find_uv
from tests.e2e.conftest import Project

REPOSITORY = Path(__file__).parents[2]
CHOSEN = msgspec.json.decode((REPOSITORY / "pipeglot/compilers/airflow/worker.json").read_bytes())
VERSIONS = ["2.10", "2.11", "3.0", "3.1", "3.2", "3.3"]
CONSTRAINTS = ["cloudpickle==2.2.1", "msgspec==0.19.0", "PyYAML==6.0.2"]
"""Out of what Airflow publishes for 3.0.2: Apache Beam's provider holds cloudpickle there."""


def resolve(lines: list[str], folder: Path, *options: str) -> dict[str, str]:
    """The version of each package that uv chooses. Asks the registry."""
    given = folder / "requirements.txt"
    given.write_text("\n".join(lines))
    uv = REPOSITORY / ".cache/uv/bin/uv"
    words = [str(uv)] if uv.exists() else find_uv()
    words += ["pip", "compile", "--quiet", "--no-annotate", "--no-header", "--no-emit-index-url", *options, str(given)]
    environment = {"UV_SYSTEM_CERTS": "true", **os.environ}
    done = subprocess.run(
        [*words, "--python-version", "3.11"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return {name.lower(): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", done.stdout, re.MULTILINE)}


@pytest.mark.parametrize("version", VERSIONS)
def test_they_install_beside_airflow_and_change_nothing(project: Project, tmp_path: Path, version: str) -> None:
    """Airflow alone as of the day of that release, as its own constraints are made; then with our lines, of today."""
    chosen = CHOSEN[version]
    airflow = f"apache-airflow=={chosen['release']}"
    alone = resolve([airflow], tmp_path, "--exclude-newer", chosen["as_of"])
    (tmp_path / "constraints.txt").write_text("\n".join(f"{name}=={at}" for name, at in alone.items()))
    own, *lines = project("worker", "requirements", "--airflow", version).out.splitlines()[1:]
    assert own == "pipeglot==0.1.0"

    both = resolve([airflow, f"pipeglot[s3] @ file://{REPOSITORY}", *lines], tmp_path, "-c", "constraints.txt")

    assert {name: both[name] for name in alone} == alone
    assert set(both) - set(alone) <= {"pipeglot", "msgspec", "cloudpickle", "obstore", "typing-extensions"}
    for pin in chosen["pins"]:
        name, _, at = pin.partition("==")
        assert both[name] == at
        assert name not in alone


def test_they_allow_what_airflows_constraints_hold(project: Project, tmp_path: Path) -> None:
    lines = project("worker", "requirements", "--airflow", "3.0").out.splitlines()[2:]
    (tmp_path / "constraints.txt").write_text("\n".join(CONSTRAINTS))
    found = resolve([f"pipeglot @ file://{REPOSITORY}", *lines], tmp_path, "-c", "constraints.txt")
    assert found["cloudpickle"] == "2.2.1"


def test_a_patch_release_has_the_lines_of_its_version(project: Project) -> None:
    shown = project(
        "worker", "requirements", "--airflow", "2.10.3", "--wheel", "wheels/pipeglot-0.1.0-py3-none-any.whl"
    )
    assert shown.out == (
        "# pipeglot on the workers of Airflow 2.10: beside what is there, and changing nothing of it\n"
        "wheels/pipeglot-0.1.0-py3-none-any.whl\n"
        "msgspec==0.22.0\n"
        "obstore==0.12.1\n"
        "cloudpickle>=2.2.1  # Airflow's constraints choose it, if you install with them\n"
        "PyYAML>=6.0.1  # Airflow brings it: what is there stays\n"
        "rich>=13  # Airflow brings it: what is there stays\n"
    )


def test_a_wheel_at_a_url(project: Project) -> None:
    url = "https://wheels.example.com/pipeglot-0.1.0-py3-none-any.whl"
    found = project("worker", "requirements", "--airflow", "3.3", "--wheel", url, "--json").json
    assert found["requirements"][0] == {"line": f"pipeglot @ {url}", "chosen_by": "pipeglot"}
    assert (found["airflow"], found["release"]) == ("3.3", "3.3.2")


@pytest.mark.parametrize("version", ["2.9", "3", "4.0", "3.3.x", ""])
def test_an_airflow_that_is_not_known(project: Project, version: str) -> None:
    failed = project("worker", "requirements", "--airflow", version, code=2)
    assert f"there are no requirements for Airflow `{version}`" in failed.err
    assert "hint: there are those for: `2.10`, `2.11`, `3.0`, `3.1`, `3.2`, `3.3`" in failed.err


@pytest.mark.parametrize("wheel", ["pipeglot", "a wheel.whl", "x.whl\nrequests", "dist/pipeglot-0.1.0.tar.gz"])
def test_what_is_no_wheel(project: Project, wheel: str) -> None:
    failed = project("worker", "requirements", "--airflow", "3.3", "--wheel", wheel, code=2)
    assert "is no place of a wheel" in failed.err
