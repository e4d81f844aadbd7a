"""Since when there are scores."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Engine, text

if TYPE_CHECKING:
    import adbc_driver_postgresql.dbapi as adbc


def begin(engine: Engine, as_of: datetime) -> None:
    """There is about to be a score of `as_of`: committed at once, so that every reader of facts knows of it.

    What is known of the first such instant and of those after it is what we had observed by then.
    """
    with engine.connect() as connection:
        since: datetime | None = connection.execute(text("SELECT since FROM live")).scalar_one_or_none()
    if since is not None and since <= as_of:
        return
    with engine.begin() as connection:
        connection.execute(
            text("""
            INSERT INTO live (since) VALUES (:as_of)
            ON CONFLICT ((true)) DO UPDATE SET since = least(live.since, excluded.since)
            """),
            {"as_of": as_of},
        )


def since(arrow: adbc.Connection) -> datetime | None:
    """The first instant of which anybody was scored; None before it."""
    with arrow.cursor() as cursor:
        cursor.execute("SELECT since FROM live")
        row = cursor.fetchone()
    first: datetime | None = row[0] if row else None
    return first
