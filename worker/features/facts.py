"""Everything known about some people, not yet cut at the instant at which each is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

INSTANT = pl.Datetime("us", "UTC")
_WORDS = (pl.String, pl.Categorical, pl.Enum)

_PEOPLE: dict[str, tuple[object, ...]] = {"person_id": (pl.Int64,), "created_at": (INSTANT,), "as_of": (INSTANT,)}
_ATTRIBUTES: Mapping[str, tuple[object, ...]] = {
    "person_id": (pl.Int64,),
    "name": _WORDS,
    "value": (pl.String,),
    "occurred_at": (INSTANT,),
    "known_at": (INSTANT,),
    "until": (INSTANT,),
    "rank": (pl.Int16,),
    "record": (pl.Int64,),
}
_COLLEAGUES: Mapping[str, tuple[object, ...]] = {
    "account": (pl.Int64,),
    "colleague": (pl.Int64,),
    "occurred_at": (INSTANT,),
    "known_at": (INSTANT,),
    "until": (INSTANT,),
}
_ACTIVITIES: Mapping[str, tuple[object, ...]] = {
    "person_id": (pl.Int64,),
    "kind": _WORDS,
    "detail": _WORDS,
    "occurred_at": (INSTANT,),
    "known_at": (INSTANT,),
    "until": (INSTANT,),
    "duration": (pl.Float64,),
    "source": _WORDS,
}


@dataclass(frozen=True, slots=True)
class Facts:
    """Frames with rows in any order. Raises `TypeError` for a frame that lacks a column or has one of another type.

    `people`: one row a person asked for. person_id i64, created_at (of the first record), as_of: the instant at which
    this person is looked at (now for a live score, a past instant for a snapshot); account i64, with `colleagues` only:
    the account that the person belonged to by then, or null; `who` i64, where a person is looked at under several ids,
    each with an instant of its own: the id that colleagues know the person by.
    `attributes`: one row a value that a record took on. person_id i64, name, value (text, null where it was cleared),
    occurred_at, known_at, until, rank i16 (0 the person's own record, 1 its account), record i64.
    `activities`: one row an activity a source. person_id i64, kind (a value of `ActivityKind`), detail (or null),
    occurred_at, known_at, until, duration f64 (seconds, or null), source.

    `colleagues`: one row an act of anybody at an account of `people`, of a kind that prospects cause; None where nobody
    asks for it. account i64, colleague i64 (a person_id; `people` act at their own accounts too), occurred_at, known_at
    and until (of the act, and of the colleague's being there). Acts older than 30 days at each instant may be left out.

    A fact is visible at an instant iff it occurred and was known at or before it, and `until` (when it was retracted:
    an edit, a deletion, a link that was withdrawn) is null or after it.

    Words are text or dictionary-encoded; instants are microseconds in UTC.
    """

    people: pl.DataFrame
    attributes: pl.DataFrame
    activities: pl.DataFrame
    colleagues: pl.DataFrame | None = None

    def __post_init__(self) -> None:
        people = _PEOPLE if self.colleagues is None else _PEOPLE | {"account": (pl.Int64,)}
        for name, frame, columns in (
            ("people", self.people, people),
            ("attributes", self.attributes, _ATTRIBUTES),
            ("activities", self.activities, _ACTIVITIES),
            ("colleagues", self.colleagues, _COLLEAGUES),
        ):
            if frame is None:
                continue
            for column, allowed in columns.items():
                found = frame.schema.get(column)
                if not any(found == dtype for dtype in allowed):
                    raise TypeError(f"facts.{name}.{column}: found {found}, need {' or '.join(map(str, allowed))}")
