"""How soon people say they will buy, in months."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from worker.features.words import fold, read_table

_PLANS: Mapping[str, float | None] = {
    fold(row["phrase"]): None if row["months"] == "none" else float(row["months"])
    for row in read_table("timelines.csv")
}
_UNITS: Sequence[tuple[float, tuple[str, ...]]] = (
    (1 / 30, ("d", "day", "tag", "jour", "dia", "giorn", "dag", "ден", "дня", "дне", "dni", "dzien")),
    (0.25, ("w", "wk", "week", "woche", "semaine", "semana", "settiman", "week", "недел", "tygod")),
    (3.0, ("q", "quarter", "quartal", "trimest", "kwarta", "квартал")),
    (6.0, ("half", "halbjahr", "semestr", "полугод", "polrocz")),
    (12.0, ("y", "yr", "year", "jahr", "an", "ans", "ann", "ano", "anno", "jaar", "год", "лет", "rok", "lat")),
    (1.0, ("m", "mo", "mos", "mth", "month", "monat", "mois", "mes", "mese", "mesi", "maand", "месяц", "mies")),
)
"""Months a unit, and how the unit begins in nine languages; a stem of one or two letters is a word of its own."""
_MORE = re.compile(
    r"\b(?:more than|over|later than|after|mehr als|nach|uber|plus de|apres|mas de|piu di|oltre|mais de|meer dan"
    r"|более|больше|ponad)\b"
)
_NUMBER = r"(\d+(?:[.,]\d+)?)"
_SPAN = re.compile(
    _NUMBER + r"\s*(?:(?:-|\u2013|to|bis|a|à|do|до|und|and|et|y|e|en)\s*" + _NUMBER + r")?[\s+]*([^\W\d_]+)"
)
LONGEST = 60.0


def months(text: str) -> float | None:
    """How many months off the purchase is by `text`: the far end of a span, and twice of what it is to take more than.

    Null for having no plan and for what cannot be read. At most `LONGEST`.
    """
    plan = fold(text)
    if plan in _PLANS:
        return _PLANS[plan]
    if (span := _SPAN.search(text.lower())) is None:
        return None
    low, high, word = span.groups()
    if (unit := _unit(fold(word))) is None:
        return None
    more = ">" in text or "+" in text or _MORE.search(plan)
    amount = float((high or low).replace(",", ".")) * unit
    return min(amount * (2 if high is None and more else 1), LONGEST)


def _unit(word: str) -> float | None:
    for size, stems in _UNITS:
        if any(word == stem or (len(stem) > 2 and word.startswith(stem)) for stem in stems):
            return size
    return None
