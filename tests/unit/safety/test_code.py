"""No record of a store that is not trusted decides what code runs: not by a pickle, a class, a function or a target."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from pipeglot.cli.completion import answer
from pipeglot.core.artifacts import Artifacts
from pipeglot.core.artifacts.blobs import Blobs
from pipeglot.core.errors import Corrupt, Untrusted, ValueRefused
from pipeglot.core.instances import load_class
from pipeglot.core.ir import Output, Returns
from pipeglot.core.lineage.arguments import rebuild
from pipeglot.core.serializers import serializer
from pipeglot.core.store.folder import FolderStore
from tests.unit.safety.conftest import Bench
from tests.unit.safety.test_forged import READERS, about, clear

EVIL = """\
from pathlib import Path

Path("pwned").write_text("by an import")


def wipe(**given):
    Path("pwned").write_text("by a call")


class Mode:
    pass
"""


@pytest.fixture
def wary(bench: Bench) -> Bench:
    """Of a store that is not trusted, beside a module that is not to be run."""
    bench.distrust()
    (bench.root / "evil.py").write_text(EVIL)
    return bench


def forge_ir(bench: Bench, change: Callable[[dict[str, Any]], object]) -> None:
    """Another pipeline for the first run, in its place and with its hash."""
    tree = json.loads(bench.read(bench.key("ir")))
    change(tree)
    data = json.dumps(tree).encode()
    sha = hashlib.sha256(data).hexdigest()
    (bench.store / "ir" / sha).write_bytes(data)
    bench.change(f"runs/{bench.first}/start", lambda body: body.update(ir=sha))


def named(tree: dict[str, Any], step: str) -> dict[str, Any]:
    found: dict[str, Any] = next(node for node in nodes(tree["nodes"]) if node["id"] == step)
    return found


def nodes(tree: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for node in tree for one in (node, *nodes([*node.get("body", []), *node.get("then", [])]))]


def not_run(bench: Bench) -> None:
    assert not (bench.root / "pwned").exists()
    assert "evil" not in sys.modules


# --- classes ----------------------------------------------------------------------------------------------------------


def rename_enum(tree: dict[str, Any]) -> None:
    text = json.dumps(tree).replace('"flow:Mode"', '"evil:Mode"')
    assert "evil:Mode" in text
    tree.update(json.loads(text))


@pytest.mark.parametrize("trusted", [True, False])
def test_readers_import_no_class_that_a_parameter_has(bench: Bench, wary: Bench, trusted: bool) -> None:
    """A condition compares two members of an enum: which of them is which, the records tell."""
    if trusted:
        (bench.root / "pipeglot.yaml").unlink()
    forge_ir(bench, rename_enum)
    for words in READERS:
        assert clear(bench(*about(words, bench.first))).code == 0
    not_run(bench)


def test_a_class_that_a_condition_cannot_do_without(wary: Bench) -> None:
    """The run is left out, by name; the others are read."""

    def records(tree: dict[str, Any]) -> None:
        param = next(one for one in tree["params"] if one["name"] == "mode")
        param["type"] = {"kind": "record", "ref": "evil:Mode", "style": "dataclass", "fields": []}
        param.pop("default", None)

    forge_ir(wary, records)
    wary.change(f"runs/{wary.first}/start", lambda body: body["params"].update(mode={}))
    listed = clear(wary("runs", "list", "--json"))
    assert {run["run_id"] for run in listed.json} == set(wary.others)
    assert "names the module `evil`, and the store is not trusted" in listed.err
    assert "names the module `evil`" in clear(wary("runs", "show", wary.first)).err
    not_run(wary)


def test_nothing_but_a_named_tuple_is_made_of_outputs() -> None:
    """What a step returned is put together again by its class: a record may name any callable."""
    outputs = (Output(name="args", type="list"),)
    for ref in ("subprocess:Popen", "os:system", "builtins:exec", "pathlib:Path"):
        with pytest.raises(ValueRefused, match="which is no named tuple here"):
            rebuild(Returns(form="namedtuple", outputs=outputs, ref=ref), {"args": ["touch", "pwned"]})
    with pytest.raises(Untrusted, match="names the module `no_such_module`"):
        rebuild(Returns(form="namedtuple", outputs=outputs, ref="no_such_module:X"), {"args": 1}, trusted=False)


class Pair(NamedTuple):
    args: int


def test_a_named_tuple_is() -> None:
    returns = Returns(form="namedtuple", outputs=(Output(name="args", type="int"),), ref=f"{__name__}:Pair")
    assert rebuild(returns, {"args": 1}, trusted=False) == Pair(1)


def test_no_module_is_asked_for_what_it_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its `__getattr__` may import others."""
    lazy = ModuleType("lazy_module")
    asked: list[str] = []
    vars(lazy)["__getattr__"] = asked.append
    monkeypatch.setitem(sys.modules, "lazy_module", lazy)
    with pytest.raises(ValueRefused, match="has no `Thing`"):
        load_class("lazy_module:Thing", "`x`", trusted=False)
    assert asked == []


# --- functions --------------------------------------------------------------------------------------------------------


def test_replay_calls_no_function_that_says_no_step(wary: Bench) -> None:
    forge_ir(wary, lambda tree: named(tree, "fast")["code"].update(module="evil", qualname="wipe"))
    told = clear(wary("replay", wary.first, "fast"))
    assert told.code == 1
    assert "step `fast` is recorded to call `evil:wipe`, which says no `@step` in this checkout" in told.err
    assert "trusted: true" in told.err
    not_run(wary)


def test_replay_sets_no_environment_that_a_record_says(wary: Bench) -> None:
    forge_ir(wary, lambda tree: named(tree, "fast").update(env={"LD_PRELOAD": "/tmp/x.so"}))
    told = clear(wary("replay", wary.first, "fast"))
    assert told.code == 1
    assert "step `fast` is recorded to set `LD_PRELOAD` in the environment" in told.err


def test_replay_of_a_step_of_the_checkout(wary: Bench) -> None:
    told = wary.run("replay", wary.first, "fast")
    assert told.code == 0, told.err
    assert "succeeded" in told.out


# --- targets ----------------------------------------------------------------------------------------------------------


def unfinished(bench: Bench, target: str) -> None:
    bench.change(f"runs/{bench.first}/start", lambda body: body["asked"].update(target=target))
    for key in ("end/1", "v/last/-/1"):
        (bench.store / f"runs/{bench.first}/{key}").unlink()


@pytest.mark.parametrize("target", ["flow.py:flow", "evil.py", "/tmp/x y.py", "$(touch pwned).py"])
def test_resume_asks_for_the_target(wary: Bench, target: str) -> None:
    unfinished(wary, target)
    told = clear(wary("runs", "resume", wary.first))
    assert told.code == 1
    assert "what to run is not taken from the record of run" in told.err
    quoted = target if target in ("flow.py:flow", "evil.py") else f"'{target}'"
    assert f"if that is right: `pipeglot runs resume {wary.first[:10]} {quoted}`" in told.err
    not_run(wary)
    done = wary.run("runs", "resume", wary.first, "flow.py:flow")
    assert done.code == 0, done.err


@pytest.mark.parametrize("target", ["/tmp/other.py", "~/other.py", "../other.py:flow", "a/../../other.py"])
def test_a_recorded_target_is_in_the_project(bench: Bench, target: str) -> None:
    """Whether or not the store is trusted."""
    unfinished(bench, target)
    told = clear(bench("runs", "resume", bench.first))
    assert told.code == 1
    assert f"names `{target}`, which is not in the project" in told.err
    assert bench.run("runs", "resume", bench.first, "flow.py").code == 0


def test_a_failed_run_names_its_target_for_the_way_on(wary: Bench) -> None:
    (wary.root / "flow.py").write_text(
        "from pipeglot import Cache, pipeline, step\n\n\n@step(cache=Cache(enabled=False))\ndef one() -> int:\n"
        "    return 1\n\n\n@step\ndef two(n: int) -> int:\n    raise ValueError\n\n\n@pipeline\ndef flow() -> None:\n"
        "    two(one())\n"
    )
    told = wary.run("run", "flow.py").err
    line = next(line for line in told.splitlines() if "runs resume" in line)
    assert line.split()[-1] == "flow.py"


# --- values -----------------------------------------------------------------------------------------------------------


class Net:
    """What users have, and keep by a serializer of their own."""


def test_a_serializer_reads_only_if_it_is_safe(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store", trusted=True)
    calls: list[Path] = []

    class Keeps:
        def dump(self, _: Net, path: Path) -> None:
            path.write_bytes(b"net")

        def load(self, path: Path) -> Net:
            calls.append(path)
            return Net()

    serializer(Net, id="safety.net", version=1)(Keeps)
    ref = Artifacts(store).save(Net(), name="net", opaque_id=str)
    wary = Artifacts(FolderStore(store.root, trusted=False))
    with pytest.raises(Untrusted) as caught:
        wary.load(ref, name="net")
    assert "`net` was stored by the serializer `safety.net`" in caught.value.message
    assert "say `@serializer(…, id='safety.net', safe=True)`" in caught.value.hint
    assert calls == []
    assert isinstance(Artifacts(store).load(ref, name="net"), Net)
    serializer(Net, id="safety.net", version=1, safe=True)(Keeps)
    assert isinstance(wary.load(ref, name="net"), Net)
    assert len(calls) == 2


def test_a_file_that_is_changed_after_its_hash_was_taken(tmp_path: Path) -> None:
    """Others may write to the folder of a store that is not trusted, at any time."""
    folder = tmp_path / "store"
    data = os.urandom(2 << 20)
    ref = Artifacts(FolderStore(folder)).save(data, name="x", opaque_id=str)
    wary = FolderStore(folder, trusted=False)
    fd, path = Blobs(wary).open(ref.week, ref.blob, ref.size, "`x`")
    file = folder / "blobs" / ref.week / ref.blob
    file.chmod(0o600)
    with file.open("r+b") as changed:
        changed.write(b"other")
    with os.fdopen(fd, "rb") as opened:
        assert opened.read() == data
    assert not path.exists(), "nobody makes a link of it"


def test_a_longer_file_than_the_record_says_is_not_copied_without_end(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    ref = Artifacts(FolderStore(folder)).save(bytes(10_000), name="x", opaque_id=str)
    file = folder / "blobs" / ref.week / ref.blob
    file.chmod(0o600)
    os.truncate(file, 1 << 40)
    wary = Artifacts(FolderStore(folder, trusted=False))
    with pytest.raises(Corrupt, match="is damaged"):
        wary.load(ref, name="x")


def test_a_pipe_in_the_place_of_a_record(bench: Bench) -> None:
    """Nobody waits for a writer."""
    key = bench.key("start")
    (bench.store / key).unlink()
    os.mkfifo(bench.store / key)
    told = clear(bench("runs", "show", bench.first))
    assert told.code in (1, 2)
    assert len(bench("runs", "list", "--json").json) == 2


def test_links_in_a_store_lead_nowhere(bench: Bench, tmp_path: Path) -> None:
    """A link in place of a value is read as what it leads to, which has another hash: nothing of it is shown."""
    secret = tmp_path / "secret.txt"
    secret.write_text("the key")
    for kind in ("start", "verdict", "blob"):
        path = bench.store / bench.key(kind)
        path.unlink()
        path.symlink_to(secret)
    for words in READERS:
        answer_ = clear(bench(*about(words, bench.others[1])))
        assert "the key" not in answer_.out + answer_.err
    for run in (bench.first, bench.others[1]):
        assert "the key" not in "".join(bench("artifact", "get", f"{run}/large/output", "-o", "out")[1:])


# --- a shell ----------------------------------------------------------------------------------------------------------


def test_names_of_a_store_and_the_shell(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What completion offers goes onto a command line, which somebody sends off with Enter."""
    monkeypatch.chdir(bench.root)
    evil = ["$(touch pwned)", "a`touch pwned`", "x\ny", "\x1b[31mred", "\u202eright"]
    for run, tag in zip((bench.first, *bench.others), evil, strict=False):
        bench.change(f"runs/{run}/start", lambda body, tag=tag: body.update(tags={tag: "1"}))  # type: ignore[misc]
    for shell, words in (
        ("bash", ["pipeglot runs list --tag ", ""]),
        ("bash", ['pipeglot runs list --tag "', ""]),
        ("zsh", ["pipeglot", "runs", "list", "--tag", ""]),
    ):
        assert answer(shell, words) == 0
        out = capfd.readouterr().out
        assert not {"\x1b", "\u202e"} & set(out)
        if shell == "bash" and '"' in words[0]:
            assert "$(" not in out
        elif shell == "bash":
            assert "\\$\\(touch\\ pwned\\)" in out
