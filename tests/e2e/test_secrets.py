"""A secret leaves no trace: not in any byte below `.pipeglot`, and not in anything that a command prints."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from tests.e2e.conftest import Project

TOKEN = 'pa"ss/wörd+1 & co'
KEY = """\
-----BEGIN KEY-----
MIIEowIBAAKCAQEAx4UbaDzY5xjW6hc9jwN0mX33XpTDVW57gk
qqWZ/8Bn9wQ2TqDl5jz4YHq0kpDFmE1RmQhZBmNIg7hLmkR3Yw
-----END KEY-----"""
OTHER = "another-step's-secret"

CONFIG = """\
stacks:
  local:
    backend: local
    secrets: {TOKEN: "env:TOKEN", KEY: "file:key.pem", OTHER: "env:OTHER"}
"""

FLOW = '''\
"""Steps that do with secrets what nobody should, and everybody does once."""

import ascii_form
import base64
import html
import json
import logging
import os
import shlex
import subprocess
import sys
import time
import urllib.parse

from pipeglot import Cache, Retry, log_metrics, pipeline, secret, step


def forms(text):
    raw = text.encode()
    yield from (text, repr(text), ascii(text), repr(raw), json.dumps(text), json.dumps({"a": text}, ensure_ascii=False))
    yield from (urllib.parse.quote(text), urllib.parse.quote_plus(text), urllib.parse.quote(text, safe=""))
    yield from (html.escape(text), shlex.quote(text), raw.hex(), raw.hex().upper())
    for prefix in (b"", b"u:", b"us:", b"user:"):
        yield base64.b64encode(prefix + raw).decode()
        yield base64.urlsafe_b64encode(prefix + raw + b"@host").decode()
    yield base64.encodebytes(raw).decode()


@step(secrets=["TOKEN", "KEY"])
def prints() -> int:
    for name in ("TOKEN", "KEY"):
        for form in forms(secret(name)):
            print("form:", form)
            sys.stderr.write(f"error: {form}\\n")
    logging.getLogger("app").warning("logged %s", secret("TOKEN"))
    half = len(secret("TOKEN")) // 2
    for part in (secret("TOKEN")[:half], secret("TOKEN")[half:]):
        sys.stdout.write(part)
        sys.stdout.flush()
        time.sleep(0.01)
    print()
    os.write(1, secret("TOKEN").encode())
    subprocess.run(["sh", "-c", 'printf "%s" "$0"; printf "%s" "$TOKEN" >&2', secret("TOKEN")], check=True)
    print("padding " * 300_000, secret("TOKEN"), sep="")
    return 1


@step
def prints_the_environment(n: int) -> int:
    print(dict(os.environ))
    subprocess.run(["env"], check=True)
    return n


@step(secrets=["TOKEN", "KEY"], retry=Retry(2, delay="0s"))
def raises(n: int) -> None:
    log_metrics({"length": len(secret("TOKEN"))})
    try:
        raise KeyError(secret("TOKEN"))
    except KeyError as error:
        wrapped = RuntimeError(f"cannot log in with {secret('TOKEN')!r}: {[*forms(secret('KEY'))]}")
        wrapped.add_note(f"note: {secret('TOKEN')}")
        raise wrapped from error


@step(secrets=["TOKEN"])
def fails_outside(n: int) -> None:
    code = "import sys; sys.stderr.write(sys.argv[1]); sys.exit(3)"
    subprocess.run([sys.executable, "-c", code, secret("TOKEN")], check=True, capture_output=True)


@step(secrets=["TOKEN"])
def dies(n: int) -> None:
    print("last words", secret("TOKEN"), flush=True)
    os.environ.pop("TOKEN")
    os._exit(9)


@step(secrets=["TOKEN"], timeout="0.5s")
def hangs(n: int) -> None:
    print("waiting with", secret("TOKEN"), flush=True)
    time.sleep(60)


@pipeline
def flow() -> None:
    one = prints()
    prints_the_environment(one)
    raises(one)
    fails_outside(one)
    dies(one)
    hangs(one)
'''


def traces(text: str) -> Iterator[str]:
    """What must be found nowhere."""
    raw = text.encode()
    yield from (text, repr(text)[1:-1], ascii(text)[1:-1], repr(raw)[2:-1], json.dumps(text)[1:-1])
    yield from (quote(text), quote_plus(text), quote(text, safe=""), raw.hex(), raw.hex().upper())
    for offset in range(3):
        inner = base64.b64encode(b"\0" * offset + raw)[4:-4].decode()
        yield from (inner, inner.replace("+", "-").replace("/", "_"))
    if "\n" in text:
        yield from (line for line in text.splitlines() if len(line) > 20)


TRACES = [one.encode() for secret in (TOKEN, KEY, OTHER) for one in traces(secret)]
FOUND = re.compile(b"|".join(map(re.escape, TRACES)))


def clean(data: bytes, where: object) -> None:
    for found in FOUND.finditer(data):
        raise AssertionError(f"{where}: {data[max(0, found.start() - 60) : found.end() + 20]!r}")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    found = Project(tmp_path)
    found.write("pipeglot.yaml", CONFIG)
    found.write("flow.py", FLOW.replace("import ascii_form\n", ""))
    found.write("key.pem", KEY + "\n")
    return found


def check_files(folder: Path) -> int:
    count = 0
    for path in folder.rglob("*"):
        if path.is_file():
            clean(path.read_bytes(), path)
            clean(str(path).encode(), "a name")
            count += 1
    return count


def test_every_byte_that_is_kept_and_everything_that_is_printed(project: Project, tmp_path: Path) -> None:
    temp = tmp_path / "temp"
    temp.mkdir()
    env: Any = {"TOKEN": TOKEN, "OTHER": OTHER, "TMPDIR": str(temp), "PYTHONIOENCODING": "utf-8", "LC_ALL": "C.UTF-8"}
    first = project("run", "flow.py", "--json", code=1, **env)
    second = project("run", "flow.py", code=1, **env)
    for done in (first, second):
        clean((done.out + done.err).encode(), "run")
    states = {step["id"]: step["status"] for step in first.json["steps"]}
    assert states == {
        **dict.fromkeys(("raises", "fails_outside", "dies", "hangs"), "failed"),
        **dict.fromkeys(("prints", "prints_the_environment"), "succeeded"),
    }
    assert check_files(project.root / ".pipeglot") > 20
    assert check_files(temp) == 0
    logs = project("runs", "logs", first.json["run_id"], "prints", **env).out
    assert logs.count("***") > 60, "the rest of what was printed is there"
    assert "padding padding" in logs
    assert "last words ***" in project("runs", "logs", "latest", "dies", **env).out
    assert "waiting with ***" in project("runs", "logs", "latest", "hangs", **env).out
    env.pop("TMPDIR")
    for words in (
        ("runs", "list"),
        ("runs", "list", "--json"),
        ("runs", "show", "latest"),
        ("runs", "show", "latest", "--json"),
        ("runs", "logs", "latest"),
        ("runs", "logs", "latest", "--json"),
        ("runs", "diff", first.json["run_id"], "latest"),
        ("runs", "diff", first.json["run_id"], "latest", "--json"),
        ("lineage", "latest", "--json"),
        ("artifact", "list"),
        ("cache", "explain", "latest", "raises"),
        ("plan", "flow.py", "--json"),
        ("stack", "show", "local", "--json"),
        ("bundle", "flow.py", "--list"),
        ("compile", "flow.py", "--ir"),
        ("store", "verify", "--json"),
        ("replay", "latest", "raises"),
        ("replay", "latest", "raises", "--json"),
        ("replay", "latest", "fails_outside"),
        ("run", "flow.py", "--inline", "--no-cache", "--until", "prints_the_environment"),
    ):
        done = project(*words, code=None, **env)
        assert "bug in pipeglot" not in done.err, words
        clean((done.out + done.err).encode(), words)
    assert check_files(project.root / ".pipeglot") > 20


HTML = """
from flow import flow
from pipeglot import runs, RunFailed

try:
    flow.run()
except RunFailed as error:
    print(error)
    print(repr(error.run), error.run._repr_html_())
print(flow._repr_html_())
for run in runs():
    print(run, run._repr_html_())
"""


def test_python_and_notebooks(project: Project) -> None:
    import subprocess
    import sys

    from tests.e2e.conftest import ENVIRONMENT

    env = {**ENVIRONMENT, "TOKEN": TOKEN, "OTHER": OTHER, "PYTHONPATH": str(project.root), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        [sys.executable, "-c", HTML], cwd=project.root, env=env, capture_output=True, timeout=60, check=False
    )
    assert b"<svg" in done.stdout, done.stderr
    assert b"***" in done.stdout
    clean(done.stdout + done.stderr, "Python")


@pytest.mark.parametrize("words", [("-p", "text=x"), ("--tag", "a=b")])
def test_a_secret_that_is_not_there(project: Project, words: tuple[str, ...]) -> None:
    """The message names the variable, and what else it knows it keeps to itself."""
    project.write("flow.py", (project.root / "flow.py").read_text().replace("def flow()", 'def flow(text: str = "")'))
    done = project("run", "flow.py", *words, code=1, OTHER=OTHER)
    assert "secret `TOKEN`: the environment variable `TOKEN` is not set" in done.err
    clean((done.out + done.err).encode(), "run")
