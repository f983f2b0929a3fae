"""Records: written once, and refused by name when they are not what was written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeglot.core.errors import Corrupt, NewerFormat, NotFound, ValueRefused
from pipeglot.core.lineage import keys
from pipeglot.core.lineage.ledger import Ledger, pack, unpack
from pipeglot.core.lineage.processes import is_there, this_process
from pipeglot.core.lineage.records import CacheEntry, Origin, Start
from pipeglot.core.store import open_store
from tests.unit.lineage.build import RUN, pipeline, step, verdict

KEY = "runs/x/v/a/-/1"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(open_store(tmp_path / "store"))


def start(run: str = RUN, **changed: object) -> Start:
    known = {"pipeline": "p", "stack": "local", "backend": "local", "ir": "0" * 64, "params": {}}
    return Start(run=run, **{**known, "created": "2026-01-01", "logical_date": "2026-01-01", **changed})  # type: ignore[arg-type]


def test_a_record_comes_back() -> None:
    made = verdict(("a", (1, 2)), [1.5, "x"])
    assert unpack(pack(made), KEY) == made


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", Corrupt, f"`{KEY}` is no record of pipeglot's"),
        (b"{}", Corrupt, f"`{KEY}` is no record of pipeglot's"),
        (b"pipeglot 1 abc\n{}", Corrupt, f"`{KEY}` does not match its checksum: it was cut or changed"),
        (b"pipeglot 2 abc\n{}", NewerFormat, f"`{KEY}` has format 2; this pipeglot reads up to 1"),
    ],
)
def test_what_is_no_record_is_refused(data: bytes, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as found:
        unpack(data, KEY)
    assert str(found.value).startswith(message)


@pytest.mark.parametrize("cut", [1, 10, 80, 200])
def test_a_cut_record_is_refused(cut: int) -> None:
    with pytest.raises(Corrupt):
        unpack(pack(verdict(("a", ()), 1))[:-cut], KEY)


def test_a_record_that_nobody_would_read_is_not_written(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeglot.core.lineage.ledger.MAX_RECORD", 2 << 20)
    with pytest.raises(ValueRefused) as caught:
        ledger.start(start(params={"x": "y" * (3 << 20)}))
    assert caught.value.message == (f"the record of a start of run `{RUN}` would have 3 MB, and at most 2 MB are taken")
    assert ledger.started(RUN) is None
    assert ledger.start(start(params={"x": "y" * (1 << 20)})) == ledger.started(RUN)


def test_a_record_of_a_later_kind_is_refused_and_a_later_field_is_not() -> None:
    import hashlib

    def signed(body: bytes) -> bytes:
        return b"pipeglot 1 %s\n%s" % (hashlib.sha256(body).hexdigest().encode(), body)

    body = pack(verdict(("a", ()), 1)).partition(b"\n")[2]
    assert unpack(signed(body.replace(b"{", b'{"later":{"a":1},', 1)), KEY) == verdict(("a", ()), 1)
    with pytest.raises(NewerFormat, match="holds a record that this pipeglot does not know"):
        unpack(signed(body.replace(b'"verdict"', b'"later"', 1)), KEY)


def test_the_first_verdict_is_the_only_one(ledger: Ledger) -> None:
    first, second = verdict(("a", ()), 1), verdict(("a", ()), status="failed")
    assert ledger.commit(first) == first
    assert ledger.commit(second) == first
    assert ledger.verdict(RUN, "a", ()) == first
    assert list(ledger.verdicts(RUN)) == [first]


def test_a_verdict_under_the_key_of_another_cell_is_refused(ledger: Ledger) -> None:
    ledger.store.put(keys.verdict(RUN, "b", ()), pack(verdict(("a", ()), 1)))
    with pytest.raises(Corrupt, match="is the record of another cell"):
        ledger.verdict(RUN, "b", ())
    with pytest.raises(Corrupt, match="is the record of another cell"):
        list(ledger.verdicts(RUN))


def test_a_record_of_another_run_is_refused(ledger: Ledger) -> None:
    other = keys.run_id("local", "p", "2")
    ledger.store.put(f"runs/{other}/start", pack(start()))
    with pytest.raises(Corrupt, match="holds a record of another place"):
        ledger.started(other)


def test_whoever_starts_a_run_first_decides_it(ledger: Ledger) -> None:
    assert ledger.start(start(pipeline="first")).pipeline == "first"
    assert ledger.start(start(pipeline="second")).pipeline == "first"
    assert ledger.runs() == [RUN]


def test_runs_are_listed_in_the_order_of_their_arrival(ledger: Ledger) -> None:
    made = [keys.run_id("local", "p", str(number)) for number in range(5)]
    for run in made:
        ledger.start(start(run))
    assert ledger.runs() == made


def test_a_pipeline_is_kept_under_its_digest(ledger: Ledger) -> None:
    made = pipeline(step("a"))
    sha = ledger.put_ir(made)
    assert ledger.put_ir(made) == sha
    assert Ledger(ledger.store).ir(sha) == made
    with pytest.raises(NotFound, match="has no pipeline"):
        ledger.ir("0" * 64)


def test_a_changed_pipeline_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    sha = ledger.put_ir(pipeline(step("a")))
    path = tmp_path / "store" / "ir" / sha
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b'"a"', b'"b"'))
    with pytest.raises(Corrupt, match="does not match its name"):
        Ledger(ledger.store).ir(sha)


def test_a_damaged_cache_entry_is_no_entry(ledger: Ledger) -> None:
    key = "a" * 64
    ledger.store.put(keys.cache(key), b"torn")
    assert ledger.cache_entry(key) is None
    origin = Origin(run=RUN, step="a")
    entry = CacheEntry(run=RUN, key=key, origin=origin, computed="2026-01-01T00:00:00+00:00", refs={})
    ledger.remember(entry)
    assert ledger.cache_entry(key) == entry


def test_a_swapped_cache_entry_is_no_entry(ledger: Ledger) -> None:
    origin = Origin(run=RUN, step="a")
    entry = CacheEntry(run=RUN, key="b" * 64, origin=origin, computed="2026-01-01T00:00:00+00:00", refs={})
    ledger.store.put(keys.cache("a" * 64), pack(entry))
    assert ledger.cache_entry("a" * 64) is None


@pytest.mark.parametrize(
    ("step_id", "part"),
    [
        ("train", "train"),
        ("Train", "%54rain"),
        ("a/b", "a%2fb"),
        ("..", ".."),
        ("été", "%c3%a9t%c3%a9"),
        ("a.b-c_1", "a.b-c_1"),
    ],
)
def test_step_names_in_keys_are_safe_where_case_is_folded(step_id: str, part: str) -> None:
    assert keys.step_part(step_id) == part


@pytest.mark.parametrize("run", ["", "../../etc", "A" * 24, "short", "a" * 25])
def test_what_is_no_run_id_never_becomes_a_key(run: str) -> None:
    with pytest.raises(Corrupt, match="is no run id"):
        keys.run_prefix(run)


def test_a_stray_file_in_the_journal_hides_no_run(ledger: Ledger) -> None:
    ledger.start(start())
    for stray in ("journal/README", "journal/a-b-c", "journal/-", "journal/20260101T000000.000000-zzz-1"):
        ledger.store.put(stray, b"")
    assert ledger.runs() == [RUN]


@pytest.mark.parametrize("pid", ["", "x", "-4", "0", "\u00b2", "1e9"])
def test_of_a_process_that_nobody_can_ask_about_nothing_is_known(pid: str) -> None:
    assert is_there(this_process() | {"pid": pid}) is None


@pytest.mark.parametrize("known", [{"host": "another"}, {"machine": "of the same name"}, {"space": "a container's"}])
def test_a_number_of_elsewhere_is_no_process_of_here(known: dict[str, str]) -> None:
    """Another host has the same numbers; so has another machine that is called the same, and a container."""
    assert is_there(this_process() | known) is None


def test_a_process_is_told_from_all_others() -> None:
    assert is_there(this_process())
    assert is_there(this_process() | {"process": "another boot"}) is False
    assert is_there(this_process() | {"pid": str(1 << 80)}) is False


def test_a_number_that_another_user_has_now_is_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def kill(pid: int, number: int) -> None:
        raise PermissionError

    engine = this_process()
    monkeypatch.setattr(os, "kill", kill)
    assert is_there(engine)
    assert is_there(engine | {"process": "before"}) is False
    assert is_there(engine | {"pid": str(1 << 40)}) is None, "and who hides its processes tells nothing"


def test_a_process_that_has_ended_is_not_there_though_nobody_has_looked() -> None:
    program = (
        "import json, pipeglot.core.lineage.processes as p; print(json.dumps(p.this_process()), flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        engine = json.loads(process.stdout.readline())
        assert is_there(engine)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and stays in the table
        assert is_there(engine) == (engine["process"] == "")  # elsewhere than on Linux, nobody can tell
