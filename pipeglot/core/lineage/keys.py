"""The ledger's keys: built from checked parts only, safe in folders that fold case and buckets that list by prefix.

journal/<utc>-<run>-<nonce>            runs/R/v/<step>/<index>/<slot>
ir/<sha>                               runs/R/b/<step>/<index>/<slot>
                                       runs/R/f/<step>/<index>/<slot>/<attempt>-<nonce>
cache/<key>                            runs/R/c/<step>/<index>/<n>
                                       runs/R/t/<step>/<index>/<slot>/<nonce>/<n>
                                       runs/R/start, runs/R/cancel, runs/R/cancelled/<n>, runs/R/end/<n>, runs/R/gone
deployed/<stack>/<pipeline>/<ir>/<utc>-<nonce>
gc/<utc>-<nonce>, gc/clock/<nonce>, gc/busy/<nonce>
claims/<what>/<n>, claims/<what>/<n>.<sign>, claims/<what>/<n>.over
"""

from __future__ import annotations

import base64
import hashlib
import json

from pipeglot.core.errors import Corrupt

Index = tuple[int, ...]
Cell = tuple[str, Index]
"""One execution of a step: its id and its position in each enclosing map."""

JOURNAL = "journal/"
RUNS = "runs/"
CACHE = "cache/"
BLOBS = "blobs/"
BUNDLES = "bundles/"
DEPLOYED = "deployed/"
PASSES = "gc/"
"""What the passes of `store gc` leave for the next one."""

CLOCKS = "gc/clock/"
"""Objects that are put only to see by their times what time it is for the store."""

BUSY = "gc/busy/"
"""Marks of those that are just now removing code which nobody refers to."""

CLAIMS = "claims/"
"""Who is at work on what nobody else is to do meanwhile. No run depends on it."""

_GONE = "gone"

INDEX_ID = "index/id"
"""What tells the store from others in a shared index; there once it has come into one."""

_SAFE = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_.-")
_BASE32 = frozenset("abcdefghijklmnopqrstuvwxyz234567")


def run_id(stack: str, pipeline: str, engine_run: str) -> str:
    """The id that every task of an engine's run agrees on: 120 bits of a hash, as 24 letters and digits."""
    named = json.dumps([stack, pipeline, engine_run]).encode()
    return base64.b32encode(hashlib.sha256(named).digest()[:15]).decode().lower()


def run_prefix(run: str) -> str:
    """Everything of a run lies below this."""
    if len(run) != 24 or not _BASE32.issuperset(run):
        raise Corrupt(f"`{run[:40]}` is no run id")
    return f"runs/{run}/"


def cell_part(step: str, index: Index) -> str:
    """`<step>/<index>`: `train/3.7`, `best/-`."""
    return f"{step_part(step)}/{'.'.join(map(str, index)) or '-'}"


def step_part(step: str) -> str:
    """A step's id with all but small letters, digits and `_.-` as `%xx`: capitals too, for folders may fold case."""
    if _SAFE.issuperset(step):
        return step
    return "".join(c if c in _SAFE else "".join(f"%{byte:02x}" for byte in c.encode()) for c in step)


def start(run: str) -> str:
    return f"{run_prefix(run)}start"


def end(run: str, number: int) -> str:
    return f"{run_prefix(run)}end/{number}"


def verdicts(run: str) -> str:
    """All verdicts of a run lie below this."""
    return f"{run_prefix(run)}v/"


def verdict(run: str, step: str, index: Index, slot: int = 1) -> str:
    return f"{run_prefix(run)}v/{cell_part(step, index)}/{slot}"


def reopened(run: str) -> str:
    """The records of all slots that were opened after the first lie below this."""
    return f"{run_prefix(run)}b/"


def reopening(run: str, step: str, index: Index, slot: int) -> str:
    return f"{reopened(run)}{slot_part(step, index, slot)}"


def attempts(run: str) -> str:
    """All failed attempts of a run lie below this."""
    return f"{run_prefix(run)}f/"


def attempt_prefix(run: str, step: str, index: Index) -> str:
    """The failed attempts of a cell lie below this."""
    return f"{attempts(run)}{cell_part(step, index)}/"


def attempt(run: str, step: str, index: Index, slot: int, number: int, nonce: str) -> str:
    return f"{attempt_prefix(run, step, index)}{slot}/{number}-{nonce}"


def checkpoint(run: str, step: str, index: Index, number: int) -> str:
    return f"{run_prefix(run)}c/{cell_part(step, index)}/{number}"


def beats(run: str) -> str:
    """All beats of a run lie below this."""
    return f"{run_prefix(run)}t/"


def beat(run: str, step: str, index: Index, slot: int, nonce: str, number: int) -> str:
    return f"{beats(run)}{slot_part(step, index, slot)}/{nonce}/{number}"


def slot_part(step: str, index: Index, slot: int) -> str:
    """`<step>/<index>/<slot>`: what verdicts and beats of a slot have in common."""
    return f"{cell_part(step, index)}/{slot}"


def gone(run: str) -> str:
    """The tombstone of a run that was pruned; `start` is all that stays beside it."""
    return f"{run_prefix(run)}{_GONE}"


def cancel(run: str) -> str:
    return f"{run_prefix(run)}cancel"


def cancels(run: str) -> str:
    """The later requests to stop lie below this: of a run that went on after the first."""
    return f"{run_prefix(run)}cancelled/"


def cancel_again(run: str, number: int) -> str:
    """`number`: how many slots had been opened again."""
    return f"{cancels(run)}{number}"


def ir(sha: str) -> str:
    return f"ir/{_hash(sha)}"


def cache(key: str) -> str:
    return f"cache/{_hash(key)}"


def journal(created: str, run: str, nonce: str) -> str:
    """`created` is UTC as `YYYYmmddTHHMMSS.ffffff`: it sorts as time does."""
    return f"{JOURNAL}{created}-{run}-{nonce}"


def journal_gone(created: str, run: str) -> str:
    """The only marker that a pruned run has."""
    return journal(created, run, _GONE)


def tells_gone(marker: str) -> bool:
    """Whether a marker says that its run was pruned."""
    return marker.endswith(f"-{_GONE}")


def deployed(stack: str, pipeline: str, ir_sha: str, created: str, nonce: str) -> str:
    """Says that a pipeline was deployed, so that what it runs from is kept though it has not run for months."""
    return f"{DEPLOYED}{step_part(stack)}/{step_part(pipeline)}/{_hash(ir_sha)}/{created}-{nonce}"


def gc_pass(created: str, nonce: str) -> str:
    return f"{PASSES}{created}-{nonce}"


def is_mark(key: str) -> bool:
    """Whether a key below `PASSES` is no record, but only there to be seen."""
    return key.startswith((CLOCKS, BUSY))


def run_of_journal(key: str) -> tuple[str, str]:
    """The time and the run of a marker. Raises `Corrupt` if it is none."""
    parts = key.removeprefix(JOURNAL).split("-")
    if len(parts) != 3:
        raise Corrupt(f"`{key[:100]}` is no marker of the journal")
    run_prefix(parts[1])
    return parts[0], parts[1]


def _hash(text: str) -> str:
    if len(text) != 64 or not frozenset("0123456789abcdef").issuperset(text):
        raise Corrupt(f"`{text[:80]}` is no sha256")
    return text
