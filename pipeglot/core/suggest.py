"""What somebody may have meant: for the hint of an error about a name that is not there."""

from __future__ import annotations

from collections.abc import Iterable

MOST = 12
"""So many names are listed."""

LONGEST = 200
"""Nobody mistypes a longer name, and to compare it takes time."""

SHORT_ID = 10
"""So many letters of a run's id are shown: enough to tell it from all others of a store."""


def close(name: object, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """The known name that is most like it; "" if none is."""
    if not isinstance(name, str) or len(name) > LONGEST:
        return ""
    import difflib

    found = difflib.get_close_matches(name, known, n=1, cutoff=cutoff)
    return found[0] if found else ""


def did_you_mean(name: object, known: Iterable[str], otherwise: str = "") -> str:
    """A hint; `otherwise` if no known name is like it."""
    found = close(name, known)
    return f"did you mean `{found}`?" if found else otherwise


def meant(name: object, known: Iterable[str], what: str, most: int = MOST) -> str:
    """A hint: the name that is like it, or else ("its steps are") those that there are. "" if there are none."""
    names = list(known)
    return did_you_mean(name, names, f"{what}: {listed(names, most)}" if names else "")


def listed(names: Iterable[str], most: int = MOST) -> str:
    """`a`, `b`, …"""
    every = list(names)
    return ", ".join(f"`{name}`" for name in every[:most]) + (", …" if len(every) > most else "")
