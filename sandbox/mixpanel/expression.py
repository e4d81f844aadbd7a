"""Segmentation expressions: what `where` says of a profile or an event.

The grammar is the vendor's (Mixpanel, "Segmentation Expressions"), and what its own exporters use beside it: `datetime`
and `defined`. Arithmetic is left out.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

Test = Callable[[Mapping[str, Any]], Any]

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<number>-?\d+(?:\.\d+)?)"""
    r"""|(?P<op>==|!=|>=|<=|>|<)|(?P<mark>[()\[\],])|(?P<word>\w+))"""
)
_COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt,
}  # fmt: skip


class Unreadable(ValueError):
    """The expression is none."""


def parse(text: str) -> Test:
    """Whether a row's properties match; an empty expression matches all. Raises `Unreadable`."""
    return _Parser(text).whole() if text.strip() else lambda row: True


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        at, text = 0, text.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise Unreadable(f"unexpected {text[at : at + 10]!r}")
            self._tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
            at = found.end()
        self._at = 0

    def whole(self) -> Test:
        test = self._either()
        if self._at < len(self._tokens):
            raise Unreadable(f"unexpected {self._tokens[self._at][1]!r}")
        return test

    def _either(self) -> Test:
        left = self._both()
        while self._took("or"):
            left = _or(left, self._both())
        return left

    def _both(self) -> Test:
        left = self._compared()
        while self._took("and"):
            left = _and(left, self._compared())
        return left

    def _compared(self) -> Test:
        if self._took("not"):
            denied = self._compared()
            return lambda row: not denied(row)
        left = self._value()
        kind, shown = self._next()
        if kind == "op":
            self._at += 1
            return _compare(shown, left, self._value())
        if self._took("in"):
            among = self._value()
            return lambda row: left(row) in (among(row) or ())
        return left

    def _value(self) -> Test:
        kind, shown = self._next()
        self._at += 1
        if kind == "string":
            text = shown[1:-1].replace('\\"', '"').replace("\\'", "'")
            return lambda row: text
        if kind == "number":
            number = float(shown)
            return lambda row: number
        if shown == "(":
            inner = self._either()
            self._expect(")")
            return inner
        if shown == "[":
            return self._listed()
        if shown in ("true", "false"):
            return lambda row: shown == "true"
        if shown in ("properties", "user"):
            self._expect("[")
            name = self._next()[1][1:-1]
            self._at += 1
            self._expect("]")
            return lambda row: row.get(name)
        if shown in _FUNCTIONS:
            self._expect("(")
            argument, function = self._either(), _FUNCTIONS[shown]
            self._expect(")")
            return lambda row: function(argument(row))
        raise Unreadable(f"unexpected {shown!r}")

    def _listed(self) -> Test:
        items: list[Test] = []
        while not self._took("]"):
            items.append(self._value())
            self._took(",")
        return lambda row: [item(row) for item in items]

    def _next(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "the end")

    def _took(self, shown: str) -> bool:
        taken = self._next()[1] == shown and self._next()[0] != "string"
        self._at += taken
        return taken

    def _expect(self, shown: str) -> None:
        if not self._took(shown):
            raise Unreadable(f"expected {shown!r}, not {self._next()[1]!r}")


_FUNCTIONS: Mapping[str, Callable[[Any], Any]] = {
    "datetime": lambda value: value, "defined": lambda value: value is not None, "boolean": bool,
    "string": lambda value: None if value is None else str(value),
    "number": lambda value: float(value) if isinstance(value, int | float) else None,
}  # fmt: skip


def _or(left: Test, right: Test) -> Test:
    return lambda row: bool(left(row)) or bool(right(row))


def _and(left: Test, right: Test) -> Test:
    return lambda row: bool(left(row)) and bool(right(row))


def _compare(shown: str, left: Test, right: Test) -> Test:
    """What is not there, or of another type, is neither more nor less than anything."""
    compared = _COMPARED[shown]

    def test(row: Mapping[str, Any]) -> bool:
        one, other = left(row), right(row)
        if shown not in ("==", "!=") and (
            one is None or other is None or isinstance(one, str) != isinstance(other, str)
        ):
            return False
        return compared(one, other)

    return test
