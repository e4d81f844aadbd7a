"""Scalars as files hold them, text or typed, and as ours."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from connectors.files.mapping import Table, ValueType
from connectors.records import Value

LONGEST_KEY = 255
_FLAGS: Mapping[str, bool] = {
    **dict.fromkeys(("true", "yes", "y", "t", "1"), True),
    **dict.fromkeys(("false", "no", "n", "f", "0"), False),
}
_HAS_TIME = re.compile(r"%[HIcXs]")
_NUMBERS: Mapping[str, re.Pattern[str]] = {
    ".": re.compile(r"[+-]?(\d{1,3}(,\d{3})+|\d+)?(\.\d*)?([eE][+-]?\d{1,3})?"),
    ",": re.compile(r"[+-]?(\d{1,3}([.\u00a0\u202f ']\d{3})+|\d+)?(,\d*)?([eE][+-]?\d{1,3})?"),
}


class Unreadable(ValueError):
    """A value that is not of the type it should have: what is wrong and what is allowed, never the value."""

    def __init__(self, what: str, allowed: str) -> None:
        super().__init__(f"{what}; {allowed}")
        self.what, self.allowed = what, allowed


class Values:
    """Reads the cells of one table by its own notation."""

    def __init__(self, table: Table, zone: ZoneInfo) -> None:
        self._nulls = frozenset({"", *table.nulls})
        self._decimal = table.decimal
        self._formats = table.dates
        self._zone = zone
        self._readers: Mapping[ValueType, Callable[[Any], Value]] = {
            "text": self.text,
            "integer": self._integer,
            "number": self.number,
            "flag": self._flag,
            "date": self._date,
            "instant": self.instant,
        }

    def null(self, raw: Any) -> bool:
        """Whether nothing is known."""
        if isinstance(raw, str):
            return raw.strip() in self._nulls
        return raw is None or raw != raw

    def typed(self, raw: Any, wanted: ValueType | None) -> Value:
        """`raw` as a `wanted`; without a wish as the file types it. None: nothing is known. Raises `Unreadable`."""
        if self.null(raw):
            return None
        if wanted is None:
            if isinstance(raw, Decimal):
                return self.number(raw)
            if isinstance(raw, datetime):
                return self.instant(raw)
            return raw if isinstance(raw, bool | int | float | date) else self.text(raw)
        return self._readers[wanted](raw)

    def key(self, raw: Any) -> str:
        """An id. Raises `Unreadable` for one that is missing, too long or an address."""
        if self.null(raw):
            raise Unreadable("is empty", "every row needs one")
        if isinstance(raw, float) and raw.is_integer():
            raw = int(raw)
        text = self.text(raw)
        if "@" in text:
            raise Unreadable("holds an e-mail address", "ids are shown in logs, so use another column")
        if len(text) > LONGEST_KEY:
            raise Unreadable("is too long", f"an id has at most {LONGEST_KEY} characters")
        return text

    def text(self, raw: Any) -> str:
        if not isinstance(raw, str):
            if not isinstance(raw, int | float | bool | Decimal | date):
                raise Unreadable("is no text", "text, numbers, dates and flags can be read")
            raw = str(raw)
        text: str = raw.strip()
        if "\0" in text:
            raise Unreadable("holds a NUL character", "remove it")
        return text

    def instant(self, raw: Any) -> datetime:
        """Aware UTC. A date without a time counts from the end of its day: earlier, it may not have happened yet."""
        if isinstance(raw, str):
            raw = self._parsed(raw.strip())
        try:
            if isinstance(raw, datetime):
                return (raw if raw.tzinfo else raw.replace(tzinfo=self._zone)).astimezone(UTC)
            if isinstance(raw, date):
                following = datetime.combine(raw + timedelta(days=1), time(), self._zone)
                return following.astimezone(UTC) - timedelta(seconds=1)
        except (OverflowError, ValueError):
            raise Unreadable("is out of range", "years 1 to 9999") from None
        raise self._no_date()

    def number(self, raw: Any) -> float:
        if isinstance(raw, bool):
            raise Unreadable("is a flag", "a number is needed")
        if isinstance(raw, str):
            text = raw.strip()
            if not _NUMBERS[self._decimal].fullmatch(text) or not any(map(str.isdigit, text)):
                raise Unreadable("is not a number", f"the decimal sign is {self._decimal!r} (declare `decimal`)")
            other = "," if self._decimal == "." else ".\u00a0\u202f '"
            raw = text.translate({ord(sign): None for sign in other}).replace(",", ".")
        try:
            number = float(raw)
        except (TypeError, ValueError, OverflowError):
            raise Unreadable("is not a number", "a number is needed") from None
        if not math.isfinite(number):
            raise Unreadable("is not a finite number", "a finite number is needed")
        return number

    def _integer(self, raw: Any) -> int:
        return raw if isinstance(raw, int) and not isinstance(raw, bool) else round(self.number(raw))

    def _flag(self, raw: Any) -> bool:
        flag = raw if isinstance(raw, bool) else _FLAGS.get(str(raw).strip().lower())
        if flag is None:
            raise Unreadable("is not a flag", f"one of {', '.join(_FLAGS)}")
        return flag

    def _date(self, raw: Any) -> date:
        at = self._parsed(raw.strip()) if isinstance(raw, str) else raw
        if not isinstance(at, date):
            raise self._no_date()
        return at.date() if isinstance(at, datetime) else at

    def _parsed(self, text: str) -> date:
        """A datetime, or a date where the text has no time."""
        for form in self._formats:
            try:
                at = datetime.strptime(text, form)  # noqa: DTZ007 - the table's zone is added by the caller
            except ValueError:
                continue
            return at if _HAS_TIME.search(form) else at.date()
        if not self._formats:
            for read in (date.fromisoformat, datetime.fromisoformat):
                try:
                    return read(text)
                except ValueError:
                    continue
        raise self._no_date()

    def _no_date(self) -> Unreadable:
        allowed = " or ".join(self._formats) or "ISO 8601 such as 2026-03-02T09:30:00Z (else declare `dates`)"
        return Unreadable("is not a date of a declared format", allowed)
