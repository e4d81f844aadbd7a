"""What a practice store holds as JSON and back, whatever objects it is made of."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime, timedelta
from typing import Any


@dataclass(frozen=True, slots=True)
class Kept:
    """The attributes that are a store's state, and the classes of what lies in them. Tokens, sessions and counters of
    limits are none: they end with the process."""

    names: Sequence[str]
    kinds: Sequence[type]

    def dump(self, store: object) -> dict[str, Any]:
        """State for `load`, as JSON has it."""
        return {name: _plain(getattr(store, name)) for name in self.names}

    def load(self, store: object, state: Mapping[str, Any]) -> None:
        """Put `state` in place of what the store holds. Raises `KeyError` for one of another version."""
        kinds = {kind.__name__: kind for kind in self.kinds}
        for name in self.names:
            held, value = getattr(store, name), _revived(state[name], kinds)
            if isinstance(held, defaultdict):
                held.clear()
                held.update(value)
            else:
                setattr(store, name, value)


def _plain(value: Any) -> Any:
    """Scalars as they are, all else a list that begins with what it was."""
    if value is None or isinstance(value, bool | int | float) or type(value) is str:
        return value
    if isinstance(value, str):
        return str(value)
    if is_dataclass(value):
        return ["object", type(value).__name__, *(_plain(getattr(value, field.name)) for field in fields(value))]
    if isinstance(value, Mapping):
        return ["dict", *([_plain(key), _plain(its)] for key, its in value.items())]
    if isinstance(value, datetime):
        return ["at", value.isoformat()]
    if isinstance(value, timedelta):
        return ["for", value.total_seconds()]
    if isinstance(value, deque):
        return ["deque", value.maxlen, *map(_plain, value)]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return ["object", type(value).__name__, *map(_plain, value)]
    if isinstance(value, list | tuple):
        return [type(value).__name__, *map(_plain, value)]
    if isinstance(value, set | frozenset):
        return ["set", *sorted(map(_plain, value), key=str)]
    raise TypeError(f"a {type(value).__name__} cannot be kept")


def _revived(value: Any, kinds: Mapping[str, Callable[..., Any]]) -> Any:
    if not isinstance(value, list):
        return value
    tag, *rest = value
    if tag == "at":
        return datetime.fromisoformat(rest[0])
    if tag == "for":
        return timedelta(seconds=rest[0])
    if tag == "object":
        return kinds[rest[0]](*(_revived(each, kinds) for each in rest[1:]))
    if tag == "dict":
        return {_revived(key, kinds): _revived(its, kinds) for key, its in rest}
    if tag == "deque":
        return deque((_revived(each, kinds) for each in rest[1:]), maxlen=rest[0])
    made = (_revived(each, kinds) for each in rest)
    return tuple(made) if tag == "tuple" else set(made) if tag == "set" else list(made)
