"""Small histories in few words: days count from `DAY_0`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from worker.features.facts import INSTANT
from worker.training.goal import Goal
from worker.training.population import TIMES, VALUES, History

DAY_0 = datetime(2026, 1, 1, tzinfo=UTC)

Times = Iterable[tuple[int, float]]


def day(number: float) -> datetime:
    return DAY_0 + timedelta(days=number)


def times(rows: Times) -> pl.DataFrame:
    return pl.DataFrame([(person, day(at)) for person, at in rows], dict(TIMES), orient="row")


def history(
    standing: Iterable[tuple[int, int, float, bool]],
    events: Times = (),
    *,
    until: float,
    customers: Times = (),
    acts: Times = (),
    values: Iterable[tuple[int, str, str | None, float]] = (),
) -> History:
    """`standing`: person, record, day, open. `values`: person, name, value, day."""
    return History(
        pl.DataFrame(
            [(person, record, day(at), open_) for person, record, at, open_ in standing],
            {"person_id": pl.Int64, "record": pl.Int64, "at": INSTANT, "open": pl.Boolean},
            orient="row",
        ),
        times(events),
        day(until),
        times(customers),
        times(acts),
        pl.DataFrame(
            [(person, name, value, day(at), day(at), 0, person * 10) for person, name, value, at in values],
            dict(VALUES),
            orient="row",
        ),
    )


def goal(**given: Any) -> Goal:
    return Goal.model_validate({"horizon_days": 30} | given)
