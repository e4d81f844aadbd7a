"""Malformed variants of well-formed inputs: of values, by their structure, and of bytes."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any

Dice = random.Random

STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**31, 2**63, 10**30, -(10**30), 0.1, 1e308, float("inf"), float("nan"), "", " ", "0",
    "null", "true", "NaN", "\0", "a\0b", "\ud800", "\U0001f600", "\u202eabc", "a" * 70_000, "=cmd|'/c calc'!A0", "{}",
    "2026-02-30T25:61:61Z", "0000-00-00", "9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00+14:00", "2026-11-23", "-",
    "1e400", "٣", "<script>", "' OR 1=1 --", "../../etc/passwd", "[]", [], {}, [None], [[]], {"": None},
)  # fmt: skip
"""What has broken parsers: every kind in every other's place, ends of ranges, text that is more than text."""


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every part of a value, the whole included."""
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from places(part, (*path, key))


def _replace(holder: Any, key: Any, dice: Dice) -> None:
    holder[key] = copy.deepcopy(dice.choice(STRANGE))


def _drop(holder: Any, key: Any, dice: Dice) -> None:
    del holder[key]


def _repeat(holder: Any, key: Any, dice: Dice) -> None:
    if isinstance(holder, list):
        holder.insert(dice.randrange(len(holder) + 1), copy.deepcopy(holder[key]))
    else:
        holder[f"{key}{dice.choice(('', ' ', '_2', '.x'))}x"] = copy.deepcopy(holder[key])


def _wrap(holder: Any, key: Any, dice: Dice) -> None:
    holder[key] = dice.choice(([holder[key]], {"value": holder[key]}, str(holder[key])))


def _rename(holder: Any, key: Any, dice: Dice) -> None:
    if isinstance(holder, dict):
        holder[str(key).upper() if dice.random() < 0.5 else f"{key}_"] = holder.pop(key)
    else:
        dice.shuffle(holder)


_CHANGES: tuple[Callable[[Any, Any, Dice], None], ...] = (_replace, _replace, _replace, _drop, _repeat, _wrap, _rename)


def spoilt(value: Any, dice: Dice) -> Any:
    """A variant with one to three parts that are not what they should be."""
    variant = copy.deepcopy(value)
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        paths = [path for path in places(variant) if path]
        if not paths or dice.random() < 0.02:
            return copy.deepcopy(dice.choice(STRANGE))
        *to, key = dice.choice(paths)
        holder = variant
        for step in to:
            holder = holder[step]
        dice.choice(_CHANGES)(holder, key, dice)
    return variant


_BITS = (
    b"\0", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\r", b"\n\n", b"\t", b'"', b"'", b",", b";", b"{{", b"}}", b"[",
    b"!!python/object:os.system ", b"<<: ", b"- ", b": ", b"#", b"%", b"\xe2\x80\xae", b"0" * 400, b"1e999", b"&a *a ",
)  # fmt: skip


def bent(raw: bytes, dice: Dice) -> bytes:
    """A variant with one to three cuts, flips, repeats, or bytes that are not text."""
    variant = bytearray(raw)
    for _ in range(dice.choice((1, 1, 2, 3))):
        at = dice.randrange(len(variant) + 1)
        match dice.randrange(6):
            case 0:
                del variant[at:]
            case 1:
                del variant[at : at + dice.randrange(1, 40)]
            case 2:
                variant[at:at] = dice.choice(_BITS)
            case 3:
                variant[at:at] = variant[at : at + dice.randrange(1, 200)]
            case 4 if at < len(variant):
                variant[at] ^= 1 << dice.randrange(8)
            case _:
                line = bytes(variant).split(b"\n")
                dice.shuffle(line)
                variant = bytearray(b"\n".join(line))
    return bytes(variant)
