"""Two stored files, folders or byte strings: names, sizes, the lines of a text. Pickles: only what they are."""

from __future__ import annotations

import pickletools
from typing import TYPE_CHECKING

from pipeglot.client.diff.model import FileChange, FilesDiff, KindDiff, Uncompared, ValueDiff
from pipeglot.client.diff.scalars import compare_text
from pipeglot.core.lineage.records import Ref

if TYPE_CHECKING:
    from pipeglot.core.artifacts import Artifacts
    from pipeglot.core.artifacts.folders import Entry

_MOST = 100
_TEXT = 200_000
"""Longer files are compared by size alone."""


def compare_files(old: Ref, new: Ref, before: Artifacts, after: Artifacts) -> ValueDiff:
    """Two files, or two byte strings, whose content or suffix differs."""
    suffixes = [str(ref.meta.get("suffix", "")) for ref in (old, new)]
    if suffixes[0] == suffixes[1]:
        texts = _text(old, before), _text(new, after)
        if texts[0] is not None and texts[1] is not None:
            return compare_text(texts[0], texts[1])
    told = f"`{suffixes[0]}` → `{suffixes[1]}`" if suffixes[0] != suffixes[1] else _same_bytes(old, new)
    return FilesDiff(changes=(FileChange(before=old.size, after=new.size, path="", note=told),), count=1)


def _same_bytes(old: Ref, new: Ref) -> str:
    return "" if old.blob != new.blob else "the bytes are equal"


def _text(ref: Ref, artifacts: Artifacts) -> str | None:
    """What it says, if it is a text that is not too long."""
    if ref.size > _TEXT:
        return None
    data = artifacts.head(ref, _TEXT)
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def compare_folders(old: Ref, new: Ref, before: Artifacts, after: Artifacts) -> FilesDiff | None:
    """By the lists of what they hold."""
    was = {entry.path: entry for entry in before.listing(old)}
    now = {entry.path: entry for entry in after.listing(new)}
    changes = [change for path in sorted({*was, *now}) if (change := _change(path, was.get(path), now.get(path)))]
    return FilesDiff(changes=tuple(changes[:_MOST]), count=len(changes)) if changes else None


def _change(path: str, was: Entry | None, now: Entry | None) -> FileChange | None:
    if was is None or now is None:
        there = was or now
        assert there is not None
        note = _KINDS[there.kind] if there.kind in "dl" else ""
        return FileChange(path=path, before=was.size if was else None, after=now.size if now else None, note=note)
    if (was.kind, was.content) == (now.kind, now.content):
        return None
    note = f"{_KINDS[was.kind]} → {_KINDS[now.kind]}" if was.kind != now.kind else ""
    if was.kind == now.kind == "l":
        note = f"link to `{was.content}` → `{now.content}`"
    return FileChange(path=path, before=was.size, after=now.size, note=note)


_KINDS = {"d": "folder", "f": "file", "x": "executable file", "l": "link"}

# --- pickles ----------------------------------------------------------------------------------------------------------


def compare_pickles(old: Ref, new: Ref, before: Artifacts, after: Artifacts) -> ValueDiff:
    """Never loaded: a pickle is a program, and what it makes has no form to compare."""
    kinds = _pickled(old, before), _pickled(new, after)
    if kinds[0] != kinds[1]:
        return KindDiff(before=kinds[0], after=kinds[1])
    why = "pickles are not compared"
    if old.value == new.value:
        why += "; code and inputs are equal, so the step does not give the same bytes each time"
    return Uncompared(what=f"the bytes of {kinds[0]} differ", why=why)


def _pickled(ref: Ref, artifacts: Artifacts) -> str:
    if not ref.codec.startswith("pickle/"):
        return f"a value stored as `{ref.codec}`"
    return f"a pickled `{pickled_class(artifacts.head(ref, 1 << 16)).rpartition('.')[2]}`"


_CONTAINERS = {"EMPTY_DICT": "dict", "EMPTY_LIST": "list", "EMPTY_SET": "set", "MARK": "tuple", "EMPTY_TUPLE": "tuple"}
_INDIRECT = frozenset({"copyreg._reconstructor", "copyreg.__newobj__", "builtins.getattr"})


def pickled_class(head: bytes) -> str:
    """The class of a pickled object, as the beginning of its bytes names it; nothing of it is run."""
    texts: list[str] = []
    try:
        for code, argument, _ in pickletools.genops(head):
            if code.name in _CONTAINERS and not texts:
                return _CONTAINERS[code.name]
            if "UNICODE" in code.name:
                texts.append(str(argument))
            if code.name == "STACK_GLOBAL" and len(texts) > 1:
                found = ".".join(texts[-2:])
            elif code.name == "GLOBAL":
                found = str(argument).replace(" ", ".")
            else:
                continue
            if found.startswith("cloudpickle."):
                return "object of a class that is stored with it"
            if found not in _INDIRECT:
                return found
    except (ValueError, IndexError, UnicodeDecodeError):  # cut off, or no pickle of ours
        return "object"
    return "object"
