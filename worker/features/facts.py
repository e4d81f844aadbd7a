"""Everything known about some people, not yet cut at an instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

INSTANT = pl.Datetime("us", "UTC")
_WORDS = (pl.String, pl.Categorical, pl.Enum)

_PEOPLE: Mapping[str, tuple[object, ...]] = {"person_id": (pl.Int64,), "created_at": (INSTANT,)}
_ATTRIBUTES: Mapping[str, tuple[object, ...]] = {
    "person_id": (pl.Int64,),
    "name": _WORDS,
    "value": (pl.String,),
    "occurred_at": (INSTANT,),
    "known_at": (INSTANT,),
    "rank": (pl.Int16,),
    "record": (pl.Int64,),
}
_ACTIVITIES: Mapping[str, tuple[object, ...]] = {
    "person_id": (pl.Int64,),
    "kind": _WORDS,
    "detail": _WORDS,
    "occurred_at": (INSTANT,),
    "known_at": (INSTANT,),
    "source": _WORDS,
}


@dataclass(frozen=True, slots=True)
class Facts:
    """Three frames, rows in any order. Raises `TypeError` for a frame that lacks a column or has one of another type.

    `people`: one row a person asked for. person_id i64, created_at (of the first record).
    `attributes`: one row a value that a record took on. person_id i64, name, value (text, null where it was cleared),
    occurred_at, known_at, rank i16 (0 the person's own record, 1 its account), record i64.
    `activities`: one row an activity a source. person_id i64, kind (a value of `ActivityKind`), detail (or null),
    occurred_at, known_at, source.

    Words are text or dictionary-encoded; instants are microseconds in UTC.
    """

    people: pl.DataFrame
    attributes: pl.DataFrame
    activities: pl.DataFrame

    def __post_init__(self) -> None:
        for name, frame, columns in (
            ("people", self.people, _PEOPLE),
            ("attributes", self.attributes, _ATTRIBUTES),
            ("activities", self.activities, _ACTIVITIES),
        ):
            for column, allowed in columns.items():
                found = frame.schema.get(column)
                if not any(found == dtype for dtype in allowed):
                    raise TypeError(f"facts.{name}.{column}: found {found}, need {' or '.join(map(str, allowed))}")
