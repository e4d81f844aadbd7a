"""Facts by hand: small frames with the columns that the store delivers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import polars as pl
from polars._typing import SchemaDict

from worker.features.facts import INSTANT, Facts

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)

AttributeRow = tuple[int, str, str | None, datetime, datetime, int, int]
ActivityRow = tuple[int, str, str | None, datetime, datetime, str]

_ATTRIBUTES: SchemaDict = {
    "person_id": pl.Int64,
    "name": pl.String,
    "value": pl.String,
    "occurred_at": INSTANT,
    "known_at": INSTANT,
    "rank": pl.Int16,
    "record": pl.Int64,
}
_ACTIVITIES: SchemaDict = {
    "person_id": pl.Int64,
    "kind": pl.String,
    "detail": pl.String,
    "occurred_at": INSTANT,
    "known_at": INSTANT,
    "source": pl.String,
}


def value(
    name: str,
    text: str | None,
    *,
    person: int = 1,
    at: datetime = NOW - DAY,
    known: datetime | None = None,
    rank: int = 0,
    record: int = 10,
) -> AttributeRow:
    return (person, name, text, at, known or at, rank, record)


def act(
    kind: str,
    *,
    person: int = 1,
    at: datetime = NOW - DAY,
    known: datetime | None = None,
    detail: str | None = None,
    source: str = "org",
) -> ActivityRow:
    return (person, kind, detail, at, known or at, source)


def facts(
    attributes: Iterable[AttributeRow] = (),
    activities: Iterable[ActivityRow] = (),
    people: Iterable[int] = (1,),
    since: datetime = NOW - 1000 * DAY,
) -> Facts:
    ids = list(people)
    return Facts(
        pl.DataFrame(
            {"person_id": ids, "created_at": [since] * len(ids)}, {"person_id": pl.Int64, "created_at": INSTANT}
        ),
        pl.DataFrame(list(attributes), _ATTRIBUTES, orient="row"),
        pl.DataFrame(list(activities), _ACTIVITIES, orient="row"),
    )
