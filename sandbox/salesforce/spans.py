"""Relative dates of SOQL (TODAY, LAST_N_DAYS:7, THIS_QUARTER...) as half-open ranges of days."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

Days = tuple[date, date]
"""First day and the day after the last."""


def _months_on(day: date, months: int) -> date:
    """The first of the month `months` after that of `day`."""
    number = day.year * 12 + day.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)


def _days(today: date, first: int, after: int) -> Days:
    return today + timedelta(first), today + timedelta(after)


def _weeks(today: date, first: int, after: int) -> Days:
    sunday = today - timedelta((today.weekday() + 1) % 7)
    return sunday + timedelta(weeks=first), sunday + timedelta(weeks=after)


def _months(today: date, first: int, after: int) -> Days:
    return _months_on(today, first), _months_on(today, after)


def _quarters(today: date, first: int, after: int) -> Days:
    start = _months_on(today, -((today.month - 1) % 3))
    return _months_on(start, 3 * first), _months_on(start, 3 * after)


def _years(today: date, first: int, after: int) -> Days:
    return date(today.year + first, 1, 1), date(today.year + after, 1, 1)


_UNITS: dict[str, Callable[[date, int, int], Days]] = {
    "DAY": _days,
    "WEEK": _weeks,
    "MONTH": _months,
    "QUARTER": _quarters,
    "YEAR": _years,
}
FIXED: dict[str, tuple[str, int, int]] = {
    "YESTERDAY": ("DAY", -1, 0),
    "TODAY": ("DAY", 0, 1),
    "TOMORROW": ("DAY", 1, 2),
    "LAST_90_DAYS": ("DAY", -90, 1),
    "NEXT_90_DAYS": ("DAY", 1, 91),
    **{f"LAST_{unit}": (unit, -1, 0) for unit in ("WEEK", "MONTH", "QUARTER", "YEAR")},
    **{f"THIS_{unit}": (unit, 0, 1) for unit in ("WEEK", "MONTH", "QUARTER", "YEAR")},
    **{f"NEXT_{unit}": (unit, 1, 2) for unit in ("WEEK", "MONTH", "QUARTER", "YEAR")},
}


def span(literal: str, today: date) -> Days | None:
    """The days that an upper-case literal means, seen from `today`; None for an unknown one.

    LAST_N_DAYS:n runs from n days ago to the end of today; longer units leave the present one out.
    """
    if literal in FIXED:
        unit, first, after = FIXED[literal]
        return _UNITS[unit](today, first, after)
    name, _, number = literal.partition(":")
    if not number:
        return None
    n = int(number)
    for unit, days in _UNITS.items():
        plural = f"{unit}S"
        if name == f"LAST_N_{plural}":
            return days(today, -n, 1 if unit == "DAY" else 0)
        if name == f"NEXT_N_{plural}":
            return days(today, 1, n + 1)
        if name == f"N_{plural}_AGO":
            return days(today, -n, 1 - n)
    return None
