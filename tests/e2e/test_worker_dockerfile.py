"""`pipeglot worker dockerfile`: held against a linter, and built by hand, as far as that goes without a container."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeglot.compilers.sandboxes.environment import find_uv
from tests.e2e.conftest import ENVIRONMENT, Project
from tests.e2e.test_dist import checkout, make_dist

REPOSITORY = Path(__file__).parents[2]
UV: Any = {"PATH": f"{REPOSITORY / '.cache/uv/bin'}:{os.environ['PATH']}"}
"""As `make test` has it."""
WHEEL = "pipeglot-0.1.0-py3-none-any.whl"
OWN = (
    "cloudpickle",
    "markdown-it-py",
    "mdurl",
    "msgspec",
    "obstore",
    "pygments",
    "pyyaml",
    "rich",
    "typing-extensions",
)
"""What pipeglot itself comes with, and the client of buckets."""

CONFIG = """\
stacks:
  local: {backend: local}
  prod: {backend: kfp, store: "s3://ml/prod", image: "ghcr.io/acme/steps:1"}
"""
FLOW = """\
from pipeglot import pipeline, step


@step
def load(days: int) -> list[int]:
    return list(range(days))


@step
def total(numbers: list[int]) -> int:
    return sum(numbers)


@pipeline
def flow(days: int = 3) -> None:
    total(load(days))
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    found = Project(tmp_path)
    found.write("pipeglot.yaml", CONFIG)
    found.write("flow.py", FLOW)
    return found


def write(project: Project, *words: str, target: str = "flow.py", stack: str = "prod", code: int = 0) -> Any:
    """What the command prints, as JSON; with another exit code, the message."""
    done = project("worker", "dockerfile", target, "--stack", stack, "--json", *words, code=code, **UV)
    return done.json if code == 0 else done.err


def linted(text: str) -> str:
    """What hadolint has to say. DL3059: what changes seldom has a layer of its own, so that a build repeats little."""
    words = [str(Path(sys.executable).with_name("hadolint")), "--no-color", "--ignore", "DL3059", "-"]
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def installs(text: str) -> list[str]:
    """The lines that install packages, as a shell gets them."""
    joined = text.replace("\\\n", "")
    return [line.removeprefix("RUN ") for line in joined.splitlines() if line.startswith("RUN python3 -m pip")]


# --- the text ---------------------------------------------------------------------------------------------------------


def test_it_is_short_and_pinned(project: Project) -> None:
    """To the versions that are installed here."""
    pins = "".join(f" \\\n    {name}=={version(name)}" for name in OWN)
    shown = project("worker", "dockerfile", "flow.py", "--stack", "prod", "--python", "3.12", **UV)
    assert shown.out == (
        "# For the image `ghcr.io/acme/steps:1`, in which the 2 steps of `flow` run on stack `prod`.\n"
        "# Written by pipeglot. To write it again, with the same versions (with --upgrade: those of today):\n"
        "#   pipeglot worker dockerfile flow.py:flow --stack prod --python 3.12\n"
        "# The base may be another image tomorrow. Its digest makes it stay, as a registry or\n"
        "# `docker buildx imagetools inspect` tells it: --base python:3.12-slim@sha256:…\n"
        "FROM python:3.12-slim\n"
        "RUN useradd --create-home --uid 10001 steps\n"
        f"RUN python3 -m pip install --no-cache-dir --no-deps{pins}\n"
        "RUN python3 -m pip install --no-cache-dir --no-deps pipeglot==0.1.0\n"
        'LABEL org.opencontainers.image.title="steps of flow" pipeglot.stack="prod"\n'
        "WORKDIR /home/steps\n"
        "USER 10001\n"
    )
    assert shown.err == ""
    assert linted(shown.out) == ""


def test_a_base_with_its_digest_stands_as_it_is(project: Project) -> None:
    base = f"europe-docker.pkg.dev/acme/base/python@sha256:{'0' * 64}"
    text = write(project, "--base", base)["text"]
    assert text.splitlines()[3] == f"FROM {base}"
    assert f"--base {base}\n" in text
    assert "another image tomorrow" not in text
    assert linted(text) == ""


@pytest.mark.parametrize(
    ("store", "has"),
    [("gs://ml/prod", True), ("${STORE}", True), ("/mnt/store", False)],
)
def test_a_store_in_a_bucket_has_its_client(project: Project, store: str, has: bool) -> None:
    project.replace("pipeglot.yaml", "s3://ml/prod", store)
    assert any(line.startswith("obstore==") for line in write(project)["packages"]) == has


def test_what_steps_import_and_what_they_ask_for(project: Project) -> None:
    """At the versions of here; and pyarrow, by which pipeglot stores frames."""
    project.replace("flow.py", "@step\ndef load", '@step(packages=["tomli-w<2", "idna==3.10"])\ndef load')
    project.write("helpers/__init__.py", "from . import frames\n")
    project.write(
        "helpers/frames.py",
        "import pandas as pd\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import polars\n",
    )
    project.replace("flow.py", "from pipeglot import", "import helpers\nimport json\nfrom pipeglot import")
    found = write(project)["packages"]
    for name in ("pandas", "numpy", "pyarrow"):
        assert f"{name}=={version(name)}" in found
    assert "idna==3.10" in found
    assert any(line.startswith("tomli-w==1.") for line in found)
    assert not any(line.startswith("polars") for line in found), "for type checkers only"


def test_versions_stay_until_they_are_to_change(project: Project) -> None:
    shown = project("worker", "dockerfile", "flow.py", "--stack", "prod", "--out", "Dockerfile", **UV).out
    assert re.search(r"^written +.*/Dockerfile\nfor +2 steps\npackages +9\nbase +python:3\.\d+-slim\n$", shown)
    first = (project.root / "Dockerfile").read_text()
    project.replace("Dockerfile", f"rich=={version('rich')}", "rich==13.9.4")
    kept = write(project, "--out", "Dockerfile")
    assert "rich==13.9.4" in kept["packages"]
    assert kept["out"] == str(project.root / "Dockerfile")
    assert kept["text"] == (project.root / "Dockerfile").read_text() == first.replace(version("rich"), "13.9.4")
    assert write(project, "--out", "Dockerfile", "--upgrade")["text"] == first


def test_code_that_lies_in_the_image(project: Project) -> None:
    """The files that a bundle would have; else none of them."""
    project.replace("pipeglot.yaml", 'image: "', 'code: image, image: "')
    project.write("pipeglot.yaml", (project.root / "pipeglot.yaml").read_text() + 'include: ["sql/*.sql"]\n')
    project.write("src/tools/__init__.py", "")
    project.write("src/tools/a file.py", "X = 1\n")
    project.write("sql/all.sql", "select 1")
    project.write("Dockerfile", "# Written by pipeglot.\n")
    text = write(project, "--out", "Dockerfile")["text"]
    copied = [json.loads(line.removeprefix("COPY ")) for line in text.splitlines() if line.startswith("COPY")]
    listed = project("bundle", "flow.py", "--json").json["files"]
    assert {f"{to}{name.rpartition('/')[2]}" for *names, to in copied for name in names} == {
        f"./{one['path']}" for one in listed
    }
    assert 'WORKDIR /code\nENV PYTHONPATH="/code/src:/code"\nCOPY ' in text
    assert text.index("COPY") > text.index("RUN python3"), "a change of the code installs nothing again"
    assert linted(text) == ""
    project.replace("pipeglot.yaml", "code: image", "code: installed")
    text = write(project)["text"]
    assert "COPY" not in text
    assert "code: installed`: what installs the project's own code belongs here.\nUSER" in text


def test_images_of_several(project: Project) -> None:
    """A Dockerfile is for one, and has the packages of the steps that run in it."""
    project.replace(
        "flow.py", "@step\ndef load", '@step(packages=["idna==3.10"], image="ghcr.io/acme/load:1")\ndef load'
    )
    told = write(project, code=2)
    assert "the steps of `flow` run in 2 images on stack `prod`, and a Dockerfile is for one" in told
    assert "with `--image`: they run in `ghcr.io/acme/load:1` (`load`); `ghcr.io/acme/steps:1` (`total`)" in told
    one = write(project, "--image", "ghcr.io/acme/load:1")
    other = write(project, "--image", "ghcr.io/acme/steps:1")
    assert (one["steps"], "idna==3.10" in one["packages"]) == (["load"], True)
    assert (other["steps"], "idna==3.10" in other["packages"]) == (["total"], False)
    assert "in which `load` of `flow` runs on stack `prod`" in one["text"]
    assert "no step of `flow` runs in the image `x`" in write(project, "--image", "x", code=2)


def test_what_is_not_installed_here_is_told(project: Project) -> None:
    project.replace("flow.py", "    return sum(numbers)", "    import not_here.at_all\n\n    return sum(numbers)")
    done = project("worker", "dockerfile", "flow.py", "--stack", "prod", **UV)
    assert "note: flow.py:11: `not_here.at_all` is not installed here, so which package has it is not known" in done.err
    assert "not_here" not in done.out


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--python", "3.10"), "`3.10` is no Python that pipeglot runs on"),
        (("--base", "a\nRUN rm -rf /"), "is no image to begin with: letters, digits"),
        (("--wheel", f"/tmp/{WHEEL}"), "is not below the folder that an image is built in"),
        (("--wheel", f"../{WHEEL}"), "is not below the folder that an image is built in"),
        (("--wheel", "dist"), "`dist` is no place of a wheel"),
        (("--out", "."), "is a folder"),
        (("--out", "nowhere/Dockerfile"), "there is no folder"),
        (("--out", "flow.py"), "is there already, and not written by pipeglot"),
    ],
)
def test_a_wish_that_means_nothing(project: Project, words: tuple[str, ...], told: str) -> None:
    assert told in write(project, *words, code=2)


@pytest.mark.parametrize(
    "stack",
    [
        "{backend: local}",
        "{backend: prefect, store: /s}",
        "{backend: airflow, store: /s}",
        "{backend: kfp, store: /s, image: sandbox/python}",
    ],
)
def test_a_stack_without_images(project: Project, stack: str) -> None:
    project.write("pipeglot.yaml", f"{CONFIG}  other: {stack}\n")
    told = write(project, stack="other", code=2)
    assert "the steps of stack `other` run in no image of their own" in told
    assert "images are of stacks of `kfp` and `vertex`, and of `airflow` with `run: pod`" in told


def test_pods_whose_python_is_another(project: Project) -> None:
    stack = "{backend: airflow, store: /s, run: pod, image: x, python: /opt/bin/python}"
    project.write("pipeglot.yaml", f"{CONFIG}  pods: {stack}\n")
    assert "stack `pods` says `python:`, and this image has its packages in its own Python" in write(
        project, stack="pods", code=2
    )


@pytest.mark.parametrize(
    ("packages", "told"),
    [
        ('["idna==3.10", "idna==3.9"]', "no versions can be had for all of"),
        ('["no-such-package-of-anybody-0"]', "no versions can be had for all of"),
        ('["--index-url=https://example.com"]', "`--index-url=https://example.com` of `packages=` is no requirement"),
        ('["-r /etc/passwd"]', "`-r /etc/passwd` of `packages=` is no requirement"),
    ],
)
def test_packages_that_cannot_be_had(project: Project, packages: str, told: str) -> None:
    project.replace("flow.py", "@step\ndef load", f"@step(packages={packages})\ndef load")
    assert told in write(project, code=2)


def test_no_uv(project: Project, tmp_path: Path) -> None:
    failed = project("worker", "dockerfile", "flow.py", "--stack", "prod", code=2, PATH=str(tmp_path))
    assert "there is no `uv` on the PATH, and uv is what finds the versions" in failed.err


# --- what is built ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """As `make dist` makes it."""
    return make_dist(checkout(tmp_path_factory.mktemp("dist"), 1, 0o022), 0o022)[WHEEL]


def build(text: str, project: Project) -> Path:
    """Do what a Dockerfile says, but for root's part: its packages into an environment, its wheel from the project."""
    venv = project.root / "image"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    env = {**ENVIRONMENT, "PATH": f"{venv / 'bin'}:{os.environ['PATH']}", "VIRTUAL_ENV": str(venv)}
    for line in installs(text):
        done = subprocess.run(
            line.replace("/opt/", f"{project.root}/dist/"),
            shell=True, cwd=project.root, env=env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    checked = subprocess.run([venv / "bin/python3", "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert checked.stdout == "No broken requirements found.\n"
    return venv


def test_steps_run_in_what_is_built(project: Project, wheel: bytes) -> None:
    """Its lines install, and a container's command, as the spec has it, runs a step with nothing else there."""
    store = project.root / "store"
    project.write("pipeglot.yaml", f'stacks:\n  prod: {{backend: kfp, store: "{store}", image: "acme/steps:1"}}\n')
    project.write("dist/x", "")
    (project.root / "dist" / WHEEL).write_bytes(wheel)
    project.replace("flow.py", "from pipeglot import", "import numpy as np\nfrom pipeglot import")
    project.replace("flow.py", "return list(range(days))", "return np.arange(days).tolist()")
    text = write(project, "--wheel", f"dist/{WHEEL}")["text"]
    assert f'COPY ["dist/{WHEEL}", "/opt/"]' in text
    assert linted(text) == ""
    venv = build(text, project)
    listed = subprocess.run(
        [venv / "bin/python3", "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True, check=True
    )
    there = {line.lower().replace("_", "-") for line in listed.stdout.split()}
    assert set(write(project, "--wheel", f"dist/{WHEEL}")["packages"]) <= there

    project("bundle", "flow.py", "--stack", "prod", "--push")
    (spec, *_) = yaml.safe_load_all(project("compile", "flow.py", "--stack", "prod").out)
    container = spec["deploymentSpec"]["executors"]["exec-load"]["container"]
    files = {name: str(project.root / "kfp" / name) for name in ("output", "executor")}
    asked = {
        "inputs": {"parameterValues": {"pipeglot": {}, "pipeglot-run": "r1", "days": 3.0}},
        "outputs": {
            "artifacts": {"lineage": {"artifacts": [{"name": "lineage", "uri": "s3://kfp/x", "metadata": {}}]}},
            "outputFile": files["executor"],
        },
    }
    words = [one.replace("{{$}}", json.dumps(asked)) for one in (*container["command"], *container["args"])]
    env = {
        "PATH": f"{venv / 'bin'}:/usr/bin:/bin",
        "HOME": str(project.root / "home"),
        "TMPDIR": str(project.root / "kfp"),
    }
    (project.root / "kfp").mkdir()
    done = subprocess.run(words, cwd=project.root / "kfp", env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(Path(files["executor"]).read_text())["artifacts"]["lineage"]["artifacts"][0]["metadata"]
    assert (told["step"], told["status"]) == ("load", "succeeded")


def test_the_versions_are_there_for_another_python(project: Project, tmp_path: Path) -> None:
    """Which this machine need not have: each of them has a wheel for it."""
    text = write(project, "--python", "3.12")["text"]
    pins = [word for line in installs(text) for word in shlex.split(line) if "==" in word and "pipeglot" not in word]
    assert len(pins) == len(OWN)
    words = ["pip", "install", "--dry-run", "--no-deps", "--only-binary", ":all:", "--target", str(tmp_path / "there")]
    words += ["--python-version", "3.12", "--python-platform", "x86_64-manylinux_2_28", *pins]
    uv = REPOSITORY / ".cache/uv/bin/uv"
    environment = {"UV_SYSTEM_CERTS": "true", **os.environ}
    done = subprocess.run(
        [*([str(uv)] if uv.exists() else find_uv()), *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"Would install {len(pins)} packages" in done.stderr
