"""Can a value of one type be an argument of another? Refused is only what cannot be, whatever the values are.

An annotation promises less than a type checker thinks: a `float` may be an `int` at run time, a base class may turn out
to be the derived one. So this is no type checker; it finds the edges that would fail in every run.
"""

from __future__ import annotations

import collections.abc
import functools
import typing
from typing import Any, get_args, get_origin

from pipeglot.core.authoring.annotations import bare, members

_PROMOTED: dict[type, tuple[type, ...]] = {bool: (float, complex), int: (float, complex), float: (complex,)}
"""What type checkers let pass beside subclasses. The way back may fit too: `-> float` may return an int."""

_CLOSED = ("builtins", "datetime", "decimal")
"""Modules whose classes nobody mixes with others: text is never also a table."""

_ITEMS = {list, set, frozenset, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection}
_ITEMS |= {collections.abc.MutableSequence, collections.abc.Set, collections.abc.Reversible}
_MAPPINGS = {dict, collections.abc.Mapping, collections.abc.MutableMapping}


def fits(given: Any, wanted: Any) -> bool:
    """False only if no value of the type `given` can be one of the type `wanted`."""
    if given is wanted:
        return True
    try:
        return _fits_once(given, wanted)
    except TypeError:  # an annotation with something unhashable in it
        return _fits(given, wanted)


def _fits(given: Any, wanted: Any) -> bool:
    given, wanted = bare(given), bare(wanted)
    if given is wanted:
        return True
    choices = members(wanted)
    if choices is not None:
        return any(fits(given, choice) for choice in choices)
    choices = members(given)
    if choices is not None:
        return any(fits(choice, wanted) for choice in choices)
    if get_origin(given) is typing.Literal:
        return any(accepts(value, wanted) for value in get_args(given))
    if get_origin(wanted) is typing.Literal:
        return any(fits(given, type(value)) for value in get_args(wanted))
    given_class, wanted_class = class_of(given), class_of(wanted)
    if given_class is None or wanted_class is None:
        return True
    return _related(given_class, wanted_class) and _parts_fit(given, wanted, given_class, wanted_class)


_fits_once = functools.lru_cache(maxsize=1024)(_fits)


def accepts(value: object, wanted: Any) -> bool:
    """False only if this very value is none of the type `wanted`."""
    wanted = bare(wanted)
    union = members(wanted)
    if union is not None:
        return any(accepts(value, member) for member in union)
    if get_origin(wanted) is typing.Literal:
        return any(value == choice and type(value) is type(choice) for choice in get_args(wanted))
    wanted_class = class_of(wanted)
    if wanted_class is None:
        return True
    if type(value).__module__ == "numpy":  # a scalar that does as a number, though it is none
        return True
    try:
        if not isinstance(value, wanted_class):
            return wanted_class in _PROMOTED.get(type(value), ())
    except TypeError:  # a protocol that cannot be asked at run time
        return True
    return _items_accepted(value, wanted, wanted_class)


def class_of(hint: Any) -> type | None:
    """The class that its values have, or None if that says nothing."""
    if hint is None:
        return type(None)
    found = get_origin(hint) or hint
    if not isinstance(found, type) or found in (object, Any, type):
        return None
    if typing.is_typeddict(found):
        return dict
    return None if getattr(found, "_is_protocol", False) else found


def _related(given: type, wanted: type) -> bool:
    if (
        wanted in _PROMOTED.get(given, ())
        or given in _PROMOTED.get(wanted, ())
        or "numpy" in (given.__module__, wanted.__module__)
    ):
        return True  # a NumPy scalar is no float, yet does as one
    try:
        if issubclass(given, wanted) or issubclass(wanted, given):
            return True
    except TypeError:
        return True
    if any(kind.__module__ in _CLOSED for kind in (given, wanted)):
        return False
    if any(getattr(kind, "__abstractmethods__", None) for kind in (given, wanted)):
        return True
    return _common_subclass(given, wanted)


def _common_subclass(given: type, wanted: type) -> bool:
    """Whether there is a class that is both, as a mixin's users are."""
    try:
        found: list[type] = type.__subclasses__(given)
    except TypeError:
        return True
    seen: set[type] = set()
    while found:
        child = found.pop()
        if child not in seen:
            seen.add(child)
            if issubclass(child, wanted):
                return True
            found += type.__subclasses__(child)
    return False


def _parts_fit(given: Any, wanted: Any, given_class: type, wanted_class: type) -> bool:
    """The same question of what is in them; where the two are not laid out alike, nothing is certain."""
    ours, theirs = get_args(given), get_args(wanted)
    if not ours or not theirs:
        return True
    if given_class is tuple:
        return _tuple_fits(ours, theirs, wanted_class)
    if given_class in _MAPPINGS and wanted_class in _MAPPINGS:
        return all(map(fits, ours, theirs))
    if given_class in _ITEMS and wanted_class in _ITEMS:
        return fits(ours[0], theirs[0])
    return True


def _tuple_fits(ours: tuple[Any, ...], theirs: tuple[Any, ...], wanted: type) -> bool:
    if wanted in _ITEMS:
        return all(fits(our, theirs[0]) for our in ours if our is not Ellipsis)
    if wanted is not tuple or Ellipsis in ours:
        return True
    if len(theirs) == 2 and theirs[1] is Ellipsis:
        return all(fits(our, theirs[0]) for our in ours)
    return len(ours) == len(theirs) and all(map(fits, ours, theirs))


def _items_accepted(value: Any, wanted: Any, wanted_class: type) -> bool:
    args = get_args(wanted)
    if not args:
        return True
    if type(value) is dict and wanted_class in _MAPPINGS:
        return all(accepts(key, args[0]) and accepts(item, args[1]) for key, item in value.items())
    if type(value) is tuple and wanted_class is tuple and args[-1] is not Ellipsis:
        return len(value) == len(args) and all(map(accepts, value, args))
    if type(value) in (list, tuple, set, frozenset) and (wanted_class in _ITEMS or wanted_class is tuple):
        return all(accepts(item, args[0]) for item in value)
    return True


def list_item(hint: Any) -> Any:
    """The type of the items of a list, `Any` if that is not known; None if it certainly is no list."""
    hint = bare(hint)
    union = members(hint)
    if union is not None:
        items = [item for item in map(list_item, union) if item is not None]
        return items[0] if len(items) == 1 else Any if items else None
    kind = class_of(hint)
    if kind is None:
        return Any
    if not (issubclass(list, kind) or issubclass(tuple, kind) or issubclass(kind, list | tuple)):
        return None
    args = get_args(hint)
    if args and (kind in _ITEMS or (kind is tuple and args[-1] is Ellipsis)):
        return args[0]
    return Any
