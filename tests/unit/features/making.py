"""Facts by hand: small frames with the columns that the store delivers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
from polars._typing import SchemaDict

from worker.features.facts import INSTANT, Facts

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)

ColleagueRow = tuple[int, int, datetime, datetime, datetime | None]
AttributeRow = tuple[int, str, str | None, datetime, datetime, int, int, datetime | None]
ActivityRow = tuple[int, str, str | None, datetime, datetime, str, datetime | None, float | None]

_PEOPLE: SchemaDict = {"person_id": pl.Int64, "created_at": INSTANT, "as_of": INSTANT}
_COLLEAGUES: SchemaDict = {
    "account": pl.Int64,
    "colleague": pl.Int64,
    "occurred_at": INSTANT,
    "known_at": INSTANT,
    "until": INSTANT,
}
_ATTRIBUTES: SchemaDict = {
    "person_id": pl.Int64,
    "name": pl.String,
    "value": pl.String,
    "occurred_at": INSTANT,
    "known_at": INSTANT,
    "rank": pl.Int16,
    "record": pl.Int64,
    "until": INSTANT,
}
_ACTIVITIES: SchemaDict = {
    "person_id": pl.Int64,
    "kind": pl.String,
    "detail": pl.String,
    "occurred_at": INSTANT,
    "known_at": INSTANT,
    "source": pl.String,
    "until": INSTANT,
    "duration": pl.Float64,
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
    until: datetime | None = None,
) -> AttributeRow:
    return (person, name, text, at, known or at, rank, record, until)


def act(
    kind: str,
    *,
    person: int = 1,
    at: datetime = NOW - DAY,
    known: datetime | None = None,
    detail: str | None = None,
    source: str = "org",
    until: datetime | None = None,
    duration: float | None = None,
) -> ActivityRow:
    return (person, kind, detail, at, known or at, source, until, duration)


def facts(
    attributes: Iterable[AttributeRow] = (),
    activities: Iterable[ActivityRow] = (),
    people: Sequence[int] = (1,),
    since: datetime = NOW - 1000 * DAY,
    as_of: datetime | Mapping[int, datetime] = NOW,
) -> Facts:
    """`as_of` is everybody's instant, or that of each person."""
    instants = as_of if isinstance(as_of, Mapping) else dict.fromkeys(people, as_of)
    return Facts(
        pl.DataFrame([(person, since, instants[person]) for person in people], _PEOPLE, orient="row"),
        pl.DataFrame(list(attributes), _ATTRIBUTES, orient="row"),
        pl.DataFrame(list(activities), _ACTIVITIES, orient="row"),
    )


def colleague(
    person: int,
    *,
    account: int = 70,
    at: datetime = NOW - DAY,
    known: datetime | None = None,
    until: datetime | None = None,
) -> ColleagueRow:
    return (account, person, at, known or at, until)


def with_colleagues(made: Facts, acts: Iterable[ColleagueRow], accounts: Mapping[int, int]) -> Facts:
    """`made`, with people at `accounts` (by person) and what was done there."""
    account = pl.col("person_id").replace_strict(accounts, default=None, return_dtype=pl.Int64)
    return replace(
        made,
        people=made.people.with_columns(account=account),
        colleagues=pl.DataFrame(list(acts), _COLLEAGUES, orient="row"),
    )
